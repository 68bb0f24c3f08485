use super::*;
use crate::frame::{self, Receiver};
use crate::messages::{OPEN, READ, REPORT};
use core::cell::Cell;
use ota_hal::Millis;
use ota_service::block_on;
use ota_transport::{Component, Locator};
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

/// The answer to a kind of request and its payload, if any.
type Rule<'t> = dyn Fn(u8, &[u8]) -> Option<Vec<u8>> + 't;

/// The other side: answers by a rule, and keeps what it was asked.
struct Other<'t> {
    receiver: Receiver,
    out: VecDeque<u8>,
    asked: &'t RefCell<Vec<(u8, Vec<u8>)>>,
    rule: &'t Rule<'t>,
}

impl Wire for Other<'_> {
    fn send(&mut self, byte: u8) {
        if self.receiver.push(byte) {
            let frame = self.receiver.frame().unwrap();
            self.asked.borrow_mut().push((frame.kind, frame.payload.to_vec()));
            if let Some(answer) = (self.rule)(frame.kind, frame.payload) {
                frame::write(frame.kind | 0x80, frame.sequence, &[&answer], |byte| self.out.push_back(byte));
            }
        }
    }
    fn receive(&mut self) -> Option<u8> {
        self.out.pop_front()
    }
}

/// Time that passes while somebody waits.
#[derive(Default)]
struct Ticks(Cell<u64>);

impl Clock for Ticks {
    fn now(&self) -> Millis {
        Millis(self.0.get())
    }
}

/// A line to `rule`: what `test` returns, and what was asked meanwhile.
fn over<T>(
    rule: &Rule<'_>,
    test: impl AsyncFnOnce(&mut Messages<'_, Other<'_>, &Ticks>, &mut Files<'_, Other<'_>, &Ticks>) -> T,
) -> (T, Vec<(u8, Vec<u8>)>) {
    let (asked, clock) = (RefCell::default(), Ticks::default());
    let other = Other { receiver: Receiver::default(), out: VecDeque::new(), asked: &asked, rule };
    let link = RefCell::new(Link::new(other, 0));
    let (mut messages, mut files) = (Messages::new(&link, &clock), Files::new(&link, &clock));
    let result = block_on(test(&mut messages, &mut files), || {
        clock.0.set(clock.0.get() + 10);
        assert!(clock.0.get() < 60_000, "it hangs");
    });
    (result, asked.take())
}

fn offer(number: u8, version: &str) -> Vec<u8> {
    let mut answer = vec![DONE | 0x80, number, 1, 9, 0, 0, 0];
    answer.extend([7; 32]);
    answer.push(version.len() as u8);
    answer.extend(version.bytes().chain(*b"f.ota"));
    answer
}

#[test]
fn an_event_comes_once_and_its_number_goes_back() {
    // The other side repeats the first event until its number comes back, then has a second one.
    let rule = |kind: u8, taken: &[u8]| match (kind, taken) {
        (messages::EVENTS, [0]) => Some(offer(1, "1.1.0")),
        (messages::EVENTS, [1]) => Some(vec![DONE, 2, 2]),
        _ => None,
    };
    let (versions, asked) = over(&rule, async |messages, _| {
        let mut buf = [0; 256];
        let first = match messages.recv(&mut buf).await.unwrap() {
            Event::Offer(offer) => (std::string::String::from(offer.version), offer.locator == Locator::Url("f.ota")),
            other => panic!("{other:?}"),
        };
        assert_eq!(messages.recv(&mut buf).await.unwrap(), Event::Cancel);
        first
    });
    assert_eq!(versions, ("1.1.0".into(), true));
    assert_eq!(asked, [(messages::EVENTS, vec![0]), (messages::EVENTS, vec![1])]);
}

#[test]
fn an_event_is_not_taken_twice_though_the_other_side_repeats_it() {
    let (_, asked) = over(&|_, _| Some(offer(1, "1.1.0")), async |messages, _| {
        let mut buf = [0; 256];
        messages.recv(&mut buf).await.unwrap();
        let mut again = core::pin::pin!(messages.recv(&mut buf));
        for _ in 0..20 {
            let context = &mut core::task::Context::from_waker(core::task::Waker::noop());
            assert!(again.as_mut().poll(context).is_pending());
        }
    });
    assert!(asked.len() > 3);
}

