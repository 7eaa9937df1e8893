/*
 * Keeps memory that was private, and lies in shared files now, private over
 * fork(2).  Everything that happens in the child before other code runs there
 * is here, in C: until it is done, a write of the child is a write into its
 * parent.
 */
#ifndef CLINUX_FORK_H
#define CLINUX_FORK_H

#include <pthread.h>
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

/* What belongs to the parent, and is of no use in the child. */
struct clinux_parents_context {
    int32_t connection;         /* shall name nothing: its end is the parent's end */
    uint32_t *fatal;            /* becomes 1 */
    pthread_mutex_t *mutexes[2]; /* become free, though another thread of the parent may hold them */
};

struct clinux_fork_plan {
    const struct clinux_private_file *files;
    size_t count;
    uint64_t copy_limit_bytes; /* beyond it, all is copied on write */
    const struct clinux_parents_context *contexts;
    size_t context_count;
    pthread_mutex_t *mutexes[2]; /* that `prepare` took: become free */
    uint64_t *generation;        /* is counted up */
};

/*
 * Registers handlers (pthread_atfork(3)): `prepare` takes locks and says what
 * there is, `parent` gives the locks back.  In between, the child replaces
 * every shared mapping of the files by a private one with the same contents,
 * and the parent waits for that.  A child in which that fails is aborted.  0,
 * or an errno.
 *
 * The child calls nothing but C: another thread of the parent may have been
 * in the middle of anything that a language's runtime protects by a lock.
 */
int clinux_guard_forks(void (*prepare)(struct clinux_fork_plan *plan), void (*parent)(void));

#endif
