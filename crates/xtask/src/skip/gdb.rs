//! The emulator's debugger port: as much of the GDB remote protocol as a test needs.
//!
//! # Source
//! GDB manual, appendix "GDB Remote Serial Protocol": packets, `Z0`, `c`, `s`, `M`, `p`,
//! `qRcmd`, `qXfer:features:read`.

use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Bytes of memory in one packet: QEMU takes packets of 4,096 characters.
const PART: usize = 1024;
/// Number of the program counter among the registers.
const PC: u32 = 15;

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A breakpoint, or the end of a step.
    Break,
    /// Nothing, in the time that was given; the processor was stopped from here.
    Late,
    /// The emulator ended: it does so when the processor locks up.
    Gone,
}

/// A stopped processor.
pub(super) struct Debugger {
    stream: UnixStream,
    /// Received, not yet looked at.
    rest: Vec<u8>,
}

impl Debugger {
    /// Connects to an emulator that was started stopped; `patience` bounds every wait.
    pub(super) fn connect(socket: &Path, patience: Duration) -> Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| format!("cannot reach {}", socket.display()))?;
        stream.set_read_timeout(Some(patience))?;
        // Packets are not acknowledged: QEMU takes the next one for that.
        let mut debugger = Self { stream, rest: Vec::new() };
        // QEMU tells single registers only to those who asked what there is.
        debugger.send("qXfer:features:read:target.xml:0,ffb")?;
        debugger.receive()?.context("the emulator does not describe its processor")?;
        Ok(debugger)
    }

    /// Stops before the instruction at `at`, from now on.
    pub(super) fn set_break(&mut self, at: u32) -> Result<()> {
        self.ask(&format!("Z0,{at:x},2"))
    }
    /// Not any more.
    pub(super) fn clear_break(&mut self, at: u32) -> Result<()> {
        self.ask(&format!("z0,{at:x},2"))
    }
    /// Replaces memory, also where the program cannot write.
    pub(super) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<()> {
        for (part, at) in bytes.chunks(PART).zip((at..).step_by(PART)) {
            self.ask(&format!("M{at:x},{:x}:{}", part.len(), hex(part)))?;
        }
        Ok(())
    }
    /// A reset, as by the button. Stays stopped.
    pub(super) fn reset(&mut self) -> Result<()> {
        self.send(&format!("qRcmd,{}", hex(b"system_reset")))?;
        loop {
            match self.receive()?.as_deref() {
                Some("OK") => return Ok(()),
                // What the monitor prints.
                Some(text) if text.starts_with('O') => {}
                other => bail!("the emulator does not reset: {other:?}"),
            }
        }
    }
    /// The address of the next instruction.
    pub(super) fn pc(&mut self) -> Result<u32> {
        self.send(&format!("p{PC:x}"))?;
        let text = self.receive()?.context("the emulator does not say where it is")?;
        let number = u32::from_str_radix(&text, 16).with_context(|| format!("not a register: {text}"))?;
        // Registers come in the order of memory.
        Ok(number.swap_bytes())
    }
    /// One instruction; also over a breakpoint.
    pub(super) fn step(&mut self) -> Result<Stop> {
        self.run("s")
    }
    /// On, until something happens. A breakpoint at the next instruction is something.
    pub(super) fn go(&mut self) -> Result<Stop> {
        self.run("c")
    }

    fn run(&mut self, how: &str) -> Result<Stop> {
        let gone = |e: &anyhow::Error| e.downcast_ref::<std::io::Error>().is_some();
        match self.send(how).and_then(|()| self.receive()) {
            Ok(Some(stop)) if stop.starts_with('T') || stop.starts_with('S') => Ok(Stop::Break),
            Ok(Some(other)) => bail!("the emulator stops with {other}"),
            Ok(None) => {
                self.stream.write_all(b"\x03")?;
                Ok(self.receive()?.map_or(Stop::Gone, |_| Stop::Late))
            }
            Err(error) if gone(&error) => Ok(Stop::Gone),
            Err(error) => Err(error),
        }
    }

    fn ask(&mut self, packet: &str) -> Result<()> {
        self.send(packet)?;
        let reply = self.receive()?;
        ensure!(reply.as_deref() == Some("OK"), "the emulator answers {packet} with {reply:?}");
        Ok(())
    }

    fn send(&mut self, packet: &str) -> Result<()> {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        Ok(self.stream.write_all(format!("${packet}#{sum:02x}").as_bytes())?)
    }

    /// The next packet; `None` when none comes in time.
    fn receive(&mut self) -> Result<Option<String>> {
        loop {
            if let Some((packet, len)) = cut(&self.rest)? {
                self.rest.drain(..len);
                return Ok(Some(packet));
            }
            let mut part = [0; 4096];
            match self.stream.read(&mut part) {
                Ok(0) => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                Ok(len) => self.rest.extend(&part[..len]),
                Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// The first packet in `bytes`, and where it ends; `None` when it is not whole.
fn cut(bytes: &[u8]) -> Result<Option<(String, usize)>> {
    let Some(start) = bytes.iter().position(|b| *b == b'$') else { return Ok(None) };
    let Some(len) = bytes[start..].iter().position(|b| *b == b'#') else { return Ok(None) };
    let (text, end) = (&bytes[start + 1..start + len], start + len + 3);
    let Some(sum) = bytes.get(end - 2..end) else { return Ok(None) };
    let wanted = text.iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
    ensure!(sum == format!("{wanted:02x}").as_bytes(), "a damaged packet from the emulator");
    Ok(Some((String::from_utf8_lossy(text).into_owned(), end)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_cut_out_and_damaged_ones_refused() {
        assert_eq!(cut(b"+$OK#9a$T05").unwrap(), Some(("OK".into(), 7)));
        for torn in [&b""[..], b"+", b"$OK", b"$OK#", b"$OK#9"] {
            assert_eq!(cut(torn).unwrap(), None, "{torn:?}");
        }
        assert!(cut(b"$OK#9b").is_err());
        assert_eq!(hex(b"\x00\xBF"), "00bf");
    }
}
