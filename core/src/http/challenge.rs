//! `WWW-Authenticate` (RFC 9110 s11.6.1): what a resource wants to see before it lets a request through.

use alloc::string::String;
use alloc::vec::Vec;

use crate::limits::{MAX_CHALLENGE, MAX_CLAIMS};
use crate::{base64, json};

/// Parameters of one challenge at the most.
const MAX_PARAMETERS: usize = 32;
/// Challenges in one header at the most.
const MAX_CHALLENGES: usize = 16;

/// One challenge: a scheme with its parameters, or with one token in their place.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// `Bearer`, `PoP`, `DPoP`, `Basic` …, in the case it was sent.
    pub scheme: String,
    /// The `token68` form (`Negotiate abc==`), where that was used.
    pub token: Option<String>,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Reads all challenges of one header. Bounded; what cannot be read ends the list, it does not spoil what was read.
    ///
    /// ```
    /// use sansal::http::challenge::Challenge;
    /// let header = r#"Bearer realm="", error="insufficient_claims", claims="e30=""#;
    /// let challenges = Challenge::parse_all(header);
    /// assert_eq!(challenges[0].parameter("error"), Some("insufficient_claims"));
    /// ```
    pub fn parse_all(header: &str) -> Vec<Self> {
        let mut out: Vec<Self> = Vec::new();
        let mut rest = Cursor(header.get(..header.len().min(MAX_CHALLENGE)).unwrap_or_default());
        loop {
            rest.skip(|c| c == ' ' || c == '\t' || c == ',');
            let Some(word) = rest.token() else { return out };
            if rest.peek() == Some('=') || (rest.ahead_is_equals() && !out.is_empty()) {
                let Some(value) = rest.value() else { return out };
                match out.last_mut() {
                    Some(last) if last.parameters.len() < MAX_PARAMETERS => last.parameters.push((word.into(), value)),
                    _ => return out,
                }
                continue;
            }
            if out.len() >= MAX_CHALLENGES {
                return out;
            }
            out.push(Self { scheme: word.into(), token: rest.token68(), parameters: Vec::new() });
        }
    }

    /// The value of a parameter, quotes and escapes resolved. Names compare without case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The claims request of a claims challenge, as JSON; `None` for every other challenge. See [`claims_challenge`].
    pub fn claims(&self) -> Option<String> {
        let is_for_tokens = ["Bearer", "PoP", "DPoP"].iter().any(|scheme| self.is(scheme));
        if !is_for_tokens || self.parameter("error") != Some("insufficient_claims") {
            return None;
        }
        let text = self.parameter("claims")?;
        let bytes = base64::std_decode(text).or_else(|| base64::url_decode(text.trim_end_matches('=')))?;
        json::parse_object(&bytes, MAX_CLAIMS).ok()?;
        String::from_utf8(bytes).ok()
    }

    /// Whether the scheme is this one; schemes compare without case.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }
}

/// What a resource wants to see in a token before it takes it: the claims request of its claims challenge, as JSON. Pass it
/// on as `claims_challenge`, first to a silent call, then, should that need a person, to an interactive one.
///
/// `header` is the value of `WWW-Authenticate` in a 401. The challenge counts if it is one of `Bearer`, `PoP` or `DPoP` with
/// `error="insufficient_claims"` and its `claims` are a JSON object in base64 or base64url, as Microsoft's resources send
/// it (continuous access evaluation, authentication contexts).
///
/// ```
/// use sansal::http::challenge::claims_challenge;
/// let header = r#"Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ==""#;
/// assert_eq!(claims_challenge(header).as_deref(), Some(r#"{"access_token":{}}"#));
/// assert_eq!(claims_challenge(r#"Bearer error="invalid_token""#), None);
/// ```
pub fn claims_challenge(header: &str) -> Option<String> {
    Challenge::parse_all(header).iter().find_map(Challenge::claims)
}

