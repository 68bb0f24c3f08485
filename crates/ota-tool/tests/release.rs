//! From a key to a package, with every algorithm; and what must be refused on the way.

mod support;

use ota_verify::PublicKey;
use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{CLASS, VENDOR, bad, good, release, run, scratch, sign, text};

#[test]
fn every_algorithm_from_key_to_package() {
    for (kind, schemes) in [
        ("rsa2048", &[("pss", "rsa2048-pss", "RSA2048_PSS"), ("pkcs1", "rsa2048-pkcs1", "RSA2048_PKCS1")][..]),
        ("rsa3072", &[("pss", "rsa3072-pss", "RSA3072_PSS"), ("pkcs1", "rsa3072-pkcs1", "RSA3072_PKCS1")]),
        ("rsa4096", &[("pss", "rsa4096-pss", "RSA4096_PSS"), ("pkcs1", "rsa4096-pkcs1", "RSA4096_PKCS1")]),
        ("p256", &[("pss", "ecdsa-p256", "ECDSA_SIG")]),
        ("ed25519", &[("pss", "ed25519", "ED25519")]),
    ] {
        let (_guard, dir) = scratch();
        fs::write(dir.join("app.bin"), [0x5A; 3000]).unwrap();
        good(&dir, &["keygen", "--type", kind, "--out", "k"]);
        for (scheme, name, tlv) in schemes {
            // One private key serves both schemes; the device's blob says which it expects.
            let made = good(&dir, &["keygen", "--from", "k.pem", "--scheme", scheme, "--out", scheme]);
            assert_eq!(made["algorithm"], *name);
            from_key_to_package(&dir, scheme, name, tlv, &made["key_id"]);
        }
    }
}

fn from_key_to_package(dir: &Path, scheme: &str, name: &str, tlv: &str, key_id: &Value) {
    let blob = format!("{scheme}.pub");
    let ids = ["--version", "1.2.3+4", "--counter", "9", "--vendor", VENDOR, "--class", CLASS, "--force"];
    let sign = ["sign", "app.bin", "-o", "fw.img", "-k", "k.pem", "--scheme", scheme];
    assert_eq!(good(dir, &[&sign[..], &ids[..]].concat())["key_id"], *key_id);
    // The blob as devices hold it, the public PEM and the private PEM all accept the image.
    for key in [&blob, "k.pub.pem", "k.pem"] {
        let args = ["verify", "fw.img", "-k", key, "--vendor", VENDOR, "--class", CLASS, "--floor", "9"];
        let verified = good(dir, &args);
        assert_eq!(
            (&verified["version"], &verified["security_counter"]),
            (&"1.2.3+4".into(), &9.into()),
            "{name} {key}"
        );
    }
    let shown = good(dir, &["inspect", "fw.img", "-k", &blob]);
    assert_eq!((&shown["algorithm"], &shown["signature"]), (&name.into(), &"good".into()));
    assert!(shown["tlvs"].as_array().unwrap().iter().any(|t| t["name"] == tlv), "{name}");
    good(dir, &["pack", "fw.img", "-o", "fw.ota", "-k", "k.pem", "--scheme", scheme, "--sequence", "7", "--force"]);
    assert_eq!(good(dir, &["verify", "fw.ota", "-k", &blob, "--floor", "9"])["sequence"], 7);
    assert_eq!(good(dir, &["inspect", "fw.ota", "-k", &blob])["signatures"][0]["verdict"], "good");
}

#[test]
fn a_private_key_is_readable_by_its_owner_only_and_never_overwritten() {
    let (_guard, dir) = scratch();
    good(&dir, &["keygen", "--type", "ed25519", "-o", "k"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("k.pem"), 0o600);
        assert_ne!(mode("k.pub"), 0o600);
    }
    let before = fs::read(dir.join("k.pem")).unwrap();
    let why = bad(&dir, &["keygen", "--type", "ed25519", "-o", "k"]);
    assert!(why.contains("exists") && why.contains("--force"), "{why}");
    assert_eq!(fs::read(dir.join("k.pem")).unwrap(), before);
}

#[test]
fn the_rust_constant_is_the_blob() {
    let (_guard, dir) = scratch();
    good(&dir, &["keygen", "--type", "p256", "-o", "k", "--rust"]);
    let source = fs::read_to_string(dir.join("k.rs")).unwrap();
    let list = source.split_once("= [").unwrap().1;
    let numbers = list.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|w| w.strip_prefix("0x"));
    let bytes: Vec<u8> = numbers.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect();
    assert_eq!(bytes, fs::read(dir.join("k.pub")).unwrap());
    assert!(PublicKey::from_blob(&bytes).is_ok());
}

#[test]
fn public_files_can_be_made_again_from_the_private_key() {
    let (_guard, dir) = scratch();
    good(&dir, &["keygen", "--type", "rsa2048", "-o", "k"]);
    good(&dir, &["keygen", "--from", "k.pem", "-o", "again"]);
    for suffix in ["pub", "pub.pem"] {
        assert_eq!(
            fs::read(dir.join(format!("k.{suffix}"))).unwrap(),
            fs::read(dir.join(format!("again.{suffix}"))).unwrap()
        );
    }
    assert!(!dir.join("again.pem").exists());
}

