//! The machine for managed identities: look up, ask the source, check, commit (sections 4.14.3 to 4.14.8 of the reference).
//!
//! ```text
//! Begin → Loading → (hit) ────────────────────────→ Committing → done
//!            ↓ miss
//!        [Probing →] Calling ──401 of Arc──→ Reading → Calling → Committing → done: a token, an error, or the aging token
//! ```

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;
use sha2::{Digest, Sha256};

use super::answer::{Answer, Asked, unusable};
use super::environment::{ManagedIdentitySource, get_managed_identity_source};
use super::request::ManagedIdentityRequest;
use super::{ENVIRONMENT, REALM, app_service, azure_arc, cloud_shell, imds, machine_learning, service_fabric};
use crate::base64::hex_encode;
use crate::cache::{Found, Lookup, Matching, Scheme, TokenChange, TokenEvent};
use crate::call::{Call, Reply};
use crate::client::Settings;
use crate::entropy::uuid_v4;
use crate::error::{AskError, Config, Error};
use crate::flow::{Answer as Answered, Cx, Flow, Input, Step, ready};
use crate::http::Request;
use crate::issued::{Token, TokenSource};
use crate::json::Members;
use crate::limits::MAX_ARC_KEY;
use crate::secret::Secret;
use crate::store::{Changes, MemoryChange, Owner, Partition};
use crate::time::{Millis, UnixTime};
use crate::token::TokenResponse;

/// Seconds that an error answer without `Retry-After` is remembered.
const PATIENCE: u64 = 5;
/// Tokens that live this long (seconds) are renewed after half of it.
const LONG: i64 = 7200;
/// Under this address MSAL stores the tokens; nothing is sent there.
const TOKEN_ENDPOINT: &str = "https://localhost/managed_identity";

/// A token of a managed identity on its way. Of the client only its settings count.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct AcquireManagedIdentity {
    wanted: ManagedIdentityRequest,
    source: ManagedIdentitySource,
    deadline: Millis,
    /// What to remember, however this ends.
    memory: Vec<MemoryChange>,
    /// A cached token that still counts, in case no newer one is to be had.
    fallback: Option<Token>,
    /// The hash of the cached token that a resource refused.
    refused_sha256: Option<String>,
    /// Whether all cached tokens were looked at, so that those that ended can go.
    scanned: bool,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Loading,
    Probing(Box<Call>),
    /// The secret that was sent, and whether this is Arc's first leg.
    Calling(Box<Call>, Option<Secret>, bool),
    Reading,
    Committing(Result<Token, Error>),
    Spent,
}

impl AcquireManagedIdentity {
    pub(super) fn new(wanted: ManagedIdentityRequest) -> Self {
        let source = get_managed_identity_source(&wanted.environment);
        Self {
            wanted,
            source,
            deadline: Millis(0),
            memory: Vec::new(),
            fallback: None,
            refused_sha256: None,
            scanned: false,
            state: State::Begin,
        }
    }

    /// A token from the cache that needs no renewal. Notes what could stand in, or which one was refused.
    fn look_up(&mut self, cx: &Cx<'_>) -> Option<Token> {
        let now = cx.clock.wall?;
        let scopes = [self.wanted.resource.as_str()];
        let lookup = lookup(self.wanted.client_id(), &scopes, cx.client.settings());
        match (cx.store.tokens.find(&lookup, now), self.wanted.challenged) {
            (Found::Fresh(entry) | Found::Aging(entry), true) => {
                self.refused_sha256 = Some(hex_encode(&Sha256::digest(entry.secret().as_bytes())));
            }
            (Found::Fresh(entry), false) => return Some(Token::cached(entry, now)),
            (Found::Aging(entry), false) => self.fallback = Some(Token::cached(entry, now)),
            (Found::Expiring | Found::Nothing, _) => self.scanned = true,
        }
        None
    }

    /// Whom to ask. In the reference's profile Cloud Shell is none (G-35).
    fn serves(&self, cx: &Cx<'_>) -> ManagedIdentitySource {
        match self.source {
            ManagedIdentitySource::CloudShell if !cx.client.settings().managed_identity_in_cloud_shell => {
                ManagedIdentitySource::DefaultToVm
            }
            source => source,
        }
    }

