//! One client of MQTT 5 or 3.1.1: the same few operations on both. It never waits for room: the caller keeps fewer
//! messages under way than fit.

use super::endpoint::{Endpoint, Protocol};
use rumqttc::v5;
use rumqttc::v5::mqttbytes::v5 as packet5;
use std::time::Duration;

/// Largest message taken from a broker.
const PACKET_MAX: u32 = 256 << 10;
/// Requests that may wait for the connection; more than the caller ever has under way.
const QUEUE: usize = 256;

/// What came from the broker, as far as it matters here.
pub(super) enum Seen {
    Connected,
    /// For each filter of the oldest unanswered subscription, why it was refused, if it was.
    Subscribed(Vec<Option<String>>),
    /// The oldest message that was not sent yet now is, under this packet id.
    Sent(u16),
    /// What the broker says to the message of that packet id.
    Published(u16, Verdict),
    Message(String, Vec<u8>),
    Other,
}

/// The broker's answer to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    /// Accepted, but nobody has subscribed to the topic (MQTT 5 tells).
    NobodyListens,
    Refused(String),
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// It broke or could not be made; it may come back.
    Lost(String),
    /// The broker does not want us; the text says what to do.
    Refused(String),
}

/// One client of either version.
pub(super) enum Link {
    V4(rumqttc::AsyncClient, Box<rumqttc::EventLoop>),
    V5(v5::AsyncClient, Box<v5::EventLoop>),
}

impl Link {
    /// Connects at the first [`Link::next`].
    pub(super) fn new(e: &Endpoint) -> Self {
        let id = format!("ota-push-{:08x}", rand::random::<u32>());
        let keep_alive = Duration::from_secs(30);
        let tls = e.tls.clone().map(|tls| rumqttc::Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(tls)));
        match e.protocol {
            Protocol::V4 => {
                let mut options = rumqttc::MqttOptions::new(id, &e.host, e.port);
                options.set_keep_alive(keep_alive).set_max_packet_size(PACKET_MAX as usize, PACKET_MAX as usize);
                options.set_transport(tls.unwrap_or_default());
                if let Some((user, password)) = &e.login {
                    options.set_credentials(user, password);
                }
                let (client, events) = rumqttc::AsyncClient::new(options, QUEUE);
                Self::V4(client, Box::new(events))
            }
            Protocol::V5 => {
                let mut options = v5::MqttOptions::new(id, &e.host, e.port);
                options.set_keep_alive(keep_alive).set_max_packet_size(Some(PACKET_MAX));
                options.set_transport(tls.unwrap_or_default());
                if let Some((user, password)) = &e.login {
                    options.set_credentials(user, password);
                }
                let (client, events) = v5::AsyncClient::new(options, QUEUE);
                Self::V5(client, Box::new(events))
            }
        }
    }

    /// Asks for all of `filters` in one packet. Fails when too much is under way already.
    pub(super) fn subscribe(&self, filters: &[String]) -> bool {
        let filters = filters.iter().cloned();
        match self {
            Self::V4(client, _) => {
                let filter = |f| rumqttc::SubscribeFilter::new(f, rumqttc::QoS::AtLeastOnce);
                client.try_subscribe_many(filters.map(filter)).is_ok()
            }
            Self::V5(client, _) => {
                let filter = |f: String| packet5::Filter::new(f, v5::mqttbytes::QoS::AtLeastOnce);
                client.try_subscribe_many(filters.map(filter)).is_ok()
            }
        }
    }

    /// Sends with QoS 1. Fails when too much is under way already.
    pub(super) fn publish(&self, topic: &str, payload: String, retain: bool) -> bool {
        match self {
            Self::V4(client, _) => client.try_publish(topic, rumqttc::QoS::AtLeastOnce, retain, payload).is_ok(),
            Self::V5(client, _) => client.try_publish(topic, v5::mqttbytes::QoS::AtLeastOnce, retain, payload).is_ok(),
        }
    }

    /// The next thing that happens. After [`Broken::Lost`] it connects anew; what was under way is forgotten.
    pub(super) async fn next(&mut self) -> Result<Seen, Broken> {
        match self {
            Self::V4(_, events) => match events.poll().await {
                Ok(event) => Ok(seen_v4(event)),
                Err(e) => {
                    events.state.events.clear();
                    Err(broken_v4(&e))
                }
            },
            Self::V5(_, events) => match events.poll().await {
                Ok(event) => Ok(seen_v5(event)),
                Err(e) => {
                    events.state.events.clear();
                    Err(broken_v5(&e))
                }
            },
        }
    }
}

