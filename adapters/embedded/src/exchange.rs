//! One request and its response over one stream, with an end in time.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use embedded_io_async::{Read, Write};
use sansal::error::SendError;
use sansal::http::Request;
use sansal::time::Millis;

use crate::http1::{Reader, Writer};
use crate::time::Time;

/// Why there is no response, and whether any part of one came.
pub(crate) struct Broken {
    pub(crate) why: SendError,
    pub(crate) answered: bool,
}

/// Sends the request and reads the response into the buffer.
pub(crate) async fn exchange<S: Read + Write>(
    stream: &mut S,
    request: &Request,
    buffer: &mut [u8],
    time: &impl Time,
    deadline: Millis,
) -> Result<Reader, Broken> {
    let mut writer = Writer::new();
    send(stream, request, &mut writer, buffer, time, deadline).await.map_err(|()| Broken {
        why: if writer.has_begun() { SendError::NoAnswer } else { SendError::NotSent },
        answered: false,
    })?;
    let mut reader = Reader::new(request.response_limit);
    loop {
        let step = receive(stream, &mut reader, buffer, time, deadline).await;
        if step.map_err(|why| Broken { why, answered: reader.has_begun() })? {
            return Ok(reader);
        }
    }
}

async fn send<S: Write>(
    stream: &mut S,
    request: &Request,
    writer: &mut Writer,
    buffer: &mut [u8],
    time: &impl Time,
    deadline: Millis,
) -> Result<(), ()> {
    loop {
        let mut out = writer.outgoing(request, buffer);
        if out.is_empty() {
            return within(time, deadline, stream.flush()).await.ok_or(())?.map_err(|_| ());
        }
        while !out.is_empty() {
            let n = within(time, deadline, stream.write(out)).await.ok_or(())?.map_err(|_| ())?;
            writer.wrote(n);
            out = out.get(n..).filter(|_| n > 0).ok_or(())?;
        }
    }
}

async fn receive<S: Read>(
    stream: &mut S,
    reader: &mut Reader,
    buffer: &mut [u8],
    time: &impl Time,
    deadline: Millis,
) -> Result<bool, SendError> {
    let room = reader.room(buffer)?;
    let read = within(time, deadline, stream.read(room)).await.ok_or(SendError::NoAnswer)?;
    let n = read.map_err(|_| SendError::NoAnswer)?;
    reader.received(buffer, n)
}

/// What the future gives, if it does so in time. A server that sends a byte now and then does not win time by it.
pub(crate) async fn within<F: Future>(time: &impl Time, deadline: Millis, future: F) -> Option<F::Output> {
    let left = deadline.since(time.mono());
    if left == Millis(0) {
        return None;
    }
    let mut future = pin!(future);
    let mut end = pin!(time.sleep(left));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => end.as_mut().poll(cx).map(|()| None),
    })
    .await
}
