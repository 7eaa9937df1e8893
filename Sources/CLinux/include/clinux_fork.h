/* What the child of a fork(2) does so that it shares no private memory with its parent. */
#ifndef CLINUX_FORK_H
#define CLINUX_FORK_H

#include <stddef.h>
#include <stdint.h>

enum clinux_fork_mode {
    CLINUX_FORK_COPY = 0, /* the child gets a copy */
    CLINUX_FORK_COW = 1,  /* the child copies what it writes; until then it sees the parent's writes */
};

struct clinux_private_file {
    uint64_t device;
    uint64_t inode;
    int32_t fd;
    uint32_t mode; /* enum clinux_fork_mode */
};

/*
 * Replaces every shared mapping of one of the files by a private one with the
 * same contents.  When more than `copy_limit_bytes` would be copied, the rest
 * is copied on write.  Allocates nothing.  0, or -1 with errno when a mapping
 * is still shared.
 */
int clinux_privatise(const struct clinux_private_file *files, size_t count, uint64_t copy_limit_bytes);

/* Makes `fd` name nothing of use, and keeps the number taken. */
void clinux_disconnect(int fd);

/* pipe2(2) with close-on-exec. */
int clinux_pipe(int ends[2]);

/* Waits until the other end is closed, at most that long. */
void clinux_wait_for_end(int fd, int timeout_milliseconds);

#endif
