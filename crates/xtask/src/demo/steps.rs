//! The steps of the demo. Each returns what really happened, or fails when that is not what should.

use super::Link;
use super::bench::Bench;
use crate::vendor::{Slot, for_slot};
use crate::world::PATIENCE;
use anyhow::{Context, Result, bail, ensure};
use std::time::Duration;

/// For a whole update of a bad image: download, three watchdog periods, rollback, report.
const LONG: Duration = Duration::from_secs(60);
/// How long a server stays away that nobody has a connection to.
const VOID: Duration = Duration::from_secs(3);
/// What may come twice after a kill: one flash sector, and what one read of the application takes.
const TWICE_MAX: u64 = 4096 + 1536;

pub(super) fn commission(bench: &mut Bench<'_>) -> Result<String> {
    bench.device.commission()?;
    let device = bench.cloud.version("1.0.0")?;
    Ok(format!("the cloud hears from {device} that 1.0.0 runs"))
}

/// The whole update, undisturbed.
pub(super) fn update(bench: &mut Bench<'_>) -> Result<String> {
    bench.cloud.restart(None)?;
    bench.await_link()?;
    bench.cloud.offer("good.ota")?;
    let received = trial(bench)?;
    Ok(format!("{received}; {}", confirmed(bench)?))
}

pub(super) fn begin_update(bench: &mut Bench<'_>) -> Result<String> {
    let kill = bench.next_kill()?;
    bench.cloud.offer("good.ota")?;
    bench.device.running()?.wait_for("ota: Accepted", PATIENCE)?;
    bench.await_percent(kill)?;
    let percent = bench.cloud.progress()?;
    Ok(format!("accepted; the cloud sees {percent} %"))
}

pub(super) fn kill_device(bench: &mut Bench<'_>) -> Result<String> {
    bench.device.power_off();
    let at = bench.note_cut()?;
    let next = bench.next_kill()?;
    bench.device.power_on()?;
    bench.device.running()?.wait_for("version 1.0.0, accepted, last reset PowerOn", PATIENCE)?;
    bench.await_percent(next)?;
    resumed(bench, at)
}

pub(super) fn kill_server(bench: &mut Bench<'_>) -> Result<String> {
    bench.cloud.kill();
    match bench.link {
        Link::Mqtt => drop(bench.device.running()?.wait_for("broker: connection lost", PATIENCE)?),
        // There is no connection to be lost: the device asks into the void for a while.
        Link::Coap => std::thread::sleep(VOID),
    }
    let at = bench.note_cut()?;
    bench.cloud.restart(Some(bench.facts.rates[1]))?;
    bench.await_percent(at + 10)?;
    resumed(bench, at)
}

/// Counts what came twice since the cut; the device goes on downloading meanwhile.
fn resumed(bench: &Bench<'_>, at: u64) -> Result<String> {
    let now = bench.device.received();
    let twice = now.twice - bench.at_cut.twice;
    ensure!(now.total > bench.at_cut.total, "nothing came in after the cut");
    ensure!(twice <= TWICE_MAX, "{twice} bytes came twice, {TWICE_MAX} are allowed");
    Ok(format!("at {at} %; resumed, {twice} bytes downloaded twice (at most {TWICE_MAX})"))
}

pub(super) fn trial(bench: &mut Bench<'_>) -> Result<String> {
    let device = bench.device.running()?;
    device.wait_for("ota: Verifying", PATIENCE)?;
    device.wait_for("ota: Staged", PATIENCE)?;
    let line = device.wait_for("boot: ", PATIENCE)?;
    ensure!(line.contains("slot B, version 1.1.0, on trial, last reset Software"), "it said: {line}");
    let (all, needed) = (bench.device.received(), bench.payload.end - bench.payload.start);
    Ok(format!("{} bytes received for an image of {needed}; slot B on trial", all.total))
}

pub(super) fn confirmed(bench: &mut Bench<'_>) -> Result<String> {
    bench.device.running()?.wait_for("ota: Confirmed", PATIENCE)?;
    success(bench, "1.1.0")?;
    let state = bench.status()?.boot;
    ensure!(state.starts_with("Confirmed { running: B }, security floor 2"), "the boot record says {state}");
    Ok(format!("the cloud has 1.1.0 as done; boot record: {state}"))
}

fn success(bench: &mut Bench<'_>, version: &str) -> Result<()> {
    bench.cloud.version(version)?;
    match bench.cloud.outcome(version, PATIENCE)? {
        None => Ok(()),
        Some(reason) => bail!("the cloud was told that it failed: {reason}"),
    }
}

pub(super) fn bad_gate(bench: &mut Bench<'_>) -> Result<String> {
    // No more kills: the rest may be quick.
    bench.cloud.restart(None)?;
    bench.await_link()?;
    rolled_back(bench, "bad-gate.ota", 1, "self-test")
}

