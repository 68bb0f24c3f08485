//! Who the device is for the cloud, and how that is stored.

use core::fmt;
use ota_transport::linkkit::{Identity, IdentityError};

/// Linkkit's device certificate: the keys by which the cloud knows a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceInfo<'a> {
    product_key: &'a str,
    device_name: &'a str,
    device_secret: &'a str,
    product_secret: &'a str,
}

/// Why an identity was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfoError {
    /// The product key is not 1 to 20 letters and digits.
    ProductKey,
    /// The device name is not 1 to 32 letters, digits and `- _ . : @`.
    DeviceName,
    /// A secret is longer than 64 bytes.
    Secret,
    /// The stored record is not one of ours.
    Record,
}

impl InfoError {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ProductKey => "the product key has 1 to 20 letters and digits",
            Self::DeviceName => "the device name has 1 to 32 letters, digits and - _ . : @",
            Self::Secret => "a secret has at most 64 characters",
            Self::Record => "the stored identity cannot be read",
        }
    }
}

impl fmt::Display for InfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
impl core::error::Error for InfoError {}

impl From<IdentityError> for InfoError {
    fn from(e: IdentityError) -> Self {
        match e {
            IdentityError::ProductKey => Self::ProductKey,
            IdentityError::DeviceName => Self::DeviceName,
        }
    }
}

const VERSION: u8 = 1;
const PRODUCT_KEY_MAX: usize = 20;
const DEVICE_NAME_MAX: usize = 32;
const SECRET_MAX: usize = 64;

/// The longest record: a version byte, then four texts, each behind its length in one byte.
pub const INFO_MAX: usize = 1 + 4 + PRODUCT_KEY_MAX + DEVICE_NAME_MAX + 2 * SECRET_MAX;

impl<'a> DeviceInfo<'a> {
    /// A checked identity, by the rules of [`Identity`] itself; the product secret may be empty.
    ///
    /// # Errors
    /// [`InfoError`].
    pub fn new(
        product_key: &'a str,
        device_name: &'a str,
        device_secret: &'a str,
        product_secret: &'a str,
    ) -> Result<Self, InfoError> {
        Identity::new(product_key, device_name)?;
        if device_secret.len() > SECRET_MAX || product_secret.len() > SECRET_MAX {
            return Err(InfoError::Secret);
        }
        Ok(Self { product_key, device_name, device_secret, product_secret })
    }

    /// Product key.
    pub const fn product_key(&self) -> &'a str {
        self.product_key
    }
    /// Device name.
    pub const fn device_name(&self) -> &'a str {
        self.device_name
    }
    /// Device secret.
    pub const fn device_secret(&self) -> &'a str {
        self.device_secret
    }

    /// The names, as the topics carry them.
    ///
    /// # Errors
    /// Never for what [`DeviceInfo::new`] made: it asks the same question.
    pub fn identity(&self) -> Result<Identity, InfoError> {
        Ok(Identity::new(self.product_key, self.device_name)?)
    }
    /// The product secret, or nothing.
    pub const fn product_secret(&self) -> &'a str {
        self.product_secret
    }

    /// The record, in `buf`.
    pub fn encode<'b>(&self, buf: &'b mut [u8; INFO_MAX]) -> &'b [u8] {
        buf[0] = VERSION;
        let mut at = 1;
        for text in [self.product_key, self.device_name, self.device_secret, self.product_secret] {
            let end = at + 1 + text.len();
            // Cannot fail: `new` bounds each text, and INFO_MAX is the sum of the bounds.
            if let (Some(place), Ok(len)) = (buf.get_mut(at..end), u8::try_from(text.len())) {
                place[0] = len;
                place[1..].copy_from_slice(text.as_bytes());
            }
            at = end;
        }
        buf.get(..at).unwrap_or_default()
    }

    /// Reads a record. Anything but what [`DeviceInfo::encode`] makes is refused.
    ///
    /// # Errors
    /// [`InfoError`].
    pub fn decode(record: &'a [u8]) -> Result<Self, InfoError> {
        let (&version, rest) = record.split_first().ok_or(InfoError::Record)?;
        if version != VERSION {
            return Err(InfoError::Record);
        }
        let (pk, rest) = text(rest)?;
        let (dn, rest) = text(rest)?;
        let (ds, rest) = text(rest)?;
        let (ps, rest) = text(rest)?;
        if !rest.is_empty() {
            return Err(InfoError::Record);
        }
        Self::new(pk, dn, ds, ps)
    }
}

