// Monotonic time.
#ifndef RINGMODEL_CLOCK_H
#define RINGMODEL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

#endif
