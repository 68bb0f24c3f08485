#!/usr/bin/env python3
"""A second decoder for patches: decoder.py OLD PATCH NEW

Written from docs/patch-format.md alone, to show that the document is enough. Names and section numbers are those of the
document. It is slow and holds everything in memory; the reference is crates/ota-diff.
"""

import hashlib
import sys

from chances import Chances
from units import INSTRUCTION_SETS, Source, Unit, read_be, signed_bits, u32

SLOTS = [384, 1536]
SHIFTS = [45, 125]
MAX_IMAGE = 1 << 28


class PatchError(Exception):
    """The patch cannot be decoded; the message says why."""


def need(condition, message):
    if not condition:
        raise PatchError(message)


# 1. Header

class Header:
    SIZE = 36

    def __init__(self, patch):
        need(len(patch) >= self.SIZE, "truncated: the header is not complete")
        need(patch[0:3] == b"ODP", "not a patch: the magic is wrong")
        need(patch[3] == 1, f"version {patch[3]} is not known here")
        need(crc16(patch[:34]) == int.from_bytes(patch[34:36], "little"), "the header is damaged: wrong CRC")
        self.profile = patch[4] & 15
        self.instructions = patch[4] >> 4
        need(self.profile <= 1, f"profile {self.profile} is not known here")
        need(self.instructions <= 3, f"instruction set {self.instructions} is not known here")
        need(patch[5] == 0, "the reserved byte is not 0")
        self.patch_size, self.old_size, self.new_size = (int.from_bytes(patch[at:at + 4], "little") for at in (6, 10, 14))
        need(self.patch_size >= self.SIZE, "the patch's size is smaller than its header")
        need(self.old_size <= MAX_IMAGE and self.new_size <= MAX_IMAGE, "an image is larger than 2^28 bytes")
        self.old_digest, self.new_digest = patch[18:26], patch[26:34]


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def digest(image):
    return hashlib.sha256(image).digest()[:8]


# 2. Range coder

class Stream:
    def __init__(self, data):
        self.data = data
        self.at = 0
        self.code, self.range = 0, 1

    def next_byte(self):
        self.at += 1
        need(self.at <= len(self.data) + 4, "truncated: the image is not complete at the patch's end")
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def decode(self, p):
        while self.range < 1 << 24:
            self.range <<= 8
            self.code = u32(self.code << 8 | self.next_byte())
        bound = self.range * p >> 16
        if self.code < bound:
            self.range = bound
            return 1
        self.code -= bound
        self.range -= bound
        return 0


# 3. The space at the stream's beginning

class Space:
    def __init__(self):
        self.base, self.windows = 0x80000000, []

    def read(self, stream):
        take = lambda count: read_be([stream.next_byte() for _ in range(count)])
        first = take(1)
        if first & 8:
            self.base = take(3) << 8
        for n in range(min(first & 7, 4)):
            start, length = take(3) << 8, take(2) << 8
            self.windows.append((start, length, first >> 4 + n & 1))

    def points_into(self, word):
        """None, or 1 for a window of code, 0 for one of data."""
        return next((code for start, length, code in self.windows if u32(word - start) < length), None)


# 5.1 Shifts

class Forecast:
    def __init__(self, shift, other, trust, known):
        self.shift, self.other, self.trust, self.known = shift, other, trust, known


