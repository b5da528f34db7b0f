//! A grant becomes a token response: the **only** place that builds a token request and reads its answer (RFC 6749 s3.2).
//!
//! ```text
//! Begin --secret or ready assertion--> (Proving) --> Calling --> done
//!   ^ `--key elsewhere--> Signing ---------^           |
//!   | `--callback-------> Asserting -------^           |
//!   `----------- the server wants its nonce -----------'
//! ```

#[cfg(feature = "assertions")]
mod sign;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::binding::Binding;
use crate::call::{Call, Reply};
use crate::client::{Client, Credential};
use crate::endpoint::Endpoint;
use crate::error::{AskError, Config, Error, Refusal, What};
use crate::flow::{Answer, Ask, Cx, Flow, Input, Step, ready};
use crate::grant::{Grant, GrantKind};
use crate::http::{Body, Request};
use crate::json;
#[cfg(feature = "assertions")]
use crate::keys::AssertionKey;
use crate::limits::{MAX_RESPONSE, NONCE_LIFETIME};
use crate::metadata::json_rule;
use crate::pop::Signed;
use crate::pop::dpop::{self, Proof};
use crate::secret::Secret;
use crate::store::{Fact, MemoryChange};
use crate::telemetry::{self, Api, CacheRefresh, Outcome};
use crate::time::Millis;
#[cfg(feature = "assertions")]
use crate::time::UnixTime;
use crate::token::TokenResponse;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds an error answer without `Retry-After` is remembered: for public clients, for others (section 10.4).
const PATIENCE: (u64, u64) = (60, 5);

/// What a token request says about the call it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Occasion {
    pub(crate) api: Api,
    pub(crate) reason: CacheRefresh,
    pub(crate) correlation_id: String,
    /// Whether the server is asked although an error answer is remembered.
    pub(crate) asks_anyway: bool,
}

/// Where a token request goes, and to whom an assertion is addressed: at a region still to the central endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) token_endpoint: Endpoint,
    pub(crate) audience: Endpoint,
}

/// A grant on its way to the token endpoint and back.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub(crate) struct Exchange {
    grant: Grant,
    target: Target,
    occasion: Occasion,
    deadline: Millis,
    memory: Vec<MemoryChange>,
    /// The server's nonce for a proof, and that it has refused an earlier one for the lack of it.
    nonce: Option<Secret>,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Asserting,
    #[cfg(feature = "assertions")]
    Signing {
        signing_input: Secret,
        key: AssertionKey,
        now: UnixTime,
    },
    Proving {
        authentication: Authentication,
        signing_input: Secret,
    },
    Calling {
        call: Call,
        sent: Option<Secret>,
    },
    Spent,
}

/// What came of it, and what to remember in either case.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub(crate) struct Exchanged {
    pub(crate) grant: Grant,
    pub(crate) target: Target,
    pub(crate) result: Result<TokenResponse, Error>,
    pub(crate) memory: Vec<MemoryChange>,
}

/// A step of an exchange. The answer at its end, a token or an error, is to be given to [`Exchange::ended`].
type Stepped = Result<Step<Result<TokenResponse, Error>>, Error>;

/// Client authentication, ready to be written into the body.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum Authentication {
    None,
    Secret(Secret),
    Assertion(Secret),
}

impl Exchange {
    pub(crate) fn new(grant: Grant, target: Target, occasion: Occasion, deadline: Millis) -> Self {
        Self { grant, target, occasion, deadline, memory: Vec::new(), nonce: None, state: State::Begin }
    }

