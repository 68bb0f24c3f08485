//! What people and programs read.

use super::figures::{Row, geomean};
use super::full::{Image, mean};
use super::ours::Profile;
use super::run::{Made, Outcome};
use super::tools::{PATCHES, Setting};
use crate::markdown::{aligned, grouped};
use serde_json::{Value, json};

/// Our patches against the smallest of all others, pair by pair.
pub(super) fn against_others(rows: &[Row]) -> String {
    let head = ["pair", "best other", "new bytes", "best", "M", "S", "M ÷ best", "S ÷ best", "M ÷ HPL"];
    let mut lines = vec![head.map(str::to_owned)];
    for row in rows {
        let our = |profile| row.our(profile).map_or_else(|| "FAIL".into(), |ours| grouped(ours.made.bytes));
        lines.push([
            row.pair.id.clone(),
            row.best().map_or("-".into(), |(name, _)| name.into()),
            grouped(row.pair.new.len),
            row.best().map_or("-".into(), |(_, made)| grouped(made.bytes)),
            our(Profile::M),
            our(Profile::S),
            ratio(row.against_best(Profile::M)),
            ratio(row.against_best(Profile::S)),
            ratio(row.against_lite(Profile::M)),
        ]);
    }
    let mean_of = |figure: &dyn Fn(&Row) -> Option<f64>| ratio(geomean(rows.iter().map(figure)));
    let dash = || String::from("");
    lines.push([
        "geometric mean".into(),
        dash(),
        dash(),
        dash(),
        dash(),
        dash(),
        mean_of(&|row| row.against_best(Profile::M)),
        mean_of(&|row| row.against_best(Profile::S)),
        mean_of(&|row| row.against_lite(Profile::M)),
    ]);
    aligned(&lines, 2)
}

/// What our patches cost: to make, and to apply here and on the emulated device.
pub(super) fn costs(rows: &[Row]) -> String {
    let head = [
        "pair",
        "arch",
        "encode s",
        "peak MiB",
        "host MB/s M",
        "host MB/s S",
        "M4 instr/byte M",
        "M4 instr/byte S",
        "stack M",
        "stack S",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    for row in rows {
        let our = |profile: Profile, text: &dyn Fn(&super::ours::Ours) -> String| {
            row.our(profile).map_or("FAIL".into(), text)
        };
        let whole = |figure: Option<f64>| figure.map_or("-".into(), |figure| format!("{figure:.0}"));
        let stack =
            |profile: Profile| row.device[profile as usize].map_or("-".into(), |decoded| decoded.stack.to_string());
        lines.push([
            row.pair.id.clone(),
            our(Profile::M, &|ours| ours.arch.clone()),
            our(Profile::M, &|ours| format!("{:.1}", ours.made.cost.seconds)),
            our(Profile::M, &|ours| format!("{:.0}", ours.made.cost.kib as f64 / 1024.0)),
            our(Profile::M, &|ours| format!("{:.0}", ours.mb_per_s)),
            our(Profile::S, &|ours| format!("{:.0}", ours.mb_per_s)),
            whole(row.instructions(Profile::M)),
            whole(row.instructions(Profile::S)),
            stack(Profile::M),
            stack(Profile::S),
        ]);
    }
    aligned(&lines, 2)
}

/// Every setting on every pair, bytes; the last columns are the mean of patch ÷ new image, and what making took.
pub(super) fn settings(rows: &[Row]) -> String {
    let mut head = vec!["setting".to_owned()];
    head.extend(rows.iter().map(|row| row.pair.id.clone()));
    head.extend(["mean ÷ new", "s, all", "s, max", "peak MiB"].map(str::to_owned));
    let mut lines = vec![head];
    for profile in Profile::BOTH {
        let made = |row: &Row| Some(row.ours[profile as usize].as_ref().map(|ours| ours.made).map_err(Clone::clone));
        lines.push(setting_line(&format!("**ours, {}**", profile.name()), rows, made));
    }
    for name in names(PATCHES) {
        let made = |row: &Row| row.others.iter().find(|(of, _)| *of == name).map(|(_, outcome)| outcome.clone());
        lines.push(setting_line(name, rows, made));
    }
    aligned(&lines, 1)
}

fn setting_line(name: &str, rows: &[Row], of: impl Fn(&Row) -> Option<Outcome>) -> Vec<String> {
    let outcomes: Vec<Option<Outcome>> = rows.iter().map(of).collect();
    let made: Vec<Option<Made>> = outcomes.iter().map(|outcome| outcome.clone()?.ok()).collect();
    let mut line = vec![name.to_owned()];
    line.extend(outcomes.iter().map(|outcome| cell(outcome.as_ref())));
    let ratios =
        made.iter().zip(rows).filter_map(|(made, row)| Some(made.as_ref()?.bytes as f64 / row.pair.new.len as f64));
    let (count, mean) = (ratios.clone().count(), percent(geomean(ratios.map(Some))));
    line.push(if count == rows.len() { mean } else { format!("{mean} (of {count})") });
    let costs = || made.iter().flatten().map(|made| made.cost);
    line.push(format!("{:.1}", costs().map(|cost| cost.seconds).sum::<f64>()));
    line.push(format!("{:.1}", costs().map(|cost| cost.seconds).fold(0.0, f64::max)));
    line.push(format!("{:.0}", costs().map(|cost| cost.kib).max().unwrap_or(0) as f64 / 1024.0));
    line
}

/// Each name once.
fn names(settings: &[Setting]) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for setting in settings {
        if !names.contains(&setting.name) {
            names.push(setting.name);
        }
    }
    names
}

