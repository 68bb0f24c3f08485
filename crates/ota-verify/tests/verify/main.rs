//! What a user of the crate sees, over vectors of other tools and over images and packages built here.

mod build;
mod elliptic;
mod image;
mod keys;
mod package;
mod random;
mod rsa_signatures;
mod vectors;