    /// With what it came to. What it needed on the way is given up, since a device has better use for its memory.
    pub(crate) fn ended(self, result: Result<TokenResponse, Error>) -> Exchanged {
        let Self { grant, target, memory, .. } = self;
        Exchanged { grant, target, result, memory }
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Stepped {
        match cx.client.credential() {
            Credential::None | Credential::Tls => self.prove(cx, Authentication::None),
            Credential::Secret(secret) => self.prove(cx, Authentication::Secret(secret.clone())),
            Credential::Assertion(text) => self.prove(cx, Authentication::Assertion(text.clone())),
            Credential::AssertionCallback => {
                self.state = State::Asserting;
                Ok(Step::Ask(Ask::Assertion {
                    client_id: cx.client.client_id().to_string(),
                    token_endpoint: self.target.token_endpoint.to_string(),
                    fmi_path: self.grant.fmi_path().filter(|path| !path.is_empty()).map(ToString::to_string),
                }))
            }
            #[cfg(feature = "assertions")]
            Credential::Key(key) => self.sign(cx, key),
        }
    }

    /// The proof that a DPoP token is asked with (RFC 9449 s5): signed here, or a question to whoever holds the key.
    fn prove(&mut self, cx: &mut Cx<'_>, authentication: Authentication) -> Stepped {
        let client = cx.client;
        let key = match &self.grant.binding {
            Some(binding) => {
                binding.check_certificate(client.client_certificate())?;
                binding.proof_key(client.dpop_key())?
            }
            None => None,
        };
        let Some(key) = key else { return self.call(cx, authentication, None) };
        let now = cx.clock.wall.ok_or(Config::ClockUnknown)?;
        let known = cx.store.memory.dpop_nonce(self.target.token_endpoint.origin(), cx.clock.mono);
        let nonce = self.nonce.as_ref().or(known).map(Secret::expose);
        let url = self.target.token_endpoint.to_string();
        let proof = Proof { method: "POST", url: &url, access_token: None, nonce };
        let input = dpop::prepare(&proof, key, now, cx.entropy)?;
        match key.sign(input.expose().as_bytes(), cx.entropy)? {
            Signed::Here(signature) => self.call(cx, authentication, Some(dpop::complete(&input, &signature))),
            Signed::Elsewhere(name) => {
                let message = input.expose().as_bytes().to_vec();
                self.state = State::Proving { authentication, signing_input: input };
                Ok(Step::Ask(Ask::Sign { key: name.clone(), alg: key.alg(), message }))
            }
        }
    }

    fn call(&mut self, cx: &mut Cx<'_>, authentication: Authentication, proof: Option<Secret>) -> Stepped {
        let client = cx.client;
        let (name, sent) = match authentication {
            Authentication::None => ("", None),
            Authentication::Secret(secret) => ("client_secret", Some(secret)),
            Authentication::Assertion(text) => ("client_assertion", Some(text)),
        };
        let own = self.grant.parameters();
        let mut fields = Vec::with_capacity(own.len().saturating_add(5));
        fields.extend([
            ("client_id", client.client_id()),
            ("grant_type", self.grant.grant_type()),
            ("client_info", "1"),
        ]);
        if let Some(secret) = &sent {
            fields.push((name, secret.expose()));
        }
        if name == "client_assertion" {
            fields.push(("client_assertion_type", JWT_BEARER));
        }
        fields.extend(own);
        fields.retain(|(_, value)| !value.is_empty());
        let body = Body::form(fields.iter().copied());
        let request =
            Request::post(self.target.token_endpoint.clone(), body, MAX_RESPONSE, client.settings().attempt_timeout);
        let request = headers(client, request.header("Accept", "application/json"));
        let request = self.telemetry(cx, request);
        // A hint, and made of what a user typed: where it cannot stand in a header (RFC 9110 s5.5), it is left out.
        let is_header = |text: &&Secret| text.expose().bytes().all(|b| (0x20..0x7F).contains(&b));
        let request = match self.grant.routing.as_ref().filter(is_header) {
            Some(routing) => request.header("X-AnchorMailbox", routing.clone()),
            None => request,
        };
        let identity = proof.is_some().then(|| {
            let key = self.grant.binding.as_ref().map_or("", Binding::key_id);
            request.clone().header("DPoP", Secret::from(key))
        });
        let request = match proof {
            Some(proof) => request.header("DPoP", proof),
            None => request,
        };
        let mut call = Call::new(request, self.deadline);
        let is_poll = matches!(self.grant.kind, GrantKind::DeviceCode { .. });
        if is_poll {
            // Whoever polls has its own times, and without a connection longer ones (RFC 8628 s3.5).
            call = call.once();
        }
        if let Some(identity) = identity {
            call = call.identified_by(identity);
        }
        if client.settings().throttling {
            call = call.throttled(patience(client));
            if is_poll {
                call = call.expecting_400();
            }
            if self.occasion.asks_anyway {
                call = call.asking_anyway();
            }
        }
        self.state = State::Calling { call, sent };
        self.proceed(cx, Input::Start)
    }

    /// Section 1.10 of the reference.
    fn telemetry(&self, cx: &Cx<'_>, request: Request) -> Request {
        let request = request.header("client-request-id", self.occasion.correlation_id.clone());
        if !cfg!(feature = "telemetry") {
            return request;
        }
        let telemetry = cx.store.memory.telemetry(cx.client.client_id());
        request
            .header("x-client-current-telemetry", telemetry::current(self.occasion.api, self.occasion.reason))
            .header("x-client-last-telemetry", telemetry::last(telemetry))
    }

    fn proceed(&mut self, cx: &mut Cx<'_>, input: Input<'_>) -> Stepped {
        let State::Calling { mut call, sent } = mem::replace(&mut self.state, State::Spent) else {
            return Err(Error::OutOfTurn);
        };
        let result = match call.step(cx, input) {
            Ok(step) => {
                let mut reply = ready!(step, else self.state = State::Calling { call, sent });
                let result = read(cx, &reply, sent.as_ref().into_iter().chain(self.grant.secrets()));
                // RFC 9449 s8: the proof lacked the server's nonce.
                let refusal = result.as_ref().err().and_then(Error::refusal);
                let wants_nonce = refusal.is_some_and(|refusal| refusal.error() == "use_dpop_nonce");
                if !wants_nonce {
                    self.memory.extend(reply.remember.take());
                }
                if let Some(nonce) = reply.dpop_nonce.take().filter(|_| self.is_proved()) {
                    let origin = self.target.token_endpoint.origin();
                    let fact = Fact::DpopNonce(nonce.clone());
                    self.memory.push(fact.for_seconds(origin.as_bytes(), cx.clock.mono, NONCE_LIFETIME));
                    // Once: a server that wants another nonce each time is not to be satisfied.
                    if wants_nonce && self.nonce.is_none() {
                        self.nonce = Some(nonce);
                        return self.begin(cx);
                    }
                }
                result
            }
            Err(Error::OutOfTurn) => return Err(Error::OutOfTurn),
            Err(why) => Err(why),
        };
        self.count(cx.client.client_id(), &result);
        Ok(Step::Done(result))
    }

    /// Whether the request carries a proof.
    fn is_proved(&self) -> bool {
        match &self.grant.binding {
            Some(binding) => binding.dpop_jkt().is_some(),
            None => false,
        }
    }

    /// What the next request will tell about this one; an answer that is neither token nor OAuth error tells nothing.
    fn count(&mut self, client_id: &str, result: &Result<TokenResponse, Error>) {
        if !cfg!(feature = "telemetry") {
            return;
        }
        let outcome = match result {
            Ok(_) => Outcome::Succeeded,
            Err(error) => match error.refusal() {
                // A device code that nobody has approved yet is no failure (section 4.5 of the reference).
                Some(refusal) if is_pending(refusal) => return,
                Some(refusal) if refusal.status() < 500 => Outcome::Failed {
                    api: self.occasion.api,
                    correlation_id: self.occasion.correlation_id.clone(),
                    error: refusal.error().to_string(),
                },
                _ => return,
            },
        };
        self.memory.push(MemoryChange::Telemetry(client_id.to_string(), outcome));
    }
}

impl Flow for Exchange {
    type Output = Result<TokenResponse, Error>;

