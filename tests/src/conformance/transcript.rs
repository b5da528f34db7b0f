//! A recording, read from its file: what happens, and what was seen, kept apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::expected::{ExpectedCache, ExpectedRequest, ExpectedStep};
use super::json::Ordered;

/// One recorded scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    /// Area and scenario, such as `client_credentials/fmi/cached_by_path`.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// The library that was recorded.
    pub recorded_from: String,
    /// When it begins, in seconds since 1970.
    pub clock: u64,
    /// Every variable that the library can see.
    pub env: BTreeMap<String, String>,
    /// Files in the folder of Azure Arc.
    #[serde(default)]
    pub arc_files: BTreeMap<String, String>,
    /// Whether the agent of Azure Arc is there.
    #[serde(default)]
    pub arc_agent_installed: bool,
    /// The arguments of the application's constructor.
    pub app: Option<Map<String, Value>>,
    /// Those of further applications, by name.
    #[serde(default)]
    pub other_apps: BTreeMap<String, Map<String, Value>>,
    /// The token cache at the start.
    #[serde(deserialize_with = "nullable")]
    pub cache_before: Option<Ordered>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// The token cache at the end, for the comparer.
    pub cache_after: ExpectedCache,
}

/// One call.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawStep")]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// The traffic of this call.
    pub exchanges: Vec<Exchange>,
    /// What the call came to, for the comparer.
    pub expected: ExpectedStep,
}

/// What is done in a step.
#[derive(Debug)]
pub struct Action {
    /// Which application.
    pub on: String,
    /// Which method or function.
    pub call: String,
    /// Its arguments by name.
    pub args: Map<String, Value>,
    /// Seconds by which the clock is moved before.
    pub advance_clock: u64,
    /// What a person does at the browser meanwhile.
    pub browser: Option<Value>,
    /// The name by which later steps refer to what it returns.
    pub bind: Option<String>,
}

/// A request that is expected and the answer that it gets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Seconds since the start of the scenario.
    pub at: f64,
    /// What must be sent, for the comparer.
    pub request: ExpectedRequest,
    /// What comes back.
    pub response: Answer,
}

/// What a server does with a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// It answers.
    Response(Response),
    /// It does not.
    Nothing(Nothing),
}

/// A recorded response.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// A text, or something to make one of.
    pub body: Value,
}

/// No answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {
    /// Why not.
    pub transport_error: TransportError,
}

/// Why no answer arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportError {
    /// No connection.
    Connection,
    /// No answer in time.
    Timeout,
}

/// A step as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    #[serde(default)]
    on: Option<String>,
    call: String,
    args: Map<String, Value>,
    #[serde(default)]
    advance_clock: u64,
    exchanges: Vec<Exchange>,
    #[serde(default)]
    callbacks: Vec<Value>,
    #[serde(default)]
    browser: Option<Value>,
    #[serde(default)]
    waits: Vec<Value>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    #[serde(default)]
    raises: Option<Map<String, Value>>,
    #[serde(default)]
    bind: Option<String>,
}

impl TryFrom<RawStep> for Step {
    type Error = String;

    fn try_from(raw: RawStep) -> Result<Self, String> {
        if raw.browser.is_some() && raw.call != "acquire_token_interactive" {
            return Err(format!("{} has a browser", raw.call));
        }
        Ok(Self {
            expected: ExpectedStep::new(raw.result, raw.raises, raw.callbacks, raw.waits, raw.bind.clone())
                .map_err(|why| format!("{}: {why}", raw.call))?,
            action: Action {
                on: raw.on.unwrap_or_else(|| "app".to_string()),
                call: raw.call,
                args: raw.args,
                advance_clock: raw.advance_clock,
                browser: raw.browser,
                bind: raw.bind,
            },
            exchanges: raw.exchanges,
        })
    }
}

/// A member that is there, null or not.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn nullable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Ordered>, D::Error> {
    Ordered::deserialize(deserializer).map(|text| Some(text).filter(|text| text.as_str() != "null"))
}

impl Transcript {
    /// Reads a recording.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|why| format!("not a transcript: {why}"))
    }

    /// Reads the file of a recording.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|why| format!("cannot be read: {why}"))?;
        Self::parse(&text)
    }

    /// The application of that name.
    pub fn application(&self, name: &str) -> Option<&Map<String, Value>> {
        if name == "app" { self.app.as_ref() } else { self.other_apps.get(name) }
    }
}
