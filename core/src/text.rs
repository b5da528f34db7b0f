//! Words in texts, found in few instructions: the standard library's search is faster in long texts, and ten times as large.

use alloc::string::String;

/// The words of a text. Without the feature `index`, on devices, only white space of ASCII parts them.
#[cfg(feature = "index")]
pub(crate) fn words(text: &str) -> core::str::SplitWhitespace<'_> {
    text.split_whitespace()
}

/// The words of a text, parted by white space of ASCII.
#[cfg(not(feature = "index"))]
pub(crate) fn words(text: &str) -> core::str::SplitAsciiWhitespace<'_> {
    text.split_ascii_whitespace()
}

/// Without white space around it; without the feature `url`, which is for what people type, only that of ASCII.
pub(crate) fn trimmed(text: &str) -> &str {
    if cfg!(feature = "url") { text.trim() } else { text.trim_ascii() }
}

/// A whole number in decimal digits, with a sign or without.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.as_bytes().split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, text.as_bytes()),
    };
    if digits.is_empty() {
        return None;
    }
    // Below zero there is one number more.
    let mut number = 0_i64;
    for digit in digits {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit & 15))?;
        number = number.checked_mul(10)?.checked_sub(digit)?;
    }
    if is_negative { Some(number) } else { number.checked_neg() }
}

/// What stands between these separators, which are of ASCII.
pub(crate) fn parts(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let all = rest?;
        let at = all.bytes().position(|byte| byte == separator);
        rest = at.and_then(|at| all.get(at.checked_add(1)?..));
        all.get(..at.unwrap_or(all.len()))
    })
}

/// What stands before the first of these separators, and behind it.
pub(crate) fn cut(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == separator)?;
    Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
}

/// What stands before the last of these separators, and behind it.
pub(crate) fn cut_last(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = text.bytes().rposition(|byte| byte == separator)?;
    Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
}

/// Without these bytes of ASCII at its end.
pub(crate) fn trim_end(mut text: &str, byte: u8) -> &str {
    while let (Some(last), Some(rest)) = (text.bytes().last(), text.get(..text.len().saturating_sub(1)))
        && last == byte
    {
        text = rest;
    }
    text
}

/// Where a word begins that is not empty.
pub(crate) fn find(text: &str, word: &str) -> Option<usize> {
    text.as_bytes().windows(word.len().max(1)).position(|part| part == word.as_bytes())
}

/// What stands before a word, and behind it.
pub(crate) fn split_once<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let at = find(text, word)?;
    Some((text.get(..at)?, text.get(at.checked_add(word.len())?..)?))
}

/// The text with another word in place of this one, wherever it stands.
pub(crate) fn replace(text: &str, word: &str, by: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = split_once(rest, word) {
        out.push_str(before);
        out.push_str(by);
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for text in [
            "",
            "0",
            "-0",
            "+7",
            "-",
            "+",
            "--1",
            "1 ",
            " 1",
            "1.0",
            "0x1",
            "12345",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "007",
            "\u{661}",
        ] {
            assert_eq!(integer(text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn as_the_standard_library() {
        for text in ["", "a", "ab", "aab", "abab", "xabyabz", "aaaa", "\u{e9}ab\u{e9}", "ba"] {
            for word in ["a", "ab", "aa", "\u{e9}", "b\u{e9}", "abc", "longer than any"] {
                assert_eq!(find(text, word), text.find(word), "{word} in {text}");
                assert_eq!(split_once(text, word), text.split_once(word), "{word} in {text}");
                assert_eq!(replace(text, word, "-b-"), text.replace(word, "-b-"), "{word} in {text}");
            }
            assert_eq!(find(text, ""), None);
            assert_eq!(
                (cut(text, b'a'), cut_last(text, b'a')),
                (text.split_once('a'), text.rsplit_once('a')),
                "{text}"
            );
            assert!(parts(text, b'a').eq(text.split('a')), "{text}");
            assert_eq!(trim_end(text, b'a'), text.trim_end_matches('a'), "{text}");
        }
    }
}