    fn step(&mut self, cx: &mut Cx<'_>, input: Input<'_>) -> Stepped {
        match (mem::replace(&mut self.state, State::Spent), input) {
            (State::Begin, Input::Start) => self.begin(cx),
            (State::Asserting, Input::Answer(Answer::Assertion(text))) if !text.is_empty() => {
                self.prove(cx, Authentication::Assertion(Secret::from(text)))
            }
            (State::Asserting, Input::Answer(answer)) => Err(unanswered("client assertion", &answer)),
            #[cfg(feature = "assertions")]
            (State::Signing { signing_input, key, now }, Input::Answer(Answer::Signature(signature))) => {
                self.signed(cx, signing_input.expose(), signature, key, now)
            }
            (State::Proving { authentication, signing_input }, Input::Answer(Answer::Signature(signature))) => {
                self.call(cx, authentication, Some(dpop::complete(&signing_input, signature)))
            }
            #[cfg(feature = "assertions")]
            (State::Signing { .. }, Input::Answer(answer)) => Err(unanswered("signature", &answer)),
            (State::Proving { .. }, Input::Answer(answer)) => Err(unanswered("signature", &answer)),
            (state @ State::Calling { .. }, input) => {
                self.state = state;
                self.proceed(cx, input)
            }
            _ => Err(Error::OutOfTurn),
        }
    }
}

/// Whether a device code only has to wait (RFC 8628 s3.5).
pub(crate) fn is_pending(refusal: &Refusal) -> bool {
    matches!(refusal.error(), "authorization_pending" | "slow_down")
}

/// Seconds that an error answer without `Retry-After` is remembered.
pub(crate) fn patience(client: &Client) -> u64 {
    if matches!(client.credential(), Credential::None) { PATIENCE.0 } else { PATIENCE.1 }
}

/// What every request to the identity platform's OAuth endpoints carries: headers (section 1.9 of the reference), and the client's
/// certificate (RFC 8705 s2).
pub(crate) fn headers(client: &Client, mut request: Request) -> Request {
    let settings = client.settings();
    request.client_cert = client.client_certificate().map(|certificate| certificate.name().clone());
    let mut request = request
        .header("x-client-sku", "sansal")
        .header("x-client-ver", env!("CARGO_PKG_VERSION"))
        .header("x-client-os", settings.platform.clone())
        .header("x-ms-lib-capability", "retry-after, h429");
    for (name, value) in [("x-app-name", &settings.app_name), ("x-app-ver", &settings.app_version)] {
        if !value.is_empty() {
            request = request.header(name, value.clone());
        }
    }
    request
}

/// The host's failure; an answer of another kind is a bug in the host.
fn unanswered(ask: &'static str, answer: &Answer<'_>) -> Error {
    match answer {
        Answer::Failed(why) => Error::Unanswered { ask, why: *why },
        Answer::Assertion(_) => Error::Unanswered { ask, why: AskError::Failed },
        _ => Error::OutOfTurn,
    }
}

/// RFC 6749 s5: a token or an error, told apart by `error` as Microsoft's servers mean it, not by the status.
fn read<'a>(cx: &Cx<'_>, reply: &Reply<'_>, sent: impl Iterator<Item = &'a Secret>) -> Result<TokenResponse, Error> {
    let bad = |at| Error::BadResponse { what: What::TokenResponse, at };
    let lenient = cx.client.settings().lenient_answers;
    let busy = (reply.status == 429 && !lenient) || reply.status >= 500;
    let throttled = |refusal| Error::Throttled { status: reply.status, retry_after: reply.retry_after, refusal };
    if !busy && !(200..300).contains(&reply.status) && !(400..500).contains(&reply.status) {
        return Err(bad("its HTTP status"));
    }
    let members = match json::parse_object(reply.body.expose(), MAX_RESPONSE) {
        Ok(members) => members,
        Err(_) if busy => return Err(throttled(None)),
        Err(why) => return Err(bad(json_rule(why))),
    };
    if members.contains("error") {
        let refusal = Box::new(Refusal::new(reply.status, members, sent).of_grant(reply.retry_after));
        return Err(if busy { throttled(Some(refusal)) } else { refused(*refusal) });
    }
    let response = TokenResponse::from_members(members);
    match (busy, response.access_token()) {
        (true, _) => Err(throttled(None)),
        (_, None | Some("")) if !lenient => Err(bad("access_token")),
        // Neither token nor error: an answer all the same to the reference, whatever its status.
        _ if reply.status >= 400 && !lenient => Err(bad("its HTTP status")),
        _ => Ok(response),
    }
}

/// A refusal as an error: some say that only a person can go on (OpenID Connect Core s3.1.2.6).
pub(crate) fn refused(refusal: Refusal) -> Error {
    let refusal = Box::new(refusal);
    match refusal.error() {
        "interaction_required" | "login_required" | "consent_required" | "account_selection_required" => {
            Error::InteractionRequired { claims: refusal.claims().map(ToString::to_string), refusal: Some(refusal) }
        }
        _ => Error::Refused(refusal),
    }
}
