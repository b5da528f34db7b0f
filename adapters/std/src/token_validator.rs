//! What a resource server needs: tokens that its callers bring, validated by their issuer's keys (RFC 9068 s4).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sansal::Secret;
use sansal::client::{AuthorityKind, Client};
use sansal::error::Error;
use sansal::key::Algorithm;
use sansal::validate::{Issuers, Tenants, TokenValidation, ValidateToken, ValidatedToken};

use crate::asks::NoAsks;
use crate::common::{Common, Opened, server_settings};
use crate::driver::Driver;
use crate::parts::Parts;
use crate::setup::SetupError;

/// Validates access and ID tokens of one authority. One validator serves many threads.
///
/// The issuer's keys are fetched once and kept; anew after an hour, or when a token names a key that is not there, though never
/// more often than every five minutes. While the issuer cannot be reached they serve for a day.
///
/// ```no_run
/// use sansal_std::TokenValidator;
///
/// let validator = TokenValidator::builder("api://your-api")
///     .authority("https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555")
///     .require_scope("orders.read")
///     .build()?;
/// # let authorization = "Bearer eyJ";
/// // For each request:
/// let token = validator.validate_authorization(authorization)?;
/// println!("called by {:?}", token.claims.text("oid"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An error is for the log; the caller gets 401, whatever was wrong. [`Error::Unreachable`] and [`Error::Throttled`] mean that
/// nobody knows: 503.
pub struct TokenValidator {
    client: Client,
    driver: Driver,
    rules: TokenValidation,
}

impl TokenValidator {
    /// Starts with what must stand in `aud`: the application's id, or its `api://…` address.
    pub fn builder(audience: &str) -> TokenValidatorBuilder {
        let rules = TokenValidation::new(audience, Issuers::One(String::new()));
        TokenValidatorBuilder { common: Common::new(audience), rules, issuers: None, tenants: None }
    }

    /// Judges a token. It is worth nothing before this returns `Ok`.
    ///
    /// # Errors
    /// [`Error::Token`] names the check that it failed. Other errors say why there is no verdict.
    pub fn validate(&self, token: &str) -> Result<ValidatedToken, Error> {
        self.validate_with(token, &self.rules)
    }

    /// Judges what stands in an `Authorization` header, which must be of the scheme `Bearer` (RFC 6750 s2.1).
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn validate_authorization(&self, header: &str) -> Result<ValidatedToken, Error> {
        self.validate(bearer(header))
    }

    /// Judges by other rules: those of one path of an API, or with the `nonce` of one sign-in. Start from [`rules`](Self::rules).
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn validate_with(&self, token: &str, rules: &TokenValidation) -> Result<ValidatedToken, Error> {
        self.driver.drive(&self.client, ValidateToken::new(rules.clone(), Secret::from(token)), &NoAsks)
    }

    /// The rules that hold unless others are given.
    pub fn rules(&self) -> &TokenValidation {
        &self.rules
    }
}

impl fmt::Debug for TokenValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenValidator").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// Collects what a [`TokenValidator`] is made of; [`build`](Self::build) checks it as a whole.
pub struct TokenValidatorBuilder {
    common: Common,
    rules: TokenValidation,
    issuers: Option<Issuers>,
    tenants: Option<Tenants>,
}

impl TokenValidatorBuilder {
    server_settings!();

    /// Another audience that is ours.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.rules.audiences.push(audience.to_owned());
        self
    }

    /// `iss` to the letter. Without it the issuer follows from the authority where that is an issuer or a tenant of Entra.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuers = Some(Issuers::One(issuer.to_owned()));
        self
    }

    /// Which tenants of Entra may issue tokens: needed for authorities of many tenants, such as `organizations`, and those that
    /// are named by a domain.
    #[must_use]
    pub fn tenants(mut self, tenants: Tenants) -> Self {
        self.tenants = Some(tenants);
        self
    }

    /// The algorithms that are taken. Default: RS256 alone.
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        self.rules.algorithms = algorithms.to_vec();
        self
    }

    /// By how much clocks may differ, in whole seconds. Default: 5 minutes.
    #[must_use]
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.rules.clock_skew = skew.as_secs();
        self
    }

    /// Must be in `scp` (or `scope`).
    #[must_use]
    pub fn require_scope(mut self, scope: &str) -> Self {
        self.rules.scopes.push(scope.to_owned());
        self
    }

    /// Must be in `roles`.
    #[must_use]
    pub fn require_role(mut self, role: &str) -> Self {
        self.rules.roles.push(role.to_owned());
        self
    }

    /// `typ` must be one of these, such as `at+jwt` (RFC 9068 s2.1). Default: that, `JWT` or none.
    #[must_use]
    pub fn types(mut self, types: &[&str]) -> Self {
        self.rules.types = Some(types.iter().map(|typ| (*typ).to_owned()).collect());
        self
    }

    /// Checks it all. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn build(self) -> Result<TokenValidator, SetupError> {
        let (client, opened, rules) = self.check()?;
        Ok(TokenValidator { client, driver: opened.driver()?, rules })
    }

    /// Checks it all, and hands the parts and the rules to a host of another kind.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn parts(self) -> Result<(Parts, TokenValidation), SetupError> {
        let (client, opened, rules) = self.check()?;
        Ok((Parts::with(client, opened, Arc::new(NoAsks))?, rules))
    }

    fn check(self) -> Result<(Client, Opened, TokenValidation), SetupError> {
        let (client, opened) = self.common.check(Ok)?;
        let issuers = match (self.issuers, self.tenants) {
            (Some(_), Some(_)) => return Err(SetupError::Contradiction("an issuer and tenants: give one of both")),
            (Some(issuers), None) => issuers,
            (None, tenants) => issuers(&client, tenants)?,
        };
        Ok((client, opened, TokenValidation { issuers, ..self.rules }))
    }
}

/// What stands behind `Bearer` in an `Authorization` header (RFC 6750 s2.1); nothing for another scheme.
pub fn bearer(header: &str) -> &str {
    let token = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
    token.map_or("", |(_, token)| token.trim_matches(' '))
}

/// Who issues the tokens of an authority.
fn issuers(client: &Client, tenants: Option<Tenants>) -> Result<Issuers, SetupError> {
    let authority = client.authority();
    // Issuers have ports where authorities have: on loopback, in tests.
    let host = match authority.endpoint().port().filter(|port| *port != 443) {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    };
    match (authority.kind(), tenants) {
        (AuthorityKind::Oidc, None) => Ok(Issuers::One(authority.as_str().to_owned())),
        (AuthorityKind::Entra, Some(tenants)) => Ok(Issuers::Entra { host, tenants }),
        (AuthorityKind::Entra, None) if is_id(authority.tenant()) => {
            let tenants = Tenants::Only(vec![authority.tenant().to_owned()]);
            Ok(Issuers::Entra { host, tenants })
        }
        (AuthorityKind::Entra, None) => Err(SetupError::Contradiction(
            "tokens name their tenant by its id: name the authority's tenant so, or say which tenants may issue tokens",
        )),
        _ => Err(SetupError::Contradiction("the authority does not say who its issuer is: give its issuer")),
    }
}

/// Whether a tenant is named by its id: 32 hexadecimal digits in groups.
fn is_id(tenant: &str) -> bool {
    let groups: Vec<&str> = tenant.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl fmt::Debug for TokenValidatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenValidatorBuilder").field("rules", &self.rules).finish_non_exhaustive()
    }
}
