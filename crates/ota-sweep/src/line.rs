//! One scenario as one line, which replays it.

use crate::Story;
use crate::geometry::{GEOMETRIES, Geometry};
use crate::scenario::Cut;
use crate::trouble::Trouble;
use ota_testkit::Tear;
use std::fmt;
use std::str::FromStr;

/// `GEOMETRY/STORY/PAST/OP:TEAR:SEED`, and for a second cut `/OP:TEAR:SEED` of the life after the first one; or
/// `GEOMETRY/STORY/PAST/TROUBLE`, a life with another fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of the geometry.
    pub geometry: usize,
    /// The story.
    pub story: Story,
    /// The device's past, see [`crate::scenario::factory`].
    pub past: u8,
    /// What goes wrong in the first life, if it is not cut.
    pub trouble: Option<Trouble>,
    /// The cuts, one for each life but the last.
    pub cuts: Vec<Cut>,
}

/// Every tear. The seeds of random ones follow from the order.
pub const TEARS: [Tear; 10] = [
    Tear::Before,
    Tear::Prefix,
    Tear::Suffix,
    Tear::AllButLast,
    Tear::Units,
    Tear::Bits,
    Tear::FewBitsLeft,
    Tear::Unstable,
    Tear::FewUnstable,
    Tear::After,
];

impl Line {
    /// The geometry itself.
    #[must_use]
    pub fn part(&self) -> &'static Geometry {
        GEOMETRIES.get(self.geometry).unwrap_or(&GEOMETRIES[0])
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.part().name, self.story.name(), self.past)?;
        if let Some(trouble) = &self.trouble {
            write!(f, "/{trouble}")?;
        }
        for Cut { op, tear, seed } in &self.cuts {
            write!(f, "/{op}:{}:{seed}", tear.name())?;
        }
        Ok(())
    }
}

impl FromStr for Line {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split('/');
        let mut next =
            |what| words.next().ok_or_else(|| format!("the line lacks its {what}: GEOMETRY/STORY/PAST/CUT..."));
        let name = next("geometry")?;
        let geometry = GEOMETRIES.iter().position(|geometry| geometry.name == name);
        let geometry = geometry.ok_or_else(|| format!("no geometry is called {name}; --list shows them"))?;
        let name = next("story")?;
        let story = Story::ALL.into_iter().find(|story| story.name() == name);
        let story = story.ok_or_else(|| format!("no story is called {name}; --list shows them"))?;
        let past = next("past")?.parse().map_err(|_| "the past is a number up to 255")?;
        let mut words = words.peekable();
        let is_trouble = |word: &&str| word.starts_with(|first: char| first.is_ascii_alphabetic());
        let trouble = words.next_if(is_trouble).map(str::parse).transpose()?;
        let cuts = words.map(cut).collect::<Result<Vec<_>, _>>()?;
        match (&trouble, cuts.is_empty()) {
            (None, true) => Err("the line has no cut: add OP:TEAR:SEED".into()),
            (Some(_), false) => Err("a line has a trouble or cuts, not both".into()),
            _ => Ok(Self { geometry, story, past, trouble, cuts }),
        }
    }
}

fn cut(text: &str) -> Result<Cut, String> {
    let words: Vec<&str> = text.split(':').collect();
    let [op, tear, seed] = words[..] else { return Err(format!("{text} is no cut; one is OP:TEAR:SEED")) };
    Ok(Cut {
        op: op.parse().map_err(|_| format!("{text}: the operation is a number"))?,
        tear: tear_named(tear)?,
        seed: seed.parse().map_err(|_| format!("{text}: the seed is a number"))?,
    })
}

/// The tear with this name.
pub(crate) fn tear_named(name: &str) -> Result<Tear, String> {
    TEARS
        .into_iter()
        .find(|known| known.name() == name)
        .ok_or_else(|| format!("{name}: no such tear; --list shows them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written_and_a_wrong_one_says_why() {
        for text in ["w8-uneven/gate/3/17:fewbitsleft:99/0:unstable:1", "w8/update/0/breaks:7"] {
            assert_eq!(text.parse::<Line>().unwrap().to_string(), text);
        }
        for (wrong, why) in [
            ("w9/gate/3/1:bits:1", "w9"),
            ("w8/gat/3/1:bits:1", "gat"),
            ("w8/gate/3/1:bit:1", "tear"),
            ("w8/gate/3/1:bits", "OP:TEAR:SEED"),
            ("w8/gate/3", "no cut"),
            ("w8/gate/3/breaks:7/1:bits:1", "not both"),
            ("w8", "story"),
        ] {
            let error = wrong.parse::<Line>().unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
        let all = Tear::ALL.iter().chain(&Tear::UNSTABLE);
        assert_eq!(all.count(), TEARS.len());
    }
}
