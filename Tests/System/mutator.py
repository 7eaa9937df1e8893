"""Spoils bytes at random, from a seed."""

import struct

INTERESTING = (0, 1, 2, 3, 7, 8, 63, 64, 255, 256, 4095, 4096, 4097, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF,
               0x80000000, 0xFFFFFFF0, 0xFFFFFFFF, 0x100000000, (1 << 63) - 1, 1 << 63, (1 << 64) - 4096,
               (1 << 64) - 8, (1 << 64) - 1)


class Mutator:
    """Random changes of byte strings whose structure is aligned fields."""

    def __init__(self, rng):
        self.rng = rng

    def number(self, bits):
        """A number of that many bits, mostly one that has broken something before."""
        mask = (1 << bits) - 1
        if self.rng.random() < 0.7:
            return self.rng.choice(INTERESTING) & mask
        return self.rng.getrandbits(bits)

    def spoil(self, data, times=None):
        """A copy with some changes."""
        if not data:
            return data
        spoiled = bytearray(data)
        for _ in range(times or self.rng.choice((1, 1, 1, 2, 3, 8))):
            self._change(spoiled)
        return bytes(spoiled)

    def _change(self, data):
        kind = self.rng.randrange(5)
        if kind == 0:
            place = self.rng.randrange(len(data))
            data[place] ^= 1 << self.rng.randrange(8)
        elif kind == 1:
            data[self.rng.randrange(len(data))] = self.rng.getrandbits(8)
        elif kind == 2 and len(data) >= 4:
            place = self.rng.randrange(len(data) // 4) * 4
            struct.pack_into("<I", data, place, self.number(32))
        elif kind == 3 and len(data) >= 8:
            place = self.rng.randrange(len(data) // 8) * 8
            struct.pack_into("<Q", data, place, self.number(64))
        elif len(data) >= 4:
            place = self.rng.randrange(len(data) // 4) * 4
            value = struct.unpack_from("<I", data, place)[0] + self.rng.choice((-1, 1, -64, 64, 4096, -4096))
            struct.pack_into("<I", data, place, value & 0xFFFFFFFF)
