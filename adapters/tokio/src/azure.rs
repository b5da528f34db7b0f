//! Our clients as credentials of Azure's SDK: `azure_core`'s [`TokenCredential`].
//!
//! ```no_run
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use azure_core::credentials::TokenCredential;
//! use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
//! use sansal_tokio::{DefaultChain, sansal_std};
//!
//! let credential: Arc<dyn TokenCredential> = Arc::new(DefaultChain::new(sansal_std::DefaultChain::builder())?);
//! // Clients of the SDK take `credential` as it is. What they do with it:
//! let policy = BearerTokenAuthorizationPolicy::new(credential, ["https://vault.azure.net/.default"]);
//! # let _ = policy;
//! # Ok(())
//! # }
//! ```

use async_trait::async_trait;
use azure_core::Error as AzureError;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;
use sansal::Token;
use sansal::account::Account;
use sansal::error::{Config, Error};

use crate::application::ClientApplication;
use crate::confidential::ConfidentialClient;
use crate::default_chain::DefaultChain;
use crate::managed::ManagedIdentityClient;

/// A user who has signed in with a client of ours, for Azure's SDK: tokens come from the cache or by the refresh token, and nobody is
/// asked anything. Where the user has to do something, the error's source is
/// [`Error::InteractionRequired`](sansal::Error::InteractionRequired).
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use azure_core::credentials::TokenCredential;
/// use sansal_tokio::{PublicClient, UserCredential, sansal_std};
///
/// let client = PublicClient::new(sansal_std::PublicClient::builder("your-application-id"))?;
/// client.acquire_token_interactive(&["https://storage.azure.com/user_impersonation"]).await?;
/// let account = client.get_accounts(None).await?.remove(0);
/// let credential: Arc<dyn TokenCredential> = Arc::new(UserCredential::new(&client, account));
/// # let _ = credential;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UserCredential {
    application: ClientApplication,
    account: Account,
}

impl UserCredential {
    /// For this user of a [`PublicClient`](crate::PublicClient) or [`ConfidentialClient`].
    pub fn new(application: &ClientApplication, account: Account) -> Self {
        Self { application: application.clone(), account }
    }
}

/// For the application itself (RFC 6749 s4.4).
#[async_trait]
impl TokenCredential for ConfidentialClient {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        self.acquire_token_for_client(scopes).await.map_err(credential_error).and_then(bearer)
    }
}

/// For a machine or service: one scope, a resource followed by `/.default`.
#[async_trait]
impl TokenCredential for ManagedIdentityClient {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let [scope] = scopes else {
            let why = Config::Scope("a managed identity has tokens for one resource at a time");
            return Err(credential_error(Error::from(why)));
        };
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        self.acquire_token_for_client(resource).await.map_err(credential_error).and_then(bearer)
    }
}

/// By the first link that is there.
#[async_trait]
impl TokenCredential for DefaultChain {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        self.acquire_token(scopes).await.map_err(credential_error).and_then(bearer)
    }
}

#[async_trait]
impl TokenCredential for UserCredential {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let acquired = self.application.acquire_token_silent(scopes, &self.account).await;
        acquired.map_err(credential_error).and_then(bearer)
    }
}

/// Its message is ours, and its source is our error, for whoever wants to know more.
fn credential_error(why: impl std::error::Error + Send + Sync + 'static) -> AzureError {
    AzureError::new(ErrorKind::Credential, why)
}

/// The SDK presents whatever it gets as a bearer token.
fn bearer(token: Token) -> azure_core::Result<AccessToken> {
    if !token.token_type().eq_ignore_ascii_case("Bearer") {
        let why = "the token is bound to a key, and Azure's SDK has no proofs";
        return Err(AzureError::with_message(ErrorKind::Credential, why));
    }
    let expires_on = i64::try_from(token.expires_on().0).ok();
    let expires_on = expires_on.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let Some(expires_on) = expires_on else {
        let why = "the token ends after the last date there is";
        return Err(AzureError::with_message(ErrorKind::Credential, why));
    };
    Ok(AccessToken::new(token.access_token().to_owned(), expires_on))
}
