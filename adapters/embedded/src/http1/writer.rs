//! A request as it goes over the wire (RFC 9112 s3, s6), piece by piece into a buffer that need not hold all of it.

use alloc::string::{String, ToString};

use sansal::http::Request;

/// How much of one request is written. The pieces are the same however large the buffer is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writer {
    written: usize,
}

impl Writer {
    /// Nothing is written yet.
    pub const fn new() -> Self {
        Self { written: 0 }
    }

    /// Fills the buffer with what comes next; the part that was filled. Empty: all is written (or the buffer has no room).
    pub fn outgoing<'b>(&self, request: &Request, buffer: &'b mut [u8]) -> &'b [u8] {
        let (mut at, mut filled) = (0_usize, 0_usize);
        parts(request, &mut |part| {
            let skip = self.written.saturating_sub(at).min(part.len());
            at = at.saturating_add(part.len());
            let (Some(rest), Some(room)) = (part.get(skip..), buffer.get_mut(filled..)) else { return };
            let n = rest.len().min(room.len());
            if let (Some(to), Some(from)) = (room.get_mut(..n), rest.get(..n)) {
                to.copy_from_slice(from);
            }
            filled = filled.saturating_add(n);
        });
        buffer.get(..filled).unwrap_or_default()
    }

    /// The stream has taken that many bytes more.
    pub fn wrote(&mut self, n: usize) {
        self.written = self.written.saturating_add(n);
    }

    /// Whether the stream has taken anything at all.
    pub const fn has_begun(&self) -> bool {
        self.written > 0
    }
}

/// The request in the order in which it is sent.
fn parts(request: &Request, put: &mut dyn FnMut(&[u8])) {
    let endpoint = &request.endpoint;
    let origin = endpoint.origin();
    // Behind the first of two slashes; a search for words would be large.
    let slashes = origin.bytes().position(|byte| byte == b'/').unwrap_or(origin.len());
    let authority = origin.get(slashes.saturating_add(2)..).unwrap_or_default();
    let mut text = |parts: &[&str]| parts.iter().for_each(|part| put(part.as_bytes()));
    text(&[request.method.as_str(), " ", endpoint.path()]);
    if let Some(query) = endpoint.query() {
        text(&["?", query]);
    }
    text(&[" HTTP/1.1\r\nHost: ", authority, "\r\n"]);
    for header in &request.headers {
        text(&[header.name, ": ", header.value.expose(), "\r\n"]);
    }
    if let Some(body) = &request.body {
        let length: String = body.bytes.expose().len().to_string();
        text(&["Content-Type: ", body.content_type, "\r\nContent-Length: ", &length, "\r\n"]);
    }
    text(&["\r\n"]);
    if let Some(body) = &request.body {
        put(body.bytes.expose());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use sansal::Endpoint;
    use sansal::http::Body;
    use sansal::time::Millis;

    fn written(request: &Request, size: usize, take: usize) -> String {
        let (mut writer, mut buffer, mut all) = (Writer::new(), alloc::vec![0; size], Vec::new());
        loop {
            let out = writer.outgoing(request, &mut buffer);
            if out.is_empty() {
                return String::from_utf8(all).unwrap();
            }
            let n = out.len().min(take);
            all.extend_from_slice(&out[..n]);
            writer.wrote(n);
        }
    }

    #[test]
    fn requests() {
        let endpoint = |text| Endpoint::parse(text).unwrap();
        let form = Body::form([("a", "b c")].into_iter());
        let cases = [
            (
                Request::post(endpoint("https://login.example:8443/t/token?x=1"), form, 10, Millis(10))
                    .header("Accept", "application/json"),
                "POST /t/token?x=1 HTTP/1.1\r\nHost: login.example:8443\r\nAccept: application/json\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\n\r\na=b+c",
            ),
            (
                Request::get(endpoint("https://login.example/t/.well-known/openid-configuration"), 10, Millis(10)),
                "GET /t/.well-known/openid-configuration HTTP/1.1\r\nHost: login.example\r\n\r\n",
            ),
            (Request::get(endpoint("http://[::1]:80/"), 10, Millis(10)), "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
        ];
        for (request, expected) in &cases {
            for (size, take) in [(4096, usize::MAX), (4096, 1), (64, usize::MAX), (7, 3), (1, 1)] {
                assert_eq!(written(request, size, take), *expected, "buffer {size}, taken {take}");
            }
        }
    }
}
