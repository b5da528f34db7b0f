//! Any sequence of cache operations gives the same answers as a plain list that is walked by the documented rules.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::cache::{ACCOUNT_TYPES, Entry, Found, Kind, Limits, Lookup, Matching, Scheme, TokenCache, TokenChange};
use crate::time::UnixTime;

/// Bytes of a script that count. Its time grows with the square of its length, and some sixty operations are enough for
/// entries to meet: more scripts find more than longer ones.
const MAX_SCRIPT: usize = 1024;

/// Bytes of a script; after its end all choices are the first.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Takes one byte. There is always a first choice.
    fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let at = usize::from(self.next().unwrap_or(0)).checked_rem(choices.len()).unwrap_or(0);
        choices.get(at).copied().unwrap_or_default()
    }

    /// Few values for each member, so that entries meet.
    fn token(&mut self, secret: usize) -> Entry {
        let members = [
            ("client_id", self.pick(&[r#""c""#, r#""d""#, "null", "", "7"])),
            ("environment", self.pick(&[r#""e""#, r#""E""#, r#""f""#, "null"])),
            ("realm", self.pick(&[r#""r""#, r#""r""#, r#""R""#, "null"])),
            ("home_account_id", self.pick(&[r#""h""#, "null", r#""""#, "7", "", r#""i""#])),
            (
                "target",
                self.pick(&[r#""a""#, r#""A b""#, r#""b a""#, r#""a b c""#, r#""""#, "null", r#"" a  a""#, "[]"]),
            ),
            (
                "expires_on",
                self.pick(&[r#""5000""#, "1000", r#""1299""#, r#""1300""#, "9000", r#""999""#, r#""x""#, ""]),
            ),
            ("refresh_on", self.pick(&["", "999", r#""1000""#])),
            ("cached_at", self.pick(&["", r#""1000""#, "1300", r#""1301""#])),
            ("ext_cache_key", self.pick(&["", r#""x""#, r#""""#, "null"])),
            ("token_type", self.pick(&["", r#""Bearer""#, r#""pop""#])),
            ("key_id", self.pick(&["", "", r#""k""#])),
            ("secret", self.pick(&["#", "#", "#", r#""""#])),
        ];
        object(&members, secret)
    }

    fn account(&mut self, number: usize) -> Entry {
        let members = [
            ("environment", self.pick(&[r#""e""#, r#""E""#, r#""f""#, "null"])),
            ("home_account_id", self.pick(&[r#""h""#, r#""i""#, "null", ""])),
            ("authority_type", self.pick(&[r#""MSSTS""#, r#""ADFS""#, r#""CLOUDSHELL""#, "null", ""])),
            ("username", self.pick(&[r#""Ada""#, r#""ada""#, r#""bob""#, "null", ""])),
            ("secret", "#"),
        ];
        object(&members, number)
    }

    fn lookup(&mut self) -> Lookup<'static> {
        const SCOPES: [&[&str]; 9] =
            [&["a"], &["A"], &["b"], &["a", "b"], &["c", "b", "a"], &["a", "a"], &["z"], &[], &["a b"]];
        Lookup {
            client_id: self.pick(&[Some("c"), None]),
            environment: self.pick(&["e", "E", "f"]),
            realm: "r",
            home_account_id: self.pick(&[Some("h"), None]),
            scopes: self.pick(&SCOPES),
            ext_cache_key: self.pick(&[None, Some("x"), Some("")]),
            scheme: self.pick(&[Scheme::Bearer, Scheme::Bearer, Scheme::Bound { token_type: "POP", key_id: "k" }]),
            matching: self.pick(&[Matching::Tolerant, Matching::Reference]),
        }
    }
}

/// A value `#` is the number, as a text; an empty one is left out.
fn object(members: &[(&str, &str)], number: usize) -> Entry {
    let members = members.iter().filter(|(_, value)| !value.is_empty());
    let number = format!(r#""{number}""#);
    let members = members.map(|(name, value)| format!("{name:?}:{}", if *value == "#" { &number } else { *value }));
    let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    Entry::from_json(text.as_bytes()).unwrap_or_default()
}

/// The naive cache: entries in the order in which their places came to be.
#[derive(Default)]
struct List(Vec<(&'static str, String, Entry)>);

impl List {
    fn apply(&mut self, change: &TokenChange) {
        let section = Kind::of_section(change.section()).map_or("", Kind::section);
        let standing = self.0.iter().position(|(name, key, _)| *name == section && key == change.key());
        match (change.entry(), standing.and_then(|at| self.0.get_mut(at))) {
            (Some(entry), Some(place)) => place.2 = entry.clone(),
            (Some(entry), None) => self.0.push((section, change.key().to_owned(), entry.clone())),
            (None, _) => self.0.retain(|(name, key, _)| *name != section || key != change.key()),
        }
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = (&str, &Entry)> {
        let here = self.0.iter().filter(move |(name, _, _)| *name == kind.section());
        here.map(|(_, key, entry)| (key.as_str(), entry))
    }

    /// What is found, and of tokens that stand there in several states, which.
    fn find(&self, lookup: &Lookup<'_>, now: UnixTime) -> Answer<'_> {
        let fitting: Vec<_> = self.of(Kind::AccessToken).map(|(_, entry)| entry).filter(|e| fits(e, lookup)).collect();
        let lower = |scopes: &mut dyn Iterator<Item = &str>| {
            let mut scopes: Vec<_> = scopes.map(str::to_lowercase).collect();
            scopes.sort();
            scopes
        };
        let wanted = lower(&mut lookup.scopes.iter().copied());
        let exactly = fitting.iter().filter(|token| lower(&mut token.scopes()) == wanted);
        let mut is_expiring = false;
        if let Some(token) = exactly.copied().max_by_key(|token| token.expires_on()) {
            match age(token, lookup, now) {
                Answer::Expiring => is_expiring = true,
                answer => return answer,
            }
        }
        for token in fitting {
            let is_same = |scope: &str, wanted: &str| match lookup.matching {
                Matching::Reference => scope == wanted,
                Matching::Tolerant => scope.to_lowercase() == wanted.to_lowercase(),
            };
            let is_within = lookup.scopes.iter().all(|wanted| token.scopes().any(|scope| is_same(scope, wanted)));
            if token.expires_on() < Some(now) || !is_within {
                continue;
            }
            match age(token, lookup, now) {
                Answer::Expiring => is_expiring = true,
                answer => return answer,
            }
        }
        if is_expiring { Answer::Expiring } else { Answer::Nothing }
    }

    fn accounts(&self, environments: &[&str], username: &str) -> Vec<Entry> {
        for host in environments {
            let mut found: Vec<Entry> = Vec::new();
            for (_, entry) in self.of(Kind::Account) {
                let is_listed = entry.text("authority_type").is_some_and(|kind| ACCOUNT_TYPES.contains(&kind));
                if !is_listed || entry.text("environment").map(str::to_lowercase) != Some(host.to_lowercase()) {
                    continue;
                }
                let home = entry.text("home_account_id");
                match found.iter_mut().find(|other| other.text("home_account_id") == home) {
                    Some(other) => *other = entry.clone(),
                    None => found.push(entry.clone()),
                }
            }
            if !found.is_empty() {
                let name = |entry: &Entry| entry.text("username").map(str::to_lowercase);
                found.retain(|entry| username.is_empty() || name(entry) == Some(username.to_lowercase()));
                return found;
            }
        }
        Vec::new()
    }

    /// Keys in the order in which they go.
    fn by_worth(&self) -> Vec<String> {
        let mut tokens: Vec<_> = self.of(Kind::AccessToken).collect();
        tokens.sort_by_key(|(_, entry)| entry.expires_on());
        let rest = [Kind::IdToken, Kind::AppMetadata, Kind::RefreshToken, Kind::Account];
        let rest = rest.iter().flat_map(|kind| self.of(*kind));
        tokens.into_iter().chain(rest).map(|(key, _)| key.to_string()).collect()
    }
}

#[derive(Debug, PartialEq)]
enum Answer<'a> {
    Fresh(&'a Entry),
    Aging(&'a Entry),
    Expiring,
    Nothing,
}

fn is_ahead(token: &Entry, lookup: &Lookup<'_>, now: UnixTime) -> bool {
    lookup.matching == Matching::Tolerant && token.cached_at() > Some(now.after(300))
}

fn age<'a>(token: &'a Entry, lookup: &Lookup<'_>, now: UnixTime) -> Answer<'a> {
    if token.expires_on() < Some(now.after(300)) {
        Answer::Expiring
    } else if token.refresh_on().is_some_and(|refresh| refresh < now) || is_ahead(token, lookup, now) {
        Answer::Aging(token)
    } else {
        Answer::Fresh(token)
    }
}

fn fits(token: &Entry, lookup: &Lookup<'_>) -> bool {
    let is_member = |name, wanted: Option<&str>| match (token.member(name), wanted) {
        (Some(value), Some(wanted)) => value.as_str() == Some(wanted),
        (Some(value), None) if value.is_null() => true,
        (Some(value), None) => value.as_str() == Some("") && lookup.matching == Matching::Tolerant,
        (None, None) => lookup.matching == Matching::Tolerant,
        (None, Some(_)) => false,
    };
    let is_scheme = match lookup.scheme {
        Scheme::Bearer => !token.is_bound(),
        Scheme::Bound { token_type, key_id } => {
            token.token_type().eq_ignore_ascii_case(token_type) && token.key_id() == Some(key_id)
        }
    };
    is_member("client_id", lookup.client_id)
        && is_member("home_account_id", lookup.home_account_id)
        && token.text("environment").map(str::to_lowercase) == Some(lookup.environment.to_lowercase())
        && token.text("realm") == Some(lookup.realm)
        && token.text("ext_cache_key").unwrap_or_default() == lookup.ext_cache_key.unwrap_or_default()
        && token.expires_on().is_some()
        && !token.secret().is_empty()
        && is_scheme
}

/// Plays a script on the cache and on the list: same answers always.
pub fn cache_ops(data: &[u8]) {
    let mut script = Script(data.get(..MAX_SCRIPT).unwrap_or(data));
    let (mut cache, mut list) = (TokenCache::new(), List::default());
    let mut number = 0_usize;
    while let Some(operation) = script.next() {
        number = number.saturating_add(1);
        let now = UnixTime(1000);
        let key = |script: &mut Script<'_>| format!("{}", script.next().unwrap_or(0) % 24);
        let put = |kind: Kind, key, entry| TokenChange::Put { section: kind.section().into(), key, entry };
        let changes = match operation % 16 {
            0..=4 => Vec::from([put(Kind::AccessToken, key(&mut script), script.token(number))]),
            5 => Vec::from([put(Kind::Account, key(&mut script), script.account(number))]),
            6 => {
                let kind = if operation < 128 { Kind::RefreshToken } else { Kind::IdToken };
                Vec::from([put(kind, key(&mut script), script.account(number))])
            }
            7 => {
                let section = if operation < 128 { Kind::AccessToken } else { Kind::Account }.section().into();
                Vec::from([TokenChange::Remove { section, key: key(&mut script) }])
            }
            8 => {
                let changes = cache.expired(now);
                let mut ended: Vec<_> =
                    list.of(Kind::AccessToken).filter(|(_, e)| e.expires_on() < Some(now)).collect();
                ended.retain(|(_, entry)| entry.expires_on().is_some());
                ended.sort_by_key(|(_, entry)| entry.expires_on());
                assert!(changes.iter().map(TokenChange::key).eq(ended.iter().map(|(key, _)| *key)));
                changes
            }
            9 => {
                let most = usize::from(script.next().unwrap_or(0) % 16);
                let changes = cache.over_budget(Limits { entries: Some(most), bytes: None });
                let mut expected = list.by_worth();
                expected.truncate(list.0.len().saturating_sub(most));
                assert!(changes.iter().map(TokenChange::key).eq(expected.iter().map(String::as_str)));
                changes
            }
            10 => {
                let changes = cache.remove_account("c", "e", "h");
                let is_gone = |entry: &Entry| {
                    entry.text("environment").is_some_and(|host| host.eq_ignore_ascii_case("e"))
                        && entry.text("home_account_id") == Some("h")
                };
                let kinds = [Kind::AccessToken, Kind::IdToken, Kind::Account];
                let gone = kinds.into_iter().flat_map(|kind| list.of(kind)).filter(|(_, entry)| is_gone(entry));
                assert!(changes.iter().map(TokenChange::key).eq(gone.map(|(key, _)| key)));
                changes
            }
            11 => {
                let text = cache.to_json();
                let Ok(again) = TokenCache::from_json(&text) else { panic!("what was written is not read") };
                assert_eq!(*again.to_json(), *text);
                assert_eq!(again.weight(), cache.weight());
                cache = again;
                Vec::new()
            }
            _ => Vec::new(),
        };
        changes.iter().for_each(|change| list.apply(change));
        cache.apply(changes);
        assert_eq!(cache.weight().0, list.0.len());

        let lookup = script.lookup();
        let found = match cache.find(&lookup, now) {
            Found::Fresh(token) => Answer::Fresh(token),
            Found::Aging(token) => Answer::Aging(token),
            Found::Expiring => Answer::Expiring,
            Found::Nothing => Answer::Nothing,
        };
        assert_eq!(found, list.find(&lookup, now), "look-up {number}");
        let environments: &[&str] = if operation & 16 == 0 { &["e"] } else { &["x", "F", "e"] };
        let username = if operation & 32 == 0 { "" } else { "ADA" };
        let accounts = cache.accounts(environments, Some(username), &ACCOUNT_TYPES);
        assert!(accounts.into_iter().eq(list.accounts(environments, username).iter()), "accounts {number}");
    }
}
