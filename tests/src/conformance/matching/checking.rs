//! Values held against what was recorded.

use serde_json::{Map, Value, json};

use super::{Checked, Matching, Mismatch, fields, is_uuid, list, matcher, s256, well_formed};
use crate::conformance::json::{brief, same_number};
use crate::conformance::place::Place;
use crate::conformance::{arguments, jwt, xml};

impl Matching<'_> {
    /// Holds a value against what was recorded.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&mut self, want: &Value, got: &Value, at: &Place) -> Checked {
        if let Value::Object(members) = want
            && let Some((name, inner)) = matcher(members)
        {
            well_formed(name, inner, members)?;
            return self.check_matcher(name, inner, want, got, at);
        }
        match (want, got) {
            (Value::Object(want), Value::Object(got)) => self.check_members(want, got, at),
            (Value::Array(want_items), Value::Array(items)) => {
                if want_items.len() != items.len() {
                    return differs(at, want, got);
                }
                want_items
                    .iter()
                    .zip(items)
                    .enumerate()
                    .try_for_each(|(index, (want, got))| self.check(want, got, &at.item(index)))
            }
            (Value::Number(a), Value::Number(b)) if same_number(a, b) => Ok(()),
            (Value::Number(a), Value::Number(b))
                if let (Some(a), Some(b)) = (a.as_f64(), b.as_f64())
                    && self.allowance.may_be_earlier(at, a, b) =>
            {
                Ok(())
            }
            (Value::Null, Value::String(_)) if self.allowance.may_still_be(at, got) => Ok(()),
            (Value::String(a), Value::String(b)) if a == b || self.allowance.same(at, a, b) => Ok(()),
            (Value::Bool(_) | Value::Null, _) if want == got => Ok(()),
            _ if self.allowance.is_refused(at, want, got) => Ok(()),
            _ => differs(at, want, got),
        }
    }

    fn check_members(&mut self, want: &Map<String, Value>, got: &Map<String, Value>, at: &Place) -> Checked {
        let mut others = Vec::new();
        for (name, value) in want {
            let other = if got.contains_key(name) { None } else { self.allowance.other_key(at, name) };
            match got.get(other.as_ref().unwrap_or(name)) {
                Some(seen) => {
                    self.check(value, seen, &at.member(name))?;
                    others.extend(other);
                }
                None if self.allowance.may_be_gone(at, name, value) => {}
                // A section whose entries may all be gone.
                None if value.as_object().is_some_and(|entries| {
                    !entries.is_empty()
                        && entries.iter().all(|(key, entry)| self.allowance.may_be_gone(&at.member(name), key, entry))
                }) => {}
                None => return Err(Mismatch(format!("{}: want {}, got nothing", at.member(name), brief(value)))),
            }
        }
        for (name, value) in got {
            if !want.contains_key(name) && !others.contains(name) && !self.allowance.may_keep(at, name, value) {
                return Err(Mismatch(format!("{}: want nothing, got {}", at.member(name), brief(value))));
            }
        }
        Ok(())
    }

    fn check_matcher(&mut self, name: &str, inner: &Value, want: &Value, got: &Value, at: &Place) -> Checked {
        let text = || got.as_str().ok_or_else(|| differ(at, want, got));
        let within = |why: String| Mismatch(format!("{at}: {why}"));
        match name {
            "$any" => self.check_any(inner, want, text()?, at),
            "$ref" | "$sha256hex" | "$s256" => {
                let expected = self.resolve(want).map_err(|why| within(why.0))?;
                self.check(&expected, got, at)
            }
            "$pkce_verifier_for" if s256(text()?) == self.look_up_text(inner)? => Ok(()),
            "$concat" => self.check_concat(list(inner)?, want, text()?, at),
            "$set" => {
                let sorted = |items: &[Value]| {
                    let mut texts: Vec<String> = items.iter().map(Value::to_string).collect();
                    texts.sort_unstable();
                    texts
                };
                let items = got.as_array().ok_or_else(|| differ(at, want, got))?;
                if sorted(list(inner)?) == sorted(items) { Ok(()) } else { differs(at, want, got) }
            }
            "$unordered" => self.check_unordered(list(inner)?, want, got, at),
            "$url" => self.check_url(inner, want, text()?, at),
            "$json_text" => {
                let tree: Value = serde_json::from_str(text()?).map_err(|_| differ(at, want, got))?;
                self.check(inner, &tree, at)
            }
            "$jwt" => {
                let Some(certificate) = inner.get("signed_by").and_then(Value::as_str) else {
                    return Err(within("$jwt without signed_by".into()));
                };
                let path = arguments::certificate_path(&self.certs, certificate).map_err(within)?;
                let (header, claims) = jwt::verify(text()?, &path).map_err(within)?;
                self.check(inner.get("header").unwrap_or(&Value::Null), &header, &at.member("header"))?;
                self.check(inner.get("claims").unwrap_or(&Value::Null), &claims, &at.member("claims"))
            }
            "$id_token" => {
                let claims = jwt::claims(text()?).map_err(within)?;
                self.check(inner.get("claims").unwrap_or(&Value::Null), &claims, at)
            }
            "$xml" if inner.as_str().is_some_and(|want| text().is_ok_and(|got| xml::same(want, got))) => Ok(()),
            "$bytes" if got.get("$bytes") == Some(inner) => Ok(()),
            "$pkce_verifier_for" | "$xml" | "$bytes" => differs(at, want, got),
            other => Err(within(format!("{other} is not a matcher"))),
        }
    }

    fn check_any(&mut self, kind: &Value, want: &Value, got: &str, at: &Place) -> Checked {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        let base64url = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        let good = match kind.as_str() {
            Some("uuid") => is_uuid(got),
            Some("token") => got.chars().count() >= 16,
            Some("pkce_verifier") => (43..=128).contains(&got.len()) && got.bytes().all(unreserved),
            Some("pkce_challenge") => got.len() == 43 && got.bytes().all(base64url),
            Some("text") => true,
            Some("client_sku" | "client_version" | "client_os") => !got.is_empty(),
            _ => return Err(Mismatch(format!("{at}: {} is not a kind of $any", brief(kind)))),
        };
        if !good {
            return differs(at, want, &json!(got));
        }
        match want.get("label").and_then(Value::as_str) {
            None => Ok(()),
            Some(label) => match self.labels.get(label) {
                Some(known) if known != got => Err(Mismatch(format!("{at}: {label} is {known}, got {got}"))),
                Some(_) => Ok(()),
                None => {
                    self.labels.insert(label.to_string(), got.to_string());
                    Ok(())
                }
            },
        }
    }

    fn check_concat(&mut self, parts: &[Value], want: &Value, got: &str, at: &Place) -> Checked {
        let mut rest = got;
        let all = json!(got);
        for part in parts {
            let found = match part.as_object().and_then(matcher) {
                Some(("$list_repr", items)) => list_repr(rest, list(items)?),
                Some(("$any", kind)) if kind == "uuid" => {
                    let Some((uuid, after)) = rest.split_at_checked(36) else { return differs(at, want, &all) };
                    self.check(part, &json!(uuid), at)?;
                    Some(after)
                }
                _ => {
                    let part = self.resolve(part)?;
                    part.as_str().and_then(|part| rest.strip_prefix(part))
                }
            };
            match found {
                Some(after) => rest = after,
                None => return differs(at, want, &all),
            }
        }
        if rest.is_empty() { Ok(()) } else { differs(at, want, &all) }
    }

    fn check_unordered(&mut self, wanted: &[Value], want: &Value, got: &Value, at: &Place) -> Checked {
        let mut left: Vec<&Value> = got.as_array().ok_or_else(|| differ(at, want, got))?.iter().collect();
        if left.len() != wanted.len() {
            return differs(at, want, got);
        }
        for item in wanted {
            let mut found = None;
            for (index, candidate) in left.iter().enumerate() {
                let before = self.snapshot();
                if self.check(item, candidate, at).is_ok() {
                    found = Some(index);
                    break;
                }
                self.restore(before);
            }
            match found {
                Some(index) => drop(left.swap_remove(index)),
                None => return differs(at, item, got),
            }
        }
        Ok(())
    }

    fn check_url(&mut self, inner: &Value, want: &Value, got: &str, at: &Place) -> Checked {
        let without_fragment = got.split('#').next().unwrap_or_default();
        let (base, query) = without_fragment.split_once('?').unwrap_or((without_fragment, ""));
        let Some(query) = fields(query) else { return differs(at, want, &json!(got)) };
        self.check(inner.get("base").unwrap_or(&Value::Null), &json!(base), &at.member("base"))?;
        self.check(inner.get("query").unwrap_or(&Value::Null), &Value::Object(query), &at.member("query"))
    }
}

