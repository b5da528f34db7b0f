//! What callers ask for in every flow: scopes, claims, a tenant; and the key that tells two such calls apart.

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::binding::Binding;
use crate::client::{Client, Scopes, merge_claims, with_capabilities};
use crate::error::Error;
use crate::keys::{AcquireKey, ProcessKey};
use crate::secret::Secret;

/// The part of a request that all flows share.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) scopes: Scopes,
    pub(crate) claims_challenge: Option<Secret>,
    pub(crate) forwarded_client_claims: Option<Secret>,
    pub(crate) binding: Option<Binding>,
}

impl Asked {
    /// For these scopes, and nothing else.
    pub(crate) fn new(scopes: Scopes) -> Self {
        Self { scopes, claims_challenge: None, forwarded_client_claims: None, binding: None }
    }

    /// The challenge; an empty one is none.
    pub(crate) fn challenge(&self) -> Option<&str> {
        self.claims_challenge.as_ref().map(Secret::expose).filter(|text| !text.is_empty())
    }

    fn forwarded(&self) -> Option<&str> {
        self.forwarded_client_claims.as_ref().map(Secret::expose)
    }

    /// The `claims` parameter: capabilities, challenge, forwarded claims, in this order (section 9 of the reference).
    ///
    /// # Errors
    /// [`Error::Config`] when one of them is not a JSON object.
    pub(crate) fn claims(&self, client: &Client) -> Result<Option<Secret>, Error> {
        let claims = with_capabilities(&client.settings().client_capabilities, self.challenge())?;
        Ok(merge_claims(claims.as_deref(), self.forwarded())?.map(Secret::new))
    }

    /// The scopes as they are sent for a user.
    pub(crate) fn decorated(&self, client: &Client) -> Scopes {
        self.scopes.decorated(&client.settings().exclude_scopes)
    }

    /// What the token shall be bound to: as this call says, else as the client does.
    pub(crate) fn binding(&self, client: &Client) -> Option<Binding> {
        self.binding.clone().or_else(|| Binding::of(client))
    }

    /// What keeps the tokens of this call apart from others for the same scopes (section 5.4 of the reference).
    pub(crate) fn data(&self) -> Vec<(&'static str, Secret)> {
        self.forwarded_client_claims.iter().map(|claims| ("client_claims", claims.clone())).collect()
    }

    /// Identifies the call `flow` with these and `own` inputs among all of this process.
    pub(crate) fn key<'a>(
        &'a self,
        flow: &'a str,
        client: &'a Client,
        process: &ProcessKey,
        own: impl IntoIterator<Item = Option<&'a [u8]>>,
    ) -> AcquireKey {
        let text = |text: Option<&'a str>| text.map(str::as_bytes);
        let claims = client.client_claims().map(crate::json::Members::to_json);
        let who = [
            Some(flow.as_bytes()),
            Some(client.client_id().as_bytes()),
            Some(client.authority().as_str().as_bytes()),
            claims.as_deref().map(Vec::as_slice),
        ];
        let what = [
            Some(self.scopes.as_str().as_bytes()),
            text(self.claims_challenge.as_ref().map(Secret::expose)),
            text(self.forwarded()),
        ];
        let capabilities = client.settings().client_capabilities.iter().map(|c| Some(c.as_bytes()));
        let own: Vec<Option<&[u8]>> = own.into_iter().collect();
        let count = own.len().to_string();
        let binding = self.binding(client);
        let bound = binding.iter().flat_map(Binding::inputs);
        let certificate = client.client_certificate().map(|certificate| certificate.x5t_s256().as_slice());
        let inputs = who
            .into_iter()
            .chain([certificate])
            .chain(client.credential().inputs())
            .chain(what)
            .chain([Some(count.as_bytes())]);
        process.acquire(inputs.chain(own).chain(bound).chain(capabilities))
    }
}

/// The function by which a request takes a claims challenge.
macro_rules! takes_claims_challenge {
    () => {
        /// The claims request of a resource or of the server's last refusal (OpenID Connect Core s5.5), a JSON object. A
        /// token from the cache is no answer to it.
        #[must_use]
        pub fn claims_challenge(mut self, claims: &str) -> Self {
            self.asked.claims_challenge = Some($crate::secret::Secret::from(claims));
            self
        }
    };
}

/// The function by which a request takes claims to forward.
macro_rules! takes_forwarded_claims {
    () => {
        /// Claims to merge into the request, a JSON object; tokens are kept apart by its exact text.
        #[must_use]
        pub fn forwarded_client_claims(mut self, claims: &str) -> Self {
            self.asked.forwarded_client_claims = Some($crate::secret::Secret::from(claims));
            self
        }
    };
}

/// The function by which a request takes a key that its token is bound to.
macro_rules! takes_binding {
    () => {
        /// Asks for a token that is bound to a key. It is kept apart from others, and a bearer token instead of it is refused.
        #[must_use]
        pub fn bound(mut self, binding: &$crate::binding::Binding) -> Self {
            self.asked.binding = Some(binding.clone());
            self
        }
    };
}

pub(crate) use {takes_binding, takes_claims_challenge, takes_forwarded_claims};
