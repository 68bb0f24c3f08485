//! The Linkkit dialect over a borrowed `minimq` connection.
//!
//! # Sharing the connection
//! The application owns session, connection and broker login. It lends them to [`Mqtt`], and:
//! - messages that are not the agent's go to [`Application::on_message`];
//! - what [`Application::outgoing`] has is published while the agent waits for messages.
//!
//! # Buffers
//! - `rx` of the session must hold the largest offer with its topic: 4 KiB for URLs of 2 KiB and a cloud signature.
//!   A broker that ignores the announced limit and sends more ends the connection.
//! - `tx` of the session must hold a report: 512 bytes beside what the application keeps in flight.
//! - the [`Inbox`] keeps offers that come while a report waits for its acknowledgement: the size of the largest offer,
//!   more for several.

use embassy_futures::select::{Either, select};
use minimq::{
    Connection, Error, InboundPublish, Io, Op, PeerError, PubError, Publication, QoS, ReasonCode, ResourceError,
    SubscriptionOptions, ToPayload, TopicFilter,
};

use crate::json::Overflow;
use crate::linkkit::{EncodeError, Linkkit, TOPIC_MAX, Topic, decode::decode_payload, encode::payload_of};
use crate::{Event, OfferError, Report, Transport};

mod inbox;
pub use inbox::Inbox;

/// Something the application wants published, with QoS 1.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
}

/// The application's own use of the connection.
///
/// A closure `FnMut(&InboundPublish<'_>)` is an application that only listens.
pub trait Application {
    /// A message that is not for the agent.
    fn on_message(&mut self, message: &InboundPublish<'_>);

    /// Returns when there is something to publish; the same again until [`sent`](Self::sent) is called.
    ///
    /// # Cancellation
    /// Must be cancel-safe: the future is dropped whenever a message comes in.
    async fn outgoing(&mut self) -> Outgoing<'_> {
        core::future::pending().await
    }

    /// What [`outgoing`](Self::outgoing) returned is settled: `accepted` by the session, which repeats it until
    /// acknowledged, or too large for it.
    fn sent(&mut self, accepted: bool) {
        let _ = accepted;
    }
}

impl<F: FnMut(&InboundPublish<'_>)> Application for F {
    fn on_message(&mut self, message: &InboundPublish<'_>) {
        self(message);
    }
}

/// Why the link failed.
#[derive(Debug, thiserror::Error)]
pub enum MqttError<E> {
    /// The connection is gone: connect again and make a new [`Mqtt`]. The [`Inbox`] keeps what came in.
    #[error("connection lost")]
    Lost(#[source] Error<E>),
    /// The broker refuses this subscription or publication. The connection stays.
    #[error("broker refused")]
    Refused(ReasonCode),
    /// The report cannot be written, or does not fit the session's `tx` buffer. The connection stays.
    #[error("report cannot be sent")]
    Report(#[source] EncodeError),
}

/// The driver. Lives as long as one connection; codec and inbox live longer and are lent to each.
pub struct Mqtt<'d, 'c, 'buf, 'i, 'x, IO, A> {
    connection: &'d mut Connection<'c, 'buf, IO>,
    codec: &'d mut Linkkit<'i>,
    inbox: &'d mut Inbox<'x>,
    application: A,
}

impl<'d, 'c, 'buf, 'i, 'x, IO: Io, A: Application> Mqtt<'d, 'c, 'buf, 'i, 'x, IO, A> {
    /// Subscribes to what the cloud sends the device and its sub-devices, and returns when the broker has agreed.
    ///
    /// # Cancellation
    /// Call it again; subscribing twice is harmless.
    ///
    /// # Errors
    /// When the link is down or the broker refuses.
    pub async fn start(
        connection: &'d mut Connection<'c, 'buf, IO>,
        codec: &'d mut Linkkit<'i>,
        inbox: &'d mut Inbox<'x>,
        application: A,
    ) -> Result<Self, MqttError<IO::Error>> {
        let mut mqtt = Self { connection, codec, inbox, application };
        for device in 0..=u8::MAX {
            let Some(identity) = mqtt.codec.identity(device) else { break };
            let mut bufs = [[0; TOPIC_MAX]; Topic::INBOUND.len()];
            let [upgrade, reply] = &mut bufs;
            let filters = [
                filter(Topic::Upgrade.write(identity, upgrade).map_err(too_large)?),
                filter(Topic::GetReply.write(identity, reply).map_err(too_large)?),
            ];
            let op = mqtt.connection.subscribe(&filters, &[]).await.map_err(lost)?;
            mqtt.acknowledged(op).await?;
        }
        Ok(mqtt)
    }

    /// The connection, for operations of the application's own. Messages it takes from here are lost to the agent.
    pub fn connection(&mut self) -> &mut Connection<'c, 'buf, IO> {
        self.connection
    }

    /// Waits until the broker has acknowledged `op`.
    async fn acknowledged(&mut self, op: Op) -> Result<(), MqttError<IO::Error>> {
        while self.connection.is_pending(&op) {
            match self.pump().await {
                // The application's publication was refused, or one whose `send` was dropped.
                Err(MqttError::Refused(_)) if self.connection.is_pending(&op) => {}
                progress => progress?,
            }
        }
        if self.connection.is_complete(&op) { Ok(()) } else { Err(lost(Error::Disconnected)) }
    }

    /// What a failed step means: the broker may have refused one operation only.
    fn failure(&self, error: Error<IO::Error>) -> MqttError<IO::Error> {
        match error {
            Error::Peer(PeerError::Rejected(code)) if self.connection.is_connected() => MqttError::Refused(code),
            error => lost(error),
        }
    }

