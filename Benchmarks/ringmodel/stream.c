// A stream: A keeps `depth` requests outstanding; for SEND, B keeps its receive ring filled.
#include <sched.h>
#include <time.h>

#include "application.h"
#include "clock.h"
#include "geometry.h"

enum { completions_per_poll = 32 };

// Indices are 32 bits and wrap; what is counted for the result is not.
struct progress {
    uint64_t operations;
    uint32_t seen;
};

static inline void advance(struct progress *progress, uint32_t finished) {
    progress->operations += finished - progress->seen;
    progress->seen = finished;
}

void run_stream_requester(struct application *application) {
    const struct options *options = application->options;
    uint32_t opcode = options->mode == mode_write ? opcode_write : opcode_send;
    uint32_t turns_per_clock_read = options->size_bytes >= 4096 ? 1 : 64;
    uint64_t duration = (uint64_t)options->duration_milliseconds * 1000000u;
    uint64_t begin = now_nanoseconds() + duration / 5;
    uint64_t end = begin + duration;
    struct progress progress = {0};
    uint64_t operations_at_begin = 0;
    bool measuring = false;
    uint32_t slot = 0;
    for (uint32_t turn = 1;; turn++) {
        while (application->posted - application->finished < options->depth) {
            post(application, opcode, slot);
            slot = slot + 1 == options->buffers ? 0 : slot + 1;
        }
        publish_sends(application);
        // A turn that gave the processor away may have taken any time.
        bool look = turn % turns_per_clock_read == 0;
        if (poll_completions(application, completions_per_poll) > 0) {
            advance(&progress, application->finished);
            waiter_progress(&application->waiter);
        } else {
            look |= waiter_idle(&application->waiter);
        }
        if (!look) continue;
        uint64_t now = now_nanoseconds();
        if (!measuring && now >= begin) {
            measuring = true;
            begin = now;
            end = begin + duration;
            operations_at_begin = progress.operations;
        } else if (now >= end) {
            application->control->result = (struct result){
                .operations = progress.operations - operations_at_begin,
                .nanoseconds = now - begin,
            };
            return;
        }
        if (stopped(application)) return;
    }
}

void run_stream_responder(struct application *application) {
    const struct options *options = application->options;
    if (options->mode == mode_write) {
        // The target of a WRITE has nothing to do; it must not take a processor from those who have.
        atomic_fetch_add(&application->control->ready, 1);
        while (!stopped(application)) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        return;
    }
    uint32_t entries = geometry_of(options).receive_entries;
    uint32_t slot = 0;
    for (uint32_t index = 0; index < entries; index++) {
        write_receive(application, slot);
        slot = slot + 1 == options->buffers ? 0 : slot + 1;
    }
    publish_receives(application);
    atomic_fetch_add(&application->control->ready, 1);
    while (!stopped(application)) {
        uint32_t taken = poll_completions(application, completions_per_poll);
        if (taken == 0) {
            waiter_idle(&application->waiter);
            continue;
        }
        waiter_progress(&application->waiter);
        for (uint32_t index = 0; index < taken; index++) {
            write_receive(application, slot);
            slot = slot + 1 == options->buffers ? 0 : slot + 1;
        }
        publish_receives(application);
    }
}
