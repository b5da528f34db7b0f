//! What the token endpoint answers when it says yes: RFC 6749 s5.1, with Microsoft's members.

#[cfg(feature = "managed")]
mod date;
mod lifetime;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::base64;
use crate::error::{Error, What};
use crate::json::{self, JsonError, Members, Value};
use crate::limits::MAX_RESPONSE;
use crate::secret::Secret;
use crate::text;
use crate::time::UnixTime;

/// A token response. All members are kept, the unknown ones too; `Debug` shows their names only.
#[derive(Clone, Default, PartialEq)]
pub struct TokenResponse(Members);

/// Who signed in, as Microsoft's servers say it in `client_info`. An identifier, not a proof.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// The user, unique in the home tenant; for B2C `{oid}-{policy}`.
    pub uid: String,
    /// The user's home tenant.
    pub utid: String,
}

impl TokenResponse {
    /// Reads the body of an answer. Does not judge `error`: a refusal parses as well.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when the body is too long, nested too deeply, not JSON or not an object.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        json::parse_object(body, MAX_RESPONSE).map(Self).map_err(|why| bad(reason(why)))
    }

    /// A response that did not come as a body: from a broker or a managed identity.
    pub fn from_members(members: Members) -> Self {
        Self(members)
    }

    /// All members.
    pub fn members(&self) -> &Members {
        &self.0
    }

    pub(crate) fn into_members(self) -> Members {
        self.0
    }

    /// The refresh token, which is not in the answer any more.
    pub(crate) fn take_refresh_token(&mut self) -> Option<Secret> {
        self.refresh_token()?;
        match self.0.take("refresh_token")? {
            Value::String(token) => Some(Secret::new(token)),
            _ => None,
        }
    }

    pub(crate) fn give_back_refresh_token(&mut self, token: &Secret) {
        self.0.set("refresh_token", token.expose());
    }

    /// `access_token`, unless it is absent, empty or not a text.
    pub fn access_token(&self) -> Option<&str> {
        self.filled("access_token")
    }

    /// `token_type`; `Bearer` when the server does not say (RFC 6749 s5.1 requires it, some servers leave it out).
    pub fn token_type(&self) -> &str {
        self.filled("token_type").unwrap_or("Bearer")
    }

    /// `refresh_token`, unless it is absent, empty or not a text.
    pub fn refresh_token(&self) -> Option<&str> {
        self.filled("refresh_token")
    }

    /// `id_token` (OpenID Connect Core s3.1.3.3), unless it is absent, empty or not a text.
    pub fn id_token(&self) -> Option<&str> {
        self.filled("id_token")
    }

    /// The scopes that it was given for: its own words, or what was asked.
    pub(crate) fn granted<'a>(&'a self, asked: &'a [String], lenient: bool) -> Vec<Cow<'a, str>> {
        match self.members().text("scope") {
            Some(scope) if lenient || !scope.is_empty() => text::words(scope).map(Cow::Borrowed).collect(),
            _ => asked.iter().map(|scope| Cow::Borrowed(scope.as_str())).collect(),
        }
    }

    /// `scope`: what was granted, where it differs from what was asked (RFC 6749 s5.1). Space-separated.
    pub fn scope(&self) -> Option<&str> {
        self.filled("scope")
    }

    /// `foci`: the family of clients that share the refresh token.
    pub fn foci(&self) -> Option<&str> {
        self.filled("foci")
    }

    /// Seconds the access token lives from `now` on: `expires_in`, else `expires_on` − now, else 600.
    ///
    /// Numbers may be written as texts or have a fraction, which is cut off; `expires_on` may be a date, as older
    /// App Service hosts write it. Negative when the token is expired already.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when a lifetime is there and cannot be read.
    pub fn expires_in(&self, now: UnixTime) -> Result<i64, Error> {
        if let Some(value) = self.given("expires_in") {
            return lifetime::seconds(value).ok_or_else(|| bad("expires_in is not a number"));
        }
        match self.given("expires_on").filter(|value| is_truthy(value)) {
            None => Ok(lifetime::UNSAID),
            Some(value) => {
                let end = lifetime::instant(value).ok_or_else(|| bad("expires_on is neither a number nor a date"))?;
                Ok(end.saturating_sub(i64::try_from(now.0).unwrap_or(i64::MAX)))
            }
        }
    }

    /// Seconds the access token may be used while the service is down (`ext_expires_in`); as long as it lives
    /// otherwise, if the server does not say.
    ///
    /// # Errors
    /// As [`expires_in`](Self::expires_in).
    pub fn ext_expires_in(&self, now: UnixTime) -> Result<i64, Error> {
        match self.given("ext_expires_in") {
            Some(value) => lifetime::seconds(value).ok_or_else(|| bad("ext_expires_in is not a number")),
            None => self.expires_in(now),
        }
    }

    /// Seconds until the token should be renewed although it still lives (`refresh_in`), where the server says so.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when it is not a JSON number: as in the reference a text does not do here.
    pub fn refresh_in(&self) -> Result<Option<i64>, Error> {
        let Some(value) = self.given("refresh_in") else { return Ok(None) };
        let seconds = value.is_number().then(|| lifetime::seconds(value)).flatten();
        seconds.map(Some).ok_or_else(|| bad("refresh_in is not a number"))
    }

    /// `client_info`: base64url of a JSON object. `None` when it is absent or lacks `uid` or `utid`.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when it cannot be read.
    pub fn client_info(&self) -> Result<Option<ClientInfo>, Error> {
        let Some(members) = self.client_info_members()? else { return Ok(None) };
        match (members.get("uid"), members.get("utid")) {
            (Some(Value::String(uid)), Some(Value::String(utid))) => {
                Ok(Some(ClientInfo { uid: uid.clone(), utid: utid.clone() }))
            }
            (None, _) | (_, None) => Ok(None),
            _ => Err(bad_client_info("uid or utid is not a text")),
        }
    }

    /// The raw object behind [`client_info`](Self::client_info).
    fn client_info_members(&self) -> Result<Option<Members>, Error> {
        let text = match self.given("client_info") {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(_) => return Err(bad_client_info("not a text")),
        };
        let bytes =
            base64::url_decode_by_table(text::trim_end(text, b'=')).ok_or_else(|| bad_client_info("not base64url"))?;
        json::parse_object(&bytes, MAX_RESPONSE).map(Some).map_err(|why| bad_client_info(reason(why)))
    }

    /// A member that is neither absent nor null.
    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn filled(&self, name: &str) -> Option<&str> {
        self.0.text(name).filter(|text| !text.is_empty())
    }
}

