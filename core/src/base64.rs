//! The encodings of RFC 4648: base64 and base64url over `base64ct` (whose time does not depend on the data), and base16.

use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64, Base64Unpadded, Base64UrlUnpadded, Encoding};
use core::fmt::Write;

/// base64url without padding, as JOSE writes it (RFC 7515 s2).
pub fn url_encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Reads base64url without padding, and nothing else.
pub fn url_decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

/// [`url_decode`] for what is no key: its time depends on the data.
#[cfg(not(feature = "validate"))]
pub(crate) fn url_decode_by_table(text: &str) -> Option<Vec<u8>> {
    let last = text.bytes().last().and_then(six_bits).unwrap_or_default();
    let left_over = match text.len() % 4 {
        2 => last & 0b1111,
        3 => last & 0b11,
        _ => 0,
    };
    if left_over != 0 || !is_base64url(text) { None } else { lenient_decode(text) }
}

/// [`url_decode`] by a table, several times as fast, for what is no key: its time depends on the data.
#[cfg(feature = "validate")]
pub(crate) fn url_decode_by_table(text: &str) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    let more = match rest.len() {
        0 => 0,
        2 => 1,
        3 => 2,
        _ => return None,
    };
    let length = groups.len().saturating_mul(3).saturating_add(more);
    #[expect(clippy::slow_vector_initialization, reason = "allocators have memory at hand sooner than zeroed memory")]
    let mut out = Vec::with_capacity(length);
    out.resize(length, 0);
    let (triples, last) = out.as_chunks_mut::<3>();
    let mut invalid = 0;
    for ([a, b, c, d], out) in groups.iter().zip(triples) {
        let (a, b, c, d) = (url_value(*a), url_value(*b), url_value(*c), url_value(*d));
        invalid |= a | b | c | d;
        let [_, triple @ ..] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
        *out = triple;
    }
    let value = |at: usize| rest.get(at).map_or(0, |byte| url_value(*byte));
    let (a, b, c) = (value(0), value(1), value(2));
    invalid |= a | b | c;
    let [_, triple @ ..] = (a << 18 | b << 12 | c << 6).to_be_bytes();
    last.iter_mut().zip(triple).for_each(|(to, from)| *to = from);
    let left_over = triple.iter().skip(more).any(|byte| *byte != 0);
    (invalid < 64 && !left_over).then_some(out)
}

/// Whether this is base64url without padding, but for bits that may be left over.
pub(crate) fn is_base64url(text: &str) -> bool {
    // Without a table, and without a way out in between: so the compiler looks at sixteen bytes at once.
    let is = |byte: u8| {
        (byte | 0x20).wrapping_sub(b'a') < 26 || byte.wrapping_sub(b'0') < 10 || byte == b'-' || byte == b'_'
    };
    text.len() % 4 != 1 && text.bytes().fold(true, |all, byte| all & is(byte))
}

/// Six bits, or 255.
#[cfg(feature = "validate")]
fn url_value(byte: u8) -> u32 {
    const TABLE: [u8; 256] = {
        let mut table = [255; 256];
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut value = 0_u8;
        while value < 64 {
            #[expect(clippy::indexing_slicing, reason = "computed by the compiler, which checks it")]
            {
                table[alphabet[value as usize] as usize] = value;
            }
            value = value.saturating_add(1);
        }
        table
    };
    TABLE.get(usize::from(byte)).copied().unwrap_or(255).into()
}

/// base64 with padding and without line breaks, as in `x5c` (RFC 7515 s4.1.6).
pub fn std_encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Reads base64 without line breaks; the padding may be absent, since many who copy a key lose it.
pub fn std_decode(text: &str) -> Option<Vec<u8>> {
    Base64Unpadded::decode_vec(text.trim_end_matches('=')).ok()
}

