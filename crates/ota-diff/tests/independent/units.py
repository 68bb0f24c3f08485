"""Units (section 6 of docs/patch-format.md): what the bytes of a copy mean in each instruction set."""


def u32(value):
    return value & 0xFFFFFFFF


def signed_bits(value, bits):
    """The lowest `bits` bits of a value as a signed number."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def read_be(data):
    return int.from_bytes(bytes(data), "big")


class Source:
    """The image a copy takes its bytes from; behind its end are zeros."""

    def __init__(self, image, back, from_new):
        self.image, self.back, self.from_new = image, back, from_new

    def at(self, i):
        return View(self, i - self.back, i)

    def byte(self, q):
        return self.image[q] if q < len(self.image) else 0


class View:
    """The source at q, for the new byte at i."""

    def __init__(self, source, q, i):
        self.source, self.q, self.i = source, q, i

    def bytes(self, size, ahead=0):
        return bytes(self.source.byte(self.q + ahead + k) for k in range(size))

    def number(self, size, ahead=0):
        return int.from_bytes(self.bytes(size, ahead), "little")

    def half(self, ahead=0):
        return self.number(2, ahead)

    def word(self, ahead=0):
        return self.number(4, ahead)

    def even(self):
        return self.q % 2 == 0 and self.i % 2 == 0


class Unit:
    BYTE, BRANCH, CODE_POINTER, DATA_POINTER, HIGH, LOW, LOCAL, CONSTANT = range(8)

    def __init__(self, view, kind, size, key=0, encode=None, offset=False, track=None):
        """`encode(target)`: the unit as a number that means `target` at its new place."""
        self.view, self.kind, self.size, self.key, self.offset, self.track = view, kind, size, u32(key), offset, track
        self.bytes, self.encode = view.bytes(size), encode

    def moved(self, shift):
        if self.encode is None:
            return self.bytes
        number = self.encode(u32(self.key + shift))
        return number.to_bytes(self.size, "little")


class Plain:
    """Instruction set none, and what the others have in common."""

    def __init__(self, space, old_size):
        self.space, self.old_size = space, old_size

    def begin_copy(self, place):
        pass

    def detect(self, view, left):
        return self.instruction(view, left) or self.pointer(view, left) or Unit(view, Unit.BYTE, 1)

    def instruction(self, view, left):
        return None

    def pointer(self, view, left):
        if view.source.from_new or view.q % 4 or view.i % 4 or left < 4:
            return None
        word = view.word()
        code = self.space.points_into(word)
        if code is None:
            return None
        return Unit(view, Unit.CODE_POINTER if code else Unit.DATA_POINTER, 4, word, lambda target: target)

    def was_moved(self, unit, data):
        pass

    def together(self, view):
        return 1


# 6.1

class Thumb(Plain):
    def detect(self, view, left):
        return self.pointer(view, left) or self.instruction(view, left) or Unit(view, Unit.BYTE, 1)

    def instruction(self, view, left):
        if not view.even():
            return None
        unit = left >= 4 and self.branch(view)
        if not unit and not view.source.from_new:
            unit = left >= 4 and self.high(view) or left >= 2 and self.local(view)
        return unit or None

    def branch(self, view):
        h, g = view.half(), view.half(2)
        if h >> 11 != 0b11110 or not (g & 0xD000 in (0xD000, 0x9000) or g & 0xD001 == 0xC000):
            return None
        s = h >> 10 & 1
        i1, i2 = 1 ^ g >> 13 & 1 ^ s, 1 ^ g >> 11 & 1 ^ s
        distance = signed_bits(s << 24 | i1 << 23 | i2 << 22 | (h & 0x3FF) << 12 | (g & 0x7FF) << 1, 25)

        def encode(target):
            d = target - (view.i + 4)
            s = d >> 24 & 1
            j1, j2 = 1 ^ d >> 23 & 1 ^ s, 1 ^ d >> 22 & 1 ^ s
            return h & 0xF800 | s << 10 | d >> 12 & 0x3FF | (g & 0xD000 | j1 << 13 | j2 << 11 | d >> 1 & 0x7FF) << 16
        return Unit(view, Unit.BRANCH, 4, view.q + 4 + distance, encode, offset=True)

    def high(self, view):
        h, g = view.half(), view.half(2)
        if h & 0xFBF0 != 0xF240 or g & 0x8000:
            return None
        for ahead in (4, 6, 8, 10, 12):
            h2, g2 = view.half(ahead), view.half(ahead + 2)
            if h2 & 0xFBF0 == 0xF2C0 and g2 & 0x8F00 == g & 0xF00:
                break
        else:
            return None
        word = mov_value(h2, g2) << 16 | mov_value(h, g)
        if self.space.points_into(word) is None:
            return None

        def encode(t):
            return h & 0xFBF0 | t >> 12 & 15 | (t >> 11 & 1) << 10 | (g & 0x8F00 | (t >> 8 & 7) << 12 | t & 255) << 16
        return Unit(view, Unit.HIGH, 4, word, encode)

    def local(self, view):
        h = view.half()
        target = local_target(h, view.q + 4)
        if target is None:
            return None

        def encode(new_target):
            moved = local_moved(h, view.i + 4, new_target)
            return moved if u32(local_target(moved, view.i + 4)) == new_target else h
        return Unit(view, Unit.LOCAL, 2, target, encode, offset=True)

    def together(self, view):
        return 2 if view.even() else 1


def mov_value(h, g):
    """The 16 bits of a MOVW or MOVT."""
    return (h & 15) << 12 | (h >> 10 & 1) << 11 | (g >> 12 & 7) << 8 | g & 255


def local_target(h, pc):
    if h & 0xF800 == 0x4800:
        return (pc & ~3) + (h & 255) * 4
    if h & 0xF000 == 0xD000 and h & 0xF00 < 0xE00:
        return pc + signed_bits(h, 8) * 2
    if h & 0xF800 == 0xE000:
        return pc + signed_bits(h, 11) * 2
    return None


def local_moved(h, pc, target):
    if h & 0xF800 == 0x4800:
        return h & 0xFF00 | target - (pc & ~3) >> 2 & 255
    if h & 0xF000 == 0xD000:
        return h & 0xFF00 | target - pc >> 1 & 255
    return h & 0xF800 | target - pc >> 1 & 0x7FF


# 6.2

class Track:
    """What is known of one register's upper bits. `tag` is (register, relative) or None."""

    def __init__(self):
        self.tag, self.old_base, self.new_base = None, 0, 0


