//! The record beside the job: how far it is, or what else was noted of it.
//!
//! ```text
//! Kind::Progress  0 version 1 │ tag 1 (stored) │ u64 id │ u32 durable bytes
//!                 0 version 1 │ tag 2 (gate)   │ u8 length, name of the gate that ended the trial
//!                 0 version 1 │ tag 3 (not started) │ u64 id, or 0: the loader was asked once more for the staged image
//!                 0 version 1 │ tag 4 (staging) │ first 8 bytes of the image's own digest
//! ```
//! All numbers are little-endian.

use crate::app::GATE_NAME_MAX;
use crate::codec::{Reader, Writer};

const RECORD_VERSION: u8 = 1;

/// The record beside the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress<'a> {
    /// So many bytes of this job's payload are durable.
    Stored { id: u64, durable: u32 },
    /// The gate that ended the trial; its number alone means nothing to the firmware that is returned to.
    Gate(&'a str),
    /// The loader passed over this job's staged image at a start, and was asked for it once more.
    NotStarted { id: u64 },
    /// The image of this digest is being staged for the job.
    Staging { digest: [u8; 8] },
}

/// Longest progress record.
pub(crate) const PROGRESS_MAX: usize = 3 + GATE_NAME_MAX;

impl<'a> Progress<'a> {
    pub(crate) fn encode<'b>(&self, buf: &'b mut [u8; PROGRESS_MAX]) -> Option<&'b [u8]> {
        let mut w = Writer::new(buf);
        w.u8(RECORD_VERSION)?;
        match self {
            Self::Stored { id, durable } => {
                w.u8(1)?;
                w.bytes(&id.to_le_bytes())?;
                w.u32(*durable)?;
            }
            Self::Gate(name) => {
                w.u8(2)?;
                w.short(name.as_bytes())?;
            }
            Self::Staging { digest } => {
                w.u8(4)?;
                w.bytes(digest)?;
            }
            Self::NotStarted { id } => {
                w.u8(3)?;
                w.bytes(&id.to_le_bytes())?;
            }
        }
        Some(w.finish())
    }
    pub(crate) fn decode(record: &'a [u8]) -> Option<Self> {
        let mut r = Reader(record);
        if r.u8()? != RECORD_VERSION {
            return None;
        }
        let progress = match r.u8()? {
            1 => Self::Stored { id: u64::from_le_bytes(r.array()?), durable: r.u32()? },
            2 => Self::Gate(r.short_text()?),
            4 => Self::Staging { digest: r.array()? },
            3 => Self::NotStarted { id: u64::from_le_bytes(r.array()?) },
            _ => return None,
        };
        r.is_empty().then_some(progress)
    }
}
