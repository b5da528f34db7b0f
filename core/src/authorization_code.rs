//! Authorization code with PKCE in two legs (RFC 6749 s4.1, RFC 7636; section 4.2 of the reference), and the pair that came before.

use alloc::string::{String, ToString};

use crate::acquire::Acquire;
use crate::asked::{Asked, takes_binding, takes_claims_challenge, takes_forwarded_claims};
use crate::authorization::{AuthCodeFlow, AuthorizationRequest, AuthorizationResponse, Prompt, address};
use crate::binding::Binding;
use crate::client::{Client, Scopes, with_capabilities};
use crate::discover::Discover;
use crate::endpoint::Endpoint;
use crate::error::{Config, Error};
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::grant::{Grant, GrantKind};
use crate::metadata::ProviderMetadata;
use crate::secret::Secret;
use crate::source::{Code, Ready};
use crate::telemetry::Api;
use crate::wanted::Wanted;

/// The first leg: makes the address for the browser, and what must be remembered until it is back
/// (`initiate_auth_code_flow` of MSAL).
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct InitiateAuthCodeFlow {
    request: AuthorizationRequest,
    discover: Discover,
}

impl AuthorizationRequest {
    /// The machine of the first leg.
    pub fn initiate(&self) -> InitiateAuthCodeFlow {
        InitiateAuthCodeFlow { request: self.clone(), discover: Discover::first() }
    }
}

impl Flow for InitiateAuthCodeFlow {
    type Output = AuthCodeFlow;

    fn step(&mut self, cx: &mut Cx<'_>, input: Input<'_>) -> Result<Step<AuthCodeFlow>, Error> {
        let metadata = ready!(self.discover.step(cx, input)?);
        self.request.begin(cx.client, &metadata, cx.entropy).map(Step::Done)
    }
}

impl AuthCodeFlow {
    /// The second leg: redeems what the browser brought (`acquire_token_by_auth_code_flow` of MSAL). State, issuer, nonce and
    /// the age of the sign-in are checked, and nothing is stored unless they fit.
    ///
    /// # Errors
    /// [`Error::Config`] when the flow is another client's, or a claims request is not a JSON object.
    pub fn redeem(&self, client: &Client, response: AuthorizationResponse) -> Result<Acquire<Code>, Error> {
        for (name, own, kept) in [
            ("client_id", client.client_id(), &self.client_id),
            ("authority", client.authority().as_str(), &self.authority),
        ] {
            if own != kept {
                return Err(Config::SavedFlow(name).into());
            }
        }
        let given = self.claims_challenge.as_ref().map(Secret::expose);
        let claims = with_capabilities(&client.settings().client_capabilities, given)?;
        let mut wanted = Wanted::direct(Api::AuthorizationCode, self.scopes.clone());
        wanted.binding = self.binding.clone().or_else(|| Binding::of(client));
        Ok(Acquire::new(wanted, Code::new(self.clone(), response, claims.map(Secret::new))))
    }

    /// Asks for a token that is bound to a key. It is kept apart from others, and a bearer token instead of it is refused.
    #[must_use]
    pub fn bound(mut self, binding: &Binding) -> Self {
        self.binding = Some(binding.clone());
        self
    }

    /// The same flow for fewer scopes than it was begun with.
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed, reserved, or was not asked for in the first leg.
    pub fn for_scopes<S: AsRef<str>>(&self, client: &Client, scopes: &[S]) -> Result<Self, Error> {
        let scopes = Scopes::of_user(scopes)?.decorated(&client.settings().exclude_scopes);
        match scopes.is_within(&self.scopes) {
            true => Ok(Self { scopes, ..self.clone() }),
            false => Err(Config::Scope("it was not asked for when the flow began").into()),
        }
    }
}

/// The authorization request of MSAL's deprecated pair (section 4.3 of the reference): no proof key, no state or nonce unless
/// the caller brings one. Use [`AuthorizationRequest`] in anything new.
#[derive(Clone, Debug)]
pub struct LegacyAuthorizationRequest {
    asked: Asked,
    response_type: String,
    prompt: Option<Prompt>,
    fields: alloc::vec::Vec<(&'static str, Secret)>,
}

impl LegacyAuthorizationRequest {
    /// For these scopes.
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed or reserved.
    pub fn new<S: AsRef<str>>(scopes: &[S]) -> Result<Self, Error> {
        let asked = Asked::new(Scopes::of_user(scopes)?);
        Ok(Self { asked, response_type: "code".to_string(), prompt: None, fields: alloc::vec::Vec::new() })
    }

