//! An authorization code flow between its two legs: what must be remembered while the user is at the server.

use alloc::string::{String, ToString};
use core::fmt;

use super::AuthorizationResponse;
use crate::binding::Binding;
use crate::client::{Client, Scopes};
use crate::endpoint::Endpoint;
#[cfg(feature = "sealed")]
use crate::entropy::Entropy;
use crate::error::{Config, Error, What};
use crate::exchange::refused;
use crate::json::{Members, Value, texts};
use crate::metadata::ProviderMetadata;
#[cfg(feature = "sealed")]
use crate::sealed::{Saved, Sealer};
use crate::secret::{Secret, constant_time_eq};

/// Remembered from the address that was handed out until the browser is back. Belongs into the user's session, nowhere
/// else: whoever has it and the answer has the tokens. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct AuthCodeFlow {
    pub(crate) auth_uri: Endpoint,
    pub(crate) client_id: String,
    pub(crate) authority: String,
    pub(crate) state: Secret,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Scopes,
    pub(crate) code_verifier: Secret,
    pub(crate) nonce: Secret,
    pub(crate) max_age: Option<u64>,
    pub(crate) claims_challenge: Option<Secret>,
    /// Not saved: whoever restores a flow says again what the token shall be bound to.
    pub(crate) binding: Option<Binding>,
}

impl AuthCodeFlow {
    /// Where to send the browser.
    pub fn auth_uri(&self) -> &Endpoint {
        &self.auth_uri
    }

    /// `state`: ties the browser's answer to this flow.
    pub fn state(&self) -> &Secret {
        &self.state
    }

    /// Where the browser comes back to.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The scopes that a token will be asked for.
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// The code in a browser's answer to this flow. The state is compared first, in constant time.
    ///
    /// # Errors
    /// [`Error::BadResponse`] names the parameter that is missing or not ours; [`Error::Refused`] and
    /// [`Error::InteractionRequired`] are the server's.
    pub(crate) fn code<'a>(
        &self,
        metadata: &ProviderMetadata,
        response: &'a AuthorizationResponse,
    ) -> Result<&'a Secret, Error> {
        let bad = |at| Error::BadResponse { what: What::AuthorizationResponse, at };
        let state = response.get("state").ok_or_else(|| bad("state"))?;
        let fits = constant_time_eq(state.expose().as_bytes(), self.state.expose().as_bytes());
        if self.state.is_empty() || !fits {
            return Err(bad("state"));
        }
        // RFC 9207 s2.4: an answer of another server must not be redeemed at this one.
        match response.get("iss") {
            Some(issuer) if !metadata.issuer.is_empty() && !metadata.is_issuer(issuer.expose(), None) => {
                return Err(bad("iss"));
            }
            None if metadata.answers_with_issuer => return Err(bad("iss")),
            _ => {}
        }
        match (response.get("code"), response.get("error")) {
            (Some(code), _) if !code.is_empty() => Ok(code),
            (_, Some(error)) if !error.is_empty() => Err(refused(response.refusal())),
            _ => Err(bad("code")),
        }
    }

    /// What must be kept, as data: secrets are in it.
    pub fn to_members(&self) -> Members {
        let mut members = Members::new();
        members.set("client_id", self.client_id.as_str());
        members.set("authority", self.authority.as_str());
        members.set("state", self.state.expose());
        members.set("redirect_uri", self.redirect_uri.as_str());
        members.set("scope", texts(self.scopes.list()));
        members.set("code_verifier", self.code_verifier.expose());
        members.set("nonce", self.nonce.expose());
        if let Some(seconds) = self.max_age {
            members.set("max_age", seconds);
        }
        if let Some(claims) = &self.claims_challenge {
            members.set("claims_challenge", claims.expose());
        }
        members
    }

    /// From what was kept, for this client and this redirect address: what is in `members` may come from an attacker
    /// unless it was sealed. The address for the browser is not restored; that leg is over.
    ///
    /// # Errors
    /// [`Config::SavedFlow`] says what is missing, malformed or another client's.
    pub fn from_members(client: &Client, redirect_uri: &str, members: &Members) -> Result<Self, Error> {
        let text =
            |name: &'static str| members.text(name).filter(|text| !text.is_empty()).ok_or(Config::SavedFlow(name));
        for (name, own) in [("client_id", client.client_id()), ("authority", client.authority().as_str())] {
            if text(name)? != own {
                return Err(Config::SavedFlow(name).into());
            }
        }
        if members.text("redirect_uri").unwrap_or_default() != redirect_uri {
            return Err(Config::SavedFlow("redirect_uri").into());
        }
        let scopes = match members.get("scope") {
            Some(Value::Array(list)) => list.iter().map(Value::as_str).collect::<Option<alloc::vec::Vec<_>>>(),
            _ => None,
        };
        let max_age = match members.get("max_age") {
            None | Some(Value::Null) => None,
            Some(seconds) => Some(seconds.as_u64().ok_or(Config::SavedFlow("max_age"))?),
        };
        Ok(Self {
            auth_uri: client.authority().endpoint().clone(),
            client_id: client.client_id().to_string(),
            authority: client.authority().as_str().to_string(),
            state: Secret::from(text("state")?),
            redirect_uri: redirect_uri.to_string(),
            scopes: Scopes::parse(&scopes.ok_or(Config::SavedFlow("scope"))?)?,
            code_verifier: Secret::from(text("code_verifier")?),
            nonce: Secret::from(text("nonce")?),
            max_age,
            claims_challenge: members.text("claims_challenge").map(Secret::from),
            binding: None,
        })
    }

    /// [`to_members`](Self::to_members), encrypted and bound to this client: a text for the user's session or a cookie.
    ///
    /// # Errors
    /// [`Error::NoEntropy`]; [`Config::SavedFlow`] when it is too large.
    #[cfg(feature = "sealed")]
    pub fn seal(&self, sealer: &Sealer, client: &Client, entropy: &mut dyn Entropy) -> Result<String, Error> {
        sealer.seal(Saved::AuthCodeFlow, client, &self.to_members(), entropy)
    }

    /// Opens what [`seal`](Self::seal) gave.
    ///
    /// # Errors
    /// [`Config::SavedFlow`] for anything but an unaltered flow of this client to this redirect address, sealed with this key.
    #[cfg(feature = "sealed")]
    pub fn restore(sealer: &Sealer, client: &Client, redirect_uri: &str, text: &str) -> Result<Self, Error> {
        Self::from_members(client, redirect_uri, &sealer.open(Saved::AuthCodeFlow, client, text)?)
    }
}

impl fmt::Debug for AuthCodeFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthCodeFlow(..)")
    }
}
