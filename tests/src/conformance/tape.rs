//! The tape of a replay: which clients were built, which flows were begun and what they heard, for `sansal-replay`.

use sansal::Token;
use std::collections::BTreeMap;
use std::path::Path;

use sansal::error::{Error, SendError};
use sansal::flow::{Answer, Input, Step};
use sansal::time::Clock;
use sansal_replay::{Played, Told};
use serde_json::{Map, Value, json};

use super::arguments::Argument;
use super::deviations::Rules;
use super::outcome::Stop;
use super::player;
use super::report::recordings as recordings_of;
use super::transcript::Transcript;

/// The tapes of an area.
#[derive(Debug)]
pub struct Tapes {
    /// One a line.
    pub lines: String,
    /// The recordings that cannot be on a tape, and why.
    pub left_out: BTreeMap<String, String>,
    /// What the core did while they were played against the recordings.
    pub told: Played,
}

impl Tapes {
    /// Plays an area of a folder.
    ///
    /// # Errors
    /// The folder or a recording cannot be read.
    pub fn of(folder: &Path, certs: &Path, area: &str, rules: &Rules) -> Result<Self, String> {
        let (mut lines, mut left_out) = (String::new(), BTreeMap::new());
        let (mut all, mut recordings) = (Told::default(), 0_usize);
        for (name, path) in recordings_of(folder, Some(area))? {
            let transcript = Transcript::read(&path).map_err(|why| format!("{name}: {why}"))?;
            match player::tape(&transcript, certs, rules) {
                Ok((line, told)) => {
                    all.add(&transcript.name, told);
                    recordings = recordings.saturating_add(1);
                    lines.push_str(&line);
                    lines.push('\n');
                }
                Err(why) => drop(left_out.insert(name, why)),
            }
        }
        let (steps, digest) = all.end();
        Ok(Self { lines, left_out, told: Played { recordings, steps, digest } })
    }
}

/// What was recorded, or why it cannot be.
#[derive(Debug, Default)]
pub struct Tape {
    events: Vec<Value>,
    inputs: Vec<Value>,
    /// The flow that comes next.
    next: Option<Value>,
    /// Its client.
    client: Value,
    told: Told,
    /// Why a replay without the standard library could not do the same.
    cannot: Option<String>,
}

impl Tape {
    /// The line for `sansal-replay`, and the digest of what the core did meanwhile.
    ///
    /// # Errors
    /// Something happened that cannot be on a tape.
    pub fn end(self, name: &str, start: u64, cache: &str) -> Result<(String, Told), String> {
        match self.cannot {
            Some(why) => Err(why),
            None => {
                let line = json!({ "name": name, "start": start.to_string(), "cache": cache, "events": self.events });
                Ok((line.to_string(), self.told))
            }
        }
    }

    /// All tokens, at the end.
    pub fn cache(&mut self, cache: &sansal::cache::TokenCache) {
        self.told.cache(cache);
    }

    fn cannot(&mut self, why: impl Into<String>) {
        self.cannot.get_or_insert(why.into());
    }

    /// A new memory.
    pub fn memory(&mut self, name: &str) {
        self.events.push(json!({ "memory": name }));
    }

    /// The application from here on. Where `build` says so, it is built on the other side just to see what comes of it.
    pub fn client(&mut self, spec: &Value, build: bool) {
        self.client = spec.clone();
        if let Some(why) = spec.get("cannot").and_then(Value::as_str) {
            self.cannot(why);
        } else if build {
            self.events.push(json!({ "build": spec }));
            match sansal_replay::client(spec) {
                Ok(built) => self.told.built(built.err().as_ref()),
                Err(why) => self.cannot(why.to_string()),
            }
        }
    }

    /// The flow that is run next: its name and its arguments.
    pub fn flow(&mut self, name: &str, arguments: &[(&str, Option<&str>)], scopes: &[&str]) {
        let mut flow = json!({ "flow": name, "scopes": scopes });
        for (name, value) in arguments {
            if let (Some(value), Some(members)) = (value, flow.as_object_mut()) {
                members.insert((*name).to_string(), json!(value));
            }
        }
        self.next = Some(flow);
    }

