//! Client credentials, RFC 6749 s4.4: an application gets tokens on its own behalf, and forgets them (section 4.1 of the reference).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::acquire::Acquire;
use crate::asked::{Asked, takes_binding};
use crate::client::{AliasSource, Client, Scopes, aliases};
use crate::discover::DiscoverAliases;
use crate::error::{CommitError, Error};
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::grant::{Grant, GrantKind};
use crate::issued::Token;
use crate::keys::{AcquireKey, ProcessKey};
use crate::secret::Secret;
use crate::source::Ready;
use crate::store::{Changes, Owner, Partition, Store};
use crate::telemetry::Api;
use crate::time::Clock;
use crate::wanted::{Wanted, at_hand};

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
    asked: Asked,
    fmi_path: Option<String>,
}

impl ClientCredentials {
    /// For these scopes; at Entra one resource followed by `/.default`.
    ///
    /// # Errors
    /// [`Error::Config`] when one is not a scope-token of RFC 6749 s3.3.
    pub fn new<S: AsRef<str>>(scopes: &[S]) -> Result<Self, Error> {
        Ok(Self { asked: Asked::new(Scopes::parse(scopes)?), fmi_path: None })
    }

    /// For scopes that are sent as they are, even none or malformed ones: what the reference does (G-67). For comparing with it.
    pub fn as_given<S: AsRef<str>>(scopes: &[S]) -> Self {
        Self { asked: Asked::new(Scopes::as_given(scopes)), fmi_path: None }
    }

    /// The claims request of a resource that refused an earlier token; the cache is not asked then.
    #[must_use]
    pub fn claims_challenge(mut self, claims: &str) -> Self {
        self.asked.claims_challenge = Some(Secret::from(claims));
        self
    }

    /// Claims to merge into the request, a JSON object; tokens are kept apart by its exact text.
    #[must_use]
    pub fn forwarded_client_claims(mut self, claims: &str) -> Self {
        self.asked.forwarded_client_claims = Some(Secret::from(claims));
        self
    }

    /// Microsoft's federated managed identity path; tokens are kept apart by it.
    #[must_use]
    pub fn fmi_path(mut self, path: &str) -> Self {
        self.fmi_path = Some(path.to_string());
        self
    }

    takes_binding!();

    /// The token that the machine for these scopes would give without asking anybody, if it needs no renewal: for hosts with many
    /// callers, whose store is in memory or known to say what is stored elsewhere. Nothing is allocated but what the token holds. `None` says only that the machine has to
    /// be asked. The host counts it with [`Changes::hits`].
    #[inline]
    pub fn at_hand<S: AsRef<str>>(scopes: &[S], client: &Client, store: &Store, clock: Clock) -> Option<Token> {
        at_hand(scopes, None, client, store, clock)
    }

    /// The machine that gets the token.
    ///
    /// # Errors
    /// [`Error::Config`] when a claims request is not a JSON object; the text is not part of the error.
    pub fn flow(&self, client: &Client) -> Result<Acquire<Ready>, Error> {
        let claims = self.asked.claims(client)?;
        let mut wanted = Wanted::looked_up(Api::TokenForClient, self.asked.scopes.clone());
        wanted.data = self.fmi_path.iter().map(|path| ("fmi_path", Secret::from(path.as_str()))).collect();
        wanted.data.extend(self.asked.data());
        wanted.binding = self.asked.binding(client);
        if self.asked.challenge().is_some() {
            wanted = wanted.forced();
        }
        let kind = GrantKind::ClientCredentials { fmi_path: self.fmi_path.clone() };
        Ok(Acquire::new(wanted, Ready::new(Grant::new(kind, self.asked.scopes.clone(), claims))))
    }

    /// Identifies this acquisition among all of this process: two with the same key may share one answer.
    pub fn key(&self, client: &Client, process: &ProcessKey) -> AcquireKey {
        self.asked.key("client_credentials", client, process, [self.fmi_path.as_deref().map(str::as_bytes)])
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
        let mut tokens = cx.store.tokens.remove_app_tokens(cx.client.client_id(), &environments);
        // Tokens that have ended go as well, whosever they are (G-41).
        tokens.extend(cx.clock.wall.map(|now| cx.store.tokens.expired(now)).unwrap_or_default());
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
                        owner: Owner::Application,
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
