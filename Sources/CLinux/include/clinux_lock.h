/*
 * A lock of one word for sections of a few nanoseconds, which costs one load
 * while the process has a single thread, and fences that cost nothing where an
 * atomic read-modify-write already orders everything.
 */
#ifndef CLINUX_LOCK_H
#define CLINUX_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/single_threaded.h>

/* Waits, giving the processor away, until the word is taken. */
void clinux_spin_lock_contended(uint32_t *lock);

static inline void clinux_spin_lock(uint32_t *lock)
{
    uint32_t expected = 0;
    if (__libc_single_threaded)
        return;
    if (!__atomic_compare_exchange_n(lock, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        clinux_spin_lock_contended(lock);
}

/* Also after a lock that was taken as nothing, when the process had one thread. */
static inline void clinux_spin_unlock(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/* Orders an atomic read-modify-write before later loads. */
static inline void clinux_fence_after_exchange(void)
{
#if defined(__x86_64__)
    __asm__ volatile("" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static inline void *clinux_load_acquire_pointer(void *const *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline void clinux_store_release_pointer(void **p, void *value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

#endif
