//! A device of ours at a cloud on aiocoap: offers, reports and the update itself over CoAP, and datagrams that are lost.

use super::Outcome;
use super::bench::{await_that, noise};
use super::coap::await_coap;
use super::peers::{Peers, free_port};
use super::relay::Relay;
use crate::device::{Device, LinuxDevice};
use crate::proc::Proc;
use crate::vendor::{Image, Vendor};
use crate::world::{CLASS, DEVICE, PATIENCE, PRODUCT, Programs, Scratch};
use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A cloud in 100 lines of Python: an independent implementation of our dialect.
const CLOUD: &str = include_str!("coap_cloud.py");
/// For one thing that takes several messages: one whose five copies are lost costs a minute and a half.
const LOSSY: Duration = Duration::from_secs(180);
/// A registration that the server answers separately may come once more, 1 to 2 s later, or twice that when it is lost.
const SETTLED: Duration = Duration::from_secs(10);
/// So many datagrams of a hundred are lost in each direction.
const LOSSES: u32 = 10;
/// So many bytes are new in the new version, beside the version: a delta of some twenty blocks.
const ADDED: usize = 20_000;
/// So many datagrams bring some of them, and not all.
const HALF: u32 = 30;
/// Max-Age of the offers, in seconds: renewed soon, and not before the test is over.
const SHORT: &str = "5";
const LONG: &str = "3000";

/// A device registers again at a server that was started anew, is told of offers, and updates itself while the server is
/// killed once more.
pub(super) fn check(programs: &Programs, peers: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let bench = Bench::new(programs, peers, scratch.path().join("aiocoap-cloud"))?;
    let mut cloud = bench.cloud(SHORT)?;
    let mut device = bench.device()?;
    cloud.wait_for("VERSION 1.0.0", LOSSY)?;
    let registered = cloud.wait_for("REGISTERED", LOSSY)?;
    // A registration whose answer was lost would be sent again, to the other server too: it must be over.
    bench.offer(&mut cloud, "1.0.1", "missing")?;
    cloud.wait_for("PROGRESS -2 download failed: CoAP 4.04", LOSSY)?;

    well_formed(&cloud)?;
    cloud.kill();
    let mut cloud = bench.cloud(LONG)?;
    let again = cloud.wait_for("REGISTERED", LOSSY)?;
    ensure!(again == registered, "the registration was not renewed under its token: {registered}, then {again}");

    cloud.wait_for_silence(SETTLED);
    bench.ways[1].allow(HALF);
    bench.offer(&mut cloud, "1.1.0", "update.ota")?;
    told(&mut cloud)?;
    cloud.wait_for("BLOCK 2 of 1.1.0", LOSSY)?;
    await_that("the first blocks", || device.received().total > ADDED as u64 / 4)?;
    well_formed(&cloud)?;
    cloud.kill();
    let mut cloud = bench.cloud(LONG)?;
    bench.ways[1].allow(u32::MAX);
    cloud.wait_for("PROGRESS 100", LOSSY)?;
    cloud.wait_for("VERSION 1.1.0", LOSSY)?;
    device.running()?.type_line("ota check")?;
    cloud.wait_for("QUERY thing.ota.firmware.get", LOSSY)?;
    well_formed(&cloud)?;

    let (fetched, (carried, lost)) = (device.received(), bench.counts());
    ensure!(lost * 20 > carried, "{lost} of {carried} datagrams lost is not a tenth");
    ensure!(fetched.total > ADDED as u64, "only {} bytes were fetched", fetched.total);
    ensure!(fetched.twice < ADDED as u64 / 4, "the download was not continued: {} bytes came twice", fetched.twice);
    let exchanged = format!(
        "our driver and `Plain` at a cloud in Python, through a way that lost {lost} of {carried} datagrams: version, progress, \
         failure and query by POST; offers told by notification, in 3 blocks; a server killed and started again is \
         registered at under the same token; 1.0.0 to 1.1.0 by a delta of {} bytes in Block2, {} of them twice, with the \
         server killed in mid-transfer",
        fetched.total - fetched.twice,
        fetched.twice
    );
    Ok(Outcome { peer: "aiocoap-cloud", version: peers.python_version("aiocoap")?, exchanged })
}

