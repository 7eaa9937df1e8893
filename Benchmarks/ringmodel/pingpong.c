// One message to and fro. SEND waits for a completion, WRITE for the last word of its own memory.
#include <stdlib.h>

#include "application.h"
#include "clock.h"

enum { maximum_samples = 1 << 20, receives_ahead = 2 };

// The last word of the outgoing slot carries the number of the message.
static _Atomic uint64_t *last_word(struct application *application, bool incoming) {
    const struct options *options = application->options;
    size_t end = outgoing_bytes(options) * (incoming ? 1 : 0) + options->size_bytes;
    return (_Atomic uint64_t *)(application->side.payload + end - 8);
}

static void send_number(struct application *application, uint64_t number) {
    bool write = application->options->mode == mode_write_pingpong;
    atomic_store_explicit(last_word(application, false), number, memory_order_relaxed);
    post(application, write ? opcode_write : opcode_send, 0);
    publish_sends(application);
}

// False when the run stopped instead.
static bool await_number(struct application *application, uint64_t number) {
    bool write = application->options->mode == mode_write_pingpong;
    for (;;) {
        bool arrived;
        poll_completions(application, 8);
        if (write) {
            arrived = atomic_load_explicit(last_word(application, true), memory_order_acquire) == number;
        } else {
            arrived = application->received == (uint32_t)number;
        }
        if (arrived) break;
        if (stopped(application)) return false;
        waiter_idle(&application->waiter);
    }
    waiter_progress(&application->waiter);
    if (atomic_load_explicit(last_word(application, true), memory_order_relaxed) != number)
        atomic_store(&application->control->failed, 1);
    if (!write) {
        write_receive(application, 0);
        publish_receives(application);
    }
    return true;
}

static int ascending(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static struct result summarise(uint32_t *samples, uint64_t count, uint64_t nanoseconds) {
    qsort(samples, count, sizeof *samples, ascending);
    return (struct result){
        .operations = count,
        .nanoseconds = nanoseconds,
        .samples = count,
        .half_round_trip_median = samples[count / 2] / 2.0,
        .half_round_trip_minimum = samples[0] / 2.0,
        .half_round_trip_maximum = samples[count - 1] / 2.0,
        .half_round_trip_p99 = samples[count * 99 / 100] / 2.0,
    };
}

static void start(struct application *application) {
    const struct options *options = application->options;
    uint64_t duration = (uint64_t)options->duration_milliseconds * 1000000u;
    uint64_t begin = now_nanoseconds() + duration / 5;
    uint64_t end = begin + duration;
    uint32_t *samples = malloc(maximum_samples * sizeof *samples);
    if (samples == NULL) abort();
    uint64_t count = 0;
    uint64_t first = 0;
    uint64_t before = now_nanoseconds();
    for (uint64_t number = 1; count < maximum_samples; number++) {
        send_number(application, number);
        if (!await_number(application, number)) break;
        uint64_t after = now_nanoseconds();
        if (before >= begin) {
            if (count == 0) first = before;
            samples[count++] = (uint32_t)(after - before);
        }
        before = after;
        if (after >= end) break;
    }
    if (count > 0) application->control->result = summarise(samples, count, before - first);
    free(samples);
}

void run_pingpong(struct application *application, bool starts) {
    if (application->options->mode == mode_send_pingpong) {
        for (uint32_t index = 0; index < receives_ahead; index++) write_receive(application, 0);
        publish_receives(application);
    }
    atomic_fetch_add(&application->control->ready, 1);
    if (starts) {
        while (atomic_load(&application->control->ready) < 3) sched_yield();
        start(application);
        return;
    }
    for (uint64_t number = 1; await_number(application, number); number++) send_number(application, number);
}
