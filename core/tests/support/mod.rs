//! A host without any network for the tests of the core: it plays a list of happenings and notes what was asked of it.

#![allow(dead_code, reason = "each test uses a part")]

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
    Answers(u16, String),
    /// With these headers.
    Headed(u16, Vec<(&'static str, String)>, String),
    Fails(SendError),
}

/// An answer.
pub(crate) fn answers(status: u16, body: impl Into<String>) -> World {
    World::Answers(status, body.into())
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
    pub(crate) script: Vec<World>,
    pub(crate) sent: Vec<Request>,
    pub(crate) commit: Result<(), CommitError>,
    pub(crate) person: Option<Box<Person>>,
    pub(crate) signer: Option<Box<Signer>>,
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
            sent: Vec::new(),
            commit: Ok(()),
            person: None,
            signer: None,
        }
    }

    /// Runs a machine; the script must be played to its end.
    pub(crate) fn play<F: Flow>(
        &mut self,
        script: impl IntoIterator<Item = World>,
        flow: F,
    ) -> Result<F::Output, Error> {
        self.script = script.into_iter().collect();
        self.script.reverse();
        self.sent.clear();
        let result = self.run(flow);
        assert!(self.script.is_empty(), "not all of the script was played: {:?}", self.script);
        result
    }

    fn run<F: Flow>(&mut self, mut flow: F) -> Result<F::Output, Error> {
        let mut step = self.step(&mut flow, Input::Start)?;
        loop {
            step = match step {
                Step::Done(done) => return Ok(done),
                Step::Load(_) => self.step(&mut flow, Input::Loaded)?,
                Step::Ask(Ask::OpenBrowser { url, .. }) => {
                    let person = self.person.as_mut().expect("nobody is at the browser");
                    let brought = person(&url.to_string());
                    let answer =
                        brought.as_ref().map_or_else(|why| Answer::Failed(*why), |form| Answer::Redirected(form));
                    self.step(&mut flow, Input::Answer(answer))?
                }
                Step::Ask(ask @ Ask::Sign { .. }) => {
                    let signature = self.signer.as_mut().expect("nobody signs here")(&ask);
                    let answer =
                        signature.as_ref().map_or_else(|why| Answer::Failed(*why), |bytes| Answer::Signature(bytes));
                    self.step(&mut flow, Input::Answer(answer))?
                }
                Step::Ask(Ask::ShowCode { .. }) => self.step(&mut flow, Input::Answer(Answer::Shown))?,
                Step::Ask(ask) => panic!("nothing else is asked here: {ask:?}"),
                Step::Commit(changes) => {
                    let committed = self.commit;
                    if committed.is_ok() || !changes.is_durable() {
                        self.store.apply(changes);
                    }
                    self.step(&mut flow, Input::Committed(committed))?
                }
                Step::Wait(span) => {
                    self.clock.mono = self.clock.mono.after(span);
                    self.step(&mut flow, Input::Woke)?
                }
                Step::Send(request) => {
                    self.sent.push(request);
                    match self.script.pop().expect("one request too many") {
                        World::Fails(why) => self.step(&mut flow, Input::Failed(why))?,
                        World::Answers(status, body) => {
                            let response = Response { status, headers: &[], body: body.as_bytes() };
                            self.step(&mut flow, Input::Response(response))?
                        }
                        World::Headed(status, headers, body) => {
                            let headers: Vec<ResponseHeader<'_>> =
                                headers.iter().map(|(name, value)| ResponseHeader { name, value }).collect();
                            let response = Response { status, headers: &headers, body: body.as_bytes() };
                            self.step(&mut flow, Input::Response(response))?
                        }
                    }
                }
            }
        }
    }

    fn step<F: Flow>(&mut self, flow: &mut F, input: Input<'_>) -> Result<Step<F::Output>, Error> {
        let (client, store, clock) = (&self.client, &self.store, self.clock);
        flow.step(&mut Cx { client, store, clock, entropy: &mut self.entropy }, input)
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
