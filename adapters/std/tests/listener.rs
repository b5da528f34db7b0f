//! The loopback listener over real sockets (reference 4.4 with G-07 to G-10 and G-22; RFC 8252 s7.3 and s8.3).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sansal::Secret;
use sansal::authorization::ResponseMode;
use sansal::entropy::Entropy;
use sansal::error::AskError;
use sansal_std::{Cancel, ListenError, LoopbackListener, Pages, SystemRandom, WaitOptions};

use loopback::{Answer, RIGHT, STATE, exchange, get, post, response};

#[path = "support/loopback.rs"]
mod loopback;

/// A listener that waits in a thread of its own.
struct Waiting {
    port: u16,
    cancel: Cancel,
    result: JoinHandle<Result<Secret, AskError>>,
}

impl Waiting {
    fn with(change: impl FnOnce(&mut WaitOptions)) -> Self {
        let listener = LoopbackListener::bind(None).unwrap();
        let mut options = WaitOptions::default();
        change(&mut options);
        let (port, cancel) = (listener.port(), options.cancel.clone());
        let result = thread::spawn(move || listener.wait(&Secret::from(STATE), &options));
        Self { port, cancel, result }
    }

    fn form_post() -> Self {
        Self::with(|_| {})
    }

    fn query() -> Self {
        Self::with(|options| options.response_mode = ResponseMode::Query)
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap()
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn post(&self, body: &str) -> String {
        post("/", &self.host(), body)
    }

    /// Status code, head and body of the answer.
    fn ask(&self, request: &str) -> Answer {
        exchange(self.connect(), request.as_bytes())
    }

    fn came(self) -> String {
        self.result.join().unwrap().unwrap().expose().to_owned()
    }

    /// Still waits: the right answer is taken.
    fn still_waits(self) {
        let answer = self.ask(&self.post(RIGHT));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(self.came(), RIGHT);
    }
}

#[test]
fn a_form_post_ends_the_wait() {
    let waiting = Waiting::form_post();
    let answer = waiting.ask(&waiting.post(RIGHT));
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"), "{}", answer.head);
    assert!(answer.body.contains("<h1>You are signed in</h1>"), "{}", answer.body);
    assert!(!answer.body.contains("the-code") && !answer.head.contains("the-code"));
    assert_eq!(waiting.came(), RIGHT);
}

#[test]
fn an_error_with_the_state_ends_the_wait_too() {
    let waiting = Waiting::form_post();
    let body = format!("error=access_denied&error_description=%3Cb%3Eno%3C%2Fb%3E&state={STATE}");
    let answer = waiting.ask(&waiting.post(&body));
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("<h1>The sign-in failed</h1>") && answer.body.contains("access_denied"));
    assert!(answer.body.contains("&lt;b&gt;no&lt;/b&gt;") && !answer.body.contains("<b>"), "{}", answer.body);
    assert_eq!(waiting.came(), body);
}

#[test]
fn a_query_is_taken_off_the_address() {
    let waiting = Waiting::query();
    let host = waiting.host();
    assert_eq!(waiting.ask(&get("/done", &host)).status, 404, "nothing is done yet");
    let answer = waiting.ask(&get(&format!("/?{RIGHT}"), &host));
    assert_eq!(answer.status, 303);
    assert!(answer.head.ends_with("\r\nLocation: /done") && !answer.head.contains("the-code"), "{}", answer.head);
    let answer = waiting.ask(&get("/done", &host));
    assert!(answer.status == 200 && answer.body.contains("You are signed in"), "{answer:?}");
    assert_eq!(waiting.came(), RIGHT);
}

#[test]
fn a_browser_that_does_not_fetch_the_last_page_is_not_waited_for() {
    let waiting = Waiting::query();
    assert_eq!(waiting.ask(&get(&format!("/?error=x&state={STATE}"), &waiting.host())).status, 303);
    assert_eq!(waiting.came(), format!("error=x&state={STATE}"));
    // A form whose sender is gone at once counts as well.
    let waiting = Waiting::form_post();
    let mut stream = waiting.connect();
    stream.write_all(waiting.post(RIGHT).as_bytes()).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    assert_eq!(waiting.came(), RIGHT);
}

#[test]
fn both_families_and_every_name_of_this_machine() {
    let listener = LoopbackListener::bind(None).unwrap();
    let own_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    assert_eq!(listener.has_ipv6(), own_ipv6, "it says whether it listens at ::1");
    assert_eq!(listener.redirect_uri(), format!("http://localhost:{}", listener.port()));
    drop(listener);
    let mut addresses = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    addresses.extend(own_ipv6.then(|| SocketAddr::from((Ipv6Addr::LOCALHOST, 0))));
    for mut address in addresses {
        for name in ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"] {
            let waiting = Waiting::form_post();
            address.set_port(waiting.port);
            let request = post("/", &format!("{name}:{}", waiting.port), RIGHT);
            let answer = exchange(TcpStream::connect(address).unwrap(), request.as_bytes());
            assert_eq!(answer.status, 200, "{name} at {address}");
            assert_eq!(waiting.came(), RIGHT);
        }
    }
}

