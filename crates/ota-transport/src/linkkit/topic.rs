//! Topic names.

use core::str;

use super::Identity;
use crate::json::Overflow;

/// Longest topic, in bytes.
pub const TOPIC_MAX: usize = 96;

const OTA: &str = "/ota/device/";
const SYS: &str = "/sys/";

/// What a topic is for. Each exists once per device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Up: the version that runs.
    Inform,
    /// Down: an offer.
    Upgrade,
    /// Up: percent, or why it failed.
    Progress,
    /// Up: is there an update?
    Get,
    /// Down: the answer to [`Topic::Get`].
    GetReply,
    /// Up: tags.
    DeviceInfo,
}

impl Topic {
    /// What a device subscribes to.
    pub const INBOUND: [Self; 2] = [Self::Upgrade, Self::GetReply];

    const ALL: [Self; 6] = [Self::Inform, Self::Upgrade, Self::Progress, Self::Get, Self::GetReply, Self::DeviceInfo];

    /// What stands before and after product key and device name.
    const fn affixes(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Inform => (OTA, "inform/", ""),
            Self::Upgrade => (OTA, "upgrade/", ""),
            Self::Progress => (OTA, "progress/", ""),
            Self::Get => (SYS, "", "/thing/ota/firmware/get"),
            Self::GetReply => (SYS, "", "/thing/ota/firmware/get_reply"),
            Self::DeviceInfo => (SYS, "", "/thing/deviceinfo/update"),
        }
    }

    /// Writes the topic of `identity` into `buf`; [`TOPIC_MAX`] bytes are enough for any.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn write<'b>(self, identity: &Identity, buf: &'b mut [u8]) -> Result<&'b str, Overflow> {
        let (root, verb, tail) = self.affixes();
        join(&[root, verb, identity.product_key(), "/", identity.device_name(), tail], buf)
    }

    /// Takes a topic apart: what it is for, product key, device name. For both sides of the link.
    ///
    /// The names are not checked beyond holding no `/`.
    pub fn parse(topic: &str) -> Option<(Self, &str, &str)> {
        Self::ALL.into_iter().find_map(|kind| {
            let (root, verb, tail) = kind.affixes();
            let names = topic.strip_prefix(root)?.strip_prefix(verb)?.strip_suffix(tail)?;
            let (product_key, device_name) = names.split_once('/')?;
            (!device_name.contains('/')).then_some((kind, product_key, device_name))
        })
    }
}

/// Writes one text behind the other.
pub(crate) fn join<'b>(parts: &[&str], buf: &'b mut [u8]) -> Result<&'b str, Overflow> {
    let mut len = 0;
    for part in parts {
        let end = len + part.len();
        buf.get_mut(len..end).ok_or(Overflow)?.copy_from_slice(part.as_bytes());
        len = end;
    }
    let text: &'b [u8] = buf;
    text.get(..len).and_then(|text| str::from_utf8(text).ok()).ok_or(Overflow)
}
