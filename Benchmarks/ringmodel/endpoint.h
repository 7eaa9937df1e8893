// The endpoint's half of the protocol.
#ifndef RINGMODEL_ENDPOINT_H
#define RINGMODEL_ENDPOINT_H

#include "memory.h"
#include "options.h"

// Serves both applications until the run stops.
void run_endpoint(const struct options *options, const struct regions *regions);

#endif
