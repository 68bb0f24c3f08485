#![doc = include_str!("../README.md")]

pub mod clock;
pub mod datagram;
pub mod flash;
pub mod link;
pub mod network;
pub mod rng;

pub use clock::FakeClock;
pub use datagram::{DatagramFaults, Datagrams};
pub use flash::{SimError, SimFlash, Tear, Violation, WriteRule};
pub use link::{Closed, Faults, Link, LinkError};
pub use network::{Network, Unconfirmed, polled};
pub use rng::Rng;
