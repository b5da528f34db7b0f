//! Which rules one replay may use, where they say yes, and which of them were needed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Value, json};

use super::{BoundApart, Earlier, EarlierAnswer, Kind, OutcomeRule, Rule, Rules, glob, names};
use crate::conformance::place::Place;

/// The rules that one replay may use, and those that it needed.
#[derive(Clone, Debug)]
pub struct Allowance<'r> {
    rules: &'r [Rule],
    transcript: &'r str,
    used: RefCell<BTreeSet<usize>>,
    caches: Rc<RefCell<Vec<Value>>>,
    /// The scopes that a device flow was begun with.
    begun: RefCell<String>,
    /// The calls that were made.
    called: RefCell<BTreeSet<String>>,
    /// The date at the end.
    now: Cell<u64>,
    /// Whether a call was refused that asked a server when it was recorded.
    refused: Cell<bool>,
}

impl Allowance<'static> {
    /// No rule at all.
    pub fn none() -> Self {
        Self {
            rules: &[],
            transcript: "",
            used: RefCell::default(),
            caches: Rc::default(),
            begun: RefCell::default(),
            called: RefCell::default(),
            now: Cell::new(0),
            refused: Cell::new(false),
        }
    }
}

impl<'r> Allowance<'r> {
    /// All rules, for this recording.
    pub fn new(rules: &'r Rules, transcript: &'r str) -> Self {
        Self { rules: &rules.rules, transcript, ..Allowance::none() }
    }

    /// The rules that were needed, by their place in the file.
    pub fn used(&self) -> BTreeSet<usize> {
        self.used.borrow().clone()
    }

    fn applies(&self, rule: &Rule) -> bool {
        rule.transcript.as_deref().is_none_or(|name| name == self.transcript)
    }

    /// Uses the first rule that says yes.
    fn any(&self, allows: impl Fn(&Kind) -> bool) -> bool {
        let found = self.rules.iter().position(|rule| self.applies(rule) && allows(&rule.kind));
        self.used.borrow_mut().extend(found);
        found.is_some()
    }

    /// Whether two texts that differ count as the same here.
    pub fn same(&self, at: &Place, want: &str, got: &str) -> bool {
        self.any(|kind| match kind {
            Kind::Normalise(rule) => at.is(&rule.at) && rule.how.apply(want) == rule.how.apply(got),
            Kind::Scoped(rule) => {
                at.is("cache_after.*.*.target")
                    && want.is_empty()
                    && rule.begun_by == "initiate_device_flow"
                    && !got.is_empty()
                    && got == *self.begun.borrow()
            }
            _ => false,
        })
    }

    /// The key that an entry of the cache may have instead of the recorded one.
    pub fn other_key(&self, at: &Place, key: &str) -> Option<String> {
        let is = |kind: &Kind| match kind {
            Kind::Scoped(rule)
                if at.is("cache_after.*")
                    && key.ends_with('-')
                    && rule.begun_by == "initiate_device_flow"
                    && !self.begun.borrow().is_empty() =>
            {
                Some(format!("{key}{}", self.begun.borrow().to_lowercase()))
            }
            _ => None,
        };
        let found = self.rules.iter().filter(|rule| self.applies(rule)).find_map(|rule| is(&rule.kind))?;
        self.any(|kind| is(kind).is_some()).then_some(found)
    }

    /// Whether a recorded cache that is no object counts as the empty one that was seen: it was refused when it was read.
    pub fn is_refused(&self, at: &Place, want: &Value, got: &Value) -> bool {
        let empty = got.as_object().is_some_and(|members| members.is_empty());
        let refused = |rule: &Rule| matches!(&rule.kind, Kind::Earlier(Earlier { refuses_cache: true, .. }));
        let refuses = || self.used.borrow().iter().filter_map(|at| self.rules.get(*at)).any(refused);
        at.is("cache_after") && !want.is_object() && empty && refuses()
    }

    /// Whether a recorded request of this call may be missing.
    pub fn may_omit(
        &self,
        call: &str,
        method: &str,
        url: &str,
        query: &BTreeMap<String, Value>,
        is_repeated: bool,
    ) -> bool {
        self.any(|kind| match kind {
            Kind::AbsentRequest(rule) => {
                names(&rule.call, call)
                    && rule.method == method
                    && glob(&rule.url, url)
                    && (is_repeated || !rule.repeats)
                    && rule.query.iter().all(|(name, value)| query.get(name).and_then(Value::as_str) == Some(value))
            }
            _ => false,
        })
    }

