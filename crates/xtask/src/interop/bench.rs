//! One object on a server, and our client, which can be killed.

use crate::proc::Proc;
use crate::run::{cargo, root, run, target_dir};
use crate::world::Scratch;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long one thing may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// A real image, 95 blocks of CoAP long.
const FIRMWARE: &str = "../shared/firmware/daplink-kl26z-0252.bin";
/// What CoAP waits on loopback before it sends again what was lost, in milliseconds.
const ACK_TIMEOUT: &str = "150";

/// The object, and where the client puts it.
pub(super) struct Bench {
    /// Everything of this run.
    pub(super) dir: PathBuf,
    /// What the server serves.
    pub(super) files: PathBuf,
    client: PathBuf,
    /// The object as it was at first.
    pub(super) object: Vec<u8>,
}

impl Bench {
    /// Puts `object` where the server `name` finds it.
    pub(super) fn new(scratch: &Scratch, name: &str, object: Vec<u8>) -> Result<Self> {
        run(cargo().args(["build", "--quiet", "--locked", "--package", "ota-download", "--example", "fetch"]))?;
        let dir = scratch.path().join(name);
        let files = dir.join("files");
        std::fs::create_dir_all(&files)?;
        let bench = Self { dir, files, client: target_dir()?.join("debug/examples/fetch"), object };
        bench.serve(&bench.object)?;
        Ok(bench)
    }

    /// Serves `object` from now on.
    pub(super) fn serve(&self, object: &[u8]) -> Result<()> {
        Ok(std::fs::write(self.served(), object)?)
    }

    /// The object's file on the server.
    pub(super) fn served(&self) -> PathBuf {
        self.files.join("object")
    }

    /// The object's file at the client.
    pub(super) fn got(&self) -> PathBuf {
        self.dir.join("got")
    }

    /// What the client keeps of the object beside its bytes.
    pub(super) fn validator(&self) -> PathBuf {
        self.dir.join("got.validator")
    }

    /// Our client, in a process that can be killed.
    pub(super) fn fetch(&self, url: &str) -> Result<Proc> {
        Proc::start("fetch", Command::new(&self.client).arg(url).arg(self.got()).arg(ACK_TIMEOUT))
    }

    /// The same with four blocks of CoAP on their way at a time, from nothing.
    pub(super) fn fetch_in_window(&self, url: &str) -> Result<Proc> {
        std::fs::remove_file(self.got())?;
        Proc::start("fetch", Command::new(&self.client).arg(url).arg(self.got()).args([ACK_TIMEOUT, "window"]))
    }

    /// Starts a download from nothing, and kills it when it has this many bytes.
    pub(super) fn stop_at(&self, url: &str, bytes: usize) -> Result<()> {
        std::fs::remove_file(self.got())?;
        let fetch = self.fetch(url)?;
        self.await_bytes(bytes)?;
        drop(fetch);
        Ok(())
    }

    /// Waits until the client has this many bytes.
    pub(super) fn await_bytes(&self, bytes: usize) -> Result<()> {
        await_that("more bytes", || length(&self.got()) >= bytes as u64)
    }

    /// Waits until the client has the object, and compares.
    pub(super) fn complete(&self) -> Result<()> {
        let served = std::fs::read(self.served())?;
        let done = || length(&self.got()) >= served.len() as u64 && !self.validator().exists();
        await_that("the whole object", done)?;
        ensure!(std::fs::read(self.got())? == served, "what arrived is not what was served");
        Ok(())
    }
}

/// Whether the client says that it goes on in the middle.
pub(super) fn resumed(line: &str) -> bool {
    let from = line.strip_prefix("from byte ").and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    from.is_some_and(|from| from > 0)
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |meta| meta.len())
}

/// Waits until `done` says so.
pub(super) fn await_that(what: &str, done: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        ensure!(Instant::now() < deadline, "{what} did not come within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A real image; where it is missing, bytes without a pattern, as many.
pub(super) fn firmware() -> Vec<u8> {
    std::fs::read(root().join(FIRMWARE)).unwrap_or_else(|_| noise(4, 97_280))
}

/// Bytes without a pattern, the same for the same seed.
pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}
