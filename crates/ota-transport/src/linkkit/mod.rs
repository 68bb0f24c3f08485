//! The Linkkit dialect of Alibaba Cloud IoT: a codec, usable over any MQTT client.
//!
//! Reading is tolerant, because the field is: `code` and ids come as numbers or strings, `signMethod` in any case,
//! [`decode`](Linkkit::decode) has the list. Writing is correct: unique string ids, escaped text, and no NUL after it.
//!
//! The dialect has no cancel message: [`Event::Cancel`](crate::Event::Cancel) never comes from here. A cloud that calls
//! a job off stops offering it, and the device learns of it from the answer to a query
//! ([`Event::NoUpdate`](crate::Event::NoUpdate)).
//!
//! # Source
//! Help pages and device SDK of Alibaba Cloud IoT Platform, OTA update over MQTT.

pub(crate) mod decode;
pub(crate) mod encode;
mod identity;
pub(crate) mod topic;

pub use encode::{EncodeError, MESSAGE_MAX, Message, agent_id};
pub use identity::{Identity, IdentityError};
pub use topic::{TOPIC_MAX, Topic};

use ota_hal::Entropy;

/// Key of the tag that names the update agent; [`agent_id`] makes its value.
pub const AGENT_ID_KEY: &str = "SYS_OTA_ID";

/// Longest version text, in bytes.
pub const VERSION_MAX: usize = 64;

/// Longest URL, in bytes.
pub const URL_MAX: usize = 2048;

/// The codec of one device and the sub-devices it speaks for.
///
/// # Examples
/// ```
/// use ota_transport::{Component, Event, Report, linkkit::{Identity, Linkkit, MESSAGE_MAX}};
/// # struct Rng;
/// # impl ota_hal::Entropy for Rng { fn next_u32(&mut self) -> u32 { 41 } }
/// let device = Identity::new("a1B2c3D4e5F", "lamp-7")?;
/// let mut linkkit = Linkkit::new(&device, &[], &mut Rng);
///
/// let mut buf = [0; MESSAGE_MAX];
/// let report = Report::Version { component: Component::default(), version: "1.0.0" };
/// let id = linkkit.next_id();
/// let message = linkkit.encode(&report, id, &mut buf)?;
/// assert_eq!(message.topic, "/ota/device/inform/a1B2c3D4e5F/lamp-7");
/// assert_eq!(message.payload, r#"{"id":"41","params":{"version":"1.0.0"}}"#);
///
/// let mut text = *br#"{"code":"1000","data":{},"id":1,"message":"success"}"#;
/// assert_eq!(linkkit.decode("/ota/device/upgrade/a1B2c3D4e5F/lamp-7", &mut text), Some(Event::NoUpdate));
/// assert_eq!(linkkit.decode("/application/lamp", &mut text), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Linkkit<'i> {
    device: &'i Identity,
    subs: &'i [Identity],
    next_id: u32,
}

impl<'i> Linkkit<'i> {
    /// A codec for `device`, whose messages are those of component device 0, and for the sub-devices `subs`, the first
    /// of which is component device 1. At most 255 of them take part.
    ///
    /// `entropy` gives the first message id, so that a restarted device does not repeat its last ones.
    pub fn new(device: &'i Identity, subs: &'i [Identity], entropy: &mut impl Entropy) -> Self {
        Self { device, subs, next_id: entropy.next_u32() }
    }

    /// Takes the next message id.
    pub const fn next_id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }

    /// Who component device `n` is.
    pub fn identity(&self, n: u8) -> Option<&'i Identity> {
        match n.checked_sub(1) {
            None => Some(self.device),
            Some(at) => self.subs.get(usize::from(at)),
        }
    }

    /// Which device a message on `topic` is for; `None` when it is none of ours.
    pub fn device_of(&self, topic: &str) -> Option<u8> {
        let mut buf = [0; TOPIC_MAX];
        for n in 0..=u8::MAX {
            let identity = self.identity(n)?;
            if Topic::INBOUND.into_iter().any(|inbound| inbound.write(identity, &mut buf) == Ok(topic)) {
                return Some(n);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