fn seen_v4(event: rumqttc::Event) -> Seen {
    use rumqttc::{Event, Outgoing, Packet, SubscribeReasonCode};
    match event {
        Event::Incoming(Packet::ConnAck(_)) => Seen::Connected,
        Event::Incoming(Packet::SubAck(ack)) => {
            let failed = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Failure);
            Seen::Subscribed(ack.return_codes.iter().map(|c| failed(c).then(|| "Failure".to_owned())).collect())
        }
        Event::Incoming(Packet::PubAck(ack)) => Seen::Published(ack.pkid, Verdict::Accepted),
        Event::Incoming(Packet::Publish(p)) => Seen::Message(p.topic, p.payload.to_vec()),
        Event::Outgoing(Outgoing::Publish(id)) => Seen::Sent(id),
        _ => Seen::Other,
    }
}

fn seen_v5(event: v5::Event) -> Seen {
    use packet5::{Packet, PubAckReason, SubscribeReasonCode};
    match event {
        v5::Event::Incoming(Packet::ConnAck(_)) => Seen::Connected,
        v5::Event::Incoming(Packet::SubAck(ack)) => {
            let failed = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(_) => None,
                other => Some(format!("{other:?}")),
            };
            Seen::Subscribed(ack.return_codes.iter().map(failed).collect())
        }
        v5::Event::Incoming(Packet::PubAck(ack)) => {
            let verdict = match ack.reason {
                PubAckReason::Success => Verdict::Accepted,
                PubAckReason::NoMatchingSubscribers => Verdict::NobodyListens,
                other => Verdict::Refused(format!("{other:?}")),
            };
            Seen::Published(ack.pkid, verdict)
        }
        v5::Event::Incoming(Packet::Publish(p)) => {
            Seen::Message(String::from_utf8_lossy(&p.topic).into_owned(), p.payload.to_vec())
        }
        v5::Event::Outgoing(rumqttc::Outgoing::Publish(id)) => Seen::Sent(id),
        _ => Seen::Other,
    }
}

fn broken_v4(e: &rumqttc::ConnectionError) -> Broken {
    use rumqttc::ConnectionError as E;
    match e {
        E::ConnectionRefused(code) => refused(&format!("{code:?}")),
        E::Tls(e) => tls(e),
        other => Broken::Lost(other.to_string()),
    }
}

fn broken_v5(e: &v5::ConnectionError) -> Broken {
    use v5::{ConnectionError as E, StateError as S};
    match e {
        E::ConnectionRefused(code) => refused(&format!("{code:?}")),
        E::MqttState(S::ConnFail { reason }) => refused(&format!("{reason:?}")),
        E::MqttState(S::ServerDisconnect { reason_code, .. }) => refused(&format!("{reason_code:?}")),
        E::Tls(e) => tls(e),
        other => Broken::Lost(other.to_string()),
    }
}

/// What to do about a code of CONNACK or of the broker's DISCONNECT.
fn refused(code: &str) -> Broken {
    let advice = match code {
        "BadUserNamePassword" | "NotAuthorized" | "Banned" | "BadAuthenticationMethod" => {
            "check USER:PASSWORD in --broker, or OTA_MQTT_PASSWORD, and what this user may do"
        }
        "RefusedProtocolVersion" | "UnsupportedProtocolVersion" => "try the other --protocol",
        "UseAnotherServer" | "ServerMoved" => "name the other server with --broker",
        "TopicNameInvalid" | "TopicFilterInvalid" => "it does not take the names of these devices as topics",
        "BadClientId" | "ClientIdentifierNotValid" => "it wants other client ids than `ota-push-...`",
        "RetainNotSupported" => "push without --retain",
        // Busy, restarting, rate exceeded, ...: may pass.
        _ => return Broken::Lost(format!("the broker ended the connection ({code})")),
    };
    Broken::Refused(format!("the broker refuses the connection ({code}): {advice}"))
}

fn tls(e: &rumqttc::TlsError) -> Broken {
    match e {
        // Timeouts and resets are no judgement; a handshake that fails is `InvalidData`.
        rumqttc::TlsError::Io(e) if e.kind() != std::io::ErrorKind::InvalidData => Broken::Lost(format!("TLS: {e}")),
        e => Broken::Refused(format!(
            "TLS with the broker fails ({e}): give --ca FILE with the authority that signed its certificate, and the \
             host name that stands in it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_may_not_says_what_to_do() {
        assert!(matches!(refused("ServerBusy"), Broken::Lost(_)));
        for (code, advice) in
            [("BadUserNamePassword", "OTA_MQTT_PASSWORD"), ("UnsupportedProtocolVersion", "--protocol")]
        {
            assert!(matches!(refused(code), Broken::Refused(text) if text.contains(advice)), "{code}");
        }
    }
}
