//! What both ways to read and write JSON have to do.

use super::*;
use alloc::borrow::ToOwned;
use alloc::format;

#[test]
fn objects() {
    let deep = "[".repeat(MAX_JSON_DEPTH + 1);
    let cases: &[(&str, Result<usize, JsonError>)] = &[
        ("{}", Ok(0)),
        (r#"{"a":1,"b":"]}"}"#, Ok(2)),
        ("[]", Err(JsonError::NotAnObject)),
        ("", Err(JsonError::Malformed)),
        ("{}x", Err(JsonError::Malformed)),
        ("\u{feff}{}", Err(JsonError::Malformed)),
        ("{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":1}", Err(JsonError::TooLong)),
        (&deep, Err(JsonError::TooDeep)),
    ];
    for (text, expected) in cases {
        assert_eq!(parse_object(text.as_bytes(), 64).map(|m| m.len()), *expected, "{text}");
    }
}

/// What the reader for devices makes of a text, as `serde_json` has it.
fn on_devices(text: &[u8], distinct: bool) -> Result<Value, JsonError> {
    let value = whole(text, distinct)?;
    let written = format!("{value}");
    assert_eq!(whole(written.as_bytes(), distinct).as_ref(), Ok(&value), "what it writes it reads the same");
    Ok(serde_json::from_str(&written).unwrap())
}

#[test]
fn both_readers_read_the_same() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let (deep, deeper, bad) = (nested(MAX_JSON_DEPTH), nested(MAX_JSON_DEPTH + 1), "[x".to_owned() + &"[".repeat(99));
    for text in [
        // Values, and space between them.
        "null",
        "true",
        "false",
        "{}",
        "[]",
        "\"\"",
        " \t\r\n{ \"a\" : [ 1 , { } ] , \"b\" : null } ",
        "[[],[[]],{}]",
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "truefalse",
        "{}{}",
        "{}x",
        "[1 2]",
        "[1,]",
        "[,1]",
        "[,]",
        "{,}",
        "{\"a\":1,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\" 1}",
        "{a:1}",
        "{7:1}",
        "{\"a\":1 \"b\":2}",
        "[",
        "{",
        "]",
        "}",
        "[}",
        "{]",
        "[1",
        "{\"a\":1",
        "\u{b}1",
        "\u{feff}{}",
        "\u{a0}1",
        "/**/1",
        // Texts (RFC 8259 s7).
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u0000\u001f\u0041\u00e9\u20AC\uFFFF""#,
        r#""\ud83d\ude00 \uD83D\uDE00""#,
        r#""\udbff\udfff""#,
        "\"\u{7f}\u{e9}\u{1f600}\u{2028}\"",
        r#""\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        r#""\ud83d\ud83d""#,
        r#""\ude00""#,
        r#""\u12""#,
        r#""\u123""#,
        r#""\u123g""#,
        r#""\u+123""#,
        r#""\x""#,
        r#""\""#,
        r#""\"#,
        "\"",
        "\"a",
        "'a'",
        "\"\t\"",
        "\"\n\"",
        "\"\0\"",
        "\"a\u{1f}\"",
        r#"{"\u0061":1}"#,
        r#""\u00e9\u00""#,
        "\"\\\u{e9}\"",
        "\"\\u00\u{e9}\"",
        // Numbers (s6).
        "0",
        "-0",
        "7",
        "-7",
        "10",
        "01",
        "-01",
        "00",
        "+1",
        "-",
        "--1",
        ".5",
        "5.",
        "-.5",
        "0.5",
        "1.25",
        "1e2",
        "1E+2",
        "1e-2",
        "1e",
        "1e+",
        "1.e2",
        "1.5e3",
        "0x1",
        "1_0",
        "Infinity",
        "NaN",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "1e308",
        "1e309",
        "-1e999",
        "1.7976931348623157e308",
        "1.8e308",
        "0e999",
        "0.0e-999",
        "1e-999",
        "17976931348623157e292",
        "18e307",
        "0.0000000001e318",
        "0.0000000001e319",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "0e99999999999999999999",
        "9.99",
        // Names that repeat: the last one counts.
        r#"{"a":1,"a":2}"#,
        r#"{"b":0,"a":1,"b":1,"a":2,"b":2,"c":3}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"[{"a":{"b":1,"b":1}}]"#,
        r#"{"a":1,"a":1"#,
        r#"{"z":1,"y":2,"x":3,"":4}"#,
        &deep,
        &deeper,
        &bad,
    ] {
        let expected = parse(text.as_bytes(), 1000);
        let got = check_depth(text.as_bytes()).and_then(|()| on_devices(text.as_bytes(), false));
        assert_eq!(got, expected, "{text}");
        let expected = parse_distinct(text.as_bytes(), 1000).map(|all| Value::Object(all.as_map().clone()));
        let got = match on_devices(text.as_bytes(), true) {
            Ok(value) if !value.is_object() => Err(JsonError::NotAnObject),
            other => other,
        };
        assert_eq!(got, expected, "{text}, each name once");
    }
    assert_eq!(on_devices(b"\"\xFF\"", false), Err(JsonError::Malformed));
}

