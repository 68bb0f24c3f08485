//! `ota-board-linux`: the hardware, the factory programmer, and the reset button.

mod cli;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use cli::{Area, Cli, Command, Run};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use ota_board_linux::file_flash::{SECTOR, WRITE};
use ota_board_linux::loader::{self, Start};
use ota_board_linux::supervisor::Processor;
use ota_board_linux::{DeviceLock, FLASH_LEN, FileFlash, KeyRing, LAUNCH, Uart, env, supervisor};
use ota_hal::{Partition, ResetCause};
use ota_verify::{Identity, Rules};
use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Exit code when no slot holds an image that may be started.
const RECOVERY: u8 = 3;

/// A processor needs a moment to come up; it also keeps a crash loop from taking a whole core of the host.
const RESET_TIME: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some(LAUNCH) {
        let e = supervisor::launch(&args.next().unwrap_or_default());
        eprintln!("cannot start the payload: {e}");
        return ExitCode::FAILURE;
    }
    let result = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Flash { flash, slot, image } => program(&flash, slot.into(), &image),
        Command::Erase { flash, area } => erase(&flash, area),
        Command::Dump { flash, area, out } => dump(&flash, area, &out),
    };
    result.unwrap_or_else(|e| {
        eprintln!("error: {e:#}");
        ExitCode::FAILURE
    })
}

fn run(args: &Run) -> Result<ExitCode> {
    let lock = DeviceLock::take(&args.flash)?;
    let flash = RefCell::new(FileFlash::open(&args.flash, FLASH_LEN)?);
    let keys = KeyRing::load(args.keys.iter().cloned())?;
    let identity = args.identity();
    let uart = Uart::open(args.console_socket.as_deref())?;
    // Not by its name: the binary may be replaced while the device runs.
    let launcher = Path::new("/proc/self/exe");
    let watchdog = Duration::from_millis(args.watchdog_ms.into());
    let processor = Processor { launcher, uart: &uart, lock: Some(&lock), watchdog };
    let mut cause = ResetCause::PowerOn;
    let mut starts = 0;
    while args.starts != Some(starts) {
        starts += 1;
        let start = match loader::load(&flash, &Rules { keys: &keys, identity, floor: 0 }, cause) {
            Ok(start) => start,
            Err(e) => {
                uart.line(&e.to_string());
                return Ok(ExitCode::from(RECOVERY));
            }
        };
        uart.line(&start.line);
        let vars = hardware(args, identity, &start, cause)?;
        let stopped = processor.run(&start.payload, &vars)?;
        uart.line(&format!("reset: {}", stopped.text));
        cause = stopped.cause;
        std::thread::sleep(RESET_TIME);
    }
    Ok(ExitCode::SUCCESS)
}

fn hardware(args: &Run, identity: Identity, start: &Start, cause: ResetCause) -> Result<Vec<(&'static str, String)>> {
    let text = |path: &Path| -> Result<String> {
        let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
        path.into_os_string().into_string().ok().context("the path is not UTF-8")
    };
    let keys = args.keys.iter().map(|path| text(path)).collect::<Result<Vec<_>>>()?;
    Ok(vec![
        (env::FLASH, text(&args.flash)?),
        (env::KEYS, keys.join(",")),
        (env::VENDOR, identity.vendor.to_string()),
        (env::CLASS, identity.class.to_string()),
        (env::SLOT, format!("{:?}", start.slot)),
        (env::CAUSE, (cause as u8).to_string()),
    ])
}

fn program(path: &Path, area: Area, image: &Path) -> Result<ExitCode> {
    let mut bytes = std::fs::read(image)
        .with_context(|| format!("cannot read the image {}; give one that `ota sign` has made", image.display()))?;
    let part = area.partition();
    let (name, size) = (image.display(), bytes.len());
    ensure!(size <= part.len as usize, "{name} has {size} bytes, the slot has {}: give a smaller image", part.len);
    bytes.resize(bytes.len().next_multiple_of(WRITE as usize), 0xFF);
    let mut flash = FileFlash::create(path, FLASH_LEN)?;
    let _lock = DeviceLock::take(path)?;
    wipe(&mut flash, part).with_context(|| failed(path))?;
    flash.write(part.start, &bytes).with_context(|| failed(path))?;
    println!("programmed {} bytes at {:#x}", bytes.len(), part.start);
    Ok(ExitCode::SUCCESS)
}

fn erase(path: &Path, area: Area) -> Result<ExitCode> {
    let mut flash = FileFlash::create(path, FLASH_LEN)?;
    let _lock = DeviceLock::take(path)?;
    let part = area.partition();
    wipe(&mut flash, part).with_context(|| failed(path))?;
    println!("erased {} bytes at {:#x}", part.len, part.start);
    Ok(ExitCode::SUCCESS)
}

fn failed(flash: &Path) -> String {
    format!("{} failed as flash; is the disk full, or the file gone?", flash.display())
}

fn wipe(flash: &mut FileFlash, part: Partition) -> Result<()> {
    for sector in (part.start..part.start + part.len).step_by(SECTOR as usize) {
        flash.erase(sector, sector + SECTOR)?;
    }
    Ok(())
}

/// Reads while the device may be running: what a debug probe would do.
fn dump(path: &Path, area: Area, out: &Path) -> Result<ExitCode> {
    let mut flash = FileFlash::open(path, FLASH_LEN)?;
    let part = area.partition();
    let mut bytes = vec![0; part.len as usize];
    flash.read(part.start, &mut bytes).with_context(|| failed(path))?;
    std::fs::write(out, bytes)
        .with_context(|| format!("cannot write {}; is its directory there, and writable?", out.display()))?;
    println!("read {} bytes from {:#x}", part.len, part.start);
    Ok(ExitCode::SUCCESS)
}
