//! The plainest host: one thread that waits for its socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use sansal::flow::{Answer as Reply, AskError, Flow, Input, Request, SendError, Step};
use sansal::{Client, Error};

use super::world::now;
use super::{Answer, Exchange, Trust, World};

/// Drives a machine to its end.
///
/// # Errors
/// Those of the machine.
pub fn run<F: Flow>(world: &mut World, client: &Client, trust: &Trust, flow: &mut F) -> Result<F::Output, Error> {
    let mut step = world.step(client, flow, Input::Start)?;
    loop {
        step = match step {
            Step::Send(request) => match send(trust, &request) {
                Ok(answer) => answer.with(|response| world.step(client, flow, Input::Response(response)))?,
                Err(why) => world.step(client, flow, Input::Failed(why))?,
            },
            Step::Wait(span) => {
                thread::sleep(Duration::from_millis(span.0));
                world.step(client, flow, Input::Woke)?
            }
            Step::Ask(_) => world.step(client, flow, Input::Answer(Reply::Failed(AskError::NotSupported)))?,
            Step::Load(_) => world.step(client, flow, Input::Loaded)?,
            Step::Commit(changes) => {
                world.store.apply(changes);
                world.step(client, flow, Input::Committed(Ok(())))?
            }
            Step::Done(done) => return Ok(done),
        };
    }
}

/// One request, one connection.
fn send(trust: &Trust, request: &Request) -> Result<Answer, SendError> {
    let mut exchange = Exchange::begin(trust, request)?;
    let timeout = Duration::from_millis(request.attempt_timeout.0);
    let deadline = now().checked_add(timeout).ok_or(SendError::NotSent)?;
    let mut socket = connect(request, deadline)?;
    let mut bytes = [0; 4096];
    loop {
        let outgoing = exchange.outgoing()?;
        limit(&socket, deadline).ok_or_else(|| exchange.broken())?;
        socket.write_all(&outgoing).map_err(|_| exchange.broken())?;
        limit(&socket, deadline).ok_or_else(|| exchange.broken())?;
        let n = match socket.read(&mut bytes) {
            Err(why) if why.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(|_| exchange.broken())?,
        };
        if let Some(answer) = exchange.incoming(bytes.get(..n).unwrap_or_default())? {
            return Ok(answer);
        }
    }
}

fn connect(request: &Request, deadline: Instant) -> Result<TcpStream, SendError> {
    let (host, port) = (request.endpoint.host(), request.endpoint.port_or_default());
    let host = host.trim_start_matches('[').trim_end_matches(']');
    for address in (host, port).to_socket_addrs().map_err(|_| SendError::NotSent)? {
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            break;
        }
        if let Ok(socket) = TcpStream::connect_timeout(&address, left) {
            return Ok(socket);
        }
    }
    Err(SendError::NotSent)
}

/// Lets the next read and the next write take what is left of the time; `None` when nothing is.
fn limit(socket: &TcpStream, deadline: Instant) -> Option<()> {
    let left = Some(deadline.saturating_duration_since(now())).filter(|left| !left.is_zero())?;
    socket.set_read_timeout(Some(left)).ok()?;
    socket.set_write_timeout(Some(left)).ok()
}
