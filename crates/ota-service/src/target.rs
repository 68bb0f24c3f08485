//! The seam between the agent and the place a component's bytes go.

use ota_hal::SlotId;
use ota_transport::{Checksum, FailStage};
use ota_verify::Verified;

/// What a complete component must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its size in bytes.
    pub size: u32,
    /// SHA-256 of the whole of it, from a signed manifest. `None` for a bare image, which proves itself.
    pub digest: Option<[u8; 32]>,
    /// What the other side announced. A transport check only.
    pub checksum: Option<Checksum>,
    /// Lowest security counter that may be installed.
    pub floor: u32,
}

/// How an installation ended.
#[derive(Debug)]
pub enum Finished {
    /// Proven, and to be staged for the next reset.
    Stage(Verified),
    /// Installed; nothing more is needed.
    Applied,
}

/// An error of a [`Target`].
pub trait TargetError: core::fmt::Debug {
    /// At which step of the update it counts.
    fn stage(&self) -> FailStage;
    /// A short text for the report, for example `"wrong vendor id"`.
    fn text(&self) -> &'static str;
    /// Whether the bytes are not those that were promised (a digest that differs), so that fetching them once more may
    /// help: a link that corrupts, an object that was replaced without a sign. What is signed badly stays so: false.
    fn is_damage(&self) -> bool {
        false
    }
}

/// Where the bytes of one component go: a slot first; a file or a companion MCU fit here too.
///
/// # For implementers
/// Bytes arrive in order and without holes. What [`Target::write`] returned is durable: after a power cut the agent
/// calls [`Target::resume`] with the last such position it could store, and sends the bytes from the returned one on.
/// From [`Target::begin`] until [`Target::finish`] succeeded, nothing half-written may ever count as complete.
///
/// # For users
/// The agent is the only caller; an application gives a target away.
pub trait Target {
    /// Why it failed.
    type Error: TargetError;

    /// Whether this target takes the component of this name; the empty name is the firmware.
    fn accepts(&self, component: &str) -> bool {
        component.is_empty()
    }
    /// Most bytes it can take.
    fn capacity(&self) -> u32;
    /// The slot it writes; decides which payload of a package fits. Stored with the job.
    fn slot(&self) -> SlotId;

    /// Prepares for `size` bytes. What was there before is lost.
    ///
    /// # Errors
    /// When the medium failed. The agent ends the job.
    fn begin(&mut self, size: u32) -> Result<(), Self::Error>;

    /// Prepares to continue a job of `size` bytes at `durable`. Returns where to continue: `durable` or before.
    ///
    /// # Errors
    /// When the medium failed. The agent ends the job.
    fn resume(&mut self, size: u32, durable: u32) -> Result<u32, Self::Error>;

    /// Takes the next bytes and returns how many, from the start, are durable now.
    /// Everything is once the last byte was taken.
    ///
    /// # Errors
    /// When the medium failed or more bytes came than announced. The agent ends the job.
    fn write(&mut self, bytes: &[u8]) -> Result<u32, Self::Error>;

    /// Reads back what was written and proves it. Can take seconds; works after a reset too, without `resume`.
    /// `progress` is to be called for every few hundred bytes that are read: it feeds the watchdog.
    ///
    /// # Errors
    /// When it is not what was expected, or not to be believed. The agent calls [`Target::abort`]; after
    /// [`TargetError::is_damage`] it fetches everything once more, else the job ends.
    fn finish(&mut self, expected: &Expected, progress: &mut dyn FnMut()) -> Result<Finished, Self::Error>;

    /// Makes sure that what was written is never taken for a complete component. Idempotent.
    ///
    /// # Errors
    /// When the medium failed.
    fn abort(&mut self) -> Result<(), Self::Error>;
}

impl<T: Target + ?Sized> Target for &mut T {
    type Error = T::Error;
    fn accepts(&self, component: &str) -> bool {
        (**self).accepts(component)
    }
    fn capacity(&self) -> u32 {
        (**self).capacity()
    }
    fn slot(&self) -> SlotId {
        (**self).slot()
    }
    fn begin(&mut self, size: u32) -> Result<(), Self::Error> {
        (**self).begin(size)
    }
    fn resume(&mut self, size: u32, durable: u32) -> Result<u32, Self::Error> {
        (**self).resume(size, durable)
    }
    fn write(&mut self, bytes: &[u8]) -> Result<u32, Self::Error> {
        (**self).write(bytes)
    }
    fn finish(&mut self, expected: &Expected, progress: &mut dyn FnMut()) -> Result<Finished, Self::Error> {
        (**self).finish(expected, progress)
    }
    fn abort(&mut self) -> Result<(), Self::Error> {
        (**self).abort()
    }
}
