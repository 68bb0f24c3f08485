//! Whole updates of a device through brokers and clouds that we did not write.

use super::Outcome;
use super::peers::{Peers, certificate, free_port, mosquitto as start_mosquitto, nginx, version_of};
use crate::device::{Device, LinuxDevice};
use crate::proc::Proc;
use crate::run::output;
use crate::vendor::Vendor;
use crate::world::{CLASS, DEVICE, PATIENCE, PRODUCT, Programs, Scratch};
use anyhow::{Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A cloud in 60 lines of Python: an independent implementation of the messages.
const CLOUD: &str = include_str!("cloud.py");
const UPDATE: Duration = Duration::from_secs(60);

/// mosquitto as the broker, `ota push` as the cloud, nginx as the file server.
pub(super) fn mosquitto(programs: &Programs, _: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let bench = Bench::new(programs, scratch.path().join("mosquitto"), "")?;
    let mut device = bench.device()?;
    device.commission()?;
    bench.push(&["--broker", &format!("mqtt://{}", bench.broker())])?;
    running(&mut *device, "1.1.0")?;
    let exchanged = "inform, upgrade, progress over QoS 1; 1.0.0 to 1.1.0 offered by `ota push`, payload from nginx";
    Ok(Outcome { peer: "mosquitto", version: version_of("mosquitto", "-h")?, exchanged: exchanged.into() })
}

/// The same with `ota push` over TLS. The device of the sample has none, it is served beside it.
pub(super) fn mosquitto_tls(programs: &Programs, _: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let dir = scratch.path().join("mosquitto-tls");
    let (cert, port) = (certificate(&dir.join("tls"))?, free_port()?);
    // As another user, which it would become, it could not read the key.
    let (file, key) = (cert.file.display(), cert.key.display());
    let secure = format!("listener {port} 127.0.0.1\ncertfile {file}\nkeyfile {key}\nuser root\n");
    let bench = Bench::new(programs, dir.clone(), &secure)?;
    let mut device = bench.device()?;
    device.commission()?;
    let push = |ca: &Path| {
        let (broker, ca) = (format!("mqtts://127.0.0.1:{port}"), ca.display().to_string());
        bench.push(&["--broker", &broker, "--ca", &ca])
    };
    let stranger = certificate(&dir.join("stranger"))?;
    match push(&stranger.authority) {
        Ok(_) => bail!("a broker that nobody vouches for was believed"),
        Err(error) => ensure!(format!("{error:#}").contains("certificate"), "it failed otherwise: {error:#}"),
    }
    running(&mut *device, "1.0.0")?;
    push(&cert.authority)?;
    running(&mut *device, "1.1.0")?;
    let exchanged = "1.0.0 to 1.1.0 offered by `ota push` over TLS; a certificate of another authority is refused";
    Ok(Outcome { peer: "mosquitto-tls", version: version_of("mosquitto", "-h")?, exchanged: exchanged.into() })
}

/// paho-mqtt as the cloud: it waits for the inform, offers, follows the progress, answers a query.
pub(super) fn paho(programs: &Programs, peers: &Peers, scratch: &Scratch) -> Result<Outcome> {
    let bench = Bench::new(programs, scratch.path().join("paho"), "")?;
    let script = bench.dir.join("cloud.py");
    std::fs::write(&script, CLOUD)?;
    let (port, script) = (bench.mqtt.to_string(), script.display().to_string());
    let (url, file) = (bench.url(), bench.package().display().to_string());
    let mut cloud = peers.start_python("cloud.py", &[&script, &port, PRODUCT, DEVICE, &url, &file, "1.1.0"])?;
    cloud.wait_for("READY", PATIENCE)?;
    let mut device = bench.device()?;
    device.commission()?;
    for step in ["INFORM 1.0.0", "PROGRESS", "INFORM 1.1.0", "DONE"] {
        cloud.wait_for(step, UPDATE)?;
    }
    running(&mut *device, "1.1.0")?;
    device.running()?.type_line("ota check")?;
    cloud.wait_for("QUERY", PATIENCE)?;
    let exchanged = "inform with string id, offer with escaped URL and Md5, progress steps, firmware/get and reply";
    Ok(Outcome { peer: "paho-mqtt", version: peers.python_version("paho-mqtt")?, exchanged: exchanged.into() })
}

/// The device says itself what it runs.
fn running(device: &mut (dyn Device + '_), version: &str) -> Result<()> {
    let device = device.running()?;
    device.type_line("version")?;
    device.wait_for(version, PATIENCE).map(drop)
}

/// Broker, file server, and two versions of the application.
struct Bench<'p> {
    programs: &'p Programs,
    dir: PathBuf,
    vendor: Vendor<'p>,
    factory: PathBuf,
    mqtt: u16,
    http: u16,
    _servers: [Proc; 2],
}

impl<'p> Bench<'p> {
    fn new(programs: &'p Programs, dir: PathBuf, listeners: &str) -> Result<Self> {
        let files = dir.join("files");
        std::fs::create_dir_all(&files)?;
        let vendor = Vendor::new(programs, &dir, "vendor", "rsa2048")?;
        let factory = programs.application(&dir, "1.0.0", "none")?;
        let factory = vendor.sign(&factory, "1.0.0", 1, CLASS)?;
        let next = programs.application(&dir, "1.1.0", "none")?;
        vendor.pack(&vendor.sign(&next, "1.1.0", 1, CLASS)?, &files.join("update.ota"))?;
        let (mqtt, http) = (free_port()?, free_port()?);
        let servers = [start_mosquitto(&dir, mqtt, listeners)?, nginx(&dir, http, &files, "4m")?];
        Ok(Self { programs, dir, vendor, factory, mqtt, http, _servers: servers })
    }
    /// Offers the update by `ota push`, and waits until the device has it.
    fn push(&self, broker: &[&str]) -> Result<()> {
        let mut push = self.programs.ota();
        push.arg("push").args(broker).args(["--devices", &format!("{PRODUCT}/{DEVICE}"), "--url", &self.url()]);
        let said = output(push.args(["--wait", "--timeout", "60"]).arg(self.package()))?;
        ensure!(said.contains("1.1.0"), "the push does not name the new version:\n{said}");
        Ok(())
    }
    fn device(&self) -> Result<Box<dyn Device + 'p>> {
        let keys = self.vendor.blob();
        let device = LinuxDevice::new(self.programs, &self.dir, &keys, &self.factory, &self.broker())?;
        Ok(Box::new(device))
    }
    fn broker(&self) -> String {
        format!("127.0.0.1:{}", self.mqtt)
    }
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/update.ota", self.http)
    }
    fn package(&self) -> PathBuf {
        Path::join(&self.dir, "files/update.ota")
    }
}
