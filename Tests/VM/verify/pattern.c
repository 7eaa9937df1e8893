// Bytes that are a function of a key and of their place in a stream.

#include "verify.h"

#include <string.h>

// The finaliser of splitmix64: cheap, and each output bit depends on each input bit.
uint64_t mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

uint64_t key_of(uint64_t parent, uint64_t part)
{
    return mix(parent ^ mix(part));
}

static uint64_t word_at(uint64_t key, uint64_t index)
{
    return mix(key + index * 0x9e3779b97f4a7c15u);
}

static uint8_t byte_at(uint64_t key, uint64_t stream)
{
    return (uint8_t)(word_at(key, stream / 8) >> (stream % 8 * 8));
}

void fill(uint64_t key, uint64_t stream, uint8_t *bytes, size_t count)
{
    for (; count > 0 && stream % 8 != 0; count--) *bytes++ = byte_at(key, stream++);
    for (; count >= 8; count -= 8, stream += 8, bytes += 8) {
        uint64_t word = word_at(key, stream / 8);
        memcpy(bytes, &word, 8);
    }
    for (; count > 0; count--) *bytes++ = byte_at(key, stream++);
}

static size_t first_difference(uint64_t key, uint64_t stream, const uint8_t *bytes, size_t count)
{
    size_t index = 0;
    for (; index < count && (stream + index) % 8 != 0; index++) {
        if (bytes[index] != byte_at(key, stream + index)) return index;
    }
    for (; index + 8 <= count; index += 8) {
        uint64_t found;
        memcpy(&found, bytes + index, 8);
        // The byte within a different word is found below.
        if (found != word_at(key, (stream + index) / 8)) break;
    }
    while (index < count && bytes[index] == byte_at(key, stream + index)) index++;
    return index;
}

bool matches(struct session *session, const char *what, uint64_t key, uint64_t stream, const uint8_t *bytes,
             size_t count)
{
    size_t index = first_difference(key, stream, bytes, count);
    if (index == count) return true;
    size_t wrong = 0;
    for (size_t i = index; i < count; i++) wrong += bytes[i] != byte_at(key, stream + i);
    return fail(session, "%s: byte %zu of %zu (address %p) is 0x%02x instead of 0x%02x; %zu bytes differ", what, index,
                count, (const void *)(bytes + index), bytes[index], byte_at(key, stream + index), wrong);
}
