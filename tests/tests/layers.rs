//! The rooms of the core in layers: each file names only what stands before it (design part 3). And house rules that a
//! compiler does not check: first lines, file lengths, nothing of the host's world in the core.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms that may name each other are on one line; everything else only points upwards in this list.
const LAYERS: &[&[&str]] = &[
    &["limits"],
    &["text"],
    &["secret"],
    &["time"],
    &["entropy"],
    &["base64"],
    &["json"],
    &["key"],
    &["error"],
    // An endpoint writes its query as a form; a request has an endpoint.
    &["endpoint", "http"],
    &["xml"],
    &["jose"],
    &["cert"],
    &["pop"],
    &["client"],
    &["metadata"],
    &["token"],
    &["cache"],
    &["binding"],
    &["grant"],
    &["wstrust"],
    &["account"],
    &["issued"],
    &["telemetry"],
    &["keys"],
    &["store"],
    &["sealed"],
    &["flow"],
    &["prove"],
    &["held_key"],
    &["wanted"],
    &["call"],
    &["discover"],
    &["region"],
    &["exchange"],
    &["accept"],
    &["validate"],
    &["authorization"],
    &["device_flow"],
    &["source"],
    &["acquire"],
    &["asked"],
    &["client_credentials"],
    &["managed"],
    &["on_behalf_of"],
    &["user_fic"],
    &["refresh_token"],
    &["silent"],
    &["accounts"],
    &["authorization_code"],
    &["interactive"],
    &["device_code"],
    &["username_password"],
    &["fuzzing"],
];

fn core() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src")
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    files(&core(), &mut paths);
    paths.sort();
    assert!(paths.len() > 30, "the core's sources are where they should be");
    let all: Vec<(String, String)> = paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(core()).unwrap().to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    let of_tests: BTreeSet<String> = all.iter().flat_map(|(file, text)| test_modules(file, text)).collect();
    all.into_iter().filter(|(file, _)| !of_tests.contains(file)).collect()
}

/// Files that exist for tests only: those that a `mod` under `#[cfg(test)]` names.
fn test_modules(file: &str, text: &str) -> Vec<String> {
    let folder = match file.strip_suffix("mod.rs") {
        Some(folder) => folder.to_string(),
        None => format!("{}/", file.trim_end_matches(".rs")),
    };
    let lines: Vec<&str> = text.lines().collect();
    let named = lines.windows(2).filter(|pair| pair[0].trim() == "#[cfg(test)]");
    named.filter_map(|pair| Some(format!("{folder}{}.rs", pair[1].strip_prefix("mod ")?.strip_suffix(';')?))).collect()
}

/// The code of a file without its tests and comments: tests may look down, comments may link anywhere.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    body.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

/// Rooms named by `crate::room` anywhere in the code, also inside `use crate::{a::x, b}`.
fn named(code: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
        match rest.strip_prefix('{') {
            None => drop(out.insert(word(rest))),
            Some(group) => {
                let mut depth = 0;
                for part in group.split_inclusive([',', '{', '}']) {
                    if depth == 0 {
                        out.insert(word(part.trim_start()));
                    }
                    match part.chars().last() {
                        Some('{') => depth += 1,
                        Some('}') if depth == 0 => break,
                        Some('}') => depth -= 1,
                        _ => {}
                    }
                }
            }
        }
    }
    out.remove("");
    out
}

#[test]
fn arrows_point_one_way() {
    for (file, text) in sources() {
        if file == "lib.rs" {
            continue;
        }
        let own = layer(room(&file)).unwrap_or_else(|| panic!("{file} is in no layer of this list"));
        for other in named(&code(&text)) {
            match layer(&other) {
                Some(below) => assert!(below <= own, "{file} names {other}, which stands after it"),
                // Re-exports at the crate's root are for users; the core names rooms.
                None => panic!("{file} names crate::{other}, which is no room"),
            }
        }
    }
}

#[test]
fn lib_rs_lists_the_rooms_in_this_order() {
    let lib = fs::read_to_string(core().join("lib.rs")).unwrap();
    let rooms: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let layers: Vec<usize> =
        rooms.iter().map(|room| layer(room).unwrap_or_else(|| panic!("{room} is in no layer"))).collect();
    assert!(layers.is_sorted(), "{rooms:?}");
    assert_eq!(rooms.len(), LAYERS.iter().map(|rooms| rooms.len()).sum::<usize>());
}

#[test]
fn the_core_knows_no_host() {
    let forbidden =
        ["std::", "SystemTime", "Instant::now", "println!", "eprintln!", "dbg!", "todo!", "unimplemented!", "unsafe "];
    for (file, text) in sources() {
        for word in forbidden {
            assert!(!code(&text).contains(word), "{file} contains {word}");
        }
    }
}

#[test]
fn every_file_says_its_purpose_and_has_one() {
    for (file, text) in sources() {
        assert!(text.starts_with("//! "), "{file} does not say its purpose in its first line");
        let lines = code(&text).lines().count();
        assert!(lines <= 400, "{file} has {lines} lines of code: is there a second purpose in it?");
    }
}

#[test]
fn the_reader_of_this_test_reads() {
    let found = named("use crate::{a::{x, y}, b, c::Z};\ncrate::d::e()");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}
