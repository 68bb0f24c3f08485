#!/bin/bash
# Instruction counts of a start, of verification and of the journal. Becomes `cargo xtask bench boot`.
#
#   OTA=path/of/ota ./bench.sh [WORKDIR]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mkdir -p "${1:-/tmp/mps2-bench}" && cd "${1:-/tmp/mps2-bench}" && pwd)
ota=${OTA:-ota}
target=thumbv7em-none-eabi
export OTA_VENDOR=3e8a1f52-5f0c-4a3e-9d57-0c9f6a7b1c2d OTA_CLASS=7d0f0f66-3c52-4a52-8a40-6d2f7f0b9a11
export OTA_KEY=$work/dev.pub CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$work/target}
. "$here/common.sh"

[ -f "$work/dev.pem" ] || "$ota" keygen --out "$work/dev" >/dev/null
cargo_build --bin loader
cargo_build --bin bench --features bench
flat "$CARGO_TARGET_DIR/$target/release/bench" "$work/bench.bin"

sign() { # sign PAYLOAD OUT KEY [OPTIONS]
    "$ota" sign "$1" --out "$2" --key "$3" --version 1.0.0 --counter 1 --force --vendor $OTA_VENDOR --class $OTA_CLASS \
        --header-size 0x200 "${@:4}" >/dev/null
}

# One image for each algorithm, small: the signature is what is timed.
head -c 1024 /dev/zero >"$work/small.bin"
samples=()
for sample in rsa2048:pss rsa3072:pss rsa4096:pss rsa2048:pkcs1 p256:pss ed25519:pss; do
    name=${sample/:/-}
    if [ ! -f "$work/$name.pem" ]; then
        "$ota" keygen --type "${sample%:*}" --scheme "${sample#*:}" --out "$work/$name" >/dev/null
    fi
    sign "$work/small.bin" "$work/$name.img" "$work/$name.pem" --scheme "${sample#*:}"
    samples+=("$work/$name")
done

for kib in 100 200; do
    python3 - "$work/bench.bin" "$work/padded.bin" $kib <<'PY'
import random, sys
payload = open(sys.argv[1], "rb").read()
size = int(sys.argv[3]) * 1024 - 0x200 - 400   # header and TLVs make up the rest
open(sys.argv[2], "wb").write(payload + random.Random(1).randbytes(size - len(payload)))
PY
    sign "$work/padded.bin" "$work/bench.img" "$work/dev.pem" --rom-address 0x21100000
    python3 - "$work/flash.bin" "$work/bench.img" "${samples[@]}" <<'PY'
import struct, sys
path, image, *samples = sys.argv[1:]
flash = bytearray(b"\xff" * (16 << 20))
put = lambda at, data: flash.__setitem__(slice(at, at + len(data)), data)
put(0x100000, open(image, "rb").read())
for n, sample in enumerate(samples):
    blob, at = open(sample + ".pub", "rb").read(), 0x308000 + n * 0x10000
    put(at, struct.pack("<I", len(blob)) + blob)
    put(at + 0x1000, open(sample + ".img", "rb").read())
open(path, "wb").write(flash)
PY
    qemu-system-arm -M mps2-an386,memory-backend=flash -icount shift=0 \
        -object memory-backend-file,id=flash,mem-path="$work/flash.bin",size=16M,share=on \
        -nic none -display none -monitor none -serial stdio \
        -kernel "$CARGO_TARGET_DIR/$target/release/loader" </dev/null >"$work/bench-$kib.log" 2>&1 &
    qemu=$!
    trap 'kill -9 $qemu 2>/dev/null || true' EXIT
    for _ in $(seq 1200); do
        grep -q 'bench done' "$work/bench-$kib.log" && break
        kill -0 $qemu 2>/dev/null || break
        sleep 0.2
    done
    kill -9 $qemu 2>/dev/null || true
    wait $qemu 2>/dev/null || true
    echo "== image of $kib KiB"; grep -v '^bench done' "$work/bench-$kib.log"
done
