//! Keys, images and packages as the vendor's tool makes them. Written against the formats, not against the readers.

use ota_verify::blob::crc32;
use ota_verify::manifest::{ComponentHead, Encoding, ForSlot, Head, Payload};
use ota_verify::rsa::Rsa2048Pss;
use ota_verify::{Identity, KeyId, Uuid, Version, digest_region, package};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::rand_core::SeedableRng;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPrivateKey, sha2};
use std::sync::OnceLock;

/// The identity that devices and images have.
pub const IDENTITY: Identity = Identity { vendor: Uuid([0x11; 16]), class: Uuid([0x22; 16]) };

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest_region(&mut &*bytes, bytes.len() as u32).unwrap()
}

/// A signing key and its blob.
pub struct Signer {
    private: RsaPrivateKey,
    /// The name of the key.
    pub id: KeyId,
    /// The key as a device holds it, for PSS.
    pub pss_blob: Vec<u8>,
    /// The same for PKCS#1 v1.5.
    pub pkcs1_blob: Vec<u8>,
}

fn little_endian(n: &BigUint) -> Vec<u8> {
    let mut bytes = n.to_bytes_le();
    bytes.resize(256, 0);
    bytes
}

impl Signer {
    fn new(seed: u64) -> Self {
        let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
        let private = RsaPrivateKey::new(&mut rng, 2048).unwrap();
        let n = private.n();
        let r2 = (BigUint::from(1u8) << 4096usize) % n;
        let low = u32::from_le_bytes(*n.to_bytes_le().first_chunk().unwrap());
        // Newton's iteration for the inverse modulo 2^32.
        let inverse = (0..5).fold(1u32, |x, _| x.wrapping_mul(2u32.wrapping_sub(low.wrapping_mul(x))));
        let id = KeyId(sha256(private.to_public_key().to_pkcs1_der().unwrap().as_bytes()));
        let blob = |algorithm: u8| {
            let mut bytes = b"OTAK\x01".to_vec();
            bytes.push(algorithm);
            bytes.extend((2u16 * 256 + 4).to_le_bytes());
            bytes.extend(id.0);
            bytes.extend(little_endian(n));
            bytes.extend(little_endian(&r2));
            bytes.extend(inverse.wrapping_neg().to_le_bytes());
            bytes.extend(crc32(&bytes).to_le_bytes());
            bytes
        };
        let (pss_blob, pkcs1_blob) = (blob(1), blob(4));
        Self { private, id, pss_blob, pkcs1_blob }
    }
    /// A PSS signature.
    pub fn pss(&self, digest: &[u8; 32]) -> Vec<u8> {
        let mut rng = rand::rngs::StdRng::seed_from_u64(u64::from(digest[0]));
        self.private.sign_with_rng(&mut rng, Pss::new_with_salt::<sha2::Sha256>(32), digest).unwrap()
    }
    /// A PKCS#1 v1.5 signature.
    pub fn pkcs1(&self, digest: &[u8; 32]) -> Vec<u8> {
        self.private.sign(Pkcs1v15Sign::new::<sha2::Sha256>(), digest).unwrap()
    }
    /// The verifier a device holds.
    pub fn key(&self) -> Rsa2048Pss<'_> {
        Rsa2048Pss::from_blob(&self.pss_blob).unwrap()
    }
}

/// The vendor's key.
pub fn vendor() -> &'static Signer {
    static KEY: OnceLock<Signer> = OnceLock::new();
    KEY.get_or_init(|| Signer::new(1))
}
/// A key that no device holds.
pub fn stranger() -> &'static Signer {
    static KEY: OnceLock<Signer> = OnceLock::new();
    KEY.get_or_init(|| Signer::new(2))
}

/// What goes into an image, a package or both.
#[derive(Clone)]
pub struct Draft {
    /// The major version.
    pub version: u8,
    /// The security counter.
    pub counter: u32,
    /// Vendor and class.
    pub identity: Identity,
    /// Length of the payload.
    pub payload: usize,
    /// What the payload's random bytes come from.
    pub seed: u8,
    /// The address in the header, with ROM_FIXED.
    pub linked: Option<u32>,
    /// Who signs the image.
    pub signer: &'static Signer,
    /// Who signs the manifest.
    pub manifest_signer: &'static Signer,
}

