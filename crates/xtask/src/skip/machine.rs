//! One emulator that is reset for each attempt: one instruction left out, then see what comes of it.

use super::cases::{Case, rest};
use super::gdb::{Debugger, Stop};
use super::program::Program;
use super::trace::Leg;
use crate::device::emulator::{self, FlashFile, SLOTS, addresses};
use crate::vendor::Slot;
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A run takes tenths of a second, also when the watchdog ends it. Only a loop that feeds the watchdog takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// So much of the stack's end is cleared: more than a loader uses.
const STACK: u32 = 0x1000;
/// So much of the beginning of RAM: more than its statics.
const STATICS: usize = 0x40;
/// So much of each slot is looked at again: more than an image has.
const IMAGE: usize = 0x1000;

/// How a start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// The image of this slot runs.
    Started(bool),
    /// The loader waits: nothing may be started.
    Refused,
    /// A fault, the watchdog, or the loader itself reset the processor.
    Reset,
    /// None of that in time.
    Hung,
    /// The processor locked up, which a part answers with a reset.
    LockedUp,
}

impl End {
    /// The image of `slot` runs.
    const fn started(slot: Slot) -> Self {
        Self::Started(matches!(slot, Slot::B))
    }
    /// Whether it is that of `slot`.
    pub(super) fn is(self, slot: Slot) -> bool {
        self == Self::started(slot)
    }
}

/// An emulator over one case's flash.
pub(super) struct Machine<'c> {
    case: &'c Case,
    program: &'c Program,
    dir: PathBuf,
    flash: File,
    running: Option<(Child, Debugger)>,
}

impl<'c> Machine<'c> {
    /// Its files are in `dir`.
    pub(super) fn new(case: &'c Case, program: &'c Program, dir: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&dir)?;
        let file = dir.join("flash.bin");
        case.flash.save(&file)?;
        let flash = File::options().read(true).write(true).open(&file)?;
        Ok(Self { case, program, dir, flash, running: None })
    }

    /// A start without a fault: how it ends.
    pub(super) fn undisturbed(&mut self) -> Result<End> {
        self.restore()?;
        self.start()?;
        self.end()
    }

    /// A start without the instruction at the end of `way`. `None` when the processor never came there.
    pub(super) fn without(&mut self, way: &[Leg]) -> Result<Option<End>> {
        self.restore()?;
        self.start()?;
        for (n, leg) in way.iter().enumerate() {
            if !self.follow(*leg, n > 0)? {
                return Ok(None);
            }
        }
        let at = way.last().context("a way to nowhere")?.at;
        let (program, debugger) = (self.program, self.debugger()?);
        let (nothing, was) = program.nothing_for(at)?;
        debugger.write(at, nothing)?;
        let stop = debugger.step()?;
        if stop == Stop::Gone {
            return self.gone().map(Some);
        }
        debugger.write(at, was)?;
        self.end().map(Some)
    }

    /// Another start, with the flash that the last one left. The journal alone is what a loader can change for good.
    pub(super) fn again(&mut self) -> Result<End> {
        self.start()?;
        self.end()
    }

    /// The journal, as the last start left it.
    pub(super) fn journal(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; addresses::JOURNAL_LEN as usize];
        self.flash.read_exact_at(&mut bytes, addresses::JOURNAL.into())?;
        Ok(bytes)
    }

    /// Counts the hits of a breakpoint; whether they all came.
    fn follow(&mut self, leg: Leg, moved: bool) -> Result<bool> {
        let debugger = self.debugger()?;
        if moved && debugger.step()? == Stop::Gone {
            return Ok(false);
        }
        debugger.set_break(leg.at)?;
        for hit in 0..leg.hits {
            if hit > 0 {
                debugger.step()?;
            }
            if debugger.go()? != Stop::Break {
                return Ok(false);
            }
        }
        debugger.clear_break(leg.at)?;
        // Elsewhere when the run came to its end before.
        Ok(debugger.pc()? == leg.at)
    }

    /// Puts back what the last start changed in the flash.
    fn restore(&self) -> Result<()> {
        let parts = [addresses::JOURNAL as usize, SLOTS[0], SLOTS[1]].into_iter();
        for (at, len) in parts.zip([addresses::JOURNAL_LEN as usize, IMAGE, IMAGE]) {
            let (wanted, mut found) = (self.case.flash.get(at, len), vec![0; len]);
            self.flash.read_exact_at(&mut found, at as u64)?;
            if found != wanted {
                self.flash.write_all_at(wanted, at as u64)?;
            }
        }
        Ok(())
    }

    /// To the second instruction after a reset, with the RAM of a cold start.
    fn start(&mut self) -> Result<()> {
        if self.running.is_none() {
            self.launch()?;
        }
        let debugger = self.debugger()?;
        debugger.reset()?;
        let stack = addresses::RETAINED - STACK;
        debugger.write(stack, &[0; (addresses::RAM + addresses::RAM_LEN - (addresses::RETAINED - STACK)) as usize])?;
        debugger.write(addresses::RAM, &[0; STATICS])?;
        ensure!(debugger.pc()? == self.program.reset, "a reset does not lead to the reset vector");
        Ok(())
    }

    fn launch(&mut self) -> Result<()> {
        let socket = self.dir.join("gdb");
        let _ = std::fs::remove_file(&socket);
        let mut qemu = emulator::stopped(&self.program.file, &self.dir.join("flash.bin"), &socket);
        qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = qemu.spawn().context("cannot start the emulator")?;
        let since = Instant::now();
        let mut debugger = loop {
            match Debugger::connect(&socket, PATIENCE) {
                Ok(debugger) => break debugger,
                Err(e) if since.elapsed() > PATIENCE => return Err(e),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        for end in [self.program.wait, rest(Slot::A), rest(Slot::B)] {
            debugger.set_break(end)?;
        }
        self.running = Some((child, debugger));
        Ok(())
    }

    /// Runs until something is decided.
    fn end(&mut self) -> Result<End> {
        let program = self.program;
        let debugger = self.debugger()?;
        // The first instruction, where a second start would stop.
        if debugger.pc()? == program.reset && debugger.step()? == Stop::Gone {
            return self.gone();
        }
        debugger.set_break(program.reset)?;
        let stop = debugger.go()?;
        if stop == Stop::Gone {
            return self.gone();
        }
        debugger.clear_break(program.reset)?;
        let pc = debugger.pc()?;
        let ends = [
            (program.reset, End::Reset),
            (program.wait, End::Refused),
            (rest(Slot::A), End::started(Slot::A)),
            (rest(Slot::B), End::started(Slot::B)),
        ];
        let end = ends.into_iter().find(|(at, _)| *at == pc && stop == Stop::Break);
        ensure!(end.is_some() || stop == Stop::Late, "the processor stopped at {pc:#x} for no reason");
        Ok(end.map_or(End::Hung, |(_, end)| end))
    }

    fn gone(&mut self) -> Result<End> {
        if let Some((mut child, _)) = self.running.take() {
            let _ = child.kill();
            child.wait()?;
        }
        Ok(End::LockedUp)
    }

    fn debugger(&mut self) -> Result<&mut Debugger> {
        Ok(&mut self.running.as_mut().context("the emulator does not run")?.1)
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // Whatever it was doing.
        let _ = self.gone();
    }
}

/// The flash of a case in a file, for a run without the debugger.
pub(super) fn saved(flash: &FlashFile, dir: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(dir)?;
    let file = dir.join("flash.bin");
    flash.save(&file)?;
    Ok(file)
}
