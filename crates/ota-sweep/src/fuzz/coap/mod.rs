//! CoAP: messages, the client's endpoint, transfers in blocks, observations, and the source above them.

mod endpoint;
mod message;
mod source;
mod transfer;

/// The first byte chooses what the others are for.
pub(super) fn body(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    match first % 4 {
        0 => message::body(rest),
        1 => endpoint::body(rest),
        2 => transfer::body(rest),
        _ => source::body(rest),
    }
}

/// Inputs that get far in each.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let parts = [message::seeds(), endpoint::seeds(), transfer::seeds(), source::seeds()];
    let seeds = parts.into_iter().zip(0..);
    seeds.flat_map(|(seeds, n)| seeds.into_iter().map(move |seed| [&[n][..], &seed].concat())).collect()
}

/// Bytes that are taken off the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
    /// The next `len`, or as many as there are.
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
