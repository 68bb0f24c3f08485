//! The dialect of Alibaba Cloud IoT over CoAP, as far as it is known.

use super::Dialect;
use crate::json::Writer;
use crate::linkkit::topic::join;
use crate::linkkit::{EncodeError, Identity, Linkkit, TOPIC_MAX, Topic, VERSION_MAX, encode::payload_of};
use crate::{Component, Report};
use heapless::String;
use ota_hal::Entropy;

/// A device asks, and the answer is the offer: there is no push.
///
/// | Report | Request | Payload |
/// |---|---|---|
/// | `Version`, `Query`, and every [`poll_every_ms`](super::CoapConfig::poll_every_ms) | `POST /topic/ota/device/request/{pk}/{dn}` | `{"id":7,"params":{"mode":"coap","version":"1.0.0"}}` |
/// | `Progress`, `Failed` | `POST /topic/ota/device/progress/{pk}/{dn}` | as over MQTT |
/// | `Tag` | `POST /topic/sys/{pk}/{dn}/thing/deviceinfo/update` | as over MQTT |
///
/// The response to the first is the upgrade message, in one datagram, or empty. A question before the version was
/// reported (an image on trial holds it back) has no member `version`.
///
/// # Not known, and not here
/// The token that the platform wants from those who come without DTLS (from `/auth`, with encrypted payloads): the
/// public sources do not say enough of it. What the platform answers when there is no offer: an empty payload, and a
/// message without `data`, are both taken for that. The original's version 3 never compiled, and today's platform offers
/// updates over MQTT only; so this dialect is for servers that still speak it. It was tested against
/// `ota serve` alone (`crates/ota-tool/tests/linkkit_coap.rs`).
///
/// # Source
/// `ota_transport_coap.c` of the original, version 2 (paths, payload, answer); the platform's pages on CoAP (`/topic/`
/// before each topic).
#[derive(Debug)]
pub struct LinkkitCoap<'i> {
    codec: Linkkit<'i>,
    version: String<VERSION_MAX>,
}

impl<'i> LinkkitCoap<'i> {
    /// The dialect of one device; `entropy` gives the first message id.
    pub fn new(device: &'i Identity, entropy: &mut impl Entropy) -> Self {
        Self { codec: Linkkit::new(device, &[], entropy), version: String::new() }
    }
}

impl Dialect for LinkkitCoap<'_> {
    const OBSERVED: bool = false;

    fn next_id(&mut self) -> u32 {
        self.codec.next_id()
    }

    fn path<'b>(&self, report: &Report<'_>, buf: &'b mut [u8]) -> Result<&'b str, EncodeError> {
        let (topic, identity) = self.codec.address(report)?;
        if matches!(topic, Topic::Inform | Topic::Get) {
            let parts = ["/topic/ota/device/request/", identity.product_key(), "/", identity.device_name()];
            return Ok(join(&parts, buf)?);
        }
        let mut text = [0; TOPIC_MAX];
        Ok(join(&["/topic", topic.write(identity, &mut text)?], buf)?)
    }

    fn payload<'b>(&self, report: &Report<'_>, id: u32, buf: &'b mut [u8]) -> Result<&'b str, EncodeError> {
        let (component, version) = match report {
            Report::Version { component, version } => (component, *version),
            Report::Query { component } => (component, self.version.as_str()),
            _ => return Ok(payload_of(report, id, buf)?),
        };
        let mut json = Writer::new(buf);
        json.begin(b'{').key("id").number(id).key("params").begin(b'{').key("mode").string("coap");
        if !version.is_empty() {
            json.key("version").string(version);
        }
        if !component.module.is_empty() {
            json.key("module").string(component.module);
        }
        json.end(b'}').end(b'}');
        Ok(json.finish()?)
    }

    fn offers<'b>(&self, _: &'b mut [u8]) -> Result<&'b str, EncodeError> {
        Ok("")
    }

    fn asks(report: &Report<'_>) -> bool {
        matches!(report, Report::Version { .. } | Report::Query { .. })
    }

    fn sent(&mut self, report: &Report<'_>) {
        if let Report::Version { component, version } = report
            && *component == Component::default()
        {
            // Cannot fail: its length was checked with the path.
            self.version = String::try_from(*version).unwrap_or_default();
        }
    }
}
