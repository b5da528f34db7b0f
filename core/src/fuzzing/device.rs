//! Device code flows: what a server or a store says about one never leads anywhere but to a flow of this client.

use core::str;

use alloc::string::String;

use crate::authorization::AuthCodeFlow;
use crate::call::{Content, Reply};
use crate::client::{Client, Scopes, Settings};
use crate::device_flow::{Begun, DeviceFlow};
use crate::endpoint::Endpoint;
use crate::entropy::{Entropy, NoEntropy};
use crate::error::{Config, Error};
use crate::json::parse_object;
use crate::limits::{MAX_DEVICE_CODE_LIFETIME, MAX_POLLING_INTERVAL, MAX_SAVED_FLOW};
use crate::sealed::Sealer;
use crate::time::{Clock, Millis, UnixTime};

const CLOCK: Clock = Clock::new(Millis(1_000_000), UnixTime(1_700_000_000));
const CODE: &[u8] = br#"{"user_code":"A","device_code":"d","verification_uri":"https://a.example/","expires_in":900}"#;

/// An answer of the device authorization endpoint that is taken is harmless to show, bounded, and the same after a restart.
pub fn device_response(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let settings = if first & 1 == 0 { Settings::default() } else { Settings::reference() };
    let status = match first >> 1 & 7 {
        0 => 302,
        1 => 400,
        2 => 429,
        3 => 503,
        _ => 200,
    };
    let Some((client, begun)) = begun(settings) else { return };
    let reply = Reply {
        status,
        retry_after: None,
        body: Content::Lent(body),
        challenge: None,
        dpop_nonce: None,
        remember: None,
    };
    let Ok(flow) = DeviceFlow::answered(&client, &begun, &reply, CLOCK.mono) else { return };
    assert_eq!(status, 200);
    harmless(&flow);
    assert_eq!(flow.left(CLOCK), flow.expires_in());
    same_again(&client, &flow);
    let sealer = Sealer::new(&[7; 32]);
    if let Ok(text) = flow.seal(&sealer, &client, CLOCK, &mut Counter(first.wrapping_add(1))) {
        let Ok(restored) = DeviceFlow::restore(&sealer, &client, &text, CLOCK) else { panic!("ours is not opened") };
        assert!(restored.to_members(CLOCK) == flow.to_members(CLOCK));
    }
}

/// A saved flow that was altered anywhere is none; members that nobody sealed give a flow of this client or none.
pub fn saved_flow(data: &[u8]) {
    let Some((client, begun)) = begun(Settings::default()) else { return };
    let sealer = Sealer::new(&[7; 32]);
    let body = Content::Lent(CODE);
    let reply = Reply { status: 200, retry_after: None, body, challenge: None, dpop_nonce: None, remember: None };
    let Ok(flow) = DeviceFlow::answered(&client, &begun, &reply, CLOCK.mono) else { panic!("a good answer") };
    let Ok(text) = flow.seal(&sealer, &client, CLOCK, &mut Counter(0)) else { panic!("it is not sealed") };
    let refused = |text: &str| {
        let restored = DeviceFlow::restore(&sealer, &client, text, CLOCK);
        assert!(matches!(restored, Err(Error::Config(Config::SavedFlow(_)))));
    };
    let mut altered = text.clone().into_bytes();
    for edit in data.chunks_exact(3) {
        let [high, low, with] = *edit else { continue };
        let at = usize::from(u16::from_be_bytes([high, low])).checked_rem(altered.len()).unwrap_or(0);
        if let Some(byte) = altered.get_mut(at) {
            *byte ^= with;
        }
    }
    match String::from_utf8(altered) {
        Ok(altered) if altered != text => refused(&altered),
        _ => {}
    }
    if let Ok(given) = str::from_utf8(data)
        && given != text
    {
        refused(given);
    }
    let Ok(members) = parse_object(data, MAX_SAVED_FLOW) else { return };
    match DeviceFlow::from_members(&client, &members, CLOCK) {
        Ok(flow) => {
            assert_eq!((members.text("client_id"), members.text("authority")), (Some("app"), Some(AUTHORITY)));
            harmless(&flow);
            same_again(&client, &flow);
        }
        Err(error) => assert!(matches!(error, Error::Config(Config::SavedFlow(_)))),
    }
    if let Ok(flow) = AuthCodeFlow::from_members(&client, "http://localhost", &members) {
        assert_eq!(flow.redirect_uri(), "http://localhost");
        assert!(!flow.state().is_empty());
        assert_eq!(flow.to_members().text("authority"), Some(AUTHORITY));
    }
}

const AUTHORITY: &str = "https://login.microsoftonline.com/contoso";

fn begun(settings: Settings) -> Option<(Client, Begun)> {
    let client = Client::builder("app").authority(AUTHORITY).settings(settings).build().ok()?;
    let scopes = Scopes::parse(&["openid"]).ok()?;
    Some((client, Begun { correlation_id: "c".into(), scopes, claims_challenge: None }))
}

fn harmless(flow: &DeviceFlow) {
    assert!(!flow.user_code().is_empty() && !flow.user_code().chars().any(char::is_control));
    assert!(!flow.device_code().is_empty());
    let addresses = [Some(flow.verification_uri()).filter(|uri| !uri.is_empty()), flow.verification_uri_complete()];
    assert!(addresses.into_iter().flatten().all(|uri| Endpoint::parse(uri).is_ok()));
    assert!(flow.message().is_none_or(|text| !text.chars().any(|c| c.is_control() && c != '\n')));
    assert!((1..=MAX_POLLING_INTERVAL).contains(&flow.interval()));
    assert!(flow.expires_in() <= MAX_DEVICE_CODE_LIFETIME && flow.left(CLOCK) <= flow.expires_in());
}

fn same_again(client: &Client, flow: &DeviceFlow) {
    let members = flow.to_members(CLOCK);
    let Ok(again) = DeviceFlow::from_members(client, &members, CLOCK) else { panic!("what we wrote is not read") };
    assert!(again.to_members(CLOCK) == members);
}

struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in out {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}
