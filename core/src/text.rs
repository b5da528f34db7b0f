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
    fn as_the_standard_library() {
        for text in ["", "a", "ab", "aab", "abab", "xabyabz", "aaaa", "\u{e9}ab\u{e9}", "ba"] {
            for word in ["a", "ab", "aa", "\u{e9}", "b\u{e9}", "abc", "longer than any"] {
                assert_eq!(find(text, word), text.find(word), "{word} in {text}");
                assert_eq!(split_once(text, word), text.split_once(word), "{word} in {text}");
                assert_eq!(replace(text, word, "-b-"), text.replace(word, "-b-"), "{word} in {text}");
            }
            assert_eq!(find(text, ""), None);
        }
    }
}
