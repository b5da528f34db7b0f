//! On-behalf-of: a service calls another one for the user who called it (Microsoft's use of RFC 7523; section 4.6 of the reference).

use sha2::{Digest, Sha256};

use crate::acquire::Acquire;
use crate::asked::{Asked, takes_binding, takes_claims_challenge, takes_forwarded_claims};
use crate::base64::url_encode;
use crate::client::{Client, Credential, Scopes};
use crate::error::{Config, Error};
use crate::grant::{Grant, GrantKind};
use crate::keys::{AcquireKey, ProcessKey};
use crate::secret::Secret;
use crate::source::Ready;
use crate::telemetry::Api;
use crate::wanted::Wanted;

/// A token for a resource, for the user whose access token this service was called with.
///
/// Tokens are kept apart by the hash of that token (`Settings::partition_on_behalf_of`): the same caller is served from
/// the cache, another one never.
#[derive(Clone, Debug)]
pub struct OnBehalfOf {
    asked: Asked,
    user_assertion: Secret,
}

impl OnBehalfOf {
    /// For the bearer of `user_assertion`: the access token exactly as it came in.
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed or reserved, or the assertion is empty.
    pub fn new<S: AsRef<str>>(user_assertion: &str, scopes: &[S]) -> Result<Self, Error> {
        if user_assertion.is_empty() {
            return Err(Config::Missing("user assertion").into());
        }
        Ok(Self { asked: Asked::new(Scopes::of_user(scopes)?), user_assertion: Secret::from(user_assertion) })
    }

    takes_claims_challenge!();
    takes_forwarded_claims!();
    takes_binding!();

    /// The machine that gets the token.
    ///
    /// # Errors
    /// [`Error::Config`] when the client is public, or a claims request is not a JSON object.
    pub fn flow(&self, client: &Client) -> Result<Acquire<Ready>, Error> {
        if matches!(client.credential(), Credential::None) {
            return Err(Config::ClientKind("on-behalf-of needs a client with a credential").into());
        }
        let claims = self.asked.claims(client)?;
        let mut wanted = Wanted::direct(Api::OnBehalfOf, self.asked.scopes.clone());
        if client.settings().partition_on_behalf_of {
            wanted = Wanted { cached: self.asked.challenge().is_none(), any_account: true, ..wanted };
            let digest = Sha256::digest(self.user_assertion.expose().as_bytes());
            wanted.data.push(("user_assertion_hash", Secret::new(url_encode(&digest))));
        }
        wanted.data.extend(self.asked.data());
        wanted.binding = self.asked.binding(client);
        let kind = GrantKind::OnBehalfOf { assertion: self.user_assertion.clone() };
        Ok(Acquire::new(wanted, Ready::new(Grant::new(kind, self.asked.decorated(client), claims))))
    }

    /// Identifies this acquisition among all of this process: two with the same key may share one answer.
    pub fn key(&self, client: &Client, process: &ProcessKey) -> AcquireKey {
        self.asked.key("on_behalf_of", client, process, [Some(self.user_assertion.expose().as_bytes())])
    }
}