/// What is still to be read.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(what);
    }

    /// RFC 9110 s5.6.2
    fn token(&mut self) -> Option<&'a str> {
        self.while_(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    }

    fn while_(&mut self, what: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.0.find(|c| !what(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Whether white space and then `=` follow: a parameter written with "bad white space" (RFC 9110 s5.6.3).
    fn ahead_is_equals(&self) -> bool {
        let ahead = self.0.trim_start_matches([' ', '\t']);
        ahead.starts_with('=') && !ahead.starts_with("==")
    }

    /// `=` and a token or a quoted string (RFC 9110 s5.6.4).
    fn value(&mut self) -> Option<String> {
        self.skip(|c| c == ' ' || c == '\t');
        self.0 = self.0.strip_prefix('=')?;
        self.skip(|c| c == ' ' || c == '\t');
        let Some(quoted) = self.0.strip_prefix('"') else {
            // Servers leave out the quotes around values that need them.
            return Some(self.while_(|c| !matches!(c, ',' | ' ' | '\t')).unwrap_or_default().into());
        };
        let mut value = String::new();
        let mut chars = quoted.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => value.push(chars.next()?),
                other => value.push(other),
            }
        }
        self.0 = chars.as_str();
        Some(value)
    }

    /// `token68` (RFC 9110 s11.2) in place of parameters.
    fn token68(&mut self) -> Option<String> {
        let ahead = self.0.strip_prefix(' ')?.trim_start_matches(' ');
        let end = ahead.find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/".contains(c))).unwrap_or(ahead.len());
        let padded = end.saturating_add(ahead.get(end..)?.chars().take_while(|c| *c == '=').count());
        let (word, rest) = ahead.split_at_checked(padded)?;
        let rest_is_end = rest.trim_start_matches([' ', '\t']);
        if end == 0 || !(rest_is_end.is_empty() || rest_is_end.starts_with(',')) {
            return None;
        }
        self.0 = rest;
        Some(word.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Vec<(String, Option<String>, Vec<(String, String)>)> {
        Challenge::parse_all(header).into_iter().map(|c| (c.scheme, c.token, c.parameters)).collect()
    }

    fn one(
        scheme: &str,
        token: Option<&str>,
        parameters: &[(&str, &str)],
    ) -> (String, Option<String>, Vec<(String, String)>) {
        let parameters = parameters.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        (scheme.into(), token.map(Into::into), parameters)
    }

    #[test]
    fn headers() {
        let cases = [
            ("", Vec::new()),
            ("Basic", Vec::from([one("Basic", None, &[])])),
            (
                r#"Basic realm="a", NewAuth q=1, r="x,\"y""#,
                Vec::from([one("Basic", None, &[("realm", "a")]), one("NewAuth", None, &[("q", "1"), ("r", "x,\"y")])]),
            ),
            ("Negotiate abc==", Vec::from([one("Negotiate", Some("abc=="), &[])])),
            (
                "Negotiate abc==, Bearer realm=x",
                Vec::from([one("Negotiate", Some("abc=="), &[]), one("Bearer", None, &[("realm", "x")])]),
            ),
            ("Bearer realm = \"a\"", Vec::from([one("Bearer", None, &[("realm", "a")])])),
            (
                "Bearer authorization_uri=https://login.windows.net/t, resource_id=https://r/",
                Vec::from([one(
                    "Bearer",
                    None,
                    &[("authorization_uri", "https://login.windows.net/t"), ("resource_id", "https://r/")],
                )]),
            ),
            (
                "Basic realm=/var/opt/azcmagent/tokens/a.key",
                Vec::from([one("Basic", None, &[("realm", "/var/opt/azcmagent/tokens/a.key")])]),
            ),
            (r#"Bearer error="unfinished"#, Vec::from([one("Bearer", None, &[])])),
            ("Bearer a=\"\", b=1", Vec::from([one("Bearer", None, &[("a", ""), ("b", "1")])])),
            ("=x", Vec::new()),
        ];
        for (header, expected) in cases {
            assert_eq!(read(header), expected, "{header:?}");
        }
        assert!(read(&"A, ".repeat(1000)).len() <= MAX_CHALLENGES);
        let many = String::from("Bearer ") + &"a=1,".repeat(1000);
        assert_eq!(read(&many)[0].2.len(), MAX_PARAMETERS);
    }

    #[test]
    fn claims_challenges() {
        // RFC 9110 s11.6.1 with Microsoft's parameters (claims challenge, continuous access evaluation).
        let json = r#"{"access_token":{"acrs":{"essential":true,"value":"c1>?"}}}"#;
        let (std, url) = (base64::std_encode(json.as_bytes()), base64::url_encode(json.as_bytes()));
        let bearer = |rest: &str| alloc::format!("Bearer realm=\"\", authorization_uri=\"https://l.example/a\"{rest}");
        let wanted = |claims: &str| bearer(&alloc::format!(", error=\"insufficient_claims\", claims=\"{claims}\""));
        assert_ne!(std.trim_end_matches('='), url, "both alphabets differ here");
        let cases = [
            (wanted(&std), Some(json)),
            (wanted(std.trim_end_matches('=')), Some(json)),
            (wanted(&url), Some(json)),
            (alloc::format!("Basic realm=\"x\", {}", wanted(&std)), Some(json)),
            (wanted(&std).replacen("Bearer", "pop", 1), Some(json)),
            (wanted(&std).replacen("Bearer", "Basic", 1), None),
            (wanted(&std).replace("insufficient_claims", "invalid_token"), None),
            (bearer(&alloc::format!(", claims=\"{std}\"")), None),
            (wanted("e30"), Some("{}")),
            (wanted("W10="), None), // []
            (wanted("e30!"), None), // not base64
            (wanted(""), None),
            (wanted(&base64::std_encode(b"{\"a\":\"\xff\"}")), None),
            (bearer(", error=\"insufficient_claims\""), None),
            (String::new(), None),
        ];
        for (header, expected) in cases {
            assert_eq!(claims_challenge(&header).as_deref(), expected, "{header}");
        }
    }
}
