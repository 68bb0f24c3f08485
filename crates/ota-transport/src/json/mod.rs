//! JSON in place: a pull reader over the message buffer, and a writer into a buffer.
//!
//! Structure is read strictly (no trailing comma, nothing after the value), content tolerantly: [`Reader::number`]
//! and its kin take numbers that arrive as strings, and the other way round.
//!
//! # Examples
//! ```
//! use ota_transport::json::Reader;
//! let mut text = *br#"{"id":"7","data":{"url":"http:\/\/a\u002fb"}}"#;
//! let mut json = Reader::new(&mut text);
//! json.object()?;
//! assert_eq!(json.key()?, Some("id"));
//! assert_eq!(json.number()?, 7);
//! assert_eq!(json.key()?, Some("data"));
//! json.object()?;
//! assert_eq!(json.key()?, Some("url"));
//! assert_eq!(json.string()?, "http://a/b");
//! assert_eq!(json.key()?, None);
//! assert_eq!(json.key()?, None);
//! json.finish()?;
//! # Ok::<(), ota_transport::json::JsonError>(())
//! ```
//! # Source
//! RFC 8259.

mod reader;
mod text;
mod writer;

pub use reader::{Reader, ValueKind};
pub use writer::{Overflow, Writer};

/// Why a text could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, or not UTF-8. Nothing after this point can be read.
    #[error("not JSON")]
    Malformed,
    /// More than 32 levels of nesting. Nothing after this point can be read.
    #[error("JSON nested too deeply")]
    TooDeep,
    /// The value is of another type, or does not fit the one asked for. It is used up; reading can go on behind it.
    #[error("JSON value of another type")]
    Type,
}

#[cfg(test)]
mod tests;
