//! `ota diff` and `ota patch`: what comes out is what went in, and nothing else ever does.

mod support;

use ota_diff::HEADER_LEN;
use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{bad, good, ota, release, run, scratch, sign, text};

/// Bytes that look like code: words of which most come again, in two releases.
fn firmware(dir: &Path) {
    let word = |i: u32| (i % 251).wrapping_mul(0x9E37_79B9) ^ (i / 1000);
    let old: Vec<u8> = (0..8_000).flat_map(|i| word(i).to_le_bytes()).collect();
    let mut new = old.clone();
    new.splice(10_000..10_000, *b"a new function");
    new[20_000] ^= 0xFF;
    fs::write(dir.join("old"), old).unwrap();
    fs::write(dir.join("new"), new).unwrap();
}

fn same(dir: &Path, a: &str, b: &str) -> bool {
    fs::read(dir.join(a)).unwrap() == fs::read(dir.join(b)).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_patch_gives_back_the_new_file_with_every_profile_and_instruction_set() {
    let (_guard, dir) = scratch();
    firmware(&dir);
    for profile in ["s", "m"] {
        for arch in ["auto", "thumb", "riscv32", "xtensa", "none"] {
            let args = ["diff", "old", "new", "-o", "p", "--profile", profile, "--arch", arch, "--force"];
            let made = good(&dir, &args);
            assert!(arch == "auto" || made["arch"] == arch, "{made}");
            assert_eq!(made["profile"], profile.to_uppercase());
            let bytes = fs::metadata(dir.join("p")).unwrap().len();
            assert_eq!((&made["patch_bytes"], &made["base"]["bytes"]), (&bytes.into(), &32_000.into()));
            assert!(bytes < 1000, "{made}");
            let applied = good(&dir, &["patch", "old", "p", "-o", "back", "--force"]);
            assert!(same(&dir, "back", "new") && applied["bytes"] == 32_014, "{applied}");
            let begins = made["new"]["sha256_begins"].as_str().unwrap();
            assert!(applied["sha256"].as_str().unwrap().starts_with(begins));
        }
    }
    // Our images are files like any other.
    release(&dir, "ed25519", "1.0.0");
    sign(&dir, "k.pem", "1.0.1", "next.img");
    good(&dir, &["diff", "fw.img", "next.img", "-o", "img.p"]);
    good(&dir, &["patch", "fw.img", "img.p", "-o", "next2.img"]);
    assert!(same(&dir, "next.img", "next2.img"));
}

#[test]
fn an_image_can_be_compressed_without_a_base() {
    let (_guard, dir) = scratch();
    firmware(&dir);
    let made = good(&dir, &["diff", "--no-base", "new", "-o", "c"]);
    assert_eq!(made["base"], Value::Null);
    assert!(made["patch_bytes"].as_u64().unwrap() < 8_000, "{made}");
    good(&dir, &["patch", "c", "-o", "back"]);
    assert!(same(&dir, "back", "new"));
    assert!(bad(&dir, &["patch", "old", "c", "-o", "x"]).contains("takes no old file"));
    good(&dir, &["diff", "old", "new", "-o", "p"]);
    let why = bad(&dir, &["patch", "p", "-o", "x"]);
    assert!(why.contains("for a file of 32000 bytes") && why.contains("OLD PATCH"), "{why}");
    for (args, said) in [
        (&["diff", "new", "-o", "x"][..], "two files are needed"),
        (&["diff", "--no-base", "old", "new", "-o", "x"], "one file: the new one"),
        (&["diff", "old", "new", "--from-bsdiff", "p", "-o", "x"], "one file: the old one"),
    ] {
        assert!(bad(&dir, args).contains(said), "{args:?}");
    }
    fs::write(dir.join("empty"), []).unwrap();
    assert!(bad(&dir, &["diff", "empty", "new", "-o", "x"]).contains("empty is empty"));
    assert!(!dir.join("x").exists());
}

#[test]
fn a_wrong_base_is_refused_before_anything_is_written() {
    let (_guard, dir) = scratch();
    firmware(&dir);
    good(&dir, &["diff", "old", "new", "-o", "p"]);
    // Of another size, and of the same size.
    let mut other = fs::read(dir.join("old")).unwrap();
    other.push(0);
    fs::write(dir.join("longer"), &other).unwrap();
    other.pop();
    other[31_000] ^= 1;
    fs::write(dir.join("other"), &other).unwrap();
    fs::write(dir.join("out"), b"what was there").unwrap();
    let before = names(&dir);
    for base in ["longer", "other"] {
        let why = bad(&dir, &["patch", base, "p", "-o", "out", "--force"]);
        assert!(why.contains("made for a file of 32000 bytes") && why.contains("nothing was written"), "{why}");
    }
    let why = bad(&dir, &["patch", "new", "p", "-o", "out", "--force"]);
    assert!(why.contains("the new file already"), "{why}");
    assert_eq!(names(&dir), before);
    assert_eq!(fs::read(dir.join("out")).unwrap(), b"what was there");
}

#[test]
fn a_damaged_patch_is_refused_wherever_the_damage_is_and_leaves_the_old_output() {
    let (_guard, dir) = scratch();
    firmware(&dir);
    good(&dir, &["diff", "old", "new", "-o", "p"]);
    let patch = fs::read(dir.join("p")).unwrap();
    fs::write(dir.join("out"), b"what was there").unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(dir.join("broken"), bytes).unwrap();
        let before = names(&dir);
        let why = bad(&dir, &["patch", "old", "broken", "-o", "out", "--force"]);
        assert_eq!(names(&dir), before, "no litter");
        assert_eq!(fs::read(dir.join("out")).unwrap(), b"what was there", "{why}");
        why
    };
    for len in [0, 1, HEADER_LEN - 1] {
        assert!(refused(&patch[..len]).contains("shorter than its header"), "{len}");
    }
    for len in [HEADER_LEN, patch.len() - 1] {
        let why = refused(&patch[..len]);
        assert!(why.contains(&format!("cut short: {len} of {} bytes", patch.len())), "{why}");
        let out = ota().current_dir(&dir).args(["--json", "inspect", "broken"]).output().unwrap();
        assert!(!out.status.success() && text(&out.stdout).contains("cut short"), "{}", text(&out.stdout));
    }
    assert!(refused(&[&patch[..], b"!"].concat()).contains("1 bytes follow"));
    for at in (0..patch.len()).step_by(7) {
        let mut bytes = patch.clone();
        bytes[at] ^= 0x10;
        refused(&bytes);
    }
    assert!(refused(b"this is certainly not a patch, although long").contains("not a patch"));
}

