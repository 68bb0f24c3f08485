//! The seam between the agent and the place a component's bytes go.

use ota_hal::SlotId;
use ota_transport::{Checksum, FailStage};
use ota_verify::Verified;
use ota_verify::manifest::{Accepts, Form};

/// What is to be written, and as what it comes. Stored with the job: the same after a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How the payload becomes the component.
    pub form: Form,
    /// Bytes of the payload.
    pub length: u32,
    /// Bytes of the component.
    pub size: u32,
    /// SHA-256 of the component, from a signed manifest. `None` for a bare image, which proves itself.
    pub digest: Option<[u8; 32]>,
}

impl Plan {
    /// The component as it is.
    #[must_use]
    pub const fn raw(size: u32, digest: Option<[u8; 32]>) -> Self {
        Self { form: Form::Raw, length: size, size, digest }
    }
}

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
    /// Whether the bytes are not those that were promised (a digest that differs, a stream that makes no sense), so that
    /// fetching them once more may help: a link that corrupts, an object that was replaced without a sign. What is signed
    /// badly stays so: false.
    fn is_damage(&self) -> bool {
        false
    }
}

/// Where the bytes of one component go: a slot first; a file or a companion MCU fit here too.
///
/// # For implementers
/// Bytes of the payload arrive in order and without holes. What [`Target::write`] returned is durable: after a power cut
/// the agent calls [`Target::resume`] with the last such position it could store, and sends the bytes from the returned
/// one on. All positions are the payload's, which is the component only in [`Form::Raw`].
///
/// What takes long calls `progress` again and again: it feeds the watchdog.
///
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
    /// Most bytes a component can have here.
    fn capacity(&self) -> u32;
    /// What it decodes, and how large a component it can make of that.
    fn decodes(&self) -> Accepts {
        Accepts::RAW
    }
    /// Whether it holds the base of this digest, which a delta starts from. May read all of it.
    fn holds(&mut self, base: &[u8; 32], progress: &mut dyn FnMut()) -> bool {
        let _ = (base, progress);
        false
    }
    /// The slot it writes; decides which payload of a package fits. Stored with the job.
    fn slot(&self) -> SlotId;

    /// Prepares for what is planned. What was there before is lost.
    ///
    /// # Errors
    /// When the medium failed. The agent ends the job.
    fn begin(&mut self, plan: &Plan) -> Result<(), Self::Error>;

    /// Prepares to continue a job at `durable`. Returns where to continue: there, before, or behind, where more was durable
    /// than could be stored.
    ///
    /// # Errors
    /// When the medium failed. The agent ends the job.
    fn resume(&mut self, plan: &Plan, durable: u32) -> Result<u32, Self::Error>;

    /// Takes the next bytes and returns how many, from the start, are durable now.
    /// Everything is once the last byte was taken.
    ///
    /// # Errors
    /// When the medium failed, more bytes came than announced, or they make no sense. After [`TargetError::is_damage`] the
    /// agent begins again, once for each job; else it ends the job.
    fn write(&mut self, bytes: &[u8], progress: &mut dyn FnMut()) -> Result<u32, Self::Error>;

    /// Reads back what was written and proves it. Can take seconds; works after a reset too, without `resume`.
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
    fn decodes(&self) -> Accepts {
        (**self).decodes()
    }
    fn holds(&mut self, base: &[u8; 32], progress: &mut dyn FnMut()) -> bool {
        (**self).holds(base, progress)
    }
    fn begin(&mut self, plan: &Plan) -> Result<(), Self::Error> {
        (**self).begin(plan)
    }
    fn resume(&mut self, plan: &Plan, durable: u32) -> Result<u32, Self::Error> {
        (**self).resume(plan, durable)
    }
    fn write(&mut self, bytes: &[u8], progress: &mut dyn FnMut()) -> Result<u32, Self::Error> {
        (**self).write(bytes, progress)
    }
    fn finish(&mut self, expected: &Expected, progress: &mut dyn FnMut()) -> Result<Finished, Self::Error> {
        (**self).finish(expected, progress)
    }
    fn abort(&mut self) -> Result<(), Self::Error> {
        (**self).abort()
    }
}