    takes_claims_challenge!();

    /// `response_type`, where it is not `code`.
    #[must_use]
    pub fn response_type(mut self, kind: &str) -> Self {
        self.response_type = kind.to_string();
        self
    }

    /// `redirect_uri`
    #[must_use]
    pub fn redirect_uri(self, uri: &str) -> Self {
        self.field("redirect_uri", uri)
    }

    /// `state`
    #[must_use]
    pub fn state(self, state: &str) -> Self {
        self.field("state", state)
    }

    /// `nonce`, sent as it is.
    #[must_use]
    pub fn nonce(self, nonce: &str) -> Self {
        self.field("nonce", nonce)
    }

    /// `login_hint`
    #[must_use]
    pub fn login_hint(self, hint: &str) -> Self {
        self.field("login_hint", hint)
    }

    /// `domain_hint`
    #[must_use]
    pub fn domain_hint(self, hint: &str) -> Self {
        self.field("domain_hint", hint)
    }

    /// `prompt`
    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = Some(prompt);
        self
    }

    fn field(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, Secret::from(value)));
        self
    }

    /// The machine that makes the address (`get_authorization_request_url` of MSAL).
    pub fn url(&self) -> AuthorizationRequestUrl {
        AuthorizationRequestUrl { request: self.clone(), discover: Discover::first() }
    }

    fn address(&self, client: &Client, metadata: &ProviderMetadata) -> Result<Endpoint, Error> {
        let scopes = self.asked.decorated(client);
        let claims = self.asked.claims(client)?;
        let prompt = self.prompt.map(Prompt::as_str);
        let own = self.fields.iter().map(|(name, value)| (*name, Some(value.expose())));
        let fields = [
            ("client_id", Some(client.client_id())),
            ("response_type", Some(self.response_type.as_str())),
            ("scope", Some(scopes.as_str())),
            ("prompt", prompt),
            ("claims", claims.as_ref().map(Secret::expose)),
        ];
        address(metadata, &fields.into_iter().chain(own).collect::<alloc::vec::Vec<_>>())
    }
}

/// The machine of [`LegacyAuthorizationRequest::url`].
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct AuthorizationRequestUrl {
    request: LegacyAuthorizationRequest,
    discover: Discover,
}

impl Flow for AuthorizationRequestUrl {
    type Output = Endpoint;

    fn step(&mut self, cx: &mut Cx<'_>, input: Input<'_>) -> Result<Step<Endpoint>, Error> {
        let metadata = ready!(self.discover.step(cx, input)?);
        self.request.address(cx.client, &metadata).map(Step::Done)
    }
}

/// A bare authorization code, redeemed (`acquire_token_by_authorization_code` of MSAL, deprecated there).
#[derive(Clone, Debug)]
pub struct AuthorizationCode {
    asked: Asked,
    code: Secret,
    redirect_uri: String,
    nonce: Option<Secret>,
}

impl AuthorizationCode {
    /// This code, for these scopes.
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed or reserved, or the code is empty.
    pub fn new<S: AsRef<str>>(code: &str, scopes: &[S]) -> Result<Self, Error> {
        if code.is_empty() {
            return Err(Config::Missing("authorization code").into());
        }
        let asked = Asked::new(Scopes::of_user(scopes)?);
        Ok(Self { asked, code: Secret::from(code), redirect_uri: String::new(), nonce: None })
    }

    takes_claims_challenge!();
    takes_forwarded_claims!();
    takes_binding!();

    /// The redirect address of the authorization request.
    #[must_use]
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        self.redirect_uri = uri.to_string();
        self
    }

    /// The nonce that the ID token must have.
    #[must_use]
    pub fn nonce(mut self, nonce: &str) -> Self {
        self.nonce = Some(Secret::from(nonce));
        self
    }

    /// The machine that redeems it.
    ///
    /// # Errors
    /// [`Error::Config`] when a claims request is not a JSON object.
    pub fn flow(&self, client: &Client) -> Result<Acquire<Ready>, Error> {
        let mut wanted = Wanted::direct(Api::AuthorizationCode, self.asked.scopes.clone());
        wanted.data = self.asked.data();
        wanted.binding = self.asked.binding(client);
        let kind = GrantKind::AuthorizationCode {
            code: self.code.clone(),
            redirect_uri: self.redirect_uri.clone(),
            code_verifier: None,
        };
        let grant = Grant::new(kind, self.asked.decorated(client), self.asked.claims(client)?);
        Ok(Acquire::new(wanted, Ready::new(grant).expecting(self.nonce.clone())))
    }
}
