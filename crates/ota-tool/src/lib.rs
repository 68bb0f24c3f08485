#![doc = include_str!("../README.md")]

pub mod cli;
pub mod cmd;
pub mod delta;
pub mod files;
pub mod ids;
pub mod image;
pub mod inspect;
pub mod keys;
pub mod linkkit;
pub mod output;
pub mod package;
pub mod serve;
