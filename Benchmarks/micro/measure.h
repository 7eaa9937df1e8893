// What the small programs share: time, processors, percentiles, numbers from the command line.
#ifndef MICRO_MEASURE_H
#define MICRO_MEASURE_H

#include <err.h>
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t now_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline void pin_to(int processor) {
    if (processor < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) err(1, "sched_setaffinity %d", processor);
}

static inline int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// The value of `--name VALUE`, or the default. Ends the process on what is not a number in range.
static inline long option_of(int count, char **arguments, const char *name, long otherwise, long minimum,
                             long maximum) {
    for (int index = 1; index < count; index++) {
        if (strcmp(arguments[index], name) != 0) continue;
        char *end = NULL;
        errno = 0;
        long value = index + 1 < count ? strtol(arguments[index + 1], &end, 10) : 0;
        if (errno != 0 || end == NULL || end == arguments[index + 1] || *end != '\0' || value < minimum ||
            value > maximum)
            errx(2, "%s needs a number from %ld to %ld", name, minimum, maximum);
        return value;
    }
    return otherwise;
}

#endif
