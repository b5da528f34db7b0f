//! A user's name and password as a grant: sent to Entra, or to the federation server of the user's organisation for a SAML
//! token (sections 4.8 and 4.9 of the reference).
//!
//! ```text
//! Begin --no realms here--> grant
//!   `--> AskingRealm --> Realm --managed--> grant
//!                          `--federated--> AskingMex --> Trust --> AskingTrust --> grant
//!                                 `--no metadata address----^
//! where it goes is remembered; an answer of no, too → Noting
//! ```

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::call::{Call, Reply};
use crate::client::{AuthorityKind, Client, Scopes, federation_allowed};
use crate::endpoint::Endpoint;
use crate::entropy::uuid_v4;
use crate::error::{Config, Error, HostRule, What};
use crate::exchange::patience;
use crate::flow::{Cx, Input, Step, ready};
use crate::grant::{Grant, GrantKind, UserId};
use crate::http::Request;
use crate::keys::WireKey;
use crate::limits::{MAX_METADATA, MAX_XML, METADATA_LIFETIME, NO_USER_REALM_LIFETIME};
use crate::metadata::ProviderMetadata;
use crate::secret::Secret;
use crate::source::{Recording, Source};
use crate::store::{Changes, Fact, MemoryChange};
use crate::time::{Millis, UnixTime};
use crate::wstrust::{RequestSecurityToken, SamlToken, TrustEndpoint, UserRealm, choose};

/// Finds out who checks the password, and makes a grant of it.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct Password {
    username: Secret,
    password: Secret,
    scopes: Scopes,
    claims: Option<Secret>,
    deadline: Millis,
    correlation_id: Option<String>,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    AskingRealm(Call, WireKey),
    /// It is known.
    Realm(Box<UserRealm>),
    /// The address of the description, and whose it is.
    AskingMex(Call, String, Box<UserRealm>),
    /// It is known where to send the password.
    Trust(Box<TrustEndpoint>, Box<UserRealm>),
    AskingTrust(Call),
    Noting(Result<(), Error>),
    Spent,
}

impl Password {
    pub(crate) fn new(username: Secret, password: Secret, scopes: Scopes, claims: Option<Secret>) -> Self {
        let (deadline, correlation_id, state) = (Millis(0), None, State::Begin);
        Self { username, password, scopes, claims, deadline, correlation_id, state }
    }

    /// The password goes to the token endpoint.
    fn managed(&self) -> Grant {
        let (username, password) = (self.username.clone(), self.password.clone());
        let routing = UserId::Username(username.clone()).routing("");
        let kind = GrantKind::Password { username, password };
        Grant::new(kind, self.scopes.clone(), self.claims.clone()).routed(Some(routing))
    }

    fn ask_realm(&mut self, cx: &mut Cx<'_>) -> Result<State, Error> {
        let address = UserRealm::address(cx.client.authority().endpoint(), self.username.expose())?;
        let correlation_id = uuid_v4(cx.entropy)?;
        let request = Request::get(address, MAX_METADATA, cx.client.settings().attempt_timeout)
            .header("Accept", "application/json")
            .header("client-request-id", correlation_id.clone());
        self.correlation_id = Some(correlation_id);
        let key = cx.store.memory.key.wire(&request);
        Ok(match cx.store.memory.user_realm(&key, cx.clock.mono) {
            Some(realm) => State::Realm(Box::new(realm.clone())),
            None => State::AskingRealm(Call::new(request, self.deadline), key),
        })
    }

    fn ask_mex(&self, cx: &Cx<'_>, address: Endpoint, realm: Box<UserRealm>) -> Result<State, Error> {
        check_federation(cx.client, &address)?;
        let name = address.to_string();
        if let Some(endpoint) = cx.store.memory.trust(&name, cx.clock.mono) {
            return Ok(State::Trust(Box::new(endpoint.clone()), realm));
        }
        let request = Request::get(address, MAX_XML, cx.client.settings().attempt_timeout);
        Ok(State::AskingMex(Call::new(request, self.deadline), name, realm))
    }

    /// The one request that carries the password to a federation server. An answer of no is remembered by name, password,
    /// audience and address: the same wrong password does not lock the account, another one and another user's are
    /// not held up by it (G-03).
    fn ask_trust(&self, cx: &mut Cx<'_>, realm: &UserRealm, endpoint: &TrustEndpoint) -> Result<Call, Error> {
        check_federation(cx.client, &endpoint.address)?;
        let now = cx.clock.wall.ok_or(Config::ClockUnknown)?;
        let settings = cx.client.settings();
        let (username, password) = (self.username.expose(), &self.password);
        let asked = RequestSecurityToken { endpoint, audience: realm.audience(), username, password };
        let request = asked.to_request(&uuid_v4(cx.entropy)?, now, settings.attempt_timeout)?;
        let call = Call::new(request, self.deadline);
        match settings.throttling {
            false => Ok(call),
            true => {
                let identity = asked.to_request("", UnixTime(0), settings.attempt_timeout)?;
                Ok(call.identified_by(identity).throttled(patience(cx.client)))
            }
        }
    }