    /// Whether a request that is not recorded may get the answer of an earlier one, which had this status and these headers;
    /// `is_other`: the earlier request was not the same.
    pub fn may_repeat(&self, call: &str, status: u16, headers: &BTreeMap<String, String>, is_other: bool) -> bool {
        let says_when = headers.keys().any(|name| name.eq_ignore_ascii_case("Retry-After"));
        let is_success = (200..300).contains(&status);
        self.any(|kind| match kind {
            Kind::RepeatedRequest(rule) => {
                names(&rule.call, call)
                    && match rule.after {
                        EarlierAnswer::Success => is_success && says_when,
                        EarlierAnswer::PatienceOfAnother => {
                            is_other && !is_success && (says_when || matches!(status, 429 | 500..))
                        }
                    }
            }
            _ => false,
        })
    }

    /// Whether a call that raised this class may give this value.
    pub fn may_give(&self, call: &str, raises: &str, value: &Value) -> bool {
        self.any(|kind| match kind {
            Kind::Outcome(rule) => {
                names(&rule.call, call)
                    && names(&rule.raises, raises)
                    && rule.gives.iter().all(|(name, wanted)| value.get(name) == Some(wanted))
                    && (value.is_null() || value.as_array().is_some_and(Vec::is_empty)) == rule.gives.is_empty()
            }
            _ => false,
        })
    }

    /// Notes the date at the end.
    pub fn ends_at(&self, now: u64) {
        self.now.set(now);
    }

    /// Notes that a call was refused for which a server had been asked when it was recorded.
    pub fn refuses_request(&self) {
        self.refused.set(true);
    }

    /// Whether a call has stored something where the recorded one raised, or the other way round.
    pub fn stores_otherwise(&self) -> bool {
        let stores = |at: &usize| {
            let kind = self.rules.get(*at).map(|rule| &rule.kind);
            matches!(kind, Some(Kind::Outcome(OutcomeRule { stores: true, .. })))
        };
        self.refused.get() || self.used.borrow().iter().any(stores)
    }

