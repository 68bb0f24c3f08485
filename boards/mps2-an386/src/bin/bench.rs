//! Times what a start, a verification and the journal cost, in instructions. Started by the loader from slot A with
//! the emulator's `-icount shift=0`; `cargo xtask bench` prepares the flash and reads the lines.
#![no_std]
#![no_main]

use board::addresses::{FLASH_LEN, SECTOR, SLOT_LEN, SLOTS};
use board::console::Uart;
use board::flash::{Psram, region};
use board::map::{ALL_SLOTS, LAYOUT};
use board::reset::reset;
use board::{stack, stopwatch, trust};
use common::text::Line;
use core::cell::{Cell, RefCell};
use cortex_m_rt::entry;
use ota_hal::{Journal, Kind, Partition, Region, ResetCause, Shared, SlotId, Watchdog};
use ota_verify::{Algorithm, ImageInfo, KeyId, Keys, PublicKey, Rules, SignatureError, digest_region, verify_image};

type Flash<'a> = Region<Shared<'a, Psram>>;

/// Behind the slots: a scratch journal, then samples, each a key blob behind its length and, one sector on, an image.
const JOURNAL: Partition = Partition::new(SLOTS[1] + SLOT_LEN, 0x8000);
const SAMPLES: u32 = JOURNAL.start + JOURNAL.len;
const SAMPLE_LEN: u32 = 0x1_0000;
const BLOB_MAX: usize = 1200;

#[entry]
fn main() -> ! {
    let counts = stopwatch::counts();
    let loader_stack = stack::depth_since_power_on();
    let uart = Uart::start();
    line(uart, "boot", counts.wrapping_mul(stopwatch::INSTRUCTIONS), "instructions");
    line(uart, "loader-stack", loader_stack, "bytes");
    let Some(flash) = Psram::take(ALL_SLOTS) else { reset(ResetCause::Fault) };
    let flash = RefCell::new(flash);
    digests(uart, &flash);
    signatures(uart, &flash);
    if journal(uart, &flash).is_none() {
        uart.write("the scratch journal failed\n");
    }
    uart.write("bench done\n");
    let mut watchdog = board::watchdog::Dog::running();
    loop {
        watchdog.feed();
    }
}

fn digests(uart: Uart, flash: &RefCell<Psram>) {
    const LEN: u32 = 64 * 1024;
    let mut slot = region(flash, LAYOUT.slot(SlotId::A));
    if let Ok(info) = ImageInfo::read(&mut slot) {
        line(uart, "image", info.file_len(), "bytes");
    }
    let cost = time(|| _ = digest_region(&mut slot, LEN));
    line(uart, "sha256-flash-per-kib", cost / (LEN / 1024), "instructions");
    let memory = [0x5A; LEN as usize];
    let cost = time(|| _ = digest_region(&mut &memory[..], LEN));
    line(uart, "sha256-memory-per-kib", cost / (LEN / 1024), "instructions");
}

/// Notes how long the keys took.
struct Timed<'a> {
    key: PublicKey<'a>,
    cost: Cell<u32>,
}

impl Keys for Timed<'_> {
    fn verify(&self, id: &KeyId, algorithm: Algorithm, digest: &[u8; 32], sig: &[u8]) -> Result<(), SignatureError> {
        let mut result = Err(SignatureError::UnknownKey);
        self.cost.set(time(|| result = self.key.verify(id, algorithm, digest, sig)));
        result
    }
}

fn signatures(uart: Uart, flash: &RefCell<Psram>) {
    for at in (SAMPLES..FLASH_LEN).step_by(SAMPLE_LEN as usize) {
        let mut blob = [0; BLOB_MAX];
        let mut sample = region(flash, Partition::new(at, SECTOR));
        let Some(blob) = read_blob(&mut sample, &mut blob) else { break };
        let Ok(key) = PublicKey::from_blob(blob) else {
            uart.write("a sample's key is not one\n");
            continue;
        };
        let timed = Timed { key, cost: Cell::new(0) };
        let rules = Rules { keys: &timed, identity: trust::IDENTITY, floor: 0 };
        let mut image = region(flash, Partition::new(at + SECTOR, SAMPLE_LEN - SECTOR));
        match verify_image(&mut image, SlotId::A, &rules) {
            Ok(_) => line(uart, name(&timed.key), timed.cost.get(), "instructions"),
            Err(e) => uart.write_all(&[name(&timed.key), " not verified: ", e.text(), "\n"]),
        }
    }
}

