//! Certificate thumbprints (RFC 7515 s4.1.7 and s4.1.8) as people write them: hexadecimal digits in one piece.

use core::fmt;

use crate::base64::{hex_decode, hex_encode};
use crate::error::CertError;

/// The digest of a certificate's DER. The length of its text says which digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thumbprint {
    /// SHA-1, for `x5t`.
    Sha1([u8; 20]),
    /// SHA-256, for `x5t#S256`.
    Sha256([u8; 32]),
}

impl Thumbprint {
    /// The digest itself.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(digest) => digest,
            Self::Sha256(digest) => digest,
        }
    }
}

/// In lower case hexadecimal digits.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex_encode(self.as_bytes()))
    }
}

/// Reads 40 or 64 hexadecimal digits in either case, without separators (section 1.5 of the reference).
///
/// # Errors
/// [`CertError::BadThumbprint`].
pub fn parse_thumbprint(hex: &str) -> Result<Thumbprint, CertError> {
    match hex.len() {
        40 => hex_decode(hex).map(Thumbprint::Sha1),
        _ => hex_decode(hex).map(Thumbprint::Sha256),
    }
    .ok_or(CertError::BadThumbprint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn texts() {
        let sha1 = "2e9e65103f3507b7d386d6ffff2a88b494b427d6";
        let sha256 = "4467518a60ce7632576d26a9f53efeb31f3bec9c1e725c01a597036e3cc6520f";
        for text in [sha1, sha256] {
            assert_eq!(parse_thumbprint(text).unwrap().to_string(), text);
            assert_eq!(parse_thumbprint(&text.to_uppercase()), parse_thumbprint(text));
        }
        let spaced = sha1.replace("2e9e", "2e 9e ");
        let colons = "2e:9e:65:10:3f:35:07:b7:d3:86:d6:ff:ff:2a:88:b4:94:b4:27:d6";
        let wide = "é".repeat(20);
        for bad in ["", "2e9e", &sha1[1..], &spaced, colons, &wide, &sha1.replace('2', "g")] {
            assert_eq!(parse_thumbprint(bad), Err(CertError::BadThumbprint), "{bad:?}");
        }
    }
}