#[test]
fn every_changed_byte_of_an_image_is_refused() {
    let (_guard, dir) = scratch();
    release(&dir, "ed25519", "1.0.0");
    let image = fs::read(dir.join("fw.img")).unwrap();
    let key = fs::read(dir.join("k.pub")).unwrap();
    let mut ring = ota_tool::keys::KeyRing::new();
    ring.add_blob(key).unwrap();
    let identity = ota_tool::ids::identity(VENDOR, CLASS);
    assert!(ota_tool::image::verify(&image, &ring, identity, 0).is_ok());
    // All of the head and the tail, and a sample of the payload between.
    let places = (0..600).chain((600..image.len() - 300).step_by(997)).chain(image.len() - 300..image.len());
    for at in places {
        let mut changed = image.clone();
        changed[at] ^= 0x10;
        assert!(ota_tool::image::verify(&changed, &ring, identity, 0).is_err(), "byte {at}");
    }
}

#[test]
fn every_changed_byte_of_a_package_is_refused() {
    let (_guard, dir) = scratch();
    release(&dir, "p256", "1.0.0");
    let package = fs::read(dir.join("fw.ota")).unwrap();
    for at in (0..400).step_by(7).chain((400..package.len()).step_by(9973)) {
        let mut changed = package.clone();
        changed[at] ^= 0x01;
        fs::write(dir.join("bad.ota"), changed).unwrap();
        bad(&dir, &["verify", "bad.ota", "-k", "k.pub", "--vendor", VENDOR, "--class", CLASS]);
    }
    fs::write(dir.join("short.ota"), &package[..package.len() - 1]).unwrap();
    assert!(bad(&dir, &["verify", "short.ota", "-k", "k.pub"]).contains("cut short"));
}

#[test]
fn a_foreign_key_another_device_and_a_downgrade_are_refused_with_their_reasons() {
    let (_guard, dir) = scratch();
    release(&dir, "p256", "1.0.0");
    good(&dir, &["keygen", "--type", "p256", "-o", "foreign"]);
    for file in ["fw.img", "fw.ota"] {
        let why = |more: &[&str]| bad(&dir, &[&["verify", file][..], more].concat());
        assert!(why(&["-k", "foreign.pub"]).contains("unknown key"));
        assert!(why(&["-k", "k.pub", "--vendor", "other.org", "--class", CLASS]).contains("wrong vendor"));
        assert!(why(&["-k", "k.pub", "--vendor", VENDOR, "--class", "board-b"]).contains("wrong class"));
        assert!(why(&["-k", "k.pub", "--floor", "4"]).contains("below the floor 4"));
    }
}

#[test]
fn variants_for_two_slots_and_a_module_share_a_package() {
    let (_guard, dir) = scratch();
    release(&dir, "ed25519", "1.0.0");
    sign(&dir, "k.pem", "1.0.0", "b.img");
    fs::write(dir.join("mcu.bin"), b"companion").unwrap();
    good(&dir, &["keygen", "--type", "rsa2048", "-o", "second"]);
    let packed = good(
        &dir,
        &[
            "pack",
            "--slot-a",
            "fw.img",
            "--slot-b",
            "b.img",
            "mcu:mcu.bin,version=2.0.1,counter=5",
            "-o",
            "all.ota",
            "-k",
            "k.pem",
            "-k",
            "second.pem",
        ],
    );
    assert_eq!(packed["components"].as_array().unwrap().len(), 2);
    // Either key opens the package; the image inside has one signature.
    good(&dir, &["verify", "all.ota", "-k", "k.pub"]);
    let shown = good(&dir, &["inspect", "all.ota", "-k", "second.pub", "-k", "k.pub"]);
    assert!(shown["signatures"].as_array().unwrap().iter().all(|s| s["verdict"] == "good"), "{shown}");
    assert!(bad(&dir, &["verify", "all.ota", "-k", "second.pub"]).contains("the firmware image inside"));
    let firmware = shown["components"].as_array().unwrap().iter().find(|c| c["name"] == "(firmware)").unwrap();
    assert_eq!(firmware["payloads"][0]["slot"], "A");
    assert_eq!(firmware["payloads"][1]["slot"], "B");
    // Differing variants are a mistake.
    sign(&dir, "k.pem", "1.0.1", "b.img");
    let why = bad(&dir, &["pack", "--slot-a", "fw.img", "--slot-b", "b.img", "-o", "x.ota", "-k", "k.pem"]);
    assert!(why.contains("differ in version"), "{why}");
    assert!(!dir.join("x.ota").exists());
}

