#![no_std]
#![doc = include_str!("../README.md")]

pub mod block;
pub mod code;
pub mod drive;
pub mod exchange;
pub mod message;
pub mod observe;
pub mod option;

pub use block::{Block, BlockError, Download, ETag, Outcome, Piece, Progress, Szx, Upload};
pub use code::Code;
pub use drive::{Arrived, Datagram, DriveError, Line};
pub use exchange::{Busy, Endpoint, Event, ExchangeConfig, Failure, Incoming, Opening, Step, Token, Window};
pub use message::{EncodeError, Encoder, Fault, Kind, Malformed, Mark, Message, Options, Reply};
pub use observe::{Notice, Observation};
