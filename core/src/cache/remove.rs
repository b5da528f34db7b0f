//! Taking things out and renewing what is there: sections 4.12 and 5.8 of the reference, as pure deltas.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::entry::{Entry, Kind};
use super::{TokenCache, TokenChange, slot};
use crate::error::{Error, What};
use crate::secret::Secret;
use crate::time::UnixTime;

impl TokenCache {
    /// Removes the tokens that this application got for itself, on these hosts: the authority's and its aliases.
    ///
    /// Tokens with an extended key go too (G-13), and so do those whose account is missing instead of null.
    pub fn remove_app_tokens(&self, client_id: &str, environments: &[&str]) -> Vec<TokenChange> {
        let is_app = |entry: &Entry| entry.text("client_id") == Some(client_id) && has_no_account(entry);
        let of_host = |host: &&str| self.of_account(Kind::AccessToken, host, None, is_app);
        environments.iter().flat_map(of_host).collect()
    }

    /// Signs an account out on this machine: removes its refresh tokens that this client or its family may use, and all
    /// its access tokens (G-13: those with an extended key too), ID tokens and account entries.
    ///
    /// Only what lies under this environment goes; refresh tokens of other clients and application metadata stay.
    pub fn remove_account(&self, client_id: &str, environment: &str, home_account_id: &str) -> Vec<TokenChange> {
        let metadata = [("environment", Some(environment)), ("client_id", Some(client_id))];
        let metadata = self.search(Kind::AppMetadata, &metadata, &[], UnixTime::default()).next();
        let family = metadata.and_then(|entry| entry.filled("family_id"));
        let is_of_account = |entry: &Entry| entry.text("home_account_id") == Some(home_account_id);
        let of_kind = |kind| {
            self.of_account(kind, environment, Some(home_account_id), move |entry: &Entry| {
                let is_ours = entry.text("client_id") == Some(client_id)
                    || family.is_some_and(|family| entry.text("family_id") == Some(family));
                is_of_account(entry) && (kind != Kind::RefreshToken || is_ours)
            })
        };
        [Kind::RefreshToken, Kind::AccessToken, Kind::IdToken, Kind::Account].into_iter().flat_map(of_kind).collect()
    }

    /// Puts a rotated refresh token in the place of the one that was used, wherever that lies.
    pub fn update_refresh_token(&self, entry: &Entry, secret: &Secret, now: UnixTime) -> TokenChange {
        let key = self.place_of(Kind::RefreshToken, entry);
        let mut entry = entry.clone();
        entry.set("secret", secret.expose());
        entry.set("last_modification_time", now.0.to_string());
        TokenChange::Put { section: Kind::RefreshToken.section().to_string(), key, entry }
    }

    /// Removes one entry, wherever it lies. It need not be there.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when the entry is of another kind: its `credential_type` says so, or an account lacks
    /// `authority_type`.
    pub fn remove(&self, kind: Kind, entry: &Entry) -> Result<TokenChange, Error> {
        let is_it = |name: &str| entry.text("credential_type").is_some_and(|given| given.eq_ignore_ascii_case(name));
        let at = match kind {
            Kind::AccessToken => (is_it("AccessToken") || is_it(super::WITH_AUTH_SCHEME), "credential_type"),
            Kind::RefreshToken | Kind::IdToken => (is_it(kind.section()), "credential_type"),
            Kind::Account => (entry.member("authority_type").is_some(), "authority_type"),
            Kind::AppMetadata => (true, ""),
        };
        match at {
            (true, _) => Ok(TokenChange::remove(kind, self.place_of(kind, entry))),
            (false, at) => Err(Error::BadResponse { what: What::TokenCache, at }),
        }
    }

    /// The key under which an entry lies: the computed one, unless the entry was loaded under another.
    fn place_of(&self, kind: Kind, entry: &Entry) -> String {
        let key = slot::key(kind, entry);
        let Some(section) = self.section(kind).filter(|section| section.get(&key).is_none()) else { return key };
        let environment = entry.text("environment").unwrap_or_default();
        let mut same = section.of_account(environment, entry.text("home_account_id"));
        same.find(|(_, other)| *other == entry).map_or(key, |(key, _)| key.to_string())
    }

    fn of_account<'a>(
        &'a self,
        kind: Kind,
        environment: &str,
        home_account_id: Option<&str>,
        is_wanted: impl Fn(&Entry) -> bool + 'a,
    ) -> Vec<TokenChange> {
        let Some(section) = self.section(kind) else { return Vec::new() };
        let entries = section.of_account(environment, home_account_id).filter(|(_, entry)| {
            entry.text("environment").is_some_and(|host| host.eq_ignore_ascii_case(environment)) && is_wanted(entry)
        });
        entries.map(|(key, _)| TokenChange::remove(kind, key.to_string())).collect()
    }
}

