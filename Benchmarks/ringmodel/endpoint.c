#include "endpoint.h"

#include <stdbool.h>
#include <string.h>

#include "geometry.h"
#include "waiting.h"

enum { requests_per_turn = 32 };

// One application as the endpoint sees it. The indices here are the truth; the shared ones are what was told.
struct guest {
    struct side side;
    size_t payload_bytes;
    uint32_t key;
    uint32_t send_consumer;
    uint32_t receive_consumer;
    uint32_t completion_producer;
    bool completions_written;
};

struct endpoint {
    const struct options *options;
    struct control *control;
    struct geometry geometry;
    struct guest guests[2];
    bool applications_sleep;
};

// One look at an entry that its owner may change meanwhile: checked and used is only the copy.
static inline void snapshot(void *copy, const volatile void *shared, size_t size_bytes) {
    uint64_t words[8];
    const volatile uint64_t *from = shared;
    for (size_t word = 0; word < size_bytes / 8; word++) words[word] = from[word];
    memcpy(copy, words, size_bytes);
}

static inline bool within(const struct guest *guest, uint64_t offset, uint32_t length_bytes) {
    return length_bytes <= guest->payload_bytes && offset <= guest->payload_bytes - length_bytes;
}

// The last word is stored after all others, so that a reader that waits for it finds the rest.
static inline void deliver(unsigned char *to, const unsigned char *from, uint32_t length_bytes) {
    uint32_t body_bytes = length_bytes - 8;
    uint64_t last;
    memcpy(&last, from + body_bytes, 8);
    memcpy(to, from, body_bytes);
    atomic_store_explicit((_Atomic uint64_t *)(to + body_bytes), last, memory_order_release);
}

static inline void complete(struct endpoint *endpoint, struct guest *guest, uint64_t identifier, uint32_t opcode,
                            uint32_t status, uint32_t length_bytes) {
    uint32_t index = guest->completion_producer++;
    struct completion_entry *entry =
        &guest->side.rings->completion[index & (endpoint->geometry.completion_entries - 1)];
    entry->identifier = identifier;
    entry->opcode = opcode;
    entry->status = status;
    entry->length_bytes = length_bytes;
    atomic_store_explicit(&entry->sequence, index + 1, memory_order_release);
    guest->completions_written = true;
}

// The receive entry that a SEND consumes; false when the receiver has posted none yet.
static inline bool take_receive(struct endpoint *endpoint, struct guest *guest, struct receive_entry *entry) {
    uint32_t producer = atomic_load_explicit(&guest->side.rings->receive_producer, memory_order_acquire);
    if (producer == guest->receive_consumer) return false;
    uint32_t slot = guest->receive_consumer & (endpoint->geometry.receive_entries - 1);
    snapshot(entry, &guest->side.rings->receive[slot], sizeof *entry);
    guest->receive_consumer++;
    atomic_store_explicit(&guest->side.rings->receive_consumer, guest->receive_consumer, memory_order_release);
    return true;
}

// Carries out one request: data, the receiver's completion, the requester's. False: not yet possible.
static inline bool execute(struct endpoint *endpoint, struct guest *from, struct guest *to,
                           const struct work_entry *work) {
    uint32_t status = status_success;
    uint32_t length_bytes = work->length_bytes;
    bool local_ok = work->local_key == from->key && length_bytes >= 8 && within(from, work->local_offset, length_bytes);
    const unsigned char *source = from->side.payload + (local_ok ? work->local_offset : 0);
    if (!local_ok) {
        status = status_local_protection;
    } else if (work->opcode == opcode_write) {
        if (work->remote_key == to->key && within(to, work->remote_offset, length_bytes))
            deliver(to->side.payload + work->remote_offset, source, length_bytes);
        else
            status = status_remote_access;
    } else if (work->opcode == opcode_send) {
        struct receive_entry receive;
        if (!take_receive(endpoint, to, &receive)) return false;
        if (receive.key == to->key && receive.length_bytes >= length_bytes &&
            within(to, receive.offset, length_bytes)) {
            deliver(to->side.payload + receive.offset, source, length_bytes);
            complete(endpoint, to, receive.identifier, opcode_receive, status_success, length_bytes);
        } else {
            status = status_length;
        }
    } else {
        status = status_local_protection;
    }
    if ((work->flags & work_signalled) != 0 || status != status_success)
        complete(endpoint, from, work->identifier, work->opcode, status, length_bytes);
    return true;
}

// At most one turn's worth of one application's requests; says how many were carried out.
static uint32_t serve(struct endpoint *endpoint, struct guest *from, struct guest *to) {
    struct rings *rings = from->side.rings;
    uint32_t available = atomic_load_explicit(&rings->send_producer, memory_order_acquire) - from->send_consumer;
    if (available == 0) return 0;
    if (available > endpoint->geometry.send_entries) {
        atomic_store(&endpoint->control->failed, 1);
        return 0;
    }
    uint32_t done = 0;
    while (done < available && done < requests_per_turn) {
        struct work_entry work;
        snapshot(&work, &rings->send[from->send_consumer & (endpoint->geometry.send_entries - 1)], sizeof work);
        if (!execute(endpoint, from, to, &work)) break;
        from->send_consumer++;
        done++;
    }
    if (done > 0) atomic_store_explicit(&rings->send_consumer, from->send_consumer, memory_order_release);
    return done;
}

void run_endpoint(const struct options *options, const struct regions *regions) {
    struct endpoint endpoint = {
        .options = options,
        .control = map_region(&regions->control),
        .geometry = geometry_of(options),
        .applications_sleep = options->application.kind == wait_futex || options->sleep_check,
    };
    for (int index = 0; index < 2; index++)
        endpoint.guests[index] = (struct guest){
            .side = map_side(regions, index),
            .payload_bytes = regions->payload[index].size_bytes,
            .key = index == 0 ? key_of_a : key_of_b,
        };
    struct waiter waiter = {.how = options->endpoint, .sleeping = &endpoint.control->endpoint_sleeping};
    atomic_fetch_add(&endpoint.control->ready, 1);
    while (atomic_load_explicit(&endpoint.control->stop, memory_order_relaxed) == 0) {
        uint32_t done = serve(&endpoint, &endpoint.guests[0], &endpoint.guests[1]);
        done += serve(&endpoint, &endpoint.guests[1], &endpoint.guests[0]);
        for (int index = 0; index < 2; index++)
            if (endpoint.guests[index].completions_written) {
                endpoint.guests[index].completions_written = false;
                wake(&endpoint.guests[index].side.rings->sleeping, endpoint.applications_sleep);
            }
        if (done > 0)
            waiter_progress(&waiter);
        else
            waiter_idle(&waiter);
    }
}
