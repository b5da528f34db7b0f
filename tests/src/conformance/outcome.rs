//! What a call came to, made only of what the core gave out.

use sansal::Token;
use sansal::error::{CertError, Error, IdTokenError, JwtError, Refusal, SendError};
use serde_json::{Map, Value};

use super::exceptions::REFUSED_BY_TYPE;

/// What a call came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It returned.
    Value(Value),
    /// It failed.
    Failed(Failure),
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The variant, as in the table of [`exceptions`](super::exceptions).
    pub kind: String,
    /// The error's own sentence.
    pub message: String,
    /// Whether no answer came over the network.
    pub transport: bool,
}

/// Why a replay ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Something was seen that is not in the recording.
    Different(String),
    /// The recording needs what is not built.
    Unsupported(String),
}

impl Stop {
    /// A recording that breaks the format is a difference.
    pub fn malformed(why: impl Into<String>) -> Self {
        Self::Different(format!("malformed transcript: {}", why.into()))
    }
}

impl Outcome {
    /// Python's `None`.
    pub const NONE: Self = Self::Value(Value::Null);

    /// The arguments cannot be written in Rust.
    pub fn refused_by_type(message: &str) -> Self {
        Self::Failed(Failure { kind: REFUSED_BY_TYPE.into(), message: message.into(), transport: false })
    }

    /// What a token call came to: OAuth errors are results there (section 11.3 of the reference).
    pub fn of_token(result: Result<Token, Error>) -> Self {
        match result {
            Ok(token) => Self::Value(token_result(&token)),
            Err(error) => match as_result(&error) {
                Some(refusal) => Self::Value(refusal_result(refusal)),
                None => Self::Failed(error.into()),
            },
        }
    }
}

impl Outcome {
    /// What a call of a flow without a cache came to: `classification` is in the results of silent calls and client
    /// credentials only (section 11.3 of the reference).
    pub fn of_direct_token(result: Result<Token, Error>) -> Self {
        match Self::of_token(result) {
            Self::Value(Value::Object(mut members)) => {
                members.remove("classification");
                Self::Value(Value::Object(members))
            }
            other => other,
        }
    }

    /// What a managed identity came to: whatever words came are a result there, at any status (section 4.14.4).
    pub fn of_managed_identity(result: Result<Token, Error>) -> Self {
        match result {
            Ok(token) => Self::Value(token_result(&token)),
            Err(error) => match error.refusal() {
                Some(refusal) => Self::Value(refusal_result(refusal)),
                None => Self::Failed(error.into()),
            },
        }
    }
}

/// The words of the server, where the reference returns them instead of raising: any status but 5xx.
fn as_result(error: &Error) -> Option<&Refusal> {
    error.refusal().filter(|refusal| refusal.status() < 500)
}

/// Section 12 of the reference.
fn token_result(token: &Token) -> Value {
    let mut members = token.members().as_map().clone();
    // The member counts, not what is in it: a null token still has a source.
    if members.contains_key("access_token") {
        members.insert("token_source".into(), token.source().as_str().into());
    }
    if let Some(claims) = token.id_token_claims() {
        members.insert("id_token_claims".into(), Value::Object(claims.as_map().clone()));
    }
    if let Some(refresh_on) = token.refresh_on() {
        members.insert("refresh_on".into(), refresh_on.0.into());
    }
    Value::Object(members)
}

fn refusal_result(refusal: &Refusal) -> Value {
    let members = refusal.members().as_map().iter().filter(|(name, _)| !name.starts_with('_'));
    let mut members: Map<String, Value> = members.map(|(name, value)| (name.clone(), value.clone())).collect();
    // Any map with this member has a source in the reference, an error or not (section 1.8).
    if members.contains_key("access_token") {
        members.insert("token_source".into(), "identity_provider".into());
    }
    if let Some(classification) = refusal.classification() {
        members.insert("classification".into(), classification.into());
    }
    Value::Object(members)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Throttled { status, .. } if *status >= 500 => "Throttled.5xx".to_string(),
            Error::Throttled { status, .. } => format!("Throttled.{status}"),
            Error::Unreachable { why, .. } => format!("Unreachable.{}", variant(why)),
            Error::BadResponse { what, .. } => format!("BadResponse.{}", variant(what)),
            Error::Config(sansal::error::Config::Certificate(why)) => format!("Config.Certificate.{}", variant(why)),
            Error::Config(why) => format!("Config.{}", variant(why)),
            Error::Unanswered { ask: "file", why } => format!("Unanswered.File.{}", variant(why)),
            Error::Unanswered { ask: "browser", why } => format!("Unanswered.Browser.{}", variant(why)),
            Error::IdToken(why) => id_token_kind(why),
            other => variant(other),
        };
        let transport = matches!(&error, Error::Unreachable { why: SendError::NotSent | SendError::NoAnswer, .. });
        Self { kind, message: error.to_string(), transport }
    }
}

impl Failure {
    /// A file of the application could not be read.
    pub fn file(why: &std::io::Error) -> Self {
        Self { kind: format!("File.{}", variant(why.kind())), message: why.to_string(), transport: false }
    }
}

impl From<JwtError> for Failure {
    fn from(why: JwtError) -> Self {
        Self { kind: format!("Jwt.{}", variant(why)), message: why.to_string(), transport: false }
    }
}

impl From<CertError> for Failure {
    fn from(why: CertError) -> Self {
        Error::from(why).into()
    }
}

impl From<IdTokenError> for Failure {
    fn from(why: IdTokenError) -> Self {
        Error::from(why).into()
    }
}

fn id_token_kind(why: &IdTokenError) -> String {
    match why {
        IdTokenError::Jwt(why) => format!("IdToken.Jwt.{}", variant(why)),
        other => format!("IdToken.{}", variant(other)),
    }
}

/// The name of a variant: what `Debug` begins with.
fn variant(value: impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansal::error::{Config, What};

    #[test]
    fn kinds() {
        let cases: [(Error, &str, bool); 7] = [
            (Error::Throttled { status: 503, retry_after: None, refusal: None }, "Throttled.5xx", false),
            (Error::Throttled { status: 429, retry_after: None, refusal: None }, "Throttled.429", false),
            (Error::Unreachable { host: "h".into(), why: SendError::NoAnswer }, "Unreachable.NoAnswer", true),
            (Error::Unreachable { host: "h".into(), why: SendError::TooLarge }, "Unreachable.TooLarge", false),
            (Error::BadResponse { what: What::ProviderMetadata, at: "x" }, "BadResponse.ProviderMetadata", false),
            (Config::Certificate(CertError::BadKey).into(), "Config.Certificate.BadKey", false),
            (IdTokenError::Jwt(JwtError::NoPayload).into(), "IdToken.Jwt.NoPayload", false),
        ];
        for (error, kind, transport) in cases {
            let failure = Failure::from(error);
            assert_eq!((failure.kind.as_str(), failure.transport), (kind, transport));
        }
    }
}
