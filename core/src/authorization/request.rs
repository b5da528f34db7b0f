//! An authorization request: the address to send the browser to (section 4.2.1 of the reference).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::{AuthCodeFlow, Prompt, ResponseMode};
use crate::base64::url_encode;
use crate::binding::Binding;
use crate::client::{Client, Scopes, with_capabilities};
use crate::endpoint::Endpoint;
use crate::entropy::Entropy;
use crate::error::{Config, Error};
use crate::jose::id_token::hash_nonce;
use crate::metadata::ProviderMetadata;
use crate::secret::Secret;
use sha2::{Digest, Sha256};

/// The alphabet of a proof key (RFC 7636 s4.1) without `-` and `.`: 64 letters, so that six random bits choose one evenly.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~";

/// What is asked of the authorization endpoint. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct AuthorizationRequest {
    scopes: Scopes,
    extra_scopes: Scopes,
    redirect_uri: String,
    state: Option<Secret>,
    claims_challenge: Option<Secret>,
    max_age: Option<u64>,
    response_mode: Option<ResponseMode>,
    prompt: Vec<Prompt>,
    binding: Option<Binding>,
    /// Parameters that are sent as they are.
    hints: Vec<(&'static str, String)>,
}

impl AuthorizationRequest {
    /// For these scopes; none at all means sign-in alone. `redirect_uri` is one of the application's registration; an empty
    /// one is not sent.
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed or reserved.
    pub fn new<S: AsRef<str>>(scopes: &[S], redirect_uri: &str) -> Result<Self, Error> {
        Ok(Self {
            scopes: Scopes::of_user(scopes)?,
            extra_scopes: Scopes::of_user::<&str>(&[])?,
            redirect_uri: redirect_uri.to_string(),
            state: None,
            claims_challenge: None,
            max_age: None,
            response_mode: Some(ResponseMode::FormPost),
            prompt: Vec::new(),
            binding: None,
            hints: Vec::new(),
        })
    }

    /// How the answer comes back; `None` leaves it to the server, which takes the query. Default: [`ResponseMode::FormPost`].
    #[must_use]
    pub fn response_mode(mut self, mode: Option<ResponseMode>) -> Self {
        self.response_mode = mode;
        self
    }

    /// What the server shows; several values are allowed (OpenID Connect Core s3.1.2.1).
    #[must_use]
    pub fn prompt(mut self, prompt: &[Prompt]) -> Self {
        self.prompt = prompt.to_vec();
        self
    }

    /// Who is expected to sign in: a user name.
    #[must_use]
    pub fn login_hint(self, hint: &str) -> Self {
        self.hint("login_hint", hint)
    }

    /// Which tenant the user comes from: a domain, `consumers`, `organizations`. Microsoft's own.
    #[must_use]
    pub fn domain_hint(self, hint: &str) -> Self {
        self.hint("domain_hint", hint)
    }

    /// Languages for the pages, as BCP 47 tags (OpenID Connect Core s3.1.2.1).
    #[must_use]
    pub fn ui_locales(self, locales: &str) -> Self {
        self.hint("ui_locales", locales)
    }

    /// An ID token that says who is expected (OpenID Connect Core s3.1.2.1).
    #[must_use]
    pub fn id_token_hint(self, id_token: &str) -> Self {
        self.hint("id_token_hint", id_token)
    }

    /// Classes of authentication, best first (OpenID Connect Core s3.1.2.1).
    #[must_use]
    pub fn acr_values(self, values: &str) -> Self {
        self.hint("acr_values", values)
    }

    /// Seconds since the user's last sign-in that are allowed; the answer is checked against it.
    #[must_use]
    pub fn max_age(mut self, seconds: u64) -> Self {
        self.max_age = Some(seconds);
        self
    }

    /// The claims request of a resource or of the server's last refusal, a JSON object.
    #[must_use]
    pub fn claims_challenge(mut self, claims: &str) -> Self {
        self.claims_challenge = Some(Secret::from(claims));
        self
    }

    /// The caller's own state, instead of a random one. It must not be guessable; an empty one counts as none.
    #[must_use]
    pub fn state(mut self, state: &str) -> Self {
        self.state = Some(Secret::from(state)).filter(|state| !state.expose().is_empty());
        self
    }

    /// Scopes that the user consents to now, for which no token is asked yet.
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed or reserved.
    pub fn extra_scopes_to_consent<S: AsRef<str>>(mut self, scopes: &[S]) -> Result<Self, Error> {
        self.extra_scopes = Scopes::of_user(scopes)?;
        Ok(self)
    }

    /// Asks for a token that is bound to a key. It is kept apart from others, and a bearer token instead of it is refused.
    #[must_use]
    pub fn bound(mut self, binding: &Binding) -> Self {
        self.binding = Some(binding.clone());
        self
    }

    /// What the token shall be bound to: as this request says, else as the client does.
    pub(crate) fn binding(&self, client: &Client) -> Option<Binding> {
        self.binding.clone().or_else(|| Binding::of(client))
    }