/// What follows a Python list of these texts, in any order.
fn list_repr<'a>(text: &'a str, items: &[Value]) -> Option<&'a str> {
    let (inside, after) = text.strip_prefix('[')?.split_once(']')?;
    let mut got: Vec<&str> = inside.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    got.iter_mut().try_for_each(|item| {
        let quoted = item.get(1..item.len().checked_sub(1)?)?;
        *item = quoted;
        Some(())
    })?;
    let mut wanted: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    got.sort_unstable();
    wanted.sort_unstable();
    (got == wanted).then_some(after)
}

fn differ(at: &Place, want: &Value, got: &Value) -> Mismatch {
    Mismatch(format!("{at}: want {}, got {}", brief(want), brief(got)))
}

fn differs(at: &Place, want: &Value, got: &Value) -> Checked {
    Err(differ(at, want, got))
}

#[cfg(test)]
mod tests {
    use super::super::tests::matching;
    use super::*;

    fn holds(want: &Value, got: &Value) -> bool {
        matching().check(want, got, &Place::new("value")).is_ok()
    }

    #[test]
    fn checks() {
        const U: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
        const N: &str = "1b16b1df538ba12dc3f97edbb85caa7050d46c148134290feba80f8236c83db9";
        let v43 = "a".repeat(43);
        // want, what matches, what does not
        let cases = [
            (json!(1), json!(1.0), json!(2)),
            (json!(0), json!(0), json!(false)),
            (json!(1), json!(1), json!("1")),
            (json!(null), json!(null), json!("")),
            (json!(true), json!(true), json!(1)),
            (json!("a"), json!("a"), json!("A")),
            (json!([1, 2]), json!([1, 2]), json!([2, 1])),
            (json!([1]), json!([1]), json!([1, 1])),
            (json!({"a": 1}), json!({"a": 1}), json!({"a": 1, "b": 1})),
            (json!({"a": 1, "b": null}), json!({"b": null, "a": 1}), json!({"a": 1})),
            (json!({"$any": "uuid"}), json!(U), json!("00001111-aaaa-2222-bbbb-3333cccc444g")),
            (json!({"$any": "token"}), json!("0123456789abcdef"), json!("0123456789abcde")),
            (json!({"$any": "pkce_verifier"}), json!(v43), json!("a".repeat(42))),
            (json!({"$any": "pkce_verifier"}), json!("a~.".repeat(40)), json!("+".repeat(50))),
            (json!({"$any": "pkce_challenge"}), json!(v43), json!("a".repeat(44))),
            (json!({"$any": "text"}), json!(""), json!(1)),
            (json!({"$any": "client_os"}), json!("x"), json!("")),
            (json!({"$ref": "flow.state"}), json!("abc"), json!("abd")),
            (json!({"$ref": "flow.inner"}), json!({"x": 1.0}), json!({"x": 2})),
            (json!({"$sha256hex": "flow.nonce"}), json!(N), json!("n")),
            (json!({"$s256": "flow.nonce"}), json!("Gxax31OLoS3D-X7buFyqcFDUbBSBNCkP66gPgjbIPbk"), json!(N)),
            (json!({"$concat": ["a", {"$ref": "flow.state"}, "z"]}), json!("aabcz"), json!("aabczz")),
            (json!({"$concat": [{"$any": "uuid"}, "z"]}), json!(format!("{U}z")), json!("z")),
            (json!({"$concat": ["x", {"$list_repr": ["a", "b"]}, "."]}), json!("x['b', 'a']."), json!("x['b'].")),
            (json!({"$set": ["a", "b"]}), json!(["b", "a"]), json!(["a", "b", "b"])),
            (json!({"$unordered": [{"k": 1}, {"k": 2}]}), json!([{"k": 2}, {"k": 1}]), json!([{"k": 1}, {"k": 1}])),
            (
                json!({"$url": {"base": "https://a/b", "query": {"x": "1 2", "y": ""}}}),
                json!("https://a/b?y=&x=1+2"),
                json!("https://a/b?x=1+2"),
            ),
            (
                json!({"$url": {"base": "https://a/b", "query": {"x": "1"}}}),
                json!("https://a/b?x=1"),
                json!("https://a/b?x=1&x=1"),
            ),
            (json!({"$json_text": {"a": [1]}}), json!(" {\"a\" : [1.0]}"), json!("{\"a\":[2]}")),
            (json!({"$json_text": {"a": 1}}), json!("{\"a\":1}"), json!("{\"a\":1")),
            (json!({"$xml": "<a>1</a>"}), json!("<a> 1</a>"), json!("<a>2</a>")),
            (json!({"$bytes": "00ff"}), json!({"$bytes": "00ff"}), json!({"$bytes": "00fe"})),
            (json!({"$id_token": {"claims": {"sub": "s"}}}), json!("e30.eyJzdWIiOiJzIn0.c2ln"), json!("e30.e30.c2ln")),
        ];
        for (want, right, wrong) in cases {
            assert!(holds(&want, &right), "{want} should match {right}");
            assert!(!holds(&want, &wrong), "{want} should not match {wrong}");
        }
        assert!(!holds(&json!({"$nonsense": 1}), &json!(1)));
        assert!(!holds(&json!({"$any": "nonsense"}), &json!("x")));
        assert!(!holds(&json!({"$ref": "nobody"}), &json!("x")));
    }