/// The device fetches the rest of an offer whose first block it was told: it has not asked for that.
fn told(cloud: &mut Proc) -> Result<()> {
    let either = |line: &str| line.starts_with("REGISTERED") || line.starts_with("BLOCK 1");
    let next = cloud.wait_until("a block or a registration", LOSSY, either)?;
    ensure!(next.starts_with("BLOCK"), "the offer was asked for, not told");
    Ok(())
}

/// No report was refused for its form.
fn well_formed(cloud: &Proc) -> Result<()> {
    let lines = cloud.tape().lines();
    let fault = lines.iter().find(|line| line.contains("Error"));
    ensure!(fault.is_none(), "a report is not as it should be: {}", fault.map_or("", String::as_str));
    Ok(())
}

/// A delta of the application, and the two ways to who serves it.
struct Bench<'p> {
    programs: &'p Programs,
    peers: &'p Peers,
    dir: PathBuf,
    port: u16,
    /// For messages and for files: one client each.
    ways: [Relay; 2],
    factory: PathBuf,
    keys: PathBuf,
}

impl<'p> Bench<'p> {
    fn new(programs: &'p Programs, peers: &'p Peers, dir: PathBuf) -> Result<Self> {
        let files = dir.join("files");
        std::fs::create_dir_all(&files)?;
        std::fs::write(dir.join("cloud.py"), CLOUD)?;
        let vendor = Vendor::new(programs, &dir, "vendor", "rsa2048")?;
        let image = |version: &str, added: &[u8]| -> Result<Image> {
            let program = programs.application(&dir, version, "none")?;
            // What stands behind a program in its file does not matter to who runs it.
            std::fs::OpenOptions::new().append(true).open(&program)?.write_all(added)?;
            Ok(Image { file: vendor.sign(&program, version, 1, CLASS)?, slot: None })
        };
        let (old, new) = (image("1.0.0", &[])?, image("1.1.0", &noise(6, ADDED))?);
        vendor.pack_from(&[new], std::slice::from_ref(&old), &["--no-full"], &files.join("update.ota"))?;
        let port = free_port()?;
        let ways = [Relay::start(port, LOSSES)?, Relay::start(port, LOSSES)?];
        Ok(Self { programs, peers, port, ways, factory: old.file, keys: vendor.blob(), dir })
    }

    /// The server, with nothing to offer.
    fn cloud(&self, max_age_s: &str) -> Result<Proc> {
        let [script, files] = ["cloud.py", "files"].map(|name| self.dir.join(name).display().to_string());
        let (port, base) = (self.port.to_string(), format!("coap://127.0.0.1:{}/files/", self.ways[1].port));
        let args = [&*script, &port, PRODUCT, DEVICE, &files, &base, max_age_s];
        let cloud = self.peers.start_python("cloud.py", &args)?;
        await_coap(self.port)?;
        Ok(cloud)
    }

    /// A device that was told who it is.
    fn device(&self) -> Result<Box<dyn Device + 'p>> {
        let server = format!("coap://127.0.0.1:{}", self.ways[0].port);
        let mut device = LinuxDevice::new(self.programs, &self.dir, &self.keys, &self.factory, &server)?;
        device.power_on()?;
        let console = device.console().context("the device has no power")?;
        console.wait_for("no device identity", PATIENCE)?;
        console.type_line(&format!("devinfo set {PRODUCT} {DEVICE} secret"))?;
        Ok(Box::new(device))
    }

    /// Has the server offer the package as `version`, under the name `url`.
    fn offer(&self, cloud: &mut Proc, version: &str, url: &str) -> Result<()> {
        let package = Path::join(&self.dir, "files/update.ota");
        cloud.type_line(&format!("{version} {} {url}", package.display()))
    }

    /// How many datagrams came, and how many of them were lost.
    fn counts(&self) -> (u32, u32) {
        let [messages, files] = self.ways.each_ref().map(Relay::counts);
        (messages.0 + files.0, messages.1 + files.1)
    }
}
