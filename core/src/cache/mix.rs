//! The hash behind the index: sixteen bytes for one multiplication, in any case of the letters without writing them down.
//!
//! It is the folded multiplication of `wyhash` and `foldhash`, seeded. Digests stay inside a process and a version.

/// Both halves of the product.
#[inline]
pub(super) fn fold(a: u64, b: u64) -> u64 {
    let [low, high] = halves(u128::from(a).wrapping_mul(u128::from(b)));
    low ^ high
}

/// A text as it is spelled.
#[inline]
pub(super) fn exact(seed: u64, other: u64, text: &str) -> u64 {
    mix(seed, other, text.as_bytes(), |word| word)
}

/// A text in any case of its letters.
#[derive(Clone, Copy)]
pub(super) struct Letters<'a>(pub(super) &'a str);

impl Letters<'_> {
    #[inline]
    pub(super) fn digest(self, seed: u64, other: u64) -> u64 {
        let mut bits = 0;
        let digest = mix(seed, other, self.0.as_bytes(), |word| {
            bits |= word;
            lower(word)
        });
        if bits & (EACH << 7) == 0 { digest } else { odd(seed, other, self.0) }
    }
}

/// Whether two texts are the same. Inlined: for texts as short as these a call costs more than the comparison.
#[expect(clippy::inline_always, reason = "the compiler does not, where it is used six times in a row")]
#[inline(always)]
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        0..16 => short(one) == short(other),
        // What lies in the middle is compared twice.
        16..=64 => differ(one, other) == Some(0),
        _ => one == other,
    }
}

/// The bits in which texts differ that have the same length, of sixteen to sixty-four bytes.
#[inline]
fn differ(one: &[u8], other: &[u8]) -> Option<u128> {
    let block = |bytes: &[u8], at| bytes.get(at..)?.first_chunk().map(|block| u128::from_ne_bytes(*block));
    let differ = |at| Some(block(one, at)? ^ block(other, at)?);
    let last = one.len().checked_sub(16)?;
    let ends = differ(0)? | differ(last)?;
    match last.checked_sub(16) {
        Some(last) => Some(ends | differ(16)? | differ(last)?),
        None => Some(ends),
    }
}

/// The letters of a text in lower case.
pub(super) fn lowered(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

#[inline]
fn mix(seed: u64, other: u64, bytes: &[u8], mut spell: impl FnMut(u64) -> u64) -> u64 {
    let mut take = |sum: u64, [low, high]: [u64; 2]| fold(sum ^ spell(low), other ^ spell(high));
    let (blocks, rest) = bytes.as_chunks::<16>();
    let mut sum = seed;
    for block in blocks {
        sum = take(sum, words(block));
    }
    if !rest.is_empty() {
        // The last sixteen, some of them a second time: no loop over single bytes.
        sum = take(sum, bytes.last_chunk::<16>().map_or_else(|| short(bytes), words));
    }
    end(sum, other, bytes.len())
}

#[inline]
fn words(block: &[u8; 16]) -> [u64; 2] {
    halves(u128::from_le_bytes(*block))
}

/// The length goes in at last, since a text in lower case may have another one than it has.
#[inline]
fn end(sum: u64, other: u64, length: usize) -> u64 {
    fold(sum ^ u64::try_from(length).unwrap_or(u64::MAX), other)
}

/// Fewer than sixteen bytes.
#[inline]
fn short(bytes: &[u8]) -> [u64; 2] {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return [u64::from_le_bytes(*first), u64::from_le_bytes(*last)];
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return [u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last))];
    }
    [bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0]
}

const EACH: u64 = 0x0101_0101_0101_0101;

/// Eight ASCII bytes in lower case at once.
#[inline]
fn lower(word: u64) -> u64 {
    // The high bit of a byte says: at least `A`; more than `Z`.
    let (from_a, beyond_z) = (word.wrapping_add(EACH * 0x3f), word.wrapping_add(EACH * 0x25));
    word | ((from_a ^ beyond_z) & (EACH << 7)) >> 2
}

/// A text with other letters than ASCII, of which some become ASCII (the Kelvin sign): what [`mix`] makes of it in lower
/// case, which is written nowhere.
#[cold]
fn odd(seed: u64, other: u64, text: &str) -> u64 {
    let (mut sum, mut window, mut first, mut length) = (seed, 0_u128, [0_u8; 16], 0_usize);
    let take = |sum: u64, window: u128| {
        let [low, high] = halves(window);
        fold(sum ^ low, other ^ high)
    };
    for letter in lowered(text) {
        for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
            if let Some(place) = first.get_mut(length) {
                *place = byte;
            }
            window = window >> 8 | u128::from(byte) << 120;
            length = length.saturating_add(1);
            if length % 16 == 0 {
                sum = take(sum, window);
            }
        }
    }
    match first.get(..length) {
        Some(bytes) if length < 16 => {
            let [low, high] = short(bytes);
            sum = fold(sum ^ low, other ^ high);
        }
        _ if length % 16 != 0 => sum = take(sum, window),
        _ => {}
    }
    end(sum, other, length)
}

#[inline]
fn halves(wide: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, high @ ..] = wide.to_le_bytes();
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(high)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    #[test]
    fn letters_of_any_length_and_spelling() {
        let digest = |text: &str| Letters(text).digest(0x1234_5678_9abc_def1, 0xfedc_ba98_7654_3211);
        for length in [1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 127, 128, 129] {
            // The Kelvin sign is a `k` in lower case; three bytes become one.
            let (plain, upper, kelvin) = ("k".repeat(length), "K".repeat(length), "\u{212a}".repeat(length));
            assert_eq!(digest(&plain), digest(&upper), "{length}");
            assert_eq!(digest(&plain), digest(&kelvin), "{length}");
            assert_ne!(digest(&plain), digest(&"k".repeat(length + 1)));
            let umlauts = "\u{e4}".repeat(length);
            assert_eq!(digest(&umlauts), digest(&umlauts.to_uppercase()));
            // Every byte counts.
            for at in 0..length {
                let mut other: Vec<char> = plain.chars().collect();
                other[at] = 'l';
                assert_ne!(digest(&plain), digest(&other.iter().collect::<String>()), "{length} {at}");
            }
        }
    }

    #[test]
    fn the_same_or_not() {
        for length in 0..100 {
            let text: Vec<u8> = (0..length).map(|n: u8| n.wrapping_mul(37)).collect();
            assert!(same(&text, &text.clone()));
            assert!(!same(&text, &text[..text.len().saturating_sub(1)]) || text.is_empty());
            for at in 0..text.len() {
                for bit in 0..8 {
                    let mut other = text.clone();
                    other[at] ^= 1 << bit;
                    assert!(!same(&text, &other), "{length} {at} {bit}");
                }
            }
        }
    }

    #[test]
    fn only_letters_have_two_cases() {
        for byte in 0..128_u8 {
            let word = u64::from_le_bytes([byte; 8]);
            assert_eq!(lower(word), u64::from_le_bytes([byte.to_ascii_lowercase(); 8]), "{byte}");
        }
    }

    #[test]
    fn exact_is_exact() {
        assert_ne!(exact(1, 2, "k"), exact(1, 2, "K"));
        assert_ne!(exact(1, 2, ""), exact(1, 2, "\0"));
        assert_ne!(exact(1, 2, "a"), exact(3, 2, "a"));
    }
}
