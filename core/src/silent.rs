//! Silent acquisition: from the cache, else by a refresh token; nobody is asked anything (section 4.11 of the reference).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::account::Account;
use crate::acquire::Acquire;
use crate::asked::{Asked, takes_binding, takes_claims_challenge, takes_forwarded_claims};
use crate::cache::Kind;
use crate::client::{AliasSource, Client, Scopes};
use crate::discover::{Discover, DiscoverAliases};
use crate::entropy::uuid_v4;
use crate::error::Error;
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::issued::Token;
use crate::keys::{AcquireKey, ProcessKey};
#[cfg(feature = "managed")]
use crate::managed::{AcquireCloudShell, CLOUD_SHELL_AUTHORITY_TYPE, CloudShellRequest};
use crate::source::RefreshTokens;
use crate::store::Store;
use crate::telemetry::Api;
use crate::time::Clock;
use crate::wanted::{Wanted, at_hand, realm};

/// A token for a signed-in user, without asking anybody.
///
/// A cached token is returned as long as it lives for five more minutes; one that the server wants renewed by now is
/// renewed, and returned as it is if that fails, whatever the reason. [`Error::InteractionRequired`] means: start an
/// interactive flow, with the claims that are in it.
#[derive(Clone, Debug)]
pub struct Silent {
    asked: Asked,
    home_account_id: String,
    tenant: Option<String>,
    force_refresh: bool,
    /// For the user of Cloud Shell, who has no refresh token: the shell gives a new token at any time.
    #[cfg(feature = "managed")]
    shell: Option<CloudShellRequest>,
}

impl Silent {
    /// For this account.
    ///
    /// # Errors
    /// [`Error::Config`] for no scope, a malformed or a reserved one (G-73).
    pub fn new<S: AsRef<str>>(account: &Account, scopes: &[S]) -> Result<Self, Error> {
        Scopes::of_user(scopes)?;
        Ok(Self {
            asked: Asked::new(Scopes::parse(scopes)?),
            home_account_id: account.home_account_id().to_string(),
            tenant: None,
            force_refresh: false,
            #[cfg(feature = "managed")]
            shell: match account.authority_type() {
                Some(CLOUD_SHELL_AUTHORITY_TYPE) => Some(CloudShellRequest::new(scopes)?),
                _ => None,
            },
        })
    }

    takes_claims_challenge!();
    takes_forwarded_claims!();
    takes_binding!();

    /// For another tenant of the same authority (G-47): the user's refresh token serves in all of them.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.to_string());
        self
    }

    /// Passes over the access tokens in the cache.
    #[must_use]
    pub fn force_refresh(mut self, force: bool) -> Self {
        self.force_refresh = force;
        self
    }

    /// The token that the machine for this account and these scopes would give without asking anybody, if it needs no renewal:
    /// for hosts with many callers, whose store is in memory or known to say what is stored elsewhere. Nothing is allocated but what the token holds. `None` says only that
    /// the machine has to be asked. The host counts it with [`Changes::hits`](crate::flow::Changes::hits).
    pub fn at_hand<S: AsRef<str>>(
        account: &Account,
        scopes: &[S],
        client: &Client,
        store: &Store,
        clock: Clock,
    ) -> Option<Token> {
        #[cfg(feature = "managed")]
        if account.authority_type() == Some(CLOUD_SHELL_AUTHORITY_TYPE) {
            return None;
        }
        if scopes.iter().any(|scope| Scopes::RESERVED.contains(&scope.as_ref())) {
            return None;
        }
        at_hand(scopes, Some(account.home_account_id()), client, store, clock)
    }

    /// The machine that gets the token.
    ///
    /// # Errors
    /// [`Error::Config`] when a claims request is not a JSON object, or the tenant cannot be exchanged.
    pub fn flow(&self, client: &Client) -> Result<AcquireSilent, Error> {
        let elsewhere = match self.tenant.as_deref() {
            Some(tenant) if tenant != client.authority().tenant() => Some(Box::new(client.at_tenant(tenant)?)),
            _ => None,
        };
        let claims = self.asked.claims(client)?;
        let mut wanted = Wanted::looked_up(Api::Silent, self.asked.scopes.clone());
        wanted.home_account_id = Some(self.home_account_id.clone());
        wanted.data = self.asked.data();
        wanted.binding = self.asked.binding(client);
        if self.force_refresh || self.asked.challenge().is_some() {
            wanted = wanted.forced();
            wanted.asks_anyway = self.force_refresh && client.settings().force_refresh_asks_anyway;
        }
        let tokens = RefreshTokens::new(&self.home_account_id, self.asked.decorated(client), claims);
        Ok(AcquireSilent {
            wanted,
            tokens,
            elsewhere,
            #[cfg(feature = "managed")]
            shell: self.shell.clone(),
            last: None,
            aliases: Vec::new(),
            state: State::Begin,
        })
    }

    fn is_in_shell(&self) -> bool {
        #[cfg(feature = "managed")]
        return self.shell.is_some();
        #[cfg(not(feature = "managed"))]
        false
    }

    /// Identifies this acquisition among all of this process: two with the same key may share one answer.
    pub fn key(&self, client: &Client, process: &ProcessKey) -> AcquireKey {
        let own = [
            Some(self.home_account_id.as_bytes()),
            self.tenant.as_deref().map(str::as_bytes),
            Some(if self.force_refresh { b"f".as_slice() } else { b"c" }),
            self.is_in_shell().then_some(b"shell".as_slice()),
        ];
        self.asked.key("silent", client, process, own)
    }
}

