//! The player must be able to say no: recordings that come out right are changed in one place, and must not any more.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may"
)]

use std::collections::BTreeMap;

use sansal_tests::conformance::deviations::Rules;
use sansal_tests::conformance::player::{Verdict, play};
use sansal_tests::conformance::report::{test_certs, test_recorded, test_rules, test_transcripts};
use sansal_tests::conformance::transcript::Transcript;
use serde_json::{Value, json};

/// How often each kind of change at each kind of place is tried: names of cache keys and numbers of steps aside.
const OFTEN: usize = 4;

/// A change: what it does, and to which place (RFC 6901).
#[derive(Clone, Debug)]
enum Change {
    Leaf(String),
    DropMember(String, String),
    AddMember(String),
    DropItem(String, usize),
    RepeatItem(String, usize),
}

impl Change {
    fn apply(&self, tree: &mut Value) {
        let value = tree.pointer_mut(self.place()).unwrap();
        match self {
            Self::Leaf(_) => {
                *value = match &*value {
                    Value::String(text) => json!(format!("{text}x")),
                    Value::Number(number) => json!(number.as_f64().unwrap() + 1.0),
                    Value::Bool(flag) => json!(!flag),
                    _ => json!("something"),
                }
            }
            Self::DropMember(_, name) => drop(value.as_object_mut().unwrap().remove(name)),
            Self::AddMember(_) => drop(value.as_object_mut().unwrap().insert("one too many".into(), json!("x"))),
            Self::DropItem(_, at) => drop(value.as_array_mut().unwrap().remove(*at)),
            Self::RepeatItem(_, at) => {
                let items = value.as_array_mut().unwrap();
                items.insert(*at, items[*at].clone());
            }
        }
    }

    fn place(&self) -> &str {
        match self {
            Self::Leaf(place)
            | Self::DropMember(place, _)
            | Self::AddMember(place)
            | Self::DropItem(place, _)
            | Self::RepeatItem(place, _) => place,
        }
    }

    /// The kind of change at the kind of place.
    fn kind(&self) -> String {
        let parts: Vec<&str> = self.place().split('/').map(|part| if is_name(part) { part } else { "*" }).collect();
        let how = match self {
            Self::Leaf(_) => "change".to_string(),
            Self::DropMember(_, name) => format!("drop {}", if is_name(name) { name } else { "*" }),
            Self::AddMember(_) => "add".to_string(),
            Self::DropItem(..) => "drop item".to_string(),
            Self::RepeatItem(..) => "repeat item".to_string(),
        };
        format!("{how} at {}", parts.join("/"))
    }
}

/// Names of members, not of entries, steps or headers' values.
fn is_name(part: &str) -> bool {
    part.len() < 40 && !part.contains('.') && !part.bytes().next().is_some_and(|b| b.is_ascii_digit())
}

