//! What must hold for any cache: the index agrees with a walk over everything, a file survives, garbage does no harm.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Entry, Found, Kind, Lookup, Matching, Scheme, TokenCache, TokenChange};
use crate::time::UnixTime;

const NOW: UnixTime = UnixTime(1000);

/// Numbers that look random and are the same in every run (Marsaglia's xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap().checked_rem(end).unwrap()
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Few values for each member, so that entries meet.
    fn token(&mut self) -> Entry {
        let secret = self.below(1_000_000);
        let members = [
            ("client_id", self.pick(&[r#""c""#, r#""c""#, r#""d""#, "null", ""])),
            ("environment", self.pick(&[r#""e""#, r#""E""#, r#""f""#])),
            ("realm", self.pick(&[r#""r""#, r#""r""#, r#""R""#, "null"])),
            ("home_account_id", self.pick(&[r#""h""#, r#""h""#, "null", r#""""#, "7", ""])),
            ("target", self.pick(&[r#""a""#, r#""A b""#, r#""b a""#, r#""a b c""#, r#""""#, "null", r#""a a""#])),
            ("expires_on", self.pick(&[r#""999""#, "1000", r#""1299""#, r#""1300""#, "5000", "9000", r#""x""#, ""])),
            ("refresh_on", self.pick(&["", "", "999", r#""1000""#])),
            ("ext_cache_key", self.pick(&["", "", "", r#""x""#, r#""""#, "null"])),
            ("token_type", self.pick(&["", r#""Bearer""#, r#""pop""#])),
            ("key_id", self.pick(&["", "", r#""k""#])),
        ];
        let members = members.iter().filter(|(_, value)| !value.is_empty());
        let members: Vec<_> = members.map(|(name, value)| format!("{name:?}:{value}")).collect();
        Entry::from_json(format!("{{\"secret\":\"{secret}\",{}}}", members.join(",")).as_bytes()).unwrap()
    }

    fn lookup(&mut self) -> Lookup<'static> {
        Lookup {
            client_id: self.pick(&[Some("c"), Some("c"), None]),
            environment: self.pick(&["e", "E", "f"]),
            realm: "r",
            home_account_id: self.pick(&[Some("h"), Some("h"), None]),
            scopes: self.pick(&[&["a"][..], &["A"], &["b"], &["a", "b"], &["c", "b", "a"], &["a", "a"], &["z"], &[]]),
            ext_cache_key: self.pick(&[None, None, Some("x"), Some("")]),
            scheme: self.pick(&[Scheme::Bearer, Scheme::Bearer, Scheme::Bound { token_type: "POP", key_id: "k" }]),
            matching: self.pick(&[Matching::Tolerant, Matching::Reference]),
        }
    }

    fn change(&mut self) -> TokenChange {
        let (section, key) = (String::from("AccessToken"), format!("{}", self.below(100)));
        match self.below(4) {
            0 => TokenChange::Remove { section, key },
            _ => TokenChange::Put { section, key, entry: self.token() },
        }
    }
}

/// `find` again, by its description and without an index; tokens in the order of the cache.
fn find_by_walking(tokens: &[Entry], lookup: &Lookup<'_>, of_account: bool) -> Option<Result<String, &'static str>> {
    let reference = lookup.matching == Matching::Reference;
    let lower = |scopes: &[&str]| {
        let mut scopes: Vec<_> = scopes.iter().map(|scope| scope.to_lowercase()).collect();
        scopes.sort();
        scopes
    };
    let is_member = |token: &Entry, name, wanted: Option<&str>| match token.member(name) {
        None => wanted.is_none() && !reference,
        Some(value) if value.is_null() => wanted.is_none(),
        Some(value) if value == "" => wanted.is_none() && !reference,
        Some(value) => wanted.is_some_and(|wanted| value == wanted),
    };
    let is_scheme = |token: &Entry| {
        let (is_pop, has_key) = (token.text("token_type") == Some("pop"), token.member("key_id").is_some());
        if lookup.scheme == Scheme::Bearer { !is_pop && !has_key } else { is_pop && has_key }
    };
    let fitting = tokens.iter().filter(|token| {
        is_member(token, "client_id", lookup.client_id)
            && (!of_account || is_member(token, "home_account_id", lookup.home_account_id))
            && token.text("environment").unwrap().to_lowercase() == lookup.environment.to_lowercase()
            && token.text("realm") == Some(lookup.realm)
            && token.text("ext_cache_key").unwrap_or_default() == lookup.ext_cache_key.unwrap_or_default()
            && token.expires_on().is_some()
            && is_scheme(token)
    });
    let scopes_of = |token: &Entry| token.scopes().map(String::from).collect::<Vec<_>>();
    let mut is_expiring = false;
    let mut judge = |token: &Entry| {
        let end = token.expires_on().unwrap();
        if end.0 < NOW.0 + 300 {
            is_expiring = true;
            return None;
        }
        let is_aging = token.refresh_on().is_some_and(|refresh| refresh < NOW);
        Some(if is_aging { Err("aging") } else { Ok(end.0) })
    };
    let exactly = |token: &&Entry| {
        let scopes = scopes_of(token);
        if reference {
            let mut wanted = lookup.scopes.to_vec();
            wanted.sort();
            return scopes.join(" ").to_lowercase() == wanted.join(" ").to_lowercase();
        }
        lower(&scopes.iter().map(String::as_str).collect::<Vec<_>>()) == lower(lookup.scopes)
    };
    let within = |token: &&Entry| {
        let scopes = scopes_of(token);
        lookup
            .scopes
            .iter()
            .all(|wanted| scopes.iter().any(|s| s == wanted || !reference && s.to_lowercase() == wanted.to_lowercase()))
    };
    let exact = fitting.clone().filter(exactly).max_by_key(|token| token.expires_on());
    let mut found = exact.and_then(|token| judge(token).map(|age| (token, age)));
    for token in fitting.filter(within).filter(|token| token.expires_on() >= Some(NOW)) {
        found = found.or_else(|| judge(token).map(|age| (token, age)));
    }
    match found {
        Some((token, Ok(_))) => Some(Ok(token.secret().into())),
        Some((_, Err(aging))) => Some(Err(aging)),
        None if is_expiring => Some(Err("expiring")),
        None => None,
    }
}

fn said(found: &Found<'_>) -> Option<Result<String, &'static str>> {
    match found {
        Found::Fresh(token) => Some(Ok(String::from(token.secret()))),
        Found::Aging(_) => Some(Err("aging")),
        Found::Expiring => Some(Err("expiring")),
        Found::Nothing => None,
    }
}

#[test]
fn the_index_agrees_with_a_walk_over_everything() {
    let mut chance = Chance(0x5eed);
    let mut cache = TokenCache::new();
    let mut hits = 0;
    for _ in 0..1500 {
        let change = chance.change();
        cache.apply(Vec::from([change]));
        let tokens: Vec<Entry> = cache.section(Kind::AccessToken).unwrap().entries().map(|(_, e)| e.clone()).collect();
        for _ in 0..4 {
            let lookup = chance.lookup();
            let found = said(&cache.find(&lookup, NOW));
            hits += usize::from(matches!(found, Some(Ok(_))));
            assert_eq!(found, find_by_walking(&tokens, &lookup, true), "{:?} {:?}", lookup.scopes, cache.to_json());
            let lookup = Lookup { ext_cache_key: Some("x"), ..lookup };
            let found = said(&cache.find_partitioned(&lookup, NOW));
            assert_eq!(found, find_by_walking(&tokens, &lookup, false), "{:?} {:?}", lookup.scopes, cache.to_json());
        }
        let home = chance.pick(&[Some("h"), None]);
        let query = [("environment", Some("e")), ("home_account_id", home)];
        let ext = [("environment", Some("e")), ("home_account_id", home), ("ext_cache_key", Some("x"))];
        for query in [&query[..], &ext] {
            let found: Vec<_> = cache.search(Kind::AccessToken, query, &["a"], NOW).map(Entry::secret).collect();
            let walked: Vec<_> = cache
                .search(Kind::AccessToken, &query[2..], &["a"], NOW)
                .filter(|e| e.text("environment").unwrap().eq_ignore_ascii_case("e"))
                .filter(|e| {
                    e.member("home_account_id").is_some_and(|h| h.as_str() == home && (h.is_null() || h.is_string()))
                })
                .map(Entry::secret)
                .collect();
            assert_eq!(found, walked);
        }
        let ended = tokens.iter().filter(|token| token.expires_on().is_some_and(|end| end < NOW)).count();
        assert_eq!(cache.expired(NOW).len(), ended);
    }
    assert!(hits > 150, "the look-ups must meet something: {hits}");
    let again = TokenCache::from_json(&cache.to_json()).unwrap();
    assert_eq!(again.to_json(), cache.to_json());
}

#[test]
fn garbage_does_no_harm() {
    let mut chance = Chance(0xbad5eed);
    let mut changes = Vec::new();
    changes.resize_with(12, || chance.change());
    let mut cache = TokenCache::new();
    cache.apply(changes);
    let file = cache.to_json().to_vec();
    let pieces: &[&[u8]] =
        &[b"{", b"}", b"[]", b"null", b"\"", b":", b",", b"7", b"\\u0000", b"\xff", b"{}", b"-1e9", b""];
    let mut read = 0;
    for _ in 0..3000 {
        let mut text = file.clone();
        for _ in 0..=chance.below(3) {
            let start = chance.below(text.len());
            let end = (start + chance.below(12)).min(text.len());
            text.splice(start..end, chance.pick(pieces).iter().copied());
        }
        let Ok(mut cache) = TokenCache::from_json(&text) else { continue };
        read += 1;
        assert_eq!(TokenCache::from_json(&cache.to_json()).unwrap().to_json(), cache.to_json());
        let _ = cache.find(&chance.lookup(), NOW);
        cache.apply(cache.expired(NOW));
        cache.apply(cache.remove_app_tokens("c", &["e"]));
        cache.apply(cache.remove_account("c", "e", "h"));
        let left =
            cache.search(Kind::AccessToken, &[("environment", Some("e")), ("home_account_id", Some("h"))], &[], NOW);
        assert_eq!(left.count(), 0);
        assert!(cache.expired(NOW).is_empty());
    }
    assert!(read > 100, "some must be readable: {read}");
}