fn read_blob<'b>(sample: &mut Flash<'_>, room: &'b mut [u8; BLOB_MAX]) -> Option<&'b [u8]> {
    let mut len = [0; 4];
    sample.read(0, &mut len).ok()?;
    let blob = room.get_mut(..u32::from_le_bytes(len) as usize)?;
    sample.read(4, blob).ok()?;
    Some(blob)
}

const fn name(key: &PublicKey<'_>) -> &'static str {
    match key {
        PublicKey::Rsa2048Pss(_) => "verify-rsa2048-pss",
        PublicKey::Rsa3072Pss(_) => "verify-rsa3072-pss",
        PublicKey::Rsa4096Pss(_) => "verify-rsa4096-pss",
        PublicKey::Rsa2048Pkcs1(_) => "verify-rsa2048-pkcs1",
        PublicKey::Rsa3072Pkcs1(_) => "verify-rsa3072-pkcs1",
        PublicKey::Rsa4096Pkcs1(_) => "verify-rsa4096-pkcs1",
        PublicKey::EcdsaP256(_) => "verify-p256",
        PublicKey::Ed25519(_) => "verify-ed25519",
        _ => "verify-unknown",
    }
}

/// Appends records of the sizes that an update writes, until the journal has rotated twice.
fn journal(uart: Uart, flash: &RefCell<Psram>) -> Option<()> {
    const BOOT: [u8; 56] = [0xB0; 56];
    const PROGRESS: [u8; 12] = [0x11; 12];
    const JOB: [u8; 1200] = [0x22; 1200];
    region(flash, JOURNAL).erase(0, JOURNAL.len).ok()?;
    let mut mounted = None;
    let cost = time(|| mounted = Journal::<_>::mount(region(flash, JOURNAL)).ok());
    line(uart, "journal-mount-blank", cost, "instructions");
    let mut journal = mounted?;
    journal.append(Kind::App, &BOOT).ok()?;
    for (name, kind, payload) in [
        ("journal-append-boot-56", Kind::Boot, &BOOT[..]),
        ("journal-append-progress-12", Kind::Progress, &PROGRESS),
        ("journal-append-job-1200", Kind::Job, &JOB),
    ] {
        let mut done = false;
        let cost = time(|| done = journal.append(kind, payload).is_ok());
        line(uart, name, cost, "instructions");
        done.then_some(())?;
    }
    let (mut usual, mut rotation, mut appended) = (u32::MAX, 0, 0);
    while rotation <= usual.saturating_mul(8) {
        let mut done = false;
        let cost = time(|| done = journal.append(Kind::Progress, &PROGRESS).is_ok());
        done.then_some(())?;
        usual = usual.min(cost);
        rotation = rotation.max(cost);
        appended += 1;
        if rotation <= usual.saturating_mul(8) && appended == 300 {
            mount_again(uart, "journal-mount-300-records", flash)?;
        }
    }
    line(uart, "journal-rotate", rotation, "instructions");
    line(uart, "journal-records-per-bank", appended, "progress records");
    mount_again(uart, "journal-mount-rotated", flash)
}

fn mount_again(uart: Uart, name: &str, flash: &RefCell<Psram>) -> Option<()> {
    let mut mounted = None;
    let cost = time(|| mounted = Journal::<_>::mount(region(flash, JOURNAL)).ok());
    line(uart, name, cost, "instructions");
    mounted.map(drop)
}

/// Instructions that `work` took.
fn time(work: impl FnOnce()) -> u32 {
    let before = stopwatch::counts();
    work();
    stopwatch::counts().wrapping_sub(before).wrapping_mul(stopwatch::INSTRUCTIONS)
}

fn line(uart: Uart, name: &str, number: u32, unit: &str) {
    uart.write_all(&["bench ", name, " "]);
    uart.write_number(number);
    uart.write_all(&[" ", unit, "\n"]);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    reset(ResetCause::Fault)
}
