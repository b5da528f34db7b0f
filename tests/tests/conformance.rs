//! The recordings of this repository, played. `must_pass.txt` says which must come out as recorded, and only grows.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may"
)]

use std::collections::BTreeMap;
use std::path::Path;

use sansal_tests::conformance::deviations::Rules;
use sansal_tests::conformance::player::Verdict;
use sansal_tests::conformance::report::{Report, test_certs, test_recorded, test_rules, test_transcripts};
use sansal_tests::conformance::tape::Tapes;

fn rules() -> Rules {
    Rules::parse(&std::fs::read_to_string(test_rules()).unwrap()).unwrap()
}

fn must_pass() -> BTreeMap<String, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/must_pass.txt");
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.is_sorted(), "must_pass.txt is not sorted");
    lines.iter().map(|line| line.split_once(' ').unwrap()).map(|(name, how)| (name.into(), how.into())).collect()
}

#[test]
fn recordings_come_out_as_listed() {
    let rules = rules();
    let report = Report::play(&test_transcripts(), &test_certs(), None, &rules).unwrap();
    println!("{report}");
    let listed = must_pass();
    let mut complaints = Vec::new();
    for (name, verdict) in &report.verdicts {
        let now = match verdict {
            Verdict::Passed => "pass",
            Verdict::Deviating(_) => "deviate",
            Verdict::Failed(_) | Verdict::Unsupported(_) => "-",
        };
        match listed.get(name).map(String::as_str) {
            Some(then) if then == now => {}
            Some(then) => complaints.push(format!("{name} should {then}, but: {verdict:?}")),
            None if now == "-" => {}
            None => complaints.push(format!("to be added to must_pass.txt: {name} {now}")),
        }
    }
    let gone = listed.keys().filter(|name| !report.verdicts.contains_key(*name));
    complaints.extend(gone.map(|name| format!("{name} is listed, but there is no such recording")));
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Those of tests/lab/record.py: each has come out once, or it would not be here.
#[test]
fn what_was_recorded_here_comes_out() {
    let report = Report::play(&test_recorded(), &test_certs(), None, &rules()).unwrap();
    let is_right = |verdict: &Verdict| matches!(verdict, Verdict::Passed | Verdict::Deviating(_));
    let wrong: Vec<_> = report.verdicts.iter().filter(|(_, verdict)| !is_right(verdict)).collect();
    assert!(wrong.is_empty() && report.verdicts.len() >= 200, "{wrong:#?} of {}", report.verdicts.len());
}

#[test]
fn every_rule_is_needed() {
    let rules = rules();
    let mut used = Report::play(&test_transcripts(), &test_certs(), None, &rules).unwrap().used_rules();
    used.extend(Report::play(&test_recorded(), &test_certs(), None, &rules).unwrap().used_rules());
    let unused = rules.list().iter().enumerate().filter(|(at, _)| !used.contains(at));
    let unused: Vec<_> = unused.map(|(_, rule)| format!("{}: {}", rule.id, rule.why)).collect();
    assert!(unused.is_empty(), "rules that no recording needs:\n{}", unused.join("\n"));
}

/// What is played again elsewhere (tests/run firmware) is what was played against the recordings.
#[test]
fn tapes_say_what_was_played() {
    let tapes = Tapes::of(&test_transcripts(), &test_certs(), "client_credentials", &rules()).unwrap();
    assert_eq!(sansal_replay::play(tapes.lines.as_bytes()).unwrap(), tapes.told);
    assert!(tapes.told.recordings >= 61 && tapes.told.steps >= 539, "{}", tapes.told);
    // Everything but files that a device has no reader for.
    assert_eq!(tapes.left_out.len(), 7);
    assert!(tapes.left_out.keys().all(|name| name.contains("__pfx__")), "{:?}", tapes.left_out);
    // Whatever is heard otherwise comes out otherwise.
    let other = tapes.lines.replace("3599", "3598").replacen("AT1", "AT2", 1);
    assert_ne!(other, tapes.lines);
    assert_ne!(sansal_replay::play(other.as_bytes()).unwrap().digest, tapes.told.digest);
    assert_eq!(sansal_replay::play(b"{}").unwrap_err().to_string(), "the tape is broken: it has no name");
}

/// The program: one clear line for a call that cannot be, a count for what can.
#[test]
fn oracle_on_the_command_line() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle");
    let transcripts = folder.join("transcripts");
    std::fs::create_dir_all(&transcripts).unwrap();
    let name = "decode_part__already_padded.json";
    std::fs::copy(test_transcripts().join(name), transcripts.join(name)).unwrap();
    let certs = test_certs();
    let run = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_oracle"))
            .args(args)
            .args(["--certs", certs.to_str().unwrap()])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text.trim_end().to_string())
    };
    let here = transcripts.to_str().unwrap();
    assert_eq!(
        run(&[here]),
        (0, "decode_part 1 0 0 0\noracle: 1 passed, 0 deviating, 0 failed, 0 unsupported of 1".into())
    );
    for (args, complaint) in [
        (vec![], "which folder"),
        (vec!["/no/such/folder"], "is not a folder"),
        (vec![here, "more"], "too many"),
        (vec![here, "--verbos"], "no option --verbos"),
        (vec![here, "--area", "nowhere"], "no area nowhere"),
        (vec![here, "--deviations", "/no/such/file"], "/no/such/file"),
        (vec![folder.to_str().unwrap()], "no transcript"),
    ] {
        let (code, text) = run(&args);
        assert!(code == 2 && text.contains(complaint), "{args:?}: {code} {text}");
    }
    std::fs::write(transcripts.join("decode_part__broken.json"), "{").unwrap();
    std::fs::write(transcripts.join("decode_part__bytes.json"), [0xFF, 0xFE]).unwrap();
    let (code, text) = run(&[here, "--verbose"]);
    assert_eq!(code, 1);
    assert!(text.contains("failed decode_part__broken: not a transcript") && text.contains("cannot be read"), "{text}");
    assert!(text.ends_with("oracle: 1 passed, 0 deviating, 2 failed, 0 unsupported of 3"), "{text}");
    std::fs::remove_dir_all(folder).unwrap();
}
