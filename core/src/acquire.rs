//! The pipeline every token goes through: load, look up, discover, obtain a grant, exchange, commit.
//!
//! ```text
//! Begin → Loading → (hit) ──────────────────────────────→ Committing → done
//!            ↓ miss                                            ↑
//!        Discovering → (hit under the real tenant) ────────────┤
//!            ↓ miss                                            │
//!        Locating (the region) → Obtaining → Exchanging ───────'  a token, an error, or the aging token
//! ```

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::accept::accept;
use crate::binding::Binding;
use crate::cache::{Found, Lookup, Matching, Scheme, TokenChange, TokenEvent, ext_cache_key};
use crate::client::{AliasSource, Scopes, aliases};
use crate::discover::Discover;
use crate::entropy::uuid_v4;
use crate::error::{Config, Error, What};
use crate::exchange::{Exchange, Exchanged, Occasion, Target, granted, is_pending};
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::grant::Grant;
use crate::issued::Token;
use crate::metadata::ProviderMetadata;
use crate::region::DiscoverRegion;
use crate::secret::Secret;
use crate::source::{More, Recording, Source};
use crate::store::{Changes, MemoryChange, Owner, Partition};
use crate::telemetry::{Api, CacheRefresh, Outcome};
use crate::time::Millis;
use crate::token::TokenResponse;

/// What is looked for in the cache before anybody is asked, and stored under the same names afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) api: Api,
    /// The scopes that a cached token must have.
    pub(crate) scopes: Scopes,
    pub(crate) home_account_id: Option<String>,
    /// Whether a cached token of any account is an answer, as long as `data` fits: who it is for is not known yet.
    pub(crate) any_account: bool,
    /// Whether a cached token is an answer at all; a claims challenge says it is not.
    pub(crate) cached: bool,
    /// Why a request would go out.
    pub(crate) reason: CacheRefresh,
    /// Whether the server is asked although an error answer is remembered.
    pub(crate) asks_anyway: bool,
    /// Request parameters that keep tokens apart (section 5.4 of the reference).
    pub(crate) data: Vec<(&'static str, Secret)>,
    /// The name of the call, where an earlier request has given it one.
    pub(crate) correlation_id: Option<String>,
    /// What the token is bound to.
    pub(crate) binding: Option<Binding>,
}

impl Wanted {
    /// A token that may be cached.
    pub(crate) fn looked_up(api: Api, scopes: Scopes) -> Self {
        Self {
            api,
            scopes,
            home_account_id: None,
            any_account: false,
            cached: true,
            reason: CacheRefresh::NoToken,
            asks_anyway: false,
            data: Vec::new(),
            correlation_id: None,
            binding: None,
        }
    }

    /// A new token, because the caller says so.
    pub(crate) fn forced(mut self) -> Self {
        self.cached = false;
        self.reason = CacheRefresh::Forced;
        self
    }

    /// Whose entries are needed. What a user flow finds out is who the user is.
    fn owner(&self) -> Owner {
        match (&self.home_account_id, self.api) {
            (Some(id), _) => Owner::Account(id.clone()),
            (None, Api::TokenForClient) => Owner::Application,
            (None, _) => Owner::Everyone,
        }
    }

    /// A token of a flow that does not ask the cache.
    pub(crate) fn direct(api: Api, scopes: Scopes) -> Self {
        Self { cached: false, reason: CacheRefresh::NotSilent, ..Self::looked_up(api, scopes) }
    }

    fn scheme(&self) -> Scheme<'_> {
        self.binding.as_ref().map_or(Scheme::Bearer, Binding::scheme)
    }

    fn data(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.data.iter().map(|(name, value)| (*name, value.expose()))
    }
}

/// A token on its way: from the cache, or by the grant that `S` obtains.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct Acquire<S> {
    wanted: Wanted,
    source: S,
    deadline: Millis,
    realm: String,
    /// Where to go when the region cannot be reached.
    central: Option<Target>,
    /// What to remember, however this ends.
    memory: Vec<MemoryChange>,
    /// A cached token that still counts, in case no newer one is to be had.
    fallback: Option<Token>,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Loading,
    Discovering(Discover),
    Locating(DiscoverRegion, Box<ProviderMetadata>),
    Obtaining(Box<ProviderMetadata>, Target),
    Exchanging(Box<Exchange>, Box<ProviderMetadata>),
    /// A grant was refused and there is another: what was learned is remembered first.
    Noting(Box<ProviderMetadata>, Target),
    Committing(Result<Token, Error>),
    Spent,
}

