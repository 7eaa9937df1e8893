#define _GNU_SOURCE
#include "clinux_adoption.h"
#include "clinux_fork_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13) /* Linux 6.4 */
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12) /* Linux 5.19 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

enum {
    PAGE_BYTES = 4096,
    /* Writers of other threads wait for one step at most. */
    PROTECTED_STEP_BYTES = 4 << 20,
    PAGEMAP_ENTRIES = 256,
};
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)

/*
 * System calls that do not store to errno: the range may hold the page in
 * which this thread's errno lies, and storing there would wait for ever.
 */
static long system_call(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
#else
    long result = syscall(number, a, b, c, d, e, f);
    return result < 0 ? -errno : result;
#endif
}

static bool overlaps(const struct clinux_adoption *adoption, uint64_t start, uint64_t end)
{
    return start < adoption->address + adoption->length && end > adoption->address;
}

/*
 * The thread control block.  The kernel writes it by itself when it moves the thread (rseq(2)) and in the child of a
 * fork(2), and the C library writes it there before any handler runs.
 */
static bool holds_own_thread_block(const struct clinux_adoption *adoption)
{
    uint64_t pointer = (uint64_t)(uintptr_t)__builtin_thread_pointer();
    return overlaps(adoption, pointer, pointer + PAGE_BYTES);
}

/*
 * Where the caller's stack lies.  After a fork(2) the child runs on it before any handler does, so that no page of it
 * may be shared, whether it is in use now or not.  The first thread's stack is known by its mapping.
 */
static bool holds_own_stack(const struct clinux_adoption *adoption)
{
    static _Thread_local uint64_t start, end;
    uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);

    if (end == 0 && getpid() != (pid_t)syscall(SYS_gettid)) {
        pthread_attr_t attributes;
        void *address;
        size_t size;
        if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
            if (pthread_attr_getstack(&attributes, &address, &size) == 0) {
                start = (uint64_t)(uintptr_t)address;
                end = start + size;
            }
            pthread_attr_destroy(&attributes);
        }
    }
    /* A program may have switched stacks (makecontext(3)): what is near is in use in any case. */
    return overlaps(adoption, here - 4 * PAGE_BYTES, here + 4 * PAGE_BYTES) ||
           (end != 0 && overlaps(adoption, start, end));
}

static int open_userfaultfd(uint64_t features)
{
    /* Without UFFD_USER_MODE_ONLY also system calls of other threads wait; that needs a privilege. */
    const int flags[] = {O_CLOEXEC | O_NONBLOCK, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        int fd = (int)syscall(SYS_userfaultfd, flags[i]);
        if (fd < 0)
            continue;
        struct uffdio_api api = {.api = UFFD_API, .features = features};
        if (ioctl(fd, UFFDIO_API, &api) == 0)
            return fd;
        close(fd);
        return -1;
    }
    return -1;
}

