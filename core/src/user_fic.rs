//! A user's federated identity credential, Microsoft's `user_fic`: agents act for a user (section 4.7 of the reference).

use crate::acquire::Acquire;
use crate::asked::{Asked, takes_binding, takes_claims_challenge, takes_forwarded_claims};
use crate::client::{Client, Credential, Scopes};
use crate::error::{Config, Error};
use crate::grant::{Grant, GrantKind, UserId};
use crate::keys::{AcquireKey, ProcessKey};
use crate::secret::Secret;
use crate::source::Ready;
use crate::telemetry::Api;
use crate::wanted::Wanted;

/// A token for a user, got with a credential that speaks for that user.
#[derive(Clone, Debug)]
pub struct UserFederatedIdentityCredential {
    asked: Asked,
    assertion: Secret,
    user: UserId,
}

impl UserFederatedIdentityCredential {
    /// For the user with this name (user principal name).
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed or reserved, or the assertion or the name is empty.
    pub fn for_username<S: AsRef<str>>(assertion: &str, username: &str, scopes: &[S]) -> Result<Self, Error> {
        Self::new(assertion, username, UserId::Username, scopes)
    }

    /// For the user with this object id.
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed or reserved, or the assertion or the id is empty.
    pub fn for_object_id<S: AsRef<str>>(assertion: &str, object_id: &str, scopes: &[S]) -> Result<Self, Error> {
        Self::new(assertion, object_id, UserId::ObjectId, scopes)
    }

    fn new<S: AsRef<str>>(
        assertion: &str,
        user: &str,
        named: impl Fn(Secret) -> UserId,
        scopes: &[S],
    ) -> Result<Self, Error> {
        for (name, text) in [("assertion", assertion), ("user", user)] {
            if text.is_empty() {
                return Err(Config::Missing(name).into());
            }
        }
        let asked = Asked::new(Scopes::of_user(scopes)?);
        Ok(Self { asked, assertion: Secret::from(assertion), user: named(Secret::from(user)) })
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
            return Err(Config::ClientKind("a user's federated credential needs a client with a credential").into());
        }
        let claims = self.asked.claims(client)?;
        let mut wanted = Wanted::direct(Api::UserFic, self.asked.scopes.clone());
        wanted.data = self.asked.data();
        wanted.binding = self.asked.binding(client);
        let kind = GrantKind::UserFic { assertion: self.assertion.clone(), user: self.user.clone() };
        Ok(Acquire::new(wanted, Ready::new(Grant::new(kind, self.asked.decorated(client), claims))))
    }

    /// Identifies this acquisition among all of this process: two with the same key may share one answer.
    pub fn key(&self, client: &Client, process: &ProcessKey) -> AcquireKey {
        let user = match &self.user {
            UserId::Username(name) => [Some(name.expose().as_bytes()), None],
            UserId::ObjectId(id) => [None, Some(id.expose().as_bytes())],
        };
        let own = [Some(self.assertion.expose().as_bytes())].into_iter().chain(user);
        self.asked.key("user_fic", client, process, own)
    }
}