/// Every single change below a place.
fn changes(value: &Value, place: &str, out: &mut Vec<Change>) {
    match value {
        Value::Object(members) => {
            let matcher = members.keys().any(|name| name.starts_with('$'));
            if !matcher {
                out.push(Change::AddMember(place.into()));
            }
            for (name, inner) in members {
                // Different labels say nothing, and one that stands alone says nothing either.
                if matcher && name == "label" {
                    continue;
                }
                out.push(Change::DropMember(place.into(), name.clone()));
                changes(inner, &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Value::Array(items) => {
            for (at, inner) in items.iter().enumerate() {
                out.push(Change::DropItem(place.into(), at));
                out.push(Change::RepeatItem(place.into(), at));
                changes(inner, &format!("{place}/{at}"), out);
            }
        }
        _ => out.push(Change::Leaf(place.into())),
    }
}

/// The parts of a recording that are compared.
fn changes_of(recording: &Value) -> Vec<Change> {
    let mut out = Vec::new();
    changes(&recording["cache_after"], "/cache_after", &mut out);
    for (at, step) in recording["steps"].as_array().unwrap().iter().enumerate() {
        let place = format!("/steps/{at}");
        for (number, exchange) in step["exchanges"].as_array().unwrap().iter().enumerate() {
            out.push(Change::DropItem(format!("{place}/exchanges"), number));
            out.push(Change::RepeatItem(format!("{place}/exchanges"), number));
            out.push(Change::Leaf(format!("{place}/exchanges/{number}/at")));
            changes(&exchange["request"], &format!("{place}/exchanges/{number}/request"), &mut out);
        }
        for member in ["result", "callbacks", "waits"] {
            if let Some(value) = step.get(member) {
                changes(value, &format!("{place}/{member}"), &mut out);
            }
        }
        if step.get("raises").is_some() {
            out.push(Change::Leaf(format!("{place}/raises/type")));
            if step["raises"].get("transport_error").is_some() {
                out.push(Change::DropMember(format!("{place}/raises"), "transport_error".into()));
            }
        }
    }
    out
}

/// A place that a rule excuses anyway.
fn excused(recording: &Value, change: &Change) -> bool {
    // G-14: what an entry knew of the family before, it may know afterwards, whatever the recording says.
    if matches!(change, Change::DropMember(place, name) if name == "family_id" && place.starts_with("/cache_after/AppMetadata/"))
    {
        return true;
    }
    // G-73: a silent call without scopes is refused before anybody is asked.
    let step = change.place().split('/').nth(2).unwrap_or_default();
    let step = recording.pointer(&format!("/steps/{step}")).unwrap_or(&Value::Null);
    if step["call"].as_str().is_some_and(|call| call.starts_with("acquire_token_silent"))
        && step["args"]["scopes"].as_array().is_some_and(Vec::is_empty)
        && change.place().contains("/exchanges")
    {
        return true;
    }
    let exchange = match change {
        Change::DropItem(place, at) | Change::RepeatItem(place, at) if place.ends_with("/exchanges") => {
            format!("{place}/{at}")
        }
        other => match other.place().split("/request").next() {
            Some(exchange) if exchange.contains("/exchanges/") => exchange.trim_end_matches("/at").to_string(),
            _ => return false,
        },
    };
    let url = recording.pointer(&format!("{exchange}/request/url")).and_then(Value::as_str).unwrap_or_default();
    url.ends_with("/common/discovery/instance") || url.starts_with("http://169.254.169.254/metadata/instance")
}

#[test]
fn changed_recordings_do_not_pass() {
    let rules = Rules::parse(&std::fs::read_to_string(test_rules()).unwrap()).unwrap();
    let certs = test_certs();
    let mut tried: BTreeMap<String, usize> = BTreeMap::new();
    let mut survivors = Vec::new();
    let files = |folder| std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files(test_transcripts()).chain(files(test_recorded())).collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let right = play(&Transcript::parse(&text).unwrap(), &certs, &rules);
        if !matches!(right, Verdict::Passed | Verdict::Deviating(_)) {
            continue;
        }
        let recording: Value = serde_json::from_str(&text).unwrap();
        let aside: Vec<&str> = match &right {
            Verdict::Deviating(used) => used.iter().filter_map(|at| rules.list()[*at].sets_aside()).collect(),
            _ => Vec::new(),
        };
        for change in changes_of(&recording) {
            let times = tried.entry(change.kind()).or_default();
            let is_aside = aside.iter().any(|part| change.place().contains(part));
            if *times >= OFTEN || is_aside || excused(&recording, &change) {
                continue;
            }
            *times += 1;
            let mut changed = recording.clone();
            change.apply(&mut changed);
            let verdict = match Transcript::parse(&changed.to_string()) {
                Ok(transcript) => play(&transcript, &certs, &rules),
                Err(why) => Verdict::Failed(why),
            };
            if !matches!(verdict, Verdict::Failed(_)) {
                survivors.push(format!("{}: {change:?} gives {verdict:?}", path.file_name().unwrap().display()));
            }
        }
    }
    let count: usize = tried.values().sum();
    println!("perturbations: {count} changes of {} kinds, {} survived", tried.len(), survivors.len());
    assert!(count > 500, "only {count} changes were tried");
    assert!(survivors.is_empty(), "\n{}", survivors.join("\n"));
}

/// Recordings that break the format are failures with a sentence, never a crash.
#[test]
fn malformed_recordings_fail() {
    let step = |step: Value| {
        json!({"name": "n", "about": "a", "recorded_from": "x", "clock": 1, "env": {}, "app": null, "cache_before": null,
               "steps": [step], "cache_after": null})
    };
    let call = |call: &str, args: Value| step(json!({"call": call, "args": args, "exchanges": [], "result": null}));
    let cases = [
        json!([]),
        json!({}),
        json!({"name": "n"}),
        step(json!({"call": "decode_part", "args": {}, "exchanges": []})),
        step(json!({"call": "decode_part", "args": {}, "exchanges": [], "result": 1, "raises": {}})),
        step(json!({"call": "decode_part", "args": [], "exchanges": [], "result": 1})),
        step(json!({"call": "decode_part", "args": {"raw": "Zg"}, "exchanges": [], "result": "f", "surprise": 1})),
        step(json!({"call": "decode_part", "args": {"raw": "Zg"}, "exchanges": [{}], "result": "f"})),
        call("decode_part", json!({"raw": {"$ref": "nobody"}})),
        call("decode_part", json!({"raw": {"$nonsense": 1}})),
        call("decode_part", json!({"raw": {"$file": "certs/none"}})),
        call("decode_part", json!({"raw": {"$bytes": "\u{e4}\u{e4}"}})),
        call("extract_certs", json!({"public_cert_content": {"$file": 1}})),
        call("__init__", json!({})),
        call("acquire_token_for_client", json!({"scopes": ["x"]})),
        call("remove_tokens_for_client", json!({})),
        call("token_cache.search", json!({"credential_type": {"$tuple": 1}})),
        {
            let mut transcript = call("__init__", json!({}));
            transcript["app"] = json!({"client_id": "x"});
            transcript
        },
        {
            let mut transcript = call("token_cache.serialize", json!({}));
            transcript["cache_before"] = json!([1]);
            transcript
        },
    ];
    for case in cases {
        let verdict = match Transcript::parse(&case.to_string()) {
            Ok(transcript) => play(&transcript, &test_certs(), &Rules::default()),
            Err(why) => Verdict::Failed(why),
        };
        match verdict {
            Verdict::Failed(why) => assert!(!why.contains("a panic"), "{case}: {why}"),
            other => panic!("{case}: {other:?}"),
        }
    }
}
