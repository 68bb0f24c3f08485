//! The debug probe: the emulator's GDB server, as far as a programmer of flash needs it. It halts the processor, reads
//! and writes memory (flash too), and stops at addresses.
//!
//! # Source
//! GDB manual, appendix "Remote Serial Protocol".

use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Bytes of memory per packet; the emulator takes packets of 4 KiB.
const CHUNK: usize = 1024;

/// A connection to the probe. The processor stands still until [`Probe::go`].
pub(crate) struct Probe {
    stream: TcpStream,
}

impl Probe {
    /// Over this connection, on which nothing was said yet.
    pub(crate) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream })
    }

    /// Lets the processor run.
    pub(crate) fn go(&mut self) -> Result<()> {
        self.send("c")
    }

    /// Halts the processor between two instructions.
    pub(crate) fn halt(&mut self) -> Result<()> {
        self.stream.write_all(&[3])?;
        self.stopped()
    }

    /// Waits until the processor stops by itself.
    pub(crate) fn stopped(&mut self) -> Result<()> {
        let reply = self.receive().context("the processor did not stop")?;
        ensure!(is_stop(&reply), "the probe says {reply}");
        Ok(())
    }

    /// Stops whenever the instruction at `address` is reached.
    pub(crate) fn stop_at(&mut self, address: u32) -> Result<()> {
        self.command(&format!("Z0,{address:x},2"))
    }

    /// No longer stops there.
    pub(crate) fn pass(&mut self, address: u32) -> Result<()> {
        self.command(&format!("z0,{address:x},2"))
    }

    /// Writes memory.
    pub(crate) fn write(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        for (at, chunk) in (address..).step_by(CHUNK).zip(bytes.chunks(CHUNK)) {
            let hex: String = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
            self.command(&format!("M{at:x},{:x}:{hex}", chunk.len()))?;
        }
        Ok(())
    }

    /// Reads memory.
    pub(crate) fn read(&mut self, address: u32, len: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let (at, now) = (address + u32::try_from(bytes.len())?, CHUNK.min(len - bytes.len()));
            let reply = self.ask(&format!("m{at:x},{now:x}"))?;
            ensure!(reply.len() == 2 * now, "reading {at:#x}: {reply}");
            for pair in reply.as_bytes().chunks(2) {
                bytes.push(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
            }
        }
        Ok(bytes)
    }

    fn command(&mut self, command: &str) -> Result<()> {
        let reply = self.ask(command)?;
        ensure!(reply == "OK", "the probe answers {reply} to {:.30}", command);
        Ok(())
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        self.send(command)?;
        self.receive()
    }

    fn send(&mut self, command: &str) -> Result<()> {
        self.stream.write_all(packet(command).as_bytes())?;
        match self.byte()? {
            b'+' => Ok(()),
            other => bail!("the probe answers {other:#x} to {command:.30}"),
        }
    }

    fn receive(&mut self) -> Result<String> {
        while self.byte()? != b'$' {}
        let mut text = Vec::new();
        loop {
            match self.byte()? {
                b'#' => break,
                byte => text.push(byte),
            }
        }
        let sum = [self.byte()?, self.byte()?];
        let text = String::from_utf8(text)?;
        ensure!(packet(&text).as_bytes().ends_with(&sum), "a damaged packet: {text}");
        self.stream.write_all(b"+")?;
        Ok(text)
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).context("the probe is silent")?;
        Ok(byte[0])
    }
}

fn packet(text: &str) -> String {
    let sum = text.bytes().fold(0_u8, u8::wrapping_add);
    format!("${text}#{sum:02x}")
}

fn is_stop(reply: &str) -> bool {
    reply.starts_with(['T', 'S'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_end_with_their_sum() {
        assert_eq!(packet("OK"), "$OK#9a");
        assert_eq!(packet(""), "$#00");
        assert!(is_stop("T02thread:01;") && is_stop("S05") && !is_stop("OK"));
    }
}
