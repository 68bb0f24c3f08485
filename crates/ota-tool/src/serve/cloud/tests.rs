use super::*;

fn device() -> DeviceName {
    DeviceName::new("pk", "dn").unwrap()
}
fn inform(version: &str) -> Up {
    Up::Inform { module: String::new(), version: version.to_owned() }
}
fn progress(step: i32, text: &str) -> Up {
    Up::Progress { module: String::new(), step, text: text.to_owned() }
}
fn take(cloud: &mut Cloud, name: &DeviceName, up: &Up, now: u64) -> Reaction {
    cloud.on_message(name, up, now).unwrap()
}
fn push() -> Vec<Send> {
    vec![Send::Push(device(), String::new())]
}
fn offer(cloud: &Cloud) -> Offer {
    cloud.devices["pk/dn"].modules[""].offer.clone().unwrap()
}
fn kinds(reaction: &Reaction) -> Vec<&str> {
    reaction.events.iter().filter_map(|e| e["event"].as_str()).collect()
}

#[test]
fn the_version_report_is_what_counts_as_success() {
    let mut cloud = Cloud::default();
    let hello = take(&mut cloud, &device(), &inform("1.0.0"), 1);
    assert_eq!(kinds(&hello), ["online", "version"]);
    assert_eq!(cloud.offer(&device(), "", "f.ota", "1.1.0").unwrap().sends, push());
    take(&mut cloud, &device(), &progress(100, ""), 2);
    assert_eq!(offer(&cloud).status, Status::Progress);
    let done = take(&mut cloud, &device(), &inform("1.1.0"), 3);
    assert_eq!(kinds(&done), ["version", "done"]);
    assert_eq!(offer(&cloud).status, Status::Done);
    assert!(cloud.pending(&device(), "").is_none());
}

#[test]
fn an_offer_for_an_absent_device_waits_for_its_report() {
    let mut cloud = Cloud::default();
    assert!(cloud.offer(&device(), "", "f.ota", "1.1.0").unwrap().sends.is_empty());
    assert_eq!(take(&mut cloud, &device(), &inform("1.0.0"), 1).sends, push());
    // The message may have been lost on the way: told again as long as nothing moves.
    assert_eq!(take(&mut cloud, &device(), &inform("1.0.0"), 2).sends, push());
}

#[test]
fn a_failure_keeps_its_reason_and_is_not_offered_again() {
    let mut cloud = Cloud::default();
    take(&mut cloud, &device(), &inform("1.0.0"), 1);
    cloud.offer(&device(), "", "f.ota", "1.1.0").unwrap();
    take(&mut cloud, &device(), &progress(50, ""), 2);
    let failed = take(&mut cloud, &device(), &progress(-3, "signature mismatch"), 3);
    assert_eq!(kinds(&failed), ["failed"]);
    assert_eq!((offer(&cloud).code, offer(&cloud).reason.as_deref()), (Some(-3), Some("signature mismatch")));
    assert!(take(&mut cloud, &device(), &inform("1.0.0"), 4).sends.is_empty());
    assert!(cloud.pending(&device(), "").is_none());
    // Progress of a failed job that was on its way is not a new life.
    take(&mut cloud, &device(), &progress(60, ""), 5);
    assert_eq!(offer(&cloud).status, Status::Failed);
}

#[test]
fn a_restart_in_mid_update_is_given_time_before_it_is_told_again() {
    let mut cloud = Cloud::default();
    take(&mut cloud, &device(), &inform("1.0.0"), 1);
    cloud.offer(&device(), "", "f.ota", "1.1.0").unwrap();
    take(&mut cloud, &device(), &progress(50, ""), 2);
    assert!(take(&mut cloud, &device(), &inform("1.0.0"), 1000).sends.is_empty());
    assert!(cloud.on_tick(1000 + NUDGE_MS - 1).is_empty());
    assert_eq!(cloud.on_tick(1000 + NUDGE_MS), push());
    assert!(cloud.on_tick(1000 + 2 * NUDGE_MS).is_empty());
    // A device that resumes by itself is not disturbed.
    take(&mut cloud, &device(), &inform("1.0.0"), 2000);
    take(&mut cloud, &device(), &progress(55, ""), 2001);
    assert!(cloud.on_tick(u64::MAX).is_empty());
}

