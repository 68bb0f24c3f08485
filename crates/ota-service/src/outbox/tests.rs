use super::*;
use proptest::prelude::*;
use std::vec::Vec;

const M: Component<'_> = Component { device: 1, module: "m" };

fn add(outbox: &mut Outbox, job: u64, text: &str) -> bool {
    outbox.add(job, M, FailStage::Verify, &["refused: ", text]) == Added::Yes
}
fn texts(outbox: &Outbox) -> Vec<std::string::String> {
    let text = |entry| match report(entry) {
        Some(Report::Failed { component: M, stage: FailStage::Verify, text }) => text.into(),
        other => panic!("{other:?}"),
    };
    outbox.entries().iter().map(text).collect()
}

#[test]
fn the_oldest_stays_and_the_newest_replaces_the_one_between() {
    let mut outbox = Outbox::new();
    assert!(outbox.is_void());
    assert!(add(&mut outbox, 1, "a") && add(&mut outbox, 2, "longer than the others"));
    assert!(!add(&mut outbox, 1, "a"), "no duplicates");
    assert!(add(&mut outbox, 3, "c"));
    assert_eq!(texts(&outbox), ["refused: a", "refused: c"]);
    assert!(outbox.is_sound(outbox.record().len()));
    assert!(outbox.pop());
    assert_eq!(texts(&outbox), ["refused: c"]);
    assert!(outbox.pop() && !outbox.pop() && outbox.is_void());
}

#[test]
fn a_rollback_is_never_replaced_by_less() {
    let mut outbox = Outbox::new();
    let rollback = |outbox: &mut Outbox, why| outbox.add(7, M, FailStage::Verify, &[ROLLED_BACK, why]);
    assert!(add(&mut outbox, 1, "a") && add(&mut outbox, 2, "b"));
    assert_eq!(rollback(&mut outbox, "x"), Added::Yes);
    assert_eq!(outbox.add(3, M, FailStage::Verify, &["cancelled"]), Added::NoRoom);
    assert_eq!(texts(&outbox), ["refused: a", "rolled back: x"]);
    // Of two rollbacks the later one stays.
    assert_eq!(rollback(&mut outbox, "y"), Added::Yes);
    assert_eq!(texts(&outbox), ["refused: a", "rolled back: y"]);
    assert!(outbox.pop() && add(&mut outbox, 3, "c"));
    assert_eq!(texts(&outbox), ["rolled back: y", "refused: c"]);
    assert!(outbox.is_sound(outbox.record().len()));
}

#[test]
fn rollbacks_of_one_image_are_counted_and_another_one_begins_anew() {
    let image = |n: u8| Image { job: n.into(), digest: Some([n; 8]) };
    let mut outbox = Outbox::new();
    assert!(!outbox.forget_rollbacks());
    for times in 1..=2 {
        outbox.count_rollback(&image(1));
        assert_eq!((outbox.rollbacks(&image(1)), outbox.rollbacks(&image(2))), (times, 0));
        assert_eq!(outbox.rollbacks(&Image { job: 1, digest: None }), times, "known before its manifest is");
    }
    assert!(!outbox.is_void() && outbox.is_sound(outbox.record().len()));
    outbox.count_rollback(&image(2));
    assert_eq!((outbox.rollbacks(&image(1)), outbox.rollbacks(&image(2))), (0, 1));
    assert!(outbox.forget_rollbacks() && outbox.is_void());
}

#[test]
fn the_image_that_was_accepted_is_known_until_another_one_is_chosen() {
    let image = |n: u8| Image { job: n.into(), digest: None };
    let mut outbox = Outbox::new();
    outbox.count_rollback(&image(1));
    assert!(!outbox.is_installed(&image(1)));
    outbox.set_installed(&image(1));
    assert!(outbox.is_installed(&image(1)) && !outbox.is_installed(&image(2)) && !outbox.is_void());
    assert_eq!(outbox.rollbacks(&image(1)), 0);
    outbox.count_rollback(&image(1));
    assert!(!outbox.is_installed(&image(1)) && outbox.rollbacks(&image(1)) == 1);
    (0..300).for_each(|_| outbox.count_rollback(&image(1)));
    assert!(!outbox.is_installed(&image(1)), "rollbacks without end are not an accept");
}

