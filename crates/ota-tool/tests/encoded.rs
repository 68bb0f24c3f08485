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
    // A patch is shown in the same words wherever it is.
    let package = fs::read(dir.join("new.ota")).unwrap();
    let shown = &good(&dir, &["inspect", "new.ota"])["components"][0]["payloads"][2];
    let offset = shown["offset"].as_u64().unwrap() as usize;
    fs::write(dir.join("patch"), &package[offset..][..list[2].2 as usize]).unwrap();
    let alone = good(&dir, &["inspect", "patch"]);
    let fields = shown["patch"].as_object().unwrap();
    assert!(fields.contains_key("profile") && fields.contains_key("arch"));
    assert!(fields.iter().all(|(name, value)| alone[name] == *value), "{fields:?} {alone}");
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
fn what_is_no_smaller_is_left_out_and_told() {
    let (_guard, dir) = scratch();
    good(&dir, &["keygen", "--type", "ed25519", "-o", "k"]);
    let mut rng = ota_testkit::Rng::new(5);
    // Nothing but noise, not even room in the header.
    good(&dir, &["keygen", "--type", "ed25519", "-o", "k2"]);
    let mut noise = |name: &str, key| {
        fs::write(dir.join("app.bin"), rng.bytes(60_000)).unwrap();
        let args = ["sign", "app.bin", "-o", name, "-k", key, "--version", "1.0.0", "--counter", "1"];
        good(&dir, &[&args[..], &["--vendor", VENDOR, "--class", CLASS, "--header-size", "32"]].concat());
    };
    noise("old.img", "k2.pem");
    noise("new.img", "k.pem");
    let new = fs::read(dir.join("new.img")).unwrap();
    let args = ["pack", "new.img", "-o", "new.ota", "-k", "k.pem", "--force", "--from", "old.img", "--compress"];
    let packed = good(&dir, &args);
    assert_eq!(payloads(&dir, &packed).len(), 1);
    let told = packed["left_out"].as_array().unwrap();
    assert_eq!((&told[0]["encoding"], &told[0]["from"]), (&"delta".into(), &"old.img".into()));
    assert_eq!((&told[1]["encoding"], &told[1]["from"]), (&"compressed".into(), &Value::Null));
    assert!(
        told.iter().all(|one| one["bytes"].as_u64().unwrap() >= new.len() as u64 && one["slot"] == "any"),
        "{told:?}"
    );
    let said = text(&run(&dir, &args).stderr);
    assert!(
        said.contains("note: the delta from old.img for slot any is left out") && said.contains("compressed"),
        "{said}"
    );
    let why = bad(&dir, &[&args[..], &["--no-full"]].concat());
    assert!(why.contains("nothing is left for slot any") && why.contains("leave --no-full away"), "{why}");
}

#[test]
fn without_full_images_each_slot_must_keep_a_payload() {
    let (_guard, dir) = scratch();
    releases(&dir);
    assert_eq!(payloads(&dir, &pack(&dir, &["--from", "old.ota", "--no-full"])).len(), 2);
    let args = ["pack", "--slot-a", "new-a.img", "--slot-b", "new-b.img", "-o", "x.ota", "-k", "k.pem", "--no-full"];
    let why = bad(&dir, &[&args[..], &["--from", "old-a.img"]].concat());
    assert!(why.contains("nothing is left for slot A: no delta for it can start"), "{why}");
    assert!(!dir.join("x.ota").exists());
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is_encoded() {
    let (_guard, dir) = scratch();
    releases(&dir);
    let args =
        ["pack", "--slot-a", "new-a.img", "--slot-b", "new-b.img", "-k", "k.pem", "--from", "old.ota", "--force"];
    let kept = ["new-a.img", "new-b.img", "old.ota", "k.pem"].map(|name| (name, fs::read(dir.join(name)).unwrap()));
    for (name, bytes) in &kept {
        assert!(bad(&dir, &[&args[..], &["-o", name]].concat()).contains("also an input"), "{name}");
        assert_eq!(&fs::read(dir.join(name)).unwrap(), bytes);
    }
    assert!(bad(&dir, &[&args[..], &["-o", "missing/x.ota"]].concat()).contains("no directory missing"));
    // More deltas than the manifest has room for.
    let program = ota_testkit::Rng::new(1).bytes(2_000);
    let names: Vec<String> = (0..20).map(|n| format!("old-{n}")).collect();
    for name in &names {
        image(&dir, name, &[&program, name.as_bytes()].concat(), "1.0.0", None);
    }
    let image_names: Vec<String> = names.iter().map(|name| format!("{name}.img")).collect();
    let from: Vec<&str> = image_names.iter().flat_map(|name| ["--from", name]).collect();
    let why = bad(&dir, &[&["pack", "new-a.img", "-o", "x.ota", "-k", "k.pem"], &from[..]].concat());
    assert!(
        why.contains("nothing was encoded yet") && why.contains("use fewer components, payloads (--from)"),
        "{why}"
    );
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
        (&["--from", "app.bin"], "--from app.bin: it is neither a signed image nor a package"),
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
