#![doc = include_str!("../README.md")]

pub mod build;
pub mod fuzz;
pub mod geometry;
pub mod life;
pub mod line;
pub mod model;
pub mod peers;
pub mod plan;
mod product;
pub mod recorder;
pub mod scenario;
pub mod seen;
mod signatures;
pub mod story;
pub mod tally;
pub mod trouble;
pub mod unit;
pub mod usual;
pub mod world;

pub use geometry::Geometry;
pub use model::Model;
pub use product::Product;
pub use recorder::Recorder;
pub use signatures::Signatures;
pub use story::Story;
pub use world::{End, Powered, World};
