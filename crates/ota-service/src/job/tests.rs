use super::*;
use proptest::prelude::*;
use std::vec::Vec as StdVec;

impl Job {
    fn of_offer(offer: &Offer<'_>, slot: SlotId) -> Result<Self, Refusal> {
        let mut job = Self::none();
        job.take_offer(offer, slot).map(|()| job)
    }
    fn read(record: &[u8]) -> Option<(Self, &str)> {
        let mut job = Self::none();
        job.decode(record).map(|locator| (job, locator))
    }
}

fn offer(url: &str) -> Offer<'_> {
    Offer {
        component: Component { device: 3, module: "mcu" },
        version: "1.2.3",
        size: Some(77),
        locator: Locator::Url(url),
        checksum: Some(Checksum::Md5([9; 16])),
        cloud_signature: &[],
        delta: false,
    }
}

fn encode(job: &Job, locator: &str) -> StdVec<u8> {
    let mut record = std::vec![0xAA; HEAD + locator.len() + TAIL_MAX];
    record[HEAD..HEAD + locator.len()].copy_from_slice(locator.as_bytes());
    let len = job.encode(locator.len(), &mut record).unwrap();
    record.truncate(len);
    record
}

fn full() -> Job {
    let mut job = Job::of_offer(&offer("http://h/x"), SlotId::B).unwrap();
    job.phase = Phase::Selected;
    job.cloud_signed = true;
    job.refetched = true;
    job.seen = Some(305);
    job.payload = Payload { offset: 300, plan: Plan { form: Form::Delta, length: 5, size: 6, digest: Some([4; 32]) } };
    job.validator.extend_from_slice(b"\"etag\"").unwrap();
    job
}

#[test]
fn round_trip_and_no_prefix_or_extension_decodes() {
    for form in [Form::Raw, Form::Compressed, Form::Delta] {
        let mut job = full();
        job.payload.plan.form = form;
        assert_eq!(Job::read(&encode(&job, "http://h/x")), Some((job, "http://h/x")));
    }
    let mut bytes = encode(&full(), "http://h/x");
    bytes[2] |= 8;
    assert_eq!(Job::read(&bytes), None, "a payload cannot have two forms");
    bytes[2] &= !8;
    for len in 0..bytes.len() {
        assert_eq!(Job::read(&bytes[..len]), None, "prefix of {len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Job::read(&longer), None);
    bytes[0] = JOB_VERSION + 1;
    assert_eq!(Job::read(&bytes), None, "a later version");
}

#[test]
fn the_largest_record_is_no_longer_than_said() {
    let url: std::string::String = core::iter::repeat_n('u', LOCATOR_MAX).collect();
    let (module, version) = ("m".repeat(MODULE_MAX), "v".repeat(VERSION_MAX));
    let mut offer = offer(&url);
    offer.component.module = &module;
    offer.version = &version;
    let mut job = Job::of_offer(&offer, SlotId::A).unwrap();
    job.validator.resize(64, 7).unwrap();
    let bytes = encode(&job, &url);
    assert_eq!(bytes.len(), HEAD + LOCATOR_MAX + TAIL_MAX);
    assert_eq!(Job::read(&bytes).unwrap().1.len(), LOCATOR_MAX);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let long = "x".repeat(LOCATOR_MAX + 1);
    assert_eq!(Job::of_offer(&offer(&long), SlotId::A), Err("URL too long"));
    assert_eq!(Job::of_offer(&offer(""), SlotId::A), Err("URL is empty"));
    let mut o = offer("u");
    o.version = &long;
    assert_eq!(Job::of_offer(&o, SlotId::A), Err("version text too long"));
    o = offer("u");
    o.component.module = &long;
    assert_eq!(Job::of_offer(&o, SlotId::A), Err("module name too long"));
    o = offer("u");
    o.size = Some(0);
    assert_eq!(Job::of_offer(&o, SlotId::A), Err("announced size is 0"));
    o = offer("u");
    o.locator = Locator::Stream { stream: 1, file: 2 };
    assert_eq!(Job::of_offer(&o, SlotId::A), Err("no stream download on this device"));
}

#[test]
fn identity_is_the_checksum_or_else_the_locator() {
    assert_eq!(identity(&offer("a")), identity(&offer("b")), "signed URLs change with every push");
    let mut other = offer("a");
    other.version = "1.2.4";
    assert_ne!(identity(&offer("a")), identity(&other));
    let bare = |url| Offer { checksum: None, ..offer(url) };
    assert_eq!(identity(&bare("a")), identity(&bare("a")));
    assert_ne!(identity(&bare("a")), identity(&bare("b")));
}

#[test]
fn progress_round_trip() {
    let mut buf = [0; PROGRESS_MAX];
    let gate = Progress::Gate("a gate of 24 characters!");
    for progress in [
        Progress::Stored { id: 5, durable: 4096 },
        gate,
        Progress::NotStarted { id: 5 },
        Progress::Staging { digest: [3; 8] },
    ] {
        let bytes = progress.encode(&mut buf).unwrap().to_vec();
        assert_eq!(Progress::decode(&bytes), Some(progress));
        assert_eq!(Progress::decode(&bytes[..bytes.len() - 1]), None);
    }
}

proptest! {
    #[test]
    fn decoding_is_total(bytes: StdVec<u8>, mut head in proptest::collection::vec(any::<u8>(), HEAD..HEAD + 40)) {
        (head[0], head[1], head[2]) = (JOB_VERSION, head[1] & 3, head[2] & 7);
        (head[32], head[33], head[34], head[35]) = (head[32] & 1, head[33] & 1, head[34] & 15, 0);
        let _ = (Job::read(&bytes), Job::read(&head), Progress::decode(&bytes));
    }
    #[test]
    fn a_flipped_byte_never_panics_and_what_decodes_encodes_the_same(at in 0usize..300, byte: u8) {
        let mut bytes = encode(&full(), "http://h/x");
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Some((job, locator)) = Job::read(&bytes) {
            let again = encode(&job, locator);
            prop_assert_eq!(Job::read(&again), Some((job, locator)));
        }
    }
}
