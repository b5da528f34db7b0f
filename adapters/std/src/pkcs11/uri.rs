//! PKCS#11 URIs (RFC 7512), as far as they name a private key, its module and where the PIN is.

use std::fs::File;
use std::path::Path;

use sansal::Secret;

use super::{Pkcs11Error, Pkcs11Key, Pkcs11KeyBuilder};
use crate::local_files::bounded;

/// Bytes of a URI at the most.
const MAX_URI: usize = 4096;
/// Bytes of a PIN's file at the most; tokens take some 255.
const MAX_PIN: usize = 4096;

/// Reads a URI; the PIN from its file, if it names one.
pub(super) fn parse(uri: &str) -> Result<Pkcs11KeyBuilder, Pkcs11Error> {
    let bad = Pkcs11Error::Uri;
    if uri.len() > MAX_URI {
        return Err(bad("it is too long"));
    }
    let rest = uri.strip_prefix("pkcs11:").ok_or(bad("it does not begin with pkcs11:"))?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (mut module, mut pin_source) = (None, None);
    for (name, value) in pairs(query, '&')? {
        match name {
            "module-path" if module.is_none() => module = Some(text(value)?),
            "pin-source" if pin_source.is_none() => pin_source = Some(text(value)?),
            "pin-value" => return Err(bad("pin-value; addresses are seen by others: use pin-source")),
            "module-path" | "pin-source" => return Err(bad("an attribute comes twice")),
            _ => return Err(bad("an attribute of the query is neither module-path nor pin-source")),
        }
    }
    let module = module.ok_or(bad("it has no module-path"))?;
    let mut builder = Pkcs11Key::builder(&module);
    let mut seen = Vec::new();
    for (name, value) in pairs(path, ';')? {
        if seen.contains(&name) {
            return Err(bad("an attribute comes twice"));
        }
        seen.push(name);
        builder = match name {
            "token" => builder.token(&text(value)?),
            "serial" => builder.serial(&text(value)?),
            "slot-id" => builder.slot(value.parse().map_err(|_| bad("slot-id is not a number"))?),
            "object" => builder.label(&text(value)?),
            "id" => builder.id(&decoded(value)?),
            "type" if value == "private" => builder,
            "type" => return Err(bad("its type is not private")),
            _ => return Err(bad("an attribute is none of token, serial, slot-id, object, id, type")),
        };
    }
    match pin_source {
        None => Ok(builder),
        Some(source) => Ok(builder.pin(read_pin(&source)?)),
    }
}

/// A file, as a path or as a `file:` URI without a host; what is behind the last line break does not count.
fn read_pin(source: &str) -> Result<Secret, Pkcs11Error> {
    if source.starts_with('|') {
        return Err(Pkcs11Error::Uri("pin-source is a command"));
    }
    let path = source.strip_prefix("file://").or_else(|| source.strip_prefix("file:")).unwrap_or(source);
    let path = Path::new(path);
    let bytes = File::open(path).and_then(|file| bounded(file, MAX_PIN));
    let bytes = bytes.map_err(|error| Pkcs11Error::PinFile { path: path.to_owned(), kind: error.kind() })?;
    let text =
        std::str::from_utf8(bytes.expose()).map_err(|_| Pkcs11Error::Uri("the PIN in pin-source is not text"))?;
    Ok(Secret::from(text.trim_end_matches(['\r', '\n'])))
}

fn pairs(list: &str, between: char) -> Result<Vec<(&str, &str)>, Pkcs11Error> {
    let pairs = list.split(between).filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').ok_or(Pkcs11Error::Uri("an attribute has no value"))).collect()
}

fn text(value: &str) -> Result<String, Pkcs11Error> {
    String::from_utf8(decoded(value)?).map_err(|_| Pkcs11Error::Uri("a value is not UTF-8"))
}

/// Percent-decoded (RFC 3986 s2.1).
fn decoded(value: &str) -> Result<Vec<u8>, Pkcs11Error> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let number = digit(bytes.next()).zip(digit(bytes.next()));
                let number = number.and_then(|(high, low)| u8::try_from(high.checked_mul(16)?.checked_add(low)?).ok());
                number.ok_or(Pkcs11Error::Uri("a percent sign without two hexadecimal digits"))?
            }
            byte => byte,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        // RFC 7512 s3, with the module that ours must have; the rest is what is refused.
        let cases = [
            ("pkcs11:object=my-key;type=private?module-path=/m.so", Ok("\"my-key\" in /m.so")),
            (
                "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;id=%69%95%3e%00?module-path=/m.so",
                Ok("with the id 69953e00 in /m.so"),
            ),
            (
                "pkcs11:token=t;serial=s;slot-id=7;object=%C3%A9;id=a?module-path=/m.so",
                Ok("\"é\" with the id 61 in /m.so"),
            ),
            ("pkcs11:?module-path=/m.so", Ok("of any name in /m.so")),
            ("PKCS11:object=a?module-path=/m.so", Err("it does not begin with pkcs11:")),
            ("pkcs11:object=a", Err("it has no module-path")),
            (
                "pkcs11:object=a?module-path=/m.so&pin-value=1234",
                Err("pin-value; addresses are seen by others: use pin-source"),
            ),
            ("pkcs11:object=a?module-path=/m.so&module-path=/n.so", Err("an attribute comes twice")),
            ("pkcs11:object=a;object=b?module-path=/m.so", Err("an attribute comes twice")),
            ("pkcs11:object=a;type=cert?module-path=/m.so", Err("its type is not private")),
            ("pkcs11:object?module-path=/m.so", Err("an attribute has no value")),
            ("pkcs11:object=%4?module-path=/m.so", Err("a percent sign without two hexadecimal digits")),
            ("pkcs11:object=%FF?module-path=/m.so", Err("a value is not UTF-8")),
            ("pkcs11:slot-id=x?module-path=/m.so", Err("slot-id is not a number")),
            (
                "pkcs11:x-vendor=a?module-path=/m.so",
                Err("an attribute is none of token, serial, slot-id, object, id, type"),
            ),
            (
                "pkcs11:object=a?module-path=/m.so&module-name=n",
                Err("an attribute of the query is neither module-path nor pin-source"),
            ),
            ("pkcs11:object=a?module-path=/m.so&pin-source=|cat", Err("pin-source is a command")),
        ];
        for (uri, expected) in cases {
            let got = parse(uri).map(|builder| format!("{builder:?}"));
            let expected = match expected {
                Ok(text) => Ok(format!("Pkcs11KeyBuilder({text})")),
                Err(why) => Err(Pkcs11Error::Uri(why)),
            };
            assert_eq!(got, expected, "{uri}");
        }
        assert_eq!(
            parse(&format!("pkcs11:object={}", "a".repeat(MAX_URI))).err(),
            Some(Pkcs11Error::Uri("it is too long"))
        );
        let gone = parse("pkcs11:?module-path=/m.so&pin-source=file:/nonexistent/pin").unwrap_err();
        assert!(matches!(gone, Pkcs11Error::PinFile { kind: std::io::ErrorKind::NotFound, .. }));
        #[cfg(unix)]
        {
            let endless = parse("pkcs11:?module-path=/m.so&pin-source=/dev/zero").unwrap_err();
            assert!(matches!(endless, Pkcs11Error::PinFile { kind: std::io::ErrorKind::FileTooLarge, .. }));
        }
    }
}
