//! Normalisations after which two texts are compared.

use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    StripPadding,
    StripWhiteSpace,
    CollapseSlashes,
    PercentDecode,
}

impl How {
    pub(super) fn apply(self, text: &str) -> String {
        match self {
            Self::StripPadding => text.trim_end_matches('=').to_string(),
            Self::StripWhiteSpace => text.chars().filter(|c| !c.is_ascii_whitespace()).collect(),
            Self::PercentDecode => percent_decoded(text),
            Self::CollapseSlashes => match text.split_once("://") {
                None => text.to_string(),
                Some((scheme, rest)) => {
                    let mut rest = rest.to_string();
                    while rest.contains("//") {
                        rest = rest.replace("//", "/");
                    }
                    format!("{scheme}://{rest}")
                }
            },
        }
    }
}

/// The bytes that a text with `%` stands for, as far as they are UTF-8.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalised() {
        assert_eq!(How::CollapseSlashes.apply("https://a//b///c"), "https://a/b/c");
        assert_eq!(How::PercentDecode.apply("a%20b%C3%A4%2"), "a b\u{e4}%2");
    }
}
