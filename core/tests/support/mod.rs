//! A host without any network for the tests of the core: it plays a list of happenings and notes what was asked of it.

#![allow(dead_code, reason = "each test uses a part")]

use std::fmt::Debug;

use sansal::client::Client;
use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::{CommitError, SendError};
use sansal::flow::{Answer, Ask, Clock, Cx, Flow, Input, Millis, Response, Step};
use sansal::http::{Request, ResponseHeader, form};
use sansal::time::UnixTime;
use sansal::{Error, Store};

/// When every test begins.
pub(crate) const NOW: UnixTime = UnixTime(1_700_000_000);

/// The same bytes in each run.
pub(crate) struct Bytes(pub(crate) u8);
impl Entropy for Bytes {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in out {
            self.0 = self.0.wrapping_add(37);
            *byte = self.0;
        }
        Ok(())
    }
}

/// What the world does when a request arrives.
#[derive(Clone, Debug)]
pub(crate) enum World {
    /// Status, headers, body.
    Answers(u16, Vec<(&'static str, String)>, Vec<u8>),
    Fails(SendError),
    /// The date is another one from here on; the answer is a good one with this body.
    Jumps(Option<UnixTime>, Vec<u8>),
    /// The process ends: what was learned is in the machine.
    Dies,
}

/// An answer.
pub(crate) fn answers(status: u16, body: impl Into<Vec<u8>>) -> World {
    World::Answers(status, Vec::new(), body.into())
}

/// An answer with headers.
pub(crate) fn headed(status: u16, headers: &[(&'static str, &str)], body: impl Into<Vec<u8>>) -> World {
    World::Answers(status, headers.iter().map(|(name, value)| (*name, (*value).into())).collect(), body.into())
}

/// What the person at the browser does with an address: the parameters that come back, form-encoded.
pub(crate) type Person = dyn FnMut(&str) -> Result<String, sansal::flow::AskError>;

/// What holds the keys that are named: the signature over what it is asked to sign.
pub(crate) type Signer = dyn FnMut(&Ask) -> Result<Vec<u8>, sansal::flow::AskError>;

/// The host.
pub(crate) struct Host {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) entropy: Bytes,
    script: Vec<World>,
    /// What comes when the script is at its end.
    pub(crate) for_ever: Option<World>,
    pub(crate) sent: Vec<Request>,
    /// Milliseconds, each time.
    pub(crate) waited: Vec<u64>,
    /// What was asked but for signatures and a browser.
    pub(crate) asked: Vec<Ask>,
    pub(crate) shown: Answer<'static>,
    pub(crate) commit: Result<(), CommitError>,
    /// What the date does at each request, in seconds.
    pub(crate) jump: i64,
    pub(crate) person: Option<Box<Person>>,
    pub(crate) signer: Option<Box<Signer>>,
    /// Everything that could be looked at in between.
    pub(crate) seen: Option<String>,
}

impl Host {
    /// With an empty store.
    pub(crate) fn new(client: Client) -> Self {
        let mut entropy = Bytes(0);
        Self {
            client,
            store: Store::new(&mut entropy).unwrap(),
            clock: Clock::new(Millis(5_000), NOW),
            entropy,
            script: Vec::new(),
            for_ever: None,
            sent: Vec::new(),
            waited: Vec::new(),
            asked: Vec::new(),
            shown: Answer::Shown,
            commit: Ok(()),
            jump: 0,
            person: None,
            signer: None,
            seen: None,
        }
    }

    /// What comes next.
    pub(crate) fn plays(&mut self, script: impl IntoIterator<Item = World>) -> &mut Self {
        self.script = script.into_iter().collect();
        self.script.reverse();
        (self.sent, self.waited) = (Vec::new(), Vec::new());
        self
    }

    /// Runs a machine; the script must be played to its end.
    pub(crate) fn play<F: Flow<Output: Debug> + Debug>(
        &mut self,
        script: impl IntoIterator<Item = World>,
        mut flow: F,
    ) -> Result<F::Output, Error> {
        let result = self.plays(script).run(&mut flow);
        assert!(self.script.is_empty(), "not all of the script was played: {:?}", self.script);
        result.map(|done| done.expect("nobody dies here"))
    }

    /// Time goes by.
    pub(crate) fn pass(&mut self, span: Millis) {
        self.clock.mono = self.clock.mono.after(span);
        self.clock.wall = self.clock.wall.map(|wall| wall.after(span.as_secs_ceil()));
    }

    /// `None`: the process ended.
    pub(crate) fn run<F: Flow<Output: Debug> + Debug>(&mut self, flow: &mut F) -> Result<Option<F::Output>, Error> {
        let mut step = self.step(flow, Input::Start)?;
        for _ in 0..5_000 {
            step = match step {
                Step::Done(done) => return Ok(Some(done)),
                Step::Load(_) => self.step(flow, Input::Loaded)?,
                Step::Ask(ask) => self.answer(flow, ask)?,
                Step::Commit(changes) => {
                    let committed = self.commit;
                    if committed.is_ok() || !changes.is_durable() {
                        self.store.apply(changes);
                    }
                    self.step(flow, Input::Committed(committed))?
                }
                Step::Wait(span) => {
                    self.waited.push(span.0);
                    if matches!(self.script.last(), Some(World::Dies)) {
                        return Ok(None);
                    }
                    // Half of the time first: an early wake is legal and gets the rest.
                    self.pass(Millis(span.0 / 2));
                    match self.step(flow, Input::Woke)? {
                        Step::Wait(rest) => {
                            assert_eq!(rest.0, span.0 - span.0 / 2);
                            self.pass(rest);
                            self.step(flow, Input::Woke)?
                        }
                        other => other,
                    }
                }
                Step::Send(request) => {
                    self.sent.push(request);
                    self.clock.wall = self.clock.wall.map(|wall| wall.shifted(self.jump));
                    let (status, headers, body) =
                        match self.script.pop().or(self.for_ever.clone()).expect("one request too many") {
                            World::Dies => return Ok(None),
                            World::Fails(why) => {
                                step = self.step(flow, Input::Failed(why))?;
                                continue;
                            }
                            World::Jumps(wall, body) => {
                                self.clock.wall = wall;
                                (200, Vec::new(), body)
                            }
                            World::Answers(status, headers, body) => (status, headers, body),
                        };
                    let headers: Vec<ResponseHeader<'_>> =
                        headers.iter().map(|(name, value)| ResponseHeader { name, value }).collect();
                    self.step(flow, Input::Response(Response { status, headers: &headers, body: &body }))?
                }
            }
        }
        panic!("an endless loop")
    }

    fn answer<F: Flow<Output: Debug> + Debug>(&mut self, flow: &mut F, ask: Ask) -> Result<Step<F::Output>, Error> {
        match ask {
            Ask::OpenBrowser { url, .. } => {
                let brought = self.person.as_mut().expect("nobody is at the browser")(&url.to_string());
                let answer = brought.as_ref().map_or_else(|why| Answer::Failed(*why), |form| Answer::Redirected(form));
                self.step(flow, Input::Answer(answer))
            }
            Ask::Sign { .. } => {
                let signature = self.signer.as_mut().expect("nobody signs here")(&ask);
                let answer =
                    signature.as_ref().map_or_else(|why| Answer::Failed(*why), |bytes| Answer::Signature(bytes));
                self.step(flow, Input::Answer(answer))
            }
            Ask::ShowCode { .. } => {
                self.asked.push(ask);
                let answer = self.shown.clone();
                self.step(flow, Input::Answer(answer))
            }
            ask => panic!("nothing else is asked here: {ask:?}"),
        }
    }

    pub(crate) fn step<F: Flow<Output: Debug> + Debug>(
        &mut self,
        flow: &mut F,
        input: Input<'_>,
    ) -> Result<Step<F::Output>, Error> {
        let (client, store, clock) = (&self.client, &self.store, self.clock);
        let step = flow.step(&mut Cx { client, store, clock, entropy: &mut self.entropy }, input);
        if let Some(seen) = &mut self.seen {
            seen.push_str(&format!("{flow:?} {:?} {step:?}", self.store));
        }
        step
    }

    /// A field of the form of a request that was sent.
    pub(crate) fn field(&self, request: usize, name: &str) -> Option<String> {
        let body = self.sent.get(request)?.body.as_ref()?;
        let fields = form::decode(std::str::from_utf8(body.bytes.expose()).ok()?)?;
        fields.into_iter().find(|(known, _)| known == name).map(|(_, value)| value.expose().to_string())
    }

    /// How many tokens the cache holds, of all kinds.
    pub(crate) fn cached(&self) -> usize {
        let text = self.store.tokens.to_json();
        String::from_utf8_lossy(&text).matches("\"secret\"").count()
    }
}
