//! Scopes, RFC 6749 s3.3: sorted, joined by one space, always well formed.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::Config;
use crate::limits::MAX_SCOPES;

/// A set of scopes. Whoever is outside this crate gets well-formed ones only: non-empty tokens of `%x21 / %x23-5B / %x5D-7E`.
///
/// ```
/// use sansal::client::Scopes;
/// let scopes = Scopes::parse(&["b", "a"])?;
/// assert_eq!(scopes.as_str(), "a b");
/// assert!(Scopes::parse(&["a b"]).is_err());
/// # Ok::<(), sansal::error::Config>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scopes {
    list: Vec<String>,
    joined: String,
}

impl Scopes {
    /// The scopes that the library adds by itself in user flows, and that callers cannot ask for.
    pub const RESERVED: [&'static str; 3] = ["offline_access", "openid", "profile"];

    /// Takes the caller's scopes, one each.
    ///
    /// # Errors
    /// [`Config::Scope`] for no scope at all, too many, or one that is not a scope-token.
    pub fn parse<S: AsRef<str>>(scopes: &[S]) -> Result<Self, Config> {
        if scopes.is_empty() {
            return Err(Config::Scope("there is none; for an application use the resource's id followed by /.default"));
        }
        if scopes.len() > MAX_SCOPES {
            return Err(Config::Scope("there are too many"));
        }
        for scope in scopes {
            match scope.as_ref() {
                "" => return Err(Config::Scope("it is empty")),
                text if !is_scope_token(text) => {
                    return Err(Config::Scope(
                        "it has a space, a quote or another character that does not belong there",
                    ));
                }
                _ => {}
            }
        }
        Ok(Self::as_given(scopes))
    }

    /// Whether there are as many as [`parse`](Self::parse) takes.
    pub(crate) const fn are_as_many_as_may_be<S>(scopes: &[S]) -> bool {
        !scopes.is_empty() && scopes.len() <= MAX_SCOPES
    }

    /// Whether [`parse`](Self::parse) takes them.
    pub(crate) fn are_well_formed<S: AsRef<str>>(scopes: &[S]) -> bool {
        let well_formed = |scope: &S| !scope.as_ref().is_empty() && is_scope_token(scope.as_ref());
        Self::are_as_many_as_may_be(scopes) && scopes.iter().all(well_formed)
    }

    /// Takes the caller's scopes for a user; none at all means sign-in alone.
    ///
    /// # Errors
    /// [`Config::Scope`] for too many or one that is not a scope-token, [`Config::ReservedScope`] for one of
    /// [`RESERVED`](Self::RESERVED).
    pub fn of_user<S: AsRef<str>>(scopes: &[S]) -> Result<Self, Config> {
        if let Some(reserved) = scopes.iter().map(AsRef::as_ref).find(|scope| Self::RESERVED.contains(scope)) {
            return Err(Config::ReservedScope(reserved.to_string()));
        }
        if scopes.is_empty() { Ok(Self::as_given(scopes)) } else { Self::parse(scopes) }
    }

    /// What is sent for a user: these scopes and the reserved ones, but for those that the client excludes
    /// (section 11.1 of the reference). `openid` is never excluded.
    #[must_use]
    pub fn decorated(&self, excluded: &[String]) -> Self {
        let is_wanted = |scope: &&str| *scope == "openid" || !excluded.iter().any(|other| other == scope);
        let own = self.list.iter().map(String::as_str).filter(|scope| !Self::RESERVED.contains(scope));
        Self::of_all(own.chain(Self::RESERVED).filter(is_wanted))
    }

    /// These and the others, each once.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        Self::of_all(self.list.iter().chain(&others.list).map(String::as_str))
    }

    fn of_all<'a>(scopes: impl Iterator<Item = &'a str>) -> Self {
        let mut all: Vec<&str> = scopes.collect();
        all.sort_unstable();
        all.dedup();
        Self::sorted(&all)
    }

    /// Whether all of these are among the others.
    pub fn is_within(&self, others: &Self) -> bool {
        self.list.iter().all(|scope| others.list.contains(scope))
    }

    /// Takes them unread; only the reference's profile needs that.
    pub(crate) fn as_given<S: AsRef<str>>(scopes: &[S]) -> Self {
        let mut list: Vec<&str> = scopes.iter().map(AsRef::as_ref).collect();
        list.sort_unstable();
        Self::sorted(&list)
    }

    fn sorted(scopes: &[&str]) -> Self {
        Self { list: scopes.iter().map(ToString::to_string).collect(), joined: scopes.join(" ") }
    }

    /// Sorted and joined by one space, as it goes on the wire.
    pub fn as_str(&self) -> &str {
        &self.joined
    }

    /// One by one, sorted.
    pub fn list(&self) -> &[String] {
        &self.list
    }
}

/// Whether all characters are those of a scope-token. Blocks of sixteen are looked at at once; the last of them has some a second
/// time.
pub(crate) fn is_scope_token(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.last_chunk() {
        Some(last) => bytes.as_chunks().0.iter().chain([last]).all(is_block),
        None => {
            let mut block = [b'a'; BLOCK];
            block.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
            is_block(&block)
        }
    }
}

const BLOCK: usize = 16;

fn is_block(block: &[u8; BLOCK]) -> bool {
    let other = |b: u8| u8::from(b <= 0x20) | u8::from(b >= 0x7F) | u8::from(b == 0x22) | u8::from(b == 0x5C);
    block.iter().fold(0, |others, b| others | other(*b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn scope_tokens() {
        // RFC 6749 s3.3
        let cases: &[(&[&str], Option<&str>)] = &[
            (&["openid"], Some("openid")),
            (&["b", "a"], Some("a b")),
            (&["https://graph.microsoft.com/.default"], Some("https://graph.microsoft.com/.default")),
            (&[], None),
            (&[""], None),
            (&["a b"], None),
            (&["a\"b"], None),
            (&["a\\b"], None),
            (&["\u{e4}"], None),
            (&["a\n"], None),
        ];
        for (scopes, expected) in cases {
            assert_eq!(Scopes::parse(scopes).ok().as_ref().map(Scopes::as_str), *expected, "{scopes:?}");
            assert_eq!(Scopes::are_well_formed(scopes), expected.is_some(), "{scopes:?}");
        }
        let many = ["a"; MAX_SCOPES + 1];
        assert!(Scopes::parse(&many).is_err() && !Scopes::are_well_formed(&many));
        for byte in 0..=0x7F_u8 {
            let expected = matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            for length in [0, 14, 15, 30, 33] {
                let text = format!("{0:a<length$}{1}{0:a<length$}", "", char::from(byte));
                assert_eq!(is_scope_token(&text), expected, "{byte:x}");
            }
        }
    }
}
