//! One scenario as one line, which replays it.

use crate::Story;
use crate::geometry::{GEOMETRIES, Geometry};
use crate::scenario::Cut;
use crate::trouble::Trouble;
use ota_testkit::Tear;
use std::fmt;
use std::str::FromStr;

/// `GEOMETRY/STORY/PAST/OP:TEAR:SEED`, and for a second cut `/OP:TEAR:SEED` of the life after the first one. One of the lives
/// may have another fault: `/TROUBLE`, before the cut that ends it, or last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of the geometry.
    pub geometry: usize,
    /// The story.
    pub story: Story,
    /// The device's past, see [`crate::scenario::factory`].
    pub past: u8,
    /// What else goes wrong, and in the life after how many cuts.
    pub trouble: Option<(usize, Trouble)>,
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
    /// What else goes wrong in the life after so many cuts.
    #[must_use]
    pub fn trouble_of(&self, life: usize) -> Option<Trouble> {
        self.trouble.filter(|(cuts, _)| *cuts == life).map(|(_, trouble)| trouble)
    }
    /// The geometry itself.
    #[must_use]
    pub fn part(&self) -> &'static Geometry {
        GEOMETRIES.get(self.geometry).unwrap_or(&GEOMETRIES[0])
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.part().name, self.story.name(), self.past)?;
        for life in 0..=self.cuts.len() {
            if let Some(trouble) = self.trouble_of(life) {
                write!(f, "/{trouble}")?;
            }
            if let Some(Cut { op, tear, seed }) = self.cuts.get(life) {
                write!(f, "/{op}:{}:{seed}", tear.name())?;
            }
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
        let mut line = Self { geometry, story, past, trouble: None, cuts: Vec::new() };
        for word in words {
            if !word.starts_with(|first: char| first.is_ascii_alphabetic()) {
                line.cuts.push(cut(word)?);
            } else if line.trouble.replace((line.cuts.len(), word.parse()?)).is_some() {
                return Err(format!("{word}: a line has one trouble"));
            }
        }
        if line.cuts.is_empty() && line.trouble.is_none() {
            return Err("the line has no cut: add OP:TEAR:SEED".into());
        }
        Ok(line)
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
        for text in [
            "w8-uneven/gate/3/17:fewbitsleft:99/0:unstable:1",
            "w8/update/0/breaks:7",
            "w8/delta/1/7:bits:1/reads:9/1:after:0",
            "w8/delta/1/7:bits:1/reads:9",
        ] {
            assert_eq!(text.parse::<Line>().unwrap().to_string(), text);
        }
        for (wrong, why) in [
            ("w9/gate/3/1:bits:1", "w9"),
            ("w8/gat/3/1:bits:1", "gat"),
            ("w8/gate/3/1:bit:1", "tear"),
            ("w8/gate/3/1:bits", "OP:TEAR:SEED"),
            ("w8/gate/3", "no cut"),
            ("w8/gate/3/breaks:7/1:bits:1/read:1", "one trouble"),
            ("w8", "story"),
        ] {
            let error = wrong.parse::<Line>().unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
        let all = Tear::ALL.iter().chain(&Tear::UNSTABLE);
        assert_eq!(all.count(), TEARS.len());
    }
}
