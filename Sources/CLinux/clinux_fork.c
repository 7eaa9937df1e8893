#define _GNU_SOURCE
#include "clinux_fork.h"
#include "clinux_mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAPPINGS_AT_ONCE = 64 };

static const struct clinux_private_file *find(const struct clinux_private_file *files, size_t count,
                                              const struct clinux_mapping *mapping)
{
    for (size_t i = 0; i < count; i++) {
        if (files[i].inode == mapping->inode && files[i].device == mapping->device)
            return &files[i];
    }
    return NULL;
}

static int read_fully(int fd, char *to, uint64_t offset, uint64_t length)
{
    while (length > 0) {
        ssize_t count = pread(fd, to, length, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return -1;
        to += count;
        offset += (uint64_t)count;
        length -= (uint64_t)count;
    }
    return 0;
}

/* Reads what is not a hole: holes stay untouched pages in the copy as well. */
static int read_data(int fd, char *to, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length;
    for (uint64_t position = offset; position < end;) {
        off_t data = lseek(fd, (off_t)position, SEEK_DATA);
        if (data < 0)
            return errno == ENXIO ? 0 : read_fully(fd, to + (position - offset), position, end - position);
        if ((uint64_t)data >= end)
            return 0;
        off_t hole = lseek(fd, data, SEEK_HOLE);
        uint64_t run_end = hole < 0 || (uint64_t)hole > end ? end : (uint64_t)hole;
        if (read_fully(fd, to + ((uint64_t)data - offset), (uint64_t)data, run_end - (uint64_t)data) != 0)
            return -1;
        position = run_end;
    }
    return 0;
}

static int replace_by_copy(const struct clinux_private_file *file, const struct clinux_mapping *mapping)
{
    uint64_t length = mapping->end - mapping->start;
    char *copy = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED)
        return -1;
    if (read_data(file->fd, copy, mapping->offset, length) == 0 &&
        mprotect(copy, length, mapping->protection) == 0 &&
        mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(uintptr_t)mapping->start) != MAP_FAILED)
        return 0;
    munmap(copy, length);
    return -1;
}

static int replace_by_view(const struct clinux_private_file *file, const struct clinux_mapping *mapping)
{
    void *view = mmap((void *)(uintptr_t)mapping->start, mapping->end - mapping->start, mapping->protection,
                      MAP_PRIVATE | MAP_FIXED, file->fd, (off_t)mapping->offset);
    return view == MAP_FAILED ? -1 : 0;
}

int clinux_privatise(const struct clinux_private_file *files, size_t count, uint64_t copy_limit_bytes)
{
    struct clinux_mapping mappings[MAPPINGS_AT_ONCE];
    uint64_t start = 0;
    uint64_t copied = 0;
    int result = 0;

    for (;;) {
        ptrdiff_t found = clinux_mappings(start, UINT64_MAX, true, mappings, MAPPINGS_AT_ONCE);
        if (found < 0)
            return -1;
        for (ptrdiff_t i = 0; i < found; i++) {
            const struct clinux_private_file *file = find(files, count, &mappings[i]);
            uint64_t length = mappings[i].end - mappings[i].start;
            start = mappings[i].end;
            if (!file)
                continue;
            if (file->mode == CLINUX_FORK_COPY && copied + length <= copy_limit_bytes &&
                replace_by_copy(file, &mappings[i]) == 0) {
                copied += length;
                continue;
            }
            if (replace_by_view(file, &mappings[i]) != 0)
                result = -1;
        }
        if (found < MAPPINGS_AT_ONCE)
            return result;
    }
}

void clinux_disconnect(int fd)
{
    int replacement = eventfd(0, EFD_CLOEXEC);
    if (replacement < 0) {
        close(fd);
        return;
    }
    dup3(replacement, fd, O_CLOEXEC);
    close(replacement);
}

int clinux_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC);
}

void clinux_wait_for_end(int fd, int timeout_milliseconds)
{
    struct pollfd end = {.fd = fd, .events = 0};
    while (poll(&end, 1, timeout_milliseconds) < 0 && errno == EINTR)
        continue;
}