#[test]
fn outputs_are_kept_unless_force_is_given_and_appear_whole() {
    let (_guard, dir) = scratch();
    firmware(&dir);
    fs::write(dir.join("p"), b"kept").unwrap();
    assert!(bad(&dir, &["diff", "old", "new", "-o", "p"]).contains("--force"));
    assert_eq!(fs::read(dir.join("p")).unwrap(), b"kept");
    good(&dir, &["diff", "old", "new", "-o", "p", "--force"]);
    fs::write(dir.join("out"), b"kept").unwrap();
    assert!(bad(&dir, &["patch", "old", "p", "-o", "out"]).contains("--force"));
    assert_eq!(fs::read(dir.join("out")).unwrap(), b"kept");
    // A place that cannot be written to: no half file, no temporary one.
    fs::create_dir(dir.join("taken")).unwrap();
    let before = names(&dir);
    assert!(bad(&dir, &["patch", "old", "p", "-o", "taken", "--force"]).contains("cannot write taken"));
    assert_eq!(names(&dir), before);
}

#[test]
fn an_input_is_never_overwritten_and_a_missing_directory_is_told_before_the_work() {
    let (_guard, dir) = scratch();
    firmware(&dir);
    good(&dir, &["diff", "old", "new", "-o", "p"]);
    fs::write(dir.join("b"), b"BSDIFF40").unwrap();
    let kept = ["old", "new", "p", "b"].map(|name| fs::read(dir.join(name)).unwrap());
    let inputs = [
        (&["diff", "old", "new"][..], &["old", "new"][..]),
        (&["diff", "--no-base", "new"], &["new"]),
        (&["diff", "old", "--from-bsdiff", "b"], &["old", "b"]),
        (&["patch", "old", "p"], &["old", "p"]),
    ];
    for (args, names) in inputs {
        for name in names {
            let why = bad(
                &dir,
                &[args, &["--force", "-o", &format!("../{}/{name}", dir.file_name().unwrap().display())]].concat(),
            );
            assert!(why.contains("also an input"), "{args:?} -o {name}: {why}");
        }
        let why = bad(&dir, &[args, &["-o", "missing/out"]].concat());
        assert!(why.contains("no directory missing; make it first"), "{why}");
    }
    assert_eq!(["old", "new", "p", "b"].map(|name| fs::read(dir.join(name)).unwrap()), kept);
}