#[test]
fn what_turned_out_wrong_is_struck_off_and_nothing_else() {
    let mut outbox = Outbox::new();
    assert!(add(&mut outbox, 1, "a") && add(&mut outbox, 2, "b"));
    assert!(!outbox.strike(1), "it may be on its way");
    assert!(outbox.strike(2) && !outbox.strike(2) && outbox.is_sound(outbox.record().len()));
    assert_eq!(texts(&outbox), ["refused: a"]);
    assert!(outbox.strike(1) && outbox.is_void());
}

#[test]
fn an_entry_ends_its_job_until_it_is_detached() {
    let mut outbox = Outbox::new();
    add(&mut outbox, 1, "a");
    add(&mut outbox, 2, "b");
    assert!(outbox.ends(1) && outbox.ends(2) && !outbox.ends(3));
    assert!(outbox.detach(2) && !outbox.detach(2));
    assert!(outbox.ends(1) && !outbox.ends(2));
    assert_eq!(texts(&outbox), ["refused: a", "refused: b"]);
}

#[test]
fn the_largest_record_fits_and_is_adopted_again() {
    let (long, module) = ("x".repeat(200), "m".repeat(40));
    let component = Component { device: 1, module: &module };
    let mut outbox = Outbox::new();
    assert!(outbox.set_rollback_seen(true) && !outbox.set_rollback_seen(true));
    for text in ["1", "2", "3"] {
        assert_eq!(outbox.add(u64::MAX, component, FailStage::Burn, &[text, &long]), Added::Yes);
    }
    assert_eq!(outbox.record().len(), OUTBOX_MAX);
    let mut again = Outbox::new();
    again.buffer().copy_from_slice(outbox.record());
    again.adopt(OUTBOX_MAX);
    assert_eq!(again.record(), outbox.record());
    assert!(again.rollback_seen());
    again.adopt(HEAD + ENTRY);
    assert!(again.is_void(), "not sound: empty");
    // What is short is stored short, over whatever lies in the buffer.
    let mut outbox = Outbox::new();
    assert!(add(&mut outbox, 1, "a"));
    let len = outbox.record().len();
    again.buffer().fill(0x55);
    again.buffer()[..len].copy_from_slice(outbox.record());
    again.adopt(len);
    assert_eq!((len, again), (HEAD + TEXT_AT + "refused: a".len(), outbox));
}

#[test]
fn long_texts_are_cut_between_characters() {
    let mut outbox = Outbox::new();
    let _ = outbox.add(0, M, FailStage::Verify, &[&"a".repeat(95), "é", "b"]);
    assert_eq!(texts(&outbox)[0].len(), 96);
    assert!(texts(&outbox)[0].ends_with("ab"));
}

proptest! {
    #[test]
    fn adopting_is_total(mut bytes in proptest::collection::vec(any::<u8>(), 0..OUTBOX_MAX), head in 0u8..4) {
        if let [version, flags, count, ..] = &mut bytes[..] {
            (*version, *flags, *count) = (RECORD_VERSION, head & 1, head >> 1 & 1);
        }
        let mut outbox = Outbox::new();
        outbox.buffer()[..bytes.len()].copy_from_slice(&bytes);
        outbox.adopt(bytes.len());
        prop_assert!(outbox.is_sound(outbox.record().len()));
        let mut more = outbox.clone();
        add(&mut more, 5, "more");
        prop_assert!(more.is_sound(more.record().len()) && !more.is_empty());
        more.pop();
        prop_assert!(more.is_sound(more.record().len()));
    }
}
