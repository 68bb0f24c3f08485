"""Chances (section 4 of docs/patch-format.md): flags, numbers and mixed bits."""

from units import u32

LOGS = [-235, 86, 224, 313, 379, 432, 475, 512, 545, 574, 600, 623, 645, 664, 683, 874]
FADED = [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 7, 8, 9, 9, 10]
SQUASH = [1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901,
          3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094]


class Chances:
    def __init__(self, stream, slots, instructions):
        self.stream, self.instructions = stream, instructions
        sizes = dict(LITERAL=3, FROM_NEW=3, ALONG=3, END=3, BLOCK=8, SOLVED=8, OTHER=8, LAST=8)
        trees = "LITERAL_LEN COPY_LEN JUMP DISTANCE NEAR FAR".split()
        sizes.update((tree, 56) for tree in trees)
        self.flags = {name: [0x8000] * size for name, size in sizes.items()}
        self.slot = [[0, 0] for _ in range(slots)]  # how often a 0 was seen, how often a 1
        self.rows = [[10000] * 4 for _ in range(40)]
        self.change = 0

    def flag(self, name, index):
        f = self.flags[name][index]
        p, count = f & 0xFFF8 | 4, f & 7
        rate = count + 3 >> 1
        bit = self.stream.decode(p)
        p = p + (65535 - p >> rate) if bit else p - (p >> rate)
        self.flags[name][index] = p & 0xFFF8 | min(count + 1, 7)
        return bit

    def number(self, tree):
        node = 1
        for _ in range(5):
            node = node * 2 + self.flag(tree, node)
        bits, value = node - 32, 1
        for k in reversed(range(bits)):
            bit = self.flag(tree, 32 + min(bits, 23)) if k == bits - 1 else self.stream.decode(32768)
            value = value * 2 + bit
        return value - 1

    def signed(self, tree, origin, spare=0):
        back = self.flag(tree, 0)
        n = self.number(tree) << spare
        return u32(origin - n if back else origin + n)

    def mixed_bit(self, contexts, row, node):
        w = self.rows[row]
        x = [u32((c ^ u32(node * 0x85EBCA6B)) * 0x9E3779B1) for c in contexts]
        x = [(h >> 16) * len(self.slot) >> 16 for h in x]
        s = [LOGS[self.slot[at][1]] - LOGS[self.slot[at][0]] for at in x]
        p = squash(sum(a * b for a, b in zip(w, s)) >> 15)
        bit = self.stream.decode(p * 16 + 8)
        err = (bit * 4096 - p) * 32
        for k in range(4):
            w[k] = max(-32768, min(32767, w[k] + (s[k] * err + 0x8000 >> 16)))
            slot = self.slot[x[k]]
            slot[bit] = min(slot[bit] + 1, 15)
            slot[1 - bit] = FADED[slot[1 - bit]]
        return bit

    def mixed_byte(self, contexts, first_row):
        node = 1
        for row in range(first_row, first_row + 8):
            node = node * 2 + self.mixed_bit(contexts, row, node)
        return node & 255

    def odd(self, i):
        return 0 if self.instructions == 3 else i & 1

    def literal_byte(self, new):
        odd, before, earlier = self.odd(len(new)), *last_two(new)
        return self.mixed_byte([0x10000 + odd, 0x20000 + before * 2 + odd, 0x30000, 0x40000 + earlier * 2 + odd], odd * 8)

    def replaced_byte(self, new, o):
        odd, before = self.odd(len(new)), last_two(new)[0]
        moved = (o + self.change & 255) * 2 + (self.change != 0)
        contexts = [0x80000 + o, 0x90000 + moved, 0xA0000 + before * 2 + odd, 0xC0000 + odd]
        byte = self.mixed_byte(contexts, 16 + odd * 8)
        self.change = byte - o & 255
        return byte


def squash(x):
    x = max(-2047, min(2047, x)) + 2048
    a, b = x >> 7, x & 127
    return SQUASH[a] * (128 - b) + SQUASH[a + 1] * b + 64 >> 7


def last_two(new):
    """`before` and `earlier`."""
    return (new[-1] if new else 0), (new[-2] if len(new) > 1 else 0)
