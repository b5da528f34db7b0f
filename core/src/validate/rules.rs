//! What a token must be to be trusted, and the checks without any I/O (RFC 7519 s7.2, RFC 8725, OpenID Connect Core s3.1.3.7).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::client::aliases;
use crate::error::TokenError;
use crate::jose::{Compact, Header, KeySet, Member, SetKey, Software, Verify};
use crate::json::{Members, Value};
use crate::key::Algorithm;
use crate::secret::constant_time_eq;
use crate::time::UnixTime;

/// The largest date that is a whole number in every JSON implementation (RFC 8259 s6).
const MAX_DATE: u64 = 1 << 53;

/// The rules by which tokens are judged. All of them hold; what is empty or `None` asks for nothing, but for `audiences`,
/// of which one must fit, and `algorithms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenValidation {
    /// One of these must be in `aud`: the application's id, or its `api://…` address.
    pub audiences: Vec<String>,
    /// Who may issue tokens.
    pub issuers: Issuers,
    /// The algorithms that are taken; others do not exist. Default: RS256.
    pub algorithms: Vec<Algorithm>,
    /// Seconds by which clocks may differ. Default: 300.
    pub clock_skew: u64,
    /// Must be `nonce`, to the letter.
    pub nonce: Option<String>,
    /// Every one must be in `scp` (or `scope`, RFC 9068 s2.2.3), which separates them by spaces.
    pub scopes: Vec<String>,
    /// Every one must be in the list `roles`.
    pub roles: Vec<String>,
    /// `typ` must be one of these, in any case, with or without `application/`. `None`: `JWT`, `at+jwt` or absent.
    pub types: Option<Vec<String>>,
}

/// Who may issue tokens.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuers {
    /// `iss` is this, to the letter.
    One(String),
    /// Entra's tenants, tokens of version 1 (`https://sts.windows.net/{tid}/`, in China `https://sts.chinacloudapi.cn/{tid}/`) and 2
    /// (`https://{host}/{tid}/v2.0`); the claims `iss`, `tid` and `ver` must agree.
    Entra {
        /// The host in version 2's issuers: `login.microsoftonline.com`.
        host: String,
        /// Which tenants.
        tenants: Tenants,
    },
}

/// Tenants of Entra.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// Every tenant: the application itself decides who may do what.
    Any,
    /// These tenant ids, in any case.
    Only(Vec<String>),
}

/// A token that passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedToken {
    /// The claims. Who somebody is: do not log them.
    pub claims: Members,
    /// The algorithm of the signature.
    pub alg: Algorithm,
    header: String,
}

impl ValidatedToken {
    /// The protected header, taken apart for those few who want more of it than the algorithm.
    pub fn header(&self) -> Members {
        // It was read before.
        Compact::decode_distinct(&self.header).unwrap_or_default()
    }
}

/// A token taken apart, with a header that may go on to the signature.
pub(super) struct Opened<'a> {
    compact: Compact<'a>,
    kid: Option<String>,
    alg: Algorithm,
}

impl TokenValidation {
    /// Rules for tokens of `issuers` for `audience`, signed with RS256.
    pub fn new(audience: &str, issuers: Issuers) -> Self {
        Self {
            audiences: Vec::from([String::from(audience)]),
            issuers,
            algorithms: Vec::from([Algorithm::Rs256]),
            clock_skew: 300,
            nonce: None,
            scopes: Vec::new(),
            roles: Vec::new(),
            types: None,
        }
    }

    /// Judges a token by keys that the caller has.
    ///
    /// # Errors
    /// [`TokenError`] names the first check that failed: form, header, key, signature, then the claims.
    pub fn check(&self, token: &str, keys: &KeySet, now: UnixTime) -> Result<ValidatedToken, TokenError> {
        self.check_by(&Software, token, keys, now)
    }

