//! The user of Cloud Shell: a token without browser or code, since the shell knows who sits there (section 4.13 of the reference).
//!
//! ```text
//! Begin → Discovering (the authority) → Calling → Committing → done
//! ```

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use super::answer::Answer;
use super::cloud_shell;
use crate::base64::{std_encode, url_encode};
use crate::cache::{Scheme, TokenChange, TokenEvent};
use crate::call::{Call, Reply};
use crate::client::{Client, Scopes};
use crate::discover::Discover;
use crate::error::{Config, Error, What};
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::issued::{Token, TokenSource};
use crate::jose::Compact;
use crate::json::{Map, Members, Value, object};
use crate::secret::Secret;
use crate::store::{Changes, MemoryChange};
use crate::time::{Millis, UnixTime};
use crate::token::TokenResponse;

/// MSAL's `authority_type` of such accounts.
pub const AUTHORITY_TYPE: &str = "CLOUDSHELL";
/// Seconds that an error answer without `Retry-After` is remembered.
const PATIENCE: u64 = 60;

/// A token of the user of Cloud Shell: what `acquire_token_interactive(prompt="none")` means there, and a silent request for
/// an account whose `authority_type` is [`AUTHORITY_TYPE`]. Whether this is Cloud Shell is for the caller to know:
/// [`get_managed_identity_source`](super::get_managed_identity_source).
#[derive(Clone, Debug)]
pub struct CloudShellRequest {
    scopes: Scopes,
    data: Vec<(String, Secret)>,
}

impl CloudShellRequest {
    /// For these scopes.
    ///
    /// # Errors
    /// [`Error::Config`] when one is not a scope-token of RFC 6749 s3.3.
    pub fn new<S: AsRef<str>>(scopes: &[S]) -> Result<Self, Error> {
        Ok(Self { scopes: Scopes::parse(scopes)?, data: Vec::new() })
    }

    /// A further member of the request: `token_type`, `req_cnf`, `key_id`.
    #[must_use]
    pub fn data(mut self, name: &str, value: impl Into<Secret>) -> Self {
        self.data.push((name.to_string(), value.into()));
        self
    }

    /// The machine that gets the token.
    pub fn flow(&self) -> AcquireCloudShell {
        AcquireCloudShell { wanted: self.clone(), deadline: Millis(0), memory: Vec::new(), state: State::Begin }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.data.iter().find(|(field, _)| field == name).map(|(_, value)| value.expose())
    }
}

/// A token of the user of Cloud Shell on its way.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct AcquireCloudShell {
    wanted: CloudShellRequest,
    deadline: Millis,
    memory: Vec<MemoryChange>,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Discovering(Discover),
    Calling(Call, String),
    Committing(Result<Token, Error>),
    Spent,
}

impl AcquireCloudShell {
    fn call(&self, cx: &Cx<'_>) -> Result<Call, Error> {
        let resources: Vec<String> = self.wanted.scopes.list().iter().map(|s| cloud_shell::resource_of(s)).collect();
        let resources = resources.join(" ");
        let data = self.wanted.data.iter().map(|(name, value)| (name.as_str(), value.expose()));
        let settings = cx.client.settings();
        let request = cloud_shell::request(settings, data.chain([("resource", resources.as_str())]))?;
        let call = Call::new(request, self.deadline);
        Ok(if settings.throttling { call.throttled(PATIENCE) } else { call })
    }

    fn read(&self, cx: &Cx<'_>, endpoint: &str, reply: &Reply<'_>) -> Result<(Token, Vec<TokenChange>), Error> {
        let now = cx.clock.wall.ok_or(Config::ClockUnknown)?;
        let lenient = cx.client.settings().lenient_answers;
        let payload = cloud_shell::read(&Answer { reply, now, lenient, sent: None })?;
        let mut members = Members::new();
        members.set("access_token", payload.text("access_token").unwrap_or_default());
        let lifetime = Members::from(Map::from_iter(
            payload.get("expires_in").map(|value| ("expires_in".to_string(), value.clone())),
        ));
        let expires_in = TokenResponse::from_members(lifetime).expires_in(now).map_err(|_| bad("expires_in"))?;
        members.set("expires_in", expires_in);
        members.set("token_type", payload.text("token_type").unwrap_or("Bearer"));
        if let Some(refresh_token) = payload.text("refresh_token").filter(|text| !text.is_empty()) {
            members.set("refresh_token", refresh_token);
        }
        let wanted_type = self.wanted.field("token_type").unwrap_or("Bearer");
        let fits = |given: &str| given == wanted_type || (!lenient && given.eq_ignore_ascii_case(wanted_type));
        if !members.text("token_type").is_some_and(fits) {
            // A silent downgrade would be worse than no token (decision 8).
            let answer = Answer { reply, now, lenient, sent: None };
            let why = format!("Cloud Shell gave another kind of token than {wanted_type}");
            return Err(answer.refused("broker_error", Some(why)));
        }
        let user = User::of(members.text("access_token").unwrap_or_default(), cx.client, now, lenient)?;
        members.set("id_token_claims", user.claims.clone());
        let stored = user.stored(&members);
        members.set("client_info", std_encode(user.client_info().as_bytes()));
        let changes = self.record(cx, endpoint, &stored, now)?;
        let claims = match user.claims {
            Value::Object(claims) => Some(Members::from(claims)),
            _ => None,
        };
        Ok((Token::of_parts(members, TokenSource::Broker, now.shifted(expires_in), None, claims), changes))
    }

