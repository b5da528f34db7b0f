//! Device authorization (RFC 8628): the request, the page where people type the code, and what a poll finds.

use serde_json::{Map, Value, json};

use crate::grants::{concrete, serves};
use crate::message::{Request, Response, form};
use crate::page;
use crate::platform::Platform;
use crate::realm::Realm;
use crate::refusal::Refusal;
use crate::session::{Device, DeviceState, Session};
use crate::token::Fields;

/// Letters that make no word and are read in one way (RFC 8628 s6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

impl Platform {
    /// The device authorization endpoint (s3.1).
    pub(crate) fn device(&mut self, realm: &Realm, request: &Request) -> Result<Response, Refusal> {
        let fields = Fields::of(request)?;
        let client_id = fields.need("client_id")?;
        let known = self.applications.iter().find(|app| app.client_id == client_id && app.is_in(concrete(realm)));
        let app = known.ok_or_else(|| Refusal::unknown_application(client_id))?;
        if !app.public && fields.get("client_secret").is_none() && fields.get("client_assertion").is_none() {
            return Err(Refusal::no_credential());
        }
        let scope = fields.need("scope")?;
        crate::issue::grant(&self.resources, scope)?;
        let claims = fields.get("claims");
        if claims.is_some_and(|text| serde_json::from_str::<Map<String, Value>>(text).is_err()) {
            return Err(Refusal::malformed("The claims are not a JSON object."));
        }
        let (user_code, device_code) = (self.user_code(), self.chance.uuid());
        let (interval, lifetime) = (self.desk.device_interval, self.desk.device_lifetime);
        let device = Device {
            user_code: user_code.clone(),
            client_id: client_id.to_owned(),
            realm: realm.clone(),
            scope: scope.to_owned(),
            claims: claims.map(str::to_owned),
            end: request.now.saturating_add(lifetime),
            interval,
            polled: None,
            state: DeviceState::Waiting,
        };
        self.desk.devices.insert(device_code.clone(), device);
        let uri = realm.verification_uri(&request.host);
        let answer = json!({
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": uri,
            "verification_uri_complete": format!("{uri}?user_code={user_code}"),
            "expires_in": lifetime,
            "interval": interval,
            "message": format!("To sign in, open {uri} in a browser and enter the code {user_code}."),
        });
        Ok(Response::json(200, &answer).header("Cache-Control", "no-store"))
    }

    fn user_code(&mut self) -> String {
        let draw = self.chance.uuid();
        let bytes = draw.as_bytes().chunks(4).map(|four| four.iter().map(|b| usize::from(*b)).sum::<usize>());
        let letter = |n: usize| LETTERS.get(n % 20).copied().map_or('X', char::from);
        let code: String = bytes.take(9).map(letter).collect();
        match self.desk.devices.values().any(|device| device.user_code == code) {
            true => self.user_code(),
            false => code,
        }
    }

    /// The session of a device that a user has approved; anything else is a refusal (s3.5).
    pub(crate) fn poll(
        &mut self,
        realm: &Realm,
        client_id: &str,
        fields: &Fields,
        now: u64,
    ) -> Result<Session, Refusal> {
        let entra = realm.tenant().is_some();
        let named = if entra { "bad_verification_code" } else { "invalid_grant" };
        let unknown = Refusal::device(named, 70_018, "The device code is not known.");
        let given = fields.need("device_code")?;
        let device = self.desk.devices.get_mut(given).ok_or_else(|| unknown.clone())?;
        if device.client_id != client_id || !(device.realm == *realm || serves(realm, &device.realm)) {
            return Err(unknown);
        }
        if device.end <= now {
            return Err(Refusal::device("expired_token", 70_020, "The device code has expired."));
        }
        let early = device.polled.is_some_and(|last| now < last.saturating_add(device.interval));
        device.polled = Some(now);
        match &device.state {
            DeviceState::Redeemed => Err(Refusal::code_used()),
            DeviceState::Declined => {
                let error = if entra { "authorization_declined" } else { "access_denied" };
                Err(Refusal::device(error, 70_017, "The user has declined."))
            }
            DeviceState::Waiting | DeviceState::Approved(_) if early => {
                device.interval = device.interval.saturating_add(5);
                Err(Refusal::device("slow_down", 70_016, "The device polls too often."))
            }
            DeviceState::Waiting => {
                Err(Refusal::device("authorization_pending", 70_016, "The user has not signed in yet."))
            }
            DeviceState::Approved(user) => {
                let session = Session {
                    user: user.clone(),
                    client_id: client_id.to_owned(),
                    realm: device.realm.clone(),
                    scope: device.scope.clone(),
                    nonce: None,
                    auth_time: now,
                    tells_auth_time: false,
                    strong: true,
                    claims: device.claims.clone(),
                };
                let realm = self.desk.user(&session.user)?.realm(&session.realm)?;
                Ok(Session { realm, ..session })
            }
        }
    }

    /// A device code counts once.
    pub(crate) fn redeemed(&mut self, fields: &Fields) {
        if let Some(device) = fields.get("device_code").and_then(|code| self.desk.devices.get_mut(code)) {
            device.state = DeviceState::Redeemed;
        }
    }

    /// A user (name or object id) approves the device with this code. Says whether there is such a device that waits.
    pub fn approve_device(&mut self, user_code: &str, user: &str) -> bool {
        let Ok(user) = self.desk.user(user).map(|user| user.object_id.clone()) else { return false };
        let client = self.decide(user_code, DeviceState::Approved(user.clone()));
        if let Some(client) = &client {
            self.desk.consent(&user, client);
        }
        client.is_some()
    }

    /// A user declines it. Says whether there is such a device that waits.
    pub fn decline_device(&mut self, user_code: &str) -> bool {
        self.decide(user_code, DeviceState::Declined).is_some()
    }

    fn decide(&mut self, user_code: &str, state: DeviceState) -> Option<String> {
        let letters = |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>();
        let code = letters(user_code).to_ascii_uppercase();
        let mut waiting = self.desk.devices.values_mut().filter(|own| matches!(own.state, DeviceState::Waiting));
        let device = waiting.find(|own| own.user_code == code)?;
        device.state = state;
        Some(device.client_id.clone())
    }

    /// The page at the verification URI (s3.3).
    pub(crate) fn verification(&mut self, request: &Request) -> Response {
        let fields = if request.method == "POST" { form(request).unwrap_or_default() } else { request.query() };
        let get = |name: &str| fields.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value.as_str());
        let code = get("user_code");
        if request.method == "GET" {
            return page::device(code, "");
        }
        if get("decision") == "deny" {
            let found = self.decline_device(code);
            return if found { page::message("You have declined.") } else { page::device(code, "Unknown code.") };
        }
        let user = self.desk.user(get("username"));
        let checked = user.and_then(|user| user.check(Some(get("password"))).map(|()| user.object_id.clone()));
        match checked {
            Err(refusal) => page::device(code, &refusal.redirected().1),
            Ok(user) if self.approve_device(code, &user) => {
                page::message("You have signed in. You may close this page.")
            }
            Ok(_) => page::device(code, "Unknown code."),
        }
    }
}
