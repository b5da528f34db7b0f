//! Writes one HTTP/1.1 response (RFC 9112). Each closes its connection, is not kept by anybody, and runs nothing.

use super::pages::Page;
use super::refusal::Refusal;

/// What every response says about itself. No CORS header: scripts of other sites read nothing here.
const HEADERS: &str = "Cache-Control: no-store\r\n\
    Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
    Referrer-Policy: no-referrer\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Connection: close\r\n";

/// The end of a sign-in.
pub(super) fn page(page: &Page) -> Vec<u8> {
    write(200, "OK", if page.html { "text/html" } else { "text/plain" }, "", &page.text)
}

/// Sends the browser on with a GET (RFC 9110 s15.4.4).
pub(super) fn see_other(location: &str) -> Vec<u8> {
    write(303, "See Other", "text/plain", &format!("Location: {location}\r\n"), "")
}

/// Anything that is not the answer.
pub(super) fn refusal(refusal: Refusal) -> Vec<u8> {
    let (status, reason) = refusal.status();
    let extra = if refusal == Refusal::Method { "Allow: GET, POST\r\n" } else { "" };
    write(status, reason, "text/plain", extra, refusal.reason())
}

fn write(status: u16, reason: &str, media_type: &str, extra: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {media_type}; charset=utf-8\r\nContent-Length: {length}\r\n\
         {HEADERS}{extra}\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal() {
        let text = String::from_utf8(refusal(Refusal::Method)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, Refusal::Method.reason());
        let lines: Vec<&str> = head.split("\r\n").collect();
        assert_eq!(
            lines,
            [
                "HTTP/1.1 405 Method Not Allowed",
                "Content-Type: text/plain; charset=utf-8",
                "Content-Length: 38",
                "Cache-Control: no-store",
                "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
                "Referrer-Policy: no-referrer",
                "X-Content-Type-Options: nosniff",
                "Connection: close",
                "Allow: GET, POST",
            ]
        );
    }

    #[test]
    fn pages_and_redirects() {
        let html = page(&Page { html: true, text: "<p>ä".into() });
        let html = String::from_utf8(html).unwrap();
        assert!(html.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n"));
        let on = String::from_utf8(see_other("/done")).unwrap();
        assert!(on.starts_with("HTTP/1.1 303 ") && on.contains("\r\nLocation: /done\r\n"));
    }
}
