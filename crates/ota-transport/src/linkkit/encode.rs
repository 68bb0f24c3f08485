//! Reports to messages.

use core::str;

use super::topic::join;
use super::{Identity, Linkkit, TOPIC_MAX, Topic, VERSION_MAX};
use crate::json::{Overflow, Writer};
use crate::{Component, FailStage, Report};

/// A buffer of this size holds any report but a [`Report::Tag`] with a long value.
pub const MESSAGE_MAX: usize = TOPIC_MAX + 416;

/// Failure texts are cut here: a report must not fail because its reason is long.
const TEXT_MAX: usize = 128;

/// Why a report could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It does not fit the buffer. A larger one helps.
    #[error("report larger than its buffer")]
    TooLarge,
    /// It names a sub-device that the codec was not told of.
    #[error("unknown sub-device")]
    UnknownDevice,
    /// A version text is empty, too long, or has a character that the platform does not allow.
    #[error("not a version text")]
    Version,
}

impl From<Overflow> for EncodeError {
    fn from(_: Overflow) -> Self {
        Self::TooLarge
    }
}

/// A message to publish, without retain, QoS 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'b> {
    /// Its topic.
    pub topic: &'b str,
    /// Its payload. Send these bytes and no more: the original counts a closing NUL in.
    pub payload: &'b str,
}

impl Linkkit<'_> {
    /// Writes `report` under message id `id` (see [`next_id`](Linkkit::next_id)).
    ///
    /// Progress of 0 percent is sent as 1, the dialect's least. A failure's text is cut to 128 bytes; an empty one is
    /// replaced by that of its stage.
    ///
    /// # Errors
    /// When it does not fit, or its component or version cannot be sent.
    pub fn encode<'b>(&self, report: &Report<'_>, id: u32, buf: &'b mut [u8]) -> Result<Message<'b>, EncodeError> {
        let (kind, identity) = self.address(report)?;
        let len = kind.write(identity, buf)?.len();
        let (topic, payload) = buf.split_at_mut_checked(len).ok_or(EncodeError::TooLarge)?;
        let topic = str::from_utf8(topic).map_err(|_| EncodeError::TooLarge)?;
        Ok(Message { topic, payload: payload_of(report, id, payload)? })
    }

    /// Topic and identity `report` is sent under; its content is checked too.
    pub(crate) fn address(&self, report: &Report<'_>) -> Result<(Topic, &Identity), EncodeError> {
        let (topic, device) = match report {
            Report::Version { version, .. } if !is_name(version, VERSION_MAX) => return Err(EncodeError::Version),
            Report::Version { component, .. } => (Topic::Inform, component.device),
            Report::Progress { component, .. } | Report::Failed { component, .. } => {
                (Topic::Progress, component.device)
            }
            Report::Query { component } => (Topic::Get, component.device),
            Report::Tag { .. } => (Topic::DeviceInfo, 0),
        };
        Ok((topic, self.identity(device).ok_or(EncodeError::UnknownDevice)?))
    }
}

/// The payload alone.
pub(crate) fn payload_of<'b>(report: &Report<'_>, id: u32, buf: &'b mut [u8]) -> Result<&'b str, Overflow> {
    let mut json = Writer::new(buf);
    json.begin(b'{').key("id").number_string(id);
    match report {
        Report::Version { component, version } => {
            json.key("params").begin(b'{').key("version").string(version);
            module(&mut json, component).end(b'}');
        }
        Report::Progress { component, percent } => {
            let percent = u32::from(*percent).clamp(1, 100);
            json.key("params").begin(b'{').key("step").number_string(percent);
            json.key("desc").string(if percent < 100 { "in progress" } else { "complete" });
            module(&mut json, component).end(b'}');
        }
        Report::Failed { component, stage, text } => {
            let (step, default) = failure(*stage);
            json.key("params").begin(b'{').key("step").string(step);
            json.key("desc").string(if text.is_empty() { default } else { cut(text) });
            module(&mut json, component).end(b'}');
        }
        Report::Query { component } => {
            json.key("version").string("1.0").key("params").begin(b'{');
            module(&mut json, component).end(b'}').key("method").string("thing.ota.firmware.get");
        }
        Report::Tag { key, value } => {
            json.key("version").string("1.0").key("params").begin(b'[').begin(b'{');
            json.key("attrKey").string(key).key("attrValue").string(value).end(b'}').end(b']');
            json.key("method").string("thing.deviceinfo.update");
        }
    }
    json.end(b'}');
    json.finish()
}

/// Names the module, unless it is the firmware.
fn module<'w, 'b>(json: &'w mut Writer<'b>, component: &Component<'_>) -> &'w mut Writer<'b> {
    if !component.module.is_empty() {
        json.key("module").string(component.module);
    }
    json
}

const fn failure(stage: FailStage) -> (&'static str, &'static str) {
    match stage {
        FailStage::Upgrade => ("-1", "upgrade failed"),
        FailStage::Download => ("-2", "download failed"),
        FailStage::Verify => ("-3", "verification failed"),
        FailStage::Burn => ("-4", "burn failed"),
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// 1 to `max` letters, digits, `.`, `-` and `_`: a version or a module name.
pub(super) fn is_name(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Writes the value of the tag [`AGENT_ID_KEY`](super::AGENT_ID_KEY), `OTA-RS-{version}-{transport}-{os}-{board}`, so
/// that the cloud can tell which agent a device runs.
///
/// # Errors
/// When it does not fit.
pub fn agent_id<'b>(
    version: &str,
    transport: &str,
    os: &str,
    board: &str,
    buf: &'b mut [u8],
) -> Result<&'b str, EncodeError> {
    Ok(join(&["OTA-RS-", version, "-", transport, "-", os, "-", board], buf)?)
}
