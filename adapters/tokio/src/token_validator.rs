//! What a resource server needs: tokens that its callers bring, validated by their issuer's keys (RFC 9068 s4), asynchronous.

use std::fmt;
use std::sync::Arc;

use sansal::Secret;
use sansal::error::Error;
use sansal::validate::{TokenValidation, ValidateToken, ValidatedToken};
use sansal_std::{SetupError, TokenValidatorBuilder, bearer};
use tokio::sync::Mutex;

use crate::application::ClientApplication;
use crate::http::HttpClient;

/// Validates access and ID tokens of one authority, as `sansal_std::TokenValidator` does. Clones are the same validator.
///
/// Tokens whose keys are known are judged at once. Of all others one at a time looks for keys.
#[derive(Clone)]
pub struct TokenValidator {
    application: ClientApplication,
    rules: Arc<TokenValidation>,
    asking: Arc<Mutex<()>>,
}

impl TokenValidator {
    /// As the builder of `sansal-std` says.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn new(settings: TokenValidatorBuilder) -> Result<Self, SetupError> {
        Self::open(settings, None)
    }

    /// The same with another HTTP client.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn with_http_client(
        settings: TokenValidatorBuilder,
        http: impl HttpClient + 'static,
    ) -> Result<Self, SetupError> {
        Self::open(settings, Some(Arc::new(http)))
    }

    fn open(settings: TokenValidatorBuilder, http: Option<Arc<dyn HttpClient>>) -> Result<Self, SetupError> {
        let (parts, rules) = settings.parts()?;
        let (application, asking) = (ClientApplication::new(parts, http)?, Arc::default());
        Ok(Self { application, rules: Arc::new(rules), asking })
    }

    /// Judges a token. It is worth nothing before this returns `Ok`.
    ///
    /// # Errors
    /// [`Error::Token`] names the check that it failed. Other errors say why there is no verdict.
    pub async fn validate(&self, token: &str) -> Result<ValidatedToken, Error> {
        self.validate_with(token, &self.rules).await
    }

    /// Judges what stands in an `Authorization` header, which must be of the scheme `Bearer` (RFC 6750 s2.1).
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub async fn validate_authorization(&self, header: &str) -> Result<ValidatedToken, Error> {
        self.validate(bearer(header)).await
    }

    /// Judges by other rules. Start from [`rules`](Self::rules).
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub async fn validate_with(&self, token: &str, rules: &TokenValidation) -> Result<ValidatedToken, Error> {
        let flow = || ValidateToken::new(rules.clone(), Secret::from(token));
        if let Some(judged) = self.application.peek(flow()).await {
            return Ok(judged);
        }
        let _one = self.asking.lock().await;
        self.application.drive(flow()).await
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