    fn hint(mut self, name: &'static str, value: &str) -> Self {
        self.hints.retain(|(known, _)| *known != name);
        self.hints.push((name, value.to_string()));
        self
    }

    /// The scopes a token is asked for, as the caller named them.
    pub(crate) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    pub(crate) fn mode(&self) -> Option<ResponseMode> {
        self.response_mode
    }

    /// Whether the browser comes back to this machine (RFC 8252 s7.3).
    pub(crate) fn is_loopback(&self) -> bool {
        Endpoint::parse(&self.redirect_uri).is_ok_and(|endpoint| endpoint.is_loopback())
    }

    /// The `claims` parameter of both legs.
    pub(crate) fn claims(&self, client: &Client) -> Result<Option<Secret>, Error> {
        let given = self.claims_challenge.as_ref().map(Secret::expose);
        Ok(with_capabilities(&client.settings().client_capabilities, given)?.map(Secret::new))
    }

    /// The flow for it: draws state, nonce and proof key, and makes the address.
    ///
    /// # Errors
    /// [`Error::Config`] when a claims request is not a JSON object, or the address gets too long; [`Error::NoEntropy`].
    pub(crate) fn begin(
        &self,
        client: &Client,
        metadata: &ProviderMetadata,
        entropy: &mut dyn Entropy,
    ) -> Result<AuthCodeFlow, Error> {
        let state = match &self.state {
            Some(state) => state.clone(),
            None => random_text(entropy)?,
        };
        let nonce = random_text(entropy)?;
        let code_verifier = proof_key(entropy)?;
        let scopes = self.scopes.decorated(&client.settings().exclude_scopes);
        let asked = scopes.with(&self.extra_scopes);
        let challenge = url_encode(&Sha256::digest(code_verifier.expose().as_bytes()));
        let hashed = hash_nonce(nonce.expose());
        let claims = self.claims(client)?;
        let binding = self.binding(client);
        let prompt = self.prompt.iter().map(|prompt| prompt.as_str()).collect::<Vec<_>>().join(" ");
        let max_age = self.max_age.map(|seconds| seconds.to_string());
        let named = self.hints.iter().find(|(name, hint)| *name == "login_hint" && !hint.is_empty());
        let routing = named.map(|(_, hint)| alloc::format!("UPN:{hint}"));
        let redirect_uri = Some(self.redirect_uri.as_str()).filter(|uri| !uri.is_empty());
        let hint = |name: &str| self.hints.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        let fields = [
            ("client_id", Some(client.client_id())),
            ("response_type", Some("code")),
            ("redirect_uri", redirect_uri),
            ("scope", Some(asked.as_str())),
            ("state", Some(state.expose())),
            ("response_mode", self.response_mode.map(ResponseMode::as_str)),
            ("code_challenge", Some(challenge.as_str())),
            ("code_challenge_method", Some("S256")),
            ("nonce", Some(hashed.as_str())),
            ("client_info", Some("1")),
            ("login_hint", hint("login_hint")),
            ("prompt", Some(prompt.as_str()).filter(|_| !self.prompt.is_empty())),
            ("domain_hint", hint("domain_hint")),
            ("claims", claims.as_ref().map(Secret::expose).filter(|claims| !claims.is_empty())),
            ("max_age", max_age.as_deref()),
            ("ui_locales", hint("ui_locales")),
            ("id_token_hint", hint("id_token_hint")),
            ("acr_values", hint("acr_values")),
            ("X-AnchorMailbox", routing.as_deref()),
            ("dpop_jkt", binding.as_ref().and_then(Binding::dpop_jkt)),
        ];
        Ok(AuthCodeFlow {
            auth_uri: address(metadata, &fields)?,
            client_id: client.client_id().to_string(),
            authority: client.authority().as_str().to_string(),
            state,
            redirect_uri: self.redirect_uri.clone(),
            scopes,
            code_verifier,
            nonce,
            max_age: self.max_age,
            claims_challenge: self.claims_challenge.clone(),
            binding,
        })
    }
}

/// The authorization endpoint with the parameters that are there.
pub(crate) fn address(metadata: &ProviderMetadata, fields: &[(&str, Option<&str>)]) -> Result<Endpoint, Error> {
    let given: Vec<(&str, &str)> = fields.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
    let too_long = |_| Config::TooLong("authorization request");
    metadata.authorization_endpoint.with_query(&given).map_err(|why| too_long(why).into())
}

/// 128 random bits.
fn random_text(entropy: &mut dyn Entropy) -> Result<Secret, Error> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 16]);
    entropy.fill(&mut *bytes)?;
    Ok(Secret::new(url_encode(&*bytes)))
}

/// A proof key of 258 bits (RFC 7636 s4.1).
fn proof_key(entropy: &mut dyn Entropy) -> Result<Secret, Error> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 43]);
    entropy.fill(&mut *bytes)?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte & 63)).map(|letter| char::from(*letter));
    Ok(Secret::new(bytes.iter().filter_map(letter).collect()))
}

/// Who is expected to sign in, is personal.
impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizationRequest(..)")
    }
}
