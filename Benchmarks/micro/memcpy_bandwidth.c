// One thread copies between two shared buffers, over the same slots that the WRITE stream uses.
// memcpy_bandwidth [--size BYTES] [--piece BYTES] [--buffers N] [--duration-ms N]
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure.h"

static unsigned char *shared_buffer(size_t size_bytes) {
    int descriptor = memfd_create("memcpy", MFD_CLOEXEC);
    if (descriptor < 0 || ftruncate(descriptor, (off_t)size_bytes) != 0) err(1, "memfd");
    void *base = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    if (base == MAP_FAILED) err(1, "mmap");
    close(descriptor);
    return base;
}

int main(int count, char **arguments) {
    size_t size_bytes = (size_t)option_of(count, arguments, "--size", 1 << 20, 8, 1 << 30);
    size_t piece_bytes = (size_t)option_of(count, arguments, "--piece", 1 << 30, 8, 1 << 30);
    size_t buffers = (size_t)option_of(count, arguments, "--buffers", 1, 1, 4096);
    uint64_t duration = (uint64_t)option_of(count, arguments, "--duration-ms", 200, 1, 60000) * 1000000u;
    unsigned char *source = shared_buffer(size_bytes * buffers);
    unsigned char *target = shared_buffer(size_bytes * buffers);
    memset(source, 0x5a, size_bytes * buffers);

    // Between looks at the clock: at least 64 KiB, so that the look costs nothing.
    size_t copies_per_look = size_bytes >= 65536 ? 1 : 65536 / size_bytes;
    uint64_t begin = now_nanoseconds() + duration / 5, end = begin + duration, now;
    uint64_t copies = 0;
    int measuring = 0;
    size_t slot = 0;
    for (;;) {
        for (size_t copy = 0; copy < copies_per_look; copy++) {
            unsigned char *to = target + slot * size_bytes, *from = source + slot * size_bytes;
            for (size_t done = 0; done < size_bytes; done += piece_bytes) {
                memcpy(to + done, from + done, size_bytes - done < piece_bytes ? size_bytes - done : piece_bytes);
                // The compiler must not merge copies that nobody reads.
                __asm__ volatile("" ::: "memory");
            }
            slot = slot + 1 == buffers ? 0 : slot + 1;
        }
        copies += copies_per_look;
        now = now_nanoseconds();
        if (!measuring && now >= begin) {
            measuring = 1;
            begin = now;
            copies = 0;
        }
        if (now >= end) break;
    }
    if (memcmp(source, target, size_bytes) != 0) errx(1, "the copy differs");
    double seconds = (double)(now - begin) / 1e9;
    printf("{\"program\":\"memcpy_bandwidth\",\"sizeBytes\":%zu,\"buffers\":%zu,\"copies\":%llu,"
           "\"bytesPerSecond\":%.1f,\"nanoseconds\":%.2f}\n",
           size_bytes, buffers, (unsigned long long)copies, (double)copies * (double)size_bytes / seconds,
           seconds * 1e9 / (double)copies);
    return 0;
}
