//! What goes wrong without a power cut: flash that refuses, a sector that is stuck, a server or a cloud that misbehaves.

use crate::line::tear_named;
use crate::peers::{Cloud, Opening, Server};
use ota_download::Failure;
use ota_testkit::{Rng, Tear};
use std::fmt;
use std::str::FromStr;

/// One fault in a life that begins at the factory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// This write or erase, counted from the start, fails once after it got so far; the power stays.
    Fails(u64, Tear),
    /// This read fails once.
    Read(u64),
    /// This read and the one after it fail: a read is tried twice.
    Reads(u64),
    /// The sector with this number claims to do what it is told, and does nothing.
    Stuck(usize),
    /// The server does this, at this byte of the object or at the opening with this number.
    Server(Lie, u32),
    /// So many reports are acknowledged; then one more than that many are not, though they arrive.
    Deaf(u32),
}

/// What a server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// The connection breaks after so many bytes.
    Breaks,
    /// It falls silent after so many bytes.
    Stalls,
    /// The body ends after so many bytes as if that were all.
    Ends,
    /// One byte of the body is wrong, the first time.
    Flips,
    /// It breaks, and then holds another object under another validator, as if it had never been otherwise.
    Swaps,
    /// It breaks, and answers each range with the whole object.
    NoRanges,
    /// It breaks, and never says how long the object is.
    NoLength,
    /// It never stops to send.
    Endless,
    /// The opening with this number fails; the one with number 1 after the device has looked at its messages.
    Refuses(Failure),
    /// The opening with this number has no answer.
    Hangs,
}

const LIES: [(Lie, &str); 13] = [
    (Lie::Breaks, "breaks"),
    (Lie::Stalls, "stalls"),
    (Lie::Ends, "ends"),
    (Lie::Flips, "flips"),
    (Lie::Swaps, "swaps"),
    (Lie::NoRanges, "noranges"),
    (Lie::NoLength, "nolength"),
    (Lie::Endless, "endless"),
    (Lie::Hangs, "hangs"),
    (Lie::Refuses(Failure::Retry { after_ms: 0 }), "busy"),
    (Lie::Refuses(Failure::Retry { after_ms: 3_600_000 }), "inanhour"),
    (Lie::Refuses(Failure::Restart), "restart"),
    (Lie::Refuses(Failure::Permanent), "gone"),
];

/// How far an operation gets that fails while the power stays.
const PARTLY: [Tear; 3] = [Tear::Before, Tear::Units, Tear::After];

/// Bytes of an object at most of which each one is a place.
const PLACES: u32 = 2_600;
/// Of so many reads one fails once.
const SOME: usize = 16;

impl Lie {
    /// Whether it has a place among the bytes of the object; the others have a number of an opening.
    const fn is_placed(self) -> bool {
        !matches!(self, Self::Refuses(_) | Self::Hangs)
    }
}

/// What there is to go wrong in a life: writes and erases, reads, sectors, bytes of the object.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Writes and erases.
    pub operations: u64,
    /// Reads.
    pub reads: u64,
    /// Sectors.
    pub sectors: usize,
    /// Bytes of the object, as far as they are fetched.
    pub object: u32,
}

impl Trouble {
    /// Everything that can go wrong in a life of this extent; of a long object not each byte, of reads that fail once, which
    /// are made up for, some.
    pub fn all(extent: Extent) -> impl Iterator<Item = Self> {
        let fails = (0..extent.operations).flat_map(|op| PARTLY.map(|tear| Self::Fails(op, tear)));
        let lies = LIES.into_iter().flat_map(move |(lie, _)| {
            let (places, step) = if lie.is_placed() { (extent.object, extent.object / PLACES + 1) } else { (3, 1) };
            (0..places).step_by(step as usize).map(move |place| Self::Server(lie, place))
        });
        let stuck = (0..extent.sectors).map(Self::Stuck);
        let reads = (0..extent.reads).map(Self::Reads);
        fails
            .chain((0..extent.reads).step_by(SOME).map(Self::Read))
            .chain(reads)
            .chain(lies)
            .chain(stuck)
            .chain((0..4).map(Self::Deaf))
    }

    /// A failure of the flash somewhere in a life of this extent.
    pub fn any_of_flash(extent: Extent, rng: &mut Rng) -> Self {
        if rng.one_in(3) {
            let tear = PARTLY[rng.below(PARTLY.len() as u32) as usize];
            return Self::Fails(rng.below(extent.operations.max(1) as u32).into(), tear);
        }
        Self::Reads(rng.below(extent.reads.max(1) as u32).into())
    }

    /// Whether an update that is good may be given up for it; the device must say so, and the next one must work.
    #[must_use]
    pub const fn may_end_it(self) -> bool {
        !matches!(
            self,
            Self::Read(_)
                | Self::Deaf(_)
                | Self::Server(Lie::Breaks | Lie::Stalls | Lie::NoRanges | Lie::NoLength | Lie::Hangs, _)
                | Self::Server(Lie::Refuses(Failure::Retry { .. }), _)
        )
    }