/* A descriptor that holds writes to the range back until it is closed, or -1. */
int clinux_hold_writes(uint64_t address, uint64_t length)
{
    int fd = open_userfaultfd(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_UNPOPULATED |
                              UFFD_FEATURE_WP_HUGETLBFS_SHMEM);
    if (fd < 0) {
        /* An older kernel protects only pages that are there. */
        fd = open_userfaultfd(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
        if (fd < 0)
            return -1;
        if (madvise((void *)(uintptr_t)address, length, MADV_POPULATE_WRITE) != 0) {
            close(fd);
            return -1;
        }
    }
    struct uffdio_register registration = {
        .range = {.start = address, .len = length}, .mode = UFFDIO_REGISTER_MODE_WP};
    if (ioctl(fd, UFFDIO_REGISTER, &registration) != 0) {
        close(fd);
        return -1;
    }
    struct uffdio_writeprotect protection = {
        .range = {.start = address, .len = length}, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    long result = system_call(SYS_ioctl, fd, UFFDIO_WRITEPROTECT, (long)&protection, 0, 0, 0);
    if (result != 0) {
        system_call(SYS_close, fd, 0, 0, 0, 0, 0);
        return -1;
    }
    return fd;
}

void clinux_let_writes_go(int fd, uint64_t address, uint64_t length)
{
    struct uffdio_writeprotect none = {.range = {.start = address, .len = length}, .mode = 0};
    /* Fails when the range is another mapping by now; closing wakes whoever waits. */
    system_call(SYS_ioctl, fd, UFFDIO_WRITEPROTECT, (long)&none, 0, 0, 0);
    system_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

static int copy_run(const struct clinux_adoption *adoption, uint64_t position, uint64_t end)
{
    while (position < end) {
        long written = system_call(SYS_pwrite64, adoption->file, (long)(adoption->address + position),
                                   (long)(end - position), (long)(adoption->offset + position), 0, 0);
        if (written == -EINTR)
            continue;
        if (written <= 0)
            return written == 0 ? -EIO : (int)written;
        position += (uint64_t)written;
    }
    return 0;
}

/* Copies the pages of [position, end) that were ever touched, by what /proc/self/pagemap says. */
static int copy_present(const struct clinux_adoption *adoption, int pagemap, uint64_t position, uint64_t end)
{
    uint64_t entries[PAGEMAP_ENTRIES];
    while (position < end) {
        uint64_t pages = (end - position) / PAGE_BYTES;
        if (pages > PAGEMAP_ENTRIES)
            pages = PAGEMAP_ENTRIES;
        long bytes = system_call(SYS_pread64, pagemap, (long)entries, (long)(pages * 8),
                                 (long)((adoption->address + position) / PAGE_BYTES * 8), 0, 0);
        if (bytes != (long)(pages * 8))
            return copy_run(adoption, position, end);
        for (uint64_t first = 0; first < pages;) {
            uint64_t last = first;
            while (last < pages && (entries[last] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)))
                last++;
            if (last == first) {
                first++;
                continue;
            }
            int result = copy_run(adoption, position + first * PAGE_BYTES, position + last * PAGE_BYTES);
            if (result != 0)
                return result;
            first = last;
        }
        position += pages * PAGE_BYTES;
    }
    return 0;
}

static int remap(const struct clinux_adoption *adoption, uint64_t position, uint64_t end)
{
    long result = system_call(SYS_mmap, (long)(adoption->address + position), (long)(end - position),
                              adoption->protection, MAP_SHARED | MAP_FIXED, adoption->file,
                              (long)(adoption->offset + position));
    return result < 0 && result > -4096 ? (int)result : 0;
}

static int adopt_unprotected(const struct clinux_adoption *adoption)
{
    int pagemap = adoption->is_anonymous ? open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
    int result = pagemap >= 0 ? copy_present(adoption, pagemap, 0, adoption->length)
                              : copy_run(adoption, 0, adoption->length);
    if (result == 0)
        result = remap(adoption, 0, adoption->length);
    if (pagemap >= 0)
        close(pagemap);
    return result;
}

static int adopt_protected(const struct clinux_adoption *adoption)
{
    int worst = CLINUX_ADOPTED;
    for (uint64_t position = 0; position < adoption->length;) {
        uint64_t end = position + PROTECTED_STEP_BYTES;
        if (end > adoption->length)
            end = adoption->length;
        int fd = clinux_hold_writes(adoption->address + position, end - position);
        if (fd < 0)
            worst = CLINUX_ADOPTED_UNPROTECTED;
        int result = copy_run(adoption, position, end);
        if (result == 0)
            result = remap(adoption, position, end);
        if (fd >= 0)
            clinux_let_writes_go(fd, adoption->address + position, end - position);
        if (result != 0)
            return result;
        position = end;
    }
    return worst;
}

int clinux_adopt(const struct clinux_adoption *adoption)
{
    sigset_t all, previous;

    if (holds_own_stack(adoption) || holds_own_thread_block(adoption))
        return -EOPNOTSUPP;
    bool protect = adoption->protect_writes && (adoption->protection & PROT_WRITE);

    /* A handler's writes would be lost, or wait for this thread for ever. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    int result = protect ? adopt_protected(adoption) : adopt_unprotected(adoption);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    return result;
}

bool clinux_can_protect_writes(void)
{
    int fd = open_userfaultfd(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}
