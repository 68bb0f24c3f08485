//! Who a device is.

use heapless::String;

/// Product key and device name, checked: they can be put into a topic without changing its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    product_key: String<20>,
    device_name: String<32>,
}

/// A product key or a device name that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The product key is not 1 to 20 letters and digits.
    #[error("product key is not 1 to 20 letters and digits")]
    ProductKey,
    /// The device name is not 1 to 32 letters, digits and `- _ . : @`.
    #[error("device name is not 1 to 32 letters, digits and - _ . : @")]
    DeviceName,
}

impl Identity {
    /// Checks and copies the names.
    ///
    /// # Errors
    /// When one is empty, too long, or has a character the platform does not allow.
    pub fn new(product_key: &str, device_name: &str) -> Result<Self, IdentityError> {
        let product_key = name(product_key, b"").ok_or(IdentityError::ProductKey)?;
        let device_name = name(device_name, b"-_.:@").ok_or(IdentityError::DeviceName)?;
        Ok(Self { product_key, device_name })
    }

    /// The product key.
    pub fn product_key(&self) -> &str {
        &self.product_key
    }

    /// The device name.
    pub fn device_name(&self) -> &str {
        &self.device_name
    }
}

fn name<const N: usize>(text: &str, signs: &[u8]) -> Option<String<N>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || signs.contains(&byte)) {
        return None;
    }
    String::try_from(text).ok()
}