#[test]
fn numbers_without_arithmetic_of_fractions() {
    for text in [
        "0",
        "-0",
        "0.0",
        "-0.00",
        "0e5",
        "3600",
        "-5",
        "3600.9",
        "-3600.9",
        "0.9",
        "-0.9",
        "36e2",
        "3.6009e3",
        "36000e-1",
        "1e-5",
        "1e300",
        "-1e300",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "1e18",
        "1e19",
        "-1e19",
        "18446744073709551615",
        "0.00000000000000000001e20",
        "123456789012345678901234567890e-20",
        "1e-99999999999999999999",
        "922337203685477580.7e1",
        "0e99999999999999999999",
    ] {
        let (Ok(Value::Number(number)), Ok(tree::Value::Number(own))) =
            (serde_json::from_str(text), whole(text.as_bytes(), false))
        else {
            panic!("{text} is a number");
        };
        assert_eq!(own.whole(), whole_number(&number), "{text}");
        assert_eq!(own.is_zero(), is_zero(&number) && !text.starts_with('1'), "{text}");
        assert_eq!(tree::Value::Number(own).as_u64(), number.as_u64(), "{text}");
    }
}

#[test]
fn names_that_repeat() {
    let cases = [
        (r#"{"a":1,"b":[{"a":-1},{"a":2.5}],"c":null,"d":true,"e":"\u00e9","f":18446744073709551616}"#, Ok(6)),
        (r#"{"a":1,"a":1}"#, Err(JsonError::Repeated)),
        (r#"{"a":1,"\u0061":2}"#, Err(JsonError::Repeated)),
        (r#"{"b":[{"c":{"d":"x","d":true}}]}"#, Err(JsonError::Repeated)),
        (r#"["a"]"#, Err(JsonError::NotAnObject)),
        (r#"{"a":1}x"#, Err(JsonError::Malformed)),
        (r#"{"a":1"#, Err(JsonError::Malformed)),
        (r#"{"a":1e999}"#, Err(JsonError::Malformed)),
    ];
    for (text, expected) in cases {
        let parsed = parse_distinct(text.as_bytes(), 100);
        if let Ok(members) = &parsed {
            assert_eq!(Ok(members), parse_object(text.as_bytes(), 100).as_ref(), "{text}");
        }
        assert_eq!(parsed.map(|members| members.len()), expected, "{text}");
    }
    assert_eq!(parse_distinct(b"{}", 1), Err(JsonError::TooLong));
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    for (depth, expected) in [(MAX_JSON_DEPTH - 1, Ok(1)), (MAX_JSON_DEPTH, Err(JsonError::TooDeep))] {
        assert_eq!(parse_distinct(nested(depth).as_bytes(), 1000).map(|members| members.len()), expected);
        assert_eq!(parse_object(nested(depth).as_bytes(), 1000).map(|members| members.len()), expected);
    }
}

#[test]
fn debug_shows_names_only() {
    let members = parse_object(br#"{"access_token":"planted"}"#, 64).unwrap();
    assert_eq!(format!("{members:?}"), r#"Members{"access_token"}"#);
}
