//! Why something was not believed.
//!
//! Every error has a `text()` for reports to people and a `code()` for records and machines. Codes are stable:
//! a number is never given a second meaning.

use crate::SignatureError;
use crate::image::Header;
use core::convert::Infallible;
use core::fmt;
use core::num::NonZeroU32;

/// The bytes are not an image of the accepted form. The medium was read, nothing was believed.
/// The same bytes will always be refused: build or sign the image again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
#[non_exhaustive]
pub enum FormatError {
    /// Fewer bytes than an image header.
    Truncated,
    /// The first four bytes are not the image magic (an erased slot looks like this too).
    Magic,
    /// The header claims to be shorter than 32 bytes.
    HeaderSize,
    /// The payload has no bytes.
    Empty,
    /// Header, payload and TLV areas together end past the slot or file.
    PastEnd,
    /// The payload is encrypted, which this loader cannot undo.
    Encrypted,
    /// The payload is compressed in place, which this loader cannot undo.
    Compressed,
    /// The image is marked as not bootable.
    NonBootable,
    /// The image wants to be copied to RAM.
    RamLoad,
    /// Header flags nobody here knows; the bits.
    UnknownFlags(u32),
    /// A TLV area is missing, or the two areas are in the wrong order.
    AreaMagic,
    /// The protected TLV area and the header disagree about its size.
    ProtectedSize,
    /// A TLV area is too short to hold its own header.
    AreaSize,
    /// A TLV runs past the end of its area; its type.
    TlvPastEnd(u16),
    /// Bytes are left in a TLV area that are too few to be a TLV.
    TlvTrailing,
    /// A TLV has a length its type cannot have; the type.
    TlvLength(u16),
    /// A TLV sits in the area where its type is not allowed; the type.
    TlvArea(u16),
    /// A TLV of a type that is not allowed, or asks for something this loader cannot honour; the type.
    TlvUnknown(u16),
    /// A TLV occurs twice, or a second signature follows the first; the type.
    TlvDuplicate(u16),
    /// A TLV that must be there is not; the type.
    TlvMissing(u16),
}

impl FormatError {
    /// A short reason for a report.
    pub const fn text(&self) -> &'static str {
        match self {
            Self::Truncated => "image: shorter than its header",
            Self::Magic => "image: no image magic",
            Self::HeaderSize => "image: header size below 32",
            Self::Empty => "image: empty payload",
            Self::PastEnd => "image: larger than the slot",
            Self::Encrypted => "image: encrypted",
            Self::Compressed => "image: compressed",
            Self::NonBootable => "image: not bootable",
            Self::RamLoad => "image: made to run from RAM",
            Self::UnknownFlags(_) => "image: unknown flags",
            Self::AreaMagic => "image: TLV area missing or misplaced",
            Self::ProtectedSize => "image: protected TLV size mismatch",
            Self::AreaSize => "image: TLV area too short",
            Self::TlvPastEnd(_) => "image: TLV past the end",
            Self::TlvTrailing => "image: trailing bytes in a TLV area",
            Self::TlvLength(_) => "image: TLV of wrong length",
            Self::TlvArea(_) => "image: TLV in the wrong area",
            Self::TlvUnknown(_) => "image: TLV not allowed",
            Self::TlvDuplicate(_) => "image: TLV occurs twice",
            Self::TlvMissing(_) => "image: required TLV missing",
        }
    }
    /// A stable number, 1 to 31.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Truncated => 1,
            Self::Magic => 2,
            Self::HeaderSize => 3,
            Self::Empty => 4,
            Self::PastEnd => 5,
            Self::Encrypted => 6,
            Self::Compressed => 7,
            Self::NonBootable => 8,
            Self::RamLoad => 9,
            Self::UnknownFlags(_) => 10,
            Self::AreaMagic => 11,
            Self::ProtectedSize => 12,
            Self::AreaSize => 13,
            Self::TlvPastEnd(_) => 14,
            Self::TlvTrailing => 15,
            Self::TlvLength(_) => 16,
            Self::TlvArea(_) => 17,
            Self::TlvUnknown(_) => 18,
            Self::TlvDuplicate(_) => 19,
            Self::TlvMissing(_) => 20,
        }
    }
}

/// Well-formed, but not for this device or not to be believed. Nothing was made bootable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
#[non_exhaustive]
pub enum Refusal {
    /// The content does not match its own digest: damaged on the way or on flash. Fetch it again.
    Digest,
    /// The signature was not accepted. Sign with a key the device holds.
    Signature(SignatureError),
    /// Made for devices of another vendor.
    WrongVendor,
    /// Made for another class of device.
    WrongClass,
    /// The security counter lies below the device's floor: a downgrade.
    CounterTooLow {
        /// What the image or manifest has.
        counter: u32,
        /// The least the device accepts.
        floor: u32,
    },
    /// Not linked for the address it would run from, or it does not say for which (ROM_FIXED). Offer the image that is
    /// linked for this slot, or a package that holds one for each.
    WrongAddress {
        /// What the image is linked for.
        linked: Option<u32>,
        /// Where it lies.
        slot: u32,
    },
}