class RiscV(Plain):
    def begin_copy(self, place):
        self.next = place
        self.tracks = [Track() for _ in range(8)]

    def forget(self, register):
        track = self.tracks[register & 7]
        if track.tag and track.tag[0] == register:
            track.tag = None

    def instruction(self, view, left):
        q = view.q
        if q < self.next:
            return None
        h = view.half()
        self.next = q + (1 if q % 2 else 4 if h & 3 == 3 else 2)
        if not view.even() or view.source.from_new or left < 2:
            return None
        if h & 3 != 3:
            self.short(h)
            return None
        return self.long(view) if left >= 4 else None

    def short(self, h):
        quadrant, funct = h & 3, h >> 13
        if quadrant == 0 and funct < 4:
            self.forget(8 + (h >> 2 & 7))
        elif quadrant == 1 or quadrant == 2 and funct < 5:
            self.forget(h >> 7 & 31)

    def long(self, view):
        w = view.word()
        opcode, rd = w & 0x7F, w >> 7 & 31
        unit = self.low(view, w)
        if opcode not in (0x23, 0x27, 0x63):
            self.forget(rd)
        if opcode == 0x6F:
            encode = lambda target: w & 0xFFF | jal_field(target - view.i)
            return Unit(view, Unit.BRANCH, 4, view.q + jal_distance(w), encode, offset=True)
        if opcode in (0x17, 0x37):
            return self.high(view, w)
        return unit

    def high(self, view, w):
        rd, relative = w >> 7 & 31, w & 0x7F == 0x17
        user = self.user(view, rd)
        if rd == 0 or user is None:
            return None
        base = u32((w & 0xFFFFF000) + (view.q if relative else 0))
        key = u32(base + user)
        if not relative and self.space.points_into(key) is None:
            return None
        track = self.tracks[rd & 7]
        track.tag, track.old_base = (rd, relative), base

        def encode(target):
            return w & 0xFFF | u32(target - (view.i if relative else 0) + 0x800) & 0xFFFFF000
        return Unit(view, Unit.HIGH, 4, key, encode, relative, track)

    def user(self, view, register):
        """The low part of the first user of a register."""
        ahead = 4
        while ahead <= 24:
            w = view.word(ahead)
            if low_part(w) is not None and w >> 15 & 31 == register:
                return low_part(w)
            ahead += 4 if w & 3 == 3 else 2
        return None

    def low(self, view, w):
        part, rs1 = low_part(w), w >> 15 & 31
        track = self.tracks[rs1 & 7]
        if part is None or rs1 == 0 or not track.tag or track.tag[0] != rs1:
            return None

        def encode(target):
            low = signed_bits(target - track.new_base, 32)
            return with_low_part(w, low) if -2048 <= low < 2048 else w
        return Unit(view, Unit.LOW, 4, track.old_base + part, encode, track.tag[1])

    def was_moved(self, unit, data):
        if unit.kind == Unit.HIGH:
            bits = int.from_bytes(data, "little") & 0xFFFFF000
            unit.track.new_base = u32(bits + (unit.view.i if unit.track.tag[1] else 0))

    def together(self, view):
        return max(1, min(self.next - view.q, 4 - view.q % 4))