    #[test]
    fn labels_are_one_uuid_each() {
        let (a, b) = ("00001111-aaaa-2222-bbbb-3333cccc4444", "00001111-aaaa-2222-bbbb-3333cccc5555");
        let want =
            json!([{"$any": "uuid", "label": "u1"}, {"$any": "uuid", "label": "u2"}, {"$any": "uuid", "label": "u1"}]);
        for (got, expected) in [([a, b, a], true), ([a, a, a], true), ([a, b, b], false)] {
            assert_eq!(holds(&want, &json!(got)), expected, "{got:?}");
        }
        // An attempt that failed inside $unordered leaves no label behind.
        let want = json!({"$unordered": [
            {"id": {"$any": "uuid", "label": "u"}, "k": 1},
            {"id": {"$any": "uuid", "label": "u"}, "k": 2}]});
        assert!(!holds(&want, &json!([{"id": a, "k": 2}, {"id": b, "k": 1}])));
        assert!(holds(&want, &json!([{"id": a, "k": 2}, {"id": a, "k": 1}])));
        let mut matching = matching();
        let want =
            json!({"$unordered": [{"id": {"$any": "uuid", "label": "u"}, "k": 2}, {"id": {"$any": "uuid"}, "k": 1}]});
        matching.check(&want, &json!([{"id": a, "k": 1}, {"id": b, "k": 2}]), &Place::new("v")).unwrap();
        assert_eq!(matching.labels["u"], b);
    }

    #[test]
    fn signatures_are_verified() {
        // Made by MSAL's own test key is not possible here; the core's signatures are checked by every transcript with a
        // certificate. What must never pass:
        let want = json!({"$jwt": {"header": {"alg": "RS256"}, "claims": {}, "signed_by": "certs/rsa2048.cert.pem"}});
        let unsigned = "eyJhbGciOiJSUzI1NiJ9.e30.AAAA";
        let none = "eyJhbGciOiJub25lIn0.e30.";
        for token in [unsigned, none, "e30.e30", "", "a.b.c"] {
            assert!(!holds(&want, &json!(token)), "{token}");
        }
    }
}