impl<S: Source> Acquire<S> {
    pub(crate) fn new(wanted: Wanted, source: S) -> Self {
        Self {
            wanted,
            source,
            deadline: Millis(0),
            realm: String::new(),
            central: None,
            memory: Vec::new(),
            fallback: None,
            state: State::Begin,
        }
    }

    /// A token from the cache that needs no refresh. Notes why not, and what could stand in.
    fn look_up(&mut self, cx: &Cx<'_>, realm: &str) -> Option<Token> {
        self.realm = realm.to_string();
        let now = cx.clock.wall.filter(|_| self.wanted.cached)?;
        let key = ext_cache_key(self.wanted.data());
        let own = cx.client.authority().host();
        let others = match cx.client.settings().aliases {
            AliasSource::BuiltIn => aliases(own),
            AliasSource::Discovered => &[],
        };
        let matching = if cx.client.settings().tolerant_lookups { Matching::Tolerant } else { Matching::Reference };
        let environments = core::iter::once(own).chain(others.iter().copied().filter(|host| *host != own));
        for environment in environments {
            let lookup = Lookup {
                client_id: Some(cx.client.client_id()),
                environment,
                realm,
                home_account_id: self.wanted.home_account_id.as_deref(),
                scopes: self.wanted.scopes.list(),
                ext_cache_key: key.as_deref(),
                scheme: self.wanted.scheme(),
                matching,
            };
            let found = match self.wanted.any_account {
                true => cx.store.tokens.find_partitioned(&lookup, now),
                false => cx.store.tokens.find(&lookup, now),
            };
            match found {
                Found::Fresh(entry) => return Some(Token::cached(entry, now)),
                Found::Aging(entry) => {
                    self.wanted.reason = CacheRefresh::Aging;
                    self.fallback = Some(Token::cached(entry, now));
                    return None;
                }
                Found::Expiring => self.wanted.reason = CacheRefresh::Expired,
                Found::Nothing => {}
            }
        }
        None
    }

    fn hit(&mut self, cx: &Cx<'_>, token: Token) -> Step<Token> {
        let memory = Vec::from([MemoryChange::Telemetry(cx.client.client_id().to_string(), Outcome::Hit)]);
        self.state = State::Committing(Ok(token));
        Step::Commit(Changes { tokens: Vec::new(), memory })
    }

    /// An aging token is better than none, whatever went wrong (G-02).
    fn fall_back(&mut self, error: Error) -> Result<Step<Token>, Error> {
        match (error, self.fallback.take()) {
            (Error::OutOfTurn, _) => Err(Error::OutOfTurn),
            (_, Some(token)) => Ok(Step::Done(token)),
            (error, None) => Err(error),
        }
    }

    /// The source has no (other) grant: what it leaves behind is written before the answer.
    fn give_up(&mut self, cx: &Cx<'_>, error: Error) -> Result<Step<Token>, Error> {
        let tokens = match error {
            Error::OutOfTurn => Vec::new(),
            _ => self.source.leftovers(cx),
        };
        self.count_pending(cx, &error);
        if tokens.is_empty() && self.memory.is_empty() {
            return self.fall_back(error);
        }
        self.state = State::Committing(self.fallback.take().ok_or(error));
        Ok(Step::Commit(Changes { tokens, memory: mem::take(&mut self.memory) }))
    }

