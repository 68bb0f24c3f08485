//! File servers: nginx, which does ranges well, and Python's, which does not do them at all.

use super::Outcome;
use super::peers::{Peers, await_port, free_port, nginx as start_nginx, version_of};
use crate::proc::Proc;
use crate::run::{cargo, run, target_dir};
use crate::world::{Programs, Scratch};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// As large as an image, and of no pattern that a splice could hide in.
const SIZE: usize = 700_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// nginx: a download that survives a kill of either side, a changed object, and a range that cannot be.
pub(super) fn nginx(_: &Programs, _: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let bench = Bench::new(scratch, "nginx")?;
    let port = free_port()?;
    let mut server = start_nginx(&bench.dir, port, &bench.files, "400k")?;
    let url = format!("http://127.0.0.1:{port}/object");

    let fetch = bench.fetch(&url)?;
    bench.await_bytes(SIZE / 4)?;
    server.kill();
    std::thread::sleep(Duration::from_millis(300));
    let server_again = start_nginx(&bench.dir, port, &bench.files, "400k")?;
    bench.await_bytes(SIZE / 2)?;
    drop(fetch);
    let mut fetch = bench.fetch(&url)?;
    fetch.wait_until("a resume", PATIENCE, resumed)?;
    bench.complete()?;

    let mut fetch = bench.changed(&url)?;
    fetch.wait_for("from byte 0 of", PATIENCE)?;
    bench.complete()?;

    let mut fetch = bench.shrunk(&url)?;
    fetch.wait_for("from byte 0 of", PATIENCE)?;
    bench.complete()?;
    ensure!(bench.was_answered(416)?, "nginx's log has no 416: the client did not ask beyond the end");
    drop(server_again);
    let exchanged = "206 resume after the server and after the client was killed in mid-body, If-Range (changed object: \
                     200 from byte 0), 416 to our client (shrunk object, no validator: again from byte 0), limit_rate; \
                     byte exact";
    Ok(Outcome { peer: "nginx", version: version_of("nginx", "-v")?, exchanged: exchanged.into() })
}

/// Python's server answers 200 to every range: the download starts again and is exact all the same.
pub(super) fn python(_: &Programs, peers: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let bench = Bench::new(scratch, "python")?;
    let port = free_port()?;
    let (text, files) = (port.to_string(), bench.files.display().to_string());
    let args = ["-m", "http.server", &text, "--bind", "127.0.0.1", "--directory", &files];
    let _server = peers.start_python("http.server", &args)?;
    await_port(port)?;
    // Half of the object is here already, from a session before.
    let half = bench.object.get(..SIZE / 2).context("the object is shorter than its half")?;
    std::fs::write(bench.got(), half)?;
    let mut fetch = bench.fetch(&format!("http://127.0.0.1:{port}/object"))?;
    fetch.wait_for("from byte 0 of", PATIENCE)?;
    bench.complete()?;
    let exchanged = "200 to a range: the half that was there is not spliced, the download starts again; byte exact";
    let version = peers.python(&["-c", "import platform; print(platform.python_version())"])?.trim().to_owned();
    Ok(Outcome { peer: "http.server", version, exchanged: exchanged.into() })
}

fn resumed(line: &str) -> bool {
    let from = line.strip_prefix("from byte ").and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    from.is_some_and(|from| from > 0)
}

/// One object on a server, and where the client puts it.
struct Bench {
    dir: PathBuf,
    files: PathBuf,
    client: PathBuf,
    object: Vec<u8>,
}

impl Bench {
    fn new(scratch: &Scratch, name: &str) -> Result<Self> {
        run(cargo().args(["build", "--quiet", "--locked", "--package", "ota-download", "--example", "fetch"]))?;
        let dir = scratch.path().join(name);
        let files = dir.join("files");
        std::fs::create_dir_all(&files)?;
        let object = noise(1);
        std::fs::write(files.join("object"), &object)?;
        Ok(Self { dir, files, client: target_dir()?.join("debug/examples/fetch"), object })
    }

    fn got(&self) -> PathBuf {
        self.dir.join("got")
    }

    /// What the client keeps of the object beside its bytes.
    fn validator(&self) -> PathBuf {
        self.dir.join("got.validator")
    }

    /// Our client, in a process that can be killed.
    fn fetch(&self, url: &str) -> Result<Proc> {
        Proc::start("fetch", Command::new(&self.client).arg(url).arg(self.got()))
    }

    fn await_bytes(&self, bytes: usize) -> Result<()> {
        await_that("more bytes", || length(&self.got()) >= bytes as u64)
    }

    fn complete(&self) -> Result<()> {
        let served = std::fs::read(self.files.join("object"))?;
        let done = || length(&self.got()) >= served.len() as u64 && !self.validator().exists();
        await_that("the whole object", done)?;
        ensure!(std::fs::read(self.got())? == served, "what arrived is not what was served");
        Ok(())
    }

    /// Kills a download in the middle, changes the object, and starts the download again.
    fn changed(&self, url: &str) -> Result<Proc> {
        std::fs::remove_file(self.got())?;
        let first = self.fetch(url)?;
        self.await_bytes(SIZE / 4)?;
        drop(first);
        // Validators of servers count seconds.
        std::thread::sleep(Duration::from_millis(1_100));
        std::fs::write(self.files.join("object"), noise(2))?;
        self.fetch(url)
    }

    /// Kills a download in the middle, makes the object shorter than what is here, and starts the download again without
    /// its validator: no If-Range protects it, and the range it asks for cannot be.
    fn shrunk(&self, url: &str) -> Result<Proc> {
        std::fs::remove_file(self.got())?;
        let first = self.fetch(url)?;
        self.await_bytes(SIZE / 2)?;
        drop(first);
        std::fs::remove_file(self.validator())?;
        let shorter = noise(3);
        std::fs::write(self.files.join("object"), shorter.get(..SIZE / 4).context("shorter than its quarter")?)?;
        self.fetch(url)
    }

    /// Whether nginx notes that it answered with `status`.
    fn was_answered(&self, status: u16) -> Result<bool> {
        let log = std::fs::read_to_string(self.dir.join("access.log"))?;
        Ok(log.lines().any(|line| line.contains(&format!("\" {status} "))))
    }
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |meta| meta.len())
}

fn await_that(what: &str, done: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        ensure!(Instant::now() < deadline, "{what} did not come within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Bytes without a pattern, the same for the same seed.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(SIZE).collect()
}
