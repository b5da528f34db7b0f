//! A host on futures, with an executor and a reactor of its own: several machines on one thread, one store.

use std::cell::RefCell;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};
use std::{future, io};

use sansal::flow::{Answer as Reply, AskError, Flow, Input, Request, SendError, Step};
use sansal::{Client, Error};

use super::sockets::{self, is_busy};
use super::world::now;
use super::{Answer, Exchange, Trust, World};

/// How soon a socket that had nothing is looked at again: there is no `epoll` in a few dozen lines.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// An executor with its reactor: who wants to be woken, and when.
#[derive(Debug, Default)]
pub struct Executor(RefCell<Vec<(Instant, Waker)>>);

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl Executor {
    /// Runs a future to its end on this thread.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut future = pin!(future);
        loop {
            while flag.0.swap(false, Ordering::Acquire) {
                if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return done;
                }
            }
            self.turn();
        }
    }

    /// Sleeps until the first of those who wait is due, and wakes all that are.
    fn turn(&self) {
        if let Some(first) = self.0.borrow().iter().map(|(due, _)| *due).min() {
            thread::sleep(first.saturating_duration_since(now()));
        }
        let now = now();
        self.0.borrow_mut().extract_if(.., |(due, _)| *due <= now).for_each(|(_, waker)| waker.wake());
    }

    fn wake_at(&self, due: Instant, cx: &Context<'_>) {
        self.0.borrow_mut().push((due, cx.waker().clone()));
    }

    /// Comes back after that long.
    pub async fn sleep(&self, span: Duration) {
        let Some(until) = now().checked_add(span) else { return future::pending().await };
        future::poll_fn(|cx| match now() >= until {
            true => Poll::Ready(()),
            false => {
                self.wake_at(until, cx);
                Poll::Pending
            }
        })
        .await;
    }

    /// Tries until the socket does not say "would block" any more, or time is up.
    async fn io<T>(&self, deadline: Instant, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        future::poll_fn(|cx| match attempt() {
            Err(why) if is_busy(&why) => {
                let now = now();
                if now >= deadline {
                    return Poll::Ready(Err(ErrorKind::TimedOut.into()));
                }
                self.wake_at(now.checked_add(LOOK_AGAIN).unwrap_or(now), cx);
                Poll::Pending
            }
            done => Poll::Ready(done),
        })
        .await
    }

    /// The first address that takes a connection. Names are looked up on the spot: a resolver is not our subject.
    async fn connect(&self, request: &Request, deadline: Instant) -> Option<TcpStream> {
        let host = request.endpoint.host().trim_start_matches('[').trim_end_matches(']');
        for address in (host, request.endpoint.port_or_default()).to_socket_addrs().ok()? {
            let Ok(socket) = sockets::connect(address) else { continue };
            if self.io(deadline, || sockets::connected(&socket)).await.is_ok() {
                return Some(socket);
            }
        }
        None
    }

    async fn send(&self, trust: &Trust, request: &Request) -> Result<Answer, SendError> {
        let mut exchange = Exchange::begin(trust, request)?;
        let timeout = Duration::from_millis(request.attempt_timeout.0);
        let deadline = now().checked_add(timeout).ok_or(SendError::NotSent)?;
        let mut socket = self.connect(request, deadline).await.ok_or(SendError::NotSent)?;
        let mut bytes = [0; 2048];
        loop {
            let mut outgoing = exchange.outgoing()?;
            while !outgoing.is_empty() {
                let written = self.io(deadline, || socket.write(&outgoing)).await;
                drop(outgoing.drain(..written.map_err(|_| exchange.broken())?));
            }
            let n = self.io(deadline, || socket.read(&mut bytes)).await.map_err(|_| exchange.broken())?;
            if let Some(answer) = exchange.incoming(bytes.get(..n).unwrap_or_default())? {
                return Ok(answer);
            }
        }
    }

    /// Drives a machine to its end. The world is borrowed for single steps only, never across an `await`.
    ///
    /// # Errors
    /// Those of the machine.
    pub async fn run<F: Flow>(
        &self,
        world: &RefCell<World>,
        client: &Client,
        trust: &Trust,
        flow: &mut F,
    ) -> Result<F::Output, Error> {
        let mut step = world.borrow_mut().step(client, flow, Input::Start)?;
        loop {
            step = match step {
                Step::Send(request) => match self.send(trust, &request).await {
                    Ok(answer) => answer.with(|r| world.borrow_mut().step(client, flow, Input::Response(r)))?,
                    Err(why) => world.borrow_mut().step(client, flow, Input::Failed(why))?,
                },
                Step::Wait(span) => {
                    self.sleep(Duration::from_millis(span.0)).await;
                    world.borrow_mut().step(client, flow, Input::Woke)?
                }
                Step::Ask(_) => {
                    let answer = Input::Answer(Reply::Failed(AskError::NotSupported));
                    world.borrow_mut().step(client, flow, answer)?
                }
                Step::Load(_) => world.borrow_mut().step(client, flow, Input::Loaded)?,
                Step::Commit(changes) => {
                    world.borrow_mut().store.apply(changes);
                    world.borrow_mut().step(client, flow, Input::Committed(Ok(())))?
                }
                Step::Done(done) => return Ok(done),
            };
        }
    }
}

/// Runs futures side by side; their results in order.
pub async fn join<T>(mut futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    future::poll_fn(|cx| {
        for (future, result) in futures.iter_mut().zip(&mut results).filter(|(_, result)| result.is_none()) {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                *result = Some(done);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}
