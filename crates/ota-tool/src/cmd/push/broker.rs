//! The connection: MQTT 5 or 3.1.1, the same few operations on both.

use super::report::{Outcomes, State};
use crate::linkkit::{self, Announcement, DeviceName, Up};
use crate::output::Output;
use anyhow::{Context, Result, anyhow, bail};
use indicatif::{MultiProgress, ProgressBar};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long connecting and each acknowledgement may take.
const LINK_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest message taken from a broker.
const PACKET_MAX: u32 = 256 << 10;

/// Protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Protocol {
    /// MQTT 5
    #[value(name = "5")]
    V5,
    /// MQTT 3.1.1
    #[value(name = "3.1.1", alias = "4")]
    V4,
}

/// Which broker.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    host: String,
    port: u16,
    login: Option<(String, String)>,
    protocol: Protocol,
}

impl Endpoint {
    /// Reads `mqtt://[USER[:PASSWORD]@]HOST[:PORT]`.
    pub(super) fn parse(url: &str, protocol: Protocol) -> Result<Self> {
        if url.starts_with("mqtts://") || url.starts_with("wss://") {
            bail!("this build speaks plain MQTT only; put a TLS tunnel (stunnel, or the broker's own bridge) in front");
        }
        let rest = url.strip_prefix("mqtt://").unwrap_or(url).trim_end_matches('/');
        let (login, address) = match rest.rsplit_once('@') {
            Some((login, address)) => (Some(login), address),
            None => (None, rest),
        };
        let (host, port) = split_port(address)?;
        if host.is_empty() {
            bail!("`{url}` names no broker; write mqtt://HOST:PORT");
        }
        let login = login.map(|login| match login.split_once(':') {
            Some((user, password)) => (user.to_owned(), password.to_owned()),
            // A password on the command line shows in the process list.
            None => (login.to_owned(), std::env::var("OTA_MQTT_PASSWORD").unwrap_or_default()),
        });
        Ok(Self { host: host.to_owned(), port, login, protocol })
    }
}

fn split_port(address: &str) -> Result<(&str, u16)> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match address.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = port.map_or(Ok(1883), |p| p.parse().map_err(|_| anyhow!("`{p}` is not a port")))?;
    Ok((host, port))
}

/// What is to be done.
pub(super) struct Job<'a> {
    pub(super) update: &'a Announcement,
    pub(super) devices: &'a [DeviceName],
    /// Wait for the outcome, at most so long.
    pub(super) wait_s: Option<u64>,
    pub(super) retain: bool,
}

/// Connects, listens, offers, and waits.
pub(super) async fn run(endpoint: &Endpoint, job: &Job<'_>, output: Output) -> Result<Outcomes> {
    let mut link = Link::connect(endpoint);
    let unreachable = || format!("the broker {}:{} does not answer", endpoint.host, endpoint.port);
    timeout(LINK_TIMEOUT, link.until(Seen::is_connected)).await.with_context(unreachable)?.with_context(unreachable)?;
    if job.wait_s.is_some() {
        // Listening comes first, or a fast device's report is missed.
        for topic in job.devices.iter().flat_map(DeviceName::up_topics) {
            link.subscribe(&topic).await?;
            timeout(LINK_TIMEOUT, link.until(Seen::is_subscribed))
                .await
                .context("the broker does not confirm a subscription")??;
        }
    }
    let mut outcomes = Outcomes::new(job.devices, &job.update.module, &job.update.version, job.wait_s.is_some());
    for (id, device) in (1..).zip(job.devices) {
        link.publish(&device.upgrade_topic(), job.update.upgrade(id), job.retain).await?;
        // A report may come before the acknowledgement.
        let acknowledged = async {
            loop {
                match link.next().await? {
                    Seen::Published => return Ok::<_, anyhow::Error>(()),
                    Seen::Message(topic, payload) => note(&mut outcomes, &topic, &payload, &mut link, job).await?,
                    _ => {}
                }
            }
        };
        timeout(LINK_TIMEOUT, acknowledged).await.context("the broker does not acknowledge the offer")??;
    }
    if let Some(seconds) = job.wait_s {
        watch(&mut link, job, &mut outcomes, Instant::now() + Duration::from_secs(seconds), output).await?;
    }
    Ok(outcomes)
}

/// Takes one message in and answers a query. The bars follow the outcomes.
async fn note(outcomes: &mut Outcomes, topic: &str, payload: &[u8], link: &mut Link, job: &Job<'_>) -> Result<()> {
    let Some((name, up)) = linkkit::parse(topic, payload) else {
        return Ok(());
    };
    if let Up::Query { id, module } = &up {
        if *module == job.update.module && outcomes.is_open(&name) {
            link.publish(&name.reply_topic(), linkkit::reply(id, Some(job.update)), false).await?;
        }
        return Ok(());
    }
    outcomes.on_report(&name, &up);
    Ok(())
}

