//! The world of one replay: clocks that move together, chance, applications, one shared token cache; and the host that
//! runs the core's machines in it.

use std::collections::BTreeMap;

use sansal::ManagedIdentity;
use sansal::cache::TokenCache;
use sansal::client::Client;
use sansal::error::{AskError, Error, SendError};
use sansal::flow::{Answer, Ask, Cx, Flow, Input, Step};
use sansal::http::{Request, Response, ResponseHeader};
use sansal::store::{Memory, Store};
use sansal::time::{Clock, Millis, UnixTime};
use sansal_replay::Chance;
use serde_json::{Map, Value, json};

use super::arguments::Spelling;
use super::bound::Flows;
use super::calls::ARC_TOKEN_DIR;
use super::outcome::Stop;
use super::probe;
use super::server::Server;
use super::tape::Tape;
use super::transcript::{Answer as Recorded, TransportError};

/// A machine that takes more steps than this does not end.
const MAX_STEPS: usize = 1000;

/// The world of one replay.
#[derive(Debug)]
pub struct Stage<'t> {
    /// The constructor arguments of all applications, by name.
    pub recorded_apps: BTreeMap<&'t str, &'t Map<String, Value>>,
    /// Every variable that is set.
    pub env: &'t BTreeMap<String, String>,
    /// Reads arguments.
    pub spelling: Spelling,
    /// The one token cache.
    pub cache: TokenCache,
    /// What calls began and later ones go on with.
    pub flows: Flows,
    apps: BTreeMap<String, App>,
    memories: BTreeMap<String, Memory>,
    chance: Chance,
    start: UnixTime,
    elapsed: Millis,
    slept: Millis,
    waits: Vec<Value>,
    callbacks: Vec<Value>,
    /// How many forks of machines were fed, where that is asked for.
    pub probed: Option<u64>,
    /// The tape, where one is asked for.
    pub tape: Option<Tape>,
    /// The identities of those applications that are managed identities, and whether under a placeholder.
    pub identities: BTreeMap<String, (ManagedIdentity, bool)>,
    /// The files in the folder of Azure Arc.
    pub arc_files: BTreeMap<String, String>,
    /// Whether the agent of Azure Arc is there.
    pub arc_agent_installed: bool,
}

/// An application that was built.
#[derive(Debug)]
pub struct App {
    /// As the core knows it.
    pub client: Client,
    /// The memory it uses, by name: its own or a shared one.
    pub memory: String,
    /// The application's callback for assertions.
    pub callback: Option<Callback>,
    /// As a tape describes it, or why none can.
    pub spec: Value,
}

/// An application's callback for client assertions, as a recording scripts it.
#[derive(Debug)]
pub struct Callback {
    /// What it returns, one after the other; the last one for ever.
    pub returns: Vec<String>,
    /// Whether it is told what the assertion is for.
    pub accepts_context: bool,
    /// Seconds for which the application keeps what it returned.
    pub keep: Option<u64>,
    /// What is kept, and until when.
    pub kept: Option<(String, UnixTime)>,
}

impl<'t> Stage<'t> {
    /// A world at this time, with this cache.
    pub fn new(
        recorded_apps: BTreeMap<&'t str, &'t Map<String, Value>>,
        env: &'t BTreeMap<String, String>,
        spelling: Spelling,
        cache: TokenCache,
        start: UnixTime,
    ) -> Self {
        Self {
            recorded_apps,
            env,
            spelling,
            cache,
            flows: Flows::default(),
            apps: BTreeMap::new(),
            memories: BTreeMap::new(),
            chance: Chance(start.0),
            start,
            elapsed: Millis(0),
            slept: Millis(0),
            waits: Vec::new(),
            callbacks: Vec::new(),
            probed: None,
            tape: None,
            identities: BTreeMap::new(),
            arc_files: BTreeMap::new(),
            arc_agent_installed: false,
        }
    }

    /// Moves both clocks.
    pub fn advance(&mut self, seconds: u64) {
        self.elapsed = self.elapsed.after(Millis::from_secs(seconds));
    }

    /// The date.
    pub fn now(&self) -> UnixTime {
        self.start.after(self.seconds())
    }

    fn seconds(&self) -> u64 {
        self.elapsed.0.checked_div(1000).unwrap_or_default()
    }

    /// The monotonic clock began long before the recording.
    /// What the machines see of it.
    pub fn clock(&self) -> Clock {
        Clock::new(self.elapsed.after(Millis::from_secs(1_000_000)), self.now())
    }

    /// What was slept and what callbacks were called since the last time, in order.
    pub fn take_events(&mut self) -> (Vec<Value>, Vec<Value>) {
        self.end_of_sleep();
        (std::mem::take(&mut self.waits), std::mem::take(&mut self.callbacks))
    }

