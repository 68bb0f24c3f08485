//! What the factory wrote about this device: one sector of text that no program changes.
//!
//! ```text
//! broker=10.0.2.2:1883\n        lines of NAME=VALUE, then erased bytes; or coap://10.0.2.2:5683
//! trace=1\n                       each read of a download is printed: `got OFFSET LENGTH`
//! ```

use crate::addresses::{FACTORY, SECTOR};
use crate::flash::{Psram, region};
use core::cell::RefCell;
use ota_hal::Partition;

/// The longest text that is looked at.
pub const TEXT_MAX: usize = 256;

/// The factory's text; empty when there is none.
#[derive(Debug)]
pub struct Factory {
    text: [u8; TEXT_MAX],
}

impl Factory {
    /// Reads the sector.
    pub fn read(flash: &RefCell<Psram>) -> Self {
        let mut text = [0; TEXT_MAX];
        if region(flash, Partition::new(FACTORY, SECTOR)).read(0, &mut text).is_err() {
            text.fill(0);
        }
        Self { text }
    }

    /// The value of `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        let written = self.text.split(|&byte| byte == 0xFF || byte == 0).next()?;
        let mut lines = core::str::from_utf8(written).ok()?.lines();
        lines.find_map(|line| line.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factory(written: &[u8], rest: u8) -> Factory {
        let mut text = [rest; TEXT_MAX];
        text[..written.len()].copy_from_slice(written);
        Factory { text }
    }

    #[test]
    fn values_are_found_by_name() {
        let factory = factory(b"serial=7\nbroker=mqtt.example:8883\n", 0xFF);
        assert_eq!(factory.value("serial"), Some("7"));
        assert_eq!(factory.value("broke"), None);
        assert_eq!(factory.value("broker"), Some("mqtt.example:8883"));
    }

    #[test]
    fn a_sector_of_anything_is_no_text_or_some() {
        for rest in [0x00, 0xFF, b'x', b'=', b'\n', 0xC3] {
            assert_eq!(factory(b"", rest).value("broker"), None);
        }
        assert_eq!(factory(b"broker=\xC3\x28:1\n", 0).value("broker"), None);
    }
}
