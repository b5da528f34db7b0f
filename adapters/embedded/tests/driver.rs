//! The driver against the simulated platform: the three ways to drive, bad links, memory, and devices without a clock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test"
)]

mod link;

use link::{Clock, Dice, Fault, Framing, Link, NOW, Sleeper, Slow, Unready, write};
use sansal::client::{Client, Credential};
use sansal::error::{AskError, Config, SendError, TlsReason};
use sansal::time::UnixTime;
use sansal::{ClientCredentials, DeviceCode, Error, Token};
use sansal_embedded::{Asks, Blocking, Connect, DeviceCodePrompt, Driver, NoAsks, Polled, RandCore, Superloop, Time};
use sansal_sim::{CONTOSO_CLIENT, CONTOSO_PUBLIC, CONTOSO_SECRET, CONTOSO_TENANT, On, Platform, Response, What};

const GRAPH: &str = "https://graph.microsoft.com/.default";
const BUILT: UnixTime = UnixTime(NOW - 100 * 24 * 3600);

fn authority() -> String {
    format!("https://login.microsoftonline.com/{CONTOSO_TENANT}")
}

fn daemon() -> Client {
    let credential = Credential::secret(CONTOSO_SECRET);
    Client::builder(CONTOSO_CLIENT).authority(&authority()).credential(credential).build().unwrap()
}

fn thing() -> Client {
    Client::builder(CONTOSO_PUBLIC).authority(&authority()).build().unwrap()
}

fn link() -> Link {
    Link::new(Platform::contoso(1).unwrap().device_times(900, 5))
}

fn driver<C: Connect, T: Time>(connect: C, time: T, buffer: &mut [u8]) -> Driver<'_, C, T, RandCore<Dice>> {
    Driver::new(connect, time, RandCore(Dice(0)), buffer, BUILT).unwrap()
}

/// Shows a code to somebody who takes three seconds to use it.
struct Display(Link);

impl Asks for Display {
    fn show_code(&mut self, code: &DeviceCodePrompt<'_>) -> Result<(), AskError> {
        assert_eq!((code.user_code.len() > 4, code.expires_in), (true, 900));
        let mut world = self.0.0.borrow_mut();
        world.approval = Some((code.user_code.to_owned(), world.clock.get() + 3_000));
        Ok(())
    }
}

fn secret(link: &Link, driver: &mut Driver<'_, Link, Clock, RandCore<Dice>>) -> Result<Token, Error> {
    let client = daemon();
    let flow = ClientCredentials::new(&[GRAPH]).unwrap().flow(&client).unwrap();
    link.run(driver.drive(&client, flow))
}

fn requests(link: &Link) -> Vec<String> {
    let tenant = format!("/{CONTOSO_TENANT}");
    link.0.borrow().requests.iter().map(|line| line.replace(&tenant, "")).collect()
}