    fn note(&mut self, change: MemoryChange, then: Result<(), Error>) -> Step<Grant> {
        self.state = State::Noting(then);
        remember(change)
    }
}

fn remember(change: MemoryChange) -> Step<Grant> {
    Step::Commit(Changes { tokens: Vec::new(), memory: Vec::from([change]) })
}

impl Source for Password {
    fn check(&self, _: &Client) -> Result<(), Error> {
        Ok(())
    }

    fn begins(&mut self, deadline: Millis) {
        self.deadline = deadline;
    }

    fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    fn obtain(&mut self, cx: &mut Cx<'_>, _: &ProviderMetadata, mut input: Input<'_>) -> Result<Step<Grant>, Error> {
        loop {
            match (mem::replace(&mut self.state, State::Spent), input) {
                (State::Begin, Input::Start) if has_no_realms(cx) => return Ok(Step::Done(self.managed())),
                (State::Begin, Input::Start) => self.state = self.ask_realm(cx)?,
                (State::AskingRealm(mut call, key), input) => {
                    let step = call.step(cx, input)?;
                    self.state = State::AskingRealm(call, key);
                    let reply = ready!(step);
                    if reply.status == 404 {
                        let origin = cx.client.authority().endpoint().origin().as_bytes();
                        let change = Fact::NoUserRealm.for_seconds(origin, cx.clock.mono, NO_USER_REALM_LIFETIME);
                        return Ok(self.note(change, Ok(())));
                    }
                    let realm = Box::new(UserRealm::parse(document(&reply, What::UserRealm)?)?);
                    self.state = State::Realm(realm.clone());
                    let fact = Fact::UserRealm(realm);
                    return Ok(remember(fact.for_seconds(key.as_bytes(), cx.clock.mono, METADATA_LIFETIME)));
                }
                // What is not remembered is no reason to fail.
                (State::Realm(realm), Input::Start | Input::Committed(_)) => {
                    if !realm.is_federated() {
                        return Ok(Step::Done(self.managed()));
                    }
                    self.state = match realm.metadata_endpoint()? {
                        Some(address) => self.ask_mex(cx, address, realm)?,
                        None => State::AskingTrust(self.ask_trust(cx, &realm, &realm.active_endpoint()?)?),
                    };
                }
                (State::AskingMex(mut call, name, realm), input) => {
                    let step = call.step(cx, input)?;
                    self.state = State::AskingMex(call, name.clone(), realm.clone());
                    let reply = ready!(step);
                    let endpoint = Box::new(choose(document(&reply, What::Mex)?)?);
                    self.state = State::Trust(endpoint.clone(), realm);
                    let fact = Fact::Trust(endpoint);
                    return Ok(remember(fact.for_seconds(name.as_bytes(), cx.clock.mono, METADATA_LIFETIME)));
                }
                (State::Trust(endpoint, realm), Input::Start | Input::Committed(_)) => {
                    self.state = State::AskingTrust(self.ask_trust(cx, &realm, &endpoint)?);
                }
                (State::AskingTrust(mut call), input) => {
                    let step = call.step(cx, input)?;
                    self.state = State::AskingTrust(call);
                    let Reply { status, retry_after, body, remember, .. } = ready!(step);
                    self.state = State::Spent;
                    return match (SamlToken::read(status, retry_after, body.expose(), &self.password), remember) {
                        (Ok(token), _) => {
                            let kind = token.to_grant();
                            Ok(Step::Done(Grant::new(kind, self.scopes.clone(), self.claims.clone())))
                        }
                        (Err(error), Some(change)) => Ok(self.note(change, Err(error))),
                        (Err(error), None) => Err(error),
                    };
                }
                // What is not remembered is no reason to fail.
                (State::Noting(then), Input::Committed(_)) => return then.map(|()| Step::Done(self.managed())),
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }

    fn recording(&self) -> Recording<'_> {
        Recording { username: Some(self.username.expose()), redeemed: None }
    }
}

/// ADFS checks passwords itself, and other providers than Microsoft's have no realms.
fn has_no_realms(cx: &Cx<'_>) -> bool {
    let authority = cx.client.authority();
    matches!(authority.kind(), AuthorityKind::Adfs | AuthorityKind::Oidc)
        || cx.store.memory.has_no_user_realm(authority.endpoint().origin(), cx.clock.mono)
}

/// Decision 7: passwords, and questions on their way, leave for a federation server only when the application allows it.
fn check_federation(client: &Client, endpoint: &Endpoint) -> Result<(), Error> {
    if federation_allowed(client.settings(), endpoint) {
        return Ok(());
    }
    let rule = if endpoint.is_https() { HostRule::Federation } else { HostRule::NotHttps };
    Err(Config::HostNotAllowed { host: endpoint.host().to_string(), rule }.into())
}

/// The body of an answer that is a document, not an error.
fn document<'r>(reply: &'r Reply<'_>, what: What) -> Result<&'r [u8], Error> {
    match reply.status {
        200..300 => Ok(reply.body.expose()),
        429 | 500.. => Err(Error::Throttled { status: reply.status, retry_after: reply.retry_after, refusal: None }),
        _ => Err(Error::BadResponse { what, at: "its HTTP status" }),
    }
}
