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
    /// Leaves so many bytes as they are.
    pub(crate) fn skip(&mut self, len: usize) -> Option<()> {
        self.at = self.at.checked_add(len).filter(|at| *at <= self.buf.len())?;
        Some(())
    }
    /// What was written.
    pub(crate) fn finish(self) -> &'b [u8] {
        // `at` never exceeds the buffer.
        self.buf.get(..self.at).unwrap_or_default()
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
    #[inline(never)]
    pub(crate) fn short_text(&mut self) -> Option<&'b str> {
        core::str::from_utf8(self.short()?).ok()
    }
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
