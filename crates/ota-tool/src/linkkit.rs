//! The cloud's side of the Linkkit dialect.
