//! Plays the servers of one call: compares each request with the recording, in order, and answers as recorded.

use base64ct::{Base64, Encoding};
use sansal::Secret;
use sansal::http::{Request, ServerTrust, form};
use serde_json::{Map, Value, json};

use super::matching::{Matching, Mismatch, fields, hex};
use super::outcome::Stop;
use super::place::Place;
use super::transcript::{Answer, Exchange, Response};
use std::collections::BTreeMap;

const FORM: &str = "application/x-www-form-urlencoded";

/// A request as the recordings describe them.
#[derive(Clone, Debug)]
pub struct Sent {
    /// `GET` or `POST`.
    pub method: String,
    /// Without the query.
    pub url: String,
    /// The decoded query.
    pub query: Map<String, Value>,
    /// The headers of the library's own; names in lower case.
    pub headers: Map<String, Value>,
    /// The decoded fields of a form.
    pub form: Option<Value>,
    /// Any other body.
    pub body: Option<Value>,
    /// The thumbprint that the server is checked against.
    pub tls_pin_sha1: Option<Value>,
}

impl Sent {
    /// From a request of the core.
    ///
    /// # Errors
    /// A header or field that comes twice, which the recordings cannot describe.
    pub fn new(request: &Request) -> Result<Self, Mismatch> {
        let twice = |what: &str| Mismatch(format!("request.{what}: a name comes twice"));
        let mut headers = Map::new();
        for header in &request.headers {
            if headers.insert(header.name.to_ascii_lowercase(), json!(header.value.expose())).is_some() {
                return Err(twice("headers"));
            }
        }
        // That of a form goes without saying in the recordings.
        let said = request.body.as_ref().map(|body| body.content_type).filter(|of| !of.starts_with(FORM));
        if said.is_some_and(|of| headers.insert("content-type".into(), json!(of)).is_some()) {
            return Err(twice("headers"));
        }
        let mut sent = Self {
            method: request.method.as_str().to_string(),
            url: request.endpoint.origin().to_string() + request.endpoint.path(),
            query: fields(request.endpoint.query().unwrap_or_default()).ok_or_else(|| twice("query"))?,
            headers,
            form: None,
            body: None,
            tls_pin_sha1: match &request.server {
                ServerTrust::System => None,
                ServerTrust::Thumbprint(thumbprint) => Some(json!(hex(thumbprint))),
            },
        };
        if let Some(body) = &request.body {
            let bytes = body.bytes.expose();
            match std::str::from_utf8(bytes) {
                Ok(text) if body.content_type.starts_with(FORM) => {
                    sent.form = Some(Value::Object(fields(text).ok_or_else(|| twice("form"))?));
                }
                Ok(text) => sent.body = Some(json!(text)),
                Err(_) => sent.body = Some(json!({ "not UTF-8": Base64::encode_string(bytes) })),
            }
        }
        Ok(sent)
    }
}

/// What has become of the exchanges of earlier calls.
#[derive(Debug, Default)]
pub struct Played<'t> {
    /// Those that took place.
    answered: Vec<&'t Exchange>,
    /// Those that a rule let be absent: they may take place later.
    omitted: Vec<&'t Exchange>,
}

/// The servers during one call.
#[derive(Debug)]
pub struct Server<'t, 'm, 'r> {
    exchanges: &'t [Exchange],
    next: usize,
    call: &'t str,
    played: &'m mut Played<'t>,
    browser: Option<&'t Value>,
    raised: Option<&'t str>,
    /// What is known in this replay.
    pub matching: &'m mut Matching<'r>,
}

impl<'t, 'm, 'r> Server<'t, 'm, 'r> {
    /// The servers of a call; `played` are the exchanges of the calls before it.
    pub fn new(
        exchanges: &'t [Exchange],
        call: &'t str,
        played: &'m mut Played<'t>,
        matching: &'m mut Matching<'r>,
    ) -> Self {
        Self { exchanges, next: 0, call, played, browser: None, raised: None, matching }
    }

    /// With the person at the browser in this call.
    pub fn with_browser(mut self, browser: Option<&'t Value>) -> Self {
        self.browser = browser;
        self
    }

    /// With the class that the recorded call raised.
    pub fn with_raised(mut self, class: Option<&'t str>) -> Self {
        self.raised = class;
        self
    }

