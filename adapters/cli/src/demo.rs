//! `sansal demo`: a sign-in with a certificate against a simulated platform in this process, each step of the machine shown.

use std::io::{self, IsTerminal};

use sansal::cert::PrivateKey;
use sansal::client::{Credential, KeyCredential, Signer};
use sansal::flow::{Answer, Ask, Cx, Flow, Input, Step};
use sansal::http::{Request, Response, ResponseHeader, form};
use sansal::key::KeyName;
use sansal::{Client, ClientCredentials, Error, Store, Token, TokenSource};
use sansal_sim::{CLIENT_CERTIFICATE, CLIENT_KEY, CONTOSO_CLIENT, Platform};
use sansal_std::{Asks, RingKeys, SystemClock, SystemRandom, Time, platform};
use serde_json::{Map, Value};

use crate::decode::decode;
use crate::failure::Failure;
use crate::output;

const AUTHORITY: &str = "https://login.microsoftonline.com/contoso.onmicrosoft.com";
const SCOPE: &str = "https://graph.microsoft.com/.default";
/// Characters of a text that are shown; addresses are always shown.
const SHOWN: usize = 72;

pub(crate) fn run() -> Result<(), Failure> {
    let show = Show { colour: wants_colour() };
    let key = PrivateKey::parse(CLIENT_KEY.as_bytes(), None).map_err(Error::from)?;
    let name = KeyName("demo key".to_owned());
    let mut keys = RingKeys::new();
    keys.add(name.clone(), &key).map_err(Error::from)?;
    let signer = Signer::External(name);
    let credential = KeyCredential::with_certificate(signer, Some(&key), None, Some(CLIENT_CERTIFICATE))?;
    let mut settings = sansal::client::Settings::default();
    platform().clone_into(&mut settings.platform);
    let client = Client::builder(CONTOSO_CLIENT)
        .authority(AUTHORITY)
        .credential(Credential::Key(Box::new(credential)))
        .settings(settings)
        .build()?;
    let mut world = World {
        show,
        client,
        keys,
        store: Store::new(&mut SystemRandom).map_err(Error::from)?,
        platform: Platform::contoso(1).map_err(Failure::local)?,
    };

    show.title("A token for an application itself, proved by a certificate (RFC 6749 s4.4, RFC 7523)")?;
    show.note("Everything happens in this process: no socket, no file; the platform is sansal-sim.")?;
    let token = world.acquire()?;
    show.title("The access token, decoded")?;
    show.json(&part(&decode(token.access_token())?, &["header", "claims"]))?;

    show.title("The same call again")?;
    let again = world.acquire()?;
    if again.source() != TokenSource::Cache {
        return Err(Failure::local("the second token did not come from the cache"));
    }
    show.note("No request left: the machine found the token in the store.")
}

/// What a host has: the application, its keys, a store, and a way to the platform.
struct World {
    show: Show,
    client: Client,
    keys: RingKeys,
    store: Store,
    platform: Platform,
}

/// What happened, owned; a machine is lent it.
enum Happened {
    Begun,
    Responded(sansal_sim::Response),
    Signed(Result<Vec<u8>, sansal::error::AskError>),
    Woke,
    Loaded,
    Committed,
}

impl World {
    /// The whole of a host: asks the machine what it needs, and does it.
    fn acquire(&mut self) -> Result<Token, Failure> {
        let mut flow = ClientCredentials::new(&[SCOPE])?.flow(&self.client)?;
        let mut happened = Happened::Begun;
        self.show.came("Start")?;
        loop {
            happened = match self.step(&mut flow, &happened)? {
                Step::Send(request) => self.send(&request)?,
                Step::Ask(ask) => self.answer(&ask)?,
                Step::Commit(changes) => {
                    let what =
                        if changes.is_durable() { "tokens, to be persisted" } else { "what this process remembers" };
                    self.show.wants(&format!("Commit   {what}"))?;
                    self.store.apply(changes);
                    self.show.came("Committed")?;
                    Happened::Committed
                }
                Step::Load(_) => {
                    self.show.wants("Load     what is cached for this application")?;
                    self.show.came("Loaded")?;
                    Happened::Loaded
                }
                Step::Wait(span) => {
                    self.show.wants(&format!("Wait     {} ms", span.0))?;
                    SystemClock.sleep(span);
                    Happened::Woke
                }
                Step::Done(token) => {
                    let source = if token.source() == TokenSource::Cache { "the cache" } else { "the platform" };
                    self.show.wants(&format!("Done     a {} token from {source}", token.token_type()))?;
                    return Ok(token);
                }
            };
        }
    }

    fn step<F: Flow>(&self, flow: &mut F, happened: &Happened) -> Result<Step<F::Output>, Error> {
        let mut entropy = SystemRandom;
        let clock = SystemClock.now();
        let mut cx = Cx { client: &self.client, store: &self.store, clock, entropy: &mut entropy };
        match happened {
            Happened::Begun => flow.step(&mut cx, Input::Start),
            Happened::Responded(response) => {
                let header = |(name, value)| ResponseHeader { name, value };
                let headers = response.headers.iter().map(|(name, value)| header((name, value))).collect::<Vec<_>>();
                let response = Response { status: response.status, headers: &headers, body: &response.body };
                flow.step(&mut cx, Input::Response(response))
            }
            Happened::Signed(Ok(signature)) => flow.step(&mut cx, Input::Answer(Answer::Signature(signature))),
            Happened::Signed(Err(why)) => flow.step(&mut cx, Input::Answer(Answer::Failed(*why))),
            Happened::Woke => flow.step(&mut cx, Input::Woke),
            Happened::Loaded => flow.step(&mut cx, Input::Loaded),
            Happened::Committed => flow.step(&mut cx, Input::Committed(Ok(()))),
        }
    }

