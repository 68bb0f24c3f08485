#!/bin/bash
# The board's story in the emulator: update, two rollbacks, a refusal, power cuts. Becomes part of xtask.
#
#   OTA=path/of/ota ./smoke.sh [WORKDIR]       CUTS=20 SEED=1 adds power cuts at random moments, KEEP=1 builds no image anew
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mkdir -p "${1:-/tmp/mps2-smoke}" && cd "${1:-/tmp/mps2-smoke}" && pwd)
ota=${OTA:-ota}
target=thumbv7em-none-eabi
export OTA_VENDOR=3e8a1f52-5f0c-4a3e-9d57-0c9f6a7b1c2d OTA_CLASS=7d0f0f66-3c52-4a52-8a40-6d2f7f0b9a11
export OTA_KEY=$work/dev.pub
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$work/target}
slot_a=0x21100000 slot_b=0x21200000 header=0x200 slot_size=0x100000
. "$here/common.sh"

say() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; tail -n 25 "$work/uart.log" >&2; exit 1; }

# ---- building ------------------------------------------------------------------------------------------------------

# image NAME VERSION FAULT SLOT: builds the application and signs it as NAME-SLOT.img
image() {
    local out=$work/$1-$4.img elf=$CARGO_TARGET_DIR/$target/release/app
    [ -n "${KEEP:-}" ] && [ -f "$out" ] && return
    OTAAPP_VERSION=$2 OTAAPP_FAULT=$3 OTA_SLOT=$4 cargo_build --bin app --features app
    flat "$elf" "$work/app.bin"
    local base=$slot_a; [ "$4" = b ] && base=$slot_b
    "$ota" sign "$work/app.bin" --out "$out" --key "$work/dev.pem" --version "$2" --counter 1 --force \
        --vendor $OTA_VENDOR --class $OTA_CLASS --header-size $header --rom-address $base --slot-size $slot_size >/dev/null
    echo "$1-$4: $(stat -c %s "$out") bytes"
}

# factory FILE IMAGE BROKER_PORT: a new device's flash
factory() {
    python3 - "$@" <<'PY'
import sys
path, image, port = sys.argv[1:]
flash = bytearray(b"\xff" * (16 << 20))
flash[0x8000:0x8000 + 256] = f"broker=10.0.2.2:{port}\n".encode().ljust(256, b"\xff")
image = open(image, "rb").read()
flash[0x100000:0x100000 + len(image)] = image
open(path, "wb").write(flash)
PY
}

# ---- the device ----------------------------------------------------------------------------------------------------

qemu=
power_on() {
    rm -f "$work/uart.in"; mkfifo "$work/uart.in"
    qemu-system-arm -M mps2-an386,memory-backend=flash \
        -object memory-backend-file,id=flash,mem-path="$work/flash.bin",size=16M,share=on \
        -nic user,model=lan9118 -display none -monitor none -serial stdio \
        -kernel "$work/loader.elf" <"$work/uart.in" >>"$work/uart.log" 2>>"$work/qemu.log" &
    qemu=$!
    exec 3>"$work/uart.in"
}
power_off() { kill -9 "$qemu" 2>/dev/null || true; wait "$qemu" 2>/dev/null || true; qemu=; exec 3>&-; }
type_in() { printf '%s\r' "$*" >&3; }

# expect SECONDS PATTERN: waits for a line after the last one expected
seen=0
expect() {
    local end=$((SECONDS + $1))
    while [ $SECONDS -lt $end ]; do
        local hit; hit=$(tail -n +$((seen + 1)) "$work/uart.log" | grep -n -m1 -E "$2" || true)
        if [ -n "$hit" ]; then seen=$((seen + ${hit%%:*})); echo "   ${hit#*:}"; return; fi
        [ -z "$qemu" ] || kill -0 "$qemu" 2>/dev/null || fail "the emulator ended; wanted: $2"
        sleep 0.1
    done
    fail "not seen within $1 s: $2"
}

cloud=
cleanup() { [ -z "$qemu" ] || kill -9 "$qemu" 2>/dev/null || true; [ -z "$cloud" ] || kill "$cloud" 2>/dev/null || true; }
trap cleanup EXIT

serve() { # serve [OPTIONS]
    "$ota" serve --mqtt-port "$mqtt_port" --http-port "$http_port" --public-url "http://10.0.2.2:$http_port" \
        "$@" "$work/www" >>"$work/cloud.log" 2>&1 &
    cloud=$!
    for _ in $(seq 100); do curl -sf "http://127.0.0.1:$http_port/" -o /dev/null && return; sleep 0.1; done
    cat "$work/cloud.log" >&2; exit 1
}
# told SECONDS PATTERN: waits for an event of the cloud after the last one waited for; was_told only says whether
told_lines=0
was_told() {
    local end=$((SECONDS + $1))
    while [ $SECONDS -lt $end ]; do
        local hit; hit=$(tail -n +$((told_lines + 1)) "$work/cloud.log" | grep -n -m1 -E "$2" || true)
        if [ -n "$hit" ]; then told_lines=$((told_lines + ${hit%%:*})); echo "   cloud: ${hit#*:}"; return; fi
        sleep 0.1
    done
    return 1
}
told() { was_told "$@" || fail "the cloud was not told within $1 s: $2"; }
offer() { # offer FILE VERSION
    curl -sS --fail-with-body -H 'content-type: application/json' "http://127.0.0.1:$http_port/api/offer" \
        -d "{\"device\":\"demo/mps2-1\",\"file\":\"$1\",\"version\":\"$2\"}" >/dev/null || fail "offer $1"
}
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }

# ---- the story -----------------------------------------------------------------------------------------------------

say "keys, loader, images"
[ -f "$work/dev.pem" ] || "$ota" keygen --out "$work/dev" >/dev/null
cargo_build --bin loader
cp "$CARGO_TARGET_DIR/$target/release/loader" "$work/loader.elf"
for slot in a b; do image good-1.0.0 1.0.0 none $slot; image good-1.1.0 1.1.0 none $slot; done
image gate-1.2.0 1.2.0 gate a
image hang-1.3.0 1.3.0 hang a
image crash-1.4.0 1.4.0 crash a
mkdir -p "$work/www"
for name in good-1.0.0 good-1.1.0; do
    "$ota" pack --slot-a "$work/$name-a.img" --slot-b "$work/$name-b.img" --key "$work/dev.pem" --force -o "$work/www/$name.ota" >/dev/null
done
for name in gate-1.2.0 hang-1.3.0 crash-1.4.0; do
    "$ota" pack --slot-a "$work/$name-a.img" --key "$work/dev.pem" --force -o "$work/www/$name.ota" >/dev/null
done
cp "$work/good-1.0.0-b.img" "$work/www/wrong-slot.img"

mqtt_port=$(free_port) http_port=$(free_port)
: >"$work/uart.log"; : >"$work/cloud.log"; : >"$work/qemu.log"
factory "$work/flash.bin" "$work/good-1.0.0-a.img" "$mqtt_port"
serve

say "factory start"
power_on
expect 20 'boot: slot A, version 1.0.0, accepted, last reset PowerOn'
expect 5 'otaapp 1.0.0: slot A'
expect 10 'no device identity'
type_in 'devinfo set demo mps2-1 secret'
expect 10 '^ok'
expect 20 'broker: connected'

say "update 1.0.0 -> 1.1.0"
start=$(date +%s.%N)
offer good-1.1.0.ota 1.1.0
expect 60 'ota: Staged'
expect 20 'boot: slot B, version 1.1.0, on trial, last reset Software'
expect 20 'ota: Confirmed'
echo "   update took $(python3 -c "import time; print(f'{time.time() - $start:.1f} s')")"
told 20 'done .*1.1.0'

say "an image for the wrong slot is refused before it is staged"
offer wrong-slot.img 1.0.1
expect 60 'failed \(Verify\): image not linked for this slot'
told 20 'failed .*not linked for this slot'

say "rollback: 1.2.0 fails its gate"
offer gate-1.2.0.ota 1.2.0
expect 60 'boot: slot A, version 1.2.0, on trial'
expect 60 'boot: slot B, version 1.1.0, accepted, last reset Software'
told 30 'failed .*rolled back'

say "rollback: 1.3.0 hangs"
offer hang-1.3.0.ota 1.3.0
expect 60 'boot: slot A, version 1.3.0, on trial, last reset Software'
expect 30 'boot: slot A, version 1.3.0, on trial, last reset Watchdog'
expect 30 'boot: slot A, version 1.3.0, on trial, last reset Watchdog'
expect 30 'boot: slot B, version 1.1.0, accepted, last reset Watchdog'
told 30 'failed .*rolled back'

say "rollback: 1.4.0 crashes"
offer crash-1.4.0.ota 1.4.0
expect 60 'boot: slot A, version 1.4.0, on trial, last reset Software'
expect 30 'boot: slot A, version 1.4.0, on trial, last reset Fault'
expect 30 'boot: slot B, version 1.1.0, accepted, last reset Fault'
told 30 'failed .*rolled back'

say "power cut in mid-download, then resume"
kill "$cloud"; wait "$cloud" 2>/dev/null || true
serve --rate 40
expect 60 'broker: connected'
offer good-1.0.0.ota 1.0.0
expect 60 'ota: [3-6][0-9] %'
power_off
power_on
expect 20 'boot: slot B, version 1.1.0, accepted, last reset PowerOn'
expect 20 'ota: [3-9][0-9] %'
expect 60 'ota: Staged'
expect 20 'boot: slot A, version 1.0.0, on trial'
expect 30 'ota: Confirmed'

told 20 'done .*1.0.0'
echo "   bytes asked for twice: $(grep -E 'GET .*good-1.0.0' "$work/cloud.log" | tail -n 2 | sed 's/  */ /g')"

if [ "${CUTS:-0}" -gt 0 ]; then
    RANDOM=${SEED:=$$}
    say "$CUTS power cuts at random moments, seed $SEED"
    for n in $(seq "$CUTS"); do
        want=$([ $((n % 2)) = 1 ] && echo 1.1.0 || echo 1.0.0)
        told_lines=$(wc -l <"$work/cloud.log")
        ms=$((RANDOM % 6000))
        offer "good-$want.ota" $want
        sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
        last=$(tail -n 1 "$work/uart.log")
        power_off; power_on
        seen=$(wc -l <"$work/uart.log")
        printf ' %2d: cut after %4d ms at "%s"\n' "$n" "$ms" "$last"
        expect 20 'boot: slot ., version 1.[01].0, (accepted|on trial)'
        # An offer that was cut before it was stored is made again, as its operator would.
        for try in 1 2 3; do
            was_told 25 "done .*$want" && break
            [ $try = 3 ] && fail "the update to $want was not finished"
            echo "   offered again"; offer "good-$want.ota" $want
        done
    done
fi
power_off
echo "PASSED"