    /// A flow ended. Each has to be announced by [`flow`](Self::flow).
    pub fn ended(&mut self, memory: &str) {
        let inputs = std::mem::take(&mut self.inputs);
        match self.next.take() {
            None => self.cannot("a flow that tapes do not know"),
            Some(mut flow) => {
                if let Some(members) = flow.as_object_mut() {
                    members.insert("of".into(), json!(memory));
                    members.insert("client".into(), self.client.clone());
                    members.insert("inputs".into(), Value::Array(inputs));
                }
                self.events.push(flow);
            }
        }
    }

    /// What the machine hears.
    pub fn heard(&mut self, input: &Input<'_>, clock: Clock) {
        let kind = match input {
            Input::Start => "start",
            Input::Response(_) => "response",
            Input::Failed(SendError::NotSent) => "not sent",
            Input::Failed(SendError::NoAnswer) => "no answer",
            Input::Failed(SendError::TooLarge) => "too large",
            Input::Woke => "woke",
            Input::Loaded => "loaded",
            Input::Committed(Ok(())) => "committed",
            Input::Answer(Answer::Assertion(_)) => "assertion",
            other => return self.cannot(format!("the input {other:?}")),
        };
        let wall = clock.wall.map(|wall| wall.0.to_string());
        let mut heard = json!({ "is": kind, "mono": clock.mono.0.to_string(), "wall": wall });
        let mut add = |name: &str, value: Value| {
            heard.as_object_mut().and_then(|members| members.insert(name.into(), value));
        };
        match input {
            Input::Response(response) => {
                let header =
                    |header: &sansal::http::ResponseHeader<'_>| json!({ "name": header.name, "value": header.value });
                add("status", json!(response.status.to_string()));
                add("headers", response.headers.iter().map(header).collect());
                add("text", json!(String::from_utf8_lossy(response.body)));
            }
            Input::Answer(Answer::Assertion(text)) => add("text", json!(text)),
            _ => {}
        }
        self.inputs.push(heard);
    }

    /// What it answers.
    pub fn said<T>(&mut self, step: &Result<Step<T>, Error>) {
        self.told.step(step);
    }

    /// A token that came out.
    pub fn token(&mut self, result: &Result<Token, Error>) {
        result.iter().for_each(|token| self.told.token(token));
    }
}

/// How a tape describes a credential; what the reference takes and no tape does is an error.
///
/// # Errors
/// Why not.
pub fn credential(given: &Argument, mut read: impl FnMut(&Value) -> Result<Argument, Stop>) -> Result<Value, String> {
    let text = |argument: Argument| match argument {
        Argument::Text(text) => Some(text),
        Argument::Bytes(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    };
    let members = match given {
        Argument::None => return Ok(json!({ "kind": "none" })),
        Argument::Text(secret) => return Ok(json!({ "secret": secret })),
        Argument::Map(members) => members,
        _ => return Err("a credential of no kind".into()),
    };
    let mut member = |name: &str| {
        let given = members.get(name).map_or(Ok(Argument::None), &mut read);
        given.map(|given| Some(given).filter(Argument::is_truthy)).map_err(|_| format!("the credential's {name}"))
    };
    match member("client_assertion")? {
        None => {}
        Some(Argument::Callable(_)) => return Ok(json!({ "kind": "callback" })),
        Some(assertion) => return Ok(json!({ "assertion": text(assertion) })),
    }
    if member("private_key_pfx_path")?.is_some() {
        return Err("a PFX file, which is read with the standard library".into());
    }
    let Some(key) = member("private_key")? else {
        // No client is ever built with it.
        return Ok(json!({ "kind": "none" }));
    };
    let mut spec = Map::from_iter([("key".to_string(), json!(text(key)))]);
    for (name, own) in
        [("passphrase", "passphrase"), ("thumbprint", "thumbprint"), ("public_certificate", "certificate")]
    {
        if let Some(value) = member(name)?.and_then(text) {
            spec.insert(own.into(), json!(value));
        }
    }
    Ok(Value::Object(spec))
}
