//! File servers: nginx, which does ranges well, and Python's, which does not do them at all.

use super::Outcome;
use super::bench::{Bench, PATIENCE, noise, resumed};
use super::peers::{Peers, await_port, free_port, nginx as start_nginx, version_of};
use crate::proc::Proc;
use crate::world::{Programs, Scratch};
use anyhow::{Context, Result, ensure};
use std::time::Duration;

/// As large as an image, and of no pattern that a splice could hide in.
const SIZE: usize = 700_000;

/// nginx: a download that survives a kill of either side, a changed object, and a range that cannot be.
pub(super) fn nginx(_: &Programs, _: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let bench = Bench::new(scratch, "nginx", noise(1, SIZE))?;
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

    let mut fetch = changed(&bench, &url)?;
    fetch.wait_for("from byte 0 of", PATIENCE)?;
    bench.complete()?;

    let mut fetch = shrunk(&bench, &url)?;
    fetch.wait_for("from byte 0 of", PATIENCE)?;
    bench.complete()?;
    ensure!(was_answered(&bench, 416)?, "nginx's log has no 416: the client did not ask beyond the end");
    drop(server_again);
    let exchanged = "206 resume after the server and after the client was killed in mid-body, If-Range (changed object: \
                     200 from byte 0), 416 to our client (shrunk object, no validator: again from byte 0), limit_rate; \
                     byte exact";
    Ok(Outcome { peer: "nginx", version: version_of("nginx", "-v")?, exchanged: exchanged.into() })
}

/// Python's server answers 200 to every range: the download starts again and is exact all the same.
pub(super) fn python(_: &Programs, peers: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let bench = Bench::new(scratch, "python", noise(1, SIZE))?;
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

/// Kills a download in the middle, changes the object, and starts the download again.
fn changed(bench: &Bench, url: &str) -> Result<Proc> {
    bench.stop_at(url, SIZE / 4)?;
    // Validators of servers count seconds.
    std::thread::sleep(Duration::from_millis(1_100));
    bench.serve(&noise(2, SIZE))?;
    bench.fetch(url)
}

/// Kills a download in the middle, makes the object shorter than what is here, and starts the download again without
/// its validator: no If-Range protects it, and the range it asks for cannot be.
fn shrunk(bench: &Bench, url: &str) -> Result<Proc> {
    bench.stop_at(url, SIZE / 2)?;
    std::fs::remove_file(bench.validator())?;
    bench.serve(&noise(3, SIZE / 4))?;
    bench.fetch(url)
}

/// Whether nginx notes that it answered with `status`.
fn was_answered(bench: &Bench, status: u16) -> Result<bool> {
    let log = std::fs::read_to_string(bench.dir.join("access.log"))?;
    Ok(log.lines().any(|line| line.contains(&format!("\" {status} "))))
}
