//! Counts what decoding a patch costs, in instructions and stack, with both profiles. Started by the loader from slot A
//! with the emulator's `-icount shift=0`; `cargo xtask bench delta` prepares images and patches and reads the lines.
#![no_std]
#![no_main]

use board::console::Uart;
use board::reset::reset;
use board::samples::Samples;
use board::{stack, stopwatch};
use common::text::Line;
use cortex_m_rt::entry;
use ota_diff::{Arch, Decoder, HEADER_LEN, Header, Images, Isas, M, Profile, RiscV, S, Thumb, Xtensa};
use ota_hal::{ResetCause, Watchdog};
use ota_verify::digest_region;

/// Patch bytes that come at a time, as from a link.
const PIECE: usize = 256;

#[entry]
fn main() -> ! {
    let uart = Uart::start();
    match Samples::take() {
        Some(mut samples) => {
            let [m, s] = samples.patches;
            run::<M>(uart, "decode-m", m, &mut samples);
            run::<S>(uart, "decode-s", s, &mut samples);
        }
        None => uart.write("there are not any samples\n"),
    }
    uart.write("bench done\n");
    let mut watchdog = board::watchdog::Dog::running();
    loop {
        watchdog.feed();
    }
}

/// Runs the decoder that a device of the patch's instruction set would have.
fn run<P: Profile>(uart: Uart, name: &str, patch: &[u8], samples: &mut Samples) {
    match Header::parse(patch).map(|header| header.arch()) {
        Ok(Arch::RiscV) => run_for::<P, RiscV>(uart, name, patch, samples),
        Ok(Arch::Xtensa) => run_for::<P, Xtensa>(uart, name, patch, samples),
        _ => run_for::<P, Thumb>(uart, name, patch, samples),
    }
}

fn run_for<P: Profile, I: Isas>(uart: Uart, name: &str, patch: &[u8], samples: &mut Samples) {
    samples.new.fill(0xFF);
    let mut decoder = Decoder::<P, I>::idle();
    let mut images = Memory { old: samples.old, new: samples.new, at: 0 };
    let (mut instructions, mut whole) = (0, false);
    let stack = stack::deepest(|| {
        let before = stopwatch::counts();
        whole = decode(&mut decoder, patch, &mut images).is_some();
        instructions = stopwatch::counts().wrapping_sub(before).wrapping_mul(stopwatch::INSTRUCTIONS);
    });
    let len = samples.new.len() as u32;
    let right = digest_region(&mut &*samples.new, len).is_ok_and(|digest| digest == samples.digest);
    if !whole || !right {
        uart.write_all(&[name, " not the image that it should be\n"]);
    }
    for (what, number, unit) in [
        ("", instructions, "instructions"),
        ("-stack", stack, "bytes"),
        ("-state", size_of::<Decoder<P, I>>() as u32, "bytes"),
    ] {
        uart.write_all(&["bench ", name, what, " "]);
        uart.write_number(number);
        uart.write_all(&[" ", unit, "\n"]);
    }
}

/// A frame of its own: the header is of no use later.
#[inline(never)]
fn begin<P: Profile, I: Isas>(decoder: &mut Decoder<P, I>, patch: &[u8]) -> Option<()> {
    decoder.begin(&Header::parse(patch).ok()?).ok()
}

/// Decodes the whole patch, a piece at a time.
#[inline(never)]
fn decode<P: Profile, I: Isas>(decoder: &mut Decoder<P, I>, patch: &[u8], images: &mut Memory<'_>) -> Option<()> {
    let len = images.new.len() as u32;
    begin(decoder, patch)?;
    for piece in patch.get(HEADER_LEN..)?.chunks(PIECE) {
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = decoder.push(rest, len, images).ok()?;
            rest = rest.get(taken..)?;
        }
    }
    decoder.finish().ok()
}

/// Flash that is mapped, and where the new image is written a few bytes at a time.
struct Memory<'a> {
    old: &'a [u8],
    new: &'a mut [u8],
    at: usize,
}

impl Images for Memory<'_> {
    type Error = ();

    fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), ()> {
        copy(self.old, offset as usize, bytes)
    }

    fn read_new(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), ()> {
        copy(self.new, offset as usize, bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let place = self.new.get_mut(self.at..).and_then(|rest| rest.get_mut(..bytes.len())).ok_or(())?;
        place.copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }
}

fn copy(from: &[u8], offset: usize, to: &mut [u8]) -> Result<(), ()> {
    let bytes = from.get(offset..).and_then(|rest| rest.get(..to.len())).ok_or(())?;
    to.copy_from_slice(bytes);
    Ok(())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    reset(ResetCause::Fault)
}
