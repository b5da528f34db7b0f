//! Every recording of the reference's own cache (`token_cache__*`), played with the calls of this room alone.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::path::Path;

use serde_json::{Map, Value};

use super::{Entry, Kind, Scheme, TokenCache, TokenEvent};
use crate::error::Error;
use crate::json::Members;
use crate::secret::Secret;
use crate::time::UnixTime;
use crate::token::TokenResponse;

/// Recordings that ours must not match, each with the reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("token_cache__add__foci_then_plain", "G-14: the family stays in the application metadata"),
    ("token_cache__deserialize__array_then_search", "a file that is no object is refused when it is read"),
];

/// Recordings that need an application.
const NEED_A_CLIENT: &[&str] = &[
    "token_cache__foreign__expires_on_missing",
    "token_cache__foreign__numeric_expires_on",
    "token_cache__foreign__silent_hit",
];

fn transcripts() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/transcripts");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let read = |path: &Path| {
        (path.file_stem()?.to_str()?.to_string(), serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).into()
    };
    files.filter_map(|path| read(&path)).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

fn entry(value: &Value) -> Entry {
    Entry::from_json(value.to_string().as_bytes()).unwrap()
}

fn whole(cache: &TokenCache) -> Value {
    serde_json::from_slice(&cache.to_json()).unwrap()
}

fn add(cache: &mut TokenCache, event: &Value, now: UnixTime) -> Result<(), Error> {
    let response = TokenResponse::from_members(Members::from(event["response"].as_object().unwrap().clone()));
    let scopes: Vec<_> = event["scope"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let data = event["data"].as_object().unwrap().iter();
    let data: Vec<_> = data.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    let changes = cache.record(
        &TokenEvent {
            client_id: text(event, "client_id"),
            scopes: &scopes,
            token_endpoint: text(event, "token_endpoint"),
            realm: None,
            environment: text(event, "environment"),
            grant_type: text(event, "grant_type").unwrap_or_default(),
            response: &response,
            data: &data,
            home_account_id: None,
            authority_type: text(event, "authority_type"),
            username: text(event, "username"),
            local_account_id: text(event, "_account_id"),
            skip_account_creation: event.get("skip_account_creation") == Some(&Value::Bool(true)),
            scheme: Scheme::Bearer,
        },
        now,
    )?;
    cache.apply(changes);
    Ok(())
}

fn search(cache: &mut TokenCache, args: &Value, now: UnixTime) -> Value {
    let kind = Kind::of_section(text(args, "credential_type").unwrap()).unwrap();
    let none = Map::new();
    let query = args.get("query").and_then(Value::as_object).unwrap_or(&none);
    let query: Vec<_> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let target: Vec<_> = args.get("target").and_then(Value::as_array).into_iter().flatten().collect();
    let target: Vec<_> = target.iter().filter_map(|scope| scope.as_str()).collect();
    let found = cache.search(kind, &query, &target, now);
    let found = found.map(|entry| serde_json::from_slice(&entry.to_json()).unwrap()).collect();
    if kind == Kind::AccessToken {
        cache.apply(cache.expired(now));
    }
    Value::Array(found)
}

fn remove(cache: &mut TokenCache, kind: Kind, item: &Value) -> Result<Value, Error> {
    let change = cache.remove(kind, &entry(item))?;
    cache.apply(Vec::from([change]));
    Ok(Value::Null)
}

fn call(cache: &mut TokenCache, step: &Value, now: UnixTime) -> Result<Value, Error> {
    let args = &step["args"];
    match text(step, "call").unwrap() {
        "token_cache.add" => {
            let now = args.get("now").and_then(Value::as_u64).map_or(now, UnixTime);
            add(cache, &args["event"], now).map(|()| Value::Null)
        }
        "token_cache.deserialize" => {
            *cache = TokenCache::from_json(text(args, "state").unwrap_or_default().as_bytes())?;
            Ok(Value::Null)
        }
        "token_cache.serialize" => {
            cache.mark_saved();
            Ok(whole(cache))
        }
        "token_cache.has_state_changed" => Ok(cache.has_state_changed().into()),
        "token_cache.search" => Ok(search(cache, args, now)),
        "token_cache.update_rt" => {
            let secret = Secret::from(text(args, "new_rt").unwrap());
            let change = cache.update_refresh_token(&entry(&args["rt_item"]), &secret, now);
            cache.apply(Vec::from([change]));
            Ok(Value::Null)
        }
        "token_cache.remove_rt" => remove(cache, Kind::RefreshToken, &args["rt_item"]),
        "token_cache.remove_at" => remove(cache, Kind::AccessToken, &args["at_item"]),
        "token_cache.remove_idt" => remove(cache, Kind::IdToken, &args["idt_item"]),
        "token_cache.remove_account" => remove(cache, Kind::Account, &args["account_item"]),
        other => panic!("{other} is not known here"),
    }
}

/// The first difference, if there is one.
fn play(transcript: &Value) -> Result<(), String> {
    let before = &transcript["cache_before"];
    let before = if before.is_null() { String::new() } else { before.to_string() };
    let mut cache = TokenCache::from_json(before.as_bytes()).unwrap();
    let now = UnixTime(transcript["clock"].as_u64().unwrap());
    for (number, step) in transcript["steps"].as_array().unwrap().iter().enumerate() {
        let got = call(&mut cache, step, now);
        let is_same = match (&got, step.get("raises"), &step["result"]) {
            (Err(_), raises, _) => raises.is_some(),
            (Ok(_), Some(_), _) => false,
            (Ok(Value::Array(got)), None, expected) => {
                let expected = expected.get("$unordered").unwrap_or(expected).as_array().unwrap();
                got.len() == expected.len() && expected.iter().all(|entry| got.contains(entry))
            }
            (Ok(got), None, expected) => got == expected,
        };
        if !is_same {
            return Err(format!("step {number}: {got:?}"));
        }
    }
    match (whole(&cache), &transcript["cache_after"]) {
        (got, expected) if got == *expected => Ok(()),
        (got, expected) => Err(format!("cache_after: {got} instead of {expected}")),
    }
}

#[test]
fn recordings_of_the_cache() {
    let mut played = 0;
    for (name, transcript) in transcripts() {
        if !name.starts_with("token_cache__") || NEED_A_CLIENT.contains(&name.as_str()) {
            continue;
        }
        let result = play(&transcript);
        assert_eq!(result.is_err(), DIFFERENT.iter().any(|(different, _)| *different == name), "{name}: {result:?}");
        played += 1;
    }
    assert_eq!(played, 42);
}

#[test]
fn every_recorded_cache_survives_reading_and_writing() {
    let mut seen = 0;
    for (name, transcript) in transcripts() {
        for state in ["cache_before", "cache_after"] {
            let Some(before @ Value::Object(_)) = transcript.get(state) else { continue };
            let cache = TokenCache::from_json(before.to_string().as_bytes()).unwrap();
            assert_eq!(whole(&cache), *before, "{name} {state}");
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen}");
}
