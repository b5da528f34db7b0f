//! Why a token is not to be trusted: the first check that it failed (RFC 7515 s5.2, RFC 7519 s7.2, RFC 8725).

use alloc::string::String;
#[cfg(feature = "sentences")]
use core::fmt;

use super::JwtError;
#[cfg(feature = "sentences")]
use super::shown::Shown;

/// Which check a token failed in [`validate`](crate::validate). Treat every one alike: the token says nothing.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It cannot be decoded.
    Jwt(JwtError),
    /// A member stands twice in an object of the header or the claims (RFC 7515 s4, RFC 7519 s4).
    Duplicate,
    /// The header has `crit`: extensions that nobody here understands (RFC 7515 s4.1.11).
    Critical,
    /// `alg` is not one of the allowed algorithms (RFC 8725 s3.1).
    Algorithm,
    /// `typ` is another kind of token than wanted (RFC 8725 s3.11).
    Type,
    /// `kid` names no key of the issuer, or is absent where there are several.
    UnknownKey,
    /// The key that `kid` names may not be used for this: another kind, `use`, `key_ops`, `alg`, or another issuer's.
    Key,
    /// The signature is not the key's.
    Signature,
    /// A claim that a check needs is absent, or of another kind or size than the RFC says.
    Missing(&'static str),
    /// `iss` is not an expected issuer.
    Issuer {
        /// What the token says, cut at 256 characters.
        got: String,
    },
    /// `tid` is not an allowed tenant.
    Tenant,
    /// `aud` has none of ours.
    Audience,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` lies ahead.
    NotYetValid,
    /// `nonce` is not the expected one.
    Nonce,
    /// A required scope is absent from `scp`.
    Scope,
    /// A required role is absent from `roles`.
    Role,
    /// The host does not know the date, without which no token can be judged.
    NoClock,
}

#[cfg(feature = "sentences")]
impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jwt(why) => return write!(f, "the token cannot be read: {why}"),
            Self::Missing(claim) => return write!(f, "the token has no usable {claim} claim"),
            Self::Issuer { got } => return write!(f, "the token comes from another issuer, {}", Shown(got)),
            Self::Duplicate => "a member stands twice in the token",
            Self::Critical => "the token needs extensions (crit) that are not understood",
            Self::Algorithm => "the token's algorithm is not allowed",
            Self::Type => "this is another type of token",
            Self::UnknownKey => "the token's key is not among its issuer's keys",
            Self::Key => "the token's key may not be used for it",
            Self::Signature => "the token's signature is wrong",
            Self::Tenant => "the token's tenant is not allowed",
            Self::Audience => "the token is for another audience",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not yet valid; check the clock",
            Self::Nonce => "the token answers another request: its nonce is not the expected one",
            Self::Scope => "the token lacks a required scope",
            Self::Role => "the token lacks a required role",
            Self::NoClock => "without the date no token can be judged",
        })
    }
}

impl core::error::Error for TokenError {}

impl From<JwtError> for TokenError {
    fn from(why: JwtError) -> Self {
        Self::Jwt(why)
    }
}
