//! `sansal demo`: sign-ins by certificate, browser and device code at a simulated platform in this process, each step shown.

use std::io::{self, IsTerminal};

use sansal::cert::PrivateKey;
use sansal::client::{ClientBuilder, Credential, KeyCredential, Settings, Signer};
use sansal::flow::{Answer, Ask, Clock, Cx, Flow, Input, Step};
use sansal::http::{Request, Response, ResponseHeader, form};
use sansal::key::KeyName;
use sansal::time::Millis;
use sansal::{
    AuthorizationRequest, Client, ClientCredentials, DeviceCode, Error, GetAccounts, Secret, Silent, Store, Token,
    TokenSource,
};
use sansal_sim::{CLIENT_CERTIFICATE, CLIENT_KEY, CONTOSO_CLIENT, CONTOSO_PUBLIC, CONTOSO_USER, Platform, Redirected};
use sansal_std::{Asks, Keys, SystemClock, SystemRandom, Time, platform};
use serde_json::{Map, Value};

use crate::decode::decode;
use crate::failure::Failure;
use crate::output;

const AUTHORITY: &str = "https://login.microsoftonline.com/contoso.onmicrosoft.com";
const APPLICATION_SCOPE: &str = "https://graph.microsoft.com/.default";
const USER_SCOPE: &str = "https://graph.microsoft.com/User.Read";
/// Where a real application would listen; nobody does here.
const REDIRECT_URI: &str = "http://localhost:8400";
/// Form fields that are not shown, and members of answers that are cut.
const SECRETS: [&str; 9] = [
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "refresh_token",
    "access_token",
    "id_token",
    "client_info",
];
/// Characters of a text that are shown; addresses are always shown.
const SHOWN: usize = 72;

pub(crate) fn run() -> Result<(), Failure> {
    let colour = io::stdout().is_terminal() && output::wants_colour();
    let mut world = World {
        show: Show { colour },
        keys: Keys::new(),
        store: Store::new(&mut SystemRandom).map_err(Error::from)?,
        platform: Platform::contoso(1).map_err(Failure::local)?,
        ahead: Millis(0),
        typing: None,
    };
    world.show.note("Everything happens in this process: no socket, no file; the platform is sansal-sim.")?;
    application(&mut world)?;
    let client = client(CONTOSO_PUBLIC).build()?;
    browser(&mut world, &client)?;
    device(&mut world, &client)
}

fn client(id: &str) -> ClientBuilder {
    let settings = Settings { platform: platform().to_owned(), all_tokens_in_results: true, ..Settings::default() };
    Client::builder(id).authority(AUTHORITY).settings(settings)
}

/// An application on its own behalf.
fn application(world: &mut World) -> Result<(), Failure> {
    let show = world.show;
    let key = PrivateKey::parse(CLIENT_KEY.as_bytes(), None).map_err(Error::from)?;
    let name = KeyName("demo key".to_owned());
    world.keys.add(name.clone(), &key).map_err(Error::from)?;
    let credential =
        KeyCredential::with_certificate(Signer::External(name), Some(&key), None, Some(CLIENT_CERTIFICATE))?;
    let client = client(CONTOSO_CLIENT).credential(Credential::Key(Box::new(credential))).build()?;
    let request = ClientCredentials::new(&[APPLICATION_SCOPE])?;

    show.title("A token for an application itself, proved by a certificate (RFC 6749 s4.4, RFC 7523)")?;
    let token = world.acquire(&client, request.flow(&client)?)?;
    show.title("The access token, decoded")?;
    show.json(&part(&decode(token.access_token())?, &["header", "claims"]))?;

    show.title("The same call again")?;
    let again = world.acquire(&client, request.flow(&client)?)?;
    from_cache(show, &again)
}

