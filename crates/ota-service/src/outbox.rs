//! The outbox: outcomes that the other side must hear of, kept across resets until it acknowledged them.
//!
//! ```text
//! Kind::Outbox   version 1 │ flags (bit 0: the present rollback is in here or was reported) │ count 0..=2 │
//!                each entry: u64 job id, 0 for none │ stage │ device │ u8 length, module │ u8 length, text
//! ```

use crate::codec::{Reader, Writer};
use crate::job::MODULE_MAX;
use heapless::{String, Vec};
use ota_transport::{Component, FailStage, Report};

/// A report text; longer ones are cut.
pub(crate) type Text = String<96>;

/// One outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The job that is over with this outcome; 0 when none is, or the same offer was taken again since.
    pub(crate) job: u64,
    pub(crate) stage: FailStage,
    pub(crate) device: u8,
    pub(crate) module: String<MODULE_MAX>,
    pub(crate) text: Text,
}

impl Entry {
    pub(crate) fn new(job: u64, component: Component<'_>, stage: FailStage, text: &[&str]) -> Self {
        let mut module = String::new();
        push(&mut module, component.module);
        Self { job, stage, device: component.device, module, text: join(text) }
    }
    pub(crate) fn report(&self) -> Report<'_> {
        let component = Component { device: self.device, module: &self.module };
        Report::Failed { component, stage: self.stage, text: &self.text }
    }
}

/// The whole record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outbox {
    /// The boot loader's present rollback state was taken note of; cleared by the next staging.
    pub(crate) rollback_seen: bool,
    pub(crate) entries: Vec<Entry, 2>,
}

/// Longest record.
pub(crate) const OUTBOX_MAX: usize = 3 + 2 * (12 + MODULE_MAX + 96);
const RECORD_VERSION: u8 = 1;

impl Outbox {
    /// Adds an outcome. The oldest stays, because it may be on its way; of several newer ones the last stays.
    /// False when it is in there already.
    pub(crate) fn add(&mut self, entry: Entry) -> bool {
        if self.entries.contains(&entry) {
            return false;
        }
        if let Err(entry) = self.entries.push(entry) {
            self.entries.pop();
            let _ = self.entries.push(entry);
        }
        true
    }
    /// Whether the record says anything at all.
    pub(crate) fn is_void(&self) -> bool {
        !self.rollback_seen && self.entries.is_empty()
    }
    pub(crate) fn encode<'b>(&self, buf: &'b mut [u8; OUTBOX_MAX]) -> Option<&'b [u8]> {
        let mut w = Writer::new(buf);
        w.bytes(&[RECORD_VERSION, self.rollback_seen.into(), u8::try_from(self.entries.len()).ok()?])?;
        for entry in &self.entries {
            w.bytes(&entry.job.to_le_bytes())?;
            w.bytes(&[entry.stage as u8, entry.device])?;
            w.short(entry.module.as_bytes())?;
            w.short(entry.text.as_bytes())?;
        }
        Some(w.finish())
    }
    pub(crate) fn decode(record: &[u8]) -> Option<Self> {
        let mut r = Reader(record);
        let [version, flags, count] = r.array()?;
        if version != RECORD_VERSION || flags > 1 {
            return None;
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            let (job, report) = entry(&mut r)?;
            let Report::Failed { component, stage, text } = report else { return None };
            let module = String::try_from(component.module).ok()?;
            let text = String::try_from(text).ok()?;
            entries.push(Entry { job, stage, device: component.device, module, text }).ok()?;
        }
        r.is_empty().then_some(Self { rollback_seen: flags == 1, entries })
    }
}

/// The first outcome of a record, borrowed from it.
pub(crate) fn first(record: &[u8]) -> Option<Report<'_>> {
    let mut r = Reader(record);
    let [_, _, count] = r.array()?;
    if count == 0 { None } else { entry(&mut r).map(|(_, report)| report) }
}

fn entry<'b>(r: &mut Reader<'b>) -> Option<(u64, Report<'b>)> {
    let job = u64::from_le_bytes(r.array()?);
    let [stage, device] = r.array()?;
    let stage = match stage {
        1 => FailStage::Upgrade,
        2 => FailStage::Download,
        3 => FailStage::Verify,
        4 => FailStage::Burn,
        _ => return None,
    };
    let module = r.short_text()?;
    let text = r.short_text()?;
    Some((job, Report::Failed { component: Component { device, module }, stage, text }))
}

/// Joins the parts as far as they fit.
pub(crate) fn join(parts: &[&str]) -> Text {
    let mut text = Text::new();
    for part in parts {
        push(&mut text, part);
    }
    text
}

/// Appends as many whole characters as fit.
pub(crate) fn push<const N: usize>(text: &mut String<N>, part: &str) {
    let mut room = (N - text.len()).min(part.len());
    while !part.is_char_boundary(room) {
        room -= 1;
    }
    let _ = text.push_str(part.get(..room).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(text: &str) -> Entry {
        Entry::new(7, Component { device: 1, module: "m" }, FailStage::Verify, &["refused: ", text])
    }

    #[test]
    fn the_oldest_stays_and_the_newest_replaces_the_one_between() {
        let mut outbox = Outbox::default();
        assert!(outbox.is_void());
        assert!(outbox.add(entry("a")) && outbox.add(entry("b")));
        assert!(!outbox.add(entry("a")), "no duplicates");
        assert!(outbox.add(entry("c")));
        assert_eq!(outbox.entries, [entry("a"), entry("c")]);
    }

    #[test]
    fn round_trip_at_full_size() {
        let long = "x".repeat(200);
        let module = "m".repeat(MODULE_MAX);
        let big = |text| Entry::new(7, Component { device: 1, module: &module }, FailStage::Burn, &[text, &long]);
        let mut outbox = Outbox { rollback_seen: true, entries: Vec::new() };
        outbox.add(big("1"));
        outbox.add(big("2"));
        let mut buf = [0; OUTBOX_MAX];
        let bytes = outbox.encode(&mut buf).unwrap();
        assert_eq!(bytes.len(), OUTBOX_MAX);
        assert_eq!(Outbox::decode(bytes).as_ref(), Some(&outbox));
        assert_eq!(first(bytes), Some(outbox.entries[0].report()));
        assert_eq!(Outbox::decode(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = join(&[&"a".repeat(95), "é"]);
        assert_eq!(text.len(), 95);
    }

    proptest! {
        #[test]
        fn decoding_is_total(bytes: std::vec::Vec<u8>) {
            if let Some(outbox) = Outbox::decode(&bytes) {
                let mut buf = [0; OUTBOX_MAX];
                let again = Outbox::decode(outbox.encode(&mut buf).unwrap());
                prop_assert_eq!(again, Some(outbox));
            }
        }
    }
}
