// Fills, checks and shows the program's own memory.

#include "byhand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, MAX_FRAMES = 64 };
// Of an entry of /proc/PID/pagemap: bits 0 to 54 are the page frame number, when bit 63 says that there is one.
#define FRAME_MASK ((1ULL << 55) - 1)

// SplitMix64 of the seed and the place, a byte at a time.
static uint8_t byte_of(uint64_t seed, uint64_t index)
{
    uint64_t value = (seed + 1) * 0x9e3779b97f4a7c15ULL + (index / 8) * 0xd1b54a32d192ed03ULL;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return (uint8_t)((value ^ (value >> 31)) >> (index % 8 * 8));
}

// Whether an address is in one of the program's regions, so that a wrong command does not end it.
static bool is_mine(const struct program *program, uint64_t address, uint64_t size)
{
    for (int index = 0; index < program->region_count; index++) {
        uint64_t start = (uint64_t)(uintptr_t)program->regions[index].base;
        if (address >= start && address - start <= program->regions[index].size &&
            size <= program->regions[index].size - (address - start)) {
            return true;
        }
    }
    refuse("that is not memory of this program", EFAULT);
    return false;
}

void fill_memory(struct program *program, const struct command *command)
{
    uint64_t size = number_of(command, 2);
    if (!is_mine(program, number_of(command, 1), size)) return;
    uint8_t *bytes = (uint8_t *)(uintptr_t)number_of(command, 1);
    for (uint64_t index = 0; index < size; index++) bytes[index] = byte_of(number_of(command, 3), index);
    answer("%llu", (unsigned long long)size);
}

void check_memory(struct program *program, const struct command *command)
{
    uint64_t size = number_of(command, 2);
    if (!is_mine(program, number_of(command, 1), size)) return;
    const uint8_t *bytes = (const uint8_t *)(uintptr_t)number_of(command, 1);
    for (uint64_t index = 0; index < size; index++) {
        if (bytes[index] != byte_of(number_of(command, 3), index)) {
            answer("%llu", (unsigned long long)index);
            return;
        }
    }
    answer("-1");
}

void show_word(struct program *program, const struct command *command)
{
    uint64_t value = number_of(command, 2);
    if (!is_mine(program, number_of(command, 1), sizeof value)) return;
    void *place = (void *)(uintptr_t)number_of(command, 1);
    if (command->count > 2) memcpy(place, &value, sizeof value);
    memcpy(&value, place, sizeof value);
    answer("0x%llx", (unsigned long long)value);
}

void show_frames(struct program *program, const struct command *command)
{
    uint64_t address = number_of(command, 1);
    uint64_t size = number_of(command, 2);
    uint64_t entries[MAX_FRAMES];
    uint64_t count = (size + PAGE_BYTES - 1) / PAGE_BYTES;
    if (!is_mine(program, address, size)) return;
    if (count > MAX_FRAMES) count = MAX_FRAMES;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1
                         : pread(fd, entries, count * sizeof entries[0],
                                 (off_t)(address / PAGE_BYTES * sizeof entries[0]));
    if (fd >= 0) close(fd);
    if (got != (ssize_t)(count * sizeof entries[0])) {
        refuse("/proc/self/pagemap", errno);
        return;
    }
    printf("ok");
    for (uint64_t index = 0; index < count; index++) {
        printf(" %llx", (unsigned long long)(entries[index] >> 63 ? entries[index] & FRAME_MASK : 0));
    }
    putchar('\n');
}