    /// Whether it is the flash that fails: then a start may come to nothing, once.
    #[must_use]
    pub const fn is_of_flash(self) -> bool {
        !matches!(self, Self::Server(..) | Self::Deaf(_))
    }

    /// Whether it never ends.
    #[must_use]
    pub const fn stays(self) -> bool {
        matches!(self, Self::Stuck(_))
    }

    /// Prepares server and cloud; what is wrong with the flash is the caller's business. `other` is another object.
    pub(crate) fn prepare(self, server: &Server, cloud: &Cloud, other: &[u8]) {
        match self {
            Self::Deaf(reports) => {
                cloud.hears.set(reports);
                cloud.deaf.set(reports + 1);
            }
            Self::Server(lie, place) => lie.prepare(place, server, other),
            _ => {}
        }
    }
}

impl Lie {
    fn prepare(self, place: u32, server: &Server, other: &[u8]) {
        let mut script = server.script.borrow_mut();
        let (object, etag) = (server.object.borrow().clone(), "\"1\"");
        match self {
            Self::Breaks | Self::NoRanges | Self::NoLength | Self::Endless => script.push_back(Opening::Breaks(place)),
            Self::Stalls => script.push_back(Opening::Stalls(place)),
            Self::Ends => script.push_back(Opening::Ends(place)),
            Self::Flips => {
                let mut wrong = object.clone();
                wrong.iter_mut().skip(place as usize).take(1).for_each(|byte| *byte ^= 0x20);
                // The package's head and its payload are two openings.
                script.extend([Opening::Replaced(wrong.clone(), etag), Opening::Replaced(wrong, etag)]);
                script.push_back(Opening::Replaced(object, etag));
            }
            Self::Swaps => script.extend([Opening::Breaks(place), Opening::Replaced(other.to_vec(), "\"2\"")]),
            Self::Refuses(_) | Self::Hangs => {
                script.extend((0..place).map(|n| Opening::Breaks(300 * n)));
                script.push_back(match self {
                    Self::Refuses(failure) if place == 1 => Opening::FailsLate(failure),
                    Self::Refuses(failure) => Opening::Fails(failure),
                    _ => Opening::Hangs,
                });
            }
        }
        server.no_ranges.set(self == Self::NoRanges);
        server.no_length.set(self == Self::NoLength);
        server.endless.set(self == Self::Endless);
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails(op, tear) => write!(f, "fails:{op}:{}", tear.name()),
            Self::Read(read) => write!(f, "read:{read}"),
            Self::Reads(read) => write!(f, "reads:{read}"),
            Self::Stuck(sector) => write!(f, "stuck:{sector}"),
            Self::Deaf(reports) => write!(f, "deaf:{reports}"),
            Self::Server(lie, place) => {
                let name = LIES.iter().find(|(known, _)| known == lie).map_or("?", |(_, name)| name);
                write!(f, "{name}:{place}")
            }
        }
    }
}

impl FromStr for Trouble {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(':').collect();
        let unknown = || format!("{text} is neither a cut nor a trouble; --list shows them");
        let number = |word: &str| word.parse::<u32>().map_err(|_| format!("{text}: {word} is no number"));
        Ok(match words[..] {
            ["fails", op, tear] => Self::Fails(number(op)?.into(), tear_named(tear)?),
            ["read", read] => Self::Read(number(read)?.into()),
            ["reads", read] => Self::Reads(number(read)?.into()),
            ["stuck", sector] => Self::Stuck(number(sector)? as usize),
            ["deaf", reports] => Self::Deaf(number(reports)?),
            [name, place] => match LIES.iter().find(|(_, known)| *known == name) {
                Some((lie, _)) => Self::Server(*lie, number(place)?),
                None => return Err(unknown()),
            },
            _ => return Err(unknown()),
        })
    }
}

/// The names of all troubles.
pub fn names() -> impl Iterator<Item = &'static str> {
    ["fails", "read", "reads", "stuck", "deaf"].into_iter().chain(LIES.iter().map(|(_, name)| *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_is_read_as_it_was_written() {
        let extent = Extent { operations: 2, reads: 2, sectors: 2, object: 2 };
        let all: Vec<Trouble> = Trouble::all(extent).collect();
        assert_eq!(all.len(), 2 * 3 + 3 + 8 * 2 + 5 * 3 + 2 + 4);
        for trouble in all {
            assert_eq!(trouble.to_string().parse::<Trouble>().unwrap(), trouble);
        }
        for wrong in ["fails:1", "fails:1:bit", "lies:1", "read:x", "read"] {
            assert!(wrong.parse::<Trouble>().is_err(), "{wrong}");
        }
    }
}