    /// Whether a recorded entry of the cache may be gone, since one of these calls was made.
    pub fn may_be_gone(&self, at: &Place, key: &str, entry: &Value) -> bool {
        let called = self.called.borrow();
        let ends = entry.get("expires_on").and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok());
        let has_ended = ends.is_some_and(|ends| ends < self.now.get());
        self.any(|kind| match kind {
            Kind::GoneEntry(rule) => {
                at.is(&rule.at)
                    && key.contains(&rule.key)
                    && (has_ended || !rule.ended)
                    && called.iter().any(|call| names(&rule.call, call))
            }
            _ => false,
        })
    }

    /// Whether a time in an assertion may be that of one which was signed before.
    pub fn may_be_earlier(&self, at: &Place, want: f64, got: f64) -> bool {
        let called = self.called.borrow();
        self.any(|kind| match kind {
            Kind::EarlierAssertion(rule) => {
                called.iter().any(|call| names(&rule.call, call))
                    && rule.at.iter().any(|place| at.is(place))
                    && got < want
                    && want <= got + f64::from(rule.within)
            }
            _ => false,
        })
    }

    /// The cache with bound tokens in the places where the reference has them, if a rule says that they lie apart.
    pub fn joined(&self, cache: Value) -> Value {
        let mut joined = cache.clone();
        let Some(entries) = joined.get_mut("AccessToken").and_then(Value::as_object_mut) else { return cache };
        let is_bound =
            |entry: &Value, rule: &BoundApart| entry.get("credential_type") == Some(&json!(rule.credential_type));
        let found = |kind: &Kind| match kind {
            Kind::BoundApart(rule) => {
                Some(entries.values().filter(|entry| is_bound(entry, rule)).cloned().collect::<Vec<_>>())
            }
            _ => None,
        };
        let bound = self.rules.iter().find_map(|rule| found(&rule.kind)).unwrap_or_default();
        if bound.is_empty() || !self.any(|kind| matches!(kind, Kind::BoundApart(_))) {
            return cache;
        }
        entries.retain(|_, entry| !bound.contains(entry));
        for mut entry in bound {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            let parts = [
                text("home_account_id"),
                text("environment"),
                "AccessToken",
                text("client_id"),
                text("realm"),
                text("target"),
            ];
            let key = parts.join("-").to_lowercase();
            if let Some(members) = entry.as_object_mut() {
                members.insert("credential_type".into(), json!("AccessToken"));
            }
            entries.insert(key, entry);
        }
        joined
    }

    /// Whether a call that gave this may give that.
    pub fn may_gain(&self, call: &str, want: &Value, got: &Value) -> bool {
        self.any(|kind| match kind {
            Kind::Gains(rule) => names(&rule.call, call) && want.is_null() && *got == rule.gives,
            _ => false,
        })
    }

    /// Whether a call that gave something may end with this error.
    pub fn may_refuse(&self, call: &str, error: &str) -> bool {
        self.any(|kind| match kind {
            Kind::Stricter(rule) => names(&rule.call, call) && names(&rule.errors, error),
            _ => false,
        })
    }

    /// Whether a call that ends with this error leaves the cache alone where the reference does not.
    pub fn stores_nothing(&self, call: &str, error: &str) -> bool {
        self.any(|kind| match kind {
            Kind::NotStored(rule) => names(&rule.call, call) && names(&rule.errors, error),
            _ => false,
        })
    }

    /// What a request that is not recorded is answered with, where a rule says that it may be sent.
    pub fn may_ask(&self, call: &str, raised: Option<&str>, method: &str, url: &str) -> Option<Value> {
        let is_raised = |classes: &[String]| classes.is_empty() || raised.is_some_and(|class| names(classes, class));
        let is = |kind: &Kind| match kind {
            Kind::ExtraRequest(rule)
                if names(&rule.call, call)
                    && is_raised(&rule.raises)
                    && rule.method == method
                    && glob(&rule.url, url) =>
            {
                Some(Value::String(rule.answer.clone()))
            }
            _ => None,
        };
        let found = self.rules.iter().filter(|rule| self.applies(rule)).find_map(|rule| is(&rule.kind))?;
        self.any(|kind| is(kind).is_some()).then_some(found)
    }

    /// The later calls that may raise what came at this one.
    pub fn earlier(&self, call: &str, error: &str) -> Option<Vec<String>> {
        let is = |kind: &Kind| match kind {
            Kind::Earlier(rule) if rule.call == call && names(&rule.errors, error) => Some(rule.later.clone()),
            _ => None,
        };
        let found = self.rules.iter().filter(|rule| self.applies(rule)).find_map(|rule| is(&rule.kind))?;
        self.any(|kind| is(kind).is_some()).then_some(found)
    }

    /// Notes the scopes that a device flow is begun with.
    pub fn begun_with(&self, scopes: &str) {
        self.begun.replace(scopes.to_string());
    }

    /// Notes what the cache looks like before a call.
    pub fn remember_cache(&self, call: &str, cache: impl FnOnce() -> Value) {
        self.called.borrow_mut().insert(call.to_string());
        if self.rules.iter().any(|rule| matches!(&rule.kind, Kind::KeptMembers(rule) if names(&rule.call, call))) {
            self.caches.borrow_mut().push(cache());
        }
    }

    /// Whether a member that is recorded as null may have this value: it stood so in an entry before a response was stored.
    pub fn may_still_be(&self, at: &Place, value: &Value) -> bool {
        self.any(|kind| match kind {
            Kind::KeptMembers(rule) => rule.members.iter().any(|member| {
                let stood = |cache: &Value| {
                    let sections = cache.as_object().into_iter().flat_map(|sections| sections.values());
                    let entries = sections.filter_map(Value::as_object).flat_map(|section| section.values());
                    entries.into_iter().any(|entry| entry.get(member) == Some(value))
                };
                at.is(&format!("result.{member}")) && self.caches.borrow().iter().any(stood)
            }),
            _ => false,
        })
    }

    /// Whether an entry of the cache may have this member beside the recorded ones: it had it before a response was stored.
    pub fn may_keep(&self, at: &Place, member: &str, value: &Value) -> bool {
        let stood = |cache: &Value| at.inside(cache).and_then(|entry| entry.get(member)) == Some(value);
        self.any(|kind| match kind {
            Kind::KeptMembers(rule) => {
                at.is(&rule.at) && names(&rule.members, member) && self.caches.borrow().iter().any(stood)
            }
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_used_rules_count() {
        let text = "[[rule]]\nid='a'\nwhy='x'\n[rule.normalise]\nat='x'\nhow='strip_white_space'\n\
                    [[rule]]\nid='b'\nwhy='x'\ntranscript='t'\n[rule.normalise]\nat='x'\nhow='strip_padding'";
        let rules = Rules::parse(text).unwrap();
        let allowance = Allowance::new(&rules, "u");
        assert!(!allowance.same(&Place::new("y"), "a b", "ab"));
        assert!(!allowance.same(&Place::new("x"), "ab=", "ab"));
        assert!(allowance.used().is_empty());
        assert!(allowance.same(&Place::new("x"), "a b", "ab"));
        assert_eq!(allowance.used(), BTreeSet::from([0]));
        assert!(Allowance::new(&rules, "t").same(&Place::new("x"), "ab=", "ab"));
    }
}