def low_part(w):
    """The signed immediate of a low form, or None."""
    opcode = w & 0x7F
    if opcode in (0x03, 0x07, 0x67) or opcode == 0x13 and w >> 12 & 7 == 0:
        return signed_bits(w >> 20, 12)
    if opcode in (0x23, 0x27):
        return signed_bits(w >> 25 << 5 | w >> 7 & 31, 12)
    return None


def with_low_part(w, low):
    if w & 0x7F in (0x23, 0x27):
        return w & 0x01FFF07F | (low >> 5 & 0x7F) << 25 | (low & 31) << 7
    return w & 0xFFFFF | (low & 0xFFF) << 20


def jal_distance(w):
    return signed_bits((w >> 31) << 20 | (w >> 12 & 0xFF) << 12 | (w >> 20 & 1) << 11 | (w >> 21 & 0x3FF) << 1, 21)


def jal_field(d):
    return (d >> 20 & 1) << 31 | (d >> 1 & 0x3FF) << 21 | (d >> 11 & 1) << 20 | (d >> 12 & 0xFF) << 12


# 6.3

class Xtensa(Plain):
    def begin_copy(self, place):
        self.next = place

    def instruction(self, view, left):
        q, i = view.q, view.i
        if q < self.next:
            return None
        w = view.number(3)
        self.next = q + (2 if w & 15 >= 8 else 3)
        if left < 3 or w & 15 not in (1, 5):
            return None
        if w & 15 == 5:
            kind, key = Unit.BRANCH, (q & ~3) + 4 + signed_bits(w >> 6, 18) * 4
            encode = lambda target: w & 0x3F | (target - (i & ~3) - 4 >> 2 & 0x3FFFF) << 6
        else:
            kind, key = Unit.CONSTANT, (q + 3 & ~3) + (0xFFFF0000 | w >> 8) * 4
            encode = lambda target: w & 0xFF | (target - (i + 3 & ~3) >> 2 & 0xFFFF) << 8
        return Unit(view, kind, 3, key, encode, offset=True) if u32(key) < self.old_size else None

    def together(self, view):
        return max(1, min(self.next - view.q, 4 - view.q % 4))


INSTRUCTION_SETS = [Plain, Thumb, RiscV, Xtensa]
