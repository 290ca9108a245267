//! Eight bytes at a time: where a text ends, and what number some digits are (SIMD within a register, Lamport 1975).

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x80 * ONES;

/// Where the first quote, backslash or control character stands.
#[inline]
pub(super) fn special(bytes: &[u8]) -> Option<usize> {
    let mut place = 0;
    while let Some(word) = bytes[place..].first_chunk() {
        let word = u64::from_le_bytes(*word);
        // A byte above a hit may look like one too: a borrow reaches it. The lowest is right.
        let equals = |byte: u64| {
            let zero = word ^ (byte * ONES);
            zero.wrapping_sub(ONES) & !zero
        };
        let controls = word.wrapping_sub(0x20 * ONES) & !word;
        let hits = (equals(b'"'.into()) | equals(b'\\'.into()) | controls) & HIGHS;
        if hits != 0 {
            return Some(place + hits.trailing_zeros() as usize / 8);
        }
        place += 8;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\') || *byte < b' ';
    bytes[place..].iter().position(is_special).map(|at| place + at)
}

/// The number that the first bytes are, modulo 2^64, and how many digits it has.
#[inline]
pub(super) fn number(bytes: &[u8]) -> (u64, usize) {
    let (mut number, mut length) = (0_u64, 0);
    while let Some(word) = bytes[length..].first_chunk() {
        let (value, count) = digits(u64::from_le_bytes(*word));
        number = number.wrapping_mul(POWERS[count]).wrapping_add(value);
        length += count;
        if count < 8 {
            return (number, length);
        }
    }
    for byte in bytes[length..].iter().take_while(|byte| byte.is_ascii_digit()) {
        number = number.wrapping_mul(10).wrapping_add((byte - b'0').into());
        length += 1;
    }
    (number, length)
}

/// Powers of ten, by exponent.
const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The number that the lowest bytes of a word are, the first digit lowest, and how many digits it has.
#[inline]
fn digits(word: u64) -> (u64, usize) {
    let digits = word ^ (u64::from(b'0') * ONES);
    // Above 9 the highest bit is set, or becomes so; as above, the lowest hit is right.
    let others = (digits.wrapping_add(0x76 * ONES) | digits) & HIGHS;
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // Leading zeros in front, then pairs, fours and eights of digits, side by side.
    let ones = digits << (64 - 8 * count);
    let pairs = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    ((fours * 10_000 + (fours >> 32)) & 0xffff_ffff, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        for length in 0..=19 {
            for digits in ["1234567890123456789", "9999999999999999999", "1000000000000000000"] {
                for end in ["", "}", ",\"x\":1234567", "/000000000", ":99999999"] {
                    let text = format!("{}{end}", &digits[..length]);
                    let expected = digits[..length].parse().unwrap_or(0);
                    assert_eq!(number(text.as_bytes()), (expected, length), "{text}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn eight_at_a_time_is_one_by_one(
            bytes in prop::collection::vec(
                prop_oneof![any::<u8>(), b'0'..=b'9', prop::sample::select(b"\"\\\x1f \x80\xa2\xdc/:".to_vec())],
                0..40,
            )
        ) {
            let is_special = |byte: &u8| matches!(byte, b'"' | b'\\') || *byte < b' ';
            prop_assert_eq!(special(&bytes), bytes.iter().position(is_special));
            let length = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let push = |number: u64, byte: &u8| {
                number.wrapping_mul(10).wrapping_add((byte - b'0').into())
            };
            let expected = bytes[..length].iter().fold(0, push);
            prop_assert_eq!(number(&bytes), (expected, length));
        }
    }
}