/// Reads base64 or base64url as Python's `urlsafe_b64decode` does after padding to a multiple of four.
///
/// Characters outside of both alphabets are skipped, complete padding ends the data, bits left over are dropped.
/// `None` if a character is not ASCII, or if the padding does not come out. Its time depends on the data.
pub fn lenient_decode(text: &str) -> Option<Vec<u8>> {
    // Most texts are as they should be.
    #[cfg(feature = "validate")]
    if let Some(bytes) = url_decode_by_table(text) {
        return Some(bytes);
    }
    if !text.is_ascii() {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    // `held` keeps the low bits not yet written; `place` is the position within the group of four.
    let (mut held, mut place, mut pads) = (0_u8, 0_u8, 0_u8);
    // Padding counts what is skipped too: that is what the reference does.
    let missing = text.len().wrapping_neg() % 4;
    for byte in text.bytes().chain(core::iter::repeat_n(b'=', missing)) {
        if byte == b'=' {
            if place >= 2 {
                pads = pads.saturating_add(1);
                if pads.saturating_add(place) >= 4 {
                    return Some(out);
                }
            }
            continue;
        }
        let Some(value) = six_bits(byte) else { continue };
        pads = 0;
        match place {
            0 => {}
            1 => out.push((held << 2) | (value >> 4)),
            2 => out.push((held << 4) | (value >> 2)),
            _ => out.push((held << 6) | value),
        }
        held = value;
        place = place.wrapping_add(1) % 4;
    }
    (place == 0).then_some(out)
}

/// Base16 in lower case (RFC 4648 s8).
pub fn hex_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Reads base16 in either case, without separators, that fills `N` bytes exactly.
pub fn hex_decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N.checked_mul(2)? {
        return None;
    }
    let mut out = [0_u8; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16)?;
            *byte = (*byte << 4) | u8::try_from(value).ok()?;
        }
    }
    Some(out)
}

/// The value of a character in either alphabet.
fn six_bits(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => byte.checked_sub(b'A'),
        b'a'..=b'z' => byte.checked_sub(b'a')?.checked_add(26),
        b'0'..=b'9' => byte.checked_sub(b'0')?.checked_add(52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_decodes_as_base64ct() {
        let alphabet: Vec<char> = (0..128_u8).map(char::from).chain(['\u{e9}', '\u{ff}']).collect();
        let mut state = 7_u64;
        let mut pick = |end: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % end
        };
        let mut valid = 0;
        for _ in 0..20_000 {
            // Mostly from the right alphabet.
            let good: Vec<char> =
                alphabet.iter().copied().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
            let length = pick(12);
            let text: String =
                (0..length).map(|_| if pick(60) == 0 { alphabet[pick(130)] } else { good[pick(64)] }).collect();
            let expected = url_decode(&text);
            assert_eq!(url_decode_by_table(&text), expected, "{text:?}");
            assert!(is_base64url(&text) || expected.is_none(), "{text:?}");
            valid += usize::from(expected.is_some());
        }
        assert!(valid > 2000, "{valid}");
    }

    #[test]
    fn lenient_as_the_reference() {
        // Transcripts decode_part__*; those marked (Python) were tried against CPython's `binascii`.
        let cases: &[(&str, Option<&[u8]>)] = &[
            ("", Some(b"")),
            ("Zg", Some(b"f")),
            ("Zg==", Some(b"f")),
            ("Zm8", Some(b"fo")),
            ("Zm8=", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("Zm9vYg", Some(b"foob")),
            ("Zm 9v", Some(b"foo")),
            ("Zm9v\n", Some(b"foo")),
            ("Z.m9v!", Some(b"foo")),
            ("Zm9vé", None),
            ("--__", Some(b"\xfb\xef\xff")),
            ("++//", Some(b"\xfb\xef\xff")),
            ("AAAAA", None),
            ("A", None),
            ("Zh", Some(b"f")),       // (Python) bits left over
            ("Zg==Zm9v", Some(b"f")), // (Python) complete padding ends the data
            ("Zg=\n", None),          // (Python) the line break eats the padding
            ("Zg=A=", Some(b"f\0")),  // (Python)
            ("Zm=9v", Some(b"foo")),  // (Python) half a padding is skipped
            ("=Zm9v", Some(b"foo")),  // (Python)
            ("====", Some(b"")),      // (Python)
            ("Z=g=", None),           // (Python)
            ("Z==g", None),           // (Python)
        ];
        for (text, expected) in cases {
            assert_eq!(lenient_decode(text).as_deref(), *expected, "{text:?}");
        }
    }

    #[test]
    fn strict_ones() {
        // RFC 4648 s10.
        for (bytes, padded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(std_encode(bytes.as_bytes()), padded);
            assert_eq!(std_decode(padded).as_deref(), Some(bytes.as_bytes()));
            assert_eq!(url_decode(&url_encode(bytes.as_bytes())).as_deref(), Some(bytes.as_bytes()));
        }
        for bad in ["Zg==", "Zh", "Zm 9v", "AAAAA", "++//"] {
            assert_eq!(url_decode(bad), None, "{bad:?}");
        }
        for bad in ["Zh==", "Zm 9v", "AAAAA", "--__"] {
            assert_eq!(std_decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn base16() {
        assert_eq!(hex_encode(&[0, 0xAB, 0xff]), "00abff");
        assert_eq!(hex_decode::<3>("00aBFf"), Some([0, 0xAB, 0xff]));
        for bad in ["", "00ab", "00abfg", "0:abff", "00abff0", "é0ab", "+0+0+0"] {
            assert_eq!(hex_decode::<3>(bad), None, "{bad:?}");
        }
    }
}
