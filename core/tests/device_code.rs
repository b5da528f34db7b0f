//! Bad days of a device code flow, played without any network (RFC 8628): faults of each request, clocks, restarts, forgeries.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]
#![cfg(feature = "sealed")]

use sansal::client::{Client, Retries, Settings};
use sansal::error::{AskError, Config, SendError, TlsReason, What};
use sansal::flow::{Answer, Ask, Clock, Millis};
use sansal::json::{Members, parse_object};
use sansal::sealed::Sealer;
use sansal::time::UnixTime;
use sansal::{DeviceCode, DeviceFlow, Error, PollOptions, Token};

mod support;
use support::World::{self, Dies, Fails};
use support::{Bytes, Host, answers, headed};

const TENANT: &str = "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee";
const CODE: &str = r#"{"user_code":"ABCD1234","device_code":"planted-device-code","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,"message":"go there"}"#;
// The user is {"uid":"u","utid":"t"}.
const TOKEN: &str =
    r#"{"token_type":"Bearer","expires_in":3600,"access_token":"at-1","client_info":"eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ"}"#;
const PENDING: &str = r#"{"error":"authorization_pending"}"#;
const SLOW_DOWN: &str = r#"{"error":"slow_down"}"#;
const NOW: u64 = 1_700_000_000;
const YEAR: i64 = 366 * 24 * 3600;

fn metadata() -> World {
    answers(
        200,
        format!(
            r#"{{"token_endpoint":"{TENANT}/oauth2/v2.0/token","authorization_endpoint":"{TENANT}/oauth2/v2.0/authorize","device_authorization_endpoint":"{TENANT}/oauth2/v2.0/devicecode"}}"#
        ),
    )
}

/// What this file does with a [`Host`].
trait Device {
    fn initiate(&mut self) -> Result<DeviceFlow, Error>;
    fn begun(&mut self, code: &str) -> DeviceFlow;
    fn poll(&mut self, flow: &mut DeviceFlow, once: bool) -> Result<Option<Token>, Error>;
    fn is_clean(&self, error: &Error);
}

fn host_with(settings: Settings) -> Host {
    Host::new(Client::builder("app").authority(TENANT).settings(settings).build().unwrap())
}

impl Device for Host {
    fn initiate(&mut self) -> Result<DeviceFlow, Error> {
        let mut machine = DeviceCode::new(&["User.Read"]).unwrap().initiate(&self.client)?;
        self.run(&mut machine).map(|done| done.expect("nobody dies here"))
    }

    /// A flow that has begun.
    fn begun(&mut self, code: &str) -> DeviceFlow {
        let flow = self.plays([metadata(), answers(200, code)]).initiate().unwrap();
        self.sent.clear();
        flow
    }

    fn poll(&mut self, flow: &mut DeviceFlow, once: bool) -> Result<Option<Token>, Error> {
        let mut machine = flow.poll(&self.client, &PollOptions { once, ..PollOptions::default() })?;
        let result = self.run(&mut machine);
        *flow = machine.device_flow().clone();
        result
    }

    /// Nothing is stored, and nothing that is shown has the code in it.
    fn is_clean(&self, error: &Error) {
        let cached = String::from_utf8_lossy(&self.store.tokens.to_json()).into_owned();
        assert!(!cached.contains("\"secret\""), "{cached}");
        let shown = format!("{error} {error:?} {:?} {:?} {:?}", self.sent, self.store, self.asked);
        assert!(!shown.contains("planted"), "{shown}");
    }
}

fn no_retries() -> Settings {
    Settings { retries: Retries::NONE, ..Settings::default() }
}

type Expected = fn(&Error) -> bool;