/// One listener, one stray request after another; then the right answer.
#[test]
fn stray_requests_do_not_end_the_wait() {
    let waiting = Waiting::form_post();
    let (port, host) = (waiting.port, waiting.host());
    let typed = |media_type: &str| {
        let length = RIGHT.len();
        format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{RIGHT}"
        )
    };
    let wrong_state = RIGHT.replace(STATE, "state-012345678X");
    let stray = [
        (get("/favicon.ico", &host), 404),
        (get("/.well-known/appspecific/com.chrome.devtools.json", &host), 404),
        (post("/callback", &host, RIGHT), 404),
        (post("//", &host, RIGHT), 404),
        (post("/done", &host, RIGHT), 404),
        (post(&format!("http://{host}/"), &host, RIGHT), 404),
        (post("/", "evil.example", RIGHT), 421),
        (post("/", &format!("evil.example:{port}"), RIGHT), 421),
        (post("/", &format!("localhost.evil.example:{port}"), RIGHT), 421),
        (post("/", "localhost", RIGHT), 421),
        (post("/", "localhost:1", RIGHT), 421),
        (post("/", &format!("127.0.0.2:{port}"), RIGHT), 421),
        ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_owned(), 421),
        (waiting.post(&wrong_state), 400),
        (waiting.post("code=the-code"), 400),
        (waiting.post("code=the-code&state="), 400),
        (waiting.post("error=access_denied"), 400),
        (waiting.post(&format!("error=access_denied&state={STATE}x")), 400),
        (waiting.post(&format!("state={STATE}")), 400),
        (waiting.post(&format!("{RIGHT}&code=another")), 400),
        (waiting.post(&format!("{RIGHT}&state={STATE}")), 400),
        (waiting.post(""), 400),
        (get("/", &host), 400),
        (get("/?welcome=true", &host), 400),
        (get("/?error=abort", &host), 400),
        (typed("text/plain"), 415),
        (typed("application/json"), 415),
        (typed("multipart/form-data; boundary=x"), 415),
        (get("/", &host).replace("GET", "HEAD"), 405),
        (get("/", &host).replace("GET", "OPTIONS"), 405),
        (get("/", &host).replace("GET", "DELETE"), 405),
        (waiting.post(RIGHT).replace("Content-Length", "Transfer-Encoding: chunked\r\nX"), 411),
        (format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10000000\r\n\r\n"), 413),
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)), 431),
        (format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(100)), 431),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
        ("SSH-2.0-OpenSSH_9.9\r\n".to_owned(), 400),
    ];
    for (request, status) in &stray {
        let answer = waiting.ask(request);
        assert_eq!(answer.status, *status, "{request}");
        assert!(answer.head.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"), "{}", answer.head);
        assert!(!answer.body.contains("the-code") && !answer.body.contains("state-0"), "{}", answer.body);
    }
    println!("{} stray requests", stray.len());
    waiting.still_waits();
}

#[test]
fn a_code_in_the_query_is_explained_where_a_form_is_awaited() {
    let waiting = Waiting::form_post();
    let answer = waiting.ask(&get(&format!("/?{RIGHT}"), &waiting.host()));
    assert!(answer.status == 400 && answer.body.contains("response_mode=form_post"), "{answer:?}");
    waiting.still_waits();
}

#[test]
fn origins_of_browsers_are_taken() {
    for origin in ["null", "https://login.microsoftonline.com", "http://127.0.0.1:9000"] {
        let waiting = Waiting::form_post();
        let request = waiting.post(RIGHT).replace("Origin: null", &format!("Origin: {origin}"));
        assert_eq!(waiting.ask(&request).status, 200, "{origin}");
        assert_eq!(waiting.came(), RIGHT);
    }
}

#[test]
fn slow_and_silent_clients_do_not_keep_the_right_one_out() {
    let waiting = Waiting::form_post();
    let request = waiting.post(RIGHT.replace("the-code", "slow").as_str());
    // More than there are places.
    let mut slow: Vec<TcpStream> = (0..40).map(|_| waiting.connect()).collect();
    for (at, stream) in slow.iter_mut().enumerate() {
        // Some say nothing, some part of a head, some part of a body.
        let part = [0, 30, request.len() - 3][at % 3];
        let _ = stream.write_all(&request.as_bytes()[..part]);
    }
    waiting.still_waits();
    drop(slow);
}

