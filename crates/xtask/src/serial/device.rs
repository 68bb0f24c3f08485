//! A device: its flash, and the emulator that is it while it has power.
//!
//! The emulator keeps flash in its own memory and loses it at its end, and copies the program of its command line back into
//! flash at each reset of the machine. So that program is the loader alone; all other flash is written through the debug
//! probe at power-on and read through it when the power is cut, with the processor halted between two instructions.

use super::firmware::{Program, addresses};
use super::peer::Peer;
use super::probe::Probe;
use crate::vendor::Slot;
use anyhow::{Context, Result, bail};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FLASH: u32 = addresses::JOURNAL;
const FLASH_LEN: usize = (addresses::FLASH_LEN - addresses::JOURNAL) as usize;
/// What RAM holds at power-on: anything, so not zeros.
const PAINT: u8 = 0xC5;

/// A device.
pub(super) struct Device {
    loader: PathBuf,
    /// All but the loader's pages.
    flash: Vec<u8>,
    pub(super) peer: Arc<Peer>,
    power: Option<Power>,
}

struct Power {
    emulator: Child,
    probe: Probe,
}

impl Drop for Power {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}

impl Device {
    /// A device whose flash is blank but for `image` in slot A.
    pub(super) fn new(loader: PathBuf, peer: Arc<Peer>, image: &[u8]) -> Self {
        let mut flash = vec![0xFF; FLASH_LEN];
        let at = (addresses::SLOTS[0] - FLASH) as usize;
        flash[at..at + image.len()].copy_from_slice(image);
        Self { loader, flash, peer, power: None }
    }

    /// Applies power; the processor waits before its first instruction.
    pub(super) fn power_up(&mut self) -> Result<&mut Probe> {
        let [line, debug] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let mut emulator = Command::new("qemu-system-arm");
        emulator.args(["-M", "microbit", "-S", "-display", "none", "-monitor", "none"]);
        emulator.args(["-chardev", &client("line", &line)?, "-serial", "chardev:line"]);
        emulator.args(["-chardev", &client("debug", &debug)?, "-gdb", "chardev:debug"]);
        emulator.arg("-kernel").arg(&self.loader).stdin(Stdio::null()).stdout(Stdio::null());
        let mut emulator = emulator.spawn().context("cannot start qemu-system-arm")?;
        let connections =
            connected(&line, &mut emulator).and_then(|line| Ok((line, connected(&debug, &mut emulator)?)));
        let (line, debug) = match connections {
            Ok(connections) => connections,
            Err(error) => {
                let _ = emulator.kill();
                let _ = emulator.wait();
                return Err(error);
            }
        };
        let power = self.power.insert(Power { emulator, probe: Probe::new(debug)? });
        self.peer.serve(line)?;
        power.probe.write(FLASH, &self.flash)?;
        paint(&mut power.probe, addresses::RAM_LEN)?;
        Ok(&mut power.probe)
    }

    /// Applies power and lets the device start.
    pub(super) fn power_on(&mut self) -> Result<()> {
        self.power_up()?.go()
    }

    /// Cuts the power: what flash holds at this moment stays.
    pub(super) fn power_off(&mut self) -> Result<()> {
        let mut power = self.power.take().context("the device has no power")?;
        power.probe.halt()?;
        self.flash = power.probe.read(FLASH, FLASH_LEN)?;
        Ok(())
    }

    /// The probe of the running device.
    pub(super) fn probe(&mut self) -> Result<&mut Probe> {
        Ok(&mut self.power.as_mut().context("the device has no power")?.probe)
    }

    /// The content of a slot of a device without power.
    pub(super) fn slot(&self, slot: Slot) -> &[u8] {
        let at = (addresses::SLOTS[slot as usize] - FLASH) as usize;
        &self.flash[at..at + addresses::SLOT_LEN as usize]
    }

    /// Waits until the processor stops at an address where it was told to; bytes of stack used since the last painting.
    pub(super) fn stack_at_stop(&mut self, program: &Program) -> Result<u32> {
        let probe = self.probe()?;
        probe.stopped()?;
        let used = stack(probe, program.fixed)?;
        paint(probe, addresses::RETAINED - addresses::RAM)?;
        Ok(used)
    }

    /// Bytes of stack that the running program used since the last painting.
    pub(super) fn stack_now(&mut self, program: &Program) -> Result<u32> {
        let probe = self.probe()?;
        probe.halt()?;
        let used = stack(probe, program.fixed)?;
        probe.go()?;
        Ok(used)
    }
}

fn client(id: &str, listener: &TcpListener) -> Result<String> {
    Ok(format!("socket,id={id},host=127.0.0.1,port={},server=off,nodelay=on", listener.local_addr()?.port()))
}

fn connected(listener: &TcpListener, emulator: &mut Child) -> Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(_) if Instant::now() > end => bail!("the emulator does not connect"),
            Err(_) => {}
        }
        if let Some(status) = emulator.try_wait()? {
            bail!("the emulator ended with {status}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn paint(probe: &mut Probe, len: u32) -> Result<()> {
    probe.write(addresses::RAM, &vec![PAINT; len as usize])
}

/// From the end of the stack down to the last byte that is not painted, above the static variables.
fn stack(probe: &mut Probe, fixed: u32) -> Result<u32> {
    let free = probe.read(addresses::RAM + fixed, (addresses::RETAINED - addresses::RAM - fixed) as usize)?;
    let painted = free.iter().position(|byte| *byte != PAINT).unwrap_or(free.len());
    Ok(u32::try_from(free.len() - painted)?)
}
