//! What a token response means for the cache: section 5.6 of the reference, as a pure delta.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::entry::{Entry, Kind};
use super::{Scheme, TokenCache, TokenChange, WITH_AUTH_SCHEME, ext_cache_key, fields, slot};
use crate::endpoint::Endpoint;
use crate::error::{Config, Error, IdTokenError};
use crate::jose::id_token;
use crate::json::{Members, Value};
use crate::metadata::realm_of;
use crate::secret::Secret;
use crate::time::UnixTime;
use crate::token::TokenResponse;

/// Grants whose name is written into the account they create.
const ACCOUNT_SOURCES: [&str; 5] =
    ["broker", "authorization_code", "password", "urn:ietf:params:oauth:grant-type:device_code", "user_fic"];

/// A token response with what the application knows around it.
#[derive(Clone, Copy)]
pub struct TokenEvent<'a> {
    /// The application; `None` for the system-assigned managed identity.
    pub client_id: Option<&'a str>,
    /// The scopes granted: those of the response, else those that were asked.
    pub scopes: &'a [&'a str],
    /// Where the response came from.
    pub token_endpoint: Option<&'a str>,
    /// The realm. `None`: the first part of the token endpoint's path.
    pub realm: Option<&'a str>,
    /// The authority's host. `None`: the token endpoint's.
    pub environment: Option<&'a str>,
    /// `grant_type` as it was sent.
    pub grant_type: &'a str,
    /// What the server answered. A refresh token that must not be added is taken out before.
    pub response: &'a TokenResponse,
    /// The request's form, and `client_claims`.
    pub data: &'a [(&'a str, &'a str)],
    /// `None`: `ADFS` for the realm `adfs`, else `MSSTS`.
    pub authority_type: Option<&'a str>,
    /// The account that was asked for. `client_info` of the response counts first, and this before `sub` of its ID token.
    pub home_account_id: Option<&'a str>,
    /// A user name, for responses that tell none.
    pub username: Option<&'a str>,
    /// The account's id in its realm, where a broker tells it. `None`: `oid`, else `sub` of the ID token.
    pub local_account_id: Option<&'a str>,
    /// Write no account: a silent renewal must not bring back one that is just being signed out.
    pub skip_account_creation: bool,
    /// What the token was asked as. Bearer writes as the reference does, `key_id` of `data` included.
    pub scheme: Scheme<'a>,
}

impl<'a> TokenEvent<'a> {
    /// An event about which nothing else is known.
    pub const fn new(response: &'a TokenResponse) -> Self {
        Self {
            client_id: None,
            scopes: &[],
            token_endpoint: None,
            realm: None,
            environment: None,
            grant_type: "",
            response,
            data: &[],
            authority_type: None,
            home_account_id: None,
            username: None,
            local_account_id: None,
            skip_account_creation: false,
            scheme: Scheme::Bearer,
        }
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        self.data.iter().find(|(field, _)| *field == name).map(|(_, value)| *value)
    }
}

/// Form fields hold secrets, the rest people.
impl fmt::Debug for TokenEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEvent").field("grant_type", &self.grant_type).finish_non_exhaustive()
    }
}

impl TokenCache {
    /// The changes by which a token response is stored. Call it after all checks; nothing is stored by it.
    ///
    /// Accounts and application metadata are merged into what stands there (G-14): a response that says nothing of
    /// the family or the source of an account does not undo what an earlier one said. Application metadata that stands there
    /// already is no change.
    ///
    /// # Errors
    /// [`Error::BadResponse`] for an unreadable lifetime or `client_info`, [`Error::IdToken`] for an ID token that
    /// cannot be decoded or has no `sub` where it is needed, [`Error::Config`] for a token endpoint that is not
    /// `https://host/tenant…`.
    pub fn record(&self, event: &TokenEvent<'_>, now: UnixTime) -> Result<Vec<TokenChange>, Error> {
        self.record_taken(event, None, now)
    }

    /// The same with a refresh token that was taken out of the answer: tokens are large, and it need not be there twice.
    pub(crate) fn record_taken(
        &self,
        event: &TokenEvent<'_>,
        refresh_token: Option<Secret>,
        now: UnixTime,
    ) -> Result<Vec<TokenChange>, Error> {
        self.record_under(event, refresh_token, now, |event| ext_cache_key(event.data.iter().copied()))
    }

