//! Interactive sign-in in one machine: it asks the host to open a browser (section 4.4 of the reference, RFC 8252).

use crate::acquire::Acquire;
use crate::authorization::{AuthorizationRequest, ResponseMode};
use crate::client::Client;
use crate::error::{Config, Error};
use crate::source::Browser;
use crate::telemetry::Api;
use crate::wanted::Wanted;

impl AuthorizationRequest {
    /// The machine that signs a user in at this machine's browser (`acquire_token_interactive` of MSAL): it asks
    /// [`Ask::OpenBrowser`](crate::flow::Ask::OpenBrowser) and redeems what comes back. The host listens at the redirect
    /// address, which must be a loopback one, as registered: `http://localhost:port`.
    ///
    /// # Errors
    /// [`Error::Config`] when the redirect address is not a loopback one, or a claims request is not a JSON object.
    pub fn interactive(&self, client: &Client) -> Result<Acquire<Browser>, Error> {
        if !self.is_loopback() {
            return Err(Config::RedirectUri.into());
        }
        let claims = self.claims(client)?;
        let mut wanted = Wanted::direct(Api::Interactive, self.scopes().clone());
        wanted.binding = self.binding(client);
        Ok(Acquire::new(wanted, Browser::new(self.clone(), claims)))
    }

    /// How the listener will get the answer.
    pub fn listens_for(&self) -> ResponseMode {
        self.mode().unwrap_or(ResponseMode::Query)
    }
}
