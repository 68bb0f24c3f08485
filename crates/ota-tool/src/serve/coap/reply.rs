//! Answers, and parts of bodies.

use coap_lite::{CoapOption, MessageClass, Packet, ResponseType};
use ota_coap::{Block, Szx, option};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// Seconds for which offers are fresh: so long a device does not notice that this process was started anew.
const MAX_AGE_S: u32 = 4;
/// Seconds for which a device stays away whose report there is no room for.
const BUSY_S: u32 = 60;
/// The number of `application/octet-stream`.
pub(super) const OCTETS: u32 = 42;
/// The number of `application/json`.
pub(super) const JSON: u32 = 50;

/// An answer without its header.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub(super) code: ResponseType,
    pub(super) body: Vec<u8>,
    pub(super) etag: Option<[u8; 8]>,
    pub(super) observe: Option<u32>,
    pub(super) block1: Option<Block>,
    pub(super) block2: Option<Block>,
    pub(super) size1: Option<u32>,
    pub(super) size2: Option<u32>,
    pub(super) max_age: Option<u32>,
    /// Content-Format of the body.
    pub(super) format: Option<u32>,
    /// Nothing that people want to know.
    pub(super) quiet: bool,
    /// Bytes that a limited rate counts.
    pub(super) paced: usize,
}

impl Reply {
    /// A code alone.
    pub(super) const fn code(code: ResponseType) -> Self {
        Self {
            code,
            body: Vec::new(),
            etag: None,
            observe: None,
            block1: None,
            block2: None,
            size1: None,
            size2: None,
            max_age: None,
            format: None,
            quiet: false,
            paced: 0,
        }
    }

    /// There is no room: the report is to come again later.
    pub(super) fn busy() -> Self {
        Self { max_age: Some(BUSY_S), ..Self::code(ResponseType::ServiceUnavailable) }
    }

    /// A report that is larger than `most`.
    pub(super) fn too_large(most: usize) -> Self {
        Self { size1: Some(most as u32), ..Self::code(ResponseType::RequestEntityTooLarge) }
    }

    /// The asked part of a JSON text that may change.
    ///
    /// # Errors
    /// 4.00 for a part behind the end.
    pub(super) fn document(body: Vec<u8>, asked: Option<Block>) -> Result<Self, Self> {
        let etag = Sha256::digest(&body).first_chunk().copied();
        let (part, block) = part(asked, body.len() as u64)?;
        let size2 = (block.more && block.number == 0).then_some(body.len() as u32);
        let body = body.get(part.start as usize..part.end as usize).unwrap_or_default().to_vec();
        let block2 = (asked.is_some() || block.more).then_some(block);
        // Also of no bytes: notifications have the format of the first response (RFC 7641 §4.2).
        let (max_age, format) = (Some(MAX_AGE_S), Some(JSON));
        Ok(Self { body, etag, block2, size2, max_age, format, ..Self::code(ResponseType::Content) })
    }

    /// A JSON text, whole.
    pub(super) fn whole(body: String) -> Self {
        let format = (!body.is_empty()).then_some(JSON);
        Self { body: body.into_bytes(), format, ..Self::code(ResponseType::Content) }
    }

    /// A part of a file of so many bytes.
    pub(super) fn file(body: Vec<u8>, block: Block, total: u64, etag: [u8; 8]) -> Self {
        let size2 = (block.number == 0).then_some(u32::try_from(total).ok()).flatten();
        let (etag, block2, paced) = (Some(etag), Some(block), body.len());
        Self { body, etag, block2, size2, paced, format: Some(OCTETS), ..Self::code(ResponseType::Content) }
    }

    /// The message; type, id and token are the caller's.
    pub(super) fn packet(&self) -> Packet {
        let mut packet = Packet::new();
        packet.header.code = MessageClass::Response(self.code);
        let block = |block: Option<Block>| block.map(Block::encode);
        let numbers = [
            (option::OBSERVE, self.observe),
            (option::CONTENT_FORMAT, self.format),
            (option::MAX_AGE, self.max_age),
            (option::BLOCK2, block(self.block2)),
            (option::BLOCK1, block(self.block1)),
            (option::SIZE2, self.size2),
            (option::SIZE1, self.size1),
        ];
        if let Some(etag) = self.etag {
            packet.add_option(CoapOption::ETag, etag.to_vec());
        }
        for (number, value) in numbers {
            if let Some(value) = value {
                packet.add_option(CoapOption::from(number), shortest(value));
            }
        }
        packet.payload.clone_from(&self.body);
        packet
    }

    /// Class and detail.
    pub(super) fn digits(&self) -> [u8; 2] {
        let code = u8::from(MessageClass::Response(self.code));
        [code >> 5, code & 31]
    }

    /// Where its part of a body begins.
    pub(super) fn offset(&self) -> Option<u32> {
        self.block2.map(Block::offset)
    }

    /// Whether people want to know of it: of a body in blocks the first and the last.
    pub(super) fn is_told(&self) -> bool {
        !self.quiet && self.block2.is_none_or(|block| block.number == 0 || !block.more)
    }
}

/// Which bytes of a body are asked for, and what the block option says of them.
///
/// # Errors
/// 4.00 for a block behind the end.
pub(super) fn part(asked: Option<Block>, total: u64) -> Result<(Range<u64>, Block), Reply> {
    let asked = asked.unwrap_or(Block { number: 0, more: false, szx: Szx::MAX });
    let start = u64::from(asked.number) * u64::from(asked.szx.bytes());
    if start > 0 && start >= total {
        return Err(Reply::code(ResponseType::BadRequest));
    }
    let end = total.min(start + u64::from(asked.szx.bytes()));
    Ok((start..end, Block { more: end < total, ..asked }))
}

/// A number in as few bytes as it needs.
fn shortest(value: u32) -> Vec<u8> {
    value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_body() {
        let szx = Szx::new(2).unwrap();
        let asked = |number| Some(Block { number, more: false, szx });
        let got = |asked, total| part(asked, total).map(|(range, block)| (range, block.more)).ok();
        assert_eq!(got(asked(0), 130), Some((0..64, true)));
        assert_eq!(got(asked(2), 130), Some((128..130, false)));
        assert_eq!(got(asked(3), 130), None);
        assert_eq!(got(asked(1), 64), None);
        assert_eq!(got(asked(0), 0), Some((0..0, false)), "nothing is a body, too");
        assert_eq!(got(None, 2_000), Some((0..1_024, true)));
        let far = Some(Block { number: 5_000, more: false, szx: Szx::MAX });
        assert_eq!(got(far, 6_000_000), Some((5_120_000..5_121_024, true)));
    }

    #[test]
    fn options_are_as_short_as_they_can_be_and_far_blocks_have_all_their_bits() {
        let block = Block { number: 5_000, more: true, szx: Szx::MAX };
        let packet = Reply::file(vec![1], block, 6_000_000, *b"etagetag").packet();
        let value = |option| packet.get_option(option).and_then(|values| values.front().cloned());
        assert_eq!(value(CoapOption::Block2), Some(vec![1, 0x38, 0x8E]));
        assert_eq!((value(CoapOption::Size2), value(CoapOption::Observe)), (None, None));
        let none = Reply::document(Vec::new(), None).unwrap().packet();
        assert_eq!(none.get_option(CoapOption::MaxAge).unwrap().front().unwrap(), &[4]);
        assert_eq!(none.get_option(CoapOption::Block2), None);
    }
}