#[test]
fn a_report_is_sent_until_it_was_taken() {
    let lost = Cell::new(2);
    let rule = |kind: u8, _: &[u8]| {
        lost.set(lost.get() - i32::from(lost.get() > 0));
        (kind == REPORT && lost.get() == 0).then(|| vec![DONE])
    };
    let report = Report::Progress { component: Component::default(), percent: 40 };
    let (sent, asked) = over(&rule, async |messages, _| messages.send(&report).await);
    assert_eq!(sent, Ok(()));
    assert_eq!(asked, vec![(REPORT, vec![2, 40]); 2]);
    let tag = Report::Tag { key: "k", value: "v" };
    let (error, asked) = over(&rule, async |messages, _| {
        let error = messages.send(&tag).await.unwrap_err();
        messages.is_permanent(&error)
    });
    assert_eq!((error, asked.len()), (true, 0));
}

/// A file of 1,000 bytes; each has the low byte of its offset.
fn file(kind: u8, request: &[u8]) -> Option<Vec<u8>> {
    match (kind, request) {
        (OPEN, b"f.ota") => Some([&[DONE][..], &1000_u32.to_le_bytes(), &[5; 8]].concat()),
        (OPEN, _) => Some(vec![NO_FILE]),
        (READ, [5, 5, 5, 5, 5, 5, 5, 5, a, b, 0, 0, len]) => {
            let at = usize::from(u16::from_le_bytes([*a, *b]));
            Some(core::iter::once(DONE).chain((at..at + usize::from(*len)).map(|n| n as u8)).collect())
        }
        (READ, _) => Some(vec![2]),
        _ => None,
    }
}

fn request<'r>(locator: &'r str, offset: u32, end: Option<u32>, validator: &'r [u8]) -> Request<'r> {
    Request { locator, offset, end, validator }
}

/// What is still to be read.
async fn rest(files: &mut Files<'_, Other<'_>, &Ticks>) -> Vec<u8> {
    let (mut bytes, mut buf) = (Vec::<u8>::new(), [0; 256]);
    loop {
        match files.read(&mut buf).await.unwrap() {
            0 => break bytes,
            n => bytes.extend(&buf[..n]),
        }
    }
}

#[test]
fn a_range_of_a_file_is_read_to_its_end() {
    let (bytes, _) = over(&file, async |_, files| {
        let opened = files.open(request("f.ota", 300, Some(900), &[5; 8])).await.unwrap();
        assert_eq!((opened.offset, opened.total, &opened.validator[..]), (300, Some(1000), &[5; 8][..]));
        rest(files).await
    });
    assert_eq!(bytes, (300..900).map(|n| n as u8).collect::<Vec<_>>());
}

#[test]
fn a_file_shorter_than_an_envelope_may_be_is_read_to_its_end() {
    let (bytes, _) = over(&file, async |_, files| {
        files.open(request("f.ota", 0, Some(2048), &[])).await.unwrap();
        rest(files).await
    });
    assert_eq!(bytes, (0..1000).map(|n| n as u8).collect::<Vec<_>>());
}

#[test]
fn another_content_is_read_from_its_beginning_and_a_shorter_one_is_told_of() {
    let (opened, _) = over(&file, async |_, files| {
        let other = files.open(request("f.ota", 300, Some(900), &[6; 8])).await.unwrap().offset;
        let short = files.open(request("f.ota", 300, Some(1001), &[])).await.unwrap_err();
        let missing = files.open(request("g.ota", 0, None, &[])).await.unwrap_err();
        let closed = files.read(&mut [0; 8]).await.unwrap_err();
        (other, short, missing, closed)
    });
    assert_eq!(opened, (0, FileError::Short, FileError::NoFile, FileError::Gone));
}

#[test]
fn an_answer_of_another_length_is_not_taken() {
    let rule = |kind: u8, request: &[u8]| {
        let mut answer = file(kind, request)?;
        if kind == READ {
            answer.pop();
        }
        Some(answer)
    };
    let (read, _) = over(&rule, async |_, files| {
        files.open(request("f.ota", 0, None, &[])).await.unwrap();
        files.read(&mut [0; 8]).await
    });
    assert_eq!(read, Err(FileError::Malformed));
}