    /// What the browser brings back from an address, form-encoded; `None`: nobody ever completes it.
    ///
    /// # Errors
    /// The address is not the recorded one, or no browser is recorded.
    pub fn browse(&mut self, address: &str) -> Result<Option<Secret>, Stop> {
        let Some(browser) = self.browser.take() else {
            let brought = self.matching.allowance.may_ask(self.call, self.raised, "BROWSER", address);
            let text = brought.as_ref().and_then(Value::as_str);
            let text = text.ok_or_else(|| Stop::Different("a browser too many".into()))?;
            let query = address.split_once('?').and_then(|(_, query)| fields(query)).unwrap_or_default();
            let state = query.get("state").and_then(Value::as_str).unwrap_or_default();
            return Ok(Some(Secret::new(text.replace("{state}", state))));
        };
        let different = |why: Mismatch| Stop::Different(format!("browser: {}", why.0));
        let part = |name: &str| browser.get(name).ok_or_else(|| Stop::malformed(format!("a browser without {name}")));
        self.matching.check(part("auth_uri")?, &json!(address), &Place::new("auth_uri")).map_err(different)?;
        let query = address.split_once('?').map_or("", |(_, query)| query);
        let query = fields(query).ok_or_else(|| Stop::Different("a parameter of the address comes twice".into()))?;
        if let Some(name) = browser.get("bind").and_then(Value::as_str) {
            self.matching.bind(name, Value::Object(query));
        }
        let brought = self.matching.resolve(part("auth_response")?).map_err(different)?;
        let Value::Object(members) = brought else { return Ok(None) };
        let texts = members.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        Ok(Some(form::encode(texts)))
    }

    /// The answer to a request that is sent so many seconds after the start of the scenario.
    ///
    /// # Errors
    /// The request is not the recorded one.
    pub fn answer(&mut self, request: &Request, at: f64) -> Result<Answer, Stop> {
        let sent = Sent::new(request).map_err(|why| Stop::Different(why.0))?;
        if self.call == "initiate_device_flow"
            && let Some(scope) = sent.form.as_ref().and_then(|form| form.get("scope")).and_then(Value::as_str)
        {
            self.matching.allowance.begun_with(scope);
        }
        let Some(first) = self.exchanges.get(self.next) else { return self.beyond(&sent) };
        let before = self.matching.snapshot();
        let difference = match compare(first, &sent, at, self.matching) {
            Ok(()) => {
                self.next = self.next.saturating_add(1);
                self.played.answered.push(first);
                return Ok(first.response.clone());
            }
            Err(difference) => difference,
        };
        self.matching.restore(before);
        // A rule may say that the recorded request is not sent at all; then this one is the next.
        if first.request.may_be_absent(self.call, self.is_repeated(), self.matching) {
            self.played.omitted.push(first);
            self.next = self.next.saturating_add(1);
            return self.answer(request, at);
        }
        Err(Stop::Different(format!("request {} ({}): {difference}", self.next, first.request.title())))
    }

    /// A request that is not recorded.
    fn beyond(&mut self, sent: &Sent) -> Result<Answer, Stop> {
        // What was not asked when the reference asked it, is asked when it is needed.
        if let Some(at) = self.played.omitted.iter().position(|exchange| exchange.request.is_to(sent)) {
            return Ok(self.played.omitted.remove(at).response.clone());
        }
        let earlier = self.played.answered.iter().rev().find(|exchange| exchange.request.is_to(sent));
        if let Some(earlier) = earlier
            && let Answer::Response(response) = &earlier.response
            && let is_other = earlier.request.says_otherwise(sent, self.matching)
            && self.matching.allowance.may_repeat(self.call, response.status, &response.headers, is_other)
        {
            return Ok(earlier.response.clone());
        }
        if let Some(body) = self.matching.allowance.may_ask(self.call, self.raised, &sent.method, &sent.url) {
            return Ok(Answer::Response(Response { status: 200, headers: BTreeMap::new(), body }));
        }
        Err(Stop::Different(format!("a request too many: {} {}", sent.method, sent.url)))
    }

    /// Whether the next recorded request goes where an earlier one of this call went.
    fn is_repeated(&self) -> bool {
        let earlier = self.exchanges.get(..self.next).unwrap_or_default();
        let next = self.exchanges.get(self.next);
        next.is_some_and(|next| earlier.iter().any(|exchange| exchange.request.is_like(&next.request)))
    }

    /// Whether recorded requests of the call have not been sent.
    pub fn has_more(&self) -> bool {
        self.next < self.exchanges.len()
    }

    /// Says that the call is over.
    ///
    /// # Errors
    /// A recorded request was not sent.
    pub fn finish(&mut self) -> Result<(), Stop> {
        while let Some(exchange) = self.exchanges.get(self.next) {
            if !exchange.request.may_be_absent(self.call, self.is_repeated(), self.matching) {
                return Err(Stop::Different(format!("a request is missing: {}", exchange.request.title())));
            }
            self.played.omitted.push(exchange);
            self.next = self.next.saturating_add(1);
        }
        match self.browser {
            Some(_) => Err(Stop::Different("the browser was not opened".into())),
            None => Ok(()),
        }
    }
}

fn compare(exchange: &Exchange, sent: &Sent, at: f64, matching: &mut Matching<'_>) -> Result<(), Mismatch> {
    exchange.request.compare(sent, matching)?;
    if exchange.at == at { Ok(()) } else { Err(Mismatch(format!("at: want {}, got {at}", exchange.at))) }
}