pub(super) fn bad_hang(bench: &mut Bench<'_>) -> Result<String> {
    rolled_back(bench, "bad-hang.ota", 3, "watchdog")
}

/// Offers a bad 1.2.0 that starts `starts` times; its way back ends in a report that says `why`.
fn rolled_back(bench: &mut Bench<'_>, file: &str, starts: u8, why: &str) -> Result<String> {
    bench.cloud.offer(file)?;
    let device = bench.device.running()?;
    for _ in 0..starts {
        device.wait_for("version 1.2.0, on trial", LONG)?;
    }
    let line = device.wait_for("boot: ", LONG)?;
    ensure!(line.contains("slot B, version 1.1.0, accepted"), "after the trial it said: {line}");
    let reason = bench.cloud.outcome("1.2.0", LONG)?.context("the cloud was told that 1.2.0 is done")?;
    ensure!(reason.contains("rolled back") && reason.contains(why), "the cloud was told: {reason}");
    let last = bench.status()?.last;
    ensure!(last.starts_with("rolled back: "), "`ota status` says of it: {last}");
    Ok(format!("back to 1.1.0 after {starts} start(s); the cloud hears: {reason}"))
}

pub(super) fn tampered(bench: &mut Bench<'_>) -> Result<String> {
    bench.boot_before = bench.status()?.boot;
    // Its envelope is in order: it is downloaded and then proven wrong.
    refused(bench, "tampered.ota", "1.4.0", "digest", Left::Overwritten)
}

pub(super) fn foreign_key(bench: &mut Bench<'_>) -> Result<String> {
    refused(bench, "foreign-key.ota", "1.3.0", "key", Left::Untouched)
}

pub(super) fn old_counter(bench: &mut Bench<'_>) -> Result<String> {
    refused(bench, "old-counter.ota", "1.3.0", "counter", Left::Untouched)
}

pub(super) fn wrong_class(bench: &mut Bench<'_>) -> Result<String> {
    refused(bench, "wrong-class.ota", "1.3.0", "class", Left::Untouched)
}

pub(super) fn wrong_slot(bench: &mut Bench<'_>) -> Result<String> {
    refused(bench, "wrong-slot.img", "1.4.0", "not linked for this slot", Left::Overwritten)
}

/// What a hostile offer may leave in the slot that does not run.
#[derive(PartialEq, Eq)]
enum Left {
    Untouched,
    Overwritten,
}

/// The slot that runs while the hostile offers come, and the other one.
const RUNNING: Slot = Slot::B;
const INACTIVE: Slot = Slot::A;

/// Offers a hostile file; the report must say `why`, the boot record must stay what it was, and the inactive slot must
/// hold nothing that a loader would start.
fn refused(bench: &mut Bench<'_>, file: &str, version: &str, why: &str, left: Left) -> Result<String> {
    let before = bench.device.slot(INACTIVE)?;
    bench.cloud.offer(file)?;
    let reason = bench.cloud.outcome(version, LONG)?.context("the cloud was told that it is done")?;
    ensure!(reason.contains(why), "the cloud was told: {reason}");
    let now = bench.status()?;
    ensure!(now.boot == bench.boot_before, "the boot record changed from {} to {}", bench.boot_before, now.boot);
    ensure!(now.last.starts_with("failed ") && now.last.contains(why), "`ota status` says of it: {}", now.last);
    let untouched = bench.device.slot(INACTIVE)? == before;
    let slot = if untouched { "untouched" } else { "overwritten" };
    ensure!(untouched == (left == Left::Untouched), "the inactive slot is {slot}");
    let loader = not_bootable(bench, file)?;
    Ok(format!("refused, boot record unchanged, slot A {slot}, {loader}; the cloud hears: {reason}"))
}

