//! Methods and response codes.
//!
//! # Source
//! RFC 7252 §5.8, §5.9, §12.1; RFC 7959 §2.9 (2.31, 4.08, 4.13); RFC 8516 (4.29).

/// A method or a response code: the class in the upper three bits, the detail in the lower five.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u8);

impl Code {
    /// No method and no response: a bare acknowledgement, a reset or a ping.
    pub const EMPTY: Self = Self(0);
    /// 0.01
    pub const GET: Self = Self::new(0, 1);
    /// 0.02
    pub const POST: Self = Self::new(0, 2);
    /// 0.03
    pub const PUT: Self = Self::new(0, 3);
    /// 0.04
    pub const DELETE: Self = Self::new(0, 4);
    /// 2.01
    pub const CREATED: Self = Self::new(2, 1);
    /// 2.03
    pub const VALID: Self = Self::new(2, 3);
    /// 2.04
    pub const CHANGED: Self = Self::new(2, 4);
    /// 2.05
    pub const CONTENT: Self = Self::new(2, 5);
    /// 2.31: the block was taken, send the next.
    pub const CONTINUE: Self = Self::new(2, 31);
    /// 4.00
    pub const BAD_REQUEST: Self = Self::new(4, 0);
    /// 4.02
    pub const BAD_OPTION: Self = Self::new(4, 2);
    /// 4.04
    pub const NOT_FOUND: Self = Self::new(4, 4);
    /// 4.08: blocks are missing.
    pub const REQUEST_INCOMPLETE: Self = Self::new(4, 8);
    /// 4.12
    pub const PRECONDITION_FAILED: Self = Self::new(4, 12);
    /// 4.13: the request, or its block, is too large.
    pub const REQUEST_TOO_LARGE: Self = Self::new(4, 13);
    /// 4.29
    pub const TOO_MANY_REQUESTS: Self = Self::new(4, 29);
    /// 5.00
    pub const SERVER_ERROR: Self = Self::new(5, 0);
    /// 5.01
    pub const NOT_IMPLEMENTED: Self = Self::new(5, 1);
    /// 5.03: busy; Max-Age says how long.
    pub const UNAVAILABLE: Self = Self::new(5, 3);
    /// 5.05
    pub const NO_PROXY: Self = Self::new(5, 5);

    /// The code `class.detail`; the bits that have no room are dropped.
    pub const fn new(class: u8, detail: u8) -> Self {
        Self(class << 5 | detail & 31)
    }
    /// 0 for methods, 2 for success, 4 for "you are wrong", 5 for "I am".
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }
    /// The two digits after the point.
    pub const fn detail(self) -> u8 {
        self.0 & 31
    }
    /// Whether this is a method.
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }
    /// Whether this is a response, known or not.
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2..=5)
    }
}

impl core::fmt::Debug for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn classes_and_details() {
        assert_eq!(Code::CONTENT.0, 0x45);
        assert_eq!((Code::CONTINUE.class(), Code::CONTINUE.detail()), (2, 31));
        assert_eq!(std::format!("{:?}", Code::NOT_FOUND), "4.04");
        assert!(Code::GET.is_request() && !Code::EMPTY.is_request() && !Code::CONTENT.is_request());
        assert!(Code::UNAVAILABLE.is_response() && !Code::EMPTY.is_response());
        assert!([1, 6, 7].iter().all(|class| {
            let code = Code::new(*class, 0);
            !code.is_request() && !code.is_response()
        }));
    }
}
