//! One client of MQTT 5 or 3.1.1: the same few operations on both.

use anyhow::{Result, anyhow, bail};
use std::fmt;
use std::time::Duration;

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

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
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

/// What came from the broker, as far as it matters here.
pub(super) enum Seen {
    Connected,
    Subscribed,
    Published,
    Message(String, Vec<u8>),
    Other,
}

impl Seen {
    pub(super) const fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }
    pub(super) const fn is_subscribed(&self) -> bool {
        matches!(self, Self::Subscribed)
    }
}

/// One client of either version.
pub(super) enum Link {
    V4(rumqttc::AsyncClient, Box<rumqttc::EventLoop>),
    V5(rumqttc::v5::AsyncClient, Box<rumqttc::v5::EventLoop>),
}

impl Link {
    pub(super) fn connect(e: &Endpoint) -> Self {
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

    pub(super) async fn subscribe(&mut self, topic: &str) -> Result<()> {
        match self {
            Self::V4(client, _) => client.subscribe(topic, rumqttc::QoS::AtLeastOnce).await?,
            Self::V5(client, _) => client.subscribe(topic, rumqttc::v5::mqttbytes::QoS::AtLeastOnce).await?,
        }
        Ok(())
    }

    pub(super) async fn publish(&mut self, topic: &str, payload: String, retain: bool) -> Result<()> {
        match self {
            Self::V4(client, _) => client.publish(topic, rumqttc::QoS::AtLeastOnce, retain, payload).await?,
            Self::V5(client, _) => {
                client.publish(topic, rumqttc::v5::mqttbytes::QoS::AtLeastOnce, retain, payload).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn until(&mut self, wanted: impl Fn(&Seen) -> bool) -> Result<()> {
        while !wanted(&self.next().await?) {}
        Ok(())
    }

    pub(super) async fn next(&mut self) -> Result<Seen> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_addresses() {
        let parse = |url| Endpoint::parse(url, Protocol::V5).map(|e| (e.to_string(), e.login));
        assert_eq!(parse("mqtt://h").unwrap(), ("h:1883".to_owned(), None));
        assert_eq!(parse("h:1884").unwrap().0, "h:1884");
        assert_eq!(parse("mqtt://[::1]:7").unwrap().0, "::1:7");
        let login = Some(("u".to_owned(), "p@w:x".to_owned()));
        assert_eq!(parse("mqtt://u:p@w:x@h:9").unwrap(), ("h:9".to_owned(), login));
        for bad in ["mqtt://", "mqtt://h:99999", "mqtts://h", "mqtt://h:"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
