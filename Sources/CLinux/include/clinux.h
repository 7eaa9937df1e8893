/*
 * What Glibc's Swift module cannot import: variadic or macro-only system
 * calls, control messages, and C11 atomics on memory that another process
 * writes.  Every function returns what the system call returns and leaves
 * errno as it is.
 */
#ifndef CLINUX_H
#define CLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>

/* memfd_create(2) with close-on-exec and sealing allowed. */
int clinux_memfd_create(const char *name);
/* Adds F_SEAL_SHRINK and F_SEAL_GROW. */
int clinux_memfd_seal_size(int fd);
/* 1: a tmpfs memfd whose size can no longer change; 0: it is not; -1: errno. */
int clinux_memfd_is_sealed(int fd);
/* Size by fstat(2), or -1. */
int64_t clinux_file_size(int fd);
/* Frees the pages of a range: fallocate(2) with FALLOC_FL_PUNCH_HOLE. */
int clinux_punch_hole(int fd, uint64_t offset, uint64_t length);

/* A new eventfd(2), close-on-exec and non-blocking. */
int clinux_eventfd(void);

/* accept4(2), non-blocking and close-on-exec. */
int clinux_accept(int listener);

/* Sends one packet with descriptors; flags as send(2), MSG_NOSIGNAL is added. */
ptrdiff_t clinux_send_packet(int socket, const void *bytes, size_t count, const int *descriptors,
                             size_t descriptor_count, int flags);
/*
 * Receives one packet.  At most 8 descriptors are taken over, all others are
 * closed by the kernel; *truncated tells that the packet or its descriptors
 * did not fit.
 */
ptrdiff_t clinux_receive_packet(int socket, void *bytes, size_t capacity, int descriptors[8],
                                size_t *descriptor_count, bool *truncated, int flags);
/* Credentials of the peer when it connected (SO_PEERCRED). */
int clinux_peer_credentials(int socket, int32_t *process_id, uint32_t *user_id, uint32_t *group_id);

/* The processor that the caller runs on (sched_getcpu(3)). */
int clinux_current_processor(void);
/* sched_setattr(2): a shorter slice lets a thread that wakes up run at once. */
int clinux_set_slice_nanoseconds(uint64_t nanoseconds);

/* Copies 8 bytes at a time through relaxed atomic loads: a snapshot that is read once. */
static inline void clinux_snapshot(void *destination, const void *source, size_t bytes)
{
    uint64_t *to = (uint64_t *)destination;
    const uint64_t *from = (const uint64_t *)source;
    for (size_t i = 0; i < bytes / 8; i++)
        to[i] = __atomic_load_n(from + i, __ATOMIC_RELAXED);
}

static inline uint32_t clinux_load_relaxed32(const void *p)
{
    return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
}
static inline uint32_t clinux_load_acquire32(const void *p)
{
    return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
}
static inline void clinux_store_relaxed32(void *p, uint32_t value)
{
    __atomic_store_n((uint32_t *)p, value, __ATOMIC_RELAXED);
}
static inline void clinux_store_release32(void *p, uint32_t value)
{
    __atomic_store_n((uint32_t *)p, value, __ATOMIC_RELEASE);
}
static inline uint32_t clinux_exchange32(void *p, uint32_t value)
{
    return __atomic_exchange_n((uint32_t *)p, value, __ATOMIC_SEQ_CST);
}
static inline bool clinux_compare_exchange32(void *p, uint32_t expected, uint32_t desired)
{
    return __atomic_compare_exchange_n((uint32_t *)p, &expected, desired, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}
static inline uint64_t clinux_load_relaxed64(const void *p)
{
    return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
}
static inline void clinux_store_relaxed64(void *p, uint64_t value)
{
    __atomic_store_n((uint64_t *)p, value, __ATOMIC_RELAXED);
}
static inline uint64_t clinux_exchange64(void *p, uint64_t value)
{
    return __atomic_exchange_n((uint64_t *)p, value, __ATOMIC_SEQ_CST);
}
static inline uint64_t clinux_fetch_or64(void *p, uint64_t value)
{
    return __atomic_fetch_or((uint64_t *)p, value, __ATOMIC_SEQ_CST);
}
static inline uint64_t clinux_fetch_add64(void *p, uint64_t value)
{
    return __atomic_fetch_add((uint64_t *)p, value, __ATOMIC_SEQ_CST);
}
/* Returns what was there before, whether it was exchanged or not. */
static inline uint64_t clinux_compare_exchange64(void *p, uint64_t expected, uint64_t desired)
{
    __atomic_compare_exchange_n((uint64_t *)p, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}
static inline void clinux_full_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
static inline void clinux_release_fence(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}
static inline void clinux_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/*
 * Stores less than a word in pieces of its natural alignment, lowest address
 * first, each visible after the one before.
 */
static inline void clinux_store_ascending(uint8_t *to, uint64_t value, size_t bytes)
{
    while (bytes > 0) {
        uintptr_t address = (uintptr_t)to;
        size_t taken = 1;
        if ((address & 3) == 0 && bytes >= 4) {
            __atomic_store_n((uint32_t *)(void *)to, (uint32_t)value, __ATOMIC_RELEASE);
            taken = 4;
        } else if ((address & 1) == 0 && bytes >= 2) {
            __atomic_store_n((uint16_t *)(void *)to, (uint16_t)value, __ATOMIC_RELEASE);
            taken = 2;
        } else {
            __atomic_store_n(to, (uint8_t)value, __ATOMIC_RELEASE);
        }
        to += taken;
        value >>= 8 * taken;
        bytes -= taken;
    }
}

/*
 * Copies so that whoever sees the last byte sees all: what lies in the last
 * aligned word is stored after the rest, and never across a cache line, whose
 * halves could become visible in any order.  Aligned 8, 4 and 2 bytes appear
 * at once, as programs expect that poll a flag.  Source and destination may be
 * written by others meanwhile, and may overlap.
 */
static inline void clinux_copy_last_byte_last(void *destination, const void *source, size_t bytes)
{
    uint8_t *to = (uint8_t *)destination;
    const uint8_t *from = (const uint8_t *)source;
    size_t tail = ((uintptr_t)to + bytes) & 7;
    uint64_t last = 0;
    if (bytes >= 8) {
        memcpy(&last, from + bytes - 8, 8);
        if (tail == 0) {
            memmove(to, from, bytes - 8);
            __atomic_store_n((uint64_t *)(void *)(to + bytes - 8), last, __ATOMIC_RELEASE);
            return;
        }
        last >>= 8 * (8 - tail);
        memmove(to, from, bytes - tail);
        to += bytes - tail;
    } else {
        for (size_t i = 0; i < bytes; i++)
            last |= (uint64_t)from[i] << (8 * i);
        tail = bytes;
    }
    clinux_store_ascending(to, last, tail);
}

/* errno, which is a macro, for callers that must keep it. */
int clinux_errno(void);
void clinux_set_errno(int value);
/* Whether this process has only one thread (__libc_single_threaded). */
bool clinux_single_threaded(void);

#endif
