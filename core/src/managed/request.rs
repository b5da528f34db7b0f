//! What is asked of a managed identity: MSAL's `ManagedIdentityClient.acquire_token_for_client`.

use alloc::string::{String, ToString};

use super::SYSTEM_ASSIGNED;
use super::acquire::{AcquireManagedIdentity, lookup};
use super::environment::ManagedIdentityEnvironment;
use super::identity::ManagedIdentity;
use crate::cache::Aged;
use crate::client::{Client, is_scope_token};
use crate::error::{Config, Error};
use crate::issued::Token;
use crate::keys::{AcquireKey, ProcessKey};
use crate::secret::Secret;
use crate::store::Store;
use crate::time::{Clock, Millis};

/// A token of a managed identity for one resource.
///
/// ```
/// use sansal::client::{Client, Settings};
/// use sansal::managed::{ManagedIdentity, ManagedIdentityEnvironment, ManagedIdentityRequest};
/// let client = Client::managed_identity(Settings::default())?;
/// let environment = ManagedIdentityEnvironment::default(); // filled by the adapter
/// let wanted = ManagedIdentityRequest::new(ManagedIdentity::SystemAssigned, environment, "https://vault.azure.net");
/// let flow = wanted.flow(&client)?;
/// # let _ = flow;
/// # Ok::<(), sansal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ManagedIdentityRequest {
    pub(super) identity: ManagedIdentity,
    pub(super) environment: ManagedIdentityEnvironment,
    pub(super) resource: String,
    pub(super) challenged: bool,
    pub(super) probe: Option<Millis>,
    placeholder: bool,
}

impl ManagedIdentityRequest {
    /// For a resource: its identifier, without `/.default`. It is used as it stands.
    pub fn new(identity: ManagedIdentity, environment: ManagedIdentityEnvironment, resource: &str) -> Self {
        Self {
            identity,
            environment,
            resource: resource.to_string(),
            challenged: false,
            probe: None,
            placeholder: false,
        }
    }

    /// The claims request of a resource that refused an earlier token. Its content is never sent: that there is one means that
    /// the cached token is not good any more, which Service Fabric is told by the token's hash.
    #[must_use]
    pub fn claims_challenge(mut self, claims: &str) -> Self {
        self.challenged = !claims.is_empty();
        self
    }

    /// Finds out first, within this time, whether anybody is at the metadata service of virtual machines. On a machine outside
    /// of Azure nobody ever answers there, and somebody who tries one source after the other does not want to wait for that.
    #[must_use]
    pub fn probe(mut self, patience: Millis) -> Self {
        self.probe = Some(patience);
        self
    }

    /// Keeps tokens of the system-assigned identity under [`SYSTEM_ASSIGNED`](super::SYSTEM_ASSIGNED) and not under no id at
    /// all: MSAL Python does the one or the other by how the identity was written down (G-31).
    #[must_use]
    pub fn placeholder(mut self) -> Self {
        self.placeholder = true;
        self
    }

    /// The `client_id` of its tokens in the cache.
    pub(super) fn client_id(&self) -> Option<&str> {
        self.identity.id().or(self.placeholder.then_some(SYSTEM_ASSIGNED))
    }

    /// The token that the machine for this identity and resource would give without asking anybody, if it needs no renewal: for
    /// hosts with many callers, whose store is in memory or known to say what is stored elsewhere. Nothing is allocated but what the token holds. `None` says only that
    /// the machine has to be asked.
    pub fn at_hand(
        identity: &ManagedIdentity,
        resource: &str,
        client: &Client,
        store: &Store,
        clock: Clock,
    ) -> Option<Token> {
        identity.check().ok()?;
        let now = clock.wall?;
        let scopes = [resource];
        let lookup = lookup(identity.id(), &scopes, client.settings());
        match store.tokens.find_kept(&lookup, now) {
            Aged::Fresh(kept) => Some(Token::kept(kept, now)),
            Aged::Aging(_) | Aged::Expiring | Aged::Nothing => None,
        }
    }

    /// The machine that gets the token.
    ///
    /// # Errors
    /// [`Error::Config`] when the identity has no id or the resource is not one scope-token (RFC 6749 s3.3).
    pub fn flow(&self, client: &Client) -> Result<AcquireManagedIdentity, Error> {
        self.identity.check()?;
        if !client.settings().lenient_answers && (self.resource.is_empty() || !is_scope_token(&self.resource)) {
            return Err(Config::Scope("a resource is its identifier, such as https://vault.azure.net").into());
        }
        Ok(AcquireManagedIdentity::new(self.clone()))
    }

    /// Identifies this acquisition among all of this process: two with the same key may share one answer.
    pub fn key(&self, client: &Client, process: &ProcessKey) -> AcquireKey {
        let e = &self.environment;
        let variables = [
            e.identity_endpoint.as_deref(),
            e.identity_header.as_ref().map(Secret::expose),
            e.identity_server_thumbprint.as_deref(),
            e.imds_endpoint.as_deref(),
            e.msi_endpoint.as_deref(),
            e.msi_secret.as_ref().map(Secret::expose),
            e.azureps_host_environment.as_deref(),
            e.pod_identity_authority_host.as_deref(),
            e.arc_token_dir.as_deref(),
        ];
        let variables = variables.into_iter().map(|text| text.map(str::as_bytes));
        let own = [
            Some(b"managed_identity".as_slice()),
            Some(self.identity.id_type().as_bytes()),
            self.identity.id().map(str::as_bytes),
            Some(self.resource.as_bytes()),
            self.challenged.then_some(b"challenged".as_slice()),
            self.probe.map(|_| b"probed".as_slice()),
            self.placeholder.then_some(b"placeholder".as_slice()),
            e.arc_agent_installed.then_some(b"agent".as_slice()),
        ];
        let capabilities = client.settings().client_capabilities.iter().map(|c| Some(c.as_bytes()));
        process.acquire(own.into_iter().chain(variables).chain(capabilities))
    }
}
