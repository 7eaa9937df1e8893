// Where the bytes of a message lie in an arena: one or more pieces, anywhere, with guard bytes around each.

#include "verify.h"

enum { MAX_GAP = 16, MAX_SLACK = 32, MISALIGNMENTS = 64 };

uint64_t slot_stride(uint32_t size)
{
    uint64_t room = (uint64_t)size + 2 * GUARD_BYTES + MISALIGNMENTS + MAX_SLACK + MAX_PIECES * MAX_GAP;
    return (room + 63) / 64 * 64;
}

// The length of a piece when `left` bytes remain for `pieces` pieces, none of them empty.
static uint32_t cut(uint64_t key, int index, uint32_t left, int pieces)
{
    if (pieces <= 1) return left;
    uint32_t most = left - (uint32_t)(pieces - 1);
    uint32_t fair = 2 * (left / (uint32_t)pieces);
    uint32_t limit = fair < most ? fair : most;
    return limit <= 1 ? 1 : 1 + (uint32_t)(key_of(key, 0x100 + (uint64_t)index) % limit);
}

// Pieces are in the order of the stream; with `descending`, their addresses fall.
void place(struct layout *layout, uint64_t key, uint64_t slot, uint32_t size, int pieces)
{
    if (pieces > MAX_PIECES) pieces = MAX_PIECES;
    if ((uint32_t)pieces > size) pieces = size == 0 ? 1 : (int)size;
    layout->count = pieces;
    layout->descending = pieces > 1 && (key_of(key, 1) & 1) != 0;
    layout->slack = layout->descending ? 0 : (uint32_t)(key_of(key, 2) % (MAX_SLACK + 1));
    layout->slot = slot;
    layout->slot_end = slot + slot_stride(size);
    uint64_t stream = 0;
    for (int i = 0; i < pieces; i++) {
        layout->pieces[i].length = cut(key, i, size - (uint32_t)stream, pieces - i);
        layout->pieces[i].stream = stream;
        stream += layout->pieces[i].length;
    }
    uint64_t at = slot + GUARD_BYTES + key_of(key, 3) % MISALIGNMENTS;
    for (int i = 0; i < pieces; i++) {
        struct piece *piece = &layout->pieces[layout->descending ? pieces - 1 - i : i];
        piece->at = at;
        at += piece->length + key_of(key, 0x200 + (uint64_t)i) % MAX_GAP;
    }
}

bool check_slot(struct session *session, const char *what, const struct arena *arena, const struct layout *layout,
                uint64_t background, uint64_t key)
{
    uint64_t at = layout->slot;
    for (int i = 0; i < layout->count; i++) {
        const struct piece *piece = &layout->pieces[layout->descending ? layout->count - 1 - i : i];
        if (!matches(session, "guard bytes before or between", background, at, arena->base + at, piece->at - at) ||
            !matches(session, what, key, piece->stream, arena->base + piece->at, piece->length)) {
            return false;
        }
        at = piece->at + piece->length;
    }
    return matches(session, "guard bytes after", background, at, arena->base + at, layout->slot_end - at);
}

// With no key, the slot has only background: data is to arrive there.
void fill_slot(const struct arena *arena, const struct layout *layout, uint64_t background, const uint64_t *key)
{
    fill(background, layout->slot, arena->base + layout->slot, layout->slot_end - layout->slot);
    for (int i = 0; key != NULL && i < layout->count; i++) {
        const struct piece *piece = &layout->pieces[i];
        fill(*key, piece->stream, arena->base + piece->at, piece->length);
    }
}

// An empty message has sometimes no element, sometimes an empty one. Slack makes the last element longer than the
// message, as receives may be.
int to_elements(const struct arena *arena, const struct layout *layout, bool slack, struct ibv_sge *elements)
{
    for (int i = 0; i < layout->count; i++) {
        elements[i].addr = (uintptr_t)arena->base + layout->pieces[i].at;
        elements[i].length = layout->pieces[i].length;
        elements[i].lkey = arena->region->lkey;
    }
    if (slack) elements[layout->count - 1].length += layout->slack;
    bool is_empty = layout->count == 1 && elements[0].length == 0;
    return is_empty && layout->slack % 2 == 0 ? 0 : layout->count;
}
