//! What offers cost the journal that are accepted, and then refused by their envelope.

mod common;

use common::{Draft, End, LAYOUT, OwnedOffer, SECTOR, Say, World};
use ota_hal::Clock;

const REFUSED: &str = "failed -3 refused: signature mismatch";
/// So long the same offer is refused from memory.
const HELD_MS: u32 = 600_000;

/// A package whose manifest was changed after it was signed.
fn spoilt() -> Vec<u8> {
    let mut package = Draft::new(2).package();
    package[14] ^= 1;
    package
}

fn world() -> World {
    let mut world = World::new(spoilt());
    world.patience = 100_000;
    world
}

/// In one session: `n` offers, each when the one before was answered. `make` gives the next.
fn offers(world: &World, n: usize, make: impl Fn(usize) -> OwnedOffer) {
    let told = world.cloud.failures().len();
    let mut made = 0;
    let end = world.session(|w| {
        let answered = w.cloud.failures().len() - told;
        if answered == made && made < n {
            w.say(Say::Offer(make(made)));
            made += 1;
        }
        answered == n
    });
    assert_eq!(end, End::Quit);
    assert!(world.cloud.failures().iter().skip(told).all(|failure| failure == REFUSED), "{:?}", world.cloud.failures());
}

/// The same offer `n` times.
fn same(world: &World, n: usize) {
    offers(world, n, |_| OwnedOffer::new("2.0.0", &spoilt()));
}

/// Erases of the journal's sectors.
fn erases(world: &World) -> u32 {
    let journal = LAYOUT.journal();
    let sectors = journal.start / SECTOR..(journal.start + journal.len) / SECTOR;
    sectors.map(|sector| world.flash.borrow().wear(sector as usize)).sum()
}

/// Where the records of each bank end.
fn ends(world: &World) -> [usize; 2] {
    let journal = LAYOUT.journal();
    let flash = world.flash.borrow();
    let cells = &flash.cells()[journal.start as usize..(journal.start + journal.len) as usize];
    let (first, second) = cells.split_at(cells.len() / 2);
    [first, second].map(|bank| bank.iter().rposition(|byte| *byte != 0xFF).map_or(0, |at| (at + 1).next_multiple_of(8)))
}

/// Length of each record that was appended since the banks ended at `before`; none of them was a rotation.
fn appended(world: &World, before: [usize; 2]) -> Vec<usize> {
    let after = ends(world);
    let bank = usize::from(before[1] != after[1]);
    assert_eq!(before[1 - bank], after[1 - bank], "a rotation");
    let base = LAYOUT.journal().start as usize + bank * LAYOUT.journal().len as usize / 2;
    let (flash, mut at, mut lengths) = (world.flash.borrow(), before[bank], vec![]);
    while at < after[bank] {
        let len = u16::from_le_bytes([flash.cells()[base + at], flash.cells()[base + at + 1]]);
        let whole = (8 + usize::from(len)).next_multiple_of(8);
        lengths.push(whole);
        at += whole;
    }
    assert_eq!(at, after[bank]);
    lengths
}

#[test]
fn an_offer_that_its_manifest_refuses_costs_a_few_records() {
    let world = world();
    same(&world, 1);
    let before = ends(&world);
    let erased = erases(&world);
    offers(&world, 1, |_| OwnedOffer::new("2.0.1", &spoilt()));
    let records = appended(&world, before);
    println!("records of {records:?} bytes, {} together", records.iter().sum::<usize>());
    // The first settles what the session before wrote last.
    assert!(records.len() <= 5, "{records:?}");
    assert_eq!(erases(&world), erased);
}

#[test]
fn different_offers_that_are_refused_by_their_manifest_wear_in_proportion() {
    let world = world();
    same(&world, 1);
    let before = erases(&world);
    offers(&world, 200, |n| OwnedOffer::new(&format!("2.1.{n}"), &spoilt()));
    let worn = erases(&world) - before;
    println!("{worn} sector erases for 200 different offers");
    assert!(worn > 0 && worn <= 16, "{worn}");
}

#[test]
fn the_same_offer_is_fetched_and_stored_once_in_a_while() {
    let world = world();
    same(&world, 1);
    let (fetched, ops) = (world.server.offsets().len(), world.flash.borrow().ops());
    // Without a restart the agent would remember; this is another session, so it fetches once more.
    same(&world, 1_000);
    assert_eq!(world.server.offsets().len(), fetched + 1);
    let per_offer = world.flash.borrow().ops() - ops;
    same(&world, 1);
    assert_eq!(world.flash.borrow().ops(), ops + 2 * per_offer, "999 of the 1,000 wrote nothing");
    // Not for ever: it may have been the way that spoilt it.
    let fetched = world.server.offsets().len();
    let sent = std::cell::Cell::new(0);
    offers(&world, 2, |n| {
        if n == 1 {
            world.clock.advance(HELD_MS);
        }
        sent.set(n + 1);
        OwnedOffer::new("2.0.0", &spoilt())
    });
    assert_eq!((sent.get(), world.server.offsets().len()), (2, fetched + 2));
}

#[test]
fn an_offer_whose_object_was_spoilt_on_its_way_is_installed_later() {
    let mut world = world();
    let good = Draft::new(2).package();
    let offer = OwnedOffer::new("2.0.0", &good);
    let (offered, since) = (std::cell::Cell::new(0), world.clock.now());
    world.session(|w| {
        let told = w.cloud.failures().len();
        if told == 1 {
            w.server.put(good.clone(), "\"2\"");
        }
        if told == 2 && offered.get() == 2 {
            w.clock.advance(HELD_MS);
        }
        if told == offered.get() && told < 3 {
            offered.set(told + 1);
            w.say(Say::Offer(offer.clone()));
        }
        false
    });
    assert_eq!(world.cloud.failures(), [REFUSED, REFUSED]);
    assert!(world.clock.now().since(since) >= HELD_MS.into());
    world.until_heard("version 2.0.0");
}

#[test]
fn another_offer_is_not_held_nor_one_that_names_no_checksum() {
    let mut world = world();
    let nameless = || OwnedOffer { checksum: None, ..OwnedOffer::new("2.0.0", &spoilt()) };
    offers(&world, 3, |_| nameless());
    assert_eq!(world.server.offsets().len(), 3, "at a mere URL there may be another object by now");
    let good = Draft::new(3).package();
    let said = std::cell::Cell::new(false);
    world.say(Say::Offer(OwnedOffer::new("2.0.0", &spoilt())));
    let end = world.session(|w| {
        if w.cloud.failures().len() == 4 && !said.replace(true) {
            w.server.put(good.clone(), "\"3\"");
            w.offer("3.0.0");
        }
        false
    });
    assert_eq!(end, End::Reset);
    world.until_heard("version 3.0.0");
}
