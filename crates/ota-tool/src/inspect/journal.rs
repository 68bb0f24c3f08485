//! The dump of a journal, read with the device's own code.

use super::{Found, version_json};
use crate::files;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use ota_boot::RollbackReason;
use ota_boot::record::{Image, Phase, RECORD_LEN, Record};
use ota_hal::{Flash, Journal, JournalError, Kind, Partition, Region, SlotId, crc};
use ota_service::records::{Field, describe};
use serde_json::{Map, Value, json};

/// Where the magic of a bank header is, in each of its copies.
const BANK_MAGIC: std::ops::Range<usize> = 8..12;
/// Write sizes of parts.
const WRITE_SIZES: [u32; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/// Most bytes of a record that nobody here knows which are shown.
const SHOWN: usize = 64;

/// Whether one of the two halves starts like a bank.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    [0, bytes.len() / 2].into_iter().flat_map(copies).any(|at| generation(bytes, at).is_some())
}

/// Where the copies of the header of the bank at `start` are, whatever the write size.
fn copies(start: usize) -> impl Iterator<Item = usize> {
    WRITE_SIZES.into_iter().filter(|size| *size >= 16).map(move |size| start + size as usize).chain([start])
}

fn generation(bytes: &[u8], at: usize) -> Option<u32> {
    let header = bytes.get(at..)?;
    (header.get(BANK_MAGIC)? == b"OTJ2").then_some(())?;
    header.get(12..16)?.try_into().ok().map(u32::from_le_bytes)
}

/// The generation of the bank at `start` by a copy of its header that is whole.
fn whole_generation(bytes: &[u8], start: usize) -> Option<u32> {
    copies(start).find_map(|at| whole_header(bytes, at))
}

fn whole_header(bytes: &[u8], start: usize) -> Option<u32> {
    let header: &[u8; 16] = bytes.get(start..)?.first_chunk()?;
    let (word, rest) = header.split_first_chunk::<4>()?;
    let (seal, name) = rest.split_first_chunk::<4>()?;
    let at = u32::try_from(start).ok()?.to_le_bytes();
    // Sealed with generation 0: the true one is not known before the header is read.
    let sum = [name, word, &at, &[0; 4]].iter().fold(crc::INIT, |sum, part| crc::update(sum, part));
    generation(bytes, start).filter(|_| !sum == u32::from_le_bytes(*seal))
}

/// Why a device would find no record here, when that is not because the journal is new.
fn no_bank(bytes: &[u8]) -> Option<&'static str> {
    let halves = [0, bytes.len() / 2];
    let erased = [0xFF, 0x00].iter().any(|e| bytes.iter().all(|b| b == e));
    if erased || halves.iter().any(|start| whole_generation(bytes, *start).is_some()) {
        None
    } else if looks_like(bytes) {
        Some("journal: the bank headers are damaged")
    } else {
        Some("journal: no bank in either half; these bytes are no journal, or what is left of one")
    }
}

/// Shows the banks and the latest record of each kind. The write size pads the records; when it is not given, the
/// one that finds most records is taken.
pub(super) fn inspect(bytes: &[u8], write_size: Option<u32>) -> Found {
    let (size, records) = match read(bytes, write_size) {
        Ok(read) => read,
        Err(problem) => return Found::broken(json!({ "kind": "journal, broken" }), problem),
    };
    let generations = [0, bytes.len() / 2].map(|start| whole_generation(bytes, start));
    let mut value = json!({
        "kind": "journal",
        "write_size": size,
        "bank_generations": generations,
    });
    let mut found = Map::new();
    let mut problems = Vec::new();
    for (kind, record) in &records {
        let name = format!("{kind:?}").to_lowercase();
        let shown = match kind {
            Kind::Boot => boot(record, &mut problems),
            // The device's secrets are in here.
            Kind::App => json!({ "bytes": record.len() }),
            _ => agents(*kind, record).unwrap_or_else(|| unknown(record)),
        };
        found.insert(name, shown);
    }
    // A bank also counts when its header was only begun.
    let no_bank = no_bank(bytes).filter(|_| records.is_empty());
    if !records.iter().any(|(kind, _)| *kind == Kind::Boot) {
        let state = match no_bank {
            None => "no record: as from the factory, slot A",
            Some(_) => "nothing readable; a device would start as if from the factory, with slot A and floor 0",
        };
        found.insert("boot".to_owned(), json!({ "state": state }));
    }
    if let Some(problem) = no_bank {
        value["kind"] = json!("journal, broken");
        problems.push(problem.to_owned());
    }
    value["records"] = Value::Object(found);
    Found { value, problems }
}

/// A record of the update agent, read with its own code. What is told several times becomes a list.
fn agents(kind: Kind, record: &[u8]) -> Option<Value> {
    let mut told = Map::new();
    let known = describe(kind, record, &mut |name, field| {
        let value = match field {
            Field::Number(number) => json!(number),
            Field::Text(text) => json!(text),
            Field::Bytes(bytes) => json!(files::hex(bytes)),
        };
        match told.get_mut(name) {
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = json!([first.take(), value]),
            None => drop(told.insert(name.to_owned(), value)),
        }
    });
    known.then_some(Value::Object(told))
}

/// A record that nobody here knows.
fn unknown(record: &[u8]) -> Value {
    json!({ "bytes": record.len(), "start": files::hex(record.get(..SHOWN).unwrap_or(record)) })
}

/// The boot record, for the flash view.
pub(super) fn boot_record(bytes: &[u8], write_size: Option<u32>) -> Record {
    let records = read(bytes, write_size).map(|(_, records)| records).unwrap_or_default();
    let boot = records.iter().find(|(kind, _)| *kind == Kind::Boot);
    boot.map_or(Record::FACTORY, |(_, bytes)| Record::decode(bytes))
}