/// Without the running image, the loader has nothing to start: whatever the record says, it does not take the other slot.
/// Not even when somebody wrote the image of the package `offered` there.
fn not_bootable(bench: &Bench<'_>, offered: &str) -> Result<&'static str> {
    let try_with = |forged| {
        let said = bench.device.boot_without(RUNNING, forged)?;
        ensure!(said.contains("no slot holds an image that may be started"), "the loader starts it: {said}");
        anyhow::Ok(())
    };
    try_with(None)?;
    let Some((_, images)) = bench.hostile.iter().find(|(name, _)| *name == offered) else {
        return Ok("and refused by the loader");
    };
    try_with(Some(for_slot(images, INACTIVE)?))?;
    Ok("and the image written there refused by the loader")
}

pub(super) fn power_cycle(bench: &mut Bench<'_>) -> Result<String> {
    bench.device.power_off();
    bench.device.power_on()?;
    let ready = bench.link.ready();
    let device = bench.device.running()?;
    let line = device.wait_for("boot: ", PATIENCE)?;
    ensure!(line.contains("slot B, version 1.1.0, accepted"), "it said: {line}");
    device.wait_for(ready, PATIENCE)?;
    not_bootable(bench, "")?;
    // Otherwise a loader that starts nothing at all would pass.
    let other = bench.device.boot_without(INACTIVE, None)?;
    ensure!(other.contains("slot B, version 1.1.0, accepted"), "without slot A it said: {other}");
    Ok(format!("{line}; without slot B nothing starts"))
}

pub(super) fn wrong_base(bench: &mut Bench<'_>) -> Result<String> {
    refused(bench, "wrong-base.ota", "1.4.0", "another base", Left::Untouched)
}

/// So slowly, in KiB/s, that a kill meets a delta in mid-download.
const SLOW: &str = "12";

pub(super) fn killed_delta(bench: &mut Bench<'_>) -> Result<String> {
    bench.cloud.restart(Some(SLOW))?;
    bench.await_link()?;
    let before = bench.device.received().total;
    bench.cloud.offer("again.ota")?;
    bench.device.running()?.wait_for("ota: Accepted", PATIENCE)?;
    let (start, end) = (bench.delta.start, bench.delta.end);
    bench.await_position(start + (end - start) / 2)?;
    bench.device.power_off();
    let reads = bench.device.reads();
    let (at, len) = reads.last().copied().context("nothing was received")?;
    ensure!((start + 1..end).contains(&(at + len)), "the kill came outside of the delta");
    bench.cloud.restart(None)?;
    bench.device.power_on()?;
    bench.device.running()?.wait_for("version 1.1.0, accepted, last reset PowerOn", PATIENCE)?;
    let what = arrived(bench, Slot::A, "1.0.0", before, end - start)?;
    let mut later = bench.device.reads().into_iter().skip(reads.len()).map(|(from, _)| from);
    let resumed = later.find(|from| *from >= start).context("nothing was received after the kill")?;
    ensure!(resumed > start, "the delta was decoded from its beginning again: no checkpoint was found");
    ensure!(resumed <= at + len, "bytes {} to {resumed} were left out", at + len);
    let (cut, resumed, all) = (at + len - start, resumed - start, end - start);
    Ok(format!("killed after {cut} of {all} bytes, resumed from a checkpoint at {resumed}; {what}"))
}

pub(super) fn delta(bench: &mut Bench<'_>) -> Result<String> {
    let before = bench.device.received().total;
    bench.cloud.offer("next.ota")?;
    let full = arrived(bench, Slot::B, "1.1.0", before, 0)?;
    Ok(full)
}

pub(super) fn no_base(bench: &mut Bench<'_>) -> Result<String> {
    let before = bench.device.received().total;
    // Its delta is from the first 1.1.0; now another one runs.
    bench.cloud.offer("again.ota")?;
    let (received, full) = installed(bench, Slot::A, "1.0.0", before)?;
    ensure!(received >= full, "{received} bytes cannot be the image of {full}");
    Ok(format!("it does not hold the base of the delta and takes the full image: {received} bytes received"))
}

/// Most bytes that come before a payload: the envelope.
const ENVELOPE: u64 = 2048;

/// A delta ends in this version: what came over the wire, beside what the full image has.
fn arrived(bench: &mut Bench<'_>, slot: Slot, version: &str, before: u64, delta: u64) -> Result<String> {
    let (received, full) = installed(bench, slot, version, before)?;
    let most = if delta == 0 { full / 4 } else { delta + ENVELOPE + TWICE_MAX };
    ensure!(received <= most, "{received} bytes were received, {most} are allowed");
    Ok(format!("{received} bytes on the wire for an image of {full}; {version} confirmed in slot {}", slot.name()))
}

/// Waits until this version is confirmed in this slot; how many bytes were received since, and how many its image has.
fn installed(bench: &mut Bench<'_>, slot: Slot, version: &str, before: u64) -> Result<(u64, u64)> {
    let device = bench.device.running()?;
    let name = slot.name().to_uppercase();
    device.wait_for(&format!("slot {name}, version {version}, on trial"), LONG)?;
    device.wait_for("ota: Confirmed", PATIENCE)?;
    success(bench, version)?;
    let state = bench.status()?.boot;
    let running = format!("running: {name}");
    ensure!(state.contains(&running) && state.ends_with("security floor 3"), "the boot record says {state}");
    let (_, _, images) = bench.cycle.iter().find(|(of, ..)| *of == version).context("no such version")?;
    Ok((bench.device.received().total - before, std::fs::metadata(for_slot(images, slot)?)?.len()))
}
