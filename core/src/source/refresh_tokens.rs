//! Refresh tokens of the cache, one after the other: family members first where they may work (section 4.11.3 of the reference).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{More, Recording, Source};
use crate::accept::Expected;
use crate::cache::{Entry, Kind, TokenChange};
use crate::client::{AliasSource, AuthorityKind, Client, Scopes, aliases};
use crate::error::{Error, Refusal};
use crate::flow::{Cx, Input, Step};
use crate::grant::{Grant, GrantKind, routing_of};
use crate::metadata::ProviderMetadata;
use crate::secret::Secret;

/// The one family there is: Microsoft's own applications.
const FAMILY: &str = "1";
/// Refresh tokens that are tried in one call, unless the settings keep them all (G-16).
const MAX_TRIED: usize = 8;
/// AADSTS numbers of a refresh token that will never work again: expired, revoked, used up.
const DEAD: [u64; 5] = [70008, 700_082, 700_084, 50173, 700_003];

/// Redeems what the cache has for an account.
#[derive(Clone, Debug)]
pub struct RefreshTokens {
    home_account_id: String,
    scopes: Scopes,
    claims: Option<Secret>,
    stage: Stage,
    tried: Vec<Secret>,
    current: Option<Entry>,
    /// The server called these dead.
    dead: Vec<Secret>,
    /// What is reported when nothing works.
    last: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    /// Whether this client is in the family is not known: just try.
    PerhapsFamily,
    /// It is in one.
    Family,
    /// Its own.
    Own,
}

impl RefreshTokens {
    pub(crate) fn new(home_account_id: &str, scopes: Scopes, claims: Option<Secret>) -> Self {
        Self {
            home_account_id: home_account_id.to_string(),
            scopes,
            claims,
            stage: Stage::Begin,
            tried: Vec::new(),
            current: None,
            dead: Vec::new(),
            last: None,
        }
    }

    /// The next token to try. The store is read anew each time: another process may have renewed one meanwhile.
    fn next(&mut self, cx: &Cx<'_>) -> Option<Entry> {
        if cx.client.settings().prune_refresh_tokens && self.tried.len() >= MAX_TRIED {
            return None;
        }
        let client_id = cx.client.client_id();
        let known = search(cx, Kind::AppMetadata, &[("client_id", client_id)]);
        let family = known.iter().find_map(|entry| entry.text("family_id").filter(|family| !family.is_empty()));
        if self.stage == Stage::Begin {
            self.stage = if known.is_empty() { Stage::PerhapsFamily } else { Stage::Family };
        }
        if self.stage != Stage::Own {
            let family = if self.stage == Stage::PerhapsFamily { Some(FAMILY) } else { family };
            let found = family.and_then(|family| self.newest(cx, ("family_id", family)));
            if found.is_some() {
                return found;
            }
            self.stage = Stage::Own;
            // The reference asks once more with a token that is the family's and its own.
            if !cx.client.settings().prune_refresh_tokens {
                self.tried.clear();
            }
        }
        self.newest(cx, ("client_id", client_id))
    }

    /// The newest token of the account that was not tried yet; of several written in the same second, the first.
    fn newest(&self, cx: &Cx<'_>, whose: (&str, &str)) -> Option<Entry> {
        let all = search(cx, Kind::RefreshToken, &[("home_account_id", &self.home_account_id), whose]);
        let untried = all.into_iter().filter(|entry| {
            !entry.secret().is_empty() && !self.tried.iter().any(|tried| tried.matches(entry.secret()))
        });
        let newest = untried.fold(None, |best: Option<&Entry>, entry| match best {
            Some(best) if best.last_modification_time() >= entry.last_modification_time() => Some(best),
            _ => Some(entry),
        });
        newest.cloned()
    }
}

