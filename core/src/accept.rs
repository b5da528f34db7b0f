//! What an answer of the token endpoint must fit before anything of it is stored (OpenID Connect Core s3.1.3.7; decision 5).

use crate::client::{AuthorityKind, IdTokenPolicy};
use crate::endpoint::Endpoint;
use crate::error::{Config, Error, IdTokenError};
use crate::flow::Cx;
use crate::jose::id_token::{claims, hash_nonce};
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
            subject(&claims, wanted, cx.client.authority().kind())?;
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

/// What stands for the tenant in the issuer of Entra's multi-tenant metadata.
const TENANT: &str = "{tenantid}";

/// The issuer is the one of the metadata; Entra's multi-tenant metadata leaves the tenant open, and the token names it.
fn issuer(claims: &Members, metadata: &ProviderMetadata) -> Result<(), IdTokenError> {
    let got = claims.text("iss").ok_or(IdTokenError::Missing("iss"))?;
    let fits = match tenant_of(got, &metadata.issuer) {
        None if metadata.issuer.contains(TENANT) => false,
        None => got == metadata.issuer,
        Some(tenant) => tenant == claims.text("tid").ok_or(IdTokenError::Missing("tid"))?,
    };
    if fits { Ok(()) } else { Err(IdTokenError::issuer(got)) }
}

/// Whether an answer of the authorization endpoint came from the issuer of the metadata (RFC 9207 s2.4), of whichever tenant.
pub(crate) fn is_issuer(got: &str, metadata: &ProviderMetadata) -> bool {
    got == metadata.issuer || tenant_of(got, &metadata.issuer).is_some()
}

/// The tenant that an issuer names, where the metadata leave it open.
fn tenant_of<'a>(got: &'a str, open: &str) -> Option<&'a str> {
    let (before, after) = text::split_once(open, TENANT)?;
    let tenant = got.strip_prefix(before)?.strip_suffix(after)?;
    let is_name = !tenant.is_empty() && tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_name.then_some(tenant)
}

/// OpenID Connect Core s12.2. Accounts of providers that know no `client_info` go by the subject; elsewhere a subject is another
/// thing than an account, and says nothing about it.
fn subject(claims: &Members, wanted: &str, kind: AuthorityKind) -> Result<(), IdTokenError> {
    let is_account = matches!(kind, AuthorityKind::Oidc | AuthorityKind::Adfs);
    if is_account && claims.text("sub") != Some(wanted) { Err(IdTokenError::Account) } else { Ok(()) }
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
