//! A token as the caller gets it, from the network or from the cache.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use crate::cache::{Entry, Kept};
use crate::error::{CommitError, Error};
use crate::json::{Members, Value};
use crate::key::KeyProtection;
use crate::secret::Secret;
use crate::time::UnixTime;
use crate::token::TokenResponse;

/// An access token with what belongs to it. `Debug` shows no token.
#[derive(Clone)]
pub struct Token {
    content: Content,
    source: TokenSource,
    expires_on: UnixTime,
    refresh_on: Option<UnixTime>,
    stored: Result<(), CommitError>,
    key_protection: Option<KeyProtection>,
}

#[derive(Clone)]
enum Content {
    /// What the server answered, and the claims of the ID token in it.
    Answer { members: Members, id_token_claims: Option<Members> },
    /// What the cache has of an answer. A token that is given out a million times is not made into an object each time.
    Kept { access_token: Secret, token_type: Cow<'static, str>, expires_in: u64 },
}

/// Where a [`Token`] comes from.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// The token endpoint, just now.
    IdentityProvider,
    /// The token cache.
    Cache,
    /// A broker on this machine: Cloud Shell.
    Broker,
}

impl TokenSource {
    /// The word for it in MSAL's results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdentityProvider => "identity_provider",
            Self::Cache => "cache",
            Self::Broker => "broker",
        }
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Token {
    /// From an answer of the token endpoint and the claims of its ID token, with its refresh token and ID token if `all` of them shall be in it.
    pub(crate) fn issued(
        response: TokenResponse,
        id_token_claims: Option<Members>,
        now: UnixTime,
        all: bool,
    ) -> Result<Self, Error> {
        let expires_on = now.shifted(response.expires_in(now)?);
        let refresh_on = response.refresh_in()?.map(|seconds| now.shifted(seconds));
        let mut members = response.into_members();
        members.retain(|name| match name {
            "refresh_in" => false,
            "refresh_token" | "id_token" => all,
            _ => !name.starts_with('_'),
        });
        Ok(Self {
            content: Content::Answer { members, id_token_claims },
            source: TokenSource::IdentityProvider,
            expires_on,
            refresh_on,
            stored: Ok(()),
            key_protection: None,
        })
    }

    /// From what did not come as an answer of the token endpoint.
    #[cfg(feature = "managed")]
    pub(crate) fn of_parts(
        members: Members,
        source: TokenSource,
        expires_on: UnixTime,
        refresh_on: Option<UnixTime>,
        id_token_claims: Option<Members>,
    ) -> Self {
        let content = Content::Answer { members, id_token_claims };
        Self { content, source, expires_on, refresh_on, stored: Ok(()), key_protection: None }
    }

    /// From an entry of the token cache.
    pub(crate) fn cached(entry: &Entry, now: UnixTime) -> Self {
        let token_type = match entry.token_type() {
            "Bearer" => Cow::Borrowed("Bearer"),
            other => Cow::Owned(String::from(other)),
        };
        Self::of_cache(entry.secret(), token_type, entry.expires_on(), entry.refresh_on(), now)
    }

    /// The same, from what was found with all that is known of it.
    #[inline]
    pub(crate) fn kept(kept: Kept<'_>, now: UnixTime) -> Self {
        Self::of_cache(kept.secret(), kept.token_type(), kept.expires_on(), kept.refresh_on(), now)
    }

    #[inline]
    fn of_cache(
        secret: &str,
        token_type: Cow<'static, str>,
        expires_on: Option<UnixTime>,
        refresh_on: Option<UnixTime>,
        now: UnixTime,
    ) -> Self {
        let expires_on = expires_on.unwrap_or(now);
        let (access_token, expires_in) = (Secret::from(secret), expires_on.since(now));
        Self {
            content: Content::Kept { access_token, token_type, expires_in },
            source: TokenSource::Cache,
            expires_on,
            refresh_on,
            stored: Ok(()),
            key_protection: None,
        }
    }

    pub(crate) fn with_stored(mut self, stored: Result<(), CommitError>) -> Self {
        self.stored = stored;
        self
    }

    pub(crate) fn with_key_protection(mut self, protection: Option<KeyProtection>) -> Self {
        self.key_protection = protection;
        self
    }

    /// The access token (RFC 6749 s1.4); empty when the server gave none and that was allowed.
    pub fn access_token(&self) -> &str {
        match &self.content {
            Content::Answer { members, .. } => members.text("access_token").unwrap_or_default(),
            Content::Kept { access_token, .. } => access_token.expose(),
        }
    }

    /// `token_type` (RFC 6749 s7.1): how the token is to be presented.
    pub fn token_type(&self) -> &str {
        match &self.content {
            Content::Answer { members, .. } => members.text("token_type").unwrap_or("Bearer"),
            Content::Kept { token_type, .. } => token_type,
        }
    }

    /// When it ends.
    #[doc(alias = "expires_in")]
    pub fn expires_on(&self) -> UnixTime {
        self.expires_on
    }

    /// From when on a new one is fetched although this one still counts.
    pub fn refresh_on(&self) -> Option<UnixTime> {
        self.refresh_on
    }

    /// The scopes the server granted, where it said so.
    pub fn scope(&self) -> Option<&str> {
        self.answer()?.text("scope")
    }

    /// The claims of the ID token that came with it (OpenID Connect Core s2), decoded; `None` from the cache.
    pub fn id_token_claims(&self) -> Option<&Members> {
        match &self.content {
            Content::Answer { id_token_claims, .. } => id_token_claims.as_ref(),
            Content::Kept { .. } => None,
        }
    }

    /// Where it comes from.
    #[doc(alias = "token_source")]
    pub fn source(&self) -> TokenSource {
        self.source
    }

    /// How the key is protected that the token is bound to, as the host that holds the key says. `None` for a token that
    /// is bound to no key, or to one that the client was not given
    /// ([`dpop_key`](crate::client::ClientBuilder::dpop_key)).
    pub fn key_protection(&self) -> Option<KeyProtection> {
        self.key_protection
    }

    /// Whether the host could persist it. The token is good either way.
    ///
    /// # Errors
    /// What the host answered to [`Step::Commit`](crate::flow::Step::Commit).
    pub fn stored(&self) -> Result<(), CommitError> {
        self.stored
    }

    /// Every member of the answer, unknown ones included; from the cache those that were kept. The refresh token and the ID token are
    /// in it only where [`Settings::all_tokens_in_results`](crate::client::Settings::all_tokens_in_results) says so.
    pub fn members(&self) -> Cow<'_, Members> {
        match &self.content {
            Content::Answer { members, .. } => Cow::Borrowed(members),
            Content::Kept { access_token, token_type, expires_in } => {
                let mut members = Members::new();
                members.set("access_token", access_token.expose());
                members.set("token_type", token_type.as_ref());
                members.set("expires_in", *expires_in);
                Cow::Owned(members)
            }
        }
    }

    fn answer(&self) -> Option<&Members> {
        match &self.content {
            Content::Answer { members, .. } => Some(members),
            Content::Kept { .. } => None,
        }
    }

    /// A member that is a text, a copy.
    pub fn text(&self, name: &str) -> Option<String> {
        self.members().get(name).and_then(Value::as_str).map(String::from)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("token_type", &self.token_type())
            .field("source", &self.source)
            .field("expires_on", &self.expires_on)
            .field("stored", &self.stored)
            .finish_non_exhaustive()
    }
}
