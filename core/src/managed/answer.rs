//! What requests to all sources have in common, and their answers: a token in four members, or words about why not
//! (sections 4.14.3 and 4.14.4 of the reference).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};

use super::environment::ManagedIdentityEnvironment;
use super::identity::ManagedIdentity;
use crate::call::Reply;
use crate::client::Settings;
use crate::endpoint::Endpoint;
use crate::error::{Config, Error, Refusal, What};
use crate::http::{Proxy, Request};
use crate::json::{self, Members, Value};
use crate::limits::MAX_RESPONSE;
use crate::metadata::json_rule;
use crate::secret::Secret;
use crate::time::UnixTime;
use crate::token::TokenResponse;

/// Bytes of an answer that are quoted in an error.
const MAX_QUOTED: usize = 1024;

/// What is asked, as the platforms need it.
pub(super) struct Asked<'a> {
    pub(super) environment: &'a ManagedIdentityEnvironment,
    pub(super) identity: &'a ManagedIdentity,
    pub(super) resource: &'a str,
    /// The hash of a token that a resource refused.
    pub(super) refused_sha256: Option<&'a str>,
    pub(super) settings: &'a Settings,
}

impl Asked<'_> {
    /// A `GET` with these parameters. It never goes through a proxy: what it carries is meant for this machine's neighbour.
    pub(super) fn get(&self, endpoint: &Endpoint, parameters: &[(&str, &str)]) -> Result<Request, Error> {
        let endpoint = endpoint.with_query(parameters).map_err(|_| unusable("the request is longer than allowed"))?;
        let mut request = Request::get(endpoint, MAX_RESPONSE, self.settings.attempt_timeout);
        request.proxy = Proxy::Never;
        Ok(request)
    }
}

/// The address in a variable.
pub(super) fn endpoint(text: Option<&str>, why: &'static str) -> Result<Endpoint, Error> {
    Endpoint::parse(text.unwrap_or_default()).map_err(|_| unusable(why))
}

/// A secret as the value of a header (RFC 9110 s5.5).
pub(super) fn header_value(secret: Option<&Secret>, why: &'static str) -> Result<Secret, Error> {
    let secret = secret.cloned().unwrap_or_default();
    if secret.expose().bytes().all(|b| (0x20..0x7F).contains(&b)) { Ok(secret) } else { Err(unusable(why)) }
}

pub(super) fn unusable(why: &'static str) -> Error {
    Config::ManagedIdentity(why).into()
}

pub(super) const fn bad(at: &'static str) -> Error {
    Error::BadResponse { what: What::ManagedIdentity, at }
}

/// An answer of a source.
pub(super) struct Answer<'a> {
    pub(super) reply: &'a Reply<'a>,
    pub(super) now: UnixTime,
    /// Whether odd answers are taken as the reference takes them.
    pub(super) lenient: bool,
    /// The secret that was sent, should the answer repeat it.
    pub(super) sent: Option<&'a Secret>,
}

impl Answer<'_> {
    /// Whether it can be a token at all. The reference does not look at the status.
    pub(super) fn may_be_token(&self) -> bool {
        self.lenient || (200..300).contains(&self.reply.status)
    }

    /// 410 is what the metadata service says while it is being updated.
    fn is_busy(&self) -> bool {
        matches!(self.reply.status, 410 | 429 | 500..)
    }

    /// The body as a JSON object.
    pub(super) fn payload(&self) -> Result<Members, Error> {
        json::parse_object(self.reply.body.expose(), MAX_RESPONSE).map_err(|why| match self.is_busy() {
            true => self.throttled(None),
            false => bad(json_rule(why)),
        })
    }

    fn throttled(&self, refusal: Option<Box<Refusal>>) -> Error {
        Error::Throttled { status: self.reply.status, retry_after: self.reply.retry_after, refusal }
    }

    /// A refusal in the words of OAuth, which the source does not speak.
    pub(super) fn refused(&self, error: &str, description: Option<String>) -> Error {
        let mut members = Members::new();
        members.set("error", error);
        if let Some(description) = description {
            members.set("error_description", description);
        }
        self.refused_as(members)
    }

    /// A refusal in the source's own words.
    pub(super) fn refused_as(&self, members: Members) -> Error {
        let refusal = Refusal::new(self.reply.status, members, self.sent.into_iter());
        let refusal = Box::new(refusal.patient(self.reply.retry_after));
        if self.is_busy() { self.throttled(Some(refusal)) } else { Error::Refused(refusal) }
    }

    /// A token as all sources give it, or `None`. `lifetime` is the member that says how long it lives.
    pub(super) fn token(&self, payload: &Members, lifetime: &str) -> Result<Option<Members>, Error> {
        let access_token = payload.text("access_token").filter(|token| !token.is_empty());
        let says = payload.get(lifetime).filter(|value| is_filled(value));
        let (true, Some(access_token), Some(says)) = (self.may_be_token(), access_token, says) else { return Ok(None) };
        let mut of_life = Members::new();
        of_life.set(lifetime, says.clone());
        let expires_in = TokenResponse::from_members(of_life).expires_in(self.now).map_err(|_| bad("its lifetime"))?;
        let mut members = Members::new();
        members.set("access_token", access_token);
        members.set("expires_in", expires_in);
        members.set("resource", payload.get("resource").cloned().unwrap_or_default());
        members.set("token_type", payload.get("token_type").cloned().unwrap_or_else(|| "Bearer".into()));
        Ok(Some(members))
    }

    /// The body in an error: as a whole to compare with the reference, else cut, and not at all if there is a token in it.
    pub(super) fn quoted(&self) -> Option<String> {
        let text = core::str::from_utf8(self.reply.body.expose()).ok()?;
        if self.lenient {
            return Some(text.to_string());
        }
        if text.contains("access_token") {
            return None;
        }
        let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_QUOTED).last()?;
        Some(if text.len() > MAX_QUOTED { format!("{}…", text.get(..end)?) } else { text.to_string() })
    }

    /// Neither a token nor a refusal.
    pub(super) fn neither(&self) -> Error {
        if self.is_busy() { self.throttled(None) } else { bad("there is neither a token nor an error in it") }
    }
}

/// Python's truth, for what can be a lifetime.
fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => !json::is_zero(number),
        _ => true,
    }
}
