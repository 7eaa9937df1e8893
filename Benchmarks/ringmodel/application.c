#include "application.h"

#include "geometry.h"

void application_open(struct application *application, const struct options *options, const struct regions *regions,
                      int which) {
    struct geometry geometry = geometry_of(options);
    *application = (struct application){
        .options = options,
        .control = map_region(&regions->control),
        .side = map_side(regions, which),
        .own_key = which == 0 ? key_of_a : key_of_b,
        .peer_key = which == 0 ? key_of_b : key_of_a,
        .ring_mask = geometry.send_entries - 1,
        .receive_mask = geometry.receive_entries - 1,
        .completion_mask = geometry.completion_entries - 1,
        .endpoint_sleeps = options->endpoint.kind == wait_futex || options->sleep_check,
    };
    application->waiter = (struct waiter){
        .how = options->application,
        .sleeping = &application->side.rings->sleeping,
    };
    // Distinct contents per application, so that a comparison afterwards proves who wrote.
    uint64_t *words = (uint64_t *)application->side.payload;
    for (size_t index = 0; index < outgoing_bytes(options) / 8; index++)
        words[index] = (index + 1) * 0x9e3779b97f4a7c15u ^ application->own_key;
}
