//! The dump of a whole flash: two slots and a journal.

use super::{Found, image, journal, unknown};
use crate::ids;
use crate::keys::KeyRing;
use anyhow::{Context, Result, bail};
use ota_boot::record::Phase;
use ota_hal::{Layout, Partition, SlotId};
use ota_verify::image::MAGIC;
use serde_json::json;

/// Where things are in a flash dump.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Layout of a flash dump")]
pub(super) struct LayoutArgs {
    /// A board whose layout is known
    #[arg(long, value_enum, conflicts_with_all = ["slot_a", "slot_b", "journal"])]
    board: Option<Board>,
    /// Slot A, for example 0x20000:0x30000 or 128K:192K
    #[arg(long, value_name = "START:LENGTH", requires_all = ["slot_b", "journal"])]
    slot_a: Option<String>,
    /// Slot B
    #[arg(long, value_name = "START:LENGTH", requires = "slot_a")]
    slot_b: Option<String>,
    /// Journal
    #[arg(long, value_name = "START:LENGTH", requires = "slot_a")]
    journal: Option<String>,
    /// Sector size the layout is checked against
    #[arg(long, default_value = "4K", value_parser = ids::number, value_name = "BYTES")]
    sector: u32,
    /// Write size of the part; the journal's records are padded to it [default: tried out]
    #[arg(long, value_parser = ids::number, value_name = "BYTES")]
    write_size: Option<u32>,
}

/// Boards of this project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Board {
    /// The process that is a device: 4 MiB, 4 MiB, 64 KiB
    Linux,
}

impl Board {
    const fn layout(self) -> Layout {
        const SLOT: u32 = 4 << 20;
        match self {
            Self::Linux => Layout::new(
                Partition::new(0, SLOT),
                Partition::new(SLOT, SLOT),
                Partition::new(2 * SLOT, 64 << 10),
                4096,
            ),
        }
    }
}

impl LayoutArgs {
    /// Whether the user said anything about it.
    pub(super) const fn is_given(&self) -> bool {
        self.board.is_some() || self.slot_a.is_some()
    }

    /// Whether a file of this size is a whole flash of a known board.
    pub(super) fn fits_board(&self, len: usize) -> bool {
        let journal = Board::Linux.layout().journal();
        len as u64 == u64::from(journal.start) + u64::from(journal.len)
    }

    /// The write size, if given.
    pub(super) const fn write_size(&self) -> Option<u32> {
        self.write_size
    }

    fn layout(&self) -> Result<Layout> {
        match (&self.slot_a, &self.slot_b, &self.journal) {
            (Some(a), Some(b), Some(journal)) => {
                let (a, b, journal) = (partition(a)?, partition(b)?, partition(journal)?);
                Layout::try_new(a, b, journal, self.sector)
                    .map_err(|e| anyhow::anyhow!("the layout is impossible: {e}"))
            }
            _ => Ok(self.board.unwrap_or(Board::Linux).layout()),
        }
    }
}

fn partition(text: &str) -> Result<Partition> {
    let Some((start, len)) = text.split_once(':') else {
        bail!("`{text}` is not START:LENGTH");
    };
    Ok(Partition::new(ids::number(start)?, ids::number(len)?))
}

/// Shows both slots and the journal. A slot that may be empty or half written is described, not counted as broken.
pub(super) fn inspect(bytes: &[u8], args: &LayoutArgs, ring: &KeyRing) -> Result<Found> {
    let layout = args.layout()?;
    let part = |p: Partition| {
        let (start, len) = (p.start as usize, p.len as usize);
        start.checked_add(len).and_then(|end| bytes.get(start..end)).with_context(|| {
            format!("the dump has {} bytes, but the layout needs {start:#x} to {:#x}", bytes.len(), start + len)
        })
    };
    let journal_bytes = part(layout.journal())?;
    let record = journal::boot_record(journal_bytes, args.write_size);
    let mut value = json!({ "kind": "flash" });
    let mut problems = Vec::new();
    for slot in [SlotId::A, SlotId::B] {
        let name = journal::slot_name(slot);
        let content = part(layout.slot(slot))?;
        let is_image = content.starts_with(&MAGIC.to_le_bytes());
        let found = if is_image { image::inspect(content, ring) } else { unknown_slot(content) };
        let mut shown = found.value;
        let staged = matches!(record.phase, Phase::Pending | Phase::Testing { .. });
        if slot == record.home || staged {
            problems.extend(found.problems.iter().map(|p| format!("slot {name}: {p}")));
        } else if !found.problems.is_empty() {
            shown["not_bootable_because"] = json!(found.problems);
        }
        value[format!("slot_{}", name.to_lowercase())] = shown;
    }
    let found = journal::inspect(journal_bytes, args.write_size);
    problems.extend(found.problems);
    value["journal"] = found.value;
    Ok(Found { value, problems })
}

fn unknown_slot(content: &[u8]) -> Found {
    let found = unknown(content);
    match found.problems.is_empty() {
        // An erased slot is fine, unless it is the one to start; the caller decides.
        true => Found { problems: vec!["erased".to_owned()], ..found },
        false => Found { problems: vec!["no image magic".to_owned()], ..found },
    }
}
