#![doc = include_str!("../README.md")]

pub mod build;
pub mod geometry;
pub mod model;
pub mod peers;
mod product;
pub mod recorder;
mod signatures;
pub mod story;
pub mod usual;
pub mod world;

pub use geometry::Geometry;
pub use model::Model;
pub use product::Product;
pub use recorder::Recorder;
pub use signatures::Signatures;
pub use story::Story;
pub use world::{End, Powered, World};
