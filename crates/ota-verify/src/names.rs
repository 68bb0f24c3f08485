//! Vendor and class as people write them: names that become UUIDs. For tools and for boards that are told on a command
//! line; devices hold the UUIDs.

use crate::{Identity, Uuid};

impl Uuid {
    /// A vendor: a UUID, or a domain name that becomes one (version 5 in the DNS namespace, as imgtool does).
    ///
    /// # Source
    /// RFC 9562 §5.5.
    pub fn vendor(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| named(&uuid::Uuid::NAMESPACE_DNS, text))
    }

    /// A class: a UUID, or a name that becomes one (version 5 in the vendor's namespace, as imgtool does).
    pub fn class(vendor: Self, text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| named(&uuid::Uuid::from_bytes(vendor.0), text))
    }
}

impl Identity {
    /// Both, from names or UUIDs.
    ///
    /// ```
    /// # use ota_verify::Identity;
    /// let id = Identity::named("example.com", "board-a");
    /// assert_eq!(id.vendor.to_string(), "cfbff0d1-9375-5685-968c-48ce8b15ae17");
    /// assert_eq!(id.class.to_string(), "5f363112-95cf-534f-a3d1-fc8ef6f4962a");
    /// assert_eq!(Identity::named("cfbff0d1-9375-5685-968c-48ce8b15ae17", "board-a"), id);
    /// ```
    pub fn named(vendor: &str, class: &str) -> Self {
        let vendor = Uuid::vendor(vendor);
        Self { vendor, class: Uuid::class(vendor, class) }
    }
}

fn named(namespace: &uuid::Uuid, name: &str) -> Uuid {
    Uuid(*uuid::Uuid::new_v5(namespace, name.as_bytes()).as_bytes())
}