/// The machine of [`Silent`]: one attempt; in the reference's profile, more at other names of the authority.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct AcquireSilent {
    wanted: Wanted,
    tokens: RefreshTokens,
    /// The client where it is not the caller's: at another tenant or alias.
    elsewhere: Option<Box<Client>>,
    #[cfg(feature = "managed")]
    shell: Option<CloudShellRequest>,
    last: Option<Error>,
    aliases: Vec<String>,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Trying(Box<Acquire<RefreshTokens>>),
    Asking(DiscoverAliases),
    /// Metadata of an alias comes first, even if nothing has to be fetched there, as in the reference.
    Preparing(Discover),
    #[cfg(feature = "managed")]
    Shell(Box<AcquireCloudShell>),
    Spent,
}

impl AcquireSilent {
    fn attempt(&self) -> State {
        State::Trying(Box::new(Acquire::new(self.wanted.clone(), self.tokens.clone())))
    }

    /// The next alias of the authority that has any refresh token at all.
    fn next_alias(&mut self, cx: &Cx<'_>) -> Result<State, Error> {
        while !self.aliases.is_empty() {
            let alias = self.aliases.remove(0);
            let now = cx.clock.wall.unwrap_or_default();
            let any = cx.store.tokens.search(Kind::RefreshToken, &[("environment", Some(&alias))], &[], now).next();
            if any.is_some() {
                let tenant = realm(cx.client, cx.store, cx.clock.mono);
                self.elsewhere = Some(Box::new(cx.client.at_alias(&alias, tenant)?));
                let deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                return Ok(State::Preparing(Discover::elsewhere(deadline)));
            }
        }
        Err(self.last.take().unwrap_or(Error::InteractionRequired { claims: None, refusal: None }))
    }

    /// An error after which another name of the authority may still know better.
    fn note(&mut self, error: Error) -> Result<(), Error> {
        match &error {
            Error::InteractionRequired { refusal: None, .. } => self.last = Some(self.last.take().unwrap_or(error)),
            Error::Refused(_) | Error::InteractionRequired { .. } => self.last = Some(error),
            _ => return Err(error),
        }
        Ok(())
    }
}

impl Flow for AcquireSilent {
    type Output = Token;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<Token>, Error> {
        loop {
            match (mem::replace(&mut self.state, State::Spent), input) {
                (State::Begin, Input::Start) => {
                    self.wanted.correlation_id = Some(uuid_v4(cx.entropy)?);
                    self.state = self.attempt();
                }
                (State::Trying(mut attempt), input) => {
                    let client = self.elsewhere.as_deref().unwrap_or(cx.client);
                    let mut there = Cx { client, store: cx.store, clock: cx.clock, entropy: &mut *cx.entropy };
                    match attempt.step(&mut there, input) {
                        Ok(step) => {
                            self.state = State::Trying(attempt);
                            return Ok(step);
                        }
                        #[cfg(feature = "managed")]
                        Err(Error::InteractionRequired { refusal: None, .. }) if self.shell.is_some() => {
                            let Some(shell) = self.shell.take() else { return Err(Error::OutOfTurn) };
                            self.state = State::Shell(Box::new(shell.flow()));
                        }
                        Err(error) if cx.client.settings().aliases == AliasSource::BuiltIn => return Err(error),
                        Err(error) => {
                            let first = self.last.is_none() && self.aliases.is_empty();
                            self.note(error)?;
                            let deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                            self.state = match first {
                                true => State::Asking(DiscoverAliases::within(deadline)),
                                false => self.next_alias(cx)?,
                            };
                        }
                    }
                }
                #[cfg(feature = "managed")]
                (State::Shell(mut shell), input) => {
                    let step = shell.step(cx, input)?;
                    self.state = State::Shell(shell);
                    return Ok(step);
                }
                (State::Asking(mut discover), input) => {
                    let step = discover.step(cx, input)?;
                    self.state = State::Asking(discover);
                    self.aliases = ready!(step);
                    self.state = self.next_alias(cx)?;
                }
                (State::Preparing(mut discover), input) => {
                    let client = self.elsewhere.as_deref().unwrap_or(cx.client);
                    let mut there = Cx { client, store: cx.store, clock: cx.clock, entropy: &mut *cx.entropy };
                    let step = discover.step(&mut there, input)?;
                    self.state = State::Preparing(discover);
                    let _ = ready!(step);
                    self.state = self.attempt();
                }
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}
