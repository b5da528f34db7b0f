//! The pipeline every token goes through: load, look up, discover, obtain a grant, exchange, commit.
//!
//! ```text
//! Begin → Loading → (hit) ──────────────────────────────→ Committing → done
//!            ↓ miss                                            ↑
//!        Discovering → (hit under the real tenant) ────────────┤
//!            ↓ miss                                            │
//!        Locating (the region) → Equipping (with keys)         │
//!            ↓                                                 │
//!        Obtaining → Exchanging → Checking (the signature) ────'  a token, an error, or the aging token
//! ```

mod record;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::accept::wants_signatures;
use crate::cache::TokenChange;
use crate::discover::Discover;
use crate::endpoint::Endpoint;
use crate::entropy::uuid_v4;
use crate::error::Error;
#[cfg(not(feature = "validate"))]
use crate::error::TokenError;
use crate::exchange::{Exchange, Exchanged, Occasion, Target, is_pending};
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::grant::Grant;
use crate::issued::Token;
use crate::metadata::ProviderMetadata;
#[cfg(feature = "clouds")]
use crate::region::DiscoverRegion;
use crate::source::{More, Source};
use crate::store::{Changes, MemoryChange, Partition};
use crate::telemetry::Outcome;
use crate::time::Millis;
#[cfg(feature = "validate")]
use crate::validate::{IssuerKeys, check_signature};
use crate::wanted::{Looked, Wanted, realm};

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
    #[cfg(feature = "clouds")]
    Locating(DiscoverRegion, Box<ProviderMetadata>),
    /// Where signatures have to be checked, keys come first: a grant that can be used once is not spent without them.
    #[cfg(feature = "validate")]
    Equipping(IssuerKeys, Box<ProviderMetadata>, Target),
    Obtaining(Box<ProviderMetadata>, Target),
    Exchanging(Box<Exchange>, Box<ProviderMetadata>),
    /// The keys that signed the ID token are looked for.
    #[cfg(feature = "validate")]
    Checking(IssuerKeys, Box<Exchanged>, Box<ProviderMetadata>),
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
        if !self.source.is_looked_up() {
            return None;
        }
        self.realm = realm.to_string();
        match self.wanted.look_up(cx, realm) {
            Looked::Fresh(token) => Some(token),
            Looked::Aging(token) => {
                self.fallback = Some(token);
                None
            }
            Looked::Nothing => None,
        }
    }

    fn hit(&mut self, cx: &Cx<'_>, token: Token) -> Step<Token> {
        self.state = State::Committing(Ok(token));
        Step::Commit(Changes::hits(cx.client.client_id(), 1))
    }

    /// An aging token is better than none, whatever went wrong (G-02).
    fn fall_back(&mut self, error: Error) -> Result<Step<Token>, Error> {
        match (error, self.fallback.take()) {
            (Error::OutOfTurn, _) => Err(Error::OutOfTurn),
            (_, Some(token)) => Ok(Step::Done(token)),
            (error, None) => Err(error),
        }
    }

    /// What the cache is rid of, whatever came of it: tokens that have ended, where it was searched for one (G-41), and what the
    /// source has found to be dead.
    fn left_behind(&mut self, cx: &Cx<'_>) -> Vec<TokenChange> {
        let mut tokens = match (cx.clock.wall, self.wanted.cached && self.source.is_looked_up()) {
            (Some(now), true) => cx.store.tokens.expired(now),
            _ => Vec::new(),
        };
        tokens.extend(self.source.leftovers(cx));
        tokens
    }

    /// The source has no (other) grant: what it leaves behind is written before the answer.
    fn give_up(&mut self, cx: &Cx<'_>, error: Error) -> Result<Step<Token>, Error> {
        let tokens = match error {
            Error::OutOfTurn => Vec::new(),
            _ => self.left_behind(cx),
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
        if !cfg!(feature = "telemetry") {
            return;
        }
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

    /// Where the token endpoint is known: the region's, or the central one.
    fn located(
        &self,
        cx: &Cx<'_>,
        metadata: Box<ProviderMetadata>,
        regional: Option<Endpoint>,
    ) -> Result<State, Error> {
        let audience = metadata.token_endpoint.clone();
        let token_endpoint = regional.unwrap_or_else(|| audience.clone());
        self.equip(cx, metadata, Target { token_endpoint, audience })
    }

    /// What comes before the grant is obtained.
    #[cfg(feature = "validate")]
    fn equip(&self, cx: &Cx<'_>, metadata: Box<ProviderMetadata>, target: Target) -> Result<State, Error> {
        // Applications by themselves get no ID tokens.
        if self.source.is_regional() || !wants_signatures(cx, &target.token_endpoint) {
            return Ok(State::Obtaining(metadata, target));
        }
        Ok(State::Equipping(IssuerKeys::of(cx, &metadata, self.deadline)?, metadata, target))
    }

    #[cfg(not(feature = "validate"))]
    fn equip(&self, _: &Cx<'_>, metadata: Box<ProviderMetadata>, target: Target) -> Result<State, Error> {
        Ok(State::Obtaining(metadata, target))
    }

    /// Looks for the keys of the answer's ID token, if its signature is to be checked; else it is finished here.
    #[cfg(feature = "validate")]
    fn judge(&mut self, cx: &Cx<'_>, metadata: Box<ProviderMetadata>, mut exchanged: Exchanged) -> Option<Step<Token>> {
        if has_to_be_judged(cx, &exchanged) {
            match IssuerKeys::of(cx, &metadata, self.deadline) {
                Ok(keys) => {
                    self.state = State::Checking(keys, Box::new(exchanged), metadata);
                    return None;
                }
                Err(error) => exchanged.result = Err(error),
            }
        }
        Some(self.finish(cx, &metadata, exchanged))
    }

    /// This build has no means to check a signature: what has to be checked is refused.
    #[cfg(not(feature = "validate"))]
    fn judge(&mut self, cx: &Cx<'_>, metadata: Box<ProviderMetadata>, mut exchanged: Exchanged) -> Option<Step<Token>> {
        if has_to_be_judged(cx, &exchanged) {
            exchanged.result = Err(TokenError::Algorithm.into());
        }
        Some(self.finish(cx, &metadata, exchanged))
    }

    /// All checks have passed or failed by now: what is to be remembered leaves as one delta.
    fn finish(&mut self, cx: &Cx<'_>, metadata: &ProviderMetadata, exchanged: Exchanged) -> Step<Token> {
        let Exchanged { grant, target, result, memory } = exchanged;
        drop(target); // a device has better use for its memory
        self.memory.extend(memory);
        if let Err(error) = &result {
            self.count_pending(cx, error);
        }
        if result.is_ok() {
            self.source.granted();
        }
        let mut tokens = self.left_behind(cx);
        let result = match result.and_then(|response| self.store(cx, metadata, &grant, response)) {
            Ok((token, changes)) => {
                record::append(&mut tokens, changes);
                Ok(token)
            }
            Err(error) => self.fallback.take().ok_or(error),
        };
        self.state = State::Committing(result);
        Step::Commit(Changes { tokens, memory: mem::take(&mut self.memory) })
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
                    let known = realm(cx.client, cx.store, cx.clock.mono);
                    if let Some(token) = self.look_up(cx, known) {
                        return Ok(self.hit(cx, token));
                    }
                    self.state = State::Discovering(Discover::within(self.deadline));
                }
                (State::Discovering(mut discover), input) => {
                    let step = match discover.step(cx, input) {
                        Ok(step) => step,
                        Err(error) => return self.fall_back(error),
                    };
                    let metadata = ready!(step, else self.state = State::Discovering(discover));
                    if metadata.realm != self.realm
                        && let Some(token) = self.look_up(cx, &metadata.realm)
                    {
                        return Ok(self.hit(cx, token));
                    }
                    #[cfg(feature = "clouds")]
                    {
                        let region = DiscoverRegion::within(&metadata.realm, self.deadline);
                        self.state = State::Locating(region, Box::new(metadata));
                    }
                    #[cfg(not(feature = "clouds"))]
                    match self.located(cx, Box::new(metadata), None) {
                        Ok(state) => self.state = state,
                        Err(error) => return self.fall_back(error),
                    }
                }
                #[cfg(feature = "clouds")]
                (State::Locating(mut region, metadata), input) => {
                    let step = match self.source.is_regional() {
                        true => region.step(cx, input),
                        false => Ok(Step::Done(None)),
                    };
                    let step = match step {
                        Ok(step) => step,
                        Err(error) => return self.fall_back(error),
                    };
                    let regional = ready!(step, else self.state = State::Locating(region, metadata));
                    match self.located(cx, metadata, regional.map(|regional| regional.token_endpoint)) {
                        Ok(state) => self.state = state,
                        Err(error) => return self.fall_back(error),
                    }
                }
                #[cfg(feature = "validate")]
                (State::Equipping(mut keys, metadata, target), input) => {
                    let step = match keys.step(cx, input, |_| Ok(())) {
                        Ok(step) => step,
                        Err(error) => return self.fall_back(error),
                    };
                    // Whose they are is found out when there is a signature.
                    let _any = ready!(step, else self.state = State::Equipping(keys, metadata, target));
                    self.state = State::Obtaining(metadata, target);
                }
                (State::Obtaining(metadata, target), input) => {
                    let step = match self.source.obtain(cx, &metadata, input) {
                        Ok(step) => step,
                        Err(error) => return self.give_up(cx, error),
                    };
                    let grant = ready!(step, else self.state = State::Obtaining(metadata, target));
                    if self.source.waits_for_a_person() {
                        self.deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                    }
                    let elsewhere = target.audience != target.token_endpoint;
                    self.central = (elsewhere && cx.client.settings().region_fallback)
                        .then(|| Target { token_endpoint: target.audience.clone(), audience: target.audience.clone() });
                    self.exchange(cx, metadata, grant, target)?;
                }
                (State::Exchanging(mut exchange, metadata), input) => {
                    let step = match exchange.step(cx, input) {
                        Ok(step) => step,
                        Err(error) => return self.fall_back(error),
                    };
                    let result = ready!(step, else self.state = State::Exchanging(exchange, metadata));
                    let exchanged = exchange.ended(result);
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
                    } else if let Some(done) = self.judge(cx, metadata, exchanged) {
                        return Ok(done);
                    }
                }
                #[cfg(feature = "validate")]
                (State::Checking(mut keys, mut exchanged, metadata), input) => {
                    let id_token =
                        exchanged.result.as_ref().ok().and_then(|response| response.id_token()).unwrap_or_default();
                    let verifier = cx.client.verifier();
                    let judge = |keys: &_| check_signature(verifier, id_token, keys);
                    let verdict = match keys.step(cx, input, judge) {
                        Err(Error::OutOfTurn) => return Err(Error::OutOfTurn),
                        Err(error) => Err(error),
                        Ok(step) => {
                            let verdict = ready!(step, else self.state = State::Checking(keys, exchanged, metadata));
                            verdict.map_err(Error::from)
                        }
                    };
                    if let Err(error) = verdict {
                        exchanged.result = Err(error);
                    }
                    return Ok(self.finish(cx, &metadata, *exchanged));
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

/// Whether the signature of an ID token has to be checked.
fn has_to_be_judged(cx: &Cx<'_>, exchanged: &Exchanged) -> bool {
    let response = exchanged.result.as_ref();
    response.is_ok_and(|response| response.id_token().is_some())
        && wants_signatures(cx, &exchanged.target.token_endpoint)
}
