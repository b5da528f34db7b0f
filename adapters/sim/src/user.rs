//! People of a directory: who they are, where they are guests, and what keeps them from signing in.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::digest::{SHA256, digest};

use crate::realm::{Realm, is_for_many};
use crate::refusal::Refusal;

/// The claims challenge of users who must prove themselves twice.
pub(crate) const SECOND_FACTOR: &str =
    r#"{"access_token":{"capolids":{"essential":true,"values":["5bb1a3c5-6d1c-4d3a-8d21-6f1c6a4d2f00"]}}}"#;
/// The tenant of personal accounts.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Somebody who can sign in. `Debug` shows no password.
#[derive(Clone)]
pub struct User {
    pub(crate) name: String,
    pub(crate) upn: String,
    pub(crate) object_id: String,
    pub(crate) tenant: String,
    pub(crate) consent: bool,
    pub(crate) second_factor: bool,
    password: String,
    guest: Vec<(String, String)>,
    disabled: bool,
    password_expired: bool,
}

impl User {
    /// In this home tenant (its id), with object id, user principal name and password.
    pub fn new(tenant: &str, object_id: &str, upn: &str, password: &str) -> Self {
        Self {
            name: upn.split('@').next().unwrap_or_default().to_owned(),
            upn: upn.to_owned(),
            object_id: object_id.to_owned(),
            tenant: tenant.to_owned(),
            consent: false,
            second_factor: false,
            password: password.to_owned(),
            guest: Vec::new(),
            disabled: false,
            password_expired: false,
        }
    }

    /// Shown as this. Default: what stands before the `@`.
    #[must_use]
    pub fn display_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// A guest in this tenant too, with another object id there.
    #[must_use]
    pub fn guest_in(mut self, tenant: &str, object_id: &str) -> Self {
        self.guest.push((tenant.to_owned(), object_id.to_owned()));
        self
    }

    /// Must consent to each application in a browser once (65001, `consent_required`).
    #[must_use]
    pub fn consent_required(mut self) -> Self {
        self.consent = true;
        self
    }

    /// Must have signed in with a browser, where the second factor is (50076, `interaction_required` with claims).
    #[must_use]
    pub fn second_factor_required(mut self) -> Self {
        self.second_factor = true;
        self
    }

    /// May not sign in any more (50057).
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    /// Has a password that counts no longer (50055).
    #[must_use]
    pub fn password_expired(mut self) -> Self {
        self.password_expired = true;
        self
    }

    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.upn.eq_ignore_ascii_case(name) || self.object_id == name
    }

    /// What all sign-ins check, and those with a password its being right.
    pub(crate) fn check(&self, password: Option<&str>) -> Result<(), Refusal> {
        if password.is_some_and(|given| given != self.password) {
            return Err(Refusal::wrong_password());
        }
        if self.disabled {
            return Err(Refusal::disabled());
        }
        if self.password_expired && password.is_some() {
            return Err(Refusal::password_expired());
        }
        Ok(())
    }

    /// The service that its tokens are from: at `common` and the like its home.
    pub(crate) fn realm(&self, asked: &Realm) -> Result<Realm, Refusal> {
        let Realm::Entra(tenant) = asked else { return Ok(asked.clone()) };
        if !is_for_many(tenant) {
            return self.object_id_in(asked).map(|_| asked.clone()).ok_or_else(Refusal::unknown_user);
        }
        let personal = self.tenant == PERSONAL;
        match tenant.as_str() {
            "consumers" if !personal => Err(Refusal::unknown_user()),
            "organizations" if personal => Err(Refusal::unknown_user()),
            _ => Ok(Realm::Entra(self.tenant.clone())),
        }
    }

    /// `oid` at this service: at home or as a guest.
    pub(crate) fn object_id_in(&self, realm: &Realm) -> Option<&str> {
        match realm.tenant() {
            Some(tenant) if tenant != self.tenant => {
                self.guest.iter().find(|(own, _)| own == tenant).map(|(_, id)| id.as_str())
            }
            _ => Some(&self.object_id),
        }
    }

    /// `sub`: another one for each client (OpenID Connect Core s8.1).
    pub(crate) fn subject(&self, client_id: &str, realm: &Realm) -> String {
        let input = [self.object_id.as_str(), client_id, realm.tenant().unwrap_or_default()].join("\n");
        Base64UrlUnpadded::encode_string(digest(&SHA256, input.as_bytes()).as_ref())
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("upn", &self.upn).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
