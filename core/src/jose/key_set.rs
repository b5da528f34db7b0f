//! JSON Web Key Sets of an issuer (RFC 7517 s5): the keys that may verify, and for what each may be used.

use alloc::string::String;
use alloc::vec::Vec;

use super::verify::{Prepared, Software, Verify};
use super::{Jwk, PublicKey};
use crate::error::{JwtError, TokenError};
use crate::json::{self, Members, Value};
use crate::key::Algorithm;
use crate::limits::{MAX_JWKS_KEYS, MAX_METADATA};

/// The public keys of an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(Vec<SetKey>);

/// A key of a set, with what its owner says about its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetKey {
    jwk: Jwk,
    prepared: Prepared,
    alg: Option<String>,
    verifies: bool,
    issuer: Option<String>,
}

impl KeySet {
    /// Reads a set of at most [`MAX_METADATA`] bytes. Keys of kinds and sizes that we do not use are left out (RFC 7517 s5),
    /// and so are those beyond [`MAX_JWKS_KEYS`]. `x5c` is not read: nothing would vouch for the certificate. Keys are prepared
    /// here, so that to verify is all that is left to do for a token.
    ///
    /// # Errors
    /// [`JwtError`] if there is no object with a list `keys`.
    pub fn parse(body: &[u8]) -> Result<Self, JwtError> {
        let members = json::parse_object(body, MAX_METADATA).map_err(|_| JwtError::BadJson)?;
        let Some(Value::Array(keys)) = members.get("keys") else { return Err(JwtError::BadKey) };
        Ok(Self(keys.iter().filter_map(SetKey::read).take(MAX_JWKS_KEYS).collect()))
    }

    /// The keys, in the order of the set.
    pub fn keys(&self) -> &[SetKey] {
        &self.0
    }

    /// Verifies a signature in software with the key of this name; without a name only if there is but one key for the
    /// algorithm.
    ///
    /// # Errors
    /// [`TokenError::UnknownKey`], [`TokenError::Key`] or [`TokenError::Signature`].
    pub fn verify(
        &self,
        kid: Option<&str>,
        alg: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<&SetKey, TokenError> {
        self.verify_by(&Software, kid, alg, message, signature)
    }

    /// The same by other means than software.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and what the verifier says.
    pub fn verify_by(
        &self,
        verifier: &dyn Verify,
        kid: Option<&str>,
        alg: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<&SetKey, TokenError> {
        let mut why = TokenError::UnknownKey;
        if kid.is_none() && self.0.iter().filter(|key| key.fits(alg)).count() != 1 {
            return Err(why);
        }
        let named = |key: &&SetKey| kid.map_or_else(|| key.fits(alg), |kid| key.jwk.kid() == Some(kid));
        for key in self.0.iter().filter(named) {
            why = match key.fits(alg) {
                false => TokenError::Key,
                true => match verifier.verify(key, alg, message, signature) {
                    Ok(()) => return Ok(key),
                    Err(why) => why,
                },
            };
        }
        Err(why)
    }
}

impl SetKey {
    fn read(value: &Value) -> Option<Self> {
        let members = Members::from(value.as_object()?.clone());
        let jwk = Jwk::from_members(&members).ok()?;
        let prepared = Prepared::new(jwk.key()).ok()?;
        let for_signatures = members.get("use").is_none_or(|usage| usage == "sig");
        let may_verify = match members.get("key_ops") {
            None => true,
            Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
            Some(_) => false,
        };
        let text = |name| members.text(name).map(String::from);
        let verifies = for_signatures && may_verify;
        Some(Self { jwk, prepared, alg: text("alg"), verifies, issuer: text("issuer") })
    }

    /// The key's numbers and its name.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    pub(super) fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The issuer for whose tokens alone the key stands, as Entra writes it; may have `{tenantid}` in it.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    fn fits(&self, alg: Algorithm) -> bool {
        let kind = match self.jwk.key() {
            PublicKey::Rsa { .. } => matches!(alg, Algorithm::Rs256 | Algorithm::Ps256),
            PublicKey::P256 { .. } => alg == Algorithm::Es256,
        };
        kind && self.verifies && self.alg.as_deref().is_none_or(|only| only == alg.as_str())
    }
}
