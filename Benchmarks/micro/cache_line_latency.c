// One-way transfer of a cache line between two processors that both spin on it.
// cache_line_latency [--from PROCESSOR] [--to PROCESSOR] [--duration-ms N]
#include <immintrin.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "measure.h"

enum { trips_per_batch = 1000, maximum_batches = 1 << 14 };

struct line {
    _Alignas(128) _Atomic uint64_t value;
};

static struct line to, from;
static int peer_processor;

static void *echo(void *unused) {
    (void)unused;
    pin_to(peer_processor);
    for (uint64_t expected = 1;; expected++) {
        uint64_t value;
        while ((value = atomic_load_explicit(&to.value, memory_order_acquire)) < expected) _mm_pause();
        if (value == UINT64_MAX) return NULL;
        atomic_store_explicit(&from.value, value, memory_order_release);
    }
}

int main(int count, char **arguments) {
    int processor = (int)option_of(count, arguments, "--from", 0, 0, 1023);
    peer_processor = (int)option_of(count, arguments, "--to", 1, 0, 1023);
    uint64_t duration = (uint64_t)option_of(count, arguments, "--duration-ms", 50, 1, 60000) * 1000000u;
    static double batches[maximum_batches];
    pthread_t peer;
    if (pthread_create(&peer, NULL, echo, NULL) != 0) errx(1, "pthread_create");
    pin_to(processor);
    uint64_t begin = now_nanoseconds(), before = begin, trip = 0;
    size_t taken = 0;
    // At least one batch, however long others keep the two from running at the same time.
    while ((before - begin < duration || taken == 0) && taken < maximum_batches) {
        for (int index = 0; index < trips_per_batch; index++) {
            trip++;
            atomic_store_explicit(&to.value, trip, memory_order_release);
            while (atomic_load_explicit(&from.value, memory_order_acquire) != trip) _mm_pause();
        }
        uint64_t after = now_nanoseconds();
        // The first batch pays for the thread's start.
        if (trip > trips_per_batch) batches[taken++] = (double)(after - before) / (2.0 * trips_per_batch);
        before = after;
    }
    atomic_store_explicit(&to.value, UINT64_MAX, memory_order_release);
    pthread_join(peer, NULL);
    qsort(batches, taken, sizeof *batches, ascending);
    printf("{\"program\":\"cache_line_latency\",\"processors\":[%d,%d],\"batches\":%zu,"
           "\"oneWayNanoseconds\":{\"median\":%.2f,\"lowerQuartile\":%.2f,\"minimum\":%.2f,\"maximum\":%.2f}}\n",
           processor, peer_processor, taken, batches[taken / 2], batches[taken / 4], batches[0], batches[taken - 1]);
    return 0;
}
