//! What may be said on the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use ota_board_linux::{FLASH_LEN, LAYOUT};
use ota_hal::{Partition, SlotId};
use ota_verify::Identity;
use std::path::PathBuf;

/// A Linux process as the device.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Power the device: load, verify and start what the flash holds; a reset starts over. SIGKILL is a power cut.
    Run(Run),
    /// Factory programming: write a signed image to a slot. Makes the flash file if there is none.
    Flash {
        /// The flash file.
        #[arg(long)]
        flash: PathBuf,
        /// Which slot.
        #[arg(long, default_value = "a")]
        slot: Slot,
        /// The signed image.
        image: PathBuf,
    },
    /// Erase the flash or a part of it. Makes the flash file if there is none.
    Erase {
        /// The flash file.
        #[arg(long)]
        flash: PathBuf,
        /// What to erase.
        #[arg(long, default_value = "all")]
        area: Area,
    },
    /// Copy the flash or a part of it to a file (for `ota inspect`).
    Dump {
        /// The flash file.
        #[arg(long)]
        flash: PathBuf,
        /// What to copy.
        #[arg(long, default_value = "all")]
        area: Area,
        /// Where to.
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The flash file.
    #[arg(long)]
    pub(crate) flash: PathBuf,
    /// Public keys (`*.pub` of `ota keygen`) that may sign, separated by commas.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) keys: Vec<PathBuf>,
    /// Vendor: a UUID, or the domain name that `ota sign` was given.
    #[arg(long)]
    pub(crate) vendor: String,
    /// Class: a UUID, or the name that `ota sign` was given. One per set of devices that can run the same image.
    #[arg(long)]
    pub(crate) class: String,
    /// Also offer the UART on this Unix socket.
    #[arg(long)]
    pub(crate) console_socket: Option<PathBuf>,
    /// The program must feed the watchdog at least this often.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u16).range(10..))]
    pub(crate) watchdog_ms: u16,
    /// Switch the device off after this many starts instead of never.
    #[arg(long)]
    pub(crate) starts: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Slot {
    A,
    B,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Area {
    A,
    B,
    Journal,
    All,
}

impl From<Slot> for Area {
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::A => Self::A,
            Slot::B => Self::B,
        }
    }
}

impl Area {
    pub(crate) const fn partition(self) -> Partition {
        match self {
            Self::A => LAYOUT.slot(SlotId::A),
            Self::B => LAYOUT.slot(SlotId::B),
            Self::Journal => LAYOUT.journal(),
            Self::All => Partition::new(0, FLASH_LEN),
        }
    }
}

impl Run {
    /// Who the device is.
    pub(crate) fn identity(&self) -> Identity {
        Identity::named(&self.vendor, &self.class)
    }
}