/// Entries with these members under every name of the authority's host that counts.
fn search<'a>(cx: &Cx<'a>, kind: Kind, members: &[(&str, &str)]) -> Vec<&'a Entry> {
    let own = cx.client.authority().host();
    let others = match cx.client.settings().aliases {
        AliasSource::BuiltIn => aliases(own),
        AliasSource::Discovered => &[],
    };
    let now = cx.clock.wall.unwrap_or_default();
    let mut found = Vec::new();
    for host in core::iter::once(own).chain(others.iter().copied().filter(|host| *host != own)) {
        let mut query = Vec::from([("environment", Some(host))]);
        query.extend(members.iter().map(|(name, value)| (*name, Some(*value))));
        found.extend(cx.store.tokens.search(kind, &query, &[], now));
    }
    found
}

/// Whether a refused refresh token is good for nothing any more, whatever is asked for.
fn is_dead(refusal: &Refusal, client: &Client) -> bool {
    refusal.error() == "invalid_grant"
        && match refusal.suberror().unwrap_or_default() {
            "bad_token" | "token_expired" => true,
            "" if client.authority().kind() == AuthorityKind::Oidc => true,
            _ => refusal.error_codes().iter().any(|code| DEAD.contains(code)),
        }
}

impl Source for RefreshTokens {
    fn check(&self, _: &Client) -> Result<(), Error> {
        Ok(())
    }

    fn obtain(&mut self, cx: &mut Cx<'_>, _: &ProviderMetadata, input: Input<'_>) -> Result<Step<Grant>, Error> {
        let Input::Start = input else { return Err(Error::OutOfTurn) };
        self.current = self.next(cx);
        let Some(entry) = &self.current else {
            return Err(self.last.take().unwrap_or(Error::InteractionRequired { claims: None, refusal: None }));
        };
        let secret = Secret::from(entry.secret());
        self.tried.push(secret.clone());
        let kind = GrantKind::RefreshToken { refresh_token: secret };
        let grant = Grant::new(kind, self.scopes.clone(), self.claims.clone());
        let routing = (!self.home_account_id.is_empty()).then(|| routing_of(&self.home_account_id));
        Ok(Step::Done(grant.routed(routing)))
    }

    fn refused(&mut self, cx: &Cx<'_>, error: &Error) -> More {
        let (Error::Refused(_) | Error::InteractionRequired { .. }, Some(refusal)) = (error, error.refusal()) else {
            return More::No;
        };
        let own = self.current.as_ref().is_some_and(|entry| entry.text("client_id") == Some(cx.client.client_id()));
        if self.stage != Stage::PerhapsFamily || own {
            self.last = Some(error.clone());
        }
        if is_dead(refusal, cx.client)
            && let Some(secret) = self.tried.last()
        {
            self.dead.push(secret.clone());
        }
        let says = refusal.members().get("error_additional_info").map(ToString::to_string);
        if self.stage == Stage::PerhapsFamily && says.is_some_and(|info| info.contains("client_mismatch")) {
            self.stage = Stage::Own;
        }
        More::Yes
    }

    fn expected(&self) -> Expected<'_> {
        let home = Some(self.home_account_id.as_str()).filter(|id| !id.is_empty());
        Expected { home_account_id: home, ..Expected::default() }
    }

    fn recording(&self) -> Recording<'_> {
        Recording { username: None, redeemed: self.current.as_ref() }
    }

    fn leftovers(&mut self, cx: &Cx<'_>) -> Vec<TokenChange> {
        if !cx.client.settings().prune_refresh_tokens || self.dead.is_empty() {
            return Vec::new();
        }
        let entries = search(cx, Kind::RefreshToken, &[("home_account_id", &self.home_account_id)]).into_iter();
        // What was renewed meanwhile is not the token that died.
        let gone = entries.filter(|entry| self.dead.iter().any(|dead| dead.matches(entry.secret())));
        gone.filter_map(|entry| cx.store.tokens.remove(Kind::RefreshToken, entry).ok()).collect()
    }
}