#[test]
fn a_patch_that_bsdiff_made_becomes_ours() {
    let (_guard, dir) = scratch();
    firmware(&dir);
    let (old, new) = (fs::read(dir.join("old")).unwrap(), fs::read(dir.join("new")).unwrap());
    let mut foreign = Vec::new();
    qbsdiff::Bsdiff::new(&old, &new).compare(std::io::Cursor::new(&mut foreign)).unwrap();
    fs::write(dir.join("foreign"), &foreign).unwrap();
    let made = good(&dir, &["diff", "old", "--from-bsdiff", "foreign", "-o", "p", "--arch", "none"]);
    assert_eq!(made["new"]["bytes"], new.len());
    good(&dir, &["patch", "old", "p", "-o", "back"]);
    assert!(same(&dir, "back", "new"));
    // The new file came through as it is: from it, the same patch is made.
    good(&dir, &["diff", "old", "new", "-o", "direct", "--arch", "none"]);
    assert!(same(&dir, "p", "direct"));
    for (bytes, what) in [(&foreign[..foreign.len() / 2], "cut short"), (&old, "no patch")] {
        fs::write(dir.join("foreign"), bytes).unwrap();
        let why = bad(&dir, &["diff", "old", "--from-bsdiff", "foreign", "-o", "x"]);
        assert!(why.contains("converting foreign over old"), "{what}: {why}");
        assert!(!dir.join("x").exists());
    }
}

#[test]
fn a_patch_is_shown_and_people_read_what_machines_do() {
    let (_guard, dir) = scratch();
    firmware(&dir);
    let made = good(&dir, &["diff", "old", "new", "-o", "p", "--profile", "s", "--arch", "thumb"]);
    let shown = good(&dir, &["inspect", "p"]);
    assert_eq!((&shown["kind"], &shown["problems"]), (&"patch".into(), &Value::Array(vec![])));
    for field in ["patch_bytes", "profile", "arch", "decoder_state_bytes", "percent_of_new", "base", "new"] {
        assert_eq!(shown[field], made[field], "{field}");
        assert!(!shown[field].is_null(), "{field}");
    }
    assert!(shown["decoder_state_bytes"].as_u64().unwrap() <= 2304);
    let out = run(&dir, &["diff", "old", "new", "-o", "p2"]);
    assert!(out.status.success() && out.stderr.is_empty(), "{}", text(&out.stderr));
    let said = text(&out.stdout);
    for word in ["patch:", "arch:", "percent of new:", "seconds:", "base:", "new:"] {
        assert!(said.contains(word), "{word} is missing in {said}");
    }
}