class Shifts:
    def __init__(self, limit):
        self.limit = limit
        self.entries = []  # [key, shift, age], sorted by key

    def smaller(self, key):
        return sum(entry[0] < key for entry in self.entries)

    def learn(self, key, shift):
        if not -(1 << 23) <= signed_bits(shift, 32) < 1 << 23:
            return
        e, p = self.entries, self.smaller(key)
        if p < len(e) and e[p][0] == key:
            e[p] = [key, shift, 0]
            return
        if 0 < p < len(e) and e[p - 1][1] == e[p][1] == shift:
            return
        if len(e) == self.limit:
            self.make_room()
        e.insert(self.smaller(key), [key, shift, 0])

    def make_room(self):
        for entry in self.entries:
            entry[2] = min(entry[2] + 1, 255)
        ages = [entry[2] for entry in self.entries]
        del self.entries[ages.index(max(ages))]

    def guess(self, key):
        """(forecast, distance), or None from an empty table."""
        p = self.smaller(key)
        sides = [(key - entry[0], entry) for entry in self.entries[p - 1:p] if p > 0]
        sides += [(entry[0] - key, entry) for entry in self.entries[p:p + 1]]
        if not sides:
            return None
        sides.sort(key=lambda side: side[0])  # stable: the lower one of two that are equally near comes first
        distance, nearest = sides[0]
        if p == 0 and distance == 0xFFFFFFFF:
            return None
        nearest[2] = 0
        alone = len(sides) == 1 or sides[1][0] == 0xFFFFFFFF
        other = nearest[1] if alone else sides[1][1][1]
        trust = 2 if distance == 0 else int(other == nearest[1])
        return Forecast(nearest[1], other, trust, True), distance


# 3. and 5. Operations and copies

