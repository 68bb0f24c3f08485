//! Writing and reading bounded records: little-endian, no allocation, every read checked.

/// Appends to a borrowed buffer.
pub(crate) struct Writer<'b> {
    buf: &'b mut [u8],
    at: usize,
}

impl<'b> Writer<'b> {
    pub(crate) const fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, at: 0 }
    }
    /// `None` when the buffer is full.
    #[inline(never)]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at.checked_add(bytes.len())?;
        self.buf.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }
    pub(crate) fn u8(&mut self, n: u8) -> Option<()> {
        self.bytes(&[n])
    }
    pub(crate) fn u32(&mut self, n: u32) -> Option<()> {
        self.bytes(&n.to_le_bytes())
    }
    /// A length byte, then the bytes.
    #[inline(never)]
    pub(crate) fn short(&mut self, bytes: &[u8]) -> Option<()> {
        self.u8(u8::try_from(bytes.len()).ok()?)?;
        self.bytes(bytes)
    }
    /// What was written.
    pub(crate) fn finish(self) -> &'b [u8] {
        // `at` never exceeds the buffer.
        self.buf.get(..self.at).unwrap_or_default()
    }
}

/// Moves `len` bytes of `buf` from `from` to `to`; what lies outside the buffer is left out.
///
/// By hand: `copy_within` brings a `memmove` of 0.7 KiB, which nothing else here needs.
pub(crate) fn slide(buf: &mut [u8], from: usize, to: usize, len: usize) {
    let cells = core::cell::Cell::from_mut(buf).as_slice_of_cells();
    for step in 0..len {
        let at = if to < from { step } else { len - 1 - step };
        if let (Some(source), Some(place)) = (cells.get(from + at), cells.get(to + at)) {
            place.set(source.get());
        }
    }
}

/// Takes from the front of a slice.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl<'b> Reader<'b> {
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'b [u8]> {
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }
    pub(crate) fn chunk<const N: usize>(&mut self) -> Option<&'b [u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(first)
    }
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.chunk().copied()
    }
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[n]| n)
    }
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    /// A length byte, then the bytes.
    #[inline(never)]
    pub(crate) fn short(&mut self) -> Option<&'b [u8]> {
        let len = self.u8()?;
        self.bytes(len.into())
    }
    pub(crate) fn text(&mut self, len: usize) -> Option<&'b str> {
        core::str::from_utf8(self.bytes(len)?).ok()
    }
    #[inline(never)]
    pub(crate) fn short_text(&mut self) -> Option<&'b str> {
        core::str::from_utf8(self.short()?).ok()
    }
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::slide;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slides_like_copy_within(len in 0usize..20, from in 0usize..20, to in 0usize..20) {
            let mut bytes = [0u8; 40];
            bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
            let mut wanted = bytes;
            wanted.copy_within(from..from + len, to);
            slide(&mut bytes, from, to, len);
            prop_assert_eq!(bytes, wanted);
        }
    }
}
