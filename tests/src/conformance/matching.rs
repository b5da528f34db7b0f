//! The matchers of `FORMAT.md`: what is known during a replay, and values produced from it.

mod checking;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::deviations::Allowance;
use super::json::brief;

/// The first difference between what was recorded and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(pub String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known during one replay: bound names, labels of UUIDs, and which rules were needed.
#[derive(Debug)]
pub struct Matching<'r> {
    bound: BTreeMap<String, Value>,
    labels: BTreeMap<String, String>,
    certs: PathBuf,
    /// The deviations that may be used and those that were.
    pub allowance: Allowance<'r>,
}

/// What a failed attempt must not leave behind.
#[derive(Debug)]
pub struct Snapshot<'r>(BTreeMap<String, String>, Allowance<'r>);

/// The result of a check.
pub type Checked = Result<(), Mismatch>;

impl<'r> Matching<'r> {
    /// Nothing is known yet. Certificates lie in `certs`.
    pub fn new(certs: PathBuf, allowance: Allowance<'r>) -> Self {
        Self { bound: BTreeMap::new(), labels: BTreeMap::new(), certs, allowance }
    }

    /// Makes a result known by a name.
    pub fn bind(&mut self, name: &str, value: Value) {
        self.bound.insert(name.to_string(), value);
    }

    /// Notes where we are, before something is tried.
    pub fn snapshot(&self) -> Snapshot<'r> {
        Snapshot(self.labels.clone(), self.allowance.clone())
    }

    /// Goes back to where we were.
    pub fn restore(&mut self, snapshot: Snapshot<'r>) {
        (self.labels, self.allowance) = (snapshot.0, snapshot.1);
    }

    fn look_up(&self, path: &str) -> Result<&Value, Mismatch> {
        let mut parts = path.split('.');
        let unknown = || Mismatch(format!("nothing is bound as {path}"));
        let first = self.bound.get(parts.next().unwrap_or_default()).ok_or_else(unknown)?;
        parts.try_fold(first, |value, part| value.get(part)).ok_or_else(unknown)
    }

    fn look_up_text(&self, path: &Value) -> Result<&str, Mismatch> {
        let path = path.as_str().ok_or(Mismatch("a reference is not a text".into()))?;
        self.look_up(path)?.as_str().ok_or_else(|| Mismatch(format!("{path} is not a text")))
    }

    /// The value that a matcher stands for in responses and arguments. Spellings of arguments are left as they are.
    ///
    /// # Errors
    /// A matcher that produces nothing, or an unknown name.
    pub fn resolve(&self, value: &Value) -> Result<Value, Mismatch> {
        let members = match value {
            Value::Array(items) => return items.iter().map(|item| self.resolve(item)).collect(),
            Value::Object(members) => members,
            other => return Ok(other.clone()),
        };
        let Some((name, inner)) = matcher(members) else { return self.resolve_members(members).map(Value::Object) };
        well_formed(name, inner, members)?;
        match name {
            "$ref" => self.resolve_reference(members, inner),
            "$sha256hex" => Ok(hex(&Sha256::digest(self.look_up_text(inner)?)).into()),
            "$s256" => Ok(s256(self.look_up_text(inner)?).into()),
            "$concat" => {
                let mut out = String::new();
                for part in list(inner)? {
                    let part = self.resolve(part)?;
                    out += part.as_str().ok_or(Mismatch("a part of $concat is not a text".into()))?;
                }
                Ok(out.into())
            }
            "$any" if inner == "uuid" => {
                match members.get("label").and_then(Value::as_str).and_then(|label| self.labels.get(label)) {
                    Some(known) => Ok(known.as_str().into()),
                    None => Err(Mismatch(format!("{} stands for nothing yet", brief(value)))),
                }
            }
            "$id_token" => {
                let claims = inner.get("claims").ok_or(Mismatch("$id_token without claims".into()))?;
                let parts =
                    [r#"{"typ":"JWT","alg":"RS256"}"#.to_string(), self.resolve(claims)?.to_string(), "sig".into()];
                Ok(parts.map(|part| Base64UrlUnpadded::encode_string(part.as_bytes())).join(".").into())
            }
            spelling if super::arguments::SPELLINGS.contains(&spelling) => Ok(value.clone()),
            other => Err(Mismatch(format!("{other} does not stand for a value"))),
        }
    }

    fn resolve_members(&self, members: &Map<String, Value>) -> Result<Map<String, Value>, Mismatch> {
        members.iter().map(|(name, value)| Ok((name.clone(), self.resolve(value)?))).collect()
    }

    fn resolve_reference(&self, members: &Map<String, Value>, path: &Value) -> Result<Value, Mismatch> {
        let path = path.as_str().ok_or(Mismatch("$ref is not a text".into()))?;
        let mut value = self.look_up(path)?.clone();
        let object = |value: Option<&Value>| match value {
            None => Ok(Map::new()),
            Some(Value::Object(members)) => self.resolve_members(members),
            Some(_) => Err(Mismatch("set in a $ref is not an object".into())),
        };
        let set = object(members.get("set"))?;
        let drop = members.get("drop").map_or(Ok([].as_slice()), list)?;
        if let Some(target) = value.as_object_mut() {
            target.extend(set);
            target.retain(|name, _| !drop.iter().any(|dropped| dropped.as_str() == Some(name)));
        } else if members.len() > 1 {
            return Err(Mismatch(format!("{path} has no members to change")));
        }
        Ok(value)
    }

    /// The text of a response's body.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn body(&self, body: &Value) -> Result<String, Mismatch> {
        if let Some(tree) = body.get("$json") {
            return Ok(self.resolve(tree)?.to_string());
        }
        match self.resolve(body)? {
            Value::String(text) => Ok(text),
            _ => Err(Mismatch("a response's body is not a text".into())),
        }
    }
}

