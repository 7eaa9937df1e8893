// An application's half of the protocol: post, poll, and what A and B do with them.
#ifndef RINGMODEL_APPLICATION_H
#define RINGMODEL_APPLICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"
#include "memory.h"
#include "options.h"
#include "waiting.h"

struct application {
    const struct options *options;
    struct control *control;
    struct side side;
    struct waiter waiter;
    uint32_t own_key;
    uint32_t peer_key;
    uint32_t ring_mask;
    uint32_t receive_mask;
    uint32_t completion_mask;
    bool endpoint_sleeps;
    // Free-running indices; the shared copies are written, never read back.
    uint32_t posted;
    uint32_t published;
    uint32_t receives_posted;
    uint32_t completions_taken;
    // Requests known to be finished: a completion vouches for all requests before it.
    uint32_t finished;
    uint32_t received;
};

void application_open(struct application *application, const struct options *options, const struct regions *regions,
                      int which);

// What B does in a stream, what A does, what each does in a ping-pong. A's fill in the result.
void run_stream_requester(struct application *application);
void run_stream_responder(struct application *application);
void run_pingpong(struct application *application, bool starts);

static inline bool stopped(const struct application *application) {
    return atomic_load_explicit(&application->control->stop, memory_order_relaxed) != 0;
}

static inline void publish_sends(struct application *application) {
    if (application->published == application->posted) return;
    application->published = application->posted;
    atomic_store_explicit(&application->side.rings->send_producer, application->posted, memory_order_release);
    wake(&application->control->endpoint_sleeping, application->endpoint_sleeps);
}

// Writes one request; rings the doorbell when the post list is complete.
static inline void post(struct application *application, uint32_t opcode, uint32_t slot) {
    const struct options *options = application->options;
    uint64_t offset = (uint64_t)slot * options->size_bytes;
    bool signalled = (application->posted + 1) % options->signal_every == 0;
    application->side.rings->send[application->posted & application->ring_mask] = (struct work_entry){
        .identifier = application->posted,
        .opcode = opcode,
        .flags = signalled ? work_signalled : 0,
        .local_key = application->own_key,
        .length_bytes = options->size_bytes,
        .local_offset = offset,
        .remote_key = application->peer_key,
        .remote_offset = outgoing_bytes(options) + offset,
    };
    application->posted++;
    if (application->posted - application->published >= options->post_list) publish_sends(application);
}

static inline void write_receive(struct application *application, uint32_t slot) {
    const struct options *options = application->options;
    application->side.rings->receive[application->receives_posted & application->receive_mask] =
        (struct receive_entry){
            .identifier = application->receives_posted,
            .offset = outgoing_bytes(options) + (uint64_t)slot * options->size_bytes,
            .length_bytes = options->size_bytes,
            .key = application->own_key,
        };
    application->receives_posted++;
}

static inline void publish_receives(struct application *application) {
    atomic_store_explicit(&application->side.rings->receive_producer, application->receives_posted,
                          memory_order_release);
    wake(&application->control->endpoint_sleeping, application->endpoint_sleeps);
}

// Takes at most `limit` completions and says how many there were.
static inline uint32_t poll_completions(struct application *application, uint32_t limit) {
    struct rings *rings = application->side.rings;
    uint32_t taken = 0;
    while (taken < limit) {
        uint32_t index = application->completions_taken;
        struct completion_entry *entry = &rings->completion[index & application->completion_mask];
        if (atomic_load_explicit(&entry->sequence, memory_order_acquire) != index + 1) break;
        if (entry->status != status_success || entry->length_bytes != application->options->size_bytes)
            atomic_store(&application->control->failed, 1);
        if (entry->opcode == opcode_receive)
            application->received++;
        else
            application->finished = (uint32_t)entry->identifier + 1;
        application->completions_taken++;
        taken++;
    }
    if (taken > 0)
        atomic_store_explicit(&rings->completion_consumer, application->completions_taken, memory_order_release);
    return taken;
}

#endif