#[test]
fn byte_by_byte_and_half_closed_is_fine() {
    let waiting = Waiting::form_post();
    let mut stream = waiting.connect();
    stream.set_nodelay(true).unwrap();
    for byte in waiting.post(RIGHT).bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(response(stream).status, 200);
    assert_eq!(waiting.came(), RIGHT);
}

#[test]
fn clients_that_leave_do_not_matter() {
    let waiting = Waiting::form_post();
    let request = waiting.post(RIGHT.replace("the-code", "gone").as_str());
    for end in [0, 1, 20, request.len() - 1] {
        let mut stream = waiting.connect();
        stream.write_all(&request.as_bytes()[..end]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        // Not whole, so there is no answer.
        assert!(stream.read_to_end(&mut rest).is_err() || rest.is_empty());
    }
    waiting.still_waits();
}

#[test]
fn a_thousand_connections_of_garbage() {
    let waiting = Waiting::form_post();
    let mut seed = [0; 8];
    SystemRandom.fill(&mut seed).unwrap();
    let seed = u64::from_le_bytes(seed);
    println!("seed {seed}");
    let mut random = seed | 1;
    let mut next = move || {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let right = waiting.post(RIGHT.replace("the-code", "garbage").as_str()).into_bytes();
    for _ in 0..1_000 {
        let length = usize::try_from(next() % 400).unwrap();
        let mut bytes: Vec<u8> = (0..length).map(|_| next().to_le_bytes()[3]).collect();
        if next() % 2 == 0 {
            // Nearly right: one byte of the head is another.
            bytes = right.clone();
            let at = usize::try_from(next() % 30).unwrap();
            bytes[at] = bytes[at].wrapping_add(1 + next().to_le_bytes()[2] % 200);
            // Names of headers and hosts have no case: that would be right.
            if bytes.eq_ignore_ascii_case(&right) {
                continue;
            }
        }
        let mut stream = waiting.connect();
        let _ = stream.write_all(&bytes);
        if next() % 3 == 0 {
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
    waiting.still_waits();
}

#[test]
fn answers_in_one_moment() {
    let waiting = Waiting::form_post();
    // The page is long, so the first client has to fetch it while the others ask.
    let (right, other) = (waiting.post(RIGHT), waiting.post(&RIGHT.replace("the-code", "other-code")));
    let mut streams: Vec<(TcpStream, &str)> =
        [&right, &other, &right].into_iter().map(|request| (waiting.connect(), request.as_str())).collect();
    // All but the last byte, then the last bytes in order.
    for (stream, request) in &mut streams {
        stream.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
    }
    for (stream, request) in &mut streams {
        stream.write_all(&request.as_bytes()[request.len() - 1..]).unwrap();
    }
    let came = waiting.came();
    assert!(came == RIGHT || came == RIGHT.replace("the-code", "other-code"), "exactly one of them");
    // Whoever got an answer got the one that belongs to it.
    let mut pages = 0;
    for (mut stream, request) in streams {
        let mut text = String::new();
        if stream.read_to_string(&mut text).is_ok() && !text.is_empty() {
            let won = request.ends_with(&came);
            assert!(text.starts_with(if won { "HTTP/1.1 200 " } else { "HTTP/1.1 409 " }), "{text}");
            pages += usize::from(won);
        }
    }
    assert!(pages >= 1);
}

#[test]
fn a_second_answer_does_not_replace_the_first() {
    // In query mode the listener is there until the last page is fetched: time for a second answer.
    let waiting = Waiting::query();
    let host = waiting.host();
    assert_eq!(waiting.ask(&get(&format!("/?{RIGHT}"), &host)).status, 303);
    assert_eq!(waiting.ask(&get(&format!("/?{RIGHT}"), &host)).status, 303, "the same once more");
    let other = format!("/?{}", RIGHT.replace("the-code", "other"));
    assert_eq!(waiting.ask(&get(&other, &host)).status, 409);
    assert_eq!(waiting.ask(&get(&format!("/?error=access_denied&state={STATE}"), &host)).status, 409);
    assert_eq!(waiting.ask(&get("/done", &format!("evil.example:{}", waiting.port))).status, 421);
    assert_eq!(waiting.ask(&get("/done", &host)).status, 200);
    assert_eq!(waiting.came(), RIGHT);
}

#[test]
fn nobody_comes() {
    let waiting = Waiting::with(|options| options.timeout = Duration::from_millis(50));
    assert_eq!(waiting.result.join().unwrap().unwrap_err(), AskError::TimedOut);
    // Those who come for nothing do not prolong it.
    let waiting = Waiting::with(|options| options.timeout = Duration::from_secs(2));
    let silent = waiting.connect();
    assert_eq!(waiting.ask(&get("/", &waiting.host())).status, 400);
    assert_eq!(waiting.result.join().unwrap().unwrap_err(), AskError::TimedOut);
    drop(silent);
}

#[test]
fn another_thread_gives_up() {
    let waiting = Waiting::with(|options| options.timeout = Duration::MAX);
    assert_eq!(waiting.ask(&get("/", &waiting.host())).status, 400);
    waiting.cancel.cancel();
    assert_eq!(waiting.result.join().unwrap().unwrap_err(), AskError::Cancelled);
    let cancelled = Waiting::with(|options| options.cancel.cancel());
    assert_eq!(cancelled.result.join().unwrap().unwrap_err(), AskError::Cancelled);
}

#[test]
fn a_port_in_use() {
    let first = LoopbackListener::bind(None).unwrap();
    let port = first.port();
    let refused = LoopbackListener::bind(Some(port)).unwrap_err();
    assert_eq!(refused, ListenError::PortInUse(port));
    assert_eq!(refused.to_string(), format!("another program listens at port {port}; use another port, or none"));
    drop(first);
    let again = LoopbackListener::bind(Some(port)).unwrap();
    assert_eq!(again.port(), port);
    drop(again);
    // Taken on one family only is taken.
    if let Ok(v6) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        let port = v6.local_addr().unwrap().port();
        assert_eq!(LoopbackListener::bind(Some(port)).unwrap_err(), ListenError::PortInUse(port));
    }
    assert_ne!(LoopbackListener::bind(Some(0)).unwrap().port(), 0);
}

#[test]
fn many_listeners_have_ports_of_their_own() {
    let all: Vec<LoopbackListener> = (0..50).map(|_| LoopbackListener::bind(None).unwrap()).collect();
    let mut ports: Vec<u16> = all.iter().map(LoopbackListener::port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 50);
}

#[test]
fn pages_of_ones_own() {
    let pages = Pages::default().success("Bye. ($code)").error("<p>$error$error_description</p>");
    let change = |options: &mut WaitOptions| options.pages = pages.clone();
    let waiting = Waiting::with(change);
    let answer = waiting.ask(&waiting.post(RIGHT));
    assert_eq!((answer.status, answer.body.as_str()), (200, "Bye. ()"));
    assert!(answer.head.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    let waiting = Waiting::with(change);
    let body = format!("error=%3Cscript%3E&error_description=%24error&state={STATE}");
    let answer = waiting.ask(&waiting.post(&body));
    assert_eq!((answer.status, answer.body.as_str()), (200, "<p>&lt;script&gt;$error</p>"));
    // More than fits into the buffers of a socket.
    let waiting = Waiting::with(|options| options.pages = Pages::default().success("x".repeat(20_000_000)));
    assert_eq!(waiting.ask(&waiting.post(RIGHT)).body.len(), 20_000_000);
}

#[test]
fn a_welcome_page_leads_on_or_out() {
    const AUTH: &str = "https://login.example/authorize?a=b&state=x";
    let welcome = |options: &mut WaitOptions| {
        options.pages = Pages::default().welcome("<a href=\"$auth_uri\">on</a> <a href=\"$abort_uri\">out</a>");
        options.auth_uri = Some(AUTH.to_owned());
    };
    let waiting = Waiting::with(welcome);
    let host = waiting.host();
    let answer = waiting.ask(&get("/?welcome=true", &host));
    let on = AUTH.replace('&', "&amp;").replace('=', "&#61;");
    let out = format!("/?error&#61;abort&amp;state&#61;{STATE}");
    assert_eq!(answer.body, format!("<a href=\"{on}\">on</a> <a href=\"{out}\">out</a>"));
    assert_eq!(waiting.ask(&get("/?welcome=true", &format!("evil.example:{}", waiting.port))).status, 421);
    // Only who has seen the page can give up (G-07), not any site that leads the browser here.
    for stray in ["/?error=abort", "/?error=abort&state=x", &format!("/?error=x&state={STATE}")] {
        assert_eq!(waiting.ask(&get(stray, &host)).status, 400, "{stray}");
    }
    let answer = waiting.ask(&get(&format!("/?error=abort&state={STATE}"), &host));
    assert!(answer.status == 200 && answer.body.contains("The sign-in failed"), "{answer:?}");
    assert_eq!(waiting.result.join().unwrap().unwrap_err(), AskError::Cancelled);
    let waiting = Waiting::with(welcome);
    assert_eq!(waiting.ask(&get("/?welcome=true", &waiting.host())).status, 200);
    waiting.still_waits();
    // Without such a page there is no way out either.
    let waiting = Waiting::form_post();
    assert_eq!(waiting.ask(&get(&format!("/?error=abort&state={STATE}"), &waiting.host())).status, 400);
    waiting.still_waits();
}