impl Draft {
    /// Version `n`.0.0 with security counter `n`, some sectors long.
    pub fn new(n: u8) -> Self {
        Self {
            version: n,
            counter: n.into(),
            identity: IDENTITY,
            payload: 30_000 + usize::from(n) * 777,
            seed: n,
            linked: None,
            signer: vendor(),
            manifest_signer: vendor(),
        }
    }

    /// The version as the formats have it.
    pub fn version(&self) -> Version {
        Version { major: self.version, minor: 0, revision: 0, build: 0 }
    }

    /// A signed image in the MCUboot format.
    pub fn image(&self) -> Vec<u8> {
        let protected = area(
            0x6908,
            &[(0x50, &self.counter.to_le_bytes()), (0x74, &self.identity.vendor.0), (0x75, &self.identity.class.0)],
        );
        let mut bytes = 0x96F3_B83Du32.to_le_bytes().to_vec();
        bytes.extend(self.linked.unwrap_or(0).to_le_bytes());
        bytes.extend(32u16.to_le_bytes());
        bytes.extend((protected.len() as u16).to_le_bytes());
        bytes.extend((self.payload as u32).to_le_bytes());
        bytes.extend(if self.linked.is_some() { 0x100u32 } else { 0 }.to_le_bytes());
        bytes.extend([self.version, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0; 4]);
        let mut rng = ota_testkit::Rng::new(self.seed.into());
        bytes.extend(rng.bytes(self.payload));
        bytes.extend(protected);
        let digest = sha256(&bytes);
        let signature = self.signer.pss(&digest);
        bytes.extend(area(0x6907, &[(0x10, &digest), (0x01, &self.signer.id.0), (0x20, &signature)]));
        bytes
    }

    /// A package around `image`.
    pub fn package_of(&self, image: &[u8]) -> Vec<u8> {
        self.package_with(image, |_| {})
    }
    /// A package around the image of this draft.
    pub fn package(&self) -> Vec<u8> {
        self.package_of(&self.image())
    }

    /// A package whose payload entry was changed before signing.
    pub fn package_with(&self, image: &[u8], change: impl FnOnce(&mut Payload)) -> Vec<u8> {
        const OFFSET: u32 = 1000;
        let digest = sha256(image);
        let mut payload = Payload {
            slot: ForSlot::Any,
            encoding: Encoding::Raw,
            image_size: image.len() as u32,
            image_digest: digest,
            offset: OFFSET,
            length: image.len() as u32,
            digest,
        };
        change(&mut payload);
        let Identity { vendor, class } = self.identity;
        let head = Head { schema: 1, sequence: 1, vendor, class, components: 1 };
        let component =
            ComponentHead { name: "", version: self.version(), security_counter: self.counter, payloads: 1 };
        let mut buf = [0; 256];
        let mut manifest = postcard::to_slice(&head, &mut buf).unwrap().to_vec();
        manifest.extend(&*postcard::to_slice(&component, &mut buf).unwrap());
        manifest.extend(&*postcard::to_slice(&payload, &mut buf).unwrap());
        let mut bytes = enveloped(&manifest, self.manifest_signer);
        bytes.resize(OFFSET as usize, 0);
        bytes.extend(image);
        bytes
    }
}

/// Head and envelope around a manifest.
pub fn enveloped(manifest: &[u8], signer: &Signer) -> Vec<u8> {
    let signature = signer.pss(&package::signed_digest(manifest));
    let mut envelope = (manifest.len() as u16).to_le_bytes().to_vec();
    envelope.extend(manifest);
    envelope.extend([1, 1]);
    envelope.extend(signer.id.0);
    envelope.extend((signature.len() as u16).to_le_bytes());
    envelope.extend(signature);
    let mut bytes = b"OTA1".to_vec();
    bytes.extend((envelope.len() as u16).to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(envelope);
    bytes
}

fn area(magic: u16, entries: &[(u16, &[u8])]) -> Vec<u8> {
    let total: usize = entries.iter().map(|(_, value)| 4 + value.len()).sum();
    let mut bytes = magic.to_le_bytes().to_vec();
    bytes.extend((total as u16 + 4).to_le_bytes());
    for (kind, value) in entries {
        bytes.extend(kind.to_le_bytes());
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(*value);
    }
    bytes
}
