//! A piece of the sweep: some operations of one story on one geometry, cut in every way.

use crate::life::{Cost, Life, Moment, Setting, State};
use crate::line::{Line, TEARS};
use crate::scenario::{Cut, cut, endure, factory, moments, outlive, survive};
use crate::seen::{Seen, hash_of};
use crate::story::{Materials, Outcome};
use crate::tally::Tally;
use crate::trouble::{Extent, Trouble};
use crate::{Geometry, Signatures, Story};
use ota_testkit::{Rng, Tear};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Into so many units the operations of a story are dealt.
pub const SLICES: usize = 8;
/// A life with a delta takes ten times as long as one without: its operations are dealt over so many rounds.
pub const DELTA_ROUNDS: usize = 2;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Number of the geometry.
    pub geometry: usize,
    /// The story.
    pub story: Story,
    /// The device's past.
    pub past: u8,
    /// Operations whose number leaves this rest are cut, by [`SLICES`] or, for a delta, [`DELTA_ROUNDS`] times as many.
    pub slice: usize,
    /// What the seeds follow from.
    pub seed: u64,
    /// What is done to them.
    pub kind: Kind,
}

/// What a unit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The power is cut once.
    Cuts,
    /// The life after the cut is cut as well.
    Pairs,
    /// Something else goes wrong.
    Troubles,
    /// A cut, something else in the life after it, and a cut of that one.
    Mixed,
}

/// The tears of which pairs are made. A cut before an operation is one after the operation before it.
const PAIRED: [Tear; 5] = [Tear::Prefix, Tear::Units, Tear::Bits, Tear::FewUnstable, Tear::After];
/// So many troubles are tried in the life after a cut, and in each so many cuts.
const MIXED: usize = 6;
/// Of so many scenarios one proves that the device takes a further update, where the story itself ends with one.
const WELL: u64 = 16;

/// What all units share.
#[derive(Debug)]
pub struct Shared {
    /// States that were lived from.
    pub seen: Seen,
    /// The device's keys.
    pub keys: Signatures,
    /// When to stop, even in the midst of a unit.
    pub until: Option<Instant>,
}

impl Shared {
    /// Whether it is time to stop.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

impl Unit {
    fn has(&self, number: usize) -> bool {
        let rounds = if self.story == Story::Delta { DELTA_ROUNDS } else { 1 };
        number % (SLICES * rounds) == self.slice
    }
}

struct Run<'r, const W: usize, const E: u8> {
    unit: &'r Unit,
    setting: Setting<'r>,
    shared: &'r Shared,
    tally: Tally,
}

/// Runs a unit on parts of this type.
#[must_use]
pub fn run<const W: usize, const E: u8>(
    geometry: &Geometry,
    materials: &Materials,
    unit: &Unit,
    shared: &Shared,
) -> Tally {
    let layout = geometry.divided(materials.room).1;
    let setting = Setting { materials, layout: &layout, keys: shared.keys };
    let mut run = Run::<W, E> { unit, setting, shared, tally: Tally::default() };
    let start = factory(geometry, unit.past, &setting);
    match unit.kind {
        Kind::Troubles => run.troubles(start),
        Kind::Mixed => run.mixed(start),
        _ => run.life(start, &[]),
    }
    run.tally
}

/// Replays a line: every life in it, the last one to its end and a further update.
pub fn replay<const W: usize, const E: u8>(geometry: &Geometry, materials: &Materials, line: &Line) {
    let layout = geometry.divided(materials.room).1;
    let setting = Setting { materials, layout: &layout, keys: Signatures::always_verified() };
    let mut state: State<W, E> = factory(geometry, line.past, &setting);
    for (life, one) in line.cuts.iter().enumerate() {
        let (moments, _) = moments(state, setting, line.trouble_of(life));
        let moment = moments.get(one.op).expect("the line names an operation that this life does not have");
        println!("cut {:?} of {}", one, describe(&moment.1));
        state = cut(moment, one);
    }
    match (line.trouble_of(line.cuts.len()), line.trouble) {
        (Some(trouble), _) => _ = endure(state, setting, trouble),
        (None, Some(_)) => _ = outlive(state, setting),
        (None, None) => _ = survive(state, setting, true),
    }
}

/// A tear of this operation.
fn any_cut(op: usize, rng: &mut Rng) -> Cut {
    let tear = PAIRED[rng.below(PAIRED.len() as u32) as usize];
    Cut { op, tear, seed: if tear.is_random() { rng.next_u64() >> 44 } else { 0 } }
}

