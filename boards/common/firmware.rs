//! What is decided when a firmware is built: whom it believes, who it is, and where each program lies. Part of the
//! boards' build scripts.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Where build scripts write.
pub(crate) fn out() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"))
}

/// The key and the identity. None has a default: a device must not believe a key that nobody chose.
pub(crate) fn trust(out: &Path) {
    let path =
        wanted("OTA_KEY", "the path of the public key blob (NAME.pub of `ota keygen`) that signs for this device");
    println!("cargo::rerun-if-changed={path}");
    let blob = fs::read(&path).unwrap_or_else(|e| panic!("OTA_KEY: cannot read {path}: {e}"));
    // Byte 5 is the algorithm; 1 is RSA-2048 with PSS, which the loader is built for. The rest is checked at start.
    match blob.get(5).filter(|_| blob.starts_with(b"OTAK\x01")) {
        Some(1) => {}
        Some(_) => panic!("OTA_KEY: {path} is no RSA-2048 PSS key; make one with `ota keygen --type rsa2048`"),
        None => panic!("OTA_KEY: {path} is no key blob; `ota keygen` writes one as NAME.pub"),
    }
    fs::write(out.join("key.pub"), blob).expect("OUT_DIR can be written");
    for (name, what) in [
        ("OTA_VENDOR", "the UUID of the vendor, as given to `ota sign --vendor`"),
        ("OTA_CLASS", "the UUID of the class of device, as given to `ota sign --class`"),
    ] {
        let uuid = wanted(name, what);
        let digits = uuid.chars().filter(|c| *c != '-').count();
        let is_uuid = digits == 32 && uuid.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
        assert!(is_uuid, "{name}: `{uuid}` is no UUID; it has 32 hexadecimal digits");
        println!("cargo::rustc-env={name}={uuid}");
    }
}

fn wanted(name: &str, what: &str) -> String {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: it is {what}"))
}

/// The one of `slots` that the application is linked for.
pub(crate) fn chosen(slots: [u32; 2]) -> u32 {
    println!("cargo::rerun-if-env-changed=OTA_SLOT");
    match env::var("OTA_SLOT").as_deref() {
        Err(_) | Ok("a" | "A") => slots[0],
        Ok("b" | "B") => slots[1],
        Ok(other) => panic!("OTA_SLOT is a or b, not {other}: the slot the application is linked for"),
    }
}

/// The memory map of one program: where it lies, of what length, and its RAM.
pub(crate) fn program(out: &Path, name: &str, (origin, length): (u32, u32), (ram, ram_end): (u32, u32)) {
    let dir = out.join(name);
    fs::create_dir_all(&dir).expect("OUT_DIR can be written");
    let mut text = String::new();
    writeln!(text, "MEMORY {{\n  FLASH : ORIGIN = {origin:#x}, LENGTH = {length:#x}").expect("a String grows");
    writeln!(text, "  RAM : ORIGIN = {ram:#x}, LENGTH = {:#x}\n}}", ram_end - ram).expect("a String grows");
    fs::write(dir.join("memory.x"), text).expect("OUT_DIR can be written");
    // The interrupt table in src/handlers.rs is complete: no names are left for the linker to fill.
    fs::write(dir.join("device.x"), "").expect("OUT_DIR can be written");
    println!("cargo::rustc-link-arg-bin={name}=-L{}", dir.display());
    println!("cargo::rustc-link-arg-bin={name}=-Tlink.x");
}
