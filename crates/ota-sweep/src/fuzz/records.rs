//! The agent on records that say anything: another firmware wrote them, or this one did while its memory was wrong.

use super::agent::{Device, FIRST};
use super::script::event;
use crate::usual::{LAYOUT, Part};
use ota_hal::{Journal, Kind, Region, Shared};
use ota_testkit::Tear;
use std::cell::RefCell;
use std::sync::OnceLock;

/// The records that are the agent's own; that of the loader has a body of its own.
const KINDS: [Kind; 3] = [Kind::Job, Kind::Progress, Kind::Outbox];
/// The longest input of use: a stage, and three records with their lengths.
pub(super) const LEN: usize = 2_560;
const RECORD_MAX: usize = 2_048;

/// Which object is offered, and at which operation the power goes.
type Cut = Option<(usize, u64)>;

/// What happens at first, as in [`super::script`]; then the cut.
const STAGES: [(&[u8], Cut); 12] = [
    (&[], None),
    // A package, early, late, staged.
    (&[], Some((0, 2))),
    (&[], Some((0, 9))),
    (&[], Some((0, 17))),
    // A delta.
    (&[], Some((2, 6))),
    (&[], Some((2, 40))),
    // Deferred by the application.
    (&[6, 1, 0, 0], None),
    // The report of a failure is not acknowledged: damage, another device's.
    (&[11, 3, 0, 3], None),
    (&[11, 3, 0, 7], None),
    // On trial with a gate that is not through; rolled back, and nobody listens.
    (&[7, 1, 0, 0, 15, 1], None),
    (&[7, 2, 11, 3, 0, 0, 15, 1], None),
    // No reset is welcome.
    (&[8, 0, 0, 0], None),
];

/// The flash of each stage, and what it holds of each kind.
type Stage = (Part, [Vec<u8>; 3]);

fn stages() -> &'static [Stage] {
    static ALL: OnceLock<Vec<Stage>> = OnceLock::new();
    ALL.get_or_init(|| STAGES.iter().map(|(script, cut)| stage(script, *cut)).collect())
}

fn stage(script: &[u8], cut: Cut) -> Stage {
    let mut device = Device::new();
    for pair in script.chunks_exact(2) {
        device.meet(event(pair[0], pair[1]));
    }
    if let Some((object, op)) = cut {
        device.offer(object);
        device.world.flash.borrow_mut().reset_counters();
        device.world.flash.borrow_mut().cut_at(op, Tear::After);
        device.world.session(|_| false);
    }
    assert_eq!(device.accepted(), FIRST, "the factory's image is the accepted one");
    let mut flash = device.world.flash.into_inner();
    flash.power_on();
    let records = KINDS.map(|kind| read(&flash, kind));
    (flash, records)
}

fn with_journal<T>(flash: &RefCell<Part>, work: impl FnOnce(&mut Journal<Shared<'_, Part>>) -> T) -> T {
    work(&mut Journal::mount(Region::new(Shared::new(flash), LAYOUT.journal())).expect("the power is on"))
}

fn read(flash: &Part, kind: Kind) -> Vec<u8> {
    let mut buf = [0; RECORD_MAX];
    let flash = RefCell::new(flash.clone());
    with_journal(&flash, |journal| journal.read(kind, &mut buf).expect("readable").map(<[u8]>::to_vec))
        .unwrap_or_default()
}

/// Which stage, then each record behind its length, little-endian. One of length 0 is not there.
pub(super) fn body(data: &[u8]) {
    let Some((stage, mut rest)) = data.split_first() else { return };
    let (flash, _) = &stages()[usize::from(*stage) % STAGES.len()];
    let flash = RefCell::new(flash.clone());
    for kind in KINDS {
        let record = next(&mut rest);
        with_journal(&flash, |journal| {
            journal.remove(kind).expect("a record can be removed");
            // One that is too long for any journal is not there either.
            if !record.is_empty() {
                _ = journal.append(kind, record);
            }
        });
    }
    let mut device = Device::on(flash.into_inner());
    // A record may send the agent anywhere.
    device.world.server.lenient.set(true);
    device.pass(5_000);
    device.ends_well();
}

fn next<'d>(rest: &mut &'d [u8]) -> &'d [u8] {
    let [low, high, behind @ ..] = rest else { return &[] };
    let len = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
    let (record, behind) = behind.split_at(len);
    *rest = behind;
    record
}

/// Each stage as it is.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let seed = |(n, (_, records)): (usize, &Stage)| {
        let mut seed = vec![n as u8];
        for record in records {
            seed.extend((record.len() as u16).to_le_bytes());
            seed.extend(record);
        }
        seed
    };
    stages().iter().enumerate().map(seed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_hold_every_kind_of_record() {
        let held = |kind: usize| stages().iter().filter(|(_, records)| !records[kind].is_empty()).count();
        let all = [held(0), held(1), held(2)];
        assert!(all.iter().all(|n| *n >= 3), "{all:?}");
    }
}