    /// The same with signatures verified by other means than software.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_by(
        &self,
        verifier: &dyn Verify,
        token: &str,
        keys: &KeySet,
        now: UnixTime,
    ) -> Result<ValidatedToken, TokenError> {
        let judged = Compact::split(token)
            .map_err(TokenError::from)
            .and_then(|compact| self.read(compact)?.close(self, verifier, keys, now));
        // What is no token is called that, whichever check it failed first.
        judged.map_err(|why| Compact::parse(token).err().map_or(why, TokenError::from))
    }

    /// The checks that need no key.
    pub(super) fn open<'a>(&self, token: &'a str) -> Result<Opened<'a>, TokenError> {
        self.read(Compact::parse(token)?)
    }

    fn read<'a>(&self, compact: Compact<'a>) -> Result<Opened<'a>, TokenError> {
        let bytes = compact.header_bytes()?;
        let (kid, alg) = match Header::read(&bytes) {
            Some(header) => self.check_header(&header),
            None => self.check_header(&Header::of(&Compact::decode_distinct(compact.header)?)),
        }?;
        Ok(Opened { compact, kid, alg })
    }

    /// The key's name, and the algorithm.
    fn check_header(&self, header: &Header<'_>) -> Result<(Option<String>, Algorithm), TokenError> {
        if header.crit {
            return Err(TokenError::Critical);
        }
        let is_named = |alg: &Algorithm| header.alg == Member::Text(alg.as_str());
        let alg = self.algorithms.iter().copied().find(is_named).ok_or(TokenError::Algorithm)?;
        let kid = match header.kid {
            Member::Absent => None,
            Member::Text(kid) => Some(String::from(kid)),
            Member::Other => return Err(TokenError::UnknownKey),
        };
        match header.typ {
            Member::Absent if self.types.is_none() => {}
            Member::Text(typ) if self.takes_type(typ) => {}
            _ => return Err(TokenError::Type),
        }
        Ok((kid, alg))
    }

    fn takes_type<'a>(&'a self, typ: &'a str) -> bool {
        // RFC 7515 s4.1.9: without the prefix where no other slash follows; media types have no case.
        let short = |typ: &'a str| match typ.split_at_checked("application/".len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
            _ => typ,
        };
        let typ = short(typ);
        let is = |wanted: &'a str| short(wanted).eq_ignore_ascii_case(typ);
        match &self.types {
            None => is("JWT") || is("at+jwt"),
            Some(types) => types.iter().any(|wanted| is(wanted)),
        }
    }

    fn check_claims(&self, claims: &Members, key: &SetKey, now: UnixTime) -> Result<(), TokenError> {
        self.check_issuer(claims, key)?;
        let fits = |audience: &Value| audience.as_str().is_some_and(|aud| self.audiences.iter().any(|our| our == aud));
        let audience = match claims.get("aud").ok_or(TokenError::Missing("aud"))? {
            Value::Array(audiences) if audiences.iter().all(Value::is_string) => audiences.iter().any(fits),
            one @ Value::String(_) => fits(one),
            _ => return Err(TokenError::Missing("aud")),
        };
        if !audience {
            return Err(TokenError::Audience);
        }
        if now >= date(claims, "exp")?.after(self.clock_skew) {
            return Err(TokenError::Expired);
        }
        let latest = now.after(self.clock_skew);
        let from = claims.get("nbf").map(|number| seconds(number, "nbf")).transpose()?;
        if date(claims, "iat")? > latest || from > Some(latest) {
            return Err(TokenError::NotYetValid);
        }
        if claims.text("sub").is_none_or(str::is_empty) {
            return Err(TokenError::Missing("sub"));
        }
        if let Some(nonce) = &self.nonce {
            let got = claims.text("nonce").ok_or(TokenError::Missing("nonce"))?;
            if !constant_time_eq(got.as_bytes(), nonce.as_bytes()) {
                return Err(TokenError::Nonce);
            }
        }
        if !self.scopes.is_empty() {
            let granted = claims.text("scp").or_else(|| claims.text("scope")).unwrap_or_default();
            if !self.scopes.iter().all(|scope| granted.split(' ').any(|one| one == scope)) {
                return Err(TokenError::Scope);
            }
        }
        let has_role = |role: &String| match claims.get("roles") {
            Some(Value::Array(roles)) => roles.iter().any(|one| one.as_str() == Some(role)),
            _ => false,
        };
        if !self.roles.iter().all(has_role) {
            return Err(TokenError::Role);
        }
        Ok(())
    }

    fn check_issuer(&self, claims: &Members, key: &SetKey) -> Result<(), TokenError> {
        let issuer = claims.text("iss").ok_or(TokenError::Missing("iss"))?;
        let wrong = || TokenError::Issuer { got: issuer.chars().take(256).collect() };
        let (host, tenants) = match &self.issuers {
            Issuers::One(expected) if issuer != expected => return Err(wrong()),
            Issuers::One(_) => return key_of(issuer, key),
            Issuers::Entra { host, tenants } => (host, tenants),
        };
        let tenant = claims.text("tid").filter(|tid| is_guid(tid)).ok_or(TokenError::Missing("tid"))?;
        let is_v1 = issuer == format!("https://{}/{tenant}/", version_1_host(host));
        let is_v2 = issuer == format!("https://{host}/{tenant}/v2.0");
        let version = match claims.get("ver") {
            None => is_v1 || is_v2,
            Some(Value::String(version)) => (is_v1 && version == "1.0") || (is_v2 && version == "2.0"),
            Some(_) => false,
        };
        if !version {
            return Err(wrong());
        }
        if let Tenants::Only(tenants) = tenants
            && !tenants.iter().any(|allowed| allowed.eq_ignore_ascii_case(tenant))
        {
            return Err(TokenError::Tenant);
        }
        // A key may stand for one tenant only, as that of personal accounts does.
        let own = format!("/{tenant}/");
        match key.issuer() {
            Some(issuer) if !issuer.contains("/{tenantid}/") && !issuer.contains(&own) => Err(TokenError::Key),
            _ => Ok(()),
        }
    }
}