    /// The same for a request with nothing by which its tokens are kept apart: what finds that out is left out of the program.
    pub(crate) fn record_plain(
        &self,
        event: &TokenEvent<'_>,
        refresh_token: Option<Secret>,
        now: UnixTime,
    ) -> Result<Vec<TokenChange>, Error> {
        self.record_under(event, refresh_token, now, |_| None)
    }

    fn record_under(
        &self,
        event: &TokenEvent<'_>,
        refresh_token: Option<Secret>,
        now: UnixTime,
        key: ExtendedKey,
    ) -> Result<Vec<TokenChange>, Error> {
        let response = event.response;
        let mut facts = Facts::of(event)?;
        let has_account = facts.home_account_id.is_some() && !event.skip_account_creation;
        let account = has_account.then(|| self.merged(Kind::Account, account(event, &facts)));
        facts.claims = Members::new();
        let mut changes = Vec::with_capacity(Kind::ALL.len());
        if let Some(secret) = response.access_token() {
            changes.push(TokenChange::put(Kind::AccessToken, access_token(event, &facts, secret, now, key)?));
        }
        changes.extend(account);
        if let Some(secret) = response.id_token() {
            let mut entry = Entry::of_token(secret.to_string(), 5);
            facts.describe(&mut entry, "IdToken", event);
            entry.set_text("realm", facts.realm.as_deref());
            changes.push(TokenChange::put(Kind::IdToken, entry));
        }
        if let Some(secret) = refresh_token.or_else(|| response.refresh_token().map(Secret::from)) {
            let mut entry = Entry::of_token(secret.into_text(), 7);
            facts.describe(&mut entry, "RefreshToken", event);
            entry.set("last_modification_time", now.0.to_string());
            entry.set("target", target(event.scopes));
            set_family(&mut entry, response);
            changes.push(TokenChange::put(Kind::RefreshToken, entry));
        }
        let mut metadata = Entry::default();
        metadata.set_text("client_id", event.client_id);
        metadata.set_text("environment", facts.environment.as_deref());
        set_family(&mut metadata, response);
        // As a rule it stands there, and nobody takes it away.
        changes.extend(Some(self.merged(Kind::AppMetadata, metadata)).filter(|change| !self.has(change)));
        Ok(changes)
    }

    /// Whether what is to be put stands there already.
    fn has(&self, change: &TokenChange) -> bool {
        change.entry().is_some_and(|entry| self.at(change.section(), change.key()) == Some(entry))
    }

    /// A new entry laid over the one that stands at its place.
    fn merged(&self, kind: Kind, mut entry: Entry) -> TokenChange {
        let key = slot::key(kind, &entry);
        if let Some(standing) = self.section(kind).and_then(|section| section.get(&key)) {
            // Everything that the key is made of stands in the new one.
            for (name, value) in standing.members() {
                if entry.member(name).is_none() {
                    entry.set(fields::name(name), value.clone());
                }
            }
        }
        TokenChange::Put { section: kind.section().to_string(), key, entry }
    }
}

