#![no_std]
#![doc = include_str!("../README.md")]

pub mod cause;
pub mod entry;
pub mod guard;
pub mod register;
pub mod text;
