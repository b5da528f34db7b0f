//! The machine behind a page: texts in, texts out, no I/O.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sansal::acquire::Acquire;
use sansal::cache::{Limits, TokenCache};
use sansal::client::Client;
use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::{AskError, Error, SendError};
use sansal::flow::{Answer, Ask, Cx, Flow, Input, Step};
use sansal::http::{Response, ResponseHeader};
use sansal::source::DeviceCodeFlow;
use sansal::store::{Memory, Store};
use sansal::time::{Clock, Millis, UnixTime};
use sansal::{DeviceCode, Token};
use serde_json::{Value, json};

/// A sign-in in progress.
pub struct Page {
    client: Client,
    store: Store,
    flow: Acquire<DeviceCodeFlow>,
}

/// Random bytes that came with what the page said, each used once.
struct Drawn<'a>(&'a [u8]);

impl Entropy for Drawn<'_> {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        let (now, later) = self.0.split_at_checked(out.len()).ok_or(NoEntropy)?;
        out.copy_from_slice(now);
        self.0 = later;
        Ok(())
    }
}

impl Page {
    /// From `issuer`, `client_id` and `scopes`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(said: &Value) -> Result<Self, Error> {
        let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
        let client = Client::builder(text("client_id")).oidc_authority(text("issuer")).build()?;
        let random = random(said);
        let memory = Memory::new(&mut Drawn(&random))?;
        let scopes: Vec<&str> =
            said.get("scopes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let flow = DeviceCode::new(&scopes)?.flow(&client)?;
        Ok(Self { client, store: Store { tokens: TokenCache::new(), memory, limits: Limits::default() }, flow })
    }

    /// Tells the machine what happened, and the page what is needed now.
    pub fn tell(&mut self, said: &Value) -> Value {
        let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| said.get(name).and_then(Value::as_u64).unwrap_or_default();
        let random = random(said);
        let mut chance = Drawn(&random);
        let clock = Clock::new(Millis(number("mono")), UnixTime(number("wall")));
        let pairs = said.get("headers").and_then(Value::as_array).into_iter().flatten();
        let headers: Vec<ResponseHeader<'_>> = pairs
            .filter_map(|pair| Some(ResponseHeader { name: pair.get(0)?.as_str()?, value: pair.get(1)?.as_str()? }))
            .collect();
        let status = u16::try_from(number("status")).unwrap_or_default();
        let mut input = match text("is") {
            "begin" => Input::Start,
            "response" => Input::Response(Response { status, headers: &headers, body: text("body").as_bytes() }),
            // A page is not told whether a request left.
            "failed" => Input::Failed(SendError::NoAnswer),
            "woke" => Input::Woke,
            _ => Input::Answer(Answer::Shown),
        };
        loop {
            let Self { client, store, flow } = self;
            let step = flow.step(&mut Cx { client, store, clock, entropy: &mut chance }, input);
            input = match step {
                // The store is in the page's memory and ends with it.
                Ok(Step::Load(_)) => Input::Loaded,
                Ok(Step::Commit(changes)) => {
                    store.apply(changes);
                    Input::Committed(Ok(()))
                }
                Ok(Step::Ask(Ask::ShowCode { user_code, verification_uri, verification_uri_complete, .. })) => {
                    return json!({ "show": { "code": user_code, "at": verification_uri, "link": verification_uri_complete } });
                }
                Ok(Step::Ask(_)) => Input::Answer(Answer::Failed(AskError::NotSupported)),
                Ok(Step::Wait(span)) => return json!({ "wait": span.0 }),
                Ok(Step::Send(request)) => {
                    let headers: Vec<_> = request.headers.iter().map(|h| json!([h.name, h.value.expose()])).collect();
                    let body = request.body.as_ref();
                    return json!({ "send": {
                        "method": request.method.as_str(),
                        "url": request.endpoint.as_str(),
                        "headers": headers,
                        "type": body.map(|body| body.content_type),
                        "body": body.map(|body| String::from_utf8_lossy(body.bytes.expose()).to_string()),
                        "timeout": request.attempt_timeout.0,
                        "most": request.response_limit,
                    } });
                }
                Ok(Step::Done(token)) => return done(&token),
                Err(why) => return failed(&why),
            };
        }
    }
}

fn done(token: &Token) -> Value {
    json!({ "done": {
        "access_token": token.access_token(),
        "expires_on": token.expires_on().0,
        "claims": token.id_token_claims().map(sansal::json::Members::as_map),
    } })
}

/// What the page says instead of a token.
pub(crate) fn failed(why: &Error) -> Value {
    json!({ "failed": format!("{why}") })
}

fn random(said: &Value) -> Vec<u8> {
    let bytes = said.get("random").and_then(Value::as_array).into_iter().flatten();
    bytes.filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect()
}
