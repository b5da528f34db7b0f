//! PEM (RFC 7468, RFC 1421) as people have it: a lenient scanner that finds blocks in any text, within bounds.
//!
//! Before, between and after blocks anything may stand: bag attributes, comments, a byte order mark. Tags may be in
//! lower case, and the body may lie on one line, be indented, or have lost its padding. What is inside a block must be
//! base64.

use alloc::string::String;
use alloc::vec::Vec;
use zeroize::Zeroizing;

use crate::base64::std_decode;
use crate::error::CertError;
use crate::limits::{MAX_PEM, MAX_PEM_BLOCKS};
use crate::secret::SecretBytes;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// A label; OpenSSL's have fewer than 32 characters.
const MAX_LABEL: usize = 64;

/// One PEM block, found but not yet decoded: a bundle may hold blocks that nobody needs.
#[derive(Clone)]
pub struct Block<'a> {
    /// What the block says it is, in upper case: `CERTIFICATE`, `PRIVATE KEY` …
    pub label: String,
    /// Headers of RFC 1421 s4.4, names and values.
    pub headers: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
}

impl Block<'_> {
    /// Whether the label is that of an X.509 certificate.
    pub fn is_certificate(&self) -> bool {
        matches!(&*self.label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
    }

    /// Whether the label is that of a private key of any kind.
    pub fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Whether the body is encrypted in OpenSSL's legacy way (RFC 1421 s4.6.1.1 and s4.6.1.3).
    pub fn is_legacy_encrypted(&self) -> bool {
        let of_type = |value: &str| value.to_ascii_uppercase().contains("ENCRYPTED");
        self.header("DEK-Info").is_some() || self.header("Proc-Type").is_some_and(of_type)
    }

    /// The value of the first header of this name, letters in either case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Decodes the body.
    ///
    /// # Errors
    /// [`CertError::BadBase64`].
    pub fn der(&self) -> Result<SecretBytes, CertError> {
        decode_body(self.body)
    }
}

impl core::fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Block({})", self.label)
    }
}

/// Finds all blocks of a text, in their order. A text without any gives an empty list.
///
/// # Errors
/// [`CertError::TooLong`] beyond [`MAX_PEM`] bytes or [`MAX_PEM_BLOCKS`] blocks; [`CertError::UnfinishedPem`] if a
/// block has no END line of its own.
pub fn blocks(text: &[u8]) -> Result<Vec<Block<'_>>, CertError> {
    if text.len() > MAX_PEM {
        return Err(CertError::TooLong);
    }
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after_begin)) = split_at_tag(rest, BEGIN) {
        if found.len() >= MAX_PEM_BLOCKS {
            return Err(CertError::TooLong);
        }
        let Some((label, after_label)) = split_at_tag(after_begin, DASHES).filter(|(label, _)| is_label(label)) else {
            // Prose that mentions the words, not a tag.
            rest = after_begin;
            continue;
        };
        let (content, after_end) = split_at_tag(after_label, END).ok_or(CertError::UnfinishedPem)?;
        let (end_label, after) = split_at_tag(after_end, DASHES).ok_or(CertError::UnfinishedPem)?;
        if !end_label.eq_ignore_ascii_case(label) || split_at_tag(content, BEGIN).is_some() {
            return Err(CertError::UnfinishedPem);
        }
        let (headers, body) = split_headers(content);
        let label = String::from_utf8_lossy(label).to_ascii_uppercase();
        found.push(Block { label, headers, body });
        rest = after;
    }
    Ok(found)
}

/// Decodes base64 with whatever white space is in it. Secret, since a body may be a private key.
pub(super) fn decode_body(body: &[u8]) -> Result<SecretBytes, CertError> {
    let mut text = Zeroizing::new(String::with_capacity(body.len()));
    let mut bytes = body.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            // Variables and JSON files often carry the line breaks of a key as the two characters `\n`.
            b'\\' if matches!(bytes.peek(), Some(b'n' | b'r')) => {
                bytes.next();
            }
            byte if byte.is_ascii_whitespace() => {}
            byte if byte.is_ascii() => text.push(char::from(*byte)),
            _ => return Err(CertError::BadBase64),
        }
    }
    if text.is_empty() {
        return Err(CertError::BadBase64);
    }
    std_decode(&text).map(SecretBytes::new).ok_or(CertError::BadBase64)
}

/// What stands before and after the first occurrence of a tag, letters in either case.
fn split_at_tag<'a>(text: &'a [u8], tag: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(tag.len()).position(|window| window.eq_ignore_ascii_case(tag))?;
    Some((text.get(..at)?, text.get(at.checked_add(tag.len())?..)?))
}

/// RFC 7468 s3, and short.
fn is_label(label: &[u8]) -> bool {
    !label.is_empty() && label.len() <= MAX_LABEL && label.iter().all(|b| matches!(b, b' '..=b'~') && *b != b'-')
}

