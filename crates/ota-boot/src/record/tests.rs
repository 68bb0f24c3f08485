use super::*;
use proptest::prelude::*;

const IMAGE: Image = Image {
    digest: [0xD1; 32],
    security_counter: 0x0102_0304,
    version: Version { major: 1, minor: 2, revision: 0x0403, build: 0x0807_0605 },
};
const REASONS: [RollbackReason; 9] = [
    RollbackReason::AttemptsUsedUp,
    RollbackReason::ImageInvalid,
    RollbackReason::ActiveInvalid,
    RollbackReason::GateFailed(7),
    RollbackReason::GateTimeout(255),
    RollbackReason::Requested,
    RollbackReason::Unknown(0),
    RollbackReason::Unknown(7),
    RollbackReason::Unknown(255),
];

fn phases() -> impl Iterator<Item = Phase> {
    let last_reset = ResetCause::Watchdog;
    let reasoned = REASONS
        .into_iter()
        .flat_map(move |reason| [Phase::GivenUp { reason, last_reset }, Phase::RolledBack { reason, last_reset }]);
    [
        Phase::Confirmed,
        Phase::Pending,
        Phase::Testing { attempts_left: 0, last_reset },
        Phase::Testing { attempts_left: 255, last_reset: ResetCause::BrownOut },
    ]
    .into_iter()
    .chain(reasoned)
}

#[test]
fn every_state_survives_the_round_trip() {
    for phase in phases() {
        for home in [SlotId::A, SlotId::B] {
            let record = Record { home, floor: 0xFFFF_FFFE, phase, image: Some(IMAGE) };
            assert_eq!(Record::decode(&record.encode()), record);
            let unbound = Record { image: None, ..record };
            let trial = matches!(phase, Phase::Pending | Phase::Testing { .. } | Phase::GivenUp { .. });
            let expected = if trial { Record { phase: Phase::Confirmed, ..unbound } } else { unbound };
            assert_eq!(Record::decode(&unbound.encode()), expected);
        }
    }
}

#[test]
fn the_bytes_are_those_of_the_map() {
    let phase = Phase::GivenUp { reason: RollbackReason::GateFailed(9), last_reset: ResetCause::Fault };
    let bytes = Record { home: SlotId::B, floor: 0x0A0B_0C0D, phase, image: Some(IMAGE) }.encode();
    let mut map = [0xD1; RECORD_LEN];
    map[..24].copy_from_slice(&[1, 4, 1, 0, 0x0D, 0x0C, 0x0B, 0x0A, 4, 9, 6, 1, 4, 3, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(bytes, map);
}

#[test]
fn an_unknown_format_or_state_keeps_home_and_floor() {
    let record = Record { home: SlotId::B, floor: 77, phase: Phase::Pending, image: Some(IMAGE) };
    let safe = Record { phase: Phase::Confirmed, image: None, ..record };
    for (at, value) in [(0, 0), (0, 2), (0, 255), (1, 0), (1, 6), (1, 255), (11, 0), (11, 255)] {
        let mut bytes = record.encode();
        bytes[at] = value;
        assert_eq!(Record::decode(&bytes), safe, "byte {at} = {value}");
    }
    let mut longer = [0; RECORD_MAX];
    longer[..RECORD_LEN].copy_from_slice(&record.encode());
    assert_eq!(Record::decode(&longer), safe);
    assert_eq!(Record::decode(&record.encode()[..8]), safe);
    for len in 0..8 {
        assert_eq!(Record::decode(&record.encode()[..len]), Record::FACTORY);
    }
}

#[test]
fn an_unknown_reason_never_turns_into_a_known_one() {
    for n in 0..=255 {
        let phase = Phase::RolledBack { reason: RollbackReason::Unknown(n), last_reset: ResetCause::Unknown };
        let back = Record::decode(&Record { phase, ..Record::FACTORY }.encode());
        assert!(matches!(back.phase, Phase::RolledBack { reason: RollbackReason::Unknown(_), .. }), "{n}: {back:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_some_state(mut bytes in prop::collection::vec(any::<u8>(), 0..80), known in any::<bool>()) {
        if known {
            bytes.resize(RECORD_LEN, 3);
            bytes[0] = FORMAT;
            bytes[1] %= 8;
        }
        let record = Record::decode(&bytes);
        prop_assert_eq!(Record::decode(&record.encode()), record);
    }
}
