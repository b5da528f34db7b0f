//! A host as firmware has it: `poll()` does a little and returns. It never waits, spawns nothing, and wakes a machine too early on purpose.
//!
//! ```text
//! Resting --Send--> Talking --answer--> (step)
//!    ^ `--Wait--> Waiting --next poll: Woke, long before its time--> (step)
//!    `-------------------------------------------------------------------'
//! ```

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use sansal::flow::{Answer as Reply, AskError, Flow, Input, Request, SendError, Step};
use sansal::time::Millis;
use sansal::{Client, Error};

use super::sockets::{self, is_busy};
use super::{Answer, Exchange, Trust, World};

/// Addresses by host name. A superloop cannot wait for a resolver, so it gets them beforehand.
pub type Names = BTreeMap<String, SocketAddr>;

/// One machine and what it is doing right now.
#[derive(Debug)]
pub struct Superloop<'a, F> {
    client: &'a Client,
    trust: &'a Trust,
    names: &'a Names,
    flow: F,
    doing: Doing,
    /// How often a machine was woken before its time.
    pub early: usize,
}

#[derive(Debug)]
enum Doing {
    Starting,
    Talking(Box<Talk>),
    Waiting(Millis),
    Nothing,
}

#[derive(Debug)]
struct Talk {
    socket: TcpStream,
    exchange: Exchange,
    unwritten: Vec<u8>,
    connected: bool,
    deadline: Millis,
}

impl<'a, F: Flow> Superloop<'a, F> {
    /// A machine that has not begun.
    pub fn new(client: &'a Client, trust: &'a Trust, names: &'a Names, flow: F) -> Self {
        Self { client, trust, names, flow, doing: Doing::Starting, early: 0 }
    }

    /// Does what can be done now. `None`: call again, after whatever else this loop has to do.
    pub fn poll(&mut self, world: &mut World) -> Option<Result<F::Output, Error>> {
        let step = match core::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Starting => self.step(world, Input::Start),
            Doing::Waiting(until) => {
                self.early = self.early.saturating_add(usize::from(world.mono() < until));
                self.step(world, Input::Woke)
            }
            Doing::Talking(mut talk) => match talk.poll(world.mono()) {
                Ok(None) => {
                    self.doing = Doing::Talking(talk);
                    return None;
                }
                Ok(Some(answer)) => answer.with(|response| self.step(world, Input::Response(response))),
                Err(why) => self.step(world, Input::Failed(why)),
            },
            Doing::Nothing => return None,
        };
        self.take(world, step)
    }

    fn step(&mut self, world: &mut World, input: Input<'_>) -> Result<Step<F::Output>, Error> {
        world.step(self.client, &mut self.flow, input)
    }

    /// Notes what is to be done at the next poll; answers at once what needs no waiting.
    fn take(&mut self, world: &mut World, step: Result<Step<F::Output>, Error>) -> Option<Result<F::Output, Error>> {
        let next = match step {
            Err(error) => return Some(Err(error)),
            Ok(Step::Done(done)) => return Some(Ok(done)),
            Ok(Step::Wait(span)) => {
                self.doing = Doing::Waiting(world.mono().after(span));
                return None;
            }
            Ok(Step::Send(request)) => match self.talk(&request, world.mono()) {
                Ok(talk) => {
                    self.doing = Doing::Talking(Box::new(talk));
                    return None;
                }
                Err(why) => self.step(world, Input::Failed(why)),
            },
            Ok(Step::Ask(_)) => self.step(world, Input::Answer(Reply::Failed(AskError::NotSupported))),
            Ok(Step::Load(_)) => self.step(world, Input::Loaded),
            Ok(Step::Commit(changes)) => {
                world.store.apply(changes);
                self.step(world, Input::Committed(Ok(())))
            }
        };
        self.take(world, next)
    }

    /// Begins to connect.
    fn talk(&self, request: &Request, mono: Millis) -> Result<Talk, SendError> {
        let exchange = Exchange::begin(self.trust, request)?;
        let mut address = *self.names.get(request.endpoint.host()).ok_or(SendError::NotSent)?;
        address.set_port(request.endpoint.port_or_default());
        let socket = sockets::connect(address).map_err(|_| SendError::NotSent)?;
        let deadline = mono.after(request.attempt_timeout);
        Ok(Talk { socket, exchange, unwritten: Vec::new(), connected: false, deadline })
    }
}

impl Talk {
    /// Writes or reads whatever the socket takes or has without waiting.
    fn poll(&mut self, mono: Millis) -> Result<Option<Answer>, SendError> {
        if mono >= self.deadline {
            return Err(self.exchange.broken());
        }
        if !self.connected {
            match sockets::connected(&self.socket) {
                Ok(()) => self.connected = true,
                Err(why) if is_busy(&why) => return Ok(None),
                Err(_) => return Err(SendError::NotSent),
            }
        }
        self.unwritten.extend(self.exchange.outgoing()?);
        if !self.unwritten.is_empty() {
            match self.socket.write(&self.unwritten) {
                Ok(n) => drop(self.unwritten.drain(..n)),
                Err(why) if is_busy(&why) => {}
                Err(_) => return Err(self.exchange.broken()),
            }
            return Ok(None);
        }
        let mut bytes = [0; 1024];
        match self.socket.read(&mut bytes) {
            Ok(n) => self.exchange.incoming(bytes.get(..n).unwrap_or_default()),
            Err(why) if is_busy(&why) => Ok(None),
            Err(_) => Err(self.exchange.broken()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansal::ClientCredentials;
    use sansal::client::{Credential, Retries, Settings};
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn early_wakes_shorten_no_wait() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener); // from now on connecting is refused
        let retries = Retries { first_wait: Millis(10), ..Settings::default().retries };
        let client = Client::builder("app")
            .oidc_authority(&format!("https://localhost:{port}/lab"))
            .credential(Credential::secret("s3cret"))
            .settings(Settings { retries, ..Settings::default() })
            .build()
            .unwrap();
        let names = Names::from([("localhost".to_owned(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]);
        let (mut world, trust) = (World::new().unwrap(), Trust::nobody().unwrap());
        let flow = ClientCredentials::new(&["api.default"]).unwrap().flow(&client).unwrap();
        let mut superloop = Superloop::new(&client, &trust, &names, flow);
        let began = world.mono();
        let error = loop {
            if let Some(done) = superloop.poll(&mut world) {
                break done.unwrap_err();
            }
        };
        assert!(matches!(error, Error::Unreachable { why: SendError::NotSent, .. }), "{error:?}");
        // Three repetitions after 10, 20 and 40 ms at the least, however often the machine is woken in between.
        assert!(world.mono().since(began) >= Millis(70), "{:?}", world.mono().since(began));
        assert!(superloop.early > 3, "woken early {} times", superloop.early);
        assert!(superloop.poll(&mut world).is_none(), "a spent machine is left alone");
    }
}