/// Splits off the lines `Name: value` in front of the body; a colon is not in base64.
fn split_headers(content: &[u8]) -> (Vec<(&str, &str)>, &[u8]) {
    let mut headers = Vec::new();
    let mut body = content;
    let mut rest = content;
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        let line = line.trim_ascii();
        match core::str::from_utf8(line).ok().and_then(|line| line.split_once(':')) {
            Some((name, value)) => {
                headers.push((name.trim(), value.trim()));
                body = rest;
            }
            None if line.is_empty() => {}
            None => break,
        }
    }
    (headers, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec;

    type Found = Result<Vec<(String, Vec<u8>)>, CertError>;

    fn summary(text: &str) -> Found {
        blocks(text.as_bytes())?.iter().map(|b| Ok((b.label.clone(), b.der()?.expose().to_vec()))).collect()
    }

    fn block(label: &str, bytes: &[u8]) -> (String, Vec<u8>) {
        (label.to_string(), bytes.to_vec())
    }

    #[test]
    fn shapes() {
        let foo = || vec![block("X", b"foo")];
        let cases: &[(&str, Found)] = &[
            ("", Ok(vec![])),
            ("no block here", Ok(vec![])),
            ("-----BEGIN X-----\nZm9v\n-----END X-----\n", Ok(foo())),
            ("-----BEGIN X-----\r\nZm\r\n9v\r\n-----END X-----", Ok(foo())),
            ("\u{feff}-----BEGIN X-----\nZm9v\n-----END X-----", Ok(foo())),
            ("-----begin x-----Zm9v-----end x-----", Ok(foo())),
            ("# Bag: 1\n  -----BEGIN X-----\n  Zm 9v\n  -----END X-----\nafter", Ok(foo())),
            ("-----BEGIN X-----\\nZm9v\\r\\n-----END X-----\\n", Ok(foo())),
            ("-----BEGIN X-----\nProc-Type: 4,X\nA: b\n\nZm9v\n-----END X-----", Ok(foo())),
            ("-----BEGIN X-----\nZm8\n-----END X-----", Ok(vec![block("X", b"fo")])),
            (
                "-----BEGIN X-----Zm9v-----END X----------BEGIN Y Z-----Zg==-----END Y Z-----",
                Ok(vec![block("X", b"foo"), block("Y Z", b"f")]),
            ),
            ("-----BEGIN a line\nof prose -----\n-----BEGIN X-----\nZm9v\n-----END X-----", Ok(foo())),
            ("-----BEGIN X-----\nZm9v\n", Err(CertError::UnfinishedPem)),
            ("-----BEGIN X-----\nZm9v\n-----END ", Err(CertError::UnfinishedPem)),
            ("-----BEGIN X-----\nZm9v\n-----END Y-----", Err(CertError::UnfinishedPem)),
            ("-----BEGIN X-----\nZm9v\n-----BEGIN X-----\nZm9v\n-----END X-----", Err(CertError::UnfinishedPem)),
            ("-----BEGIN X-----\nZm!v\n-----END X-----", Err(CertError::BadBase64)),
            ("-----BEGIN X-----\nZm9\u{e9}\n-----END X-----", Err(CertError::BadBase64)),
            ("-----BEGIN X-----\n-----END X-----", Err(CertError::BadBase64)),
        ];
        for (text, expected) in cases {
            assert_eq!(&summary(text), expected, "{text:?}");
        }
    }

    #[test]
    fn bounds() {
        assert_eq!(blocks(&vec![b'-'; MAX_PEM + 1]).unwrap_err(), CertError::TooLong);
        assert_eq!(blocks(&vec![b'-'; MAX_PEM]).unwrap().len(), 0);
        let many = "-----BEGIN X-----Zm9v-----END X-----".repeat(MAX_PEM_BLOCKS);
        assert_eq!(blocks(many.as_bytes()).unwrap().len(), MAX_PEM_BLOCKS);
        assert_eq!(blocks(format!("{many}-----BEGIN X-----").as_bytes()).unwrap_err(), CertError::TooLong);
        // Quadratic work would show here: one prose mention after another.
        assert_eq!(blocks("-----BEGIN \n".repeat(MAX_PEM / 12).as_bytes()).unwrap().len(), 0);
    }

    #[test]
    fn legacy_encryption_is_seen() {
        for (text, expected) in [
            (include_str!("../../../tests/certs/rsa2048.key.enc-legacy-aes128.pem"), true),
            (include_str!("../../../tests/certs/rsa2048.key.enc-legacy-des3.pem"), true),
            (include_str!("../../../tests/certs/rsa2048.key.pkcs1.pem"), false),
        ] {
            let found = blocks(text.as_bytes()).unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].is_legacy_encrypted(), expected);
            assert!(found[0].is_private_key() && found[0].der().is_ok());
        }
    }
}
