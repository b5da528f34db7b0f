//! Base64 and base64url (RFC 4648 s4 and s5), over `base64ct`, whose time does not depend on the data.

use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding};

/// base64url without padding, as JOSE writes it (RFC 7515 s2).
pub fn url_encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Reads base64url without padding, and nothing else.
pub fn url_decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}
