//! Stand-in for `jose::id_token::claims`: the payload of an ID token, decoded and **not verified**.

use crate::base64;
use crate::error::JwtError;
use crate::json::{self, JsonError, Members};
use crate::limits::MAX_JWT;

// jose::id_token::claims
pub(super) fn claims(id_token: &str) -> Result<Members, JwtError> {
    if id_token.len() > MAX_JWT {
        return Err(JwtError::TooLong);
    }
    let payload = id_token.split('.').nth(1).ok_or(JwtError::NoPayload)?;
    let bytes = base64::url_decode(payload.trim_end_matches('=')).ok_or(JwtError::BadBase64)?;
    json::parse_object(&bytes, MAX_JWT).map_err(|why| match why {
        JsonError::NotAnObject => JwtError::NotAnObject,
        _ => JwtError::BadJson,
    })
}
