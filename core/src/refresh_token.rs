//! A refresh token from elsewhere is taken in: `acquire_token_by_refresh_token` of MSAL (section 4.10 of the reference).

use crate::acquire::Acquire;
use crate::asked::{Asked, takes_binding};
use crate::client::{Client, Scopes};
use crate::error::{Config, Error};
use crate::grant::{Grant, GrantKind};
use crate::keys::{AcquireKey, ProcessKey};
use crate::secret::Secret;
use crate::source::Ready;
use crate::telemetry::Api;
use crate::wanted::Wanted;

/// Redeems a refresh token that another library kept, and keeps what comes back. From then on the account is there for
/// silent calls, provided that the server sent a new refresh token: the old one is not stored.
#[derive(Clone, Debug)]
pub struct RefreshTokenImport {
    asked: Asked,
    refresh_token: Secret,
}

impl RefreshTokenImport {
    /// For these scopes.
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed or reserved, or the token is empty.
    pub fn new<S: AsRef<str>>(refresh_token: &str, scopes: &[S]) -> Result<Self, Error> {
        if refresh_token.is_empty() {
            return Err(Config::Missing("refresh token").into());
        }
        Ok(Self { asked: Asked::new(Scopes::of_user(scopes)?), refresh_token: Secret::from(refresh_token) })
    }

    takes_binding!();

    /// The machine that redeems it.
    ///
    /// # Errors
    /// [`Error::Config`] when the client's capabilities cannot be sent.
    pub fn flow(&self, client: &Client) -> Result<Acquire<Ready>, Error> {
        let mut wanted = Wanted::direct(Api::RefreshToken, self.asked.scopes.clone()).forced();
        wanted.binding = self.asked.binding(client);
        let claims = match client.settings().capabilities_with_imports {
            true => self.asked.claims(client)?,
            false => None,
        };
        let kind = GrantKind::RefreshToken { refresh_token: self.refresh_token.clone() };
        Ok(Acquire::new(wanted, Ready::new(Grant::new(kind, self.asked.decorated(client), claims))))
    }

    /// Identifies this acquisition among all of this process: two with the same key may share one answer.
    pub fn key(&self, client: &Client, process: &ProcessKey) -> AcquireKey {
        self.asked.key("refresh_token", client, process, [Some(self.refresh_token.expose().as_bytes())])
    }
}
