//! Packages with deltas and compressed images: what goes in, what is left out, and that devices get the image of each.

mod support;

use ota_diff::{Header, patch};
use ota_verify::Envelope;
use ota_verify::manifest::{Encoding, Manifest};
use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{CLASS, VENDOR, bad, good, run, scratch, text};

/// Signs a program as `NAME.img`, for slot A or B where an address says so.
fn image(dir: &Path, name: &str, program: &[u8], version: &str, address: Option<&str>) -> Vec<u8> {
    fs::write(dir.join("app.bin"), program).unwrap();
    let out = format!("{name}.img");
    let mut args = vec!["sign", "app.bin", "-o", &out, "-k", "k.pem", "--version", version, "--counter", "1"];
    args.extend(["--vendor", VENDOR, "--class", CLASS]);
    args.extend(address.iter().flat_map(|address| ["--rom-address", address]));
    good(dir, &args);
    fs::read(dir.join(out)).unwrap()
}

/// The vendor's key, 1.0.0 and 1.1.0 for both slots.
fn releases(dir: &Path) -> [Vec<u8>; 4] {
    good(dir, &["keygen", "--type", "ed25519", "-o", "k"]);
    let mut program = ota_testkit::Rng::new(1).bytes(40_000);
    let old_a = image(dir, "old-a", &program, "1.0.0", Some("4096"));
    program[100] ^= 1;
    let old_b = image(dir, "old-b", &program, "1.0.0", Some("8192"));
    program[20_000..20_100].fill(7);
    let new_b = image(dir, "new-b", &program, "1.1.0", Some("8192"));
    program[100] ^= 1;
    let new_a = image(dir, "new-a", &program, "1.1.0", Some("4096"));
    good(dir, &["pack", "--slot-a", "old-a.img", "--slot-b", "old-b.img", "-o", "old.ota", "-k", "k.pem"]);
    [old_a, old_b, new_a, new_b]
}

fn pack(dir: &Path, more: &[&str]) -> Value {
    let args = ["pack", "--slot-a", "new-a.img", "--slot-b", "new-b.img", "-o", "new.ota", "-k", "k.pem", "--force"];
    good(dir, &[&args[..], more].concat())
}

/// Slot, encoding and bytes of each payload, as `ota pack` and `ota inspect` show them.
fn payloads(dir: &Path, packed: &Value) -> Vec<(String, String, u64)> {
    let of = |list: &Value| -> Vec<(String, String, u64)> {
        let word = |v: &Value| v.as_str().unwrap().to_owned();
        let one = |p: &Value| (word(&p["slot"]), word(&p["encoding"]), p["bytes"].as_u64().unwrap());
        list.as_array().unwrap().iter().map(one).collect()
    };
    let shown = of(&packed["payloads"]);
    assert_eq!(shown, of(&good(dir, &["inspect", "new.ota", "-k", "k.pub"])["components"][0]["payloads"]));
    shown
}

#[test]
fn each_slot_gets_the_delta_from_the_other_one_and_the_image_comes_out() {
    let (_guard, dir) = scratch();
    let [old_a, old_b, new_a, new_b] = releases(&dir);
    let list = payloads(&dir, &pack(&dir, &["--from", "old.ota"]));
    let kinds: Vec<_> = list.iter().map(|(slot, encoding, _)| (&slot[..], &encoding[..])).collect();
    assert_eq!(kinds, [("A", "raw"), ("B", "raw"), ("A", "delta"), ("B", "delta")]);
    assert!(list[2].2 < 2000 && list[3].2 < 2000, "{list:?}");
    let package = fs::read(dir.join("new.ota")).unwrap();
    let envelope = Envelope::split(&package).unwrap();
    let manifest = Manifest::inspect(envelope.manifest_bytes(), envelope.end()).unwrap();
    let all: Vec<_> = manifest.component("").unwrap().payloads().collect();
    for (payload, (old, new)) in all[2..].iter().zip([(&old_b, &new_a), (&old_a, &new_b)]) {
        let bytes = &package[payload.offset as usize..payload.end() as usize];
        assert_eq!(&patch(old, bytes).unwrap(), new);
        assert_eq!(payload.image_size as usize, new.len());
        assert!(matches!(payload.encoding, Encoding::Delta { base } if Header::parse(bytes).unwrap().is_base(&base)));
    }
    // An image that is given twice is one base.
    assert_eq!(
        payloads(&dir, &pack(&dir, &["--from", "old.ota", "--from", "old-a.img", "--from", "old.ota"])).len(),
        4
    );
    // A bare image says where it runs; `slot=` says it where the image does not.
    assert_eq!(payloads(&dir, &pack(&dir, &["--from", "old-a.img"])).len(), 3);
    assert_eq!(
        payloads(&dir, &pack(&dir, &["--from", "old-a.img", "--from", "old-b.img,slot=b", "--profile", "s"])).len(),
        4
    );
}

#[test]
fn what_compresses_is_compressed_and_the_full_image_may_be_left_out() {
    let (_guard, dir) = scratch();
    good(&dir, &["keygen", "--type", "ed25519", "-o", "k"]);
    let new = image(&dir, "new", &b"many words, few of them new; ".repeat(900), "1.1.0", None);
    let args = ["pack", "new.img", "-o", "new.ota", "-k", "k.pem", "--force", "--compress"];
    let list = payloads(&dir, &good(&dir, &args));
    assert_eq!((list.len(), &list[1].1[..]), (2, "compressed"));
    assert!(list[1].2 * 4 < new.len() as u64, "{list:?}");
    let list = payloads(&dir, &good(&dir, &[&args[..], &["--no-full"]].concat()));
    assert_eq!((list.len(), &list[0].1[..]), (1, "compressed"));
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let (_guard, dir) = scratch();
    releases(&dir);
    let foreign = ["sign", "app.bin", "-o", "foreign.img", "-k", "k.pem", "--version", "1.0.0", "--counter", "1"];
    good(&dir, &[&foreign[..], &["--vendor", "other.example", "--class", CLASS]].concat());
    let base = ["pack", "new-a.img", "-o", "x.ota", "-k", "k.pem"];
    for (more, why) in [
        (&["--no-full"][..], "leaves nothing to pack"),
        (&["--from", "missing.img"], "missing.img"),
        (&["--from", "app.bin"], "not a signed image"),
        (&["--from", "radio:old-a.img"], "firmware only"),
        (&["--from", "old-a.img", "--no-full"], "no delta can start from old-a.img"),
        (&["--from", "new-a.img"], "no delta can start from new-a.img"),
        (&["--from", "old-b.img", "--from", "old-a.img"], "no delta can start from old-a.img"),
        (&["--from", "foreign.img"], "another vendor or class"),
    ] {
        let said = bad(&dir, &[&base[..], more].concat());
        assert!(said.contains(why), "{more:?}: {said}");
        assert!(!dir.join("x.ota").exists());
    }
}

#[test]
fn a_damaged_patch_is_shown() {
    let (_guard, dir) = scratch();
    releases(&dir);
    pack(&dir, &["--from", "old.ota"]);
    let mut package = fs::read(dir.join("new.ota")).unwrap();
    let at = package.windows(3).rposition(|w| w == b"ODP").unwrap();
    package[at + 20] ^= 1;
    fs::write(dir.join("new.ota"), package).unwrap();
    let said = run(&dir, &["inspect", "new.ota", "-k", "k.pub"]);
    assert!(text(&said.stdout).contains("does not match its digest"), "{}", text(&said.stdout));
}
