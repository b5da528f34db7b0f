//! What was seen when the recording was made. Its fields are private: only the comparisons below can read them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::exceptions;
use super::json::brief;
use super::matching::{Checked, Matching, Mismatch};
use super::outcome::{Failure, Outcome};
use super::place::Place;
use super::server::Sent;

/// A recorded request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRequest {
    method: String,
    url: Value,
    #[serde(default)]
    query: BTreeMap<String, Value>,
    headers: BTreeMap<String, Value>,
    form: Option<Value>,
    body: Option<Value>,
    tls_pin_sha1: Option<Value>,
}

/// What a call came to when it was recorded.
#[derive(Debug)]
pub struct ExpectedStep {
    ending: Ending,
    callbacks: Vec<Value>,
    waits: Vec<Value>,
    bind: Option<String>,
}

#[derive(Debug)]
enum Ending {
    Returned(Value),
    Raised(Raised),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raised {
    #[serde(rename = "type")]
    class: String,
    #[serde(rename = "bases")]
    _bases: Vec<String>,
    message: Value,
    #[serde(default)]
    transport_error: bool,
}

/// The token cache at the end.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct ExpectedCache(Value);

impl ExpectedRequest {
    /// Holds what was sent against the recording.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(&self, sent: &Sent, matching: &mut Matching<'_>) -> Checked {
        let at = Place::new("request");
        matching.check(&json!(self.method), &json!(sent.method), &at.member("method"))?;
        matching.check(&self.url, &json!(sent.url), &at.member("url"))?;
        let whole = |members: &BTreeMap<String, Value>| members.clone().into_iter().collect();
        matching.check(&Value::Object(whole(&self.query)), &Value::Object(sent.query.clone()), &at.member("query"))?;
        let headers = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        matching.check(&Value::Object(headers), &Value::Object(sent.headers.clone()), &at.member("headers"))?;
        let parts = [
            ("form", &self.form, &sent.form),
            ("body", &self.body, &sent.body),
            ("tls_pin_sha1", &self.tls_pin_sha1, &sent.tls_pin_sha1),
        ];
        for (name, want, got) in parts {
            match (want, got) {
                (None, None) => {}
                (Some(want), Some(got)) => matching.check(want, got, &at.member(name))?,
                (Some(want), None) => {
                    return Err(Mismatch(format!("{}: want {}, got nothing", at.member(name), brief(want))));
                }
                (None, Some(_)) => return Err(Mismatch(format!("{}: want nothing, got something", at.member(name)))),
            }
        }
        Ok(())
    }

    /// Whether a rule lets this request of a call be absent.
    pub fn may_be_absent(&self, call: &str, is_repeated: bool, matching: &Matching<'_>) -> bool {
        let may = |url| matching.allowance.may_omit(call, &self.method, url, &self.query, is_repeated);
        self.url.as_str().is_some_and(may)
    }

    /// Whether it goes to the same place as another one of the recording.
    pub fn is_like(&self, other: &Self) -> bool {
        self.method == other.method && self.url == other.url
    }

    /// Method and address, for messages.
    pub fn title(&self) -> String {
        format!("{} {}", self.method, self.url.as_str().unwrap_or("?"))
    }

    /// Whether what was sent has other fields, or headers of other names.
    pub fn says_otherwise(&self, sent: &Sent, matching: &mut Matching<'_>) -> bool {
        let own: BTreeSet<String> = self.headers.keys().map(|name| name.to_ascii_lowercase()).collect();
        let theirs: BTreeSet<String> = sent.headers.keys().cloned().collect();
        let before = matching.snapshot();
        let parts = [(&self.form, &sent.form), (&self.body, &sent.body)];
        let same = parts.iter().all(|(want, got)| match (want, got) {
            (Some(want), Some(got)) => matching.check(want, got, &Place::new("sent")).is_ok(),
            (want, got) => want.is_none() == got.is_none(),
        });
        matching.restore(before);
        !same || own != theirs
    }

    /// Whether it goes to the same place as what was sent.
    pub fn is_to(&self, sent: &Sent) -> bool {
        self.method == sent.method && self.url.as_str() == Some(&sent.url)
    }
}

