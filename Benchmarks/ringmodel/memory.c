#include "memory.h"

#include <err.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct region create_region(const char *name, size_t size_bytes) {
    struct region region = {.size_bytes = (size_bytes + 4095) & ~(size_t)4095};
    region.descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (region.descriptor < 0) err(1, "memfd_create");
    if (ftruncate(region.descriptor, (off_t)region.size_bytes) != 0) err(1, "ftruncate");
    if (fcntl(region.descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) err(1, "F_ADD_SEALS");
    return region;
}

struct regions create_regions(const struct options *options) {
    struct regions regions;
    regions.control = create_region("control", sizeof(struct control));
    for (int application = 0; application < 2; application++) {
        regions.rings[application] = create_region("rings", sizeof(struct rings));
        regions.payload[application] = create_region("payload", 2 * outgoing_bytes(options));
    }
    return regions;
}

void *map_region(const struct region *region) {
    void *base = mmap(NULL, region->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                      region->descriptor, 0);
    if (base == MAP_FAILED) err(1, "mmap");
    return base;
}

struct side map_side(const struct regions *regions, int application) {
    return (struct side){
        .rings = map_region(&regions->rings[application]),
        .payload = map_region(&regions->payload[application]),
    };
}
