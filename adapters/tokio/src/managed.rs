//! The identity that Azure gives to a machine or service: MSAL's `ManagedIdentityClient`, asynchronous.

use std::fmt;
use std::sync::Arc;

use sansal::cache::TokenCache;
use sansal::client::Client;
use sansal::error::Error;
use sansal::managed::{ManagedIdentityRequest, ManagedIdentitySource};
use sansal::{Store, Token};
use sansal_std::{ManagedIdentityClientBuilder, ManagedRequests, SetupError};

use crate::application::ClientApplication;
use crate::http::HttpClient;

/// Gets tokens of a managed identity. Clones are the same client.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use sansal_tokio::{ManagedIdentityClient, sansal_std};
/// use sansal_tokio::sansal::ManagedIdentity;
///
/// let settings = sansal_std::ManagedIdentityClient::builder(ManagedIdentity::SystemAssigned);
/// let client = ManagedIdentityClient::new(settings)?;
/// let token = client.acquire_token_for_client("https://vault.azure.net").await?;
/// # let _ = token;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ManagedIdentityClient {
    application: ClientApplication,
    requests: ManagedRequests,
}

impl ManagedIdentityClient {
    /// As the builder of `sansal-std` says.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn new(settings: ManagedIdentityClientBuilder) -> Result<Self, SetupError> {
        Self::open(settings, None)
    }

    /// The same with another HTTP client. It must obey [`ServerTrust`](sansal::http::ServerTrust).
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn with_http_client(
        settings: ManagedIdentityClientBuilder,
        http: impl HttpClient + 'static,
    ) -> Result<Self, SetupError> {
        Self::open(settings, Some(Arc::new(http)))
    }

    fn open(settings: ManagedIdentityClientBuilder, http: Option<Arc<dyn HttpClient>>) -> Result<Self, SetupError> {
        let (parts, requests) = settings.parts()?;
        Ok(Self { application: ClientApplication::new(parts, http)?, requests })
    }

    /// A token for a resource, from the cache or from the source. A resource is what stands before `/.default` in a scope.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_for_client(&self, resource: &str) -> Result<Token, Error> {
        let find = |client: &Client, store: &Store, clock| self.requests.at_hand(resource, client, store, clock);
        if let Some(token) = self.application.at_hand(find) {
            return Ok(token);
        }
        self.acquire(&self.requests.request(resource)).await
    }

    /// The same after a resource has refused a token with a claims challenge: never from the cache.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub async fn acquire_token_with_claims_challenge(&self, resource: &str, claims: &str) -> Result<Token, Error> {
        self.acquire(&self.requests.request(resource).claims_challenge(claims)).await
    }

    /// Who gives the tokens.
    pub fn source(&self) -> ManagedIdentitySource {
        self.requests.source()
    }

    /// Looks into the token cache. No token is stored meanwhile: be quick.
    pub fn with_token_cache<R>(&self, read: impl FnOnce(&TokenCache) -> R) -> R {
        self.application.with_token_cache(read)
    }

    /// As [`ClientApplication::close`].
    pub async fn close(&self) {
        self.application.close().await;
    }

    async fn acquire(&self, request: &ManagedIdentityRequest) -> Result<Token, Error> {
        self.application.acquire(|client, process| request.key(client, process), |client| request.flow(client)).await
    }
}

impl fmt::Debug for ManagedIdentityClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.requests.fmt(f)
    }
}