async fn watch(
    link: &mut Link,
    job: &Job<'_>,
    outcomes: &mut Outcomes,
    deadline: Instant,
    output: Output,
) -> Result<()> {
    let all = MultiProgress::new();
    let bars: Vec<ProgressBar> = job.devices.iter().map(|d| all.add(output.bar(100, &d.to_string()))).collect();
    while !outcomes.all_over() {
        match timeout_at(deadline, link.next()).await {
            // Out of time: the outcomes say who did not answer.
            Err(_) => break,
            Ok(Ok(Seen::Message(topic, payload))) => {
                let parsed = linkkit::parse(&topic, &payload);
                let changed = parsed.as_ref().and_then(|(name, up)| outcomes.on_report(name, up));
                if let Some((at, state)) = changed {
                    tell(output, job.devices.get(at), bars.get(at), state);
                } else {
                    note(outcomes, &topic, &payload, link, job).await?;
                }
            }
            Ok(Ok(_)) => {}
            // The client reconnects by itself; a clean session needs its subscriptions again.
            Ok(Err(_)) => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                for topic in job.devices.iter().flat_map(DeviceName::up_topics) {
                    link.subscribe(&topic).await?;
                }
            }
        }
    }
    bars.iter().for_each(ProgressBar::abandon);
    Ok(())
}

fn tell(output: Output, device: Option<&DeviceName>, bar: Option<&ProgressBar>, state: &State) {
    let Some((device, bar)) = device.zip(bar) else { return };
    let (percent, text) = match state {
        State::Offered => (0, "offered".to_owned()),
        State::Progress(percent) => (*percent, String::new()),
        State::Done => (100, "done".to_owned()),
        State::Failed { code, reason } => (0, format!("failed ({code}): {reason}")),
    };
    if percent > 0 {
        bar.set_position(percent.into());
    }
    bar.set_message(text.clone());
    if output.is_json() || bar.is_hidden() {
        let event = json!({ "event": "report", "device": device.to_string(), "percent": percent, "text": text });
        // The result is one JSON document on standard output; reports on the way go to standard error.
        eprintln!("{}", if output.is_json() { event.to_string() } else { format!("{device} {percent} % {text}") });
    }
}

/// What came from the broker, as far as it matters here.
enum Seen {
    Connected,
    Subscribed,
    Published,
    Message(String, Vec<u8>),
    Other,
}

impl Seen {
    const fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }
    const fn is_subscribed(&self) -> bool {
        matches!(self, Self::Subscribed)
    }
}

/// One client of either version.
enum Link {
    V4(rumqttc::AsyncClient, Box<rumqttc::EventLoop>),
    V5(rumqttc::v5::AsyncClient, Box<rumqttc::v5::EventLoop>),
}

impl Link {
    fn connect(e: &Endpoint) -> Self {
        let id = format!("ota-push-{:08x}", rand::random::<u32>());
        let keep_alive = Duration::from_secs(30);
        match e.protocol {
            Protocol::V4 => {
                let mut options = rumqttc::MqttOptions::new(id, &e.host, e.port);
                options.set_keep_alive(keep_alive).set_max_packet_size(PACKET_MAX as usize, PACKET_MAX as usize);
                if let Some((user, password)) = &e.login {
                    options.set_credentials(user, password);
                }
                let (client, events) = rumqttc::AsyncClient::new(options, 256);
                Self::V4(client, Box::new(events))
            }
            Protocol::V5 => {
                let mut options = rumqttc::v5::MqttOptions::new(id, &e.host, e.port);
                options.set_keep_alive(keep_alive).set_max_packet_size(Some(PACKET_MAX));
                if let Some((user, password)) = &e.login {
                    options.set_credentials(user, password);
                }
                let (client, events) = rumqttc::v5::AsyncClient::new(options, 256);
                Self::V5(client, Box::new(events))
            }
        }
    }

    async fn subscribe(&mut self, topic: &str) -> Result<()> {
        match self {
            Self::V4(client, _) => client.subscribe(topic, rumqttc::QoS::AtLeastOnce).await?,
            Self::V5(client, _) => client.subscribe(topic, rumqttc::v5::mqttbytes::QoS::AtLeastOnce).await?,
        }
        Ok(())
    }

    async fn publish(&mut self, topic: &str, payload: String, retain: bool) -> Result<()> {
        match self {
            Self::V4(client, _) => client.publish(topic, rumqttc::QoS::AtLeastOnce, retain, payload).await?,
            Self::V5(client, _) => {
                client.publish(topic, rumqttc::v5::mqttbytes::QoS::AtLeastOnce, retain, payload).await?;
            }
        }
        Ok(())
    }

    async fn until(&mut self, wanted: impl Fn(&Seen) -> bool) -> Result<()> {
        while !wanted(&self.next().await?) {}
        Ok(())
    }

    async fn next(&mut self) -> Result<Seen> {
        Ok(match self {
            Self::V4(_, events) => match events.poll().await? {
                rumqttc::Event::Incoming(rumqttc::Packet::ConnAck(_)) => Seen::Connected,
                rumqttc::Event::Incoming(rumqttc::Packet::SubAck(_)) => Seen::Subscribed,
                rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_)) => Seen::Published,
                rumqttc::Event::Incoming(rumqttc::Packet::Publish(p)) => Seen::Message(p.topic, p.payload.to_vec()),
                _ => Seen::Other,
            },
            Self::V5(_, events) => match events.poll().await? {
                rumqttc::v5::Event::Incoming(packet) => match packet {
                    rumqttc::v5::mqttbytes::v5::Packet::ConnAck(_) => Seen::Connected,
                    rumqttc::v5::mqttbytes::v5::Packet::SubAck(_) => Seen::Subscribed,
                    rumqttc::v5::mqttbytes::v5::Packet::PubAck(_) => Seen::Published,
                    rumqttc::v5::mqttbytes::v5::Packet::Publish(p) => {
                        Seen::Message(String::from_utf8_lossy(&p.topic).into_owned(), p.payload.to_vec())
                    }
                    _ => Seen::Other,
                },
                rumqttc::v5::Event::Outgoing(_) => Seen::Other,
            },
        })
    }
}
