use super::*;
use ota_hal::ResetCause;
use std::cell::RefCell;
use std::string::{String, ToString};

/// Keeps what was printed.
#[derive(Clone, Copy)]
struct Tape<'t>(&'t RefCell<String>);
impl Console for Tape<'_> {
    fn print(&self, text: &str) {
        self.0.borrow_mut().push_str(text);
    }
    fn print_number(&self, number: u32) {
        self.0.borrow_mut().push_str(&number.to_string());
    }
    async fn byte(&self) -> u8 {
        core::future::pending().await
    }
}

fn said(say: impl FnOnce(Tape<'_>)) -> String {
    let text = RefCell::new(String::new());
    say(Tape(&text));
    text.into_inner()
}

const BACK: BootState = BootState::RolledBack {
    running: SlotId::A,
    reason: RollbackReason::GateFailed(0),
    last_reset: ResetCause::Software,
};

#[test]
fn each_end_of_an_update_is_shown_with_its_reason() {
    let show = |last| said(|tape| last_outcome(tape, last));
    let mut last = Outcome::default();
    for notice in [Notice::Accepted, Notice::Staged, Notice::Trial] {
        last.note(&notice);
        assert_eq!(show(last), "last outcome none since this start\n");
    }
    last.note(&Notice::Failed { stage: FailStage::Verify, text: "refused: signed by an unknown key" });
    assert_eq!(show(last), "last outcome failed (Verify): refused: signed by an unknown key\n");
    last.note(&Notice::Confirmed);
    assert_eq!(show(last), "last outcome done: installed and confirmed\n");
    assert_eq!(show(Outcome::None.or_of_boot(&BACK)), "last outcome rolled back: health gate 0 failed\n");
}

#[test]
fn an_address_with_colons_stands_in_brackets() {
    let show = |text| said(|tape| asking(tape, Server::parse(text).unwrap()));
    assert_eq!(show("coap://h"), "coap: asking h:5683\n");
    assert_eq!(show("coap://[fe80::1]:99"), "coap: asking [fe80::1]:99\n");
}

#[test]
fn where_agent_and_boot_record_stand() {
    assert_eq!(said(|tape| status(tape, "1.0.0", Status::Idle)), "version 1.0.0, Idle\n");
    let downloading = Status::Downloading { percent: 5 };
    assert_eq!(said(|tape| status(tape, "1.0.0", downloading)), "version 1.0.0, Downloading 5 %\n");
    let confirmed = BootState::Confirmed { running: SlotId::B };
    assert_eq!(said(|tape| boot_state(tape, confirmed, 7)), "boot Confirmed { running: B }, security floor 7\n");
    let back = "boot RolledBack { running: A, reason: GateFailed, last_reset: Software }, security floor 0\n";
    assert_eq!(said(|tape| boot_state(tape, BACK, 0)), back);
}

#[test]
fn offers_that_were_not_looked_at_are_shown_if_there_were_any() {
    let show = |what| said(|tape| ignored(tape, what));
    assert_eq!(show(Ignored::NONE), "");
    let notice = Notice::Ignored { text: "offer refused: missing field ", detail: "url" };
    let mut noted = Ignored::NONE;
    noted.note(&notice);
    assert_eq!(show(noted), "ignored offers 1, the last: offer refused: missing field url\n");
    assert_eq!(said(|tape| tell(tape, notice)), "ota: ignored: offer refused: missing field url\n");
}

#[test]
fn secrets_are_masked() {
    let info = DeviceInfo::new("pk", "dn", "hush", "quiet").unwrap();
    assert_eq!(said(|tape| identity(tape, &info)), "pk pk dn dn ds **** ps ****\n");
    let info = DeviceInfo::new("pk", "dn", "", "").unwrap();
    assert_eq!(said(|tape| identity(tape, &info)), "pk pk dn dn ds - ps -\n");
}