/// A user at a browser, and then without one.
fn browser(world: &mut World, client: &Client) -> Result<(), Failure> {
    let show = world.show;
    show.title("A user signs in with the browser (RFC 6749 s4.1, RFC 7636, RFC 8252)")?;
    show.note("The person is played by this demo; the browser, too.")?;
    let request = AuthorizationRequest::new(&[USER_SCOPE], REDIRECT_URI)?;
    let token = world.acquire(client, request.interactive(client)?)?;
    show.title("The ID token, decoded")?;
    show.json(&part(&decode(&token.text("id_token").unwrap_or_default())?, &["claims"]))?;

    show.title("The same user again, without the browser")?;
    let accounts = world.drive(client, GetAccounts::new())?;
    let account = accounts.first().ok_or_else(|| Failure::local("nobody is signed in"))?;
    let again = world.acquire(client, Silent::new(account, &[USER_SCOPE])?.flow(client)?)?;
    from_cache(show, &again)
}

/// A user at another device.
fn device(world: &mut World, client: &Client) -> Result<(), Failure> {
    let show = world.show;
    show.title("A user signs in at another device, with a code (RFC 8628)")?;
    show.note("Nobody waits: where the machine wants time to pass, the demo turns its clock.")?;
    let token = world.acquire(client, DeviceCode::new(&[USER_SCOPE])?.flow(client)?)?;
    show.title("The access token, decoded")?;
    show.json(&part(&decode(token.access_token())?, &["header", "claims"]))
}

fn from_cache(show: Show, token: &Token) -> Result<(), Failure> {
    if token.source() != TokenSource::Cache {
        return Err(Failure::local("the second token did not come from the cache"));
    }
    show.note("No request left: the machine found the token in the store.")
}

/// What a host has: keys, a store, a clock, a way to the platform; and a person.
struct World {
    show: Show,
    keys: Keys,
    store: Store,
    platform: Platform,
    /// How far its clock is ahead of the real one.
    ahead: Millis,
    /// The code that the person is about to type.
    typing: Option<String>,
}

/// What happened, owned; a machine is lent it.
enum Happened {
    Begun,
    Responded(sansal_sim::Response),
    Signed(Result<Vec<u8>, sansal::error::AskError>),
    Redirected(Secret),
    Shown,
    Woke,
    Loaded,
    Committed,
}

impl World {
    fn acquire<F: Flow<Output = Token>>(&mut self, client: &Client, flow: F) -> Result<Token, Failure> {
        let token = self.drive(client, flow)?;
        let source = if token.source() == TokenSource::Cache { "the cache" } else { "the platform" };
        self.show.wants(&format!("Done     a {} token from {source}", token.token_type()))?;
        Ok(token)
    }

    /// The whole of a host: asks the machine what it needs, and does it.
    fn drive<F: Flow>(&mut self, client: &Client, mut flow: F) -> Result<F::Output, Failure> {
        let mut happened = Happened::Begun;
        self.show.came("Start")?;
        loop {
            happened = match self.step(client, &mut flow, &happened)? {
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
                Step::Wait(span) => self.wait(span)?,
                Step::Done(output) => return Ok(output),
            };
        }
    }

