// Waiting and waking: spin, yield, or sleep on a futex word in shared memory.
#ifndef RINGMODEL_WAITING_H
#define RINGMODEL_WAITING_H

#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "options.h"

struct waiter {
    struct wait_options how;
    _Atomic uint32_t *sleeping;
    uint32_t idle;
    bool armed;
};

// Sleeps while `word` is 1, at most 50 ms, so that a lost run ends.
static inline void futex_sleep(_Atomic uint32_t *word) {
    struct timespec limit = {.tv_nsec = 50000000};
    syscall(SYS_futex, word, FUTEX_WAIT, 1, &limit, NULL, 0);
}

static inline void waiter_progress(struct waiter *waiter) {
    waiter->idle = 0;
    if (waiter->armed) {
        waiter->armed = false;
        atomic_store_explicit(waiter->sleeping, 0, memory_order_relaxed);
    }
}

// Call when a poll found nothing, then poll again. A sleeper announces itself first and sleeps only when the
// poll after that found nothing either: a producer then either was seen, or sees the announcement.
// Says whether the processor was given away.
static inline bool waiter_idle(struct waiter *waiter) {
    if (waiter->how.kind == wait_spin || waiter->idle < waiter->how.spins) {
        waiter->idle++;
        _mm_pause();
        return false;
    }
    if (waiter->how.kind == wait_yield) {
        sched_yield();
    } else if (!waiter->armed) {
        waiter->armed = true;
        atomic_store_explicit(waiter->sleeping, 1, memory_order_seq_cst);
        atomic_thread_fence(memory_order_seq_cst);
    } else {
        futex_sleep(waiter->sleeping);
        waiter->armed = false;
    }
    return true;
}

// After publishing something. The full fence orders the publication before the look at the sleeper's word; it waits
// for the store buffer to drain, so it is left out where nobody ever sleeps, unless its cost is asked for.
static inline void wake(_Atomic uint32_t *sleeping, bool sleeper_possible) {
    if (!sleeper_possible) return;
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(sleeping, memory_order_relaxed) == 0) return;
    if (atomic_exchange_explicit(sleeping, 0, memory_order_acq_rel) == 1)
        syscall(SYS_futex, sleeping, FUTEX_WAKE, 1, NULL, NULL, 0);
}

#endif