fn boot(bytes: &[u8], problems: &mut Vec<String>) -> Value {
    if bytes.first() != Some(&1) || bytes.len() != RECORD_LEN {
        problems.push("boot record: unknown format, read as `confirmed`".to_owned());
    }
    let Record { home, floor, phase, image } = Record::decode(bytes);
    let mut value = json!({ "accepted_slot": slot_name(home), "security_floor": floor });
    let (state, rest) = match phase {
        Phase::Confirmed => ("confirmed", json!({})),
        Phase::Pending => ("pending", json!({})),
        Phase::Testing { attempts_left, last_reset } => {
            ("testing", json!({ "attempts_left": attempts_left, "last_reset": format!("{last_reset:?}") }))
        }
        Phase::GivenUp { reason, last_reset } => {
            ("given up", json!({ "reason": why(reason), "last_reset": format!("{last_reset:?}") }))
        }
        Phase::RolledBack { reason, last_reset } => {
            ("rolled back", json!({ "reason": why(reason), "last_reset": format!("{last_reset:?}") }))
        }
    };
    value["state"] = json!(state);
    super::merge(&mut value, rest);
    if let Some(Image { digest, security_counter, version }) = image {
        value["image"] = json!({
            "version": version_json(version),
            "security_counter": security_counter,
            "digest": files::hex(&digest),
        });
    }
    value
}

fn why(reason: RollbackReason) -> String {
    match reason {
        RollbackReason::Unknown(n) => format!("number {n}, not known here"),
        RollbackReason::AttemptsUsedUp => "all trial starts used up".to_owned(),
        RollbackReason::ImageInvalid => "the staged image did not verify".to_owned(),
        RollbackReason::ActiveInvalid => "the running image stopped verifying".to_owned(),
        RollbackReason::GateFailed(gate) => format!("health gate {gate} failed"),
        RollbackReason::GateTimeout(gate) => format!("health gate {gate} timed out"),
        RollbackReason::Requested => "asked for".to_owned(),
    }
}

/// `A` or `B`.
pub(super) const fn slot_name(slot: SlotId) -> &'static str {
    match slot {
        SlotId::A => "A",
        SlotId::B => "B",
    }
}

type Records = Vec<(Kind, Vec<u8>)>;

fn read(bytes: &[u8], write_size: Option<u32>) -> Result<(u32, Records), String> {
    if let Some(size) = write_size {
        return read_sized(bytes, size).map(|records| (size, records));
    }
    let mut best: Result<(u32, Records), String> = Err("journal: not two equal banks".to_owned());
    for size in WRITE_SIZES {
        if let Ok(records) = read_sized(bytes, size) {
            let better = best.as_ref().map_or(true, |(_, known)| records.len() > known.len());
            if better {
                best = Ok((size, records));
            }
        }
    }
    best
}

fn read_sized(bytes: &[u8], write_size: u32) -> Result<Records, String> {
    match write_size {
        1 => records::<1>(bytes),
        2 => records::<2>(bytes),
        4 => records::<4>(bytes),
        8 => records::<8>(bytes),
        16 => records::<16>(bytes),
        32 => records::<32>(bytes),
        64 => records::<64>(bytes),
        128 => records::<128>(bytes),
        256 => records::<256>(bytes),
        512 => records::<512>(bytes),
        other => Err(format!("{other} is not a write size of any part; 1 to 512, a power of two")),
    }
}

fn records<const W: usize>(bytes: &[u8]) -> Result<Records, String> {
    let len = u32::try_from(bytes.len()).map_err(|_| "journal: larger than 4 GiB".to_owned())?;
    let region = Region::new(Dump::<W>(bytes), Partition::new(0, len));
    let mut journal = Journal::<_, 512>::mount_sized(region).map_err(|e| match e {
        JournalError::Layout => "journal: not two equal banks of whole sectors".to_owned(),
        other => format!("journal: {other:?}"),
    })?;
    let mut buf = vec![0; usize::from(u16::MAX)];
    let read = |kind| Some((kind, journal.read(kind, &mut buf).ok()??.to_vec()));
    Ok(Kind::ALL.into_iter().filter_map(read).collect())
}

/// A dump as read-only flash. What matters is its write size: records are padded to it.
struct Dump<'a, const W: usize>(&'a [u8]);

/// Nothing here writes, and the region checks bounds.
#[derive(Debug, Clone, Copy)]
struct ReadOnly;

impl NorFlashError for ReadOnly {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}
impl<const W: usize> ErrorType for Dump<'_, W> {
    type Error = ReadOnly;
}
impl<const W: usize> ReadNorFlash for Dump<'_, W> {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), ReadOnly> {
        let from = offset as usize;
        let source = from.checked_add(bytes.len()).and_then(|to| self.0.get(from..to)).ok_or(ReadOnly)?;
        bytes.copy_from_slice(source);
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.0.len()
    }
}
impl<const W: usize> NorFlash for Dump<'_, W> {
    const WRITE_SIZE: usize = W;
    const ERASE_SIZE: usize = W;
    fn erase(&mut self, _: u32, _: u32) -> Result<(), ReadOnly> {
        Err(ReadOnly)
    }
    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), ReadOnly> {
        Err(ReadOnly)
    }
}
impl<const W: usize> Flash for Dump<'_, W> {
    /// Real sectors are unknown and do not matter: each bank is taken as one.
    fn sector_at(&self, offset: u32) -> (u32, u32) {
        let bank = u32::try_from(self.0.len() / 2).unwrap_or(u32::MAX).max(1);
        (offset - offset % bank, bank)
    }
}
