// Shared memory of the model: one memfd per application for its rings, one for its payload, one to steer.
#ifndef RINGMODEL_MEMORY_H
#define RINGMODEL_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#include "options.h"

struct region {
    int descriptor;
    size_t size_bytes;
};

// The payload of an application: slots that it sends from, then slots that it receives into.
struct regions {
    struct region control;
    struct region rings[2];
    struct region payload[2];
};

// What one process has mapped of it.
struct side {
    struct rings *rings;
    unsigned char *payload;
};

// Ends the process with a message on failure, as everything here does.
struct regions create_regions(const struct options *options);
void *map_region(const struct region *region);
struct side map_side(const struct regions *regions, int application);

static inline size_t outgoing_bytes(const struct options *options) {
    return (size_t)options->size_bytes * options->buffers;
}

#endif
