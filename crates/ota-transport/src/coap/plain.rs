//! Our own dialect.

use super::Dialect;
use crate::Report;
use crate::linkkit::topic::join;
use crate::linkkit::{EncodeError, Identity, Linkkit, Topic, encode::payload_of};
use ota_hal::Entropy;

/// One resource to observe, four to post to. Payloads are those of the Linkkit messages of the same meaning.
///
/// | Message | Request | Payload |
/// |---|---|---|
/// | offers | `GET /ota/offer/{pk}/{dn}`, Observe | the upgrade message; empty, or one without `data`, for none |
/// | [`Report::Version`] | `POST /ota/version/{pk}/{dn}` | `{"id":"7","params":{"version":"1.0.0"}}` |
/// | [`Report::Progress`], [`Report::Failed`] | `POST /ota/progress/{pk}/{dn}` | `{"id":"7","params":{"step":"35","desc":"in progress"}}` |
/// | [`Report::Query`] | `POST /ota/query/{pk}/{dn}` | as `thing/ota/firmware/get`; afterwards the offers are told once more |
/// | [`Report::Tag`] | `POST /ota/tag/{pk}/{dn}` | as `thing/deviceinfo/update` |
///
/// Of the answers to a POST only the code counts.
#[derive(Debug)]
pub struct Plain<'i> {
    codec: Linkkit<'i>,
}

impl<'i> Plain<'i> {
    /// The dialect of one device; `entropy` gives the first message id.
    pub fn new(device: &'i Identity, entropy: &mut impl Entropy) -> Self {
        Self { codec: Linkkit::new(device, &[], entropy) }
    }
}

impl Dialect for Plain<'_> {
    const OBSERVED: bool = true;

    fn next_id(&mut self) -> u32 {
        self.codec.next_id()
    }

    fn path<'b>(&self, report: &Report<'_>, buf: &'b mut [u8]) -> Result<&'b str, EncodeError> {
        let (topic, identity) = self.codec.address(report)?;
        let kind = match topic {
            Topic::Progress => "progress",
            Topic::Get => "query",
            Topic::DeviceInfo => "tag",
            _ => "version",
        };
        under(kind, identity, buf)
    }

    fn payload<'b>(&self, report: &Report<'_>, id: u32, buf: &'b mut [u8]) -> Result<&'b str, EncodeError> {
        Ok(payload_of(report, id, buf)?)
    }

    fn offers<'b>(&self, buf: &'b mut [u8]) -> Result<&'b str, EncodeError> {
        under("offer", self.codec.identity(0).ok_or(EncodeError::UnknownDevice)?, buf)
    }

    fn asks(_: &Report<'_>) -> bool {
        false
    }
}

fn under<'b>(kind: &str, identity: &Identity, buf: &'b mut [u8]) -> Result<&'b str, EncodeError> {
    Ok(join(&["/ota/", kind, "/", identity.product_key(), "/", identity.device_name()], buf)?)
}
