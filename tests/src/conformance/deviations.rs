//! What a decision of the design changes in the recordings: rules, each with its reason.

mod allowance;
mod normalise;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub use allowance::Allowance;
use normalise::How;

/// The rules of `deviations.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    #[serde(default, rename = "rule")]
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Deserialize)]
pub struct Rule {
    /// The fact in section 14 of the reference (`G-20`) or the decision of the design (`decision 13`).
    pub id: String,
    /// Why ours differs, in one sentence.
    pub why: String,
    /// The one recording that it is for, where no rule can say it.
    pub transcript: Option<String>,
    #[serde(flatten)]
    kind: Kind,
}

impl Rule {
    /// The part of a recording that this rule does not look at once it is used: something else is compared instead.
    pub fn sets_aside(&self) -> Option<&'static str> {
        match self.kind {
            Kind::NotStored(_) | Kind::Outcome(OutcomeRule { stores: true, .. }) => Some("/cache_after"),
            Kind::Stricter(_) => Some("/result"),
            _ => None,
        }
    }
}

/// What the player may do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Two texts at a place count as the same if they are after a normalisation.
    Normalise(Normalise),
    /// A recorded request may be missing.
    AbsentRequest(AbsentRequest),
    /// A request may be sent again that the reference answered by itself; it gets the answer it got before.
    RepeatedRequest(RepeatedRequest),
    /// A call that raised may give something else.
    Outcome(OutcomeRule),
    /// A call that gave `None` may give this.
    Gains(Gains),
    /// A call that gave something may be refused.
    Stricter(Stricter),
    /// A call that fails stores nothing; where it is a recording's last one, the cache is then what it was before.
    NotStored(Stricter),
    /// A request may be sent that is not recorded; it gets this answer. Of the method `BROWSER`: an address may be opened, and
    /// these parameters come back, with its `{state}`.
    ExtraRequest(ExtraRequest),
    /// An error may come at an earlier call than in the recording.
    Earlier(Earlier),
    /// A cache entry that is recorded without scopes may have these.
    Scoped(Scoped),
    /// Tokens bound to a key lie apart from others; in the recording, in the same places.
    BoundApart(BoundApart),
    /// A recorded entry of the cache may be gone.
    GoneEntry(GoneEntry),
    /// A signed assertion may be one from before.
    EarlierAssertion(EarlierAssertion),
    /// A member of a cache entry may still stand where it stood before.
    KeptMembers(KeptMembers),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Normalise {
    at: String,
    how: How,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AbsentRequest {
    call: Vec<String>,
    method: String,
    url: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// Only where the call has sent the like already.
    #[serde(default)]
    repeats: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RepeatedRequest {
    call: Vec<String>,
    /// What the earlier answer was.
    after: EarlierAnswer,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EarlierAnswer {
    /// A success with `Retry-After`.
    Success,
    /// 429, 5xx or any failure with `Retry-After`, and the request was another one: other fields or other headers.
    PatienceOfAnother,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutcomeRule {
    call: Vec<String>,
    /// The classes, any of them.
    raises: Vec<String>,
    /// Members of what comes instead; none at all: `None`, or an empty list.
    #[serde(default)]
    gives: BTreeMap<String, Value>,
    /// Whether what comes instead is stored, so that the caches differ.
    #[serde(default)]
    stores: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gains {
    call: Vec<String>,
    gives: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stricter {
    call: Vec<String>,
    errors: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtraRequest {
    call: Vec<String>,
    /// Only where the recorded call raised one of these classes.
    #[serde(default)]
    raises: Vec<String>,
    method: String,
    url: String,
    answer: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Earlier {
    call: String,
    errors: Vec<String>,
    later: Vec<String>,
    /// Whether it is the cache that could not be read, so that it is not there afterwards either.
    #[serde(default)]
    refuses_cache: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scoped {
    /// The call whose request named the scopes: they are the `target`, which the entry's key ends with in lower case.
    begun_by: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundApart {
    /// What tells such an entry.
    credential_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoneEntry {
    /// A call of the recording, which has removed it.
    call: Vec<String>,
    at: String,
    /// What is in its key; nothing in particular.
    #[serde(default)]
    key: String,
    /// Only tokens that have ended.
    #[serde(default)]
    ended: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EarlierAssertion {
    /// A call of the recording, for which the reference signs anew.
    call: Vec<String>,
    at: Vec<String>,
    /// Seconds.
    within: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptMembers {
    /// The calls that store a response.
    call: Vec<String>,
    at: String,
    members: Vec<String>,
}

impl Rules {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rules: Self = toml::from_str(text).map_err(|why| why.to_string())?;
        match rules.rules.iter().find(|rule| rule.id.trim().is_empty() || rule.why.trim().is_empty()) {
            Some(rule) => Err(format!("a rule ({:?}) lacks its id or its reason", rule.id)),
            None => Ok(rules),
        }
    }

    /// All rules, in the order of the file.
    pub fn list(&self) -> &[Rule] {
        &self.rules
    }
}

/// Whether a list names something; `*` at the end of an item stands for any rest.
pub fn names(list: &[String], name: &str) -> bool {
    list.iter().any(|item| match item.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => item == name,
    })
}

/// Whether a pattern means an address; `*` stands for anything but a slash.
fn glob(pattern: &str, text: &str) -> bool {
    let (patterns, parts) = (pattern.split('/'), text.split('/'));
    patterns.clone().count() == parts.clone().count() && patterns.zip(parts).all(|(p, part)| p == "*" || p == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_strictly() {
        let cases = [
            ("", Some(0)),
            ("[[rule]]\nid='G-20'\nwhy='x'\n[rule.normalise]\nat='request.url'\nhow='collapse_slashes'", Some(1)),
            ("[[rule]]\nid='G-20'\nwhy=''\n[rule.normalise]\nat='request.url'\nhow='collapse_slashes'", None),
            ("[[rule]]\nid='G-20'\nwhy='x'\n[rule.normalise]\nat='request.url'\nhow='guess'", None),
            ("[[rule]]\nid='G-20'\nwhy='x'\n[rule.normalise]\nat='request.url'\nhow='strip_padding'\nmore=1", None),
            ("[[rule]]\nid='G-20'\nwhy='x'", None),
            ("[[rule]]\nid='G-20'\nwhy='x'\n[rule.anything_goes]\n", None),
            ("[[rules]]\nid='G-20'", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Rules::parse(text).ok().map(|rules| rules.list().len()), expected, "{text}");
        }
    }

    #[test]
    fn patterns() {
        assert!(glob("https://*/a/b", "https://h/a/b") && !glob("https://*/a/b", "https://h/x/a/b"));
        assert!(names(&["Config.*".into()], "Config.Scope") && !names(&["Config".into()], "Config.Scope"));
    }
}
