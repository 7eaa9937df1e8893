#define _GNU_SOURCE
#include "clinux_lock.h"

#include <sched.h>

enum { SPINS_BEFORE_YIELD = 64 };

void clinux_spin_lock_contended(uint32_t *lock)
{
    for (unsigned turn = 0;; turn++) {
        uint32_t expected = 0;
        if (__atomic_load_n(lock, __ATOMIC_RELAXED) == 0 &&
            __atomic_compare_exchange_n(lock, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
        if (turn % SPINS_BEFORE_YIELD == SPINS_BEFORE_YIELD - 1)
            sched_yield();
        else {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            __asm__ volatile("yield");
#endif
        }
    }
}
