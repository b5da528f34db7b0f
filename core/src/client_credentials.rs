//! Client credentials, RFC 6749 s4.4: an application gets tokens on its own behalf, and forgets them (section 4.1 of the reference).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::acquire::{Acquire, Wanted};
use crate::client::{AliasSource, Client, Scopes, aliases, merge_claims, with_capabilities};
use crate::discover::DiscoverAliases;
use crate::error::{CommitError, Error};
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::grant::Grant;
use crate::keys::{AcquireKey, ProcessKey};
use crate::secret::Secret;
use crate::source::Ready;
use crate::store::{Changes, Partition};
use crate::telemetry::Api;

/// What an application asks for on its own behalf.
///
/// ```
/// use sansal::{Client, ClientCredentials, client::Credential};
/// let client = Client::builder("my-app")
///     .authority("https://login.microsoftonline.com/contoso.onmicrosoft.com")
///     .credential(Credential::secret("s3cret"))
///     .build()?;
/// let flow = ClientCredentials::new(&["https://graph.microsoft.com/.default"])?.flow(&client)?;
/// # let _ = flow;
/// # Ok::<(), sansal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    scopes: Scopes,
    claims_challenge: Option<String>,
    forwarded_client_claims: Option<Secret>,
    fmi_path: Option<String>,
}

impl ClientCredentials {
    /// For these scopes; at Entra one resource followed by `/.default`.
    ///
    /// # Errors
    /// [`Error::Config`] when one is not a scope-token of RFC 6749 s3.3.
    pub fn new<S: AsRef<str>>(scopes: &[S]) -> Result<Self, Error> {
        Scopes::parse(scopes)?;
        Ok(Self::as_given(scopes))
    }

    /// For scopes that are sent as they are, even none or malformed ones: what the reference does (G-67). For comparing with it.
    pub fn as_given<S: AsRef<str>>(scopes: &[S]) -> Self {
        let scopes = Scopes::as_given(scopes);
        Self { scopes, claims_challenge: None, forwarded_client_claims: None, fmi_path: None }
    }

    /// The claims request of a resource that refused an earlier token; the cache is not asked then.
    #[must_use]
    pub fn claims_challenge(mut self, claims: &str) -> Self {
        self.claims_challenge = Some(claims.to_string());
        self
    }

    /// Claims to merge into the request, a JSON object; tokens are kept apart by its exact text.
    #[must_use]
    pub fn forwarded_client_claims(mut self, claims: &str) -> Self {
        self.forwarded_client_claims = Some(Secret::from(claims));
        self
    }

    /// Microsoft's federated managed identity path; tokens are kept apart by it.
    #[must_use]
    pub fn fmi_path(mut self, path: &str) -> Self {
        self.fmi_path = Some(path.to_string());
        self
    }

    /// The machine that gets the token.
    ///
    /// # Errors
    /// [`Error::Config`] when a claims request is not a JSON object; the text is not part of the error.
    pub fn flow(&self, client: &Client) -> Result<Acquire<Ready>, Error> {
        let challenge = self.claims_challenge.as_deref().filter(|text| !text.is_empty());
        let forwarded = self.forwarded_client_claims.as_ref().map(Secret::expose);
        let claims = with_capabilities(&client.settings().client_capabilities, challenge)?;
        let claims = merge_claims(claims.as_deref(), forwarded)?;
        let data = [("fmi_path", self.fmi_path.as_deref()), ("client_claims", forwarded)];
        let data = data.into_iter().filter_map(|(name, value)| Some((name, Secret::from(value?)))).collect();
        let wanted = Wanted {
            api: Api::TokenForClient,
            scopes: self.scopes.clone(),
            home_account_id: None,
            cached: challenge.is_none(),
            data,
        };
        let grant = Grant::ClientCredentials {
            scopes: self.scopes.clone(),
            claims: claims.map(Secret::new),
            fmi_path: self.fmi_path.clone(),
        };
        Ok(Acquire::new(wanted, Ready::new(grant)))
    }

    /// Identifies this acquisition among all of this process: two with the same key may share one answer.
    pub fn key(&self, client: &Client, process: &ProcessKey) -> AcquireKey {
        let scopes = self.scopes.as_str().as_bytes();
        let forwarded = self.forwarded_client_claims.as_ref().map(|claims| claims.expose().as_bytes());
        let own = [
            Some(scopes),
            self.claims_challenge.as_deref().map(str::as_bytes),
            forwarded,
            self.fmi_path.as_deref().map(str::as_bytes),
        ];
        let capabilities = client.settings().client_capabilities.iter().map(|c| Some(c.as_bytes()));
        let claims = client.client_claims().map(crate::json::Members::to_json);
        let who = [
            Some(b"client_credentials".as_slice()),
            Some(client.client_id().as_bytes()),
            Some(client.authority().as_str().as_bytes()),
            claims.as_deref().map(Vec::as_slice),
        ];
        process.acquire(who.into_iter().chain(client.credential().inputs()).chain(own).chain(capabilities))
    }
}

/// Forgets every token that the application got on its own behalf, under every name of its authority
/// (`remove_tokens_for_client` of MSAL). Done with whether the removal could be persisted.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct RemoveTokensForClient(State);

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Loading,
    Asking(DiscoverAliases),
    Committing,
    Spent,
}

impl RemoveTokensForClient {
    /// The machine that forgets them.
    pub fn new() -> Self {
        Self(State::Begin)
    }

    fn remove(&mut self, cx: &Cx<'_>, others: &[&str]) -> Step<Result<(), CommitError>> {
        let environments: Vec<&str> =
            core::iter::once(cx.client.authority().host()).chain(others.iter().copied()).collect();
        let tokens = cx.store.tokens.remove_app_tokens(cx.client.client_id(), &environments);
        self.0 = State::Committing;
        Step::Commit(Changes { tokens, memory: Vec::new() })
    }
}

impl Default for RemoveTokensForClient {
    fn default() -> Self {
        Self::new()
    }
}

impl Flow for RemoveTokensForClient {
    type Output = Result<(), CommitError>;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<Self::Output>, Error> {
        loop {
            match (mem::replace(&mut self.0, State::Spent), input) {
                (State::Begin, Input::Start) => {
                    self.0 = State::Loading;
                    return Ok(Step::Load(Partition {
                        client_id: cx.client.client_id().to_string(),
                        environment: cx.client.authority().host().to_string(),
                        home_account_id: None,
                    }));
                }
                (State::Loading, Input::Loaded) => match cx.client.settings().aliases {
                    AliasSource::BuiltIn => return Ok(self.remove(cx, aliases(cx.client.authority().host()))),
                    AliasSource::Discovered => {
                        let deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                        self.0 = State::Asking(DiscoverAliases::within(deadline));
                    }
                },
                (State::Asking(mut discover), input) => {
                    let step = discover.step(cx, input)?;
                    self.0 = State::Asking(discover);
                    let others = ready!(step);
                    return Ok(self.remove(cx, &others.iter().map(String::as_str).collect::<Vec<_>>()));
                }
                (State::Committing, Input::Committed(stored)) => return Ok(Step::Done(stored)),
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}
