//! Functions that need no application: `decode_part`, `decode_id_token`, `extract_certs`.

use sansal::PopAuthScheme;
use sansal::cert;
use sansal::jose;
use sansal::jose::id_token::Expected;
use sansal::time::UnixTime;
use serde_json::{Value, json};

use super::Turn;
use crate::conformance::arguments::Argument;
use crate::conformance::matching::hex;
use crate::conformance::outcome::{Outcome, Stop};
use crate::conformance::stage::Stage;

/// One part of a JWT (section 6.1 of the reference).
pub(super) fn decode_part(_: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let Argument::Text(raw) = turn.args.take("raw") else { return Ok(Outcome::refused_by_type("raw must be a text")) };
    let bytes = turn.args.has("encoding");
    let encoding = turn.args.take("encoding");
    turn.args.finish()?;
    let decoded = match (bytes, encoding) {
        (true, Argument::None) => jose::decode_part(&raw).map(|bytes| json!({ "$bytes": hex(&bytes) })),
        (false, _) => jose::decode_part_text(&raw).map(Value::from),
        (true, Argument::Text(name)) if matches!(name.to_ascii_lowercase().as_str(), "utf-8" | "utf8") => {
            jose::decode_part_text(&raw).map(Value::from)
        }
        (true, _) => return Err(Stop::Unsupported("decode_part in another encoding than UTF-8".into())),
    };
    Ok(decoded.map_or_else(|why| Outcome::Failed(why.into()), Outcome::Value))
}

/// The deprecated validator (section 6.3 of the reference).
pub(super) fn decode_id_token(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let mut text = |name: &str| turn.args.take_text(name);
    let texts = (text("id_token"), text("client_id"), text("issuer"), text("nonce"));
    let (Ok(Some(id_token)), Ok(client_id), Ok(issuer), Ok(nonce)) = texts else {
        return Ok(Outcome::refused_by_type("every argument must be a text"));
    };
    let now = match turn.args.take("now") {
        Argument::None => stage.now(),
        Argument::Number(now) => UnixTime(now.as_f64().unwrap_or_default() as u64),
        _ => return Ok(Outcome::refused_by_type("now must be a number")),
    };
    turn.args.finish()?;
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (client_id, issuer, nonce) = (filled(&client_id), filled(&issuer), filled(&nonce));
    let expected = Expected { client_id: client_id.as_deref(), issuer: issuer.as_deref(), nonce: nonce.as_deref() };
    Ok(match jose::id_token::decode_id_token(&id_token, &expected, now) {
        Ok(decoded) => Outcome::Value(Value::Object(decoded.claims.as_map().clone())),
        Err(why) => Outcome::Failed(why.into()),
    })
}

/// The certificates of a text, as they go into `x5c` (section 7.1 of the reference).
pub(super) fn extract_certs(_: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let text = turn.args.take("public_cert_content");
    turn.args.finish()?;
    let Argument::Text(text) = text else { return Ok(Outcome::refused_by_type("a certificate must be a text")) };
    Ok(match cert::extract_certs(&text) {
        Ok(certs) => Outcome::Value(json!(certs)),
        Err(why) => Outcome::Failed(why.into()),
    })
}

/// `PopAuthScheme` (section 8.1 of the reference).
pub(super) fn pop_auth_scheme(_: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let taken = (|| {
        let mut text = |name: &str| Ok(turn.args.take_text(name)?.unwrap_or_default());
        Ok((text("http_method")?, text("url")?, text("nonce")?))
    })();
    let (method, url, nonce) = match taken {
        Ok(taken) => taken,
        Err(outcome) => return Ok(outcome),
    };
    turn.args.finish()?;
    Ok(match PopAuthScheme::new(&method, &url, &nonce) {
        Ok(scheme) => {
            Outcome::Value(json!({ "http_method": scheme.http_method(), "url": scheme.url(), "nonce": scheme.nonce() }))
        }
        Err(why) => Outcome::Failed(sansal::Error::from(why).into()),
    })
}

/// `is_pop_supported` (section 8.2 of the reference).
pub(super) fn is_pop_supported(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    turn.args.finish()?;
    // The reference says no by returning `None`.
    Ok(match stage.app(turn.on)?.client.is_pop_supported() {
        true => Outcome::Value(json!(true)),
        false => Outcome::NONE,
    })
}
