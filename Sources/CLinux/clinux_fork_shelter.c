/*
 * Pages that the C library writes in the child before any handler runs there.
 * glibc resets the locks and counts of every malloc arena; those of all but the
 * first arena lie in the first page of a block that is aligned to its greatest
 * size (malloc/arena.c, HEAP_MAX_SIZE).  Such a page, when it is shared, is
 * made private over the fork, and shared again afterwards in the parent.
 */
#define _GNU_SOURCE
#include "clinux_fork_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };
#define ARENA_ALIGNMENT_BYTES (64ull << 20)

struct sheltered_page {
    uint64_t address;
    uint64_t offset;
    int32_t fd;
    int32_t protection;
    /* What the file held when the page became private. */
    unsigned char before[PAGE_BYTES];
};

/* More arenas than glibc makes by default on a machine with 32 processors. */
enum { MAX_SHELTERED = 256 };
static struct sheltered_page *sheltered;
static size_t sheltered_count;

static void shelter_page(const struct clinux_private_file *file, const struct clinux_mapping *mapping, uint64_t address)
{
    if (sheltered_count == MAX_SHELTERED)
        return;
    struct sheltered_page *page = &sheltered[sheltered_count];
    page->address = address;
    page->offset = mapping->offset + (address - mapping->start);
    page->fd = file->fd;
    page->protection = mapping->protection;
    void *view = mmap((void *)(uintptr_t)address, PAGE_BYTES, page->protection, MAP_PRIVATE | MAP_FIXED, page->fd,
                      (off_t)page->offset);
    if (view == MAP_FAILED)
        return;
    if (pread(page->fd, page->before, PAGE_BYTES, (off_t)page->offset) != PAGE_BYTES)
        memset(page->before, 0, PAGE_BYTES);
    sheltered_count++;
}

static void shelter_mapping(const struct clinux_private_file *file, const struct clinux_mapping *mapping, void *context)
{
    (void)context;
    uint64_t address = (mapping->start + ARENA_ALIGNMENT_BYTES - 1) & ~(ARENA_ALIGNMENT_BYTES - 1);
    if (file->mode != CLINUX_FORK_COPY || !(mapping->protection & PROT_WRITE))
        return;
    for (; address < mapping->end; address += ARENA_ALIGNMENT_BYTES)
        shelter_page(file, mapping, address);
}

void clinux_fork_shelter(const struct clinux_fork_plan *plan)
{
    sheltered_count = 0;
    if (!sheltered) {
        void *space = mmap(NULL, MAX_SHELTERED * sizeof(*sheltered), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (space == MAP_FAILED)
            return;
        sheltered = space;
    }
    clinux_fork_for_each(plan, shelter_mapping, NULL);
}

/* Writes to the file what this process changed, and leaves the rest to the peers that may have written it. */
static void write_changes(const struct sheltered_page *page)
{
    const unsigned char *now = (const unsigned char *)(uintptr_t)page->address;
    for (size_t first = 0; first < PAGE_BYTES;) {
        size_t last = first;
        while (last < PAGE_BYTES && now[last] != page->before[last])
            last++;
        if (last == first) {
            first++;
            continue;
        }
        ssize_t ignored = pwrite(page->fd, now + first, last - first, (off_t)(page->offset + first));
        (void)ignored;
        first = last;
    }
}

void clinux_fork_unshelter(void)
{
    for (size_t i = 0; i < sheltered_count; i++) {
        const struct sheltered_page *page = &sheltered[i];
        int hold = clinux_hold_writes(page->address, PAGE_BYTES);
        write_changes(page);
        mmap((void *)(uintptr_t)page->address, PAGE_BYTES, page->protection, MAP_SHARED | MAP_FIXED, page->fd,
             (off_t)page->offset);
        if (hold >= 0)
            clinux_let_writes_go(hold, page->address, PAGE_BYTES);
    }
    sheltered_count = 0;
}
