#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"

static const char usage[] =
    "usage: ringmodel --mode write|send|send-pingpong|write-pingpong [options]\n"
    "  --size BYTES            message size, a multiple of 8 (64)\n"
    "  --depth N               work requests outstanding, a power of two (128; ping-pong uses few of them)\n"
    "  --buffers N             payload slots that the stream cycles over (1)\n"
    "  --signal-every N        completions are asked for every N requests (1)\n"
    "  --post-list N           requests per doorbell (1)\n"
    "  --duration-ms N         length of the measured part (300)\n"
    "  --endpoint-wait HOW     spin | yield[:SPINS] | futex[:SPINS] (spin)\n"
    "  --application-wait HOW  the same, for A and B (yield)\n"
    "  --pin A,E,B             processors, -1 for none (-1,-1,-1)\n"
    "  --sleep-check           every doorbell looks for a sleeper, as one that may have to wake must\n";

static const char *const mode_names[] = {"write", "send", "send-pingpong", "write-pingpong"};
static const char *const wait_names[] = {"spin", "yield", "futex"};

const char *mode_name(enum mode mode) { return mode_names[mode]; }
const char *wait_name(enum wait_kind kind) { return wait_names[kind]; }

static _Noreturn void refuse(const char *option, const char *value) {
    fprintf(stderr, "ringmodel: %s: bad value '%s'\n%s", option, value, usage);
    exit(2);
}

static uint32_t number(const char *option, const char *value, uint32_t minimum, uint32_t maximum) {
    char *end = NULL;
    errno = 0;
    unsigned long parsed = strtoul(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || parsed < minimum || parsed > maximum) refuse(option, value);
    return (uint32_t)parsed;
}

static int choice(const char *option, const char *value, size_t length, const char *const *names, int count) {
    for (int index = 0; index < count; index++)
        if (strlen(names[index]) == length && strncmp(names[index], value, length) == 0) return index;
    refuse(option, value);
}

static struct wait_options wait_of(const char *option, const char *value) {
    const char *colon = strchr(value, ':');
    size_t length = colon ? (size_t)(colon - value) : strlen(value);
    struct wait_options wait = {.kind = (enum wait_kind)choice(option, value, length, wait_names, 3)};
    if (colon) wait.spins = number(option, colon + 1, 0, 1000000);
    return wait;
}

struct options parse_options(int count, char **arguments) {
    struct options options = {
        .mode = mode_write,
        .size_bytes = 64,
        .depth = 128,
        .buffers = 1,
        .signal_every = 1,
        .post_list = 1,
        .duration_milliseconds = 300,
        .endpoint = {.kind = wait_spin},
        .application = {.kind = wait_yield},
        .pin = {-1, -1, -1},
    };
    for (int index = 1; index < count; index++) {
        const char *option = arguments[index];
        if (strcmp(option, "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        if (strcmp(option, "--sleep-check") == 0) {
            options.sleep_check = true;
            continue;
        }
        if (index + 1 == count) refuse(option, "");
        const char *value = arguments[++index];
        if (strcmp(option, "--mode") == 0)
            options.mode = (enum mode)choice(option, value, strlen(value), mode_names, 4);
        else if (strcmp(option, "--size") == 0)
            options.size_bytes = number(option, value, 8, 1u << 26);
        else if (strcmp(option, "--depth") == 0)
            options.depth = number(option, value, 1, maximum_depth);
        else if (strcmp(option, "--buffers") == 0)
            options.buffers = number(option, value, 1, maximum_depth);
        else if (strcmp(option, "--signal-every") == 0)
            options.signal_every = number(option, value, 1, maximum_depth);
        else if (strcmp(option, "--post-list") == 0)
            options.post_list = number(option, value, 1, maximum_depth);
        else if (strcmp(option, "--duration-ms") == 0)
            options.duration_milliseconds = number(option, value, 1, 60000);
        else if (strcmp(option, "--endpoint-wait") == 0)
            options.endpoint = wait_of(option, value);
        else if (strcmp(option, "--application-wait") == 0)
            options.application = wait_of(option, value);
        else if (strcmp(option, "--pin") == 0) {
            char rest;
            if (sscanf(value, "%d,%d,%d%c", &options.pin[0], &options.pin[1], &options.pin[2], &rest) != 3)
                refuse(option, value);
        } else
            refuse(option, value);
    }
    if (options.size_bytes % 8 != 0) refuse("--size", "not a multiple of 8");
    if ((options.depth & (options.depth - 1)) != 0) refuse("--depth", "not a power of two");
    if (options.signal_every > options.depth) refuse("--signal-every", "greater than --depth");
    if (options.post_list > options.depth) refuse("--post-list", "greater than --depth");
    if (options.mode == mode_write_pingpong && options.application.kind == wait_futex)
        refuse("--application-wait", "futex: who waits on its own memory cannot be woken");
    return options;
}