    fn asked<'a>(&'a self, cx: &'a Cx<'_>) -> Asked<'a> {
        Asked {
            environment: &self.wanted.environment,
            identity: &self.wanted.identity,
            resource: &self.wanted.resource,
            refused_sha256: self.refused_sha256.as_deref(),
            settings: cx.client.settings(),
        }
    }

    /// The first request, after a probe where one is wanted.
    fn ask(&mut self, cx: &mut Cx<'_>, probed: bool) -> Result<(), Error> {
        use ManagedIdentitySource as S;
        let source = self.serves(cx);
        if let (S::DefaultToVm, Some(patience), false) = (source, self.wanted.probe, probed) {
            let mut request = imds::probe(&self.asked(cx))?;
            request.attempt_timeout = request.attempt_timeout.min(patience);
            self.state = State::Probing(Box::new(Call::new(request, self.deadline).once()));
            return Ok(());
        }
        let request_id = uuid_v4(cx.entropy)?;
        let asked = self.asked(cx);
        let (request, sent) = match source {
            S::DefaultToVm => (imds::request(&asked, &request_id)?, None),
            S::AzureArc => (azure_arc::request(&asked, None)?, None),
            S::AppService => app_service::request(&asked).map(with_secret)?,
            S::MachineLearning => machine_learning::request(&asked).map(with_secret)?,
            S::ServiceFabric => service_fabric::request(&asked).map(with_secret)?,
            S::CloudShell if self.wanted.identity.id().is_some() => {
                return Err(unusable("Cloud Shell has no user-assigned identities"));
            }
            S::CloudShell => {
                let fields = [("resource", self.wanted.resource.as_str())];
                (cloud_shell::request(asked.settings, fields.into_iter())?, None)
            }
        };
        let call = self.call(cx, request);
        self.state = State::Calling(Box::new(call), sent, source == S::AzureArc);
        Ok(())
    }

    fn call(&self, cx: &Cx<'_>, request: Request) -> Call {
        let settings = cx.client.settings();
        let source = self.serves(cx);
        let transient = if source == ManagedIdentitySource::DefaultToVm { imds::TRANSIENT } else { &[] };
        let call = Call::new(request, self.deadline).managed(transient);
        // To the reference Service Fabric is not there to be spared (G-37).
        let is_spared = source != ManagedIdentitySource::ServiceFabric || !settings.lenient_answers;
        if settings.throttling && is_spared { call.throttled(PATIENCE) } else { call }
    }

    /// An aging token is better than none, whatever went wrong.
    fn fall_back(&mut self, error: Error) -> Result<Step<Token>, Error> {
        self.state = State::Spent;
        match (error, self.fallback.take()) {
            (Error::OutOfTurn, _) => Err(Error::OutOfTurn),
            (_, Some(token)) if self.memory.is_empty() => Ok(Step::Done(token)),
            (error, None) if self.memory.is_empty() => Err(error),
            (error, fallback) => Ok(self.commit(fallback.ok_or(error), Vec::new())),
        }
    }

    fn commit(&mut self, result: Result<Token, Error>, tokens: Vec<TokenChange>) -> Step<Token> {
        self.state = State::Committing(result);
        Step::Commit(Changes { tokens, memory: mem::take(&mut self.memory) })
    }

    /// The key file, or the second leg with it.
    fn challenged(&mut self, cx: &Cx<'_>, reply: &Reply<'_>) -> Result<Step<Token>, Error> {
        let now = cx.clock.wall.unwrap_or_default();
        let answer = Answer { reply, now, lenient: cx.client.settings().lenient_answers, sent: None };
        match azure_arc::challenge(&answer, self.wanted.environment.arc_token_dir.as_deref()) {
            Ok(ask) => {
                self.state = State::Reading;
                Ok(Step::Ask(ask))
            }
            Err(error) => self.fall_back(error),
        }
    }

    fn with_key(&mut self, cx: &Cx<'_>, file: &[u8]) -> Result<(), Error> {
        if file.len() > MAX_ARC_KEY {
            return Err(Error::Unanswered { ask: "file", why: AskError::TooLarge });
        }
        let key = azure_arc::key(file, cx.client.settings().lenient_answers)?;
        let request = azure_arc::request(&self.asked(cx), Some(&key))?;
        self.state = State::Calling(Box::new(self.call(cx, request)), Some(key), false);
        Ok(())
    }

    /// All checks have passed or failed by now: what is to be remembered leaves as one delta.
    fn finish(&mut self, cx: &Cx<'_>, reply: &Reply<'_>, sent: Option<&Secret>) -> Step<Token> {
        let mut tokens = match (cx.clock.wall, self.scanned) {
            (Some(now), true) => cx.store.tokens.expired(now),
            _ => Vec::new(),
        };
        let result = match self.read(cx, reply, sent) {
            Ok((token, changes)) => {
                tokens.extend(changes);
                Ok(token)
            }
            Err(error) => self.fallback.take().ok_or(error),
        };
        self.commit(result, tokens)
    }

    fn read(&self, cx: &Cx<'_>, reply: &Reply<'_>, sent: Option<&Secret>) -> Result<(Token, Vec<TokenChange>), Error> {
        use ManagedIdentitySource as S;
        let now = cx.clock.wall.ok_or(Config::ClockUnknown)?;
        let answer = Answer { reply, now, lenient: cx.client.settings().lenient_answers, sent };
        let mut members = match self.serves(cx) {
            S::DefaultToVm => imds::read(&answer)?,
            S::AppService => app_service::read(&answer)?,
            S::MachineLearning => machine_learning::read(&answer)?,
            S::ServiceFabric => service_fabric::read(&answer)?,
            S::AzureArc => azure_arc::read(&answer, &self.wanted.identity)?,
            S::CloudShell => {
                let payload = cloud_shell::read(&answer)?;
                answer.token(&payload, "expires_in")?.ok_or_else(|| answer.neither())?
            }
        };
        let expires_in = TokenResponse::from_members(members.clone()).expires_in(now)?;
        let refresh_on = (expires_in >= LONG).then(|| {
            let half = expires_in.checked_div(2).unwrap_or_default();
            members.set("refresh_in", half);
            now.shifted(half)
        });
        let changes = self.record(cx, &members, now)?;
        let token = Token::of_parts(members, TokenSource::IdentityProvider, now.shifted(expires_in), refresh_on, None);
        Ok((token, changes))
    }

    fn record(&self, cx: &Cx<'_>, members: &Members, now: UnixTime) -> Result<Vec<TokenChange>, Error> {
        let response = TokenResponse::from_members(members.clone());
        let event = TokenEvent {
            client_id: self.wanted.client_id(),
            scopes: &[self.wanted.resource.as_str()],
            token_endpoint: Some(TOKEN_ENDPOINT),
            ..TokenEvent::new(&response)
        };
        cx.store.tokens.record(&event, now)
    }
}