#[test]
fn with_json_a_usage_error_is_json_too() {
    let (_guard, dir) = scratch();
    for (args, part) in [
        (&["--json", "sign"][..], "payload"),
        (&["sign", "--json", "--nonsense"], "--nonsense"),
        (&["--json", "frobnicate"], "frobnicate"),
        (&["push", "--json", "--clear", "--wait", "-d", "a/b"], "cannot be used with"),
        (&["--json", "push", "fw.ota", "-d", "a/b"], "--url"),
        (&["--json", "serve", "--http-port", "x"], "--http-port"),
        (&["--json"], "requires a subcommand"),
    ] {
        let out = run(&dir, args);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(out.stderr.is_empty(), "{args:?}: {}", text(&out.stderr));
        let value: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        let error = value["error"].as_str().unwrap().to_owned();
        assert!(error.to_lowercase().contains(part) && !error.contains('\n'), "{args:?}: {error}");
        assert!(!error.starts_with("error") && !error.contains("Usage"), "{error}");
    }
    // Help was asked for, and is text.
    let out = run(&dir, &["--json", "sign", "--help"]);
    assert!(out.status.success() && text(&out.stdout).contains("Usage"));
}

/// All but the address.
const SIGN: [&str; 15] = [
    "sign",
    "app.bin",
    "--out",
    "rom.img",
    "--key",
    "k.pem",
    "--version",
    "1.0.0",
    "--counter",
    "1",
    "--vendor",
    "example.com",
    "--class",
    "board-a",
    "--force",
];

#[test]
fn mistakes_say_what_to_do_next() {
    let (_guard, dir) = scratch();
    release(&dir, "ed25519", "1.0.0");
    let image = fs::read(dir.join("fw.img")).unwrap();
    fs::write(dir.join("cut.img"), &image[..image.len() / 2]).unwrap();
    for (args, hint) in [
        (&["pack", "app.bin", "-o", "x", "-k", "k.pem"][..], "ota sign"),
        (&["pack", "mcu:app.bin", "-o", "x", "-k", "k.pem"], "version=1.2.3"),
        (&["pack", "fw.img", "-o", "x", "-k", "k.pub"], "private key"),
        (&["pack", "fw.img", "-o", "fw.ota", "-k", "k.pem"], "--force"),
        (&["pack", "fw.img", "-o", "x", "-k", "k.pem", "--vendor", "other.org"], "but the image says"),
        (&["verify", "app.bin", "-k", "k.pub"], "ota inspect"),
        (&["verify", "fw.img", "-k", "app.bin"], "not a usable key"),
        (&["verify", "nothing.img", "-k", "k.pub"], "cannot open"),
        (&["serve", "nowhere"], "not a directory"),
        (&["push", "fw.ota", "--url", "ftp://x", "-d", "a/b"], "http://"),
        (&["push", "fw.ota", "--url", "http://x/f", "-d", "justaname"], "--product"),
        (&["push", "app.bin", "--url", "http://x/f", "-d", "a/b"], "--version"),
        (&["push", "fw.ota", "--url", "http://x/f", "-d", "a/b", "-b", "wss://x"], "mqtts://"),
        (&["push", "fw.ota", "--url", "http://x/f", "-d", "a/b", "-b", "mqtt://x", "--ca", "k.pub"], "mqtts://"),
        (&["push", "fw.ota", "--url", "http://x/f", "-d", "a/b", "-b", "mqtts://x", "--ca", "k.pub"], "no certificate"),
        (&["serve", ".", "--public-url", "http://"], "no host"),
        (&["serve", ".", "--public-host", "a b"], "bad character"),
        (&["verify", "cut.img", "-k", "k.pub"], "cut short"),
        // The payload's address in place of the slot's.
        (&[&SIGN[..], &["--rom-address", "0x20200"]].concat(), "0x20000 perhaps"),
        (&[&SIGN[..], &["--rom-address", "0x20001"]].concat(), "no slot's"),
        (&[&SIGN[..], &["--rom-address", "0xFFFFFC00"]].concat(), "past 4 GiB"),
    ] {
        let why = bad(&dir, args);
        assert!(why.contains(hint), "{args:?}: {why}");
    }
    let image = good(&dir, &[&SIGN[..], &["--rom-address", "0x20000"]].concat());
    assert_eq!(image["image"], "rom.img");
    assert_eq!(good(&dir, &["inspect", "rom.img"])["rom_address"], "0x00020000");
    // A parse error is exit code 2, with the usage.
    let out = run(&dir, &["sign"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("Usage"));
}

#[test]
fn version_completions_and_manual() {
    let (_guard, dir) = scratch();
    assert!(text(&run(&dir, &["--version"]).stdout).starts_with("ota "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&run(&dir, &["completions", shell]).stdout).contains("keygen"), "{shell}");
    }
    let script = text(&run(&dir, &["completions", "bash"]).stdout);
    good(&dir, &["man", "pages"]);
    // What is on the command line is in the page and in the script.
    for (command, option) in [("push", "clear"), ("push", "ca"), ("serve", "public-host"), ("sign", "rom-address")] {
        let page = fs::read_to_string(dir.join(format!("pages/ota-{command}.1"))).unwrap().replace("\\-", "-");
        assert!(page.contains(&format!("--{option}")), "{page}");
        assert!(script.contains(&format!("--{option}")), "{option}");
    }
    for page in ["ota.1", "ota-sign.1", "ota-serve.1"] {
        assert!(fs::read_to_string(dir.join("pages").join(page)).unwrap().contains(".TH"), "{page}");
    }
}
