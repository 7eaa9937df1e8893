// Command line of the model.
#ifndef RINGMODEL_OPTIONS_H
#define RINGMODEL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum mode { mode_write, mode_send, mode_send_pingpong, mode_write_pingpong };
enum wait_kind { wait_spin, wait_yield, wait_futex };

// Who waits how. A spin count applies before the first yield or sleep.
struct wait_options {
    enum wait_kind kind;
    uint32_t spins;
};

struct options {
    enum mode mode;
    uint32_t size_bytes;
    uint32_t depth;
    uint32_t buffers;
    uint32_t signal_every;
    uint32_t post_list;
    uint32_t duration_milliseconds;
    struct wait_options endpoint;
    struct wait_options application;
    // Processor of A, E, B, or -1.
    int pin[3];
    // Look for a sleeper at every doorbell even when nobody ever sleeps: what a dynamic wake-up costs.
    bool sleep_check;
};

// Ends the process with status 2 and a message when the arguments are wrong.
struct options parse_options(int count, char **arguments);

const char *mode_name(enum mode mode);
const char *wait_name(enum wait_kind kind);

#endif