    fn step<F: Flow>(&self, client: &Client, flow: &mut F, happened: &Happened) -> Result<Step<F::Output>, Error> {
        let mut entropy = SystemRandom;
        let mut cx = Cx { client, store: &self.store, clock: self.now(), entropy: &mut entropy };
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
            Happened::Redirected(form) => flow.step(&mut cx, Input::Answer(Answer::Redirected(form.expose()))),
            Happened::Shown => flow.step(&mut cx, Input::Answer(Answer::Shown)),
            Happened::Woke => flow.step(&mut cx, Input::Woke),
            Happened::Loaded => flow.step(&mut cx, Input::Loaded),
            Happened::Committed => flow.step(&mut cx, Input::Committed(Ok(()))),
        }
    }

    fn now(&self) -> Clock {
        let clock = SystemClock.now();
        let wall = clock.wall.map(|time| time.after(self.ahead.as_secs_ceil()));
        Clock { mono: clock.mono.after(self.ahead), wall }
    }

    fn seconds(&self) -> u64 {
        self.now().wall.map_or(0, |time| time.0)
    }

    /// Turns the clock. A person who has a code types it meanwhile, once the machine has asked in vain.
    fn wait(&mut self, span: Millis) -> Result<Happened, Failure> {
        self.show.wants(&format!("Wait     {} ms", span.0))?;
        self.ahead = self.ahead.after(span);
        let asked_in_vain = self.platform.asked(&sansal_sim::On::Grant("device_code".to_owned())) > 0;
        if let Some(code) = self.typing.take_if(|_| asked_in_vain) {
            self.show.person(&format!("signs in as {CONTOSO_USER} and types {code}"))?;
            if !self.platform.approve_device(&code, CONTOSO_USER) {
                return Err(Failure::local("the platform does not know the code"));
            }
        }
        self.show.came("Woke")?;
        Ok(Happened::Woke)
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
            now: self.seconds(),
        });
        show.came(&format!("Response {}", response.status))?;
        show.json(&serde_json::from_slice(&response.body).map_err(Failure::local)?)?;
        Ok(Happened::Responded(response))
    }

    fn answer(&mut self, ask: &Ask) -> Result<Happened, Failure> {
        match ask {
            Ask::Sign { key, alg, message } => {
                let wanted = format!("Ask      sign {} bytes with '{key}', {}", message.len(), alg.as_str());
                self.show.wants(&wanted)?;
                let signed = self.keys.sign(key, *alg, message);
                self.show.came(&format!("Answer   a signature of {} bytes", signed.as_ref().map_or(0, Vec::len)))?;
                Ok(Happened::Signed(signed))
            }
            Ask::OpenBrowser { url, redirect_uri } => {
                self.show.wants(&format!("Ask      open {}{}", url.origin(), url.path()))?;
                show_form(self.show, url.query().unwrap_or_default().as_bytes())?;
                self.show.person(&format!("signs in as {CONTOSO_USER}"))?;
                let back = self.platform.sign_in(&url.to_string(), CONTOSO_USER, self.seconds());
                let back = back.map_err(|_| Failure::local("the platform does not let the user in"))?;
                self.show.came(&format!("Answer   the browser is back at {redirect_uri}"))?;
                let form = form_of(&back);
                show_form(self.show, form.expose().as_bytes())?;
                Ok(Happened::Redirected(form))
            }
            Ask::ShowCode { user_code, verification_uri, .. } => {
                self.show.wants(&format!("Ask      show {user_code}, to be typed at {verification_uri}"))?;
                self.typing = Some(user_code.clone());
                self.show.came("Answer   it is shown")?;
                Ok(Happened::Shown)
            }
            _ => Err(Failure::local("the machine asked for something that this demo has not")),
        }
    }
}

/// What the browser brings back, as the listener on loopback would read it.
fn form_of(back: &Redirected) -> Secret {
    form::encode(back.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// The fields of a form, secret ones hidden; of a client assertion its header and claims are shown.
fn show_form(show: Show, body: &[u8]) -> Result<(), Failure> {
    let fields = std::str::from_utf8(body).ok().and_then(form::decode).unwrap_or_default();
    for (name, value) in &fields {
        let hidden = SECRETS.contains(&name.as_str()) && value.expose() != "1";
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

    /// What the user does.
    fn person(self, text: &str) -> Result<(), Failure> {
        self.line("33", &format!("person    {text}"))
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

fn part(object: &Value, names: &[&str]) -> Value {
    let member = |name: &&str| Some(((*name).to_owned(), object.get(name)?.clone()));
    names.iter().filter_map(member).collect::<Map<_, _>>().into()
}

/// Tokens, certificates and the like, cut to their beginning.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > SHOWN && !text.starts_with("https://") => cut(text),
        Value::Array(values) => values.iter().map(shortened).collect(),
        Value::Object(members) => {
            let one = |(name, value): (&String, &Value)| match value {
                Value::String(text) if SECRETS.contains(&name.as_str()) => (name.clone(), cut(text)),
                value => (name.clone(), shortened(value)),
            };
            members.iter().map(one).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn cut(text: &str) -> Value {
    let begin: String = text.chars().take(16).collect();
    format!("{begin}... ({} characters)", text.len()).into()
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