impl Refusal {
    /// A short reason for a report.
    pub const fn text(&self) -> &'static str {
        match self {
            Self::Digest => "digest mismatch",
            Self::Signature(e) => e.text(),
            Self::WrongVendor => "wrong vendor id",
            Self::WrongClass => "wrong class id",
            Self::CounterTooLow { .. } => "security counter too low (downgrade)",
            Self::WrongAddress { .. } => "image not linked for this slot",
        }
    }
    /// A stable number, 32 to 63.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Signature(e) => e.code(),
            Self::Digest => 40,
            Self::WrongVendor => 41,
            Self::WrongClass => 42,
            Self::CounterTooLow { .. } => 43,
            Self::WrongAddress { .. } => 44,
        }
    }
}

/// Why an image was not verified, in one word: all that a loader keeps of a [`VerifyError`].
///
/// Handed through many functions, the whole error costs a loader 300 bytes of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Why(NonZeroU32);

impl Why {
    /// The medium failed; the image may still be good.
    pub const READ: Self = Self::new(255, 0);
    /// Header flags that cannot be honoured; which ones is in the header.
    pub(crate) const FLAGS: Self = Self::new(10, 0);

    const fn new(code: u8, kind: u16) -> Self {
        // No code is 0.
        match NonZeroU32::new(code as u32 | (kind as u32) << 16) {
            Some(word) => Self(word),
            None => Self(NonZeroU32::MAX),
        }
    }
    /// A stable number, as [`VerifyError::code`]; but 10 for every flag that is refused.
    pub const fn code(self) -> u8 {
        self.0.get() as u8
    }
    /// The type of the TLV it is about, or 0.
    pub const fn tlv(self) -> u16 {
        (self.0.get() >> 16) as u16
    }
    /// A short reason for a report.
    pub const fn text(self) -> &'static str {
        match self.error(&Header::NONE, 0, 0) {
            Some(error) => error.text(),
            None => "image could not be read",
        }
    }

    /// The whole error, for an image with this header and counter; `None` for [`Why::READ`].
    pub(crate) const fn error(self, header: &Header, counter: u32, floor: u32) -> Option<VerifyError<Infallible>> {
        use FormatError as F;
        let kind = self.tlv();
        Some(VerifyError::Format(match self.code() {
            1 => F::Truncated,
            2 => F::Magic,
            3 => F::HeaderSize,
            4 => F::Empty,
            5 => F::PastEnd,
            10 => match header.check_flags() {
                Err(flags) => flags,
                Ok(()) => F::UnknownFlags(0),
            },
            11 => F::AreaMagic,
            12 => F::ProtectedSize,
            13 => F::AreaSize,
            14 => F::TlvPastEnd(kind),
            15 => F::TlvTrailing,
            16 => F::TlvLength(kind),
            17 => F::TlvArea(kind),
            18 => F::TlvUnknown(kind),
            19 => F::TlvDuplicate(kind),
            20 => F::TlvMissing(kind),
            code => return Self::refusal(code, header, counter, floor),
        }))
    }

    const fn refusal(code: u8, header: &Header, counter: u32, floor: u32) -> Option<VerifyError<Infallible>> {
        Some(VerifyError::Refused(match code {
            32 => Refusal::Signature(SignatureError::UnknownKey),
            33 => Refusal::Signature(SignatureError::Malformed),
            34 => Refusal::Signature(SignatureError::Mismatch),
            40 => Refusal::Digest,
            41 => Refusal::WrongVendor,
            42 => Refusal::WrongClass,
            43 => Refusal::CounterTooLow { counter, floor },
            44 => Refusal::WrongAddress { linked: header.rom_address(), slot: 0 },
            _ => return None,
        }))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl From<FormatError> for Why {
    #[inline(always)]
    fn from(error: FormatError) -> Self {
        use FormatError as F;
        let kind = match error {
            F::TlvPastEnd(kind)
            | F::TlvLength(kind)
            | F::TlvArea(kind)
            | F::TlvUnknown(kind)
            | F::TlvDuplicate(kind)
            | F::TlvMissing(kind) => kind,
            _ => 0,
        };
        Self::new(error.code(), kind)
    }
}
impl From<Refusal> for Why {
    #[inline(always)]
    fn from(error: Refusal) -> Self {
        Self::new(error.code(), 0)
    }
}
impl<E> From<&VerifyError<E>> for Why {
    fn from(error: &VerifyError<E>) -> Self {
        match error {
            VerifyError::Format(FormatError::Encrypted | FormatError::Compressed) => Self::FLAGS,
            VerifyError::Format(FormatError::NonBootable | FormatError::RamLoad) => Self::FLAGS,
            VerifyError::Format(error) => (*error).into(),
            VerifyError::Refused(error) => (*error).into(),
            VerifyError::Read(_) => Self::READ,
        }
    }
}

/// Why an image was not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum VerifyError<E> {
    /// The bytes are not an image of the accepted form. The same bytes will always be refused.
    Format(FormatError),
    /// An image, but not one this device may run.
    Refused(Refusal),
    /// The medium failed; the image may still be good.
    Read(E),
}

