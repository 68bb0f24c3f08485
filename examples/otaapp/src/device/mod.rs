//! The sample application behind its hardware: console commands, messaging link, update agent. No heap, no executor, and no
//! knowledge of a board: the Linux program and the firmware of a Cortex-M both run this.

mod coap;
mod input;
mod link;
mod server;
mod session;
mod shell;
mod told;
mod words;

pub use link::{Link, Local};
pub use server::{Over, Server};
pub use shell::Shell;
pub use words::tell;

use crate::product::Product;
use ota_boot::Boot;
use ota_download::{Connect, ConnectUdp, Source};
use ota_hal::{Entropy, Flash, Timer, Watchdog};
use ota_service::{Agent, Notice, Target};
use ota_verify::Keys;

/// What the application needs of a board. The types only: a board implements this for an empty type.
pub trait Platform {
    /// The flash, as its several users see it.
    type Flash: Flash;
    /// Where an image goes.
    type Target: Target;
    /// Who may sign.
    type Keys: Keys;
    /// TCP for the broker, datagrams for a CoAP server.
    type Connect: Connect + ConnectUdp;
    /// Where packages come from.
    type Source: Source;
    /// Time; a handle that can be given to several users.
    type Timer: Timer + Copy;
    /// Chance; a handle that can be given to several users.
    type Entropy: Entropy + Copy;
    /// Where people type and read; a handle that can be given to several users.
    type Console: Console;
    /// The watchdog; a second handle, for the long steps of an update.
    type Watchdog: Watchdog;
    /// What is told of an update.
    type Log: FnMut(Notice<'_>);
}

/// The agent of this application.
pub type Device<'a, P> = Agent<
    'a,
    Boot<'a, <P as Platform>::Flash>,
    <P as Platform>::Target,
    <P as Platform>::Flash,
    <P as Platform>::Keys,
    Product<<P as Platform>::Log, <P as Platform>::Watchdog>,
    <P as Platform>::Entropy,
>;

/// A line to a person. Printing waits for nobody.
pub trait Console: Copy {
    /// Prints text.
    fn print(&self, text: &str);
    /// Prints a number in decimal.
    fn print_number(&self, number: u32);
    /// The next byte typed.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped future took no byte.
    async fn byte(&self) -> u8;

    /// Prints each part, then ends the line.
    fn line(&self, parts: &[&str]) {
        for part in parts {
            self.print(part);
        }
        self.print("\n");
    }
}

/// What to do after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Go on.
    Continue,
    /// The device has another identity, or none.
    Reconnect,
    /// Restart.
    Reset,
}
