//! Power cuts at random moments of updates.

use super::bench::{Bench, Status};
use crate::vendor::{Slot, for_slot};
use crate::world::PATIENCE;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

/// For an update that was cut once.
const LONG: Duration = Duration::from_secs(90);
/// How long nothing may be heard before the device is asked.
const SILENCE: Duration = Duration::from_secs(5);

/// What the cuts came to.
#[derive(Default)]
struct Tally {
    /// Cuts after which the old version ran, the new one on trial, the new one accepted.
    found: [u32; 3],
    again: u32,
}

/// Updates to and fro; during each the power is cut once.
pub(super) fn cuts(bench: &mut Bench<'_>) -> Result<String> {
    bench.cloud.restart(Some(bench.facts.rates[2]))?;
    bench.await_link()?;
    let mut next = usize::from(bench.status()?.version.starts_with(bench.cycle[0].0));
    let span = undisturbed(bench, next)?;
    println!("      an update takes {} ms; {} cuts at random moments of that time", span.as_millis(), bench.cuts);
    let mut tally = Tally::default();
    for n in 1..=bench.cuts {
        next = 1 - next;
        let moment = Duration::from_millis(bench.dice.roll(0, span.as_millis() as u64));
        one(bench, next, moment, &mut tally).with_context(|| format!("cut {n} of {}, after {moment:?}", bench.cuts))?;
    }
    let [old, trial, new] = tally.found;
    Ok(format!(
        "{} cuts, each time a whole image started: {old} x the old one, {trial} x the new one on trial, {new} x the new one \
         accepted; all updates finished, {} offers made again",
        bench.cuts, tally.again
    ))
}

/// How long an update takes that nobody disturbs.
fn undisturbed(bench: &mut Bench<'_>, next: usize) -> Result<Duration> {
    let (version, file, _) = bench.cycle[next];
    bench.cloud.offer(file)?;
    let begin = Instant::now();
    let again = finish(bench, version, file)?;
    ensure!(again == 0, "nobody cut anything, and the offer had to be made again");
    Ok(begin.elapsed())
}

fn one(bench: &mut Bench<'_>, next: usize, moment: Duration, tally: &mut Tally) -> Result<()> {
    let (version, file, _) = bench.cycle[next];
    bench.cloud.offer(file)?;
    std::thread::sleep(moment);
    let last = bench.device.running()?.last_line();
    bench.device.power_off();
    bench.device.power_on()?;
    let ready = bench.link.ready();
    let device = bench.device.running()?;
    let boot = device.wait_for("boot: ", PATIENCE)?;
    device.wait_for(ready, PATIENCE)?;
    let begin = Instant::now();
    whole(bench, &boot)?;
    let found = match (boot.contains(version), boot.contains("on trial")) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => 2,
    };
    tally.found[found] += 1;
    let again = finish(bench, version, file)?;
    tally.again += again;
    let note = if again > 0 { ", offered again" } else { "" };
    let (at, took) = (moment.as_millis(), begin.elapsed().as_secs_f32());
    println!("      {at:>5} ms, “{last}”: {boot}; {version} done after {took:.1} s{note}");
    Ok(())
}

/// The slot that was started holds, byte by byte, the image of the version that the loader names.
fn whole(bench: &Bench<'_>, boot: &str) -> Result<()> {
    let slot = if boot.contains("slot A") { Slot::A } else { Slot::B };
    let of = bench
        .cycle
        .iter()
        .find(|(version, ..)| boot.contains(&format!("slot {}, version {version}, ", slot.name().to_uppercase())));
    let (_, _, images) = of.with_context(|| format!("it started something else: {boot}"))?;
    let image = std::fs::read(for_slot(images, slot)?)?;
    ensure!(bench.device.slot(slot)?.starts_with(&image), "the image in the slot is not whole: {boot}");
    Ok(())
}

/// Waits for the end of the update. An offer that was cut before it was stored is lost: nobody but its maker can know
/// of it, and makes it again. Returns how often.
fn finish(bench: &mut Bench<'_>, version: &str, file: &str) -> Result<u32> {
    let (until, mut again) = (Instant::now() + LONG, 0);
    while !bench.cloud.finished(version, SILENCE)? {
        ensure!(Instant::now() < until, "the update to {version} was not finished");
        // It may be restarting just now.
        let Ok(Status { version: says, .. }) = bench.status() else { continue };
        if says.ends_with(", Idle") && !says.starts_with(version) {
            bench.cloud.offer(file)?;
            again += 1;
        }
    }
    Ok(again)
}
