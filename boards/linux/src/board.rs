//! What the application finds on this board.

use crate::file_flash::FileFlash;
use crate::keys::KeyRing;
use crate::part::FLASH_LEN;
use crate::supervisor::env;
use crate::watchdog::{Feeder, ProcessReset};
use anyhow::{Context, Result, bail};
use ota_hal::{ResetCause, SlotId};
use ota_verify::{Identity, Uuid};
use std::path::{Path, PathBuf};

/// The hardware, as the board process hands it to the payload it starts.
///
/// # Examples
/// ```no_run
/// use ota_hal::{Reset, Watchdog};
/// let mut board = ota_board_linux::Board::from_env()?;
/// board.watchdog.feed();
/// board.reset.reset();
/// # #[allow(unreachable_code)]
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug)]
pub struct Board {
    /// The flash part; [`LAYOUT`](crate::LAYOUT) says what is where.
    pub flash: FileFlash,
    /// Feeds the watchdog, which is running already.
    pub watchdog: Feeder,
    /// The reset line, and why the last reset happened.
    pub reset: ProcessReset,
    /// The keys that may sign images and manifests.
    pub keys: KeyRing,
    /// Vendor and class id.
    pub identity: Identity,
    /// The slot this program was started from.
    pub running: SlotId,
}

impl Board {
    /// Takes over what the board process left in the environment.
    ///
    /// # Errors
    /// When this program was not started by `ota-board-linux run`.
    pub fn from_env() -> Result<Self> {
        let cause = var(env::CAUSE)?.parse().context("reset cause")?;
        let keys = var(env::KEYS)?;
        Ok(Self {
            flash: FileFlash::open(Path::new(&var(env::FLASH)?), FLASH_LEN)?,
            watchdog: Feeder::open(var(env::WATCHDOG)?.parse().context("watchdog")?)?,
            reset: ProcessReset { cause: ResetCause::from_u8(cause) },
            keys: KeyRing::load(keys.split(',').map(PathBuf::from))?,
            identity: Identity { vendor: uuid(env::VENDOR)?, class: uuid(env::CLASS)? },
            running: match var(env::SLOT)?.as_str() {
                "A" => SlotId::A,
                "B" => SlotId::B,
                other => bail!("{} is {other:?}", env::SLOT),
            },
        })
    }
}

fn var(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: start this program with `ota-board-linux run`"))
}

fn uuid(name: &str) -> Result<Uuid> {
    Uuid::parse(&var(name)?).with_context(|| format!("{name} is not a UUID"))
}