/// Who issues tokens of version 1 in the cloud of a host: one name for all clouds but China's.
fn version_1_host(host: &str) -> &'static str {
    match aliases(host).contains(&"login.chinacloudapi.cn") {
        true => "sts.chinacloudapi.cn",
        false => "sts.windows.net",
    }
}

/// Whether an ID token has the signature of its issuer, which one of `keys` made. Its claims are not checked here.
pub(crate) fn check_signature(verifier: &dyn Verify, id_token: &str, keys: &KeySet) -> Result<(), TokenError> {
    let algorithms = Vec::from([Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256]);
    let rules = TokenValidation { algorithms, ..TokenValidation::new("", Issuers::One(String::new())) };
    let (key, claims) = rules.open(id_token)?.verify(verifier, keys)?;
    key_of(claims.text("iss").unwrap_or_default(), key)
}

/// Whether a key may stand for this issuer. One of Entra's that names a tenant may for no other, whatever set it is in: not that of
/// personal accounts for a company's tenant.
fn key_of(issuer: &str, key: &SetKey) -> Result<(), TokenError> {
    let Some(own) = key.issuer().filter(|own| !own.contains("{tenantid}") && *own != issuer) else { return Ok(()) };
    // Tokens of version 1 and 2 have issuers of their own in the same tenant.
    let tenant = own.split('/').find(|part| is_guid(part));
    let fits = tenant.is_some_and(|tenant| issuer.split('/').any(|part| part == tenant));
    if fits { Ok(()) } else { Err(TokenError::Key) }
}

impl Opened<'_> {
    /// The signature, and then the claims.
    pub(super) fn close(
        self,
        rules: &TokenValidation,
        verifier: &dyn Verify,
        keys: &KeySet,
        now: UnixTime,
    ) -> Result<ValidatedToken, TokenError> {
        let (key, claims) = self.verify(verifier, keys)?;
        rules.check_claims(&claims, key, now)?;
        Ok(ValidatedToken { claims, alg: self.alg, header: String::from(self.compact.header) })
    }

    /// The key that signed, and the claims that it signed.
    fn verify<'k>(&self, verifier: &dyn Verify, keys: &'k KeySet) -> Result<(&'k SetKey, Members), TokenError> {
        let signature = self.compact.decode_signature()?;
        let (kid, input) = (self.kid.as_deref(), self.compact.signing_input().as_bytes());
        let key = keys.verify_by(verifier, kid, self.alg, input, &signature)?;
        Ok((key, Compact::decode_distinct(self.compact.payload)?))
    }
}

/// A NumericDate (RFC 7519 s2), fractions cut off.
fn date(claims: &Members, name: &'static str) -> Result<UnixTime, TokenError> {
    seconds(claims.get(name).ok_or(TokenError::Missing(name))?, name)
}

fn seconds(number: &Value, name: &'static str) -> Result<UnixTime, TokenError> {
    let fraction = || number.as_f64().filter(|seconds| (0.0..=MAX_DATE as f64).contains(seconds)).map(|f| f as u64);
    let seconds = number.as_u64().or_else(fraction).filter(|seconds| *seconds <= MAX_DATE);
    seconds.map(UnixTime).ok_or(TokenError::Missing(name))
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