fn describe(operation: &crate::recorder::Operation) -> String {
    match operation {
        crate::recorder::Operation::Write(at, bytes) => format!("a write of {} bytes at {at:#x}", bytes.len()),
        crate::recorder::Operation::Erase(from, to) => format!("an erase from {from:#x} to {to:#x}"),
    }
}

impl<const W: usize, const E: u8> Run<'_, W, E> {
    /// Whether it is time to stop; then this unit is cut short.
    fn is_late(&mut self) -> bool {
        self.tally.cut_short |= self.shared.is_late();
        self.tally.cut_short
    }

    fn line(&self, cuts: &[Cut]) -> Line {
        let Unit { geometry, story, past, .. } = *self.unit;
        Line { geometry, story, past, trouble: None, cuts: cuts.to_vec() }
    }

    /// The moments of the life from `state`; `None`, told as a failure of `line`, when it went wrong.
    fn moments(&mut self, state: State<W, E>, trouble: Option<Trouble>, line: Line) -> Option<Vec<Moment<W, E>>> {
        let lived = guarded(|| moments(state, self.setting, trouble));
        lived.map(|(moments, _)| moments).map_err(|why| self.tally.fail(line, why)).ok()
    }

    /// What there is to go wrong in the life from `state`, which these cuts left, and its number.
    fn undisturbed(&mut self, state: &State<W, E>, cuts: &[Cut]) -> Option<(Extent, u64)> {
        let lived = guarded(|| {
            let mut life = Life::new(state.clone(), self.setting);
            life.live();
            (life.extent(), life.trace())
        });
        lived.map_err(|why| self.tally.fail(self.line(cuts), why)).ok()
    }

    /// Everything of this slice that can go wrong without a cut, one at a time.
    fn troubles(&mut self, state: State<W, E>) {
        let Some((extent, trace)) = self.undisturbed(&state, &[]) else { return };
        self.shared.seen.first(self.trouble_key(trace));
        for (_, trouble) in Trouble::all(extent).enumerate().filter(|(n, _)| self.unit.has(*n)) {
            if self.is_late() {
                return;
            }
            match guarded(|| endure(state.clone(), self.setting, trouble)) {
                // What goes as another life went, or as without the trouble, is no scenario of its own.
                Ok((_, trace)) if !self.shared.seen.first(self.trouble_key(trace)) => self.tally.repeats += 1,
                Ok((cost, _)) => {
                    self.tally.scenarios += 1;
                    self.tally.troubles += 1;
                    self.tally.troubled.add(cost, cost.operations as usize);
                }
                Err(why) => self.tally.fail(Line { trouble: Some((0, trouble)), ..self.line(&[]) }, why),
            }
        }
    }

    /// Cuts the life from `state`, lets flash fail in the next one, and cuts that, too.
    fn mixed(&mut self, state: State<W, E>) {
        let Some(moments) = self.moments(state, None, self.line(&[])) else { return };
        for (op, moment) in moments.iter().enumerate().filter(|(op, _)| self.unit.has(*op)) {
            let mut rng = Rng::new(self.seed(op, Tear::Bits, &[]));
            let first = any_cut(op, &mut rng);
            let state = cut(moment, &first);
            if self.is_late() {
                return;
            }
            let Some((extent, _)) = self.undisturbed(&state, &[first]) else { continue };
            (0..MIXED).for_each(|_| self.mix(&state, first, Trouble::any_of_flash(extent, &mut rng), &mut rng));
        }
    }

    /// The life from `state`, which `first` left, with this trouble and cut somewhere.
    fn mix(&mut self, state: &State<W, E>, first: Cut, trouble: Trouble, rng: &mut Rng) {
        let line = Line { trouble: Some((1, trouble)), ..self.line(&[first]) };
        let Some(moments) = self.moments(state.clone(), Some(trouble), line.clone()) else { return };
        for _ in 0..MIXED.min(moments.len()) {
            let op = rng.below(moments.len() as u32) as usize;
            let second = any_cut(op, rng);
            let state = cut(&moments[op], &second);
            if !self.shared.seen.is_new(self.unit.geometry as u64 * 4 + 2, &state) {
                self.tally.repeats += 1;
                continue;
            }
            self.tally.scenarios += 1;
            self.tally.mixed += 1;
            match guarded(|| outlive(state, self.setting)) {
                Ok(cost) => self.tally.troubled.add(cost, moments.len() - op),
                Err(why) => self.tally.fail(Line { cuts: vec![first, second], ..line.clone() }, why),
            }
        }
    }

    /// Lives are told apart by geometry, story and past, too.
    fn trouble_key(&self, trace: u64) -> u64 {
        let Unit { geometry, story, past, .. } = *self.unit;
        hash_of((geometry, story, past, trace))
    }

    /// Lives from `state` on, and cuts this life: its operations of this slice, or all when it follows a cut.
    fn life(&mut self, state: State<W, E>, before: &[Cut]) {
        let Some(moments) = self.moments(state, None, self.line(before)) else { return };
        let last = self.unit.kind != Kind::Pairs || !before.is_empty();
        for (op, moment) in moments.iter().enumerate() {
            if (!before.is_empty() || self.unit.has(op)) && !self.is_late() {
                self.operation(op, moments.len(), moment, before, last);
            }
        }
    }

    fn operation(&mut self, op: usize, of: usize, moment: &Moment<W, E>, before: &[Cut], last: bool) {
        for tear in TEARS {
            let first = op == 0 && tear == Tear::Before;
            if self.unit.kind == Kind::Pairs && !PAIRED.contains(&tear) && !first {
                continue;
            }
            let seed = if tear.is_random() { self.seed(op, tear, before) } else { 0 };
            let this = Cut { op, tear, seed };
            let state = cut(moment, &this);
            let purpose = (self.unit.geometry * 4 + usize::from(last)) as u64;
            if !self.shared.seen.is_new(purpose, &state) {
                self.tally.repeats += u64::from(last);
                continue;
            }
            let cuts = [before, &[this]].concat();
            if last {
                self.scenario(state, &cuts, of - op);
            } else {
                self.life(state, &cuts);
            }
        }
    }

    /// A small number: it stands in the line.
    fn seed(&self, op: usize, tear: Tear, before: &[Cut]) -> u64 {
        let parts = before.iter().map(|cut| cut.seed ^ (cut.op as u64) << 16);
        let mixed = parts.fold(self.unit.seed, |sum, part| sum.rotate_left(7) ^ part);
        let kind = TEARS.iter().position(|known| *known == tear).unwrap_or(0);
        Rng::new(mixed).part((op * TEARS.len() + kind) as u64).next_u64() >> 44
    }

    fn scenario(&mut self, state: State<W, E>, cuts: &[Cut], left: usize) {
        let number = cuts.iter().fold(0, |sum, cut| sum ^ cut.seed ^ cut.op as u64);
        self.tally.scenarios += 1;
        self.tally.pairs += u64::from(cuts.len() > 1);
        let firm = cuts.len() == 1 && !Tear::UNSTABLE.contains(&cuts[0].tear);
        let well = self.unit.story.outcome() != Outcome::Confirmed || number.is_multiple_of(WELL);
        match guarded(|| survive(state, self.setting, well)) {
            Ok(cost) if firm => self.tally.firm.add(cost, left),
            Ok(cost) => self.tally.cut.add(cost, left),
            Err(why) => self.tally.fail(self.line(cuts), why),
        }
    }
}

/// What `work` returns, or what it said when it panicked.
///
/// # Errors
/// The panic's message.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

/// What an update without a cut costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amplification {
    /// Bytes of the image.
    pub image: u64,
    /// Bytes programmed into its slot.
    pub slot: u64,
    /// Bytes programmed into the journal.
    pub journal: u64,
    /// Operations.
    pub cost: Cost,
}

/// Measures it.
#[must_use]
pub fn amplification<const W: usize, const E: u8>(geometry: &Geometry, materials: &Materials) -> Amplification {
    let layout = geometry.divided(materials.room).1;
    let setting = Setting { materials, layout: &layout, keys: Signatures::remembered() };
    let state: State<W, E> = factory(geometry, 0, &setting);
    let before = state.flash.clone();
    let mut life = Life::new(state, setting);
    let cost = life.live();
    let flash = life.flash();
    let programmed = |part: ota_hal::Partition| {
        let range = part.start..part.start + part.len;
        flash.programmed(range.clone()) - before.programmed(range)
    };
    let slot = programmed(layout.slot(ota_hal::SlotId::B));
    let image = materials.images[1].len() as u64;
    Amplification { image, slot, journal: programmed(layout.journal()), cost }
}
