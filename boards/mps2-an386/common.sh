# What smoke.sh and bench.sh share. Wants $here, $target.
sysroot=$(rustup run stable rustc --print sysroot)
tools=$sysroot/lib/rustlib/x86_64-unknown-linux-gnu/bin

# Builds with rustup's target when it is installed, else with Debian's compiler and library source.
cargo_build() {
    if [ -d "$sysroot/lib/rustlib/$target/lib" ]; then
        (cd "$here" && cargo build --quiet --release --target $target "$@")
    else
        (cd "$here" && RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc \
            CARGO_TARGET_THUMBV7EM_NONE_EABI_LINKER=$tools/rust-lld \
            cargo build --quiet --release -Zbuild-std=core --target $target "$@")
    fi
}

# flat ELF OUT: what lies in flash, from the first segment's load address on
flat() {
    python3 - "$@" <<'PY'
import struct, sys
elf = open(sys.argv[1], "rb").read()
assert elf[:6] == b"\x7fELF\x01\x01", "not a little-endian 32-bit ELF file"
at, size, count = struct.unpack_from("<I", elf, 28)[0], *struct.unpack_from("<HH", elf, 42)
heads = [struct.unpack_from("<8I", elf, at + n * size) for n in range(count)]
loads = sorted((h[3], elf[h[1]:h[1] + h[4]]) for h in heads if h[0] == 1 and h[4])
start, out = loads[0][0], bytearray()
for address, data in loads:
    out += bytes(address - start - len(out)) + data
open(sys.argv[2], "wb").write(out)
PY
}
