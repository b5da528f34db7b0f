//! Whether a request is the answer that is waited for: host, path and method first, then the state in constant time.

use std::str;

use sansal::Secret;
use sansal::authorization::ResponseMode;
use sansal::http::form;

use super::refusal::Refusal;
use super::request::Request;

/// The answer of which sign-in is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// The port of the listener.
    pub(crate) port: u16,
    /// What the authorization request said (RFC 6749 s10.12).
    pub(crate) state: &'a Secret,
    /// How the answer comes.
    pub(crate) mode: ResponseMode,
}

/// The parameters of an authorization response (RFC 6749 s4.1.2), after the state was checked.
#[derive(Clone, Debug)]
pub(crate) struct Redirected {
    /// All of them, form-encoded as they came.
    pub(crate) parameters: Secret,
    /// Where there is no code: what went wrong.
    pub(crate) error: Option<AuthorizationError>,
}

/// The error of an authorization response (RFC 6749 s4.1.2.1). Anybody's words: to be escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuthorizationError {
    /// `error`
    pub(crate) error: String,
    /// `error_description`
    pub(crate) description: String,
    /// `error_uri`
    pub(crate) uri: String,
}

/// Whether the request came to this listener under one of its own names, and not under one that somebody else's
/// DNS points here.
pub(crate) fn check_host(request: &Request<'_>, port: u16) -> Result<(), Refusal> {
    let host = request.host;
    let (name, said) = match host.rfind(':').filter(|_| !host.ends_with(']')).map(|at| host.split_at(at)) {
        Some((name, said)) => (name, said.strip_prefix(':')),
        // Browsers leave the default port out.
        None => (host, Some("80")),
    };
    let named = ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own));
    if named && said == Some(port.to_string().as_str()) { Ok(()) } else { Err(Refusal::Host) }
}

/// Takes a request for the answer, or says why it is not.
pub(crate) fn judge(request: &Request<'_>, expected: Expected<'_>) -> Result<Redirected, Refusal> {
    check_host(request, expected.port)?;
    if request.path != "/" {
        return Err(Refusal::Path);
    }
    let text = match (request.method, expected.mode) {
        ("POST", ResponseMode::FormPost) if !request.content_type.eq_ignore_ascii_case(FORM) => {
            return Err(Refusal::MediaType);
        }
        ("POST", ResponseMode::FormPost) => str::from_utf8(request.body).map_err(|_| Refusal::Parameters)?,
        ("GET", ResponseMode::Query) => request.query.ok_or(Refusal::Parameters)?,
        ("GET", ResponseMode::FormPost) if request.query.is_some() => return Err(Refusal::NotFormPost),
        ("GET", ResponseMode::FormPost) => return Err(Refusal::Parameters),
        ("POST", ResponseMode::Query) => return Err(Refusal::NotQuery),
        _ => return Err(Refusal::Method),
    };
    let fields = form::decode(text).ok_or(Refusal::Parameters)?;
    let state = only(&fields, "state")?.ok_or(Refusal::State)?;
    // An empty state would let every request in.
    if expected.state.is_empty() || !expected.state.matches(state) {
        return Err(Refusal::State);
    }
    let (code, error) = (only(&fields, "code")?, only(&fields, "error")?);
    let error = match (code, error) {
        (None, None) => return Err(Refusal::Parameters),
        (_, Some(error)) => Some(AuthorizationError {
            error: error.to_owned(),
            description: only(&fields, "error_description")?.unwrap_or_default().to_owned(),
            uri: only(&fields, "error_uri")?.unwrap_or_default().to_owned(),
        }),
        (Some(_), None) => None,
    };
    Ok(Redirected { parameters: Secret::from(text), error })
}

const FORM: &str = "application/x-www-form-urlencoded";