    fn send(&mut self, request: &Request) -> Result<Happened, Failure> {
        let show = self.show;
        let endpoint = &request.endpoint;
        show.wants(&format!(
            "Send     {} {}{}",
            request.method.as_str(),
            endpoint.origin(),
            endpoint.request_target()
        ))?;
        let names: Vec<&str> = request.headers.iter().map(|header| header.name).collect();
        if !names.is_empty() {
            show.detail(&format!("headers: {}", names.join(", ")))?;
        }
        let body = request.body.as_ref().map(|body| body.bytes.expose()).unwrap_or_default();
        show_form(show, body)?;

        let mut headers: Vec<(String, String)> =
            request.headers.iter().map(|header| (header.name.to_owned(), header.value.expose().to_owned())).collect();
        headers.extend(request.body.iter().map(|body| ("Content-Type".to_owned(), body.content_type.to_owned())));
        let response = self.platform.answer(&sansal_sim::Request {
            method: request.method.as_str().to_owned(),
            target: endpoint.request_target(),
            host: endpoint.host().to_owned(),
            headers,
            body: body.to_vec(),
            now: SystemClock.now().wall.map_or(0, |time| time.0),
        });
        show.came(&format!("Response {}", response.status))?;
        show.json(&serde_json::from_slice(&response.body).map_err(Failure::local)?)?;
        Ok(Happened::Responded(response))
    }

    fn answer(&self, ask: &Ask) -> Result<Happened, Failure> {
        let Ask::Sign { key, alg, message } = ask else {
            return Err(Failure::local("the machine asked for something that this demo has not"));
        };
        self.show.wants(&format!("Ask      sign {} bytes with '{key}', {}", message.len(), alg.as_str()))?;
        let signed = self.keys.sign(key, *alg, message);
        self.show.came(&format!("Answer   a signature of {} bytes", signed.as_ref().map_or(0, Vec::len)))?;
        Ok(Happened::Signed(signed))
    }
}

/// The fields of a form, secret ones hidden; of a client assertion its header and claims are shown.
fn show_form(show: Show, body: &[u8]) -> Result<(), Failure> {
    let fields = std::str::from_utf8(body).ok().and_then(form::decode).unwrap_or_default();
    for (name, value) in &fields {
        let hidden = matches!(name.as_str(), "client_assertion" | "client_secret");
        show.detail(&format!("{name} = {}", if hidden { "[hidden]" } else { value.expose() }))?;
    }
    for (_, assertion) in fields.iter().filter(|(name, _)| name == "client_assertion") {
        show.detail("what the hidden assertion says:")?;
        show.json(&part(&decode(assertion.expose())?, &["header", "claims"]))?;
    }
    Ok(())
}

/// How it looks.
#[derive(Clone, Copy)]
struct Show {
    colour: bool,
}

impl Show {
    fn title(self, text: &str) -> Result<(), Failure> {
        output::print("")?;
        self.line("1", text)
    }

    /// What the machine wants.
    fn wants(self, text: &str) -> Result<(), Failure> {
        self.line("36", &format!("machine > {text}"))
    }

    /// What it is told.
    fn came(self, text: &str) -> Result<(), Failure> {
        self.line("32", &format!("machine < {text}"))
    }

    fn detail(self, text: &str) -> Result<(), Failure> {
        self.line("2", &format!("          {text}"))
    }

    fn note(self, text: &str) -> Result<(), Failure> {
        self.line("0", text)
    }

    fn json(self, value: &Value) -> Result<(), Failure> {
        let text = format!("{:#}", shortened(value));
        text.lines().try_for_each(|line| self.detail(line))
    }

    fn line(self, style: &str, text: &str) -> Result<(), Failure> {
        let text = output::one_line(text);
        if self.colour { output::print(&format!("\u{1b}[{style}m{text}\u{1b}[0m")) } else { output::print(&text) }
    }
}

/// For people at a terminal, unless they want none (no-color.org).
#[expect(clippy::disallowed_methods, reason = "about how output looks, not about what is done")]
fn wants_colour() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !unwanted
}

fn part(object: &Value, names: &[&str]) -> Value {
    let member = |name: &&str| Some(((*name).to_owned(), object.get(name)?.clone()));
    names.iter().filter_map(member).collect::<Map<_, _>>().into()
}

/// Tokens, certificates and the like, cut to their beginning.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > SHOWN && !text.starts_with("https://") => {
            let begin: String = text.chars().take(16).collect();
            format!("{begin}... ({} characters)", text.len()).into()
        }
        Value::Array(values) => values.iter().map(shortened).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), shortened(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_texts_are_cut() {
        let long = "x".repeat(100);
        let cut = "xxxxxxxxxxxxxxxx... (100 characters)";
        let address = format!("https://{long}");
        assert_eq!(shortened(&json!({ "a": [long, 1], "b": address })), json!({ "a": [cut, 1], "b": address }));
    }
}
