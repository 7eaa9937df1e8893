// What the three processes of the model share: rings, entries, and the page with which the run is steered.
#ifndef RINGMODEL_LAYOUT_H
#define RINGMODEL_LAYOUT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

enum {
    maximum_depth = 1024,
    maximum_send_entries = maximum_depth,
    maximum_receive_entries = 2 * maximum_depth,
    maximum_completion_entries = 4 * maximum_depth,
};

enum opcode { opcode_write = 1, opcode_send = 2, opcode_receive = 3 };
enum status { status_success = 0, status_local_protection = 1, status_remote_access = 2, status_length = 3 };

enum { work_signalled = 1u };

// A region is named by a key; the model has one payload region per application.
enum { key_of_a = 0xa100, key_of_b = 0xb200 };

struct work_entry {
    uint64_t identifier;
    uint32_t opcode;
    uint32_t flags;
    uint32_t local_key;
    uint32_t length_bytes;
    uint64_t local_offset;
    uint32_t remote_key;
    uint32_t reserved0;
    uint64_t remote_offset;
    uint64_t reserved1[2];
};
_Static_assert(sizeof(struct work_entry) == 64, "a work-queue entry is one cache line");

struct receive_entry {
    uint64_t identifier;
    uint64_t offset;
    uint32_t length_bytes;
    uint32_t key;
    uint64_t reserved;
};
_Static_assert(sizeof(struct receive_entry) == 32, "a receive entry is half a cache line");

// The sequence word is written last: an entry is valid when it holds the consumer's index plus one.
struct completion_entry {
    uint64_t identifier;
    uint32_t opcode;
    uint32_t status;
    uint32_t length_bytes;
    uint32_t reserved0;
    uint64_t reserved1[4];
    uint32_t reserved2;
    _Atomic uint32_t sequence;
};
_Static_assert(sizeof(struct completion_entry) == 64, "a completion entry is one cache line");

// Rings of one application. Each index has a cache line of its own, because each has another writer.
struct rings {
    alignas(64) _Atomic uint32_t send_producer;
    alignas(64) _Atomic uint32_t send_consumer;
    alignas(64) _Atomic uint32_t receive_producer;
    alignas(64) _Atomic uint32_t receive_consumer;
    alignas(64) _Atomic uint32_t completion_consumer;
    alignas(64) _Atomic uint32_t sleeping;
    alignas(64) struct work_entry send[maximum_send_entries];
    alignas(64) struct receive_entry receive[maximum_receive_entries];
    alignas(64) struct completion_entry completion[maximum_completion_entries];
};

struct result {
    uint64_t operations;
    uint64_t nanoseconds;
    uint64_t samples;
    double half_round_trip_median;
    double half_round_trip_minimum;
    double half_round_trip_maximum;
    double half_round_trip_p99;
};

// Steering of the run, mapped by all: it is no part of the protocol that is measured.
struct control {
    alignas(64) _Atomic uint32_t endpoint_sleeping;
    alignas(64) _Atomic uint32_t ready;
    alignas(64) _Atomic uint32_t stop;
    alignas(64) _Atomic uint32_t failed;
    struct result result;
};

#endif