/// Faults that mean the same for every request that carries JSON back; `bad` is what a broken document is.
fn common(bad: Expected) -> Vec<(World, Expected)> {
    const LATER: &[(&str, &str)] = &[("Retry-After", "7")];
    let patience: Expected = |e| matches!(e, Error::Throttled { .. });
    let unreachable: Expected = |e| matches!(e, Error::Unreachable { .. });
    let mut faults: Vec<(World, Expected)> = vec![
        (answers(200, ""), bad),
        (answers(200, "<html>captive portal</html>"), bad),
        (answers(200, "{\"a\":"), bad),
        (answers(200, "[]"), bad),
        (answers(200, "null"), bad),
        (answers(200, "{}"), bad),
        (answers(200, "[".repeat(100_000)), bad),
        (answers(302, ""), bad),
        (answers(302, "{}"), bad),
        (answers(404, "<html>"), bad),
        (answers(0, "{}"), bad),
        (answers(500, "Internal"), patience),
        (answers(502, "<html>"), patience),
        (answers(503, r#"{"error":"server_error","error_description":"x"}"#), patience),
        (answers(429, "<html>"), patience),
        (headed(429, LATER, r#"{"error":"too_many"}"#), |e| {
            matches!(e, Error::Throttled { retry_after: Some(7), status: 429, .. })
        }),
        (answers(200, format!("{{\"x\":\"{}\"}}", "a".repeat(10_000_000))), |e| {
            matches!(e, Error::Unreachable { why: SendError::TooLarge, .. })
        }),
        (answers(400, r#"{"error":"invalid_client"}"#), |e| matches!(e, Error::Refused(_))),
        (answers(200, r#"{"error":"odd"}"#), |e| matches!(e, Error::Refused(_))),
        (
            answers(400, r#"{"error":"interaction_required","claims":"{}"}"#),
            |e| matches!(e, Error::InteractionRequired { claims: Some(c), .. } if c == "{}"),
        ),
    ];
    let sends = [
        SendError::NotSent,
        SendError::NoAnswer,
        SendError::TooLarge,
        SendError::Cancelled,
        SendError::Tls(TlsReason::UnknownIssuer),
        SendError::Tls(TlsReason::WrongName),
        SendError::Tls(TlsReason::Expired),
    ];
    faults.extend(sends.map(|why| (Fails(why), unreachable)));
    faults
}

/// Every way the request for a code can go wrong, under every jump of the date.
#[test]
fn faults_of_the_initiation() {
    let bad: Expected = |e| matches!(e, Error::BadResponse { what: What::DeviceAuthorization, .. });
    let mut faults = common(bad);
    let broken = [
        ("\"user_code\":\"ABCD1234\",", ""),
        ("ABCD1234", ""),
        ("ABCD1234", "A\\u001b[2J"),
        ("ABCD1234", &"A".repeat(10_000)),
        ("\"ABCD1234\"", "7"),
        ("planted-device-code", ""),
        ("\"planted-device-code\"", "null"),
        ("https://microsoft.com/devicelogin", "javascript:alert(1)"),
        ("https://microsoft.com/devicelogin", "http://microsoft.com/devicelogin"),
        ("https://microsoft.com/devicelogin", "https://user@evil.example/"),
        ("\"https://microsoft.com/devicelogin\"", "[]"),
        ("verification_uri", "verification"),
        ("\"message\"", "\"verification_uri_complete\""),
        ("900", "\"soon\""),
        ("900", "-1"),
        ("\"interval\":5", "\"interval\":{}"),
    ];
    for (from, to) in broken {
        let code = CODE.replacen(from, to, 1);
        assert_ne!(code, CODE);
        faults.push((answers(200, code), bad));
    }
    let mut count = 0;
    for (world, expected) in &faults {
        for jump in [0, YEAR, -YEAR] {
            let mut host = host_with(no_retries());
            host.jump = jump;
            let error = host.plays([metadata(), world.clone()]).initiate().unwrap_err();
            assert!(expected(&error), "{world:?}: {error:?}");
            assert_eq!(host.sent.len(), 2);
            host.is_clean(&error);
            count += 1;
        }
    }
    let mut host = host_with(no_retries());
    let without =
        answers(200, format!(r#"{{"token_endpoint":"{TENANT}/token","authorization_endpoint":"{TENANT}/authorize"}}"#));
    let error = host.plays([without]).initiate().unwrap_err();
    assert!(matches!(error, Error::Config(Config::NoEndpoint("device_authorization_endpoint"))), "{error:?}");
    println!("{count} faults");
}

/// Every way a question about the code can go wrong, as the first and as the second one, under every jump of the date.
#[test]
fn faults_of_the_polling() {
    let bad: Expected = |e| matches!(e, Error::BadResponse { what: What::TokenResponse, .. });
    let mut faults = common(bad);
    let refused: Expected = |e| matches!(e, Error::Refused(_));
    for body in [
        r#"{"error":"authorization_declined"}"#,
        r#"{"error":"access_denied"}"#,
        r#"{"error":"expired_token"}"#,
        r#"{"error":"bad_verification_code"}"#,
        r#"{"error":"invalid_grant","error_description":"planted-device-code is wrong"}"#,
    ] {
        faults.push((answers(400, body), refused));
    }
    let echo = r#"{"error":"server_error","error_description":"planted-device-code"}"#;
    faults.push((answers(503, echo), |e| matches!(e, Error::Throttled { .. })));
    faults.push((answers(200, r#"{"access_token":""}"#), bad));
    faults.push((answers(200, r#"{"access_token":"a","expires_in":"soon"}"#), bad));
    faults.push((answers(200, r#"{"access_token":"planted-token","id_token":"x.e30.y"}"#), |e| {
        matches!(e, Error::IdToken(_))
    }));
    let mut count = 0;
    for (world, expected) in &faults {
        for jump in [0, YEAR, -YEAR] {
            for before in [0, 1] {
                let mut host = host_with(no_retries());
                let mut flow = host.begun(CODE);
                host.jump = jump;
                let pending = std::iter::repeat_n(answers(400, PENDING), before);
                let script: Vec<World> = pending.chain([world.clone()]).collect();
                let error = host.plays(script).poll(&mut flow, false).unwrap_err();
                assert!(expected(&error), "{world:?}: {error:?}");
                assert_eq!((host.sent.len(), host.waited.len()), (before + 1, before));
                host.is_clean(&error);
                count += 1;
            }
        }
    }
    println!("{count} faults");
}

/// RFC 8628 s3.5: what passes by does not end the waiting; what does not pass by ends it when the code does.
#[test]
fn a_bad_network_and_a_busy_server_only_cost_time() {
    const LATER: &[(&str, &str)] = &[("Retry-After", "30")];
    let passing = [
        (Fails(SendError::NoAnswer), 10_000),
        (answers(429, "{}"), 5_000),
        (answers(503, "<html>"), 5_000),
        (headed(503, LATER, ""), 30_000),
        (answers(400, PENDING), 5_000),
        (answers(400, SLOW_DOWN), 10_000),
    ];
    for (world, wait) in passing {
        let mut host = host_with(Settings::default());
        let mut flow = host.begun(CODE);
        let script = [answers(400, PENDING), world.clone(), answers(200, TOKEN)];
        let token = host.plays(script).poll(&mut flow, false).unwrap().unwrap();
        assert_eq!(token.access_token(), "at-1");
        assert_eq!(host.waited[..2], [5_000, wait], "{world:?}");
    }
    // For ever: bounded, less and less often, and an end that says what to do.
    for world in [Fails(SendError::NoAnswer), Fails(SendError::NotSent), answers(503, ""), answers(400, PENDING)] {
        let mut host = host_with(Settings::default());
        let mut flow = host.begun(CODE);
        let begun = host.clock.mono;
        host.for_ever = Some(world.clone());
        let error = host.plays([]).poll(&mut flow, false).unwrap_err();
        assert!(matches!(error, Error::Expired { what: "device code", .. }), "{world:?}: {error:?}");
        let most = if matches!(world, Fails(_)) { 40 } else { 181 };
        assert!((2..=most).contains(&host.sent.len()), "{world:?}: {} questions", host.sent.len());
        assert!(host.clock.mono.since(begun) <= Millis::from_secs(902 + 120), "{world:?}");
        host.is_clean(&error);
    }
}

/// In memory the end is counted on the clock that does not jump; not even an unknown date changes it.
#[test]
fn the_date_does_not_move_the_end() {
    for (jump, wall) in [(0, Some(NOW)), (YEAR, Some(NOW)), (-YEAR, Some(NOW)), (0, None)] {
        let mut host = host_with(Settings::default());
        let mut flow = host.begun(&CODE.replace("900", "12"));
        (host.jump, host.clock.wall) = (jump, wall.map(UnixTime));
        host.for_ever = Some(answers(400, PENDING));
        let error = host.plays([]).poll(&mut flow, false).unwrap_err();
        assert_eq!(error.refusal().map(|r| r.error()), Some("authorization_pending"));
        assert_eq!((host.sent.len(), host.waited.as_slice()), (3, &[5_000, 5_000, 3_000][..]), "{jump}");
    }
}

#[test]
fn one_question_at_a_time() {
    let mut host = host_with(Settings::default());
    let mut flow = host.begun(CODE);
    for (world, interval) in [(PENDING, 5), (SLOW_DOWN, 10), (SLOW_DOWN, 15), (PENDING, 15)] {
        let error = host.plays([answers(400, world)]).poll(&mut flow, true).unwrap_err();
        assert!(matches!(&error, Error::Refused(_)), "{error:?}");
        assert_eq!((flow.interval(), host.waited.len()), (interval, 0));
    }
    let token = host.plays([answers(200, TOKEN)]).poll(&mut flow, true).unwrap().unwrap();
    assert_eq!(token.access_token(), "at-1");
}

/// The process ends while it waits; another one goes on where it stopped: same names, raised interval, less time.
#[test]
fn a_restart() {
    let sealer = Sealer::new(&[7; 32]);
    let mut host = host_with(Settings::default());
    let mut flow = host.begun(CODE);
    let died = host.plays([answers(400, PENDING), answers(400, SLOW_DOWN), Dies]).poll(&mut flow, false).unwrap();
    assert!(died.is_none());
    let correlation_id = flow.correlation_id().to_string();
    let text = flow.seal(&sealer, &host.client, host.clock, &mut host.entropy).unwrap();
    assert!(!text.contains("planted"));
    // Four seconds later, on a machine whose clock began elsewhere.
    let mut other = host_with(Settings::default());
    other.clock = Clock::new(Millis(77_000_000), host.clock.wall.unwrap().after(4));
    let mut flow = DeviceFlow::restore(&sealer, &other.client, &text, other.clock).unwrap();
    assert_eq!((flow.interval(), flow.left(other.clock)), (10, 900 - 5 - 4));
    let script = [metadata(), answers(400, PENDING), answers(200, TOKEN)];
    let token = other.plays(script).poll(&mut flow, false).unwrap().unwrap();
    assert_eq!(token.access_token(), "at-1");
    assert_eq!(other.waited, [6_000, 10_000], "the rest of the raised interval, then all of it");
    for request in &other.sent[1..] {
        let names: Vec<_> = request.headers.iter().filter(|h| h.name == "client-request-id").collect();
        assert_eq!(names[0].value.expose(), correlation_id);
    }
    // G-28: found again under the scopes of the first process.
    let cached = String::from_utf8(other.store.tokens.to_json().to_vec()).unwrap();
    assert!(cached.contains("\"User.Read offline_access openid profile\""), "{cached}");
}

#[test]
fn times_are_based_anew() {
    let sealer = Sealer::new(&[7; 32]);
    let mut host = host_with(Settings::default());
    let flow = host.begun(CODE);
    host.pass(Millis::from_secs(100));
    let text = flow.seal(&sealer, &host.client, host.clock, &mut host.entropy).unwrap();
    let now = NOW + 100;
    let cases = [
        (Some(now), 800),
        (Some(now + 50), 750),
        (Some(now + 799), 1),
        (Some(now + 800), 0),
        (Some(u64::MAX), 0),
        // Back: no second more than there was.
        (Some(now - 100), 800),
        (Some(0), 800),
        (None, 800),
    ];
    for (wall, left) in cases {
        for mono in [0, 1, u64::MAX / 2] {
            let clock = Clock { mono: Millis(mono), wall: wall.map(UnixTime) };
            let restored = DeviceFlow::restore(&sealer, &host.client, &text, clock).unwrap();
            assert_eq!(restored.left(clock), left, "{wall:?}");
        }
    }
    // Saved on a device without a date.
    let dateless = Clock { wall: None, ..host.clock };
    let text = flow.seal(&sealer, &host.client, dateless, &mut host.entropy).unwrap();
    let clock = Clock::new(Millis(9), UnixTime(NOW + 100_000));
    assert_eq!(DeviceFlow::restore(&sealer, &host.client, &text, clock).unwrap().left(clock), 800);
}

/// Issue 4, 5: altered at every bit of every byte, cut, extended; opened by others.
#[test]
fn a_sealed_flow_is_the_same_or_none() {
    let sealer = Sealer::new(&[7; 32]);
    let mut host = host_with(Settings::default());
    let flow = host.begun(CODE);
    let text = flow.seal(&sealer, &host.client, host.clock, &mut host.entropy).unwrap();
    let refused = |sealer: &Sealer, client: &Client, text: &str| {
        let restored = DeviceFlow::restore(sealer, client, text, host.clock);
        assert!(matches!(restored, Err(Error::Config(Config::SavedFlow(_)))), "{text}");
    };
    let mut count = 0;
    for at in 0..text.len() {
        refused(&sealer, &host.client, &text[..at]);
        for bit in 0..7 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            refused(&sealer, &host.client, core::str::from_utf8(&bytes).unwrap());
            count += 1;
        }
    }
    refused(&sealer, &host.client, &format!("{text}A"));
    refused(&Sealer::new(&[8; 32]), &host.client, &text);
    for (id, authority) in [
        ("other", TENANT),
        ("app", "https://login.microsoftonline.com/common"),
        ("app", "https://login.microsoftonline.us/aaaabbbb-0000-cccc-1111-dddd2222eeee"),
    ] {
        let other = Client::builder(id).authority(authority).build().unwrap();
        refused(&sealer, &other, &text);
        // Not even in memory.
        assert!(matches!(flow.poll(&other, &PollOptions::default()), Err(Error::Config(Config::SavedFlow(_)))));
        assert!(flow.seal(&sealer, &other, host.clock, &mut Bytes(0)).is_err());
    }
    println!("{count} alterations of {} bytes", text.len());
}

/// Whoever keeps flows unsealed: whatever stands there, requests go to this client's endpoints and for this client only.
#[test]
fn unsealed_members_are_not_believed() {
    let mut host = host_with(Settings::default());
    let flow = host.begun(CODE);
    let members = flow.to_members(host.clock);
    assert!(!format!("{flow:?} {members:?}").contains("planted"));
    let odd: Vec<&str> = vec![
        "null",
        "true",
        "-1",
        "1e300",
        "18446744073709551615",
        "\"\"",
        "\"x y\"",
        "\"\\u0000\"",
        "[]",
        "[1]",
        "{}",
        "[\"openid\"]",
        "[\"a b\"]",
        r#"{"device_code":"d","user_code":"u","verification_uri":"javascript:x"}"#,
        r#"{"device_code":"d","user_code":"u","verification_uri":"https://a.example","token_endpoint":"https://evil.example"}"#,
    ];
    let (mut taken, mut count) = (0, 0);
    let names: Vec<String> = members.iter().map(|(name, _)| name.to_string()).collect();
    for name in names.iter().map(String::as_str).chain(["token_endpoint", "device_authorization_endpoint"]) {
        for value in &odd {
            let mut altered = members.clone();
            let one: Members = parse_object(format!("{{\"v\":{value}}}").as_bytes(), 1000).unwrap();
            altered.set(name, one.get("v").unwrap().clone());
            count += 1;
            match DeviceFlow::from_members(&host.client, &altered, host.clock) {
                Err(error) => {
                    assert!(matches!(error, Error::Config(Config::SavedFlow(_))), "{name} {value}: {error:?}")
                }
                Ok(mut flow) => {
                    taken += 1;
                    assert!(flow.left(host.clock) <= 1800 && (1..=3600).contains(&flow.interval()));
                    let mut host = host_with(Settings::default());
                    host.for_ever = Some(answers(400, r#"{"error":"access_denied"}"#));
                    let _ = host.plays([metadata()]).poll(&mut flow, true);
                    for request in &host.sent {
                        assert_eq!(request.endpoint.host(), "login.microsoftonline.com");
                    }
                }
            }
        }
        let mut without = members.clone();
        without.remove(name);
        let _ = DeviceFlow::from_members(&host.client, &without, host.clock);
    }
    println!("{count} alterations, {taken} of them still a flow of this client");
    assert!(taken > 0 && taken < count);
}

/// The one machine: code, notice, questions, token; and a host that cannot show anything.
#[test]
fn in_one_machine() {
    let mut host = host_with(Settings::default());
    let request = DeviceCode::new(&["User.Read"]).unwrap();
    let mut machine = request.flow(&host.client).unwrap();
    host.plays([metadata(), answers(200, CODE), answers(400, PENDING), answers(200, TOKEN)]);
    let token = host.run(&mut machine).unwrap().unwrap();
    assert_eq!((token.access_token(), host.waited.as_slice()), ("at-1", &[5_000][..]));
    let [Ask::ShowCode { user_code, verification_uri, message, expires_in, .. }] = host.asked.as_slice() else {
        panic!("{:?}", host.asked)
    };
    assert_eq!((user_code.as_str(), verification_uri.as_str()), ("ABCD1234", "https://microsoft.com/devicelogin"));
    assert_eq!((message.as_deref(), *expires_in), (Some("go there"), 900));
    let ids: Vec<_> = host.sent[1..]
        .iter()
        .map(|r| r.headers.iter().find(|h| h.name == "client-request-id").unwrap().value.expose().to_string())
        .collect();
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");

    let mut host = host_with(Settings::default());
    host.shown = Answer::Failed(AskError::NotSupported);
    let mut machine = request.flow(&host.client).unwrap();
    let error = host.plays([metadata(), answers(200, CODE)]).run(&mut machine).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Unanswered { ask: "display", .. }), "{error:?}");
    host.is_clean(&error);

    // Saved in the middle of it.
    let mut host = host_with(Settings::default());
    let mut machine = request.flow(&host.client).unwrap();
    assert!(machine.device_flow().is_none());
    host.plays([metadata(), answers(200, CODE), answers(400, SLOW_DOWN), Dies]).run(&mut machine).unwrap();
    assert_eq!(machine.device_flow().unwrap().interval(), 10);
}

#[test]
fn what_is_shown_is_harmless() {
    let mut host = host_with(Settings::default());
    let flow = host.begun(
        &CODE.replace("go there", "go\\n\\u001b[2Jthere\\u0007").replace("verification_uri", "verification_url"),
    );
    assert_eq!(flow.message(), Some("go\n[2Jthere"));
    assert_eq!(flow.verification_uri(), "https://microsoft.com/devicelogin");
    // Bounds: nobody waits for ever, nobody asks without a pause.
    let flow = host_with(Settings::default()).begun(&CODE.replace("900", "999999999").replace(":5", ":0"));
    assert_eq!((flow.expires_in(), flow.interval()), (24 * 3600, 1));
    let flow = host_with(Settings::default()).begun(&CODE.replace("900", "null").replace(":5", ":\"7\""));
    assert_eq!((flow.expires_in(), flow.interval()), (1800, 7));
}