/// Whether a matcher has the members that `FORMAT.md` gives it and no others: what is not understood is not passed over.
fn well_formed(name: &str, inner: &Value, members: &Map<String, Value>) -> Checked {
    let beside: &[&str] = match name {
        "$any" => &["label"],
        "$ref" => &["set", "drop"],
        _ => &[],
    };
    let inside: Option<&[&str]> = match name {
        "$jwt" => Some(&["header", "claims", "signed_by"]),
        "$id_token" => Some(&["claims"]),
        "$url" => Some(&["base", "query"]),
        _ => None,
    };
    let known = members.keys().all(|member| member == name || beside.contains(&member.as_str()));
    let complete = inside.is_none_or(|inside| {
        inner.as_object().is_some_and(|given| {
            given.len() == inside.len() && given.keys().all(|member| inside.contains(&member.as_str()))
        })
    });
    if known && complete { Ok(()) } else { Err(Mismatch(format!("a matcher {name} with other members"))) }
}

fn list(value: &Value) -> Result<&[Value], Mismatch> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| Mismatch(format!("{} is not a list", brief(value))))
}

fn s256(text: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(text))
}

/// Form-encoded fields by name; `None` where a name comes twice.
pub fn fields(text: &str) -> Option<Map<String, Value>> {
    let mut out = Map::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        if out.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
            return None;
        }
    }
    Some(out)
}

/// A UUID in its canonical form, in either case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The member that makes an object a matcher or a spelling.
pub fn matcher(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    members.iter().map(|(name, value)| (name.as_str(), value)).find(|(name, _)| name.starts_with('$'))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A replay in which something is known.
    pub(super) fn matching() -> Matching<'static> {
        let mut matching = Matching::new(crate::conformance::report::test_certs(), Allowance::none());
        matching.bind("flow", json!({"nonce": "n", "state": "abc", "inner": {"x": 1}}));
        matching
    }

    #[test]
    fn values_are_produced() {
        let mut matching = matching();
        matching.labels.insert("u1".into(), "known".into());
        let cases = [
            (json!({"a": [{"$ref": "flow.state"}]}), Some(json!({"a": ["abc"]}))),
            (json!({"$any": "uuid", "label": "u1"}), Some(json!("known"))),
            (json!({"$any": "uuid", "label": "u2"}), None),
            (json!({"$any": "uuid"}), None),
            (
                json!({"$ref": "flow", "set": {"state": "s"}, "drop": ["inner"]}),
                Some(json!({"nonce": "n", "state": "s"})),
            ),
            (json!({"$concat": ["x", {"$ref": "flow.nonce"}]}), Some(json!("xn"))),
            (
                json!({"$id_token": {"claims": {"sub": "s"}}}),
                Some(json!("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzIn0.c2ln")),
            ),
            (json!({"$xml": "<a/>"}), None),
        ];
        for (value, expected) in cases {
            assert_eq!(matching.resolve(&value).ok(), expected, "{value}");
        }
        assert_eq!(matching.body(&json!({"$json": {"n": {"$ref": "flow.nonce"}}})).unwrap(), r#"{"n":"n"}"#);
        assert_eq!(matching.body(&json!("<html>")).unwrap(), "<html>");
        assert!(matching.body(&json!(1)).is_err());
    }
}