#[test]
fn three_ways_to_drive_one_driver() {
    let framings = [Framing::Length, Framing::Chunked(vec![1, 2, 1000]), Framing::UntilClose];
    for (framing, piece) in framings.iter().flat_map(|f| [(f, usize::MAX), (f, 1)]) {
        let new = || {
            let link = link();
            let mut world = link.0.borrow_mut();
            (world.framing, world.piece) = (framing.clone(), piece);
            drop(world);
            link
        };
        let client = thing();
        let flow = || DeviceCode::new(&["User.Read"]).unwrap().flow(&client).unwrap();
        let (asynchronous, blocking, polled) = (new(), new(), new());
        let mut buffer = [0; 8192];

        let clock = asynchronous.clock(true);
        let mut driver = self::driver(asynchronous.clone(), clock, &mut buffer).asks(Display(asynchronous.clone()));
        let first = asynchronous.run(driver.drive(&client, flow())).unwrap();

        let clock = Sleeper(blocking.clock(true));
        let mut driver = self::driver(Blocking(blocking.clone()), clock, &mut buffer).asks(Display(blocking.clone()));
        let second = driver.drive_blocking(&client, flow()).unwrap();

        let connect = Polled(Slow(polled.clone(), 0));
        let mut driver = self::driver(connect, polled.clock(true), &mut buffer).asks(Display(polled.clone()));
        let mut superloop = Superloop::new(driver.drive(&client, flow()));
        let mut polls = 0_u64;
        let third = loop {
            polls += 1;
            if let Some(done) = superloop.poll() {
                break done.unwrap();
            }
            let mono = polled.0.borrow().clock.clone();
            mono.set(mono.get() + 1);
        };
        assert!(polls > 4_000 && superloop.is_over() && superloop.poll().is_none(), "{polls} polls");
        drop(superloop);
        drop(driver);
        assert_eq!(buffer, [0; 8192], "the buffer has held secrets");

        for (link, token) in [(&asynchronous, first), (&blocking, second), (&polled, third)] {
            assert_eq!(token.access_token().split('.').count(), 3);
            let expected = [
                "GET /v2.0/.well-known/openid-configuration",
                "POST /oauth2/v2.0/devicecode",
                "POST /oauth2/v2.0/token",
                "POST /oauth2/v2.0/token",
            ];
            assert_eq!(requests(link), expected);
            // What comes at once over one connection, if it may; the question five seconds later over another.
            let connections = if matches!(framing, Framing::UntilClose) { 4 } else { 2 };
            assert_eq!(link.0.borrow().connections, connections, "{framing:?}");
            assert_eq!(link.0.borrow().open, 0, "no connection outlives its flow");
        }
    }
}

#[test]
fn the_token_of_the_first_acquisition_serves_the_second() {
    let (link, mut buffer) = (link(), [0; 8192]);
    let mut driver = driver(link.clone(), link.clock(true), &mut buffer);
    let first = secret(&link, &mut driver).unwrap();
    let asked = link.0.borrow().requests.len();
    let second = secret(&link, &mut driver).unwrap();
    assert_eq!(first.access_token(), second.access_token());
    assert_eq!((asked, link.0.borrow().requests.len(), link.0.borrow().connections), (2, 2, 1));
}