fn text(bytes: &[u8]) -> Result<(&str, &[u8]), InfoError> {
    let (&len, rest) = bytes.split_first().ok_or(InfoError::Record)?;
    let (text, rest) = rest.split_at_checked(len.into()).ok_or(InfoError::Record)?;
    Ok((core::str::from_utf8(text).map_err(|_| InfoError::Record)?, rest))
}

/// Without the secrets: what is printed ends up in logs.
impl fmt::Debug for DeviceInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = f.debug_struct("DeviceInfo");
        names.field("pk", &self.product_key).field("dn", &self.device_name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    #[test]
    fn the_record_returns_what_was_stored() {
        let longest = String::from("x").repeat(64);
        for (pk, dn, ds, ps) in [("a1", "dev-1", "s", ""), (&longest[..20], &longest[..32], &longest, &longest)] {
            let info = DeviceInfo::new(pk, dn, ds, ps).unwrap();
            let mut buf = [0xAA; INFO_MAX];
            assert_eq!(DeviceInfo::decode(info.encode(&mut buf)), Ok(info));
        }
    }

    #[test]
    fn the_longest_record_fills_the_buffer() {
        let longest = String::from("x").repeat(64);
        let info = DeviceInfo::new(&longest[..20], &longest[..32], &longest, &longest).unwrap();
        assert_eq!(info.encode(&mut [0; INFO_MAX]).len(), INFO_MAX);
    }

    #[test]
    fn a_damaged_record_is_refused_and_never_a_panic() {
        let mut buf = [0; INFO_MAX];
        let record = DeviceInfo::new("pk", "dn", "secret", "ps").unwrap().encode(&mut buf).to_vec();
        for len in 0..record.len() {
            assert!(DeviceInfo::decode(&record[..len]).is_err(), "cut at {len}");
        }
        for at in 0..record.len() {
            for value in [0, 0x2F, 0x80, 0xFF] {
                let mut bad = record.clone();
                bad[at] = value;
                // May still be a valid identity (a changed letter); only totality is asked.
                let _ = DeviceInfo::decode(&bad);
            }
        }
        let longer = [&record[..], b"x"].concat();
        assert_eq!(DeviceInfo::decode(&longer), Err(InfoError::Record));
    }

    #[test]
    fn names_that_would_break_a_topic_are_refused() {
        for bad in ["", "a/b", "+", "a#", "a b", "é", "123456789012345678901234567890123"] {
            assert!(DeviceInfo::new("pk", bad, "", "").is_err(), "{bad}");
            assert!(DeviceInfo::new(bad, "dn", "", "").is_err(), "{bad}");
        }
        assert_eq!(DeviceInfo::new("pk", "dn", &"s".repeat(65), ""), Err(InfoError::Secret));
    }

    #[test]
    fn what_is_accepted_is_what_the_messages_accept() {
        for byte in 0..=0x7F_u8 {
            let name = String::from(char::from(byte));
            for (pk, dn) in [(name.as_str(), "dn"), ("pk", name.as_str())] {
                let info = DeviceInfo::new(pk, dn, "s", "");
                assert_eq!(info.is_ok(), Identity::new(pk, dn).is_ok(), "{byte:#x}");
                assert!(info.is_err() || info.unwrap().identity().is_ok(), "{byte:#x}");
            }
        }
        assert_eq!(DeviceInfo::new("my-product", "dev1", "s", ""), Err(InfoError::ProductKey));
    }

    #[test]
    fn a_record_of_a_time_with_other_rules_is_refused() {
        assert_eq!(DeviceInfo::decode(b"\x01\x0Amy-product\x04dev1\x01s\x00"), Err(InfoError::ProductKey));
    }

    #[test]
    fn secrets_are_not_printed() {
        let info = DeviceInfo::new("pk", "dn", "hush", "quiet").unwrap();
        assert_eq!(format!("{info:?}"), "DeviceInfo { pk: \"pk\", dn: \"dn\", .. }");
    }
}