impl<E> VerifyError<E> {
    /// A short reason for a report.
    pub const fn text(&self) -> &'static str {
        match self {
            Self::Format(e) => e.text(),
            Self::Refused(e) => e.text(),
            Self::Read(_) => "image could not be read",
        }
    }
    /// A stable number: those of [`FormatError`] and [`Refusal`], 255 for the medium.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Format(e) => e.code(),
            Self::Refused(e) => e.code(),
            Self::Read(_) => 255,
        }
    }
}

impl<E> From<FormatError> for VerifyError<E> {
    fn from(e: FormatError) -> Self {
        Self::Format(e)
    }
}
impl<E> From<Refusal> for VerifyError<E> {
    fn from(e: Refusal) -> Self {
        Self::Refused(e)
    }
}

/// Why a package's head, envelope or manifest was refused. The same bytes will always be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
#[non_exhaustive]
pub enum PackageError {
    /// The first four bytes are not the package magic.
    Magic,
    /// Reserved bytes of the head are not zero: a package of a later format.
    Reserved,
    /// Head and envelope together are larger than [`ENVELOPE_MAX`](crate::package::ENVELOPE_MAX).
    TooLarge,
    /// Fewer bytes than the head says.
    Truncated,
    /// A length inside the envelope runs past its end, or bytes are left over.
    Envelope,
    /// The envelope holds no signature.
    Unsigned,
    /// Not signed by a key of the set, or not for this device.
    Refused(Refusal),
    /// The manifest has a schema this reader does not know; its number.
    Schema(u8),
    /// The manifest ends early or holds an impossible value.
    Manifest,
    /// Bytes are left after the manifest's last payload.
    Trailing,
    /// The manifest names no component.
    NoComponents,
    /// A component has no payload.
    NoPayloads,
    /// A component name is longer than [`NAME_MAX`](crate::manifest::NAME_MAX) bytes.
    NameTooLong,
    /// Two components have the same name.
    DuplicateComponent,
    /// A payload or an image has no bytes.
    EmptyPayload,
    /// A payload starts inside the envelope or ends beyond 4 GiB.
    PayloadRange,
    /// Two payloads share bytes.
    Overlap,
    /// A raw payload whose size or digest is not its image's.
    RawMismatch,
    /// The package has no component of the wanted name.
    NoSuchComponent,
    /// The component has no payload that this device can use (slot, encoding, base).
    NoUsablePayload,
}

impl PackageError {
    /// A short reason for a report.
    pub const fn text(&self) -> &'static str {
        match self {
            Self::Magic => "package: no package magic",
            Self::Reserved => "package: later format",
            Self::TooLarge => "package: envelope too large",
            Self::Truncated => "package: truncated",
            Self::Envelope => "package: malformed envelope",
            Self::Unsigned => "package: not signed",
            Self::Refused(e) => e.text(),
            Self::Schema(_) => "manifest: unknown schema",
            Self::Manifest => "manifest: malformed",
            Self::Trailing => "manifest: trailing bytes",
            Self::NoComponents => "manifest: no component",
            Self::NoPayloads => "manifest: component without payload",
            Self::NameTooLong => "manifest: component name too long",
            Self::DuplicateComponent => "manifest: duplicate component",
            Self::EmptyPayload => "manifest: empty payload",
            Self::PayloadRange => "manifest: payload out of range",
            Self::Overlap => "manifest: overlapping payloads",
            Self::RawMismatch => "manifest: raw payload is not its image",
            Self::NoSuchComponent => "package: component not in it",
            Self::NoUsablePayload => "package: no payload for this device",
        }
    }
    /// A stable number: 64 to 95, or that of [`Refusal`].
    pub const fn code(&self) -> u8 {
        match self {
            Self::Magic => 64,
            Self::Reserved => 65,
            Self::TooLarge => 66,
            Self::Truncated => 67,
            Self::Envelope => 68,
            Self::Unsigned => 69,
            Self::Refused(e) => e.code(),
            Self::Schema(_) => 70,
            Self::Manifest => 71,
            Self::Trailing => 72,
            Self::NoComponents => 73,
            Self::NoPayloads => 74,
            Self::NameTooLong => 75,
            Self::DuplicateComponent => 76,
            Self::EmptyPayload => 77,
            Self::PayloadRange => 78,
            Self::Overlap => 79,
            Self::RawMismatch => 80,
            Self::NoSuchComponent => 81,
            Self::NoUsablePayload => 82,
        }
    }
}

impl From<Refusal> for PackageError {
    fn from(e: Refusal) -> Self {
        Self::Refused(e)
    }
}