    fn record(
        &self,
        cx: &Cx<'_>,
        endpoint: &str,
        response: &TokenResponse,
        now: UnixTime,
    ) -> Result<Vec<TokenChange>, Error> {
        let scopes: Vec<&str> = self.wanted.scopes.list().iter().map(String::as_str).collect();
        let data: Vec<(&str, &str)> =
            self.wanted.data.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        let scheme = match (self.wanted.field("token_type"), self.wanted.field("key_id")) {
            (Some(token_type), Some(key_id)) if !cx.client.settings().lenient_answers => {
                Scheme::Bound { token_type, key_id }
            }
            _ => Scheme::Bearer,
        };
        let event = TokenEvent {
            client_id: Some(cx.client.client_id()),
            scopes: &scopes,
            token_endpoint: Some(endpoint),
            data: &data,
            authority_type: Some(AUTHORITY_TYPE),
            scheme,
            ..TokenEvent::new(response)
        };
        cx.store.tokens.record(&event, now)
    }

    fn finish(&mut self, result: Result<(Token, Vec<TokenChange>), Error>) -> Step<Token> {
        let (result, tokens) = match result {
            Ok((token, changes)) => (Ok(token), changes),
            Err(error) => (Err(error), Vec::new()),
        };
        self.state = State::Committing(result);
        Step::Commit(Changes { tokens, memory: mem::take(&mut self.memory) })
    }
}

impl Flow for AcquireCloudShell {
    type Output = Token;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<Token>, Error> {
        loop {
            match (mem::replace(&mut self.state, State::Spent), input) {
                (State::Begin, Input::Start) => {
                    self.deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                    self.state = State::Discovering(Discover::within(self.deadline));
                }
                (State::Discovering(mut discover), input) => {
                    let step = discover.step(cx, input)?;
                    self.state = State::Discovering(discover);
                    let metadata = ready!(step);
                    self.state = State::Calling(self.call(cx)?, metadata.token_endpoint.to_string());
                }
                (State::Calling(mut call, endpoint), input) => {
                    let step = call.step(cx, input)?;
                    self.state = State::Calling(call, endpoint.clone());
                    let mut reply = ready!(step);
                    self.memory.extend(reply.remember.take());
                    let result = self.read(cx, &endpoint, &reply);
                    return Ok(self.finish(result));
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

/// Who sits there, as far as the access token tells: what an ID token would say.
struct User {
    claims: Value,
    uid: Value,
    utid: Value,
}

impl User {
    /// An access token that can be read names the user; one that cannot is that of somebody.
    fn of(access_token: &str, client: &Client, now: UnixTime, lenient: bool) -> Result<Self, Error> {
        let token = payload_of(access_token);
        let token = token.as_ref();
        // A null is a value to the reference, and a missing claim of the first four its end.
        let claim = |name: &str| token.and_then(|t| t.get(name)).filter(|value| lenient || !value.is_null()).cloned();
        let needed = |name: &'static str, default: Value| match (token, claim(name)) {
            (_, Some(value)) => Ok(value),
            (Some(_), None) if lenient => Err(bad(name)),
            _ => Ok(default),
        };
        let name = |name| claim(name).filter(|value| value.as_str().is_some_and(|text| !text.is_empty()));
        let tid = claim("tid").unwrap_or_else(|| "cloudshell".into());
        let claims = object([
            ("iss", needed("iss", "cloudshell".into())?),
            ("sub", needed("sub", "user".into())?),
            ("aud", client.client_id().into()),
            ("exp", needed("exp", now.after(3600).0.into())?),
            ("iat", needed("iat", now.0.into())?),
            (
                "preferred_username",
                name("preferred_username")
                    .or_else(|| name("unique_name"))
                    .unwrap_or_else(|| "currentuser@cloudshell".into()),
            ),
            ("tid", tid.clone()),
        ]);
        Ok(Self { claims, uid: claim("oid").unwrap_or_else(|| "user".into()), utid: tid })
    }

    /// Spaced as the reference writes JSON.
    fn client_info(&self) -> String {
        format!(r#"{{"uid": {}, "utid": {}}}"#, self.uid, self.utid)
    }

    /// The response as the cache takes it: a null is `None` there.
    fn stored(&self, members: &Members) -> TokenResponse {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => "None".to_string(),
            other => other.to_string(),
        };
        let info = object([("uid", text(&self.uid).into()), ("utid", text(&self.utid).into())]).to_string();
        let mut members = members.clone();
        members.set("client_info", url_encode(info.as_bytes()));
        TokenResponse::from_members(members)
    }
}

/// The claims of an access token, should it be a JWT. Nothing says that it is one, and its signature is not for us.
fn payload_of(access_token: &str) -> Option<Members> {
    Compact::parse(access_token).ok()?.decode_payload().ok()
}

const fn bad(at: &'static str) -> Error {
    Error::BadResponse { what: What::CloudShell, at }
}