impl From<Members> for TokenResponse {
    fn from(members: Members) -> Self {
        Self(members)
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenResponse")?;
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Identifiers are personal data.
impl fmt::Debug for ClientInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientInfo(..)")
    }
}

/// A number, wherever a server or another library wrote one: `3600`, `3600.9`, `"3600"`. The fraction is cut off.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    lifetime::seconds(value)
}

/// What counts as "there" in MSAL's language: not null, not zero, not empty.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => !json::is_zero(number),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

fn bad(at: &'static str) -> Error {
    Error::BadResponse { what: What::TokenResponse, at }
}

fn bad_client_info(at: &'static str) -> Error {
    Error::BadResponse { what: What::ClientInfo, at }
}

pub(crate) const fn reason(why: JsonError) -> &'static str {
    match why {
        JsonError::TooLong => "too long",
        JsonError::TooDeep => "nested too deeply",
        JsonError::Malformed => "not JSON",
        JsonError::NotAnObject => "not a JSON object",
        JsonError::Repeated => "a member stands twice in it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn response(text: &str) -> TokenResponse {
        TokenResponse::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn bodies() {
        for (body, expected) in [
            ("{}", "ok"),
            (r#"{"error":"invalid_grant"}"#, "ok"),
            ("", "the token response breaks the protocol: not JSON"),
            ("<html>", "the token response breaks the protocol: not JSON"),
            ("[]", "the token response breaks the protocol: not a JSON object"),
            ("\"x\"", "the token response breaks the protocol: not a JSON object"),
        ] {
            let got = TokenResponse::parse(body.as_bytes()).map_or_else(|e| e.to_string(), |_| "ok".into());
            assert_eq!(got, expected, "{body}");
        }
        assert!(TokenResponse::parse(&[b' '; MAX_RESPONSE + 1]).is_err());
    }

    #[test]
    fn lifetimes() {
        // Section 5.3 of the reference; transcripts token_cache__add__expires_*. The clock says 1000.
        let cases: &[(&str, Option<i64>)] = &[
            ("{}", Some(600)),
            (r#"{"expires_in":3600}"#, Some(3600)),
            (r#"{"expires_in":"3600"}"#, Some(3600)),
            (r#"{"expires_in":" +3600 "}"#, Some(3600)),
            (r#"{"expires_in":3600.9}"#, Some(3600)),
            (r#"{"expires_in":-5}"#, Some(-5)),
            (r#"{"expires_in":0,"expires_on":5000}"#, Some(0)),
            (r#"{"expires_in":null,"expires_on":"5000"}"#, Some(4000)),
            (r#"{"expires_in":1e300}"#, Some(i64::MAX)),
            (r#"{"expires_in":"99999999999999999999"}"#, None),
            (r#"{"expires_in":"3600.9"}"#, None),
            (r#"{"expires_in":"soon"}"#, None),
            (r#"{"expires_in":""}"#, None),
            (r#"{"expires_in":[3600]}"#, None),
            (r#"{"expires_on":"5000"}"#, Some(4000)),
            (r#"{"expires_on":5000}"#, Some(4000)),
            (r#"{"expires_on":500}"#, Some(-500)),
            (r#"{"expires_on":""}"#, Some(600)),
            (r#"{"expires_on":0}"#, Some(600)),
            #[cfg(feature = "managed")]
            (r#"{"expires_on":"1/1/1970 1:00:00 AM +00:00"}"#, Some(2600)),
            (r#"{"expires_on":"tomorrow"}"#, None),
        ];
        for (body, expected) in cases {
            assert_eq!(response(body).expires_in(UnixTime(1000)).ok(), *expected, "{body}");
        }
    }

    #[test]
    fn extended_lifetimes() {
        for (body, expected) in [
            (r#"{"expires_in":60}"#, Some(60)),
            (r#"{"expires_in":60,"ext_expires_in":"90"}"#, Some(90)),
            (r#"{"expires_in":60,"ext_expires_in":"x"}"#, None),
        ] {
            assert_eq!(response(body).ext_expires_in(UnixTime(0)).ok(), expected, "{body}");
        }
    }

    #[test]
    fn refresh_in() {
        for (body, expected) in [
            ("{}", Some(None)),
            (r#"{"refresh_in":null}"#, Some(None)),
            (r#"{"refresh_in":1800}"#, Some(Some(1800))),
            (r#"{"refresh_in":1800.5}"#, Some(Some(1800))),
            (r#"{"refresh_in":-1}"#, Some(Some(-1))),
            (r#"{"refresh_in":"1800"}"#, None),
            (r#"{"refresh_in":true}"#, None),
        ] {
            assert_eq!(response(body).refresh_in().ok(), expected, "{body}");
        }
    }

    #[test]
    fn client_info() {
        let both = Some(Some(("u", "t")));
        type Expected<'a> = Option<Option<(&'a str, &'a str)>>;
        let cases: &[(&str, Expected<'_>)] = &[
            ("{}", Some(None)),
            (r#"{"client_info":null}"#, Some(None)),
            (r#"{"client_info":"eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ"}"#, both),
            (r#"{"client_info":"eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ=="}"#, both),
            (r#"{"client_info":"eyJ1aWQiOiJ1In0"}"#, Some(None)), // {"uid":"u"}
            (r#"{"client_info":"eyJ1aWQiOjEsInV0aWQiOiJ0In0"}"#, None), // {"uid":1,"utid":"t"}
            (r#"{"client_info":"W10"}"#, None),                   // []
            (r#"{"client_info":"!"}"#, None),
            (r#"{"client_info":""}"#, None),
            (r#"{"client_info":7}"#, None),
        ];
        for (body, expected) in cases {
            let got = response(body).client_info();
            let got = got.as_ref().map(|i| i.as_ref().map(|i| (i.uid.as_str(), i.utid.as_str()))).ok();
            assert_eq!(got, *expected, "{body}");
        }
    }

    #[test]
    fn members_and_defaults() {
        let r = response(r#"{"access_token":"a","refresh_token":"","id_token":7,"foci":"1","x":1}"#);
        assert_eq!((r.access_token(), r.refresh_token(), r.id_token()), (Some("a"), None, None));
        assert_eq!((r.token_type(), r.foci(), r.scope()), ("Bearer", Some("1"), None));
        assert!(r.members().contains("x"));
    }

    #[test]
    fn debug_shows_names_only() {
        let r = response(r#"{"access_token":"planted","client_info":"planted"}"#);
        assert_eq!(format!("{r:?}"), r#"TokenResponse{"access_token", "client_info"}"#);
        let info = ClientInfo { uid: "planted".into(), utid: "planted".into() };
        assert_eq!(format!("{info:?}"), "ClientInfo(..)");
    }
}
