//! What an answer of the token endpoint must fit before anything of it is stored (OpenID Connect Core s3.1.3.7; decision 5).

use crate::cache::Kind;
use crate::client::IdTokenPolicy;
use crate::endpoint::Endpoint;
use crate::error::{Config, Error, IdTokenError};
use crate::flow::Cx;
use crate::jose::id_token::{self, claims, hash_nonce};
use crate::json::{Members, Value};
use crate::metadata::ProviderMetadata;
use crate::secret::{Secret, constant_time_eq};
use crate::text;
use crate::time::UnixTime;
use crate::token::TokenResponse;

/// Seconds by which clocks may differ.
const SKEW: u64 = 300;
/// Seconds by which clocks may differ where the age of a sign-in counts (section 4.2.2 of the reference).
const AGE_SKEW: u64 = 120;

/// What a flow remembers of its request, to be found in the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// The nonce: its hash was sent, or itself.
    pub nonce: Option<Nonce<'a>>,
    /// Seconds that the user's sign-in may be old.
    pub max_age: Option<u64>,
    /// Whose tokens are renewed: the answer must not be about somebody else (OpenID Connect Core s12.2).
    pub home_account_id: Option<&'a str>,
}

/// A nonce (OpenID Connect Core s2).
#[derive(Clone, Copy, Debug)]
pub enum Nonce<'a> {
    /// Its [hash](hash_nonce) was sent.
    Hashed(&'a Secret),
    /// It was sent as it is: the legacy functions of the reference.
    Raw(&'a Secret),
}

/// Holds an answer against what was asked.
///
/// # Errors
/// [`Error::IdToken`] names the check that failed. Nothing must be stored then (G-01).
pub(crate) fn accept(
    cx: &Cx<'_>,
    metadata: &ProviderMetadata,
    expected: &Expected<'_>,
    response: &TokenResponse,
) -> Result<(), Error> {
    let policy = cx.client.settings().id_token_policy;
    let checks_claims = policy != IdTokenPolicy::NonceOnly;
    if let (true, Some(wanted), Some(info)) = (checks_claims, expected.home_account_id, response.client_info()?)
        && !text::cut(wanted, b'.')
            .is_some_and(|(uid, utid)| uid.eq_ignore_ascii_case(&info.uid) && utid.eq_ignore_ascii_case(&info.utid))
    {
        return Err(IdTokenError::Account.into());
    }
    let Some(id_token) = response.id_token() else {
        return match (checks_claims, expected.nonce) {
            (true, Some(_)) => Err(IdTokenError::Absent.into()),
            _ => Ok(()),
        };
    };
    let now = cx.clock.wall.ok_or(Config::ClockUnknown)?;
    let claims = claims(id_token).map_err(IdTokenError::from)?;
    if checks_claims {
        issuer(&claims, metadata)?;
        audience(&claims, cx.client.client_id())?;
        time(&claims, now)?;
        if let (Some(wanted), None) = (expected.home_account_id, response.client_info()?) {
            subject(cx, metadata, &claims, wanted)?;
        }
    }
    if let Some(nonce) = expected.nonce {
        let sent = match nonce {
            Nonce::Hashed(raw) => Secret::new(hash_nonce(raw.expose())),
            Nonce::Raw(raw) => raw.clone(),
        };
        let got = claims.text("nonce").unwrap_or_default();
        if !constant_time_eq(got.as_bytes(), sent.expose().as_bytes()) {
            return Err(IdTokenError::Nonce.into());
        }
    }
    if let Some(max_age) = expected.max_age {
        let signed_in = date(&claims, "auth_time")?;
        if UnixTime(signed_in).after(max_age).after(AGE_SKEW) < now {
            return Err(IdTokenError::TooOld.into());
        }
    }
    Ok(())
}

/// Whether signatures of ID tokens from there must be checked by the issuer's keys: where that is asked for, and where no TLS
/// vouches for the token endpoint (decision 5).
pub(crate) fn wants_signatures(cx: &Cx<'_>, token_endpoint: &Endpoint) -> bool {
    match cx.client.settings().id_token_policy {
        IdTokenPolicy::Signature => true,
        IdTokenPolicy::Claims => !token_endpoint.is_https(),
        IdTokenPolicy::NonceOnly => false,
    }
}

/// The issuer is the one of the metadata; Entra's multi-tenant metadata leaves the tenant open, and the token names it.
fn issuer(claims: &Members, metadata: &ProviderMetadata) -> Result<(), IdTokenError> {
    let got = claims.text("iss").ok_or(IdTokenError::Missing("iss"))?;
    let tenant = match metadata.leaves_tenant_open() {
        true => Some(claims.text("tid").ok_or(IdTokenError::Missing("tid"))?),
        false => None,
    };
    if metadata.is_issuer(got, tenant) { Ok(()) } else { Err(IdTokenError::issuer(got)) }
}

fn audience(claims: &Members, client_id: &str) -> Result<(), IdTokenError> {
    let is_us = |value: &Value| value.as_str() == Some(client_id);
    match claims.get("aud").ok_or(IdTokenError::Missing("aud"))? {
        Value::Array(several) if several.iter().any(is_us) => match claims.get("azp") {
            // OpenID Connect Core s3.1.3.7 rule 5.
            Some(party) if !is_us(party) => Err(IdTokenError::Audience),
            _ => Ok(()),
        },
        one if is_us(one) => Ok(()),
        _ => Err(IdTokenError::Audience),
    }
}

/// The ID token of a renewal is about the user of the first one (OpenID Connect Core s12.2), where no `client_info` says so.
fn subject(cx: &Cx<'_>, metadata: &ProviderMetadata, claims: &Members, wanted: &str) -> Result<(), IdTokenError> {
    let subject = claims.text("sub").filter(|sub| !sub.is_empty()).ok_or(IdTokenError::Missing("sub"))?;
    let query = [
        ("home_account_id", Some(wanted)),
        ("client_id", Some(cx.client.client_id())),
        ("realm", Some(metadata.realm.as_str())),
    ];
    let kept = cx.store.tokens.search(Kind::IdToken, &query, &[], UnixTime::default());
    let mut before = kept.filter_map(|entry| id_token::claims(entry.secret()).ok()).peekable();
    let is_same = subject == wanted
        || match before.peek() {
            Some(_) => before.any(|claims| claims.text("sub") == Some(subject)),
            // The account's name came from `client_info` at first, and nothing is left to compare with.
            None => wanted.contains('.'),
        };
    if is_same { Ok(()) } else { Err(IdTokenError::Account) }
}

fn time(claims: &Members, now: UnixTime) -> Result<(), IdTokenError> {
    let ended = UnixTime(date(claims, "exp")?).after(SKEW) < now;
    let begins = if claims.contains("nbf") { date(claims, "nbf")? } else { 0 };
    if ended || now.after(SKEW).0 < begins { Err(IdTokenError::Time) } else { Ok(()) }
}

/// A NumericDate (RFC 7519 s2); a fraction is cut off.
fn date(claims: &Members, name: &'static str) -> Result<u64, IdTokenError> {
    let value = claims.get(name).ok_or(IdTokenError::Missing(name))?;
    let seconds = crate::token::integer(value).filter(|_| value.is_number() || name == "auth_time");
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|s| *s > 0).ok_or(IdTokenError::Missing(name))
}