#[test]
fn a_file_that_brings_another_version_is_not_offered_for_ever() {
    let mut cloud = Cloud::default();
    take(&mut cloud, &device(), &inform("1.0.0"), 1);
    cloud.offer(&device(), "", "f.ota", "3").unwrap();
    take(&mut cloud, &device(), &progress(100, ""), 2);
    assert!(take(&mut cloud, &device(), &inform("1.1.0"), 3).sends.is_empty());
    assert_eq!(offer(&cloud).status, Status::Failed);
    assert_eq!(offer(&cloud).reason.as_deref(), Some("installed, but the device reports 1.1.0"));
    assert!(cloud.on_tick(u64::MAX).is_empty());
    take(&mut cloud, &device(), &inform("3"), 4);
    assert_eq!(offer(&cloud).status, Status::Done);
}

#[test]
fn a_rollback_after_the_version_report_is_a_failure() {
    let mut cloud = Cloud::default();
    take(&mut cloud, &device(), &inform("1.0.0"), 1);
    cloud.offer(&device(), "", "f.ota", "1.2.0").unwrap();
    take(&mut cloud, &device(), &inform("1.2.0"), 2);
    take(&mut cloud, &device(), &inform("1.0.0"), 3);
    assert_eq!(offer(&cloud).status, Status::Failed);
    take(&mut cloud, &device(), &progress(-1, "rolled back: health gate 1 failed"), 4);
    assert_eq!(offer(&cloud).reason.as_deref(), Some("rolled back: health gate 1 failed"));
}