    /// A device code that only had to wait is a failure after all when nobody waits any longer (section 4.5 of the reference).
    fn count_pending(&mut self, cx: &Cx<'_>, error: &Error) {
        let pending = error.refusal().filter(|refusal| is_pending(refusal) && refusal.status() < 500);
        if let (Some(refusal), Some(correlation_id)) = (pending, self.wanted.correlation_id.clone()) {
            let error = refusal.error().to_string();
            let outcome = Outcome::Failed { api: self.wanted.api, correlation_id, error };
            self.memory.push(MemoryChange::Telemetry(cx.client.client_id().to_string(), outcome));
        }
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    fn exchange(
        &mut self,
        cx: &mut Cx<'_>,
        metadata: Box<ProviderMetadata>,
        grant: Grant,
        target: Target,
    ) -> Result<(), Error> {
        let correlation_id = match self.wanted.correlation_id.as_deref().or(self.source.correlation_id()) {
            Some(id) => id.to_string(),
            None => uuid_v4(cx.entropy)?,
        };
        self.wanted.correlation_id = Some(correlation_id.clone());
        let Wanted { api, reason, asks_anyway, .. } = self.wanted;
        let binding = self.wanted.binding.clone();
        let occasion = Occasion { api, reason, correlation_id, asks_anyway };
        self.state =
            State::Exchanging(Box::new(Exchange::new(grant.bound(binding), target, occasion, self.deadline)), metadata);
        Ok(())
    }

    /// All checks have passed or failed by now: what is to be remembered leaves as one delta.
    fn finish(&mut self, cx: &Cx<'_>, metadata: &ProviderMetadata, exchanged: Exchanged) -> Step<Token> {
        let Exchanged { grant, target, result, memory } = exchanged;
        self.memory.extend(memory);
        if let Err(error) = &result {
            self.count_pending(cx, error);
        }
        let mut tokens = match (cx.clock.wall, self.wanted.cached) {
            (Some(now), true) => cx.store.tokens.expired(now),
            _ => Vec::new(),
        };
        tokens.extend(self.source.leftovers(cx));
        let result = match result.and_then(|response| self.store(cx, metadata, &grant, &target, response)) {
            Ok((token, changes)) => {
                tokens.extend(changes);
                Ok(token)
            }
            Err(error) => self.fallback.take().ok_or(error),
        };
        self.state = State::Committing(result);
        Step::Commit(Changes { tokens, memory: mem::take(&mut self.memory) })
    }

    fn store(
        &self,
        cx: &Cx<'_>,
        metadata: &ProviderMetadata,
        grant: &Grant,
        target: &Target,
        response: TokenResponse,
    ) -> Result<(Token, Vec<TokenChange>), Error> {
        let now = cx.clock.wall.ok_or(Config::ClockUnknown)?;
        if let Some(binding) = &self.wanted.binding
            && !response.token_type().eq_ignore_ascii_case(binding.token_type())
        {
            return Err(Error::BadResponse { what: What::TokenResponse, at: "token_type is not what was asked" });
        }
        accept(cx, metadata, &self.source.expected(), &response)?;
        let token = Token::issued(&response, now)?;
        let Recording { username, redeemed } = self.source.recording();
        let mut changes = Vec::new();
        let mut response = response;
        if let Some(entry) = redeemed
            && let Some(rotated) = response.refresh_token()
        {
            changes.push(cx.store.tokens.update_refresh_token(entry, &Secret::from(rotated), now));
            response.remove("refresh_token");
        }
        let token_endpoint = target.token_endpoint.to_string();
        let scopes = granted(&response, grant.scopes.list(), cx.client.settings().lenient_answers);
        let data: Vec<(&str, &str)> = self.wanted.data().collect();
        let event = TokenEvent {
            client_id: Some(cx.client.client_id()),
            scopes: &scopes.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            token_endpoint: Some(&token_endpoint),
            environment: Some(cx.client.authority().host()),
            grant_type: grant.grant_type(),
            response: &response,
            data: &data,
            authority_type: None,
            username,
            local_account_id: None,
            skip_account_creation: redeemed.is_some(),
            scheme: self.wanted.scheme(),
        };
        changes.extend(cx.store.tokens.record(&event, now)?);
        Ok((token, changes))
    }
}

impl<S: Source> Flow for Acquire<S> {
    type Output = Token;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<Token>, Error> {
        loop {
            match (mem::replace(&mut self.state, State::Spent), input) {
                (State::Begin, Input::Start) => {
                    self.source.check(cx.client)?;
                    self.deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                    self.source.begins(self.deadline);
                    self.state = State::Loading;
                    return Ok(Step::Load(Partition {
                        client_id: cx.client.client_id().to_string(),
                        environment: cx.client.authority().host().to_string(),
                        owner: self.wanted.owner(),
                    }));
                }
                (State::Loading, Input::Loaded) => {
                    let known = realm(cx);
                    if let Some(token) = self.look_up(cx, &known) {
                        return Ok(self.hit(cx, token));
                    }
                    self.state = State::Discovering(Discover::within(self.deadline));
                }
                (State::Discovering(mut discover), input) => {
                    let step = match discover.step(cx, input) {
                        Ok(step) => step,
                        Err(error) => return self.fall_back(error),
                    };
                    self.state = State::Discovering(discover);
                    let metadata = ready!(step);
                    if metadata.realm != self.realm
                        && let Some(token) = self.look_up(cx, &metadata.realm)
                    {
                        return Ok(self.hit(cx, token));
                    }
                    let region = DiscoverRegion::within(&metadata.realm, self.deadline);
                    self.state = State::Locating(region, Box::new(metadata));
                }
                (State::Locating(mut region, metadata), input) => {
                    let step = match self.source.is_regional() {
                        true => region.step(cx, input),
                        false => Ok(Step::Done(None)),
                    };
                    let step = match step {
                        Ok(step) => step,
                        Err(error) => return self.fall_back(error),
                    };
                    self.state = State::Locating(region, metadata.clone());
                    let regional = ready!(step);
                    let audience = metadata.token_endpoint.clone();
                    let token_endpoint = regional.map_or_else(|| audience.clone(), |regional| regional.token_endpoint);
                    self.state = State::Obtaining(metadata, Target { token_endpoint, audience });
                }
                (State::Obtaining(metadata, target), input) => {
                    let step = match self.source.obtain(cx, &metadata, input) {
                        Ok(step) => step,
                        Err(error) => return self.give_up(cx, error),
                    };
                    self.state = State::Obtaining(metadata.clone(), target.clone());
                    let grant = ready!(step);
                    if self.source.waits_for_a_person() {
                        self.deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                    }
                    let central = Target { token_endpoint: target.audience.clone(), audience: target.audience.clone() };
                    let elsewhere = target.audience != target.token_endpoint;
                    self.central = (elsewhere && cx.client.settings().region_fallback).then_some(central);
                    self.exchange(cx, metadata, grant, target)?;
                }
                (State::Exchanging(mut exchange, metadata), input) => {
                    let step = match exchange.step(cx, input) {
                        Ok(step) => step,
                        Err(error) => return self.fall_back(error),
                    };
                    self.state = State::Exchanging(exchange, metadata.clone());
                    let exchanged = ready!(step);
                    let failed = exchanged.result.as_ref().err();
                    // Nobody at the region: the central endpoint gives the same token (G-18).
                    if let (Some(Error::Unreachable { why, .. }), Some(central)) = (failed, self.central.take())
                        && why.is_transient()
                    {
                        self.memory.extend(exchanged.memory);
                        self.exchange(cx, metadata, exchanged.grant, central)?;
                    } else if failed.is_some_and(|error| self.source.refused(cx, error) == More::Yes) {
                        self.memory.extend(exchanged.memory);
                        let memory = mem::take(&mut self.memory);
                        self.state = match memory.is_empty() {
                            true => State::Obtaining(metadata, exchanged.target),
                            false => State::Noting(metadata, exchanged.target),
                        };
                        if !memory.is_empty() {
                            return Ok(Step::Commit(Changes { tokens: Vec::new(), memory }));
                        }
                    } else {
                        return Ok(self.finish(cx, &metadata, exchanged));
                    }
                }
                // What is not remembered is no reason to fail.
                (State::Noting(metadata, target), Input::Committed(_)) => {
                    self.state = State::Obtaining(metadata, target);
                }
                (State::Committing(result), Input::Committed(stored)) => {
                    return result.map(|token| Step::Done(token.with_stored(stored)));
                }
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}

/// The tenant that tokens lie under, as far as it is known without asking.
fn realm(cx: &Cx<'_>) -> String {
    let authority = cx.client.authority();
    let max_age = cx.client.settings().metadata_lifetime;
    match cx.store.memory.metadata(&cx.client.metadata_key(), cx.clock.mono, max_age) {
        Some(metadata) => metadata.realm.clone(),
        None => authority.tenant().to_string(),
    }
}