fn has_no_account(entry: &Entry) -> bool {
    entry.member("home_account_id").is_none_or(|home| home.is_null() || home == "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::testing::{cache, token};

    fn keys(changes: &[TokenChange]) -> Vec<&str> {
        changes.iter().map(TokenChange::key).collect()
    }

    fn entry(text: &str) -> Entry {
        Entry::from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn app_tokens() {
        let cache = cache(&[
            ("plain", &token("a", r#""home_account_id":null"#)),
            ("extended", &token("a", r#""home_account_id":null,"ext_cache_key":"x""#)),
            ("bound", &token("a", r#""home_account_id":null,"token_type":"pop""#)),
            ("missing", &token("a", r#""home_account_id":"""#)),
            ("malformed", &token("a", r#""home_account_id":null,"expires_on":null"#)),
            ("user", &token("a", "")),
            ("other client", &token("a", r#""home_account_id":null,"client_id":"d""#)),
            ("alias", &token("a", r#""home_account_id":null,"environment":"f""#)),
            ("other host", &token("a", r#""home_account_id":null,"environment":"g""#)),
        ]);
        let gone = cache.remove_app_tokens("c", &["E", "f"]);
        assert_eq!(keys(&gone), ["plain", "extended", "bound", "missing", "malformed", "alias"]);
    }

    #[test]
    fn accounts() {
        // Section 4.12 of the reference.
        let text = r#"{
            "RefreshToken": {
                "mine": {"environment":"e","home_account_id":"h","client_id":"c"},
                "family": {"environment":"e","home_account_id":"h","client_id":"d","family_id":"1"},
                "other family": {"environment":"e","home_account_id":"h","client_id":"d","family_id":"2"},
                "other client": {"environment":"e","home_account_id":"h","client_id":"d"},
                "other user": {"environment":"e","home_account_id":"i","client_id":"c"}},
            "AccessToken": {
                "at": {"environment":"e","home_account_id":"h","client_id":"d"},
                "ext": {"environment":"e","home_account_id":"h","client_id":"c","ext_cache_key":"x"},
                "other host": {"environment":"f","home_account_id":"h","client_id":"c"}},
            "IdToken": {"idt": {"environment":"e","home_account_id":"h"}},
            "Account": {"account": {"environment":"E","home_account_id":"h"}, "foreign": 7},
            "AppMetadata": {"metadata": {"environment":"e","client_id":"c","family_id":"1"}}}"#;
        let cache = TokenCache::from_json(text.as_bytes()).unwrap();
        let gone = cache.remove_account("c", "e", "h");
        assert_eq!(keys(&gone), ["mine", "family", "at", "ext", "idt", "account"]);
        let no_family = cache.remove_account("x", "e", "h");
        assert_eq!(keys(&no_family), ["at", "ext", "idt", "account"]);
    }

    #[test]
    fn a_rotated_token_goes_where_the_old_one_lies() {
        let text = r#"{"RefreshToken":{"h-e-refreshtoken-1--":
            {"environment":"e","home_account_id":"h","client_id":"c","family_id":"1","target":null,"secret":"old","x":1}}}"#;
        let mut cache = TokenCache::from_json(text.as_bytes()).unwrap();
        let old = cache.search(Kind::RefreshToken, &[], &[], UnixTime(0)).next().unwrap();
        cache.apply(Vec::from([cache.update_refresh_token(old, &"new".into(), UnixTime(7))]));
        let new: Vec<_> = cache.search(Kind::RefreshToken, &[], &[], UnixTime(0)).collect();
        assert_eq!((new.len(), new[0].secret(), new[0].last_modification_time()), (1, "new", UnixTime(7)));
        assert!(new[0].member("x").is_some());
        // One that is not there is put where it belongs.
        let change = TokenCache::new().update_refresh_token(new[0], &"new".into(), UnixTime(7));
        assert_eq!(change.key(), "h-e-refreshtoken-c--");
    }

    #[test]
    fn only_entries_of_the_kind() {
        let rt = r#"{"credential_type":"RefreshToken"}"#;
        for (kind, text, expected) in [
            (Kind::RefreshToken, rt, true),
            (Kind::AccessToken, rt, false),
            (Kind::IdToken, rt, false),
            (Kind::Account, rt, false),
            (Kind::Account, r#"{"authority_type":null}"#, true),
            (Kind::AccessToken, r#"{"credential_type":"AccessToken"}"#, true),
            (Kind::AccessToken, r#"{"credential_type":"AccessToken_With_AuthScheme"}"#, true),
            (Kind::AccessToken, "{}", false),
            (Kind::AppMetadata, "{}", true),
        ] {
            assert_eq!(TokenCache::new().remove(kind, &entry(text)).is_ok(), expected, "{kind:?} {text}");
        }
    }
}