class Decoder:
    def __init__(self, header, old, stream):
        self.header, self.old, self.new = header, old, bytearray()
        self.stream = Stream(stream)
        self.space = Space()
        self.chances = Chances(self.stream, SLOTS[header.profile], header.instructions)
        self.shifts = Shifts(SHIFTS[header.profile])
        self.units = INSTRUCTION_SETS[header.instructions](self.space, len(old))
        self.end = self.alignment = 0
        self.block_history = 0
        self.kind_history = [0] * 8
        self.last_shift = 0

    def image(self):
        last = 1
        if self.header.instructions != 0 and self.header.new_size > 0:
            self.space.read(self.stream)
        while len(self.new) < self.header.new_size:
            last = self.operation(last)
        need(self.stream.at >= len(self.stream.data), "trailing bytes behind the stream's end")
        return bytes(self.new)

    def operation(self, last):
        """Decodes one operation after `last`; what it was itself: 0 a literal, 1 a copy from the old, 2 from the new."""
        chances, i = self.chances, len(self.new)
        if last != 0 and chances.flag("LITERAL", last):
            for _ in range(self.length("LITERAL_LEN")):
                self.new.append(chances.literal_byte(self.new))
            return 0
        if chances.flag("FROM_NEW", last):
            place = i - 1 - chances.number("DISTANCE")
            need(place >= 0, "a copy begins before the new image")
            self.copy(place, self.length("COPY_LEN"), True)
            return 2
        place = self.place(last)
        length = self.length("COPY_LEN")
        need(place + length <= len(self.old), "a copy ends behind the old image")
        self.alignment, self.end = place - i, place + length
        if length >= 200:
            for at in (place, place + length - 1):
                self.shifts.learn(u32(self.space.base + at), u32(i - place))
        self.copy(place, length, False)
        return 1

    def length(self, tree):
        length = self.chances.number(tree) + 1
        need(len(self.new) + length <= self.header.new_size, "an operation ends behind the new image")
        return length

    def place(self, last):
        along = u32(len(self.new) + self.alignment)
        if self.chances.flag("ALONG", last):
            return along
        if self.chances.flag("END", last):
            return self.end
        return self.chances.signed("JUMP", along)

    def copy(self, place, length, from_new):
        self.units.begin_copy(place)
        start = len(self.new)
        stop, source = start + length, Source(self.new if from_new else self.old, start - place, from_new)
        while len(self.new) < stop:
            self.block(source, min(len(self.new) + 32, stop), stop)

    def block(self, source, block_stop, stop):
        as_predicted = self.chances.flag("BLOCK", (self.block_history & 3) * 2 + source.from_new)
        self.block_history = self.block_history * 2 + (not as_predicted) & 3
        self.fault = 0
        while (i := len(self.new)) < block_stop:
            unit = self.units.detect(source.at(i), stop - i)
            forecast = self.forecast(unit)
            if as_predicted:
                self.as_predicted(unit, forecast, block_stop - i)
            else:
                self.by_unit(unit, forecast)

    def as_predicted(self, unit, forecast, left):
        if unit.kind == Unit.BYTE:
            self.new += unit.view.bytes(min(self.units.together(unit.view), left))
            return
        self.put_out(unit, forecast.shift)
        if not forecast.known:
            self.learn(unit, forecast.shift)

    def by_unit(self, unit, forecast):
        shift = forecast.shift
        if not self.good(unit, forecast):
            self.fault = 1
            if unit.kind == Unit.BYTE or not self.chances.flag("SOLVED", unit.kind):
                self.replaced(unit)
                return
            shift = self.solved(unit, forecast)
        self.put_out(unit, shift)
        self.learn(unit, shift)

    def good(self, unit, forecast):
        kind, view, history = unit.kind, unit.view, self.kind_history[unit.kind]
        odd = self.chances.odd(view.i)
        fared = history & 7 if kind == Unit.BYTE else forecast.trust << 1 | history & 1
        contexts = [0x1000000 | kind << 8 | fared << 1 | odd,
                    0x2000000 | kind << 16 | view.source.byte(view.q | 1) << 1 | odd,
                    0x3000000 | kind << 8 | self.fault << 1 | odd,
                    0x4000000 | kind << 16 | view.source.byte(view.q) << 8 | history & 1]
        good = self.chances.mixed_bit(contexts, 32 + kind, 1)
        self.kind_history[kind] = history * 2 + (1 - good) & 255
        return good

    def replaced(self, unit):
        for q in range(unit.view.q, unit.view.q + unit.size):
            self.new.append(self.chances.replaced_byte(self.new, unit.view.source.byte(q)))

    def solved(self, unit, forecast):
        if forecast.other != forecast.shift and self.chances.flag("OTHER", unit.kind):
            return forecast.other
        if self.last_shift != forecast.shift and self.chances.flag("LAST", unit.kind):
            return self.last_shift
        tree = "NEAR" if unit.offset else "FAR"
        self.last_shift = self.chances.signed(tree, forecast.shift, spare=int(unit.offset))
        return self.last_shift

    def put_out(self, unit, shift):
        data = unit.moved(shift)
        self.units.was_moved(unit, data)
        self.new += data

    def learn(self, unit, shift):
        if unit.kind != Unit.BYTE and not unit.view.source.from_new:
            self.shifts.learn(self.table_key(unit), shift)

    def table_key(self, unit):
        return u32(unit.key + (self.space.base if unit.offset else 0))

    # 5.2
    def forecast(self, unit):
        if unit.kind == Unit.BYTE or unit.view.source.from_new:
            return Forecast(0, 0, 0, True)
        guess = self.shifts.guess(self.table_key(unit))
        if guess is None or unit.kind == Unit.LOCAL and guess[1] > 16:
            shift = u32(unit.view.i - unit.view.q) if unit.offset else 0
            return Forecast(shift, shift, 0, False)
        return guess[0]


def decode(old, patch):
    """The new image. The patch is checked against the old image first, and the new image against the patch."""
    header = Header(patch)
    need(len(patch) >= header.patch_size, "truncated: the file is shorter than its header says")
    need(len(patch) <= header.patch_size, "trailing bytes: the file is longer than its header says")
    need(len(old) == header.old_size and digest(old) == header.old_digest, "the patch is for another old image")
    new = Decoder(header, old, patch[Header.SIZE:]).image()
    need(digest(new) == header.new_digest, "the new image has another digest: the patch is damaged")
    return new


def main(arguments):
    if len(arguments) != 3:
        sys.exit("usage: decoder.py OLD PATCH NEW")
    old, patch = (open(name, "rb").read() for name in arguments[:2])
    try:
        new = decode(old, patch)
    except PatchError as error:
        sys.exit(f"decoder.py: {arguments[1]}: {error}")
    with open(arguments[2], "wb") as file:
        file.write(new)


if __name__ == "__main__":
    main(sys.argv[1:])
