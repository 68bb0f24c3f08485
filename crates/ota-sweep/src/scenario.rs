//! Cuts: a moment before an operation, the operation torn, and the life that follows.

use crate::Geometry;
use crate::life::{Cost, Life, Moment, Setting, Sim, State};
use crate::model::Model;
use crate::story::{OLD, Story};
use crate::trouble::Trouble;
use embedded_storage::nor_flash::NorFlash;
use ota_boot::Record;
use ota_hal::{Journal, Kind, Millis, Region, SlotId};
use ota_testkit::Tear;

/// One cut: before or within which operation of the life, how, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The operation, counted from the start of the life that is cut.
    pub op: usize,
    /// What is left of it.
    pub tear: Tear,
    /// What the random kinds follow from.
    pub seed: u64,
}

/// A device fresh from the factory, with a past: `past` says how full its journal is, and which slot runs.
///
/// # Panics
/// When the geometry does not hold what the story needs.
#[must_use]
pub fn factory<const W: usize, const E: u8>(geometry: &Geometry, past: u8, setting: &Setting<'_>) -> State<W, E> {
    let sectors = geometry.divided(setting.materials.room).0;
    let mut flash = Sim::<W, E>::with_sectors(&sectors).with_rule(geometry.rule);
    if geometry.ecc {
        flash = flash.with_ecc();
    }
    let home = if past.is_multiple_of(2) { SlotId::A } else { SlotId::B };
    let mut image = setting.materials.images[0].clone();
    image.resize(image.len().next_multiple_of(W), E);
    flash.write(setting.layout.slot(home).start, &image).expect("the slot is erased");
    let floor = if past == 0 && setting.materials.story != Story::Older { 0 } else { u32::from(OLD) };
    if floor != 0 {
        let mut journal: Journal<_> =
            Journal::mount(Region::new(&mut flash, setting.layout.journal())).expect("the journal mounts");
        let record = Record { home, floor, ..Record::FACTORY };
        journal.append(Kind::Boot, &record.encode()).expect("room for the record");
        for n in 0..past {
            journal.append(Kind::App, &[n; 24]).expect("room for a record");
        }
    }
    State { flash, model: Model::new(setting.materials.story, floor), heard: Vec::new(), now: Millis(0) }
}

/// Lives from `state` on without a cut, and keeps each moment in which it could have been cut.
#[must_use]
pub fn moments<const W: usize, const E: u8>(
    state: State<W, E>,
    setting: Setting<'_>,
    trouble: Option<Trouble>,
) -> (Vec<Moment<W, E>>, Cost) {
    let mut life = Life::new(state, setting);
    let list = life.record();
    let cost = match trouble {
        Some(trouble) => life.endure(trouble),
        None => life.live(),
    };
    (list.take(), cost)
}

/// The state in which a cut leaves the device.
#[must_use]
pub fn cut<const W: usize, const E: u8>(moment: &Moment<W, E>, cut: &Cut) -> State<W, E> {
    let (before, operation) = moment;
    let mut state = before.clone();
    state.flash.reset_counters();
    state.flash.set_seed(cut.seed);
    state.flash.cut_at(0, cut.tear);
    let _ = operation.perform(&mut state.flash);
    state.model.cut(cut.tear);
    state
}

/// Lives from `state` to the end of the story; and, if so wanted, proves that the next update works.
pub fn survive<const W: usize, const E: u8>(state: State<W, E>, setting: Setting<'_>, well: bool) -> Cost {
    let mut life = Life::new(state, setting);
    let cost = life.live();
    if well || life.gave_up() {
        life.be_well();
    }
    cost
}

/// Lives from `state`, in which a trouble before the cut may have left something that goes on, until all is calm; and proves
/// that the next update works.
pub fn outlive<const W: usize, const E: u8>(state: State<W, E>, setting: Setting<'_>) -> Cost {
    let mut life = Life::new(state, setting);
    let cost = life.calm_down();
    life.be_well();
    cost
}

/// Lives from `state` with this trouble; and, if it ends, proves that the next update works. Also the number of the life, see
/// [`Life::trace`].
pub fn endure<const W: usize, const E: u8>(state: State<W, E>, setting: Setting<'_>, trouble: Trouble) -> (Cost, u64) {
    let mut life = Life::new(state, setting);
    let cost = life.endure(trouble);
    let trace = life.trace();
    if !trouble.stays() {
        life.be_well();
    }
    (cost, trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signatures;
    use crate::geometry::GEOMETRIES;
    use crate::story::Materials;

    fn swept(geometry: &Geometry, story: Story) -> usize {
        let materials = Materials::new(geometry, story);
        let layout = geometry.divided(materials.room).1;
        let setting = Setting { materials: &materials, layout: &layout, keys: Signatures::remembered() };
        let mut scenarios = 0;
        for past in 0..2 {
            let (moments, cost) = moments(factory::<8, 0xFF>(geometry, past, &setting), setting, None);
            println!("{} {story:?}: {} moments, {cost:?}", geometry.name, moments.len());
            for (op, moment) in moments.iter().enumerate() {
                let tear = Tear::ALL[op % 8];
                survive(cut(moment, &Cut { op, tear, seed: op as u64 }), setting, op % 8 == 0);
                scenarios += 1;
            }
        }
        scenarios
    }

    #[test]
    fn every_story_survives_a_cut_at_every_operation() {
        for story in Story::ALL {
            assert!(swept(&GEOMETRIES[0], story) > 6, "{story:?}");
        }
    }

    #[test]
    fn stories_survive_other_troubles() {
        for (geometry, story) in [(&GEOMETRIES[0], Story::Gate), (&GEOMETRIES[5], Story::Update)] {
            let materials = Materials::new(geometry, story);
            let layout = geometry.divided(materials.room).1;
            let setting = Setting { materials: &materials, layout: &layout, keys: Signatures::remembered() };
            let start = factory::<8, 0xFF>(geometry, 0, &setting);
            let mut life = Life::new(start.clone(), setting);
            life.live();
            for trouble in Trouble::all(life.extent()).step_by(17) {
                println!("{}/{}/0/{trouble}", geometry.name, story.name());
                endure(start.clone(), setting, trouble);
            }
        }
    }
}
