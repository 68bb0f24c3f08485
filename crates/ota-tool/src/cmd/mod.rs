//! One module a command; `inspect` and `serve` are large enough for their own folders.

pub mod complete;
pub mod diff;
pub mod keygen;
pub mod pack;
pub mod patch;
pub mod push;
pub mod sign;
pub mod verify;
