#define _GNU_SOURCE
#include "clinux_fork_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    MAPPINGS_AT_ONCE = 64,
    /* Longer than copying what may be copied takes. */
    CHILD_TIMEOUT_MILLISECONDS = 30000,
};

static struct {
    void (*prepare)(struct clinux_fork_plan *plan);
    void (*parent)(void);
    struct clinux_fork_plan plan;
    /* The child holds the writing end until it is apart. */
    int pipe[2];
} guard;

const struct clinux_private_file *clinux_fork_find(const struct clinux_fork_plan *plan,
                                                   const struct clinux_mapping *mapping)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->files[i].inode == mapping->inode && plan->files[i].device == mapping->device)
            return &plan->files[i];
    }
    return NULL;
}

int clinux_fork_for_each(const struct clinux_fork_plan *plan,
                         void (*body)(const struct clinux_private_file *file, const struct clinux_mapping *mapping,
                                      void *context),
                         void *context)
{
    struct clinux_mapping mappings[MAPPINGS_AT_ONCE];
    uint64_t start = 0;

    for (;;) {
        ptrdiff_t found = clinux_mappings(start, UINT64_MAX, true, mappings, MAPPINGS_AT_ONCE);
        if (found < 0)
            return -1;
        for (ptrdiff_t i = 0; i < found; i++) {
            const struct clinux_private_file *file = clinux_fork_find(plan, &mappings[i]);
            start = mappings[i].end;
            if (file)
                body(file, &mappings[i], context);
        }
        if (found < MAPPINGS_AT_ONCE)
            return 0;
    }
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

struct privatisation {
    uint64_t may_be_copied;
    int result;
};

static void privatise(const struct clinux_private_file *file, const struct clinux_mapping *mapping, void *context)
{
    struct privatisation *state = context;
    uint64_t length = mapping->end - mapping->start;
    if (file->mode == CLINUX_FORK_COPY && length <= state->may_be_copied && replace_by_copy(file, mapping) == 0) {
        state->may_be_copied -= length;
        return;
    }
    if (replace_by_view(file, mapping) != 0)
        state->result = -1;
}

static void prepare(void)
{
    guard.prepare(&guard.plan);
    guard.pipe[0] = guard.pipe[1] = -1;
    if (guard.plan.count == 0)
        return;
    if (pipe2(guard.pipe, O_CLOEXEC) != 0)
        guard.pipe[0] = guard.pipe[1] = -1;
    clinux_fork_shelter(&guard.plan);
}

static void continue_in_parent(void)
{
    if (guard.pipe[0] >= 0) {
        struct pollfd end = {.fd = guard.pipe[0], .events = 0};
        close(guard.pipe[1]);
        while (poll(&end, 1, CHILD_TIMEOUT_MILLISECONDS) < 0 && errno == EINTR)
            continue;
        close(guard.pipe[0]);
    }
    clinux_fork_unshelter();
    guard.parent();
}

/* Makes a descriptor name nothing of use, and keeps its number taken, since its owner may close it. */
static void disconnect(int fd)
{
    int replacement = eventfd(0, EFD_CLOEXEC);
    if (replacement < 0) {
        close(fd);
        return;
    }
    dup3(replacement, fd, O_CLOEXEC);
    close(replacement);
}

static void continue_in_child(void)
{
    struct privatisation state = {.may_be_copied = guard.plan.copy_limit_bytes, .result = 0};
    if (guard.plan.count > 0 && (clinux_fork_for_each(&guard.plan, privatise, &state) != 0 || state.result != 0)) {
        static const char message[] = "vrdma: the child of a fork cannot get memory of its own\n";
        ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);
        (void)ignored;
        abort();
    }
    if (guard.pipe[0] >= 0) {
        close(guard.pipe[0]);
        close(guard.pipe[1]);
    }
    for (size_t i = 0; i < guard.plan.context_count; i++) {
        const struct clinux_parents_context *context = &guard.plan.contexts[i];
        disconnect(context->connection);
        __atomic_store_n(context->fatal, 1, __ATOMIC_RELEASE);
        pthread_mutex_init(context->mutexes[0], NULL);
        pthread_mutex_init(context->mutexes[1], NULL);
    }
    *guard.plan.generation += 1;
    pthread_mutex_init(guard.plan.mutexes[0], NULL);
    pthread_mutex_init(guard.plan.mutexes[1], NULL);
}

int clinux_guard_forks(void (*prepare_callback)(struct clinux_fork_plan *plan), void (*parent)(void))
{
    guard.prepare = prepare_callback;
    guard.parent = parent;
    return pthread_atfork(prepare, continue_in_parent, continue_in_child);
}