/// What makes the extended key of an event's request, if it has one.
type ExtendedKey = fn(&TokenEvent<'_>) -> Option<String>;

/// What follows from an event before anything is written.
struct Facts {
    environment: Option<String>,
    realm: Option<String>,
    home_account_id: Option<String>,
    claims: Members,
}

impl Facts {
    fn of(event: &TokenEvent<'_>) -> Result<Self, Error> {
        let (host, realm) = match (event.realm, event.token_endpoint) {
            (Some(realm), None) => (None, Some(named(realm)?.to_string())),
            (realm, Some(endpoint)) => {
                let (host, first) = host_and_realm(endpoint)?;
                (Some(host), Some(realm.map_or(Ok(first), |realm| named(realm).map(str::to_string))?))
            }
            (None, None) => (None, None),
        };
        let claims = match event.response.members().get("id_token_claims") {
            Some(Value::Object(claims)) if !claims.is_empty() => Members::from(claims.clone()),
            _ => match event.response.id_token() {
                Some(id_token) => id_token::claims(id_token).map_err(IdTokenError::from)?,
                None => Members::new(),
            },
        };
        let home_account_id = match event.response.client_info()? {
            Some(info) => Some(format!("{}.{}", info.uid, info.utid)),
            None => match event.home_account_id {
                None if claims.is_empty() => None,
                // An empty one would make a user's token one of the application itself.
                None => {
                    let sub = claims.text("sub").filter(|sub| !sub.is_empty());
                    Some(sub.ok_or(IdTokenError::Missing("sub"))?.to_string())
                }
                named => named.map(str::to_string),
            },
        };
        let environment = event.environment.map(str::to_string).or(host);
        Ok(Self { environment, realm, home_account_id, claims })
    }

    /// The members that all tokens have, in the order of their names, as all others are set here: that costs least.
    fn describe(&self, entry: &mut Entry, credential_type: &str, event: &TokenEvent<'_>) {
        entry.set_text("client_id", event.client_id);
        entry.set_text("credential_type", Some(credential_type));
        entry.set_text("environment", self.environment.as_deref());
        entry.set_text("home_account_id", self.home_account_id.as_deref());
    }
}

/// Section 2.2 of the reference: the host in lower case, and the first part of the path as it is written.
fn host_and_realm(endpoint: &str) -> Result<(String, String), Error> {
    let endpoint = Endpoint::parse(endpoint).map_err(|why| Config::Authority(why.reason()))?;
    if !endpoint.is_https() {
        return Err(Config::Authority("the address must begin with https://").into());
    }
    let realm = realm_of(&endpoint);
    named(&realm)?;
    Ok((endpoint.host().to_string(), realm))
}

fn named(realm: &str) -> Result<&str, Error> {
    match realm {
        "" => Err(Config::Authority("there is no tenant in its path").into()),
        realm => Ok(realm),
    }
}

fn access_token(
    event: &TokenEvent<'_>,
    facts: &Facts,
    secret: &str,
    now: UnixTime,
    key: ExtendedKey,
) -> Result<Entry, Error> {
    let response = event.response;
    let instant = |seconds: i64| i64::try_from(now.0).unwrap_or(i64::MAX).saturating_add(seconds).to_string();
    let (credential_type, asked_type, key_id) = match event.scheme {
        Scheme::Bearer => ("AccessToken", None, event.field("key_id")),
        Scheme::Bound { token_type, key_id } => (WITH_AUTH_SCHEME, Some(token_type), Some(key_id)),
    };
    let token_type = match asked_type {
        Some(asked) if response.members().text("token_type").is_none() => asked,
        _ => response.token_type(),
    };
    let (ends, extended) = (response.expires_in(now)?, response.ext_expires_in(now)?);
    let (ext_cache_key, refresh_in) = (key(event), response.refresh_in()?);
    // A vector that grows by itself takes more than it needs.
    let some = [key_id.is_some(), ext_cache_key.is_some(), refresh_in.is_some()];
    let mut entry = Entry::of_token(secret.to_string(), some.iter().filter(|is| **is).count().saturating_add(10));
    entry.set("cached_at", now.0.to_string());
    facts.describe(&mut entry, credential_type, event);
    entry.set("expires_on", instant(ends));
    if let Some(key) = ext_cache_key {
        entry.set("ext_cache_key", key);
    }
    entry.set("extended_expires_on", instant(extended));
    if let Some(key_id) = key_id {
        entry.set_text("key_id", Some(key_id));
    }
    entry.set_text("realm", facts.realm.as_deref());
    if let Some(seconds) = refresh_in {
        entry.set("refresh_on", instant(seconds));
    }
    entry.set("target", target(event.scopes));
    entry.set_text("token_type", Some(token_type));
    Ok(entry)
}

fn account(event: &TokenEvent<'_>, facts: &Facts) -> Entry {
    let claim = |name: &str| facts.claims.text(name);
    let mut entry = Entry::default();
    entry.set_text("home_account_id", facts.home_account_id.as_deref());
    entry.set_text("environment", facts.environment.as_deref());
    entry.set_text("realm", facts.realm.as_deref());
    // A claim that is there and null hides the one after it, as in the reference.
    let first_claim = |first: &str, second: &str| match facts.claims.contains(first) {
        true => claim(first),
        false => claim(second),
    };
    let username = [first_claim("preferred_username", "upn"), event.field("username"), event.username];
    entry.set_text("username", username.into_iter().flatten().find(|name| !name.is_empty()).or(Some("")));
    entry.set_text("local_account_id", event.local_account_id.or_else(|| first_claim("oid", "sub")));
    let default_type = if facts.realm.as_deref() == Some("adfs") { "ADFS" } else { "MSSTS" };
    entry.set_text("authority_type", event.authority_type.or(Some(default_type)));
    if ACCOUNT_SOURCES.contains(&event.grant_type) {
        entry.set_text("account_source", Some(event.grant_type));
    }
    entry
}

fn set_family(entry: &mut Entry, response: &TokenResponse) {
    if let Some(family) = response.members().get("foci") {
        entry.set("family_id", family.clone());
    }
}

/// Scopes as a target: sorted by code point, joined by spaces; what is there twice stays twice.
pub(super) fn target(scopes: &[&str]) -> String {
    let mut sorted = scopes.to_vec();
    sorted.sort_unstable();
    sorted.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Found, Lookup, Matching};

    const ENDPOINT: &str = "https://Login.Example/Tenant/oauth2/v2.0/token";

    fn response(text: &str) -> TokenResponse {
        TokenResponse::parse(text.as_bytes()).unwrap()
    }

    fn event<'a>(response: &'a TokenResponse) -> TokenEvent<'a> {
        TokenEvent {
            client_id: Some("c"),
            scopes: &["b", "A"],
            token_endpoint: Some(ENDPOINT),
            grant_type: "client_credentials",
            ..TokenEvent::new(response)
        }
    }

    #[test]
    fn endpoints() {
        for (endpoint, expected) in [
            (ENDPOINT, Some(("login.example", "Tenant"))),
            ("https://fs.contoso.com/adfs/oauth2/token", Some(("fs.contoso.com", "adfs"))),
            ("https://x.ciamlogin.com/", Some(("x.ciamlogin.com", "x.onmicrosoft.com"))),
            ("https://x.ciamlogin.com/t/token", Some(("x.ciamlogin.com", "t"))),
            ("https://localhost/managed_identity", Some(("localhost", "managed_identity"))),
            ("https://host:8443/t/token", Some(("host", "t"))),
            ("https://host", None),
            ("https://host//t", None),
            ("http://x/y", None),
            ("http://localhost/t", None),
            ("", None),
        ] {
            let got = host_and_realm(endpoint).ok();
            assert_eq!(got.as_ref().map(|(h, r)| (h.as_str(), r.as_str())), expected, "{endpoint}");
        }
    }

    #[test]
    fn what_is_recorded_is_found() {
        let pop = Scheme::Bound { token_type: "pop", key_id: "k1" };
        let now = UnixTime(1000);
        let body = r#"{"access_token":"at","expires_in":3600,"token_type":"TYPE","client_info":"eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ"}"#;
        for (scheme, token_type) in [(Scheme::Bearer, "Bearer"), (pop, "pop")] {
            for data in [&[][..], &[("fmi_path", "a/b")]] {
                let response = response(&body.replace("TYPE", token_type));
                let event = TokenEvent { scheme, data, ..event(&response) };
                let mut cache = TokenCache::new();
                cache.apply(cache.record(&event, now).unwrap());
                let ext = ext_cache_key(data.iter().copied());
                let lookup = Lookup {
                    client_id: Some("c"),
                    environment: "login.example",
                    realm: "Tenant",
                    home_account_id: Some("u.t"),
                    scopes: &["a"],
                    ext_cache_key: ext.as_deref(),
                    scheme,
                    matching: Matching::Tolerant,
                };
                assert!(matches!(cache.find(&lookup, now), Found::Fresh(e) if e.secret() == "at"), "{scheme:?}");
                for other in [Scheme::Bearer, pop, Scheme::Bound { token_type: "pop", key_id: "k2" }] {
                    let found = cache.find(&Lookup { scheme: other, ..lookup }, now);
                    assert_eq!(found.entry().is_some(), other == scheme, "{other:?}");
                }
                assert!(cache.find(&Lookup { ext_cache_key: Some("x"), ..lookup }, now).entry().is_none());
            }
        }
    }

    #[test]
    fn tokens_for_different_keys_lie_side_by_side() {
        // G-12: the reference lets the last one overwrite the others.
        let response = response(r#"{"access_token":"at","token_type":"pop"}"#);
        let bearer = self::response(r#"{"access_token":"at"}"#);
        let mut cache = TokenCache::new();
        for key_id in ["k1", "k2"] {
            let event = TokenEvent { scheme: Scheme::Bound { token_type: "pop", key_id }, ..event(&response) };
            cache.apply(cache.record(&event, UnixTime(0)).unwrap());
        }
        cache.apply(cache.record(&event(&bearer), UnixTime(0)).unwrap());
        assert_eq!(cache.section(Kind::AccessToken).unwrap().len(), 3);
    }

    #[test]
    fn accounts_and_metadata_are_merged() {
        // G-14, and members that other libraries put there.
        let before = r#"{"Account":{"u.t-login.example-tenant":{"account_source":"password","name":"N","username":"old"}},
            "AppMetadata":{"appmetadata-login.example-c":{"family_id":"1","x":1}}}"#;
        let mut cache = TokenCache::from_json(before.as_bytes()).unwrap();
        let response = response(r#"{"client_info":"eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ"}"#);
        let event = TokenEvent { username: Some("new"), ..event(&response) };
        cache.apply(cache.record(&event, UnixTime(0)).unwrap());
        let account = cache.search(Kind::Account, &[], &[], UnixTime(0)).next().unwrap();
        let text = |name| account.text(name);
        assert_eq!(
            (text("account_source"), text("name"), text("username")),
            (Some("password"), Some("N"), Some("new"))
        );
        let metadata = cache.search(Kind::AppMetadata, &[], &[], UnixTime(0)).next().unwrap();
        assert_eq!((metadata.text("family_id"), metadata.text("client_id")), (Some("1"), Some("c")));
    }

    #[test]
    fn what_is_unreadable_stores_nothing() {
        for body in [
            r#"{"access_token":"a","expires_in":"soon"}"#,
            r#"{"access_token":"a","ext_expires_in":"soon"}"#,
            r#"{"access_token":"a","refresh_in":"1800"}"#,
            r#"{"access_token":"a","client_info":"!"}"#,
            r#"{"access_token":"a","id_token":"garbage"}"#,
            r#"{"access_token":"a","id_token":"h.!.s"}"#,
            r#"{"access_token":"a","id_token":"h.eyJhIjoxfQ.s"}"#, // {"a":1}: no sub, and no client_info
            r#"{"access_token":"a","id_token":"h.eyJzdWIiOiIifQ.s"}"#, // {"sub":""}
        ] {
            let response = response(body);
            assert!(TokenCache::new().record(&event(&response), UnixTime(0)).is_err(), "{body}");
        }
        let response = response(r#"{"access_token":"a","expires_in":9223372036854775807}"#);
        assert!(TokenCache::new().record(&event(&response), UnixTime(u64::MAX)).is_ok());
    }

    #[test]
    fn what_is_known_of_the_application_is_written_when_it_is_new() {
        let plain = response(r#"{"access_token":"at"}"#);
        let family = response(r#"{"access_token":"at","foci":"1"}"#);
        let mut cache = TokenCache::new();
        for (response, sections) in [
            (&plain, &["AccessToken", "AppMetadata"][..]),
            (&plain, &["AccessToken"]),
            (&family, &["AccessToken", "AppMetadata"]),
            (&family, &["AccessToken"]),
            // G-14: what says nothing of the family does not undo what was said.
            (&plain, &["AccessToken"]),
        ] {
            let changes = cache.record(&event(response), UnixTime(0)).unwrap();
            assert_eq!(changes.iter().map(TokenChange::section).collect::<Vec<_>>(), sections);
            cache.apply(changes);
        }
    }

    #[test]
    fn an_empty_event_still_writes_metadata() {
        let response = TokenResponse::default();
        let changes = TokenCache::new().record(&TokenEvent::new(&response), UnixTime(0)).unwrap();
        assert_eq!(changes.iter().map(TokenChange::key).collect::<Vec<_>>(), ["appmetadata--"]);
        assert!(!format!("{:?}", TokenEvent { username: Some("planted"), ..event(&response) }).contains("planted"));
    }
}