    /// One step of the connection. What comes in for the agent is put into the inbox.
    async fn pump(&mut self) -> Result<(), MqttError<IO::Error>> {
        match self.connection.poll().await {
            Ok(Some(message)) => match self.codec.device_of(message.topic()) {
                Some(device) => self.inbox.push(device, message.payload()),
                None => self.application.on_message(&message),
            },
            Ok(None) => {}
            Err(error) => return Err(self.failure(error)),
        }
        Ok(())
    }
}

impl<IO: Io, A: Application> Transport for Mqtt<'_, '_, '_, '_, '_, IO, A> {
    type Error = MqttError<IO::Error>;

    async fn recv<'b>(&mut self, buf: &'b mut [u8]) -> Result<Event<'b>, Self::Error> {
        let mut full = false;
        let taken = loop {
            if let Some(taken) = self.inbox.pop(buf) {
                break taken;
            }
            let outgoing = async {
                if full {
                    core::future::pending::<()>().await;
                }
                self.application.outgoing().await
            };
            match select(self.connection.poll(), outgoing).await {
                Either::First(Ok(Some(message))) => match self.codec.device_of(message.topic()) {
                    Some(device) => break inbox::copy(device, message.payload(), buf),
                    None => self.application.on_message(&message),
                },
                Either::First(Ok(None)) => full = false,
                Either::First(Err(error)) => match self.failure(error) {
                    // The application's publication was refused, or one whose `send` was dropped.
                    MqttError::Refused(_) => {}
                    error => return Err(error),
                },
                Either::Second(Outgoing { topic, payload }) => {
                    match publish(self.connection, topic, Payload::Bytes(payload)).await? {
                        Verdict::Full => full = true,
                        verdict => self.application.sent(!matches!(verdict, Verdict::TooLarge)),
                    }
                }
            }
        };
        Ok(match taken {
            Ok((device, len)) => match buf.get_mut(..len) {
                Some(payload) => decode_payload(device, payload),
                None => Event::Bad(OfferError::TooLarge),
            },
            Err(error) => Event::Bad(error),
        })
    }

    async fn send(&mut self, report: &Report<'_>) -> Result<(), Self::Error> {
        let id = self.codec.next_id();
        let mut topic = [0; TOPIC_MAX];
        let (kind, identity) = self.codec.address(report).map_err(MqttError::Report)?;
        let topic = kind.write(identity, &mut topic).map_err(too_large)?;
        loop {
            match publish(self.connection, topic, Payload::Report(report, id)).await? {
                Verdict::Accepted(op) => return self.acknowledged(op).await,
                Verdict::Gone => return Ok(()),
                Verdict::Full => match self.pump().await {
                    Err(MqttError::Refused(_)) => {}
                    progress => progress?,
                },
                Verdict::TooLarge => return Err(MqttError::Report(EncodeError::TooLarge)),
            }
        }
    }

    fn is_permanent(&self, error: &Self::Error) -> bool {
        matches!(error, MqttError::Report(_))
    }
}

/// What the session made of a publication.
enum Verdict {
    /// It repeats it until acknowledged.
    Accepted(Op),
    /// Sent with QoS 0, which is all the broker does.
    Gone,
    /// No room until something is acknowledged.
    Full,
    /// It will never fit.
    TooLarge,
}

/// One type for all that is published: the client library's code for it is there once.
enum Payload<'a> {
    Bytes(&'a [u8]),
    Report(&'a Report<'a>, u32),
}

impl ToPayload for Payload<'_> {
    type Error = Overflow;
    fn serialize(self, buf: &mut [u8]) -> Result<usize, Overflow> {
        match self {
            Self::Bytes(bytes) => {
                buf.get_mut(..bytes.len()).ok_or(Overflow)?.copy_from_slice(bytes);
                Ok(bytes.len())
            }
            Self::Report(report, id) => payload_of(report, id, buf).map(str::len),
        }
    }
}

async fn publish<IO: Io>(
    connection: &mut Connection<'_, '_, IO>,
    topic: &str,
    payload: Payload<'_>,
) -> Result<Verdict, MqttError<IO::Error>> {
    match connection.publish(Publication::new(topic, payload).qos(QoS::AtLeastOnce)).await {
        Ok(Some(op)) => Ok(Verdict::Accepted(op)),
        Ok(None) => Ok(Verdict::Gone),
        Err(PubError::Session(error)) if !connection.is_connected() => Err(lost(error)),
        Err(PubError::Session(Error::Resource(ResourceError::PacketTooLarge) | Error::InvalidRequest)) => {
            Ok(Verdict::TooLarge)
        }
        Err(PubError::Payload(_) | PubError::Session(Error::NotReady | Error::Resource(_))) => {
            // An empty session will not become emptier.
            let empty = connection.session().is_publish_quiescent();
            Ok(if empty { Verdict::TooLarge } else { Verdict::Full })
        }
        Err(PubError::Session(error)) => Err(lost(error)),
    }
}

fn filter(topic: &str) -> TopicFilter<'_> {
    TopicFilter::new(topic).options(SubscriptionOptions::default().maximum_qos(QoS::AtLeastOnce))
}

fn lost<E>(error: Error<E>) -> MqttError<E> {
    MqttError::Lost(error)
}

fn too_large<E>(_: Overflow) -> MqttError<E> {
    MqttError::Report(EncodeError::TooLarge)
}
