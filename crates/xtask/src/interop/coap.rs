//! CoAP servers: libcoap's, whose tags do not outlive a connection, and aiocoap's, which serves files.

use super::Outcome;
use super::bench::{Bench, PATIENCE, firmware, noise, resumed};
use super::peers::{Peers, free_port, version_of};
use super::relay::Relay;
use crate::proc::Proc;
use crate::run::{cargo, output, run, target_dir};
use crate::world::{Programs, Scratch};
use anyhow::{Result, bail, ensure};
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

/// The datagrams that libcoap's server loses, by their number among those that it sends: nine, the same in every run, one in
/// ten of those with which it answers our client at first. Before them come 95 for the upload of the image and one for the
/// ping; behind the last of them nothing is lost any more.
const LOST: &str = "100,110,120,130,140,150,160,170,180";

/// libcoap: an image that the peer's own client has put there, with losses and a server that is killed.
///
/// It keeps objects in memory and makes a new tag for each transfer; a block asked for out of the blue has none. So what was
/// begun before cannot be bound to what is there now, and the download begins anew.
pub(super) fn libcoap(_: &Programs, _: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let bench = Bench::new(scratch, "libcoap", firmware())?;
    let port = free_port()?;
    let mut server = coap_server(&bench, port)?;
    let url = format!("coap://127.0.0.1:{port}/object");

    let mut fetch = bench.fetch(&url)?;
    bench.await_bytes(bench.object.len() / 4)?;
    server.kill();
    fetch.wait_for("network error", PATIENCE)?;
    // The server is up before the object is there again: a client would be told that there is none.
    drop(fetch);
    let server = coap_server(&bench, port)?;
    let mut fetch = bench.fetch(&url)?;
    fetch.wait_for("CoAP: object changed", PATIENCE)?;
    fetch.wait_for("from byte 0 of", PATIENCE)?;
    bench.complete()?;
    let lost = server.tape().lines().iter().filter(|line| line.contains("Packet") && line.contains("dropped")).count();
    ensure!(lost >= 9, "the server lost only {lost} datagrams");
    let _fetch = bench.fetch_in_window(&url)?;
    bench.complete()?;
    let exchanged = format!(
        "{} bytes put by its client, fetched by ours in 95 blocks, of which the server loses {lost}, always the same (-l); \
         then no more; after the server was killed in mid-transfer its blocks have no tag: the download begins anew; \
         again with four blocks at a time; byte exact",
        bench.object.len()
    );
    Ok(Outcome { peer: "libcoap", version: version_of("coap-server-notls", "-h")?, exchanged })
}

/// libcoap's server with the bench's object, put there by libcoap's client.
fn coap_server(bench: &Bench, port: u16) -> Result<Proc> {
    let text = port.to_string();
    let args = ["-A", "127.0.0.1", "-p", &text, "-d", "1", "-v", "7", "-l", LOST];
    let server = Proc::start("coap-server", Command::new("coap-server-notls").args(args))?;
    await_coap(port)?;
    let url = format!("coap://127.0.0.1:{port}/object");
    let mut put = Command::new("coap-client-notls");
    output(put.args(["-m", "put", "-b", "1024", "-B", "30", "-f"]).arg(bench.served()).arg(url))?;
    Ok(server)
}

/// aiocoap: a download that survives losses in both directions and a kill of either side, a changed object, and an
/// observation.
pub(super) fn aiocoap(_: &Programs, peers: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let bench = Bench::new(scratch, "aiocoap", firmware())?;
    let port = free_port()?;
    let mut server = fileserver(peers, &bench, port)?;
    let relay = Relay::start(port, 10)?;
    let url = format!("coap://127.0.0.1:{}/object", relay.port);

    let fetch = bench.fetch(&url)?;
    bench.await_bytes(bench.object.len() / 4)?;
    server.kill();
    std::thread::sleep(Duration::from_millis(500));
    let _server = fileserver(peers, &bench, port)?;
    bench.await_bytes(bench.object.len() / 2)?;
    drop(fetch);
    let mut fetch = bench.fetch(&url)?;
    fetch.wait_until("a resume", PATIENCE, resumed)?;
    bench.complete()?;

    let _fetch = bench.fetch_in_window(&url)?;
    bench.complete()?;

    bench.stop_at(&url, bench.object.len() / 4)?;
    bench.serve(&noise(5, bench.object.len()))?;
    let mut fetch = bench.fetch(&url)?;
    fetch.wait_for("CoAP: object changed", PATIENCE)?;
    bench.complete()?;
    let (carried, lost) = relay.counts();
    ensure!(lost * 20 > carried, "{lost} of {carried} datagrams lost is not a tenth");
    observed(&bench, port)?;
    let exchanged = format!(
        "Block2 and ETag through a way that lost {lost} of {carried} datagrams: resume after the server and after the \
         client was killed in mid-transfer, four blocks at a time, a changed object from byte 0; byte exact. \
         Observe: registered, told of a change"
    );
    Ok(Outcome { peer: "aiocoap", version: peers.python_version("aiocoap")?, exchanged })
}

fn fileserver(peers: &Peers, bench: &Bench, port: u16) -> Result<Proc> {
    let mut program = peers.script("aiocoap-fileserver");
    let server = Proc::start("aiocoap", program.args(["--bind", &format!("127.0.0.1:{port}")]).arg(&bench.files))?;
    await_coap(port)?;
    Ok(server)
}

/// A small file, of whose change an observer is told. The server looks at its files every ten seconds.
fn observed(bench: &Bench, port: u16) -> Result<()> {
    run(cargo().args(["build", "--quiet", "--locked", "--package", "ota-coap", "--example", "observe"]))?;
    let note = bench.files.join("note");
    std::fs::write(&note, "1.0.0")?;
    let mut observe = Command::new(target_dir()?.join("debug/examples/observe"));
    let mut observe = Proc::start("observe", observe.arg(format!("127.0.0.1:{port}")).arg("/note"))?;
    observe.wait_for("registered: 1.0.0", PATIENCE)?;
    std::fs::write(&note, "2.0.0")?;
    observe.wait_for("news: 2.0.0", PATIENCE).map(drop)
}

/// Waits until somebody speaks CoAP at `port`: a ping is reset (RFC 7252 §4.3).
pub(super) fn await_coap(port: u16) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    for _ in 0..100 {
        let mut answer = [0; 16];
        if socket.send(&[0x40, 0, 0x12, 0x34]).is_ok() && socket.recv(&mut answer).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("nobody speaks CoAP at port {port} after 10 seconds")
}
