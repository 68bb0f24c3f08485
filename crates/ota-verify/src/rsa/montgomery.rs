//! Arithmetic modulo an odd n of `W` 32-bit words, all numbers public.
//!
//! Words are little-endian in order. A number x is in Montgomery form as x·R mod n, R = 2^(32·W).

/// `W` words, little-endian in order and each by itself, so that the same memory can hold a number for bytes to be
/// made of. Aligned, so that parts that need it read whole words.
#[derive(Clone, Copy, PartialEq)]
#[repr(align(4))]
pub(super) struct Number<const W: usize>(pub(super) [[u8; 4]; W]);

impl<const W: usize> Number<W> {
    pub(super) const ZERO: Self = Self([[0; 4]; W]);

    /// From little-endian to big-endian and back.
    fn turn(&mut self) {
        self.0.as_flattened_mut().reverse();
    }
}

/// What a number is multiplied by, word by word: no copy of the signature has to be turned round for it.
#[derive(Clone, Copy)]
enum Factor<'a, const W: usize> {
    Number(&'a Number<W>),
    BigEndian(&'a [[u8; 4]; W]),
}

/// A modulus and what belongs to it, borrowed from its blob byte by byte (the blob need not be aligned).
#[derive(Debug, Clone, Copy)]
pub(super) struct Modulus<'a, const W: usize> {
    n: &'a [[u8; 4]; W],
    rr: &'a [[u8; 4]; W],
    /// -n⁻¹ mod 2³².
    n0inv: u32,
}

impl<'a, const W: usize> Modulus<'a, W> {
    /// Takes n, R² mod n and -n⁻¹ mod 2³², all little-endian. To be used only if [`Modulus::holds`].
    pub(super) const fn new(n: &'a [[u8; 4]; W], rr: &'a [[u8; 4]; W], n0inv: u32) -> Self {
        Self { n, rr, n0inv }
    }

    /// Whether the three belong together.
    ///
    /// The check of R² is complete, not a sample: two Montgomery products with 1 take it to 1, and no other number
    /// below n. It costs 2 of the 19 products of a verification.
    // Not inlined, so that its three numbers do not stay on the stack of whoever holds the key.
    #[inline(never)]
    pub(super) fn holds(&self) -> bool {
        let low = self.n.first().map_or(0, |word| u32::from_le_bytes(*word));
        let high = self.n.last().map_or(0, |word| u32::from_le_bytes(*word));
        let mut one = Number::ZERO;
        if let Some(first) = one.0.first_mut() {
            *first = 1u32.to_le_bytes();
        }
        let mut x = Number(*self.rr);
        let mut r = x;
        let below = self.subtract_from(&mut r);
        self.multiply(&mut r, Factor::Number(&x), &one);
        self.multiply(&mut x, Factor::Number(&r), &one);
        // -n⁻¹·n ≡ -1 holds for odd n only.
        low.wrapping_mul(self.n0inv) == u32::MAX && high >> 31 == 1 && below && x == one
    }

    /// Sets `x` to s^65537 mod n, both big-endian; `None` unless s < n. `x` is one of the two numbers this takes.
    // Not inlined, so that the other one leaves the stack before the padding is looked at.
    #[inline(never)]
    pub(super) fn raise(&self, s: &[[u8; 4]; W], x: &mut Number<W>) -> Option<()> {
        x.0 = *s;
        x.turn();
        if !self.subtract_from(x) {
            return None;
        }
        let mut spare = Number(*self.rr);
        self.multiply(x, Factor::BigEndian(s), &spare);
        // 16 squarings, two at a time so that the result is in `x` again.
        for _ in 0..8 {
            self.multiply(&mut spare, Factor::Number(x), x);
            self.multiply(x, Factor::Number(&spare), &spare);
        }
        // One factor in Montgomery form and one not: the product is plain.
        self.multiply(&mut spare, Factor::BigEndian(s), x);
        // Below R, hence below 2n: at most one subtraction is due.
        *x = spare;
        if self.subtract_from(x) {
            *x = spare;
        }
        x.turn();
        Some(())
    }

    /// out ≡ a·b·R⁻¹ mod n, below R; and at most n, when a or b is 1.
    #[inline(never)]
    fn multiply(&self, out: &mut Number<W>, a: Factor<'_, W>, b: &Number<W>) {
        *out = Number::ZERO;
        let mut carry = false;
        for i in 0..W {
            let word = match a {
                Factor::Number(a) => u32::from_le_bytes(a.0[i]),
                Factor::BigEndian(a) => u32::from_be_bytes(a[W - 1 - i]),
            };
            carry = self.step(out, carry, word, b);
        }
        // The sum is below R + n.
        if carry {
            self.subtract_from(out);
        }
    }