/// Full images: the best of each family of tools.
pub(super) fn full(images: &[Image]) -> String {
    const FAMILIES: [&str; 4] = ["heatshrink", "tinyuz", "zstd", "xz"];
    let head = [
        "image",
        "bytes",
        "ours, M",
        "ours, S",
        "heatshrink",
        "tinyuz 4k",
        "zstd -19",
        "xz -9e",
        "M ÷ xz",
        "M ÷ heatshrink",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    for image in images {
        let [shrink, tuz, zstd, xz] = FAMILIES.map(|family| image.best(family));
        let our = |profile| image.our(profile).map_or_else(|| "FAIL".into(), grouped);
        let over = |other: Option<u64>| ratio(image.our(Profile::M).zip(other).map(|(a, b)| a as f64 / b as f64));
        let bytes = |other: Option<u64>| other.map_or("-".into(), grouped);
        lines.push([
            image.file.name(),
            grouped(image.file.len),
            our(Profile::M),
            our(Profile::S),
            bytes(shrink),
            bytes(tuz),
            bytes(zstd),
            bytes(xz),
            over(xz),
            over(shrink),
        ]);
    }
    let [shrink, tuz, zstd, xz] = FAMILIES.map(|family| mean(images, |image| image.best(family)));
    let [m, s] = Profile::BOTH.map(|profile| mean(images, |image| image.our(profile)));
    let over = |other: Option<f64>| ratio(m.zip(other).map(|(a, b)| a / b));
    lines.push([
        "geometric mean".into(),
        String::new(),
        percent(m),
        percent(s),
        percent(shrink),
        percent(tuz),
        percent(zstd),
        percent(xz),
        over(xz),
        over(shrink),
    ]);
    aligned(&lines, 1)
}

/// What others did not manage: never left out silently.
pub(super) fn failures(rows: &[Row], images: &[Image]) -> Vec<String> {
    let patches =
        rows.iter().flat_map(|row| row.others.iter().map(|(name, outcome)| (row.pair.id.clone(), *name, outcome)));
    let whole =
        images.iter().flat_map(|image| image.others.iter().map(|(name, outcome)| (image.file.name(), *name, outcome)));
    patches
        .chain(whole)
        .filter_map(|(what, name, outcome)| Some(format!("{name} on {what}: {}", outcome.as_ref().err()?)))
        .collect()
}

/// Everything, for programs.
pub(super) fn json(rows: &[Row], images: &[Image], kit: &[String], faults: &[String]) -> Value {
    let others = |others: &[(&'static str, Outcome)]| -> Value {
        let one = |(name, outcome): &(&'static str, Outcome)| ((*name).to_owned(), outcome_json(outcome));
        others.iter().map(one).collect::<serde_json::Map<_, _>>().into()
    };
    let pairs: Vec<Value> = rows
        .iter()
        .map(|row| {
            let ours = Profile::BOTH.map(|profile| our_json(row, profile));
            json!({
                "id": row.pair.id, "isa": row.pair.isa, "old_bytes": row.pair.old.len, "new_bytes": row.pair.new.len,
                "ours": { "m": ours[0], "s": ours[1] },
                "best_other": row.best().map(|(name, made)| json!({ "setting": name, "bytes": made.bytes })),
                "others": others(&row.others),
            })
        })
        .collect();
    let images: Vec<Value> = images
        .iter()
        .map(|image| {
            json!({
                "file": image.file.name(), "bytes": image.file.len,
                "ours": { "m": image.our(Profile::M), "s": image.our(Profile::S) }, "others": others(&image.others),
            })
        })
        .collect();
    let mean = |figure: &dyn Fn(&Row) -> Option<f64>| geomean(rows.iter().map(figure));
    json!({
        "bench": "delta",
        "tools": kit,
        "pairs": pairs,
        "full_images": images,
        "means": {
            "m_to_best": mean(&|row| row.against_best(Profile::M)),
            "s_to_best": mean(&|row| row.against_best(Profile::S)),
            "m_to_hpatchlite_tuz_4k": mean(&|row| row.against_lite(Profile::M)),
        },
        "failures": failures(rows, &[]),
        "faults": faults,
    })
}

fn our_json(row: &Row, profile: Profile) -> Value {
    match &row.ours[profile as usize] {
        Err(why) => json!({ "error": why }),
        Ok(ours) => json!({
            "bytes": ours.made.bytes, "arch": ours.arch, "encode_seconds": ours.made.cost.seconds,
            "encode_peak_kib": ours.made.cost.kib, "host_mb_per_s": ours.mb_per_s,
            "to_best": row.against_best(profile), "to_hpatchlite_tuz_4k": row.against_lite(profile),
            "m4_instructions_per_byte": row.instructions(profile),
            "m4_stack_bytes": row.device[profile as usize].map(|decoded| decoded.stack),
            "decoder_state_bytes": row.device[profile as usize].map(|decoded| decoded.state),
        }),
    }
}

fn outcome_json(outcome: &Outcome) -> Value {
    match outcome {
        Ok(made) => json!({ "bytes": made.bytes, "seconds": made.cost.seconds, "peak_kib": made.cost.kib }),
        Err(why) => json!({ "error": why }),
    }
}

fn cell(outcome: Option<&Outcome>) -> String {
    match outcome {
        None => "-".into(),
        Some(Err(_)) => "FAIL".into(),
        Some(Ok(made)) => grouped(made.bytes),
    }
}

fn ratio(figure: Option<f64>) -> String {
    figure.map_or("-".into(), |figure| format!("{figure:.3}"))
}

fn percent(figure: Option<f64>) -> String {
    figure.map_or("-".into(), |figure| format!("{:.2}%", figure * 100.0))
}
