//! `ota serve` as a process, and the little HTTP that its page would speak.

use super::Link;
use super::udp_valve::UdpValve;
use super::valve::Valve;
use crate::proc::Proc;
use crate::serve;
use crate::world::{DEVICE, PATIENCE, PRODUCT, Programs};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// After the last report of an update nothing comes for this long.
const SILENCE: Duration = Duration::from_millis(700);

/// The cloud. Its ports stay the same when it is killed and started again; devices reach its files through a valve.
pub(super) struct Cloud<'p> {
    programs: &'p Programs,
    files: PathBuf,
    /// How devices reach it.
    host: &'static str,
    link: Link,
    /// MQTT, HTTP, CoAP.
    ports: Option<[u16; 3]>,
    process: Option<Proc>,
    valve: Valve,
    udp_valve: UdpValve,
}

impl<'p> Cloud<'p> {
    /// Serves the files of `files` to devices that call this machine `host`, at so many KiB per second.
    pub(super) fn start(
        programs: &'p Programs,
        files: &Path,
        host: &'static str,
        link: Link,
        rate: &str,
    ) -> Result<Self> {
        let (files, valve, udp_valve) = (files.to_owned(), Valve::new()?, UdpValve::new()?);
        let mut cloud = Self { programs, files, host, link, ports: None, process: None, valve, udp_valve };
        cloud.restart(Some(rate))?;
        Ok(cloud)
    }

    /// Kills it (SIGKILL); what it had sent and nobody has read is gone with it.
    pub(super) fn kill(&mut self) {
        self.process = None;
        self.allow(0);
    }

    /// Lets so many bytes of downloads pass from now on, not one more. Running downloads break.
    pub(super) fn allow(&self, bytes: u64) {
        self.valve.carry(bytes);
        self.udp_valve.carry(bytes);
    }

    /// Starts it again, on the ports it had; downloads are not held back.
    pub(super) fn restart(&mut self, rate: Option<&str>) -> Result<()> {
        self.kill();
        let [mqtt, http, coap] = self.ports.unwrap_or_default();
        let mut serve = self.programs.ota();
        serve.args(["--json", "serve"]).arg(&self.files);
        serve.args(["--mqtt-port", &mqtt.to_string(), "--http-port", &http.to_string()]);
        serve.args(["--coap-port", &coap.to_string()]);
        serve.args(["--public-url", &format!("http://{}:{}", self.host, self.valve.port())]);
        serve.args(["--public-coap-url", &format!("coap://{}:{}", self.host, self.udp_valve.port())]);
        if let Some(rate) = rate {
            serve.args(["--rate", rate]);
        }
        let process = self.process.insert(Proc::start("cloud", &mut serve)?);
        let ready = process.wait_for("READY ", PATIENCE)?;
        let (mqtt, http, coap) =
            (serve::port(&ready, "mqtt=")?, serve::port(&ready, "http=")?, serve::port(&ready, "coap=")?);
        self.ports = Some([mqtt, http, coap]);
        self.valve.lead_to(http);
        self.udp_valve.lead_to(coap);
        self.allow(u64::MAX);
        Ok(())
    }

    /// Where devices find it, as it is written in their setting.
    pub(super) fn server(&self) -> Result<String> {
        let [mqtt, _, coap] = self.ports.context("the cloud was never started")?;
        Ok(match self.link {
            Link::Mqtt => format!("{}:{mqtt}", self.host),
            Link::Coap => format!("coap://{}:{coap}", self.host),
        })
    }

    /// Waits until the device observes its offers.
    pub(super) fn observed(&mut self) -> Result<()> {
        let path = format!("/ota/offer/{PRODUCT}/{DEVICE}");
        self.event("a registration", PATIENCE, |event| event["event"] == "coap" && event["path"] == path.as_str())
            .map(drop)
    }

    /// Offers a file to the device, as the page does. A report does not say which offer it is about, and the last one's
    /// may come twice: so the device is given the time to finish with that.
    pub(super) fn offer(&self, file: &str) -> Result<()> {
        self.process.as_ref().context("the cloud is down")?.wait_for_silence(SILENCE);
        let [_, http, _] = self.ports.context("the cloud was never started")?;
        serve::offer(http, file)
    }

    /// Waits for a progress report, among the events after the last one waited for, and returns its percents.
    pub(super) fn progress(&mut self) -> Result<u64> {
        let event = self.event("a progress report", PATIENCE, |event| event["event"] == "progress")?;
        event["percent"].as_u64().context("progress without percents")
    }

    /// Waits until the device reports this version, and returns the device's name.
    pub(super) fn version(&mut self, version: &str) -> Result<String> {
        let wanted = |event: &Value| event["event"] == "version" && event["version"] == version;
        let event = self.event(&format!("a report of version {version}"), PATIENCE, wanted)?;
        Ok(event["device"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits for the outcome of the offer of `version`: the reason when it failed, `None` when it is done.
    pub(super) fn outcome(&mut self, version: &str, within: Duration) -> Result<Option<String>> {
        let ended =
            |event: &Value| event["version"] == version && (event["event"] == "done" || event["event"] == "failed");
        let event = self.event("the outcome of the offer", within, ended)?;
        Ok(event["reason"].as_str().map(str::to_owned))
    }

    /// Whether the device reports the end of the update to `version` within this time. An error when it reports that it
    /// failed; what the cloud only concludes while the device is away is passed over.
    pub(super) fn finished(&mut self, version: &str, within: Duration) -> Result<bool> {
        let process = self.process.as_mut().context("the cloud is down")?;
        let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_default();
        let ended = |event: &Value| {
            let failed = event["event"] == "failed" && !event["code"].is_null();
            event["version"] == version && (failed || event["event"] == "done")
        };
        let Some(line) = process.look_for(within, |line| ended(&parse(line))) else { return Ok(false) };
        let event = parse(&line);
        ensure!(event["event"] == "done", "the cloud was told that it failed: {}", event["reason"]);
        Ok(true)
    }

    fn event(&mut self, what: &str, within: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let process = self.process.as_mut().context("the cloud is down")?;
        let parse = |line: &str| serde_json::from_str::<Value>(line).ok();
        let line = process.wait_until(what, within, |line| parse(line).is_some_and(|event| wanted(&event)))?;
        parse(&line).context("not JSON")
    }
}