fn with_secret((request, secret): (Request, Secret)) -> (Request, Option<Secret>) {
    (request, Some(secret))
}

impl Flow for AcquireManagedIdentity {
    type Output = Token;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<Token>, Error> {
        loop {
            match (mem::replace(&mut self.state, State::Spent), input) {
                (State::Begin, Input::Start) => {
                    self.deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                    self.state = State::Loading;
                    return Ok(Step::Load(Partition {
                        client_id: self.wanted.client_id().unwrap_or_default().to_string(),
                        environment: ENVIRONMENT.to_string(),
                        owner: Owner::Application,
                    }));
                }
                (State::Loading, Input::Loaded) => {
                    if let Some(token) = self.look_up(cx) {
                        // So that a host can tell it from a call that has to ask.
                        self.state = State::Committing(Ok(token));
                        return Ok(Step::Commit(Changes::hits(cx.client.client_id(), 1)));
                    }
                    if let Err(error) = self.ask(cx, false) {
                        return self.fall_back(error);
                    }
                }
                (State::Probing(mut call), input) => {
                    let step = match call.step(cx, input) {
                        Ok(step) => step,
                        Err(error) => return self.fall_back(error),
                    };
                    self.state = State::Probing(call);
                    let _ = ready!(step);
                    if let Err(error) = self.ask(cx, true) {
                        return self.fall_back(error);
                    }
                }
                (State::Calling(mut call, sent, is_first_leg), input) => {
                    let step = match call.step(cx, input) {
                        Ok(step) => step,
                        Err(error) => return self.fall_back(error),
                    };
                    self.state = State::Calling(call, sent.clone(), is_first_leg);
                    let mut reply = ready!(step);
                    self.memory.extend(reply.remember.take());
                    return match is_first_leg {
                        true => self.challenged(cx, &reply),
                        false => Ok(self.finish(cx, &reply, sent.as_ref())),
                    };
                }
                (State::Reading, Input::Answer(Answered::File(file))) => {
                    if let Err(error) = self.with_key(cx, file) {
                        return self.fall_back(error);
                    }
                }
                (State::Reading, Input::Answer(Answered::Failed(why))) => {
                    return self.fall_back(Error::Unanswered { ask: "file", why });
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

/// Where tokens of managed identities lie.
pub(super) fn lookup<'a>(client_id: Option<&'a str>, resource: &'a [&'a str; 1], settings: &Settings) -> Lookup<'a> {
    Lookup {
        client_id,
        environment: ENVIRONMENT,
        realm: REALM,
        home_account_id: None,
        scopes: resource,
        ext_cache_key: None,
        scheme: Scheme::Bearer,
        matching: if settings.tolerant_lookups { Matching::Tolerant } else { Matching::Reference },
    }
}