    /// t = (t + a·b + m·n) / 2³², with the m that makes the division exact. `top` is the word above t, 0 or 1.
    fn step(&self, t: &mut Number<W>, top: bool, a: u32, b: &Number<W>) -> bool {
        let mut m = 0;
        let (mut high_ab, mut high_mn) = (0, 0);
        for i in 0..W {
            let (sum, high) = mul_add(a, u32::from_le_bytes(b.0[i]), u32::from_le_bytes(t.0[i]), high_ab);
            high_ab = high;
            if i == 0 {
                m = sum.wrapping_mul(self.n0inv);
            }
            let (sum, high) = mul_add(m, u32::from_le_bytes(self.n[i]), sum, high_mn);
            high_mn = high;
            if i > 0 {
                t.0[i - 1] = sum.to_le_bytes();
            }
        }
        let sum = u64::from(high_ab) + u64::from(high_mn) + u64::from(top);
        t.0[W - 1] = (sum as u32).to_le_bytes();
        sum >> 32 != 0
    }

    /// x - n modulo R, and whether n was the larger one.
    #[inline(never)]
    fn subtract_from(&self, x: &mut Number<W>) -> bool {
        let mut borrow = false;
        for (word, bytes) in x.0.iter_mut().zip(self.n) {
            let (difference, b1) = u32::from_le_bytes(*word).overflowing_sub(u32::from_le_bytes(*bytes));
            let (difference, b2) = difference.overflowing_sub(borrow.into());
            *word = difference.to_le_bytes();
            borrow = b1 | b2;
        }
        borrow
    }
}

/// a·b + c + d as (low, high); it cannot overflow.
const fn mul_add(a: u32, b: u32, c: u32, d: u32) -> (u32, u32) {
    let sum = a as u64 * b as u64 + c as u64 + d as u64;
    (sum as u32, (sum >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    // n = 0xFFFF_FFFF_FFFF_FFC5, the largest prime below 2^64; small enough to check with u128.
    const N: u64 = 0xFFFF_FFFF_FFFF_FFC5;

    fn words(x: u64) -> [[u8; 4]; 2] {
        [(x as u32).to_le_bytes(), ((x >> 32) as u32).to_le_bytes()]
    }
    fn inverse() -> u32 {
        let mut inv = 1u32;
        for _ in 0..5 {
            inv = inv.wrapping_mul(2u32.wrapping_sub((N as u32).wrapping_mul(inv)));
        }
        inv.wrapping_neg()
    }
    fn rr() -> u64 {
        let r = (1u128 << 64) % u128::from(N);
        (r * r % u128::from(N)) as u64
    }
    fn pow(s: u64) -> u64 {
        (0..16).fold(u128::from(s), |x, _| x * x % u128::from(N)).wrapping_mul(u128::from(s)).rem_euclid(N.into())
            as u64
    }

    #[test]
    fn agrees_with_wide_integers() {
        let (n, rr) = (words(N), words(rr()));
        let modulus = Modulus::new(&n, &rr, inverse());
        assert!(modulus.holds());
        let mut s = 0x0123_4567_89AB_CDEFu64;
        let edges = [0, 1, 2, N - 1, N - 2, u64::from(u32::MAX), 1 << 32];
        let random = (0..2000).map(|_| {
            s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            s % N
        });
        for s in edges.into_iter().chain(random) {
            let be = s.to_be_bytes();
            let (be, _) = be.as_chunks::<4>();
            let mut out = Number::ZERO;
            modulus.raise(be.try_into().unwrap(), &mut out).unwrap();
            assert_eq!(u64::from_be_bytes(out.0.as_flattened().try_into().unwrap()), pow(s), "{s:#x}");
        }
    }

    #[test]
    fn refuses_numbers_from_n_up() {
        let (n, rr) = (words(N), words(rr()));
        let modulus = Modulus::new(&n, &rr, inverse());
        assert!(modulus.holds());
        for s in [N, N + 1, u64::MAX] {
            let be = s.to_be_bytes();
            let (be, _) = be.as_chunks::<4>();
            let mut x = Number::ZERO;
            assert!(modulus.raise(be.try_into().unwrap(), &mut x).is_none());
        }
    }

    #[test]
    fn refuses_constants_that_do_not_belong_to_n() {
        let n = words(N);
        assert!(!Modulus::new(&n, &words(rr()), inverse() ^ 1).holds());
        assert!(!Modulus::new(&n, &words(rr()), 0).holds());
        for wrong in [0, 1, rr() - 1, rr() + 1, N - 1, N, N + 1, u64::MAX] {
            assert!(!Modulus::new(&n, &words(wrong), inverse()).holds(), "{wrong:#x}");
        }
        // An even modulus has no inverse that could match; a short one has its top bit clear.
        assert!(!Modulus::new(&words(N - 1), &words(rr()), inverse()).holds());
        assert!(!Modulus::new(&words(N >> 1), &words(0), inverse()).holds());
    }
}