#[test]
fn what_is_saved_comes_back() {
    let mut cloud = Cloud::default();
    take(&mut cloud, &device(), &inform("1.0.0"), 1);
    cloud.offer(&device(), "mcu", "f.ota", "1.1.0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    std::fs::write(&path, serde_json::to_vec(&cloud).unwrap()).unwrap();
    assert_eq!(Cloud::load(&path).unwrap().snapshot(), cloud.snapshot());
    std::fs::write(&path, "something else").unwrap();
    assert!(Cloud::load(&path).is_err());
}

#[test]
fn a_flood_of_names_is_bounded() {
    let mut cloud = Cloud::default();
    for i in 0..DEVICES_MAX + 5 {
        let taken = cloud.on_message(&DeviceName::new("pk", &i.to_string()).unwrap(), &inform("1"), 1);
        assert_eq!(taken.is_ok(), i < DEVICES_MAX, "one that is not taken is said to be");
    }
    assert_eq!(cloud.names().len(), DEVICES_MAX);
    for i in 0..100 {
        let up = Up::Inform { module: i.to_string(), version: "1".to_owned() };
        let taken = cloud.on_message(&DeviceName::new("pk", "0").unwrap(), &up, 1);
        assert_eq!(taken.err(), (i >= MODULES_MAX).then_some(NoRoom::Modules));
    }
    assert_eq!(cloud.devices["pk/0"].modules.len(), 1 + MODULES_MAX);
}

#[test]
fn a_device_of_many_modules_still_reports_its_firmware() {
    let mut cloud = Cloud::default();
    for i in 0..MODULES_MAX {
        let up = Up::Inform { module: i.to_string(), version: "1".to_owned() };
        take(&mut cloud, &device(), &up, 1);
    }
    assert_eq!(kinds(&take(&mut cloud, &device(), &inform("1.0.0"), 2)), ["version"]);
    assert_eq!(cloud.devices["pk/dn"].modules[""].version.as_deref(), Some("1.0.0"));
}

#[test]
fn what_a_device_fetches_by_its_name_is_what_it_was_told_to() {
    let mut cloud = Cloud::default();
    cloud.offer(&device(), "b", "b.ota", "1.1.0").unwrap();
    let file = |cloud: &Cloud| cloud.by_name(&device()).map(|offer| offer.file.clone());
    assert_eq!(file(&cloud).as_deref(), Some("b.ota"), "it was not told of any");
    cloud.tell_by_name(&device(), "b");
    cloud.offer(&device(), "a", "a.ota", "1.1.0").unwrap();
    assert_eq!(file(&cloud).as_deref(), Some("b.ota"));
    take(&mut cloud, &device(), &Up::Inform { module: "b".to_owned(), version: "1.1.0".to_owned() }, 1);
    assert_eq!(file(&cloud).as_deref(), Some("a.ota"), "that one is done");
}

#[test]
fn a_late_failure_does_not_undo_a_success() {
    let mut cloud = Cloud::default();
    take(&mut cloud, &device(), &inform("1.0.0"), 1);
    cloud.offer(&device(), "", "f.ota", "1.1.0").unwrap();
    take(&mut cloud, &device(), &inform("1.1.0"), 2);
    assert!(kinds(&take(&mut cloud, &device(), &progress(-2, "timed out"), 3)).is_empty());
    assert_eq!((offer(&cloud).status, offer(&cloud).reason), (Status::Done, None));
    // It explains a fall-back that the version report shows.
    take(&mut cloud, &device(), &inform("1.0.0"), 4);
    assert_eq!((offer(&cloud).code, offer(&cloud).reason.as_deref()), (Some(-2), Some("timed out")));
}

#[test]
fn the_first_reason_of_a_failure_stays() {
    let mut cloud = Cloud::default();
    take(&mut cloud, &device(), &inform("1.0.0"), 1);
    cloud.offer(&device(), "", "f.ota", "1.1.0").unwrap();
    take(&mut cloud, &device(), &progress(-3, "signature mismatch"), 2);
    assert!(kinds(&take(&mut cloud, &device(), &progress(-1, "aborted"), 3)).is_empty());
    assert_eq!((offer(&cloud).code, offer(&cloud).reason.as_deref()), (Some(-3), Some("signature mismatch")));
}

#[test]
fn a_busy_answer_fails_no_job() {
    let busy = || progress(-1, "busy: another update is under way");
    let mut cloud = Cloud::default();
    take(&mut cloud, &device(), &inform("1.0.0"), 1);
    cloud.offer(&device(), "", "f.ota", "1.1.0").unwrap();
    // At work on an older offer: told again later.
    assert_eq!(kinds(&take(&mut cloud, &device(), &busy(), 1000)), ["busy"]);
    assert_eq!(offer(&cloud).status, Status::Offered);
    assert_eq!(cloud.on_tick(1000 + NUDGE_MS), push());
    // At work on this one.
    take(&mut cloud, &device(), &progress(40, ""), 2000);
    take(&mut cloud, &device(), &busy(), 2001);
    assert_eq!((offer(&cloud).status, offer(&cloud).percent), (Status::Progress, 40));
    assert!(cloud.on_tick(u64::MAX).is_empty());
}

#[test]
fn tags_are_bounded_however_often_they_come() {
    let mut cloud = Cloud::default();
    for i in 0..100 {
        let tag = |k: usize| (format!("{i}-{k}"), "value".to_owned());
        take(&mut cloud, &device(), &Up::Tags((0..16).map(tag).collect()), 1);
    }
    assert_eq!(cloud.devices["pk/dn"].tags.len(), TAGS_MAX);
    take(&mut cloud, &device(), &Up::Tags(vec![("0-0".to_owned(), "new".to_owned())]), 1);
    assert_eq!(cloud.devices["pk/dn"].tags["0-0"], "new");
}
