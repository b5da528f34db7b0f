//! How a tape describes an application, and the client that is made of it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use sansal::Secret;
use sansal::client::{Client, Credential, Settings};
use sansal::error::Error;
use sansal::json::{Members, Value};

/// A tape that cannot be read: the place where it breaks its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTape(pub &'static str);

impl fmt::Display for BadTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the tape is broken: {}", self.0)
    }
}

/// A member that is a text, or none.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    member(value, name)?.as_str()
}

pub(crate) fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object()?.get(name)
}

/// A member that is a list, empty if it is not there.
pub(crate) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    member(value, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of a member that is a list.
pub(crate) fn texts(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().filter_map(Value::as_str).map(String::from).collect()
}

/// The application that a tape describes, or why it cannot be built.
///
/// # Errors
/// [`BadTape`] when it is no description.
pub fn client(spec: &Value) -> Result<Result<Client, Error>, BadTape> {
    let id = text(spec, "client_id").ok_or(BadTape("a client without id"))?;
    let settings = Settings {
        platform: "test".into(),
        client_capabilities: texts(spec, "client_capabilities"),
        ..Settings::reference()
    };
    let mut builder = Client::builder(id).settings(settings);
    if let Some(authority) = text(spec, "authority") {
        builder = builder.authority(authority);
    }
    if let Some(issuer) = text(spec, "oidc_authority") {
        builder = builder.oidc_authority(issuer);
    }
    if let Some(Value::Object(claims)) = member(spec, "client_claims") {
        builder = builder.client_claims(Members::from(claims.clone()));
    }
    Ok(match credential(member(spec, "credential").ok_or(BadTape("a client without credential"))?)? {
        Ok(credential) => builder.credential(credential).build(),
        Err(error) => Err(error),
    })
}

fn credential(spec: &Value) -> Result<Result<Credential, Error>, BadTape> {
    let own = |name| text(spec, name);
    if let Some(key) = own("key") {
        let passphrase = own("passphrase").map(Secret::from);
        let (thumbprint, certificate) = (own("thumbprint"), own("certificate"));
        return Ok(Credential::certificate(key.as_bytes(), passphrase.as_ref(), thumbprint, certificate));
    }
    Ok(Ok(match (own("secret"), own("assertion"), own("kind")) {
        (Some(secret), ..) => Credential::secret(secret),
        (_, Some(assertion), _) => Credential::Assertion(Secret::from(assertion)),
        (_, _, Some("callback")) => Credential::AssertionCallback,
        (_, _, Some("none")) => Credential::None,
        _ => return Err(BadTape("a credential of no kind")),
    }))
}
