//! `extract_certs`: the certificates of a PEM text as texts, exactly as the reference finds them (its section 7.1).

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::error::CertError;
use crate::limits::{MAX_PEM, MAX_PEM_BLOCKS};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The bodies of all `CERTIFICATE` blocks of a text, trimmed, with their inner line breaks.
///
/// A text without any such block is taken for one bare body, whatever it is. Nothing is decoded here:
/// [`Certificate::chain`](super::Certificate::chain) does that.
///
/// # Errors
/// [`CertError::PrivateKeyInsteadOfCertificate`] if there is no certificate but a private key;
/// [`CertError::TooLong`] beyond [`MAX_PEM`] bytes or [`MAX_PEM_BLOCKS`] blocks.
pub fn extract_certs(text: &str) -> Result<Vec<String>, CertError> {
    if text.len() > MAX_PEM {
        return Err(CertError::TooLong);
    }
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = find_ignoring_case(rest, BEGIN) {
        rest = after(rest, begin, BEGIN.len());
        let body_end = rest.find('-').unwrap_or(rest.len());
        let (body, tail) = rest.split_at(body_end);
        if body.is_empty() || !tail.get(..END.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(END)) {
            continue;
        }
        if found.len() >= MAX_PEM_BLOCKS {
            return Err(CertError::TooLong);
        }
        found.push(String::from(strip(body)));
        rest = after(tail, 0, END.len());
    }
    if !found.is_empty() {
        return Ok(found);
    }
    // In upper case only: that is how the reference looks for it.
    if text.contains("PRIVATE KEY") {
        return Err(CertError::PrivateKeyInsteadOfCertificate);
    }
    Ok(vec![String::from(strip(text))])
}

fn find_ignoring_case(text: &str, tag: &str) -> Option<usize> {
    text.as_bytes().windows(tag.len()).position(|window| window.eq_ignore_ascii_case(tag.as_bytes()))
}

fn after(text: &str, at: usize, len: usize) -> &str {
    text.get(at.saturating_add(len)..).unwrap_or_default()
}

/// Python's `str.strip`, which also takes the four information separators for white space.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::path::{Path, PathBuf};

    fn tests_dir() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
    }

    #[test]
    fn transcripts() {
        let mut played = 0;
        for entry in std::fs::read_dir(tests_dir().join("conformance/transcripts")).unwrap() {
            let path = entry.unwrap().path();
            if !path.file_name().unwrap().to_str().unwrap().starts_with("extract_certs__") {
                continue;
            }
            let transcript: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            for step in transcript["steps"].as_array().unwrap() {
                let content = &step["args"]["public_cert_content"];
                let text = match content["$file"].as_str() {
                    Some(file) => std::fs::read_to_string(tests_dir().join(file)).unwrap(),
                    None => String::from(content.as_str().unwrap()),
                };
                match (extract_certs(&text), &step["result"]) {
                    (Ok(found), Value::Array(expected)) => {
                        assert_eq!(&found.into_iter().map(Value::from).collect::<Vec<_>>(), expected, "{path:?}");
                    }
                    (Err(CertError::PrivateKeyInsteadOfCertificate), Value::Null) => {
                        assert_eq!(step["raises"]["type"], "ValueError", "{path:?}");
                    }
                    (other, expected) => panic!("{path:?}: {other:?} instead of {expected}"),
                }
                played += 1;
            }
        }
        assert_eq!(played, 20);
    }

    #[test]
    fn bounds() {
        assert_eq!(extract_certs(&"-".repeat(MAX_PEM + 1)), Err(CertError::TooLong));
        let one = "-----BEGIN CERTIFICATE-----A-----END CERTIFICATE-----";
        assert_eq!(extract_certs(&one.repeat(MAX_PEM_BLOCKS)).map(|c| c.len()), Ok(MAX_PEM_BLOCKS));
        assert_eq!(extract_certs(&one.repeat(MAX_PEM_BLOCKS + 1)), Err(CertError::TooLong));
        let empty = "-----BEGIN CERTIFICATE----------END CERTIFICATE-----";
        assert_eq!(extract_certs(empty).unwrap(), [empty]);
    }
}