impl ExpectedStep {
    /// From the members of a recorded step.
    ///
    /// # Errors
    /// When there is not exactly one of result and exception.
    pub fn new(
        result: Option<Value>,
        raises: Option<Map<String, Value>>,
        callbacks: Vec<Value>,
        waits: Vec<Value>,
        bind: Option<String>,
    ) -> Result<Self, String> {
        let ending = match (result, raises) {
            (Some(result), None) => Ending::Returned(result),
            (None, Some(raised)) => {
                let raised = serde_json::from_value(Value::Object(raised)).map_err(|why| format!("raises: {why}"))?;
                Ending::Raised(raised)
            }
            (Some(_), Some(_)) => return Err("both result and raises".into()),
            (None, None) => return Err("neither result nor raises".into()),
        };
        Ok(Self { ending, callbacks, waits, bind })
    }

    /// Holds what a call came to against the recording.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(
        &self,
        call: &str,
        outcome: &Outcome,
        waits: &[Value],
        callbacks: &[Value],
        matching: &mut Matching<'_>,
    ) -> Checked {
        matching.check(&json!(self.waits), &json!(waits), &Place::new("waits"))?;
        matching.check(&json!(self.callbacks), &json!(callbacks), &Place::new("callbacks"))?;
        if let Some(name) = &self.bind {
            // A call that failed returned nothing.
            let value = if let Outcome::Value(value) = outcome { value.clone() } else { Value::Null };
            matching.bind(name, value);
        }
        match (&self.ending, outcome) {
            (Ending::Returned(want), Outcome::Value(got)) if matching.allowance.may_gain(call, want, got) => Ok(()),
            (Ending::Returned(want), Outcome::Value(got)) => matching.check(want, got, &Place::new("result")),
            (Ending::Raised(want), Outcome::Failed(got)) => want.compare(got, matching),
            (Ending::Raised(want), Outcome::Value(got)) if matching.allowance.may_give(call, &want.class, got) => {
                Ok(())
            }
            (Ending::Raised(want), Outcome::Value(got)) => {
                Err(Mismatch(format!("want {} raised, got {}", want.class, brief(got))))
            }
            (Ending::Returned(_), Outcome::Failed(got)) if matching.allowance.may_refuse(call, &got.kind) => Ok(()),
            (Ending::Returned(want), Outcome::Failed(got)) => {
                Err(Mismatch(format!("want {}, got error {}: {}", brief(want), got.kind, got.message)))
            }
        }
    }

    /// Whether an error that comes here comes earlier than in the recording, and which later calls may raise it.
    pub fn comes_earlier(
        &self,
        call: &str,
        outcome: &Outcome,
        matching: &Matching<'_>,
    ) -> Option<(Failure, Vec<String>)> {
        match (&self.ending, outcome) {
            (Ending::Returned(_), Outcome::Failed(failure)) => {
                Some((failure.clone(), matching.allowance.earlier(call, &failure.kind)?))
            }
            _ => None,
        }
    }

    /// The class that the recorded call raised.
    pub fn raised(&self) -> Option<&str> {
        match &self.ending {
            Ending::Raised(raised) => Some(&raised.class),
            Ending::Returned(_) => None,
        }
    }
}

impl Raised {
    fn compare(&self, got: &Failure, matching: &mut Matching<'_>) -> Checked {
        if !exceptions::allows(&got.kind, &self.class) {
            return Err(Mismatch(format!("want {} raised, got error {}: {}", self.class, got.kind, got.message)));
        }
        if self.transport_error != got.transport {
            return Err(Mismatch(format!("want transport_error {}, got {}", self.transport_error, got.transport)));
        }
        matching.check(&self.message, &json!(got.message), &Place::new("raises.message"))
    }
}

impl ExpectedCache {
    /// Holds the cache at the end against the recording.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(&self, cache: &Value, matching: &mut Matching<'_>) -> Checked {
        let empty = cache.as_object().is_some_and(Map::is_empty);
        match &self.0 {
            Value::Null if empty => Ok(()),
            want => matching.check(want, cache, &Place::new("cache_after")),
        }
    }
}
