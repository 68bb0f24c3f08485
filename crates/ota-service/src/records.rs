//! What the agent keeps in the journal, for tools that look at a device's memory. No device links this.

use crate::job::{Job, Phase, Progress};
use crate::outbox::Outbox;
use ota_hal::{Kind, SlotId};
use ota_transport::{FailStage, Report};
use ota_verify::manifest::Form;

/// One thing that a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// A number; 0 is left out where it means that nothing is known.
    Number(u64),
    /// A text.
    Text(&'a str),
    /// A digest or an identifier.
    Bytes(&'a [u8]),
}
use Field::{Bytes, Number, Text};

type Show<'s> = dyn FnMut(&'static str, Field<'_>) + 's;

/// Shows what a record of the agent says, name by name. False for a kind that is not the agent's, and for bytes that no
/// version of it wrote. Of a URL the query is left out: it may hold a signature that grants access.
pub fn describe(kind: Kind, record: &[u8], show: &mut Show<'_>) -> bool {
    let known = match kind {
        Kind::Job => job(record, show),
        Kind::Progress => progress(record, show),
        Kind::Outbox => outbox(record, show),
        _ => None,
    };
    known.is_some()
}

fn job(record: &[u8], show: &mut Show<'_>) -> Option<()> {
    let mut job = Job::none();
    let locator = job.decode(record)?;
    let phase = match job.phase {
        Phase::Deferred => "deferred",
        Phase::Accepted => "accepted",
        Phase::Selected => "payload chosen",
        Phase::Staged => "staged",
    };
    show("phase", Text(phase));
    show("id", Number(job.id));
    if !job.module.is_empty() {
        show("module", Text(&job.module));
    }
    show("version", Text(&job.version));
    show("locator", Text(locator.split('?').next().unwrap_or_default()));
    show("slot", Text(if job.slot == SlotId::A { "A" } else { "B" }));
    for (name, size) in [("offered_size", job.offered), ("object_size", job.seen)] {
        if let Some(size) = size {
            show(name, Number(size.into()));
        }
    }
    if !job.validator.is_empty() {
        show("validator", core::str::from_utf8(&job.validator).map_or(Bytes(&job.validator), Text));
    }
    if job.phase >= Phase::Selected {
        let plan = &job.payload.plan;
        let form = match plan.form {
            Form::Raw => "raw",
            Form::Compressed => "compressed",
            Form::Delta => "delta",
        };
        show("payload", Text(form));
        for (name, number) in [("offset", job.payload.offset), ("length", plan.length), ("image_size", plan.size)] {
            show(name, Number(number.into()));
        }
        if let Some(digest) = &plan.digest {
            show("digest", Bytes(digest));
        }
    }
    Some(())
}

fn progress(record: &[u8], show: &mut Show<'_>) -> Option<()> {
    match Progress::decode(record)? {
        Progress::Stored { id, durable } => {
            show("job", Number(id));
            show("durable_bytes", Number(durable.into()));
        }
        Progress::Gate(name) => show("failed_gate", Text(name)),
        Progress::NotStarted { id } => show("asked_again_for", Number(id)),
        Progress::Staging { digest } => show("staging", Bytes(&digest)),
    }
    Some(())
}

fn outbox(record: &[u8], show: &mut Show<'_>) -> Option<()> {
    let outbox = Outbox::read(record)?;
    match outbox.last_image() {
        (0, _) => {}
        (Outbox::INSTALLED, digest) => show("installed_digest", Bytes(digest)),
        (times, digest) => {
            show("rolled_back_times", Number(times.into()));
            show("rolled_back_digest", Bytes(digest));
        }
    }
    for report in outbox.reports() {
        if let Report::Failed { component, stage, text } = report {
            show("to_report", Text(text));
            show("stage", Text(stage_name(stage)));
            if !component.module.is_empty() {
                show("module", Text(component.module));
            }
        }
    }
    Some(())
}

const fn stage_name(stage: FailStage) -> &'static str {
    match stage {
        FailStage::Upgrade => "upgrade",
        FailStage::Download => "download",
        FailStage::Verify => "verify",
        FailStage::Burn => "burn",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{HEAD, PROGRESS_MAX};
    use crate::outbox::Image;
    use ota_transport::{Component, Locator, Offer};
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn said(kind: Kind, record: &[u8]) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        describe(kind, record, &mut |name, field| lines.push(format!("{name} {field:?}"))).then_some(lines)
    }

    #[test]
    fn a_job_is_told_without_what_grants_access() {
        let mut job = Job::none();
        let url = "http://h/fw.ota?signature=secret";
        let component = Component { device: 0, module: "radio" };
        let locator = Locator::Url(url);
        let offer = Offer {
            component,
            version: "2.0.0",
            size: Some(9),
            locator,
            checksum: None,
            cloud_signature: &[],
            delta: false,
        };
        job.take_offer(&offer, SlotId::B).unwrap();
        job.phase = Phase::Selected;
        job.payload.plan.length = 7;
        let mut buf = [0; 512];
        buf[HEAD..HEAD + url.len()].copy_from_slice(url.as_bytes());
        let len = job.encode(url.len(), &mut buf).unwrap();
        let record = &buf[..len];
        let text = said(Kind::Job, record).unwrap().join("\n");
        for line in
            ["phase Text(\"payload chosen\")", "module Text(\"radio\")", "offered_size Number(9)", "slot Text(\"B\")"]
        {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(text.contains("locator Text(\"http://h/fw.ota\")") && !text.contains("secret"), "{text}");
        for len in 0..record.len() {
            assert_eq!(said(Kind::Job, &record[..len]), None, "cut at {len}");
        }
    }

    #[test]
    fn progress_and_outcomes() {
        let mut buf = [0; PROGRESS_MAX];
        let record = Progress::Stored { id: 7, durable: 4096 }.encode(&mut buf).unwrap();
        assert_eq!(said(Kind::Progress, record).unwrap(), ["job Number(7)", "durable_bytes Number(4096)"]);
        let mut outbox = Outbox::new();
        outbox.count_rollback(&Image { job: 7, digest: Some([5; 8]) });
        let _ = outbox.add(7, Component::default(), FailStage::Verify, &["rolled back: ", "x"]);
        let _ = outbox.add(8, Component::default(), FailStage::Burn, &["y"]);
        let said = |record: &[u8]| said(Kind::Outbox, record);
        let lines = said(outbox.record()).unwrap();
        assert_eq!(lines[0], "rolled_back_times Number(1)");
        let reports = [
            "to_report Text(\"rolled back: x\")",
            "stage Text(\"verify\")",
            "to_report Text(\"y\")",
            "stage Text(\"burn\")",
        ];
        assert_eq!(lines[2..], reports);
        assert_eq!(said(&outbox.record()[1..]), None);
        assert_eq!(said(b""), None);
        assert!(!describe(Kind::Boot, b"x", &mut |_, _| {}));
    }
}
