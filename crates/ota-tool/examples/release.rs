//! A release without the command line: key, image, package, and the device's verdict on a tampered copy.
//!
//! `cargo run -p ota-tool --example release`

use ota_tool::image::ImageSpec;
use ota_tool::keys::{KeyRing, KeyType, PrivateKey, Scheme};
use ota_tool::package::{ComponentSpec, PackageSpec, PayloadSpec, open};
use ota_tool::{files, ids};
use ota_verify::manifest::{FIRMWARE, ForSlot};

fn main() -> anyhow::Result<()> {
    let key = PrivateKey::generate(KeyType::P256)?;
    let identity = ids::identity("example.com", "board-a");
    let version = ids::version("1.1.0")?;
    let spec = ImageSpec { version, security_counter: 1, identity, header_size: 512, rom_address: None };
    let image = spec.build(b"what the device runs", &key, Scheme::Pss)?;
    println!("image    {} bytes, SHA-256 {}", image.len(), files::hex(&files::sha256(&image)));

    let firmware = ComponentSpec {
        name: FIRMWARE.to_owned(),
        version,
        security_counter: 1,
        payloads: vec![PayloadSpec::full(ForSlot::Any, image)],
    };
    let package = PackageSpec { identity, sequence: 1, components: vec![firmware] };
    let mut package = package.build(&[(key.clone(), Scheme::Pss)])?;

    let mut ring = KeyRing::new();
    ring.add(&key.public()?, Scheme::Pss)?;
    println!("package  {} bytes, sequence {}", package.len(), open(&package, &ring, identity, 0)?.head().sequence);

    // One bit of the manifest.
    package[20] ^= 1;
    match open(&package, &ring, identity, 0) {
        Ok(_) => anyhow::bail!("a tampered package was accepted"),
        Err(why) => println!("tampered {why}"),
    }
    Ok(())
}
