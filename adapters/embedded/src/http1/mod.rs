//! HTTP/1.1 (RFC 9112) for a client of token endpoints, without I/O: bytes out, bytes in, one buffer that the caller owns.
//!
//! ```text
//! Writer --outgoing()--> stream      the request, piece by piece through the buffer
//! Reader <--room(), received(n)--    the response: head and decoded body stay in the buffer
//! ```

mod chunked;
mod reader;
mod writer;

pub use reader::{MAX_HEAD, MAX_HEADERS, Reader};
pub use writer::Writer;