/// RFC 6749 s3.1: no parameter comes twice.
fn only<'a>(fields: &'a [(String, Secret)], name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut all = fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.expose());
    let first = all.next();
    if all.next().is_some() { Err(Refusal::Parameters) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: Request<'_> = Request {
        method: "POST",
        path: "/",
        query: None,
        host: "localhost:4000",
        content_type: FORM,
        body: b"code=c&state=s",
    };

    fn judged(request: &Request<'_>, mode: ResponseMode) -> Result<Redirected, Refusal> {
        judge(request, Expected { port: 4000, state: &Secret::from("s"), mode })
    }

    #[test]
    fn hosts() {
        for (host, port, expected) in [
            ("localhost:4000", 4000, true),
            ("LocalHost:4000", 4000, true),
            ("127.0.0.1:4000", 4000, true),
            ("[::1]:4000", 4000, true),
            ("localhost", 80, true),
            ("[::1]", 80, true),
            ("localhost:80", 80, true),
            ("localhost", 4000, false),
            ("localhost:4001", 4000, false),
            ("localhost:04000", 4000, false),
            ("localhost.:4000", 4000, false),
            ("localhost.evil.example:4000", 4000, false),
            ("evil.example:4000", 4000, false),
            ("127.0.0.2:4000", 4000, false),
            ("::1:4000", 4000, false),
            ("user@localhost:4000", 4000, false),
            ("", 4000, false),
            (":4000", 4000, false),
        ] {
            assert_eq!(check_host(&Request { host, ..POST }, port).is_ok(), expected, "{host:?} at {port}");
        }
    }

    /// Reference 4.4, with G-10 and G-22.
    #[test]
    fn form_posts() {
        use Refusal::*;
        for (request, expected) in [
            (POST, Ok(())),
            (Request { body: b"error=access_denied&state=s", ..POST }, Ok(())),
            (Request { content_type: "Application/X-WWW-Form-Urlencoded", ..POST }, Ok(())),
            (Request { host: "evil.example:4000", ..POST }, Err(Host)),
            (Request { path: "/favicon.ico", ..POST }, Err(Path)),
            (Request { path: "//", ..POST }, Err(Path)),
            (Request { path: "http://localhost:4000/", ..POST }, Err(Path)),
            (Request { method: "PUT", ..POST }, Err(Method)),
            (Request { method: "post", ..POST }, Err(Method)),
            (Request { method: "HEAD", ..POST }, Err(Method)),
            (Request { method: "OPTIONS", ..POST }, Err(Method)),
            (Request { method: "GET", query: Some("code=c&state=s"), ..POST }, Err(NotFormPost)),
            (Request { method: "GET", ..POST }, Err(Parameters)),
            (Request { content_type: "text/plain", ..POST }, Err(MediaType)),
            (Request { content_type: "", ..POST }, Err(MediaType)),
            (Request { body: b"code=c&state=t", ..POST }, Err(State)),
            (Request { body: b"code=c&state=", ..POST }, Err(State)),
            (Request { body: b"code=c", ..POST }, Err(State)),
            (Request { body: b"error=access_denied", ..POST }, Err(State)),
            (Request { body: b"code=c&state=s&state=s", ..POST }, Err(Parameters)),
            (Request { body: b"code=c&code=d&state=s", ..POST }, Err(Parameters)),
            (Request { body: b"state=s", ..POST }, Err(Parameters)),
            (Request { body: b"code=%ff&state=s", ..POST }, Err(Parameters)),
            (Request { body: b"\xff", ..POST }, Err(Parameters)),
            (Request { body: b"", ..POST }, Err(State)),
            (Request { body: b"", query: Some("code=c&state=s"), ..POST }, Err(State)),
        ] {
            let shown = String::from_utf8_lossy(request.body).into_owned();
            assert_eq!(
                judged(&request, ResponseMode::FormPost).map(drop),
                expected,
                "{} {} {shown}",
                request.method,
                request.path
            );
        }
    }

    #[test]
    fn queries() {
        let get = Request { method: "GET", query: Some("code=c&state=s"), content_type: "", body: b"", ..POST };
        for (request, expected) in [
            (get, Ok(())),
            (Request { query: Some("error=x&state=s"), ..get }, Ok(())),
            (Request { query: Some("code=c&state=t"), ..get }, Err(Refusal::State)),
            (Request { query: None, ..get }, Err(Refusal::Parameters)),
            (POST, Err(Refusal::NotQuery)),
        ] {
            assert_eq!(judged(&request, ResponseMode::Query).map(drop), expected);
        }
    }

    #[test]
    fn the_answer_is_kept_as_it_came() {
        let body = b"state=s&error=a%3Cb&error_description=so+what&x=%zz";
        let answer = judged(&Request { body, ..POST }, ResponseMode::FormPost).unwrap();
        assert_eq!(answer.parameters.expose().as_bytes(), body);
        let error = answer.error.unwrap();
        assert_eq!((error.error.as_str(), error.description.as_str(), error.uri.as_str()), ("a<b", "so what", ""));
        let empty = Expected { port: 4000, state: &Secret::from(""), mode: ResponseMode::FormPost };
        assert_eq!(judge(&Request { body: b"code=c&state=", ..POST }, empty).map(drop), Err(Refusal::State));
    }
}
