//! What the browser brings back (RFC 6749 s4.1.2, RFC 9207).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::base64;
use crate::error::{Error, Refusal, What};
use crate::http::form;
use crate::json::{self, Members};
use crate::limits::{MAX_FORM_FIELDS, MAX_RESPONSE};
use crate::secret::Secret;

/// The parameters of an authorization response. Whoever can make a browser open an address can make this up.
#[derive(Clone)]
pub struct AuthorizationResponse(Vec<(String, Secret)>);

impl AuthorizationResponse {
    /// From the body of the POST, or the query of the address, without `?`.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when it is no form, or a parameter comes twice (RFC 6749 s3.1).
    pub fn parse(form: &str) -> Result<Self, Error> {
        if form.len() > MAX_RESPONSE {
            return Err(bad("it is too long"));
        }
        let fields = form::decode(form).ok_or_else(|| bad("it is not a form"))?;
        Self::checked(fields)
    }

    /// From parameters that a web framework has decoded already.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when there are too many, or one comes twice.
    pub fn from_parameters<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let all = parameters.into_iter().take(MAX_FORM_FIELDS.saturating_add(1));
        Self::checked(all.map(|(name, value)| (name.to_string(), Secret::from(value))).collect())
    }

    fn checked(fields: Vec<(String, Secret)>) -> Result<Self, Error> {
        if fields.len() > MAX_FORM_FIELDS {
            return Err(bad("it has too many parameters"));
        }
        let twice =
            fields.iter().enumerate().any(|(at, (name, _))| fields.iter().take(at).any(|(other, _)| other == name));
        if twice { Err(bad("a parameter comes twice")) } else { Ok(Self(fields)) }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Secret> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The server's words; nothing else of the address is believed (section 4.2.2 of the reference).
    pub(super) fn refusal(&self) -> Refusal {
        let mut members = Members::new();
        for name in ["error", "error_description", "error_uri"] {
            if let Some(value) = self.get(name).filter(|value| !value.is_empty()) {
                members.set(name, value.expose());
            }
        }
        Refusal::new(0, members, core::iter::empty())
    }

    /// Who signed in, as far as the address says: a hint for routing, not to be believed.
    pub(crate) fn home_account_id(&self) -> Option<String> {
        let text = self.get("client_info")?.expose();
        let bytes = base64::url_decode(text.trim_end_matches('='))?;
        let members = json::parse_object(&bytes, MAX_RESPONSE).ok()?;
        let is_id = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        let (uid, utid) = (members.text("uid").filter(is_id)?, members.text("utid").filter(is_id)?);
        Some(alloc::format!("{uid}@{utid}"))
    }
}

const fn bad(at: &'static str) -> Error {
    Error::BadResponse { what: What::AuthorizationResponse, at }
}

/// There is a code in it.
impl fmt::Debug for AuthorizationResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizationResponse(..)")
    }
}
