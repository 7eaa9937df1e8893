// Ring sizes that follow from the depth: as small as a careful application would ask for.
#ifndef RINGMODEL_GEOMETRY_H
#define RINGMODEL_GEOMETRY_H

#include <stdint.h>

#include "options.h"

struct geometry {
    uint32_t send_entries;
    uint32_t receive_entries;
    uint32_t completion_entries;
};

// The completion ring holds every request and every receive at once, so it never overruns.
static inline struct geometry geometry_of(const struct options *options) {
    return (struct geometry){
        .send_entries = options->depth,
        .receive_entries = 2 * options->depth,
        .completion_entries = 4 * options->depth,
    };
}

#endif