/// What a bad link does to the token request, which is the second on its connection unless a fault makes a new one.
#[test]
fn faults() {
    let unreachable = |why| Some(why);
    let long = |n: usize| {
        let body = format!("{{\"access_token\":\"{}\"}}", "x".repeat(n));
        Response { body: body.into_bytes(), ..Response::text(200, "application/json", "") }
    };
    let chunk = |line: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{line}").into_bytes();
    let answer = |bytes: Vec<u8>| Fault::Answer(bytes);
    let cases: Vec<(&str, Fault, Option<SendError>)> = vec![
        ("connecting never ends", Fault::ConnectStalls, unreachable(SendError::NotSent)),
        ("nobody is there", Fault::Refuse(SendError::NotSent), unreachable(SendError::NotSent)),
        (
            "a wrong certificate",
            Fault::Refuse(SendError::Tls(TlsReason::WrongName)),
            unreachable(SendError::Tls(TlsReason::WrongName)),
        ),
        ("reset before a byte was taken", Fault::ResetOnWrite(0), unreachable(SendError::NotSent)),
        ("reset in the request", Fault::ResetOnWrite(100), unreachable(SendError::NoAnswer)),
        ("stalls before the answer", Fault::Stall(0), unreachable(SendError::NoAnswer)),
        ("stalls in the head", Fault::Stall(20), unreachable(SendError::NoAnswer)),
        ("stalls in the body", Fault::Stall(300), unreachable(SendError::NoAnswer)),
        ("reset before the answer", Fault::Reset(0), unreachable(SendError::NoAnswer)),
        ("reset in the body", Fault::Reset(300), unreachable(SendError::NoAnswer)),
        ("closes before the answer", Fault::Close(0), unreachable(SendError::NoAnswer)),
        ("closes in the body", Fault::Close(300), unreachable(SendError::NoAnswer)),
        ("a byte a second", Fault::Drip(1000), unreachable(SendError::NoAnswer)),
        ("a byte every millisecond", Fault::Drip(1), None),
        ("the length twice, equal", Fault::Headers("X: y\r\nX: y\r\n"), None),
        ("two lengths", Fault::Headers("Content-Length: 1\r\n"), unreachable(SendError::NoAnswer)),
        ("a length and chunks", Fault::Headers("Transfer-Encoding: chunked\r\n"), unreachable(SendError::NoAnswer)),
        ("two types", Fault::Headers("Content-Type: text/plain\r\nContent-Type: x/y\r\n"), None),
        ("too many headers", Fault::Headers(MANY), unreachable(SendError::TooLarge)),
        ("a status only", answer(b"HTTP/1.1 200 OK\r\n".to_vec()), unreachable(SendError::NoAnswer)),
        ("another protocol", answer(b"SSH-2.0-OpenSSH_9\r\n".to_vec()), unreachable(SendError::NoAnswer)),
        ("chunks of one byte", Fault::Framed(Framing::Chunked(vec![1])), None),
        ("one chunk", Fault::Framed(Framing::Chunked(vec![usize::MAX])), None),
        ("until the end", Fault::Framed(Framing::UntilClose), None),
        ("a chunk of 2^64-1", answer(chunk("ffffffffffffffff\r\n")), unreachable(SendError::TooLarge)),
        ("a chunk of 2^64", answer(chunk("10000000000000000\r\n")), unreachable(SendError::NoAnswer)),
        ("a chunk beyond the limit", answer(chunk("40001\r\n")), unreachable(SendError::TooLarge)),
        ("a chunk without a size", answer(chunk("\r\n\r\n")), unreachable(SendError::NoAnswer)),
        (
            "a length beyond the buffer",
            answer(write(&long(8192), &Framing::Length, "")),
            unreachable(SendError::TooLarge),
        ),
        (
            "chunks beyond the buffer",
            answer(write(&long(8192), &Framing::Chunked(vec![100]), "")),
            unreachable(SendError::TooLarge),
        ),
        ("no end", answer(write(&long(8192), &Framing::UntilClose, "")), unreachable(SendError::TooLarge)),
    ];
    for (name, fault, expected) in cases {
        let balance = allocation_counter::measure(|| {
            let (link, mut buffer) = (link(), [0; 8192]);
            let mut driver = driver(link.clone(), link.clock(true), &mut buffer);
            // The metadata over a connection of its own, then the fault for every attempt to get the token.
            link.0.borrow_mut().faults.push_back(Some(Fault::Framed(Framing::UntilClose)));
            link.0.borrow_mut().faults.extend((0..4).map(|_| Some(fault.clone())));
            let result = secret(&link, &mut driver);
            match (&result, expected) {
                (Ok(_), None) => {}
                (Err(Error::Unreachable { why, host }), Some(expected)) => {
                    assert_eq!((*why, host.as_str()), (expected, "login.microsoftonline.com"), "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
            assert_eq!(link.0.borrow().open, 0, "{name}");
            // What is not sure to be unsent is not sent again.
            let posts = link.0.borrow().requests.iter().filter(|line| line.starts_with("POST")).count();
            assert!(posts <= 1, "{name}: {posts}");
            link.0.borrow_mut().faults.clear();
            drop(result);
            assert!(secret(&link, &mut driver).is_ok(), "the next attempt works after: {name}");
        });
        assert_eq!((balance.count_current, balance.bytes_current), (0, 0), "{name}");
    }
}

/// More than a reader takes.
const MANY: &str = "X: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\n\
    X: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\n\
    X: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\n\
    X: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\n";

/// The connection ends, or is reset, after every byte of the token response.
#[test]
fn early_ends() {
    let (link, mut buffer) = (link(), [0; 8192]);
    let mut driver = driver(link.clone(), link.clock(true), &mut buffer);
    let token = secret(&link, &mut driver).unwrap();
    let mut length = 0;
    for at in 0.. {
        let fault = if at % 2 == 0 { Fault::Close(at) } else { Fault::Reset(at) };
        link.0.borrow_mut().faults.push_back(Some(fault));
        let client = daemon();
        let flow = ClientCredentials::new(&[GRAPH]).unwrap();
        let flow = flow.claims_challenge(r#"{"access_token":{"x":null}}"#).flow(&client).unwrap();
        match link.run(driver.drive(&client, flow)) {
            Err(Error::Unreachable { why: SendError::NoAnswer, .. }) => length = at,
            Ok(_) => break,
            other => panic!("after {at} bytes: {other:?}"),
        }
    }
    assert!(length > token.access_token().len(), "{length} bytes");
}

/// A server ends a kept connection while the next request is on its way.
#[test]
fn a_kept_connection_that_has_ended() {
    // The metadata's answer is whole, then the connection is gone. The token request must not be repeated by the transport.
    let (link, mut buffer) = (link(), [0; 8192]);
    let metadata = link.0.borrow_mut().platform.answer(&sansal_sim::Request::get(
        "login.microsoftonline.com",
        &format!("/{CONTOSO_TENANT}/v2.0/.well-known/openid-configuration"),
        NOW,
    ));
    let length = write(&metadata, &Framing::Length, "").len();
    for (fault, expected) in [
        (Fault::Close(length), SendError::NoAnswer),
        (Fault::Reset(length), SendError::NoAnswer),
        (Fault::Stall(length), SendError::NoAnswer),
    ] {
        let mut driver = driver(link.clone(), link.clock(true), &mut buffer);
        link.0.borrow_mut().faults.push_back(Some(fault.clone()));
        let before = link.0.borrow().connections;
        let error = secret(&link, &mut driver).unwrap_err();
        assert!(matches!(&error, Error::Unreachable { why, .. } if *why == expected), "{fault:?}: {error:?}");
        assert_eq!(link.0.borrow().connections - before, 1, "{fault:?}");
        assert!(secret(&link, &mut driver).is_ok());
    }
}

#[test]
fn what_the_server_says_is_kept() {
    let (link, mut buffer) = (link(), [0; 8192]);
    let mut driver = driver(link.clone(), link.clock(true), &mut buffer);
    let busy = sansal_sim::Fault::new(On::Token, What::Status { code: 429, retry_after: Some(7) });
    link.0.borrow_mut().platform.fault(busy);
    let error = secret(&link, &mut driver).unwrap_err();
    assert!(matches!(error, Error::Throttled { retry_after: Some(7), .. }), "{error:?}");
}

/// Decision 12: no date, until one comes over verified TLS.
#[test]
fn devices_without_a_clock() {
    for dated in [true, false] {
        let (link, mut buffer) = (link(), [0; 8192]);
        link.0.borrow_mut().dated = dated;
        let mut driver = driver(link.clone(), link.clock(false), &mut buffer);
        assert_eq!(driver.clock().wall, None);
        let first = secret(&link, &mut driver);
        let (now, second) = (driver.clock(), secret(&link, &mut driver));
        match dated {
            true => {
                assert_eq!(now.wall, Some(UnixTime(NOW + now.mono.0 / 1000)));
                assert!(first.is_ok() && second.is_ok());
                assert_eq!(link.0.borrow().requests.len(), 2, "the token counts as fresh by the date that was learned");
            }
            false => {
                assert_eq!(now.wall, None);
                assert!(matches!(first, Err(Error::Config(Config::ClockUnknown))), "{first:?}");
                assert!(matches!(second, Err(Error::Config(Config::ClockUnknown))), "{second:?}");
            }
        }
    }
}

#[test]
fn nothing_goes_on_without_chance_or_answers() {
    let (link, mut buffer) = (link(), [0; 8192]);
    let none = Driver::new(link.clone(), link.clock(true), Unready, &mut buffer, BUILT);
    assert!(none.is_err());
    // A device without a display cannot sign in by code; nobody is asked for a token.
    let client = thing();
    let flow = DeviceCode::new(&["User.Read"]).unwrap().flow(&client).unwrap();
    let mut driver = driver(link.clone(), link.clock(true), &mut buffer).asks(NoAsks);
    let error = link.run(driver.drive(&client, flow)).unwrap_err();
    assert!(matches!(error, Error::Unanswered { ask: "display", why: AskError::NotSupported }), "{error:?}");
    assert!(!format!("{driver:?}").contains(CONTOSO_SECRET));
}