    fn end_of_sleep(&mut self) {
        let slept = std::mem::take(&mut self.slept);
        if slept > Millis(0) {
            let whole = slept.0.is_multiple_of(1000).then(|| json!(slept.0.checked_div(1000)));
            self.waits.push(whole.unwrap_or_else(|| json!(slept.0 as f64 / 1000.0)));
        }
    }

    /// Adds an application, which replaces one of the same name.
    pub fn add_app(&mut self, name: &str, app: App) {
        self.apps.insert(name.to_string(), app);
    }

    /// An application that was built.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn app(&self, name: &str) -> Result<&App, Stop> {
        self.apps.get(name).ok_or_else(|| Stop::malformed(format!("{name} was not built")))
    }

    /// A new memory of that name; a shared one stays what it is.
    ///
    /// # Errors
    /// Never, in truth: chance does not run out.
    pub fn new_memory(&mut self, name: &str, shared: bool) -> Result<(), Stop> {
        if !shared || !self.memories.contains_key(name) {
            let memory = Memory::new(&mut self.chance).map_err(|why| Stop::Different(why.to_string()))?;
            self.memories.insert(name.to_string(), memory);
            if let Some(tape) = &mut self.tape {
                tape.memory(name);
            }
        }
        Ok(())
    }

    /// Says on the tape which application it is from here on.
    pub fn tape_client(&mut self, spec: &Value, build: bool) {
        if let Some(tape) = &mut self.tape {
            tape.client(spec, build);
        }
    }

    /// Says on the tape what is run next.
    pub fn tape_flow(&mut self, name: &str, arguments: &[(&str, Option<&str>)], scopes: &[&str]) {
        if let Some(tape) = &mut self.tape {
            tape.flow(name, arguments, scopes);
        }
    }

    /// Runs a machine of an application to its end.
    ///
    /// # Errors
    /// It asks for something that is not in the recording.
    pub fn run<F: Flow + Clone>(
        &mut self,
        name: &str,
        flow: &mut F,
        server: &mut Server<'_, '_, '_>,
    ) -> Result<Result<F::Output, Error>, Stop> {
        let Some(mut app) = self.apps.remove(name) else { return self.app(name).map(|_| Err(Error::OutOfTurn)) };
        self.tape_client(&app.spec, false);
        let result = self.run_with(&mut app, flow, server);
        self.apps.insert(name.to_string(), app);
        result
    }

    /// Runs a machine of an application as if it had another authority.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_elsewhere<F: Flow + Clone>(
        &mut self,
        name: &str,
        authority: &str,
        flow: &mut F,
        server: &mut Server<'_, '_, '_>,
    ) -> Result<Result<F::Output, Error>, Stop> {
        let app = self.app(name)?;
        let (own, memory) = (&app.client, app.memory.clone());
        let built = Client::builder(own.client_id()).authority(authority).settings(own.settings().clone()).build();
        match built {
            Ok(client) => self.run_with(&mut App { client, memory, callback: None, spec: Value::Null }, flow, server),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Runs a machine of an application that is not (yet) on the stage.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_with<F: Flow + Clone>(
        &mut self,
        app: &mut App,
        flow: &mut F,
        server: &mut Server<'_, '_, '_>,
    ) -> Result<Result<F::Output, Error>, Stop> {
        let Some(memory) = self.memories.remove(&app.memory) else {
            return Err(Stop::Different("an application without memory".into()));
        };
        let limits = sansal::cache::Limits::default();
        let mut store = Store { tokens: std::mem::take(&mut self.cache), memory, limits };
        let result = self.drive(app, &mut store, flow, server);
        self.cache = store.tokens;
        self.memories.insert(app.memory.clone(), store.memory);
        if let Some(tape) = &mut self.tape {
            tape.ended(&app.memory);
        }
        result
    }

    fn drive<F: Flow + Clone>(
        &mut self,
        app: &mut App,
        store: &mut Store,
        flow: &mut F,
        server: &mut Server<'_, '_, '_>,
    ) -> Result<Result<F::Output, Error>, Stop> {
        let mut step = self.step(app, store, flow, Input::Start);
        for _ in 0..MAX_STEPS {
            step = match step {
                Ok(Step::Done(output)) => return Ok(Ok(output)),
                Err(error) => return Ok(Err(error)),
                Ok(Step::Send(request)) => {
                    self.end_of_sleep();
                    let recorded = server.answer(&request, self.elapsed.0 as f64 / 1000.0)?;
                    self.receive(app, store, flow, &request, &recorded, server)?
                }
                Ok(Step::Wait(span)) => {
                    self.slept = self.slept.after(span);
                    self.elapsed = self.elapsed.after(span);
                    self.step(app, store, flow, Input::Woke)
                }
                Ok(Step::Load(_)) => self.step(app, store, flow, Input::Loaded),
                Ok(Step::Commit(changes)) => {
                    store.apply(changes);
                    self.step(app, store, flow, Input::Committed(Ok(())))
                }
                Ok(Step::Ask(Ask::ReadFile { dir, name, max_len })) => {
                    let file = self.read_file(&dir, &name, max_len);
                    let answer =
                        file.as_deref().map_or_else(|why| Answer::Failed(*why), |text| Answer::File(text.as_bytes()));
                    self.step(app, store, flow, Input::Answer(answer))
                }
                Ok(Step::Ask(Ask::OpenBrowser { url, .. })) => {
                    self.end_of_sleep();
                    let brought = server.browse(&url.to_string())?;
                    let failed = Answer::Failed(AskError::TimedOut);
                    let answer = brought.as_ref().map_or(failed, |form| Answer::Redirected(form.expose()));
                    self.step(app, store, flow, Input::Answer(answer))
                }
                Ok(Step::Ask(ask)) => {
                    let answer = self.answer(app, &ask);
                    let answer = answer.as_deref().map_or(Answer::Failed(AskError::NotSupported), Answer::Assertion);
                    self.step(app, store, flow, Input::Answer(answer))
                }
            };
        }
        Err(Stop::Different(format!("a machine that does not end within {MAX_STEPS} steps")))
    }

    fn step<F: Flow + Clone>(
        &mut self,
        app: &App,
        store: &Store,
        flow: &mut F,
        input: Input<'_>,
    ) -> Result<Step<F::Output>, Error> {
        let clock = self.clock();
        if let Some(cases) = &mut self.probed {
            *cases = cases.saturating_add(probe::every_input(flow, &app.client, store, clock));
        }
        if let Some(tape) = &mut self.tape {
            tape.heard(&input, clock);
        }
        let step = flow.step(&mut Cx { client: &app.client, store, clock, entropy: &mut self.chance }, input);
        if let Some(tape) = &mut self.tape {
            tape.said(&step);
        }
        step
    }

    fn receive<F: Flow + Clone>(
        &mut self,
        app: &App,
        store: &Store,
        flow: &mut F,
        request: &Request,
        recorded: &Recorded,
        server: &Server<'_, '_, '_>,
    ) -> Result<Result<Step<F::Output>, Error>, Stop> {
        let response = match recorded {
            Recorded::Nothing(nothing) => {
                let why = match nothing.transport_error {
                    TransportError::Connection => SendError::NotSent,
                    TransportError::Timeout => SendError::NoAnswer,
                };
                return Ok(self.step(app, store, flow, Input::Failed(why)));
            }
            Recorded::Response(response) => response,
        };
        let body = server.matching.body(&response.body).map_err(|why| Stop::malformed(why.0))?;
        if body.len() > request.response_limit {
            return Ok(self.step(app, store, flow, Input::Failed(SendError::TooLarge)));
        }
        let headers: Vec<ResponseHeader<'_>> =
            response.headers.iter().map(|(name, value)| ResponseHeader { name, value }).collect();
        let response = Response { status: response.status, headers: &headers, body: body.as_bytes() };
        Ok(self.step(app, store, flow, Input::Response(response)))
    }

    /// The one folder that there is: that of Azure Arc.
    fn read_file(&self, dir: &str, name: &str, max_len: usize) -> Result<String, AskError> {
        match self.arc_files.get(name) {
            _ if dir != ARC_TOKEN_DIR || name.contains(['/', '\\']) => Err(AskError::Denied),
            None => Err(AskError::NotFound),
            Some(text) if text.len() > max_len => Err(AskError::TooLarge),
            Some(text) => Ok(text.clone()),
        }
    }

    /// The application's own answers.
    fn answer(&mut self, app: &mut App, ask: &Ask) -> Option<String> {
        let Ask::Assertion { client_id, token_endpoint, fmi_path } = ask else { return None };
        let now = self.now();
        let callback = app.callback.as_mut()?;
        if let (Some(_), Some((kept, until))) = (callback.keep, &callback.kept)
            && now < *until
        {
            return Some(kept.clone());
        }
        let mut context = json!({ "client_id": client_id, "token_endpoint": token_endpoint });
        if let (Some(path), Some(members)) = (fmi_path, context.as_object_mut()) {
            members.insert("fmi_path".into(), json!(path));
        }
        self.callbacks.push(if callback.accepts_context { json!({ "context": context }) } else { json!({}) });
        let text = match callback.returns.len() {
            0 => return None,
            1 => callback.returns.first()?.clone(),
            _ => callback.returns.remove(0),
        };
        callback.kept = callback.keep.map(|seconds| (text.clone(), now.after(seconds)));
        Some(text)
    }
}
