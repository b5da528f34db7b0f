//! What a call wants: the scopes, whose, by which function; and whether the cache has it (section 4.11.2 A of the reference).

use alloc::string::String;
use alloc::vec::Vec;

use crate::binding::Binding;
use crate::cache::{Aged, Found, Lookup, Matching, Scheme, ext_cache_key};
use crate::client::{AliasSource, AuthScheme, Client, Scopes, aliases};
use crate::flow::Cx;
use crate::issued::Token;
use crate::pop::PopKey;
use crate::secret::Secret;
use crate::store::{Owner, Store};
use crate::telemetry::{Api, CacheRefresh};
use crate::time::{Clock, Millis};

/// What is looked for in the cache before anybody is asked, and stored under the same names afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) api: Api,
    /// The scopes that a cached token must have.
    pub(crate) scopes: Scopes,
    pub(crate) home_account_id: Option<String>,
    /// Whether a cached token of any account is an answer, as long as `data` fits: who it is for is not known yet.
    pub(crate) any_account: bool,
    /// Whether a cached token is an answer at all; a claims challenge says it is not.
    pub(crate) cached: bool,
    /// Why a request would go out.
    pub(crate) reason: CacheRefresh,
    /// Whether the server is asked although an error answer is remembered.
    pub(crate) asks_anyway: bool,
    /// Request parameters that keep tokens apart (section 5.4 of the reference).
    pub(crate) data: Vec<(&'static str, Secret)>,
    /// The name of the call, where an earlier request has given it one.
    pub(crate) correlation_id: Option<String>,
    /// What the token is bound to.
    pub(crate) binding: Option<Binding>,
}

/// What the cache has.
#[derive(Debug)]
pub(crate) enum Looked {
    /// A token that needs no refresh.
    Fresh(Token),
    /// A token that still counts, in case no newer one is to be had.
    Aging(Token),
    /// None.
    Nothing,
}

impl Wanted {
    /// A token that may be cached.
    pub(crate) fn looked_up(api: Api, scopes: Scopes) -> Self {
        Self {
            api,
            scopes,
            home_account_id: None,
            any_account: false,
            cached: true,
            reason: CacheRefresh::NoToken,
            asks_anyway: false,
            data: Vec::new(),
            correlation_id: None,
            binding: None,
        }
    }

    /// A new token, because the caller says so.
    pub(crate) fn forced(mut self) -> Self {
        self.cached = false;
        self.reason = CacheRefresh::Forced;
        self
    }

    /// Whose entries are needed. What a user flow finds out is who the user is.
    pub(crate) fn owner(&self) -> Owner {
        match (&self.home_account_id, self.api) {
            (Some(id), _) => Owner::Account(id.clone()),
            (None, Api::TokenForClient) => Owner::Application,
            (None, _) => Owner::Everyone,
        }
    }

    /// A token of a flow that does not ask the cache.
    pub(crate) fn direct(api: Api, scopes: Scopes) -> Self {
        Self { cached: false, reason: CacheRefresh::NotSilent, ..Self::looked_up(api, scopes) }
    }

    pub(crate) fn scheme(&self) -> Scheme<'_> {
        match &self.binding {
            Some(binding) => binding.scheme(),
            None => Scheme::Bearer,
        }
    }

    pub(crate) fn data(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.data.iter().map(|(name, value)| (*name, value.expose()))
    }

    /// With what the holder of the key says, where the token is bound to the client's key.
    pub(crate) fn labelled(&self, cx: &Cx<'_>, token: Token) -> Token {
        // Not by `Option`'s methods: here the compiler sees that without the feature `pop` there is no binding.
        let Some(binding) = &self.binding else { return token };
        let key = cx.client.dpop_key().filter(|key| key.thumbprint() == binding.key_id());
        token.with_key_protection(key.and_then(PopKey::protection))
    }

    /// The best token that the cache has for this, under any name of the authority's host.
    pub(crate) fn look_up(&mut self, cx: &Cx<'_>, realm: &str) -> Looked {
        let Some(now) = cx.clock.wall.filter(|_| self.cached) else { return Looked::Nothing };
        let key = ext_cache_key(self.data());
        for environment in environments(cx.client) {
            let lookup = Lookup {
                client_id: Some(cx.client.client_id()),
                environment,
                realm,
                home_account_id: self.home_account_id.as_deref(),
                scopes: self.scopes.list(),
                ext_cache_key: key.as_deref(),
                scheme: self.scheme(),
                matching: matching(cx.client),
            };
            let found = match self.any_account {
                true => cx.store.tokens.find_partitioned(&lookup, now),
                false => cx.store.tokens.find(&lookup, now),
            };
            match found {
                Found::Fresh(entry) => return Looked::Fresh(self.labelled(cx, Token::cached(entry, now))),
                Found::Aging(entry) => {
                    self.reason = CacheRefresh::Aging;
                    return Looked::Aging(self.labelled(cx, Token::cached(entry, now)));
                }
                Found::Expiring => self.reason = CacheRefresh::Expired,
                Found::Nothing => {}
            }
        }
        Looked::Nothing
    }
}

/// A bearer token that needs no renewal, for whoever asks for nothing but scopes: what a machine would find at its first look, found
/// without one. Nothing is allocated but what the token holds.
pub(crate) fn at_hand<S: AsRef<str>>(
    scopes: &[S],
    home_account_id: Option<&str>,
    client: &Client,
    store: &Store,
    clock: Clock,
) -> Option<Token> {
    let now = clock.wall?;
    // Tokens that are bound to something have machines that know of it.
    let is_bearer = client.auth_scheme() == AuthScheme::Bearer && client.client_certificate().is_none();
    if !is_bearer || !Scopes::are_as_many_as_may_be(scopes) {
        return None;
    }
    let mut lookup = Lookup {
        client_id: Some(client.client_id()),
        environment: client.authority().host(),
        realm: realm(client, store, clock.mono),
        home_account_id,
        scopes,
        ext_cache_key: None,
        scheme: Scheme::Bearer,
        matching: matching(client),
    };
    let mut others = None;
    loop {
        match store.tokens.find_kept(&lookup, now) {
            Aged::Fresh(kept) if kept.is_asked_well() || Scopes::are_well_formed(scopes) => {
                return Some(Token::kept(kept, now));
            }
            Aged::Fresh(_) | Aged::Aging(_) => return None,
            Aged::Expiring | Aged::Nothing => {}
        }
        lookup.environment = others.get_or_insert_with(|| environments(client).skip(1)).next()?;
    }
}

/// The tenant that tokens lie under, as far as it is known without asking.
pub(crate) fn realm<'a>(client: &'a Client, store: &'a Store, now: Millis) -> &'a str {
    let max_age = client.settings().metadata_lifetime;
    match store.memory.metadata(client.metadata_key(), now, max_age) {
        Some(metadata) => &metadata.realm,
        None => client.authority().tenant(),
    }
}

/// The names of the authority's host under which its tokens may lie.
fn environments(client: &Client) -> impl Iterator<Item = &str> {
    let own = client.authority().host();
    // Not looked for before they are needed.
    let others = core::iter::once(own).flat_map(|own| match client.settings().aliases {
        AliasSource::BuiltIn => aliases(own),
        AliasSource::Discovered => &[],
    });
    core::iter::once(own).chain(others.copied().filter(move |host| *host != own))
}

fn matching(client: &Client) -> Matching {
    if client.settings().tolerant_lookups { Matching::Tolerant } else { Matching::Reference }
}
