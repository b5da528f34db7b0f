//! `tapes AREA [FILE]`: plays the recordings of an area, checks that `sansal-replay` does the same with their tapes, says what came
//! of it, and writes the tapes into a file, for the machines on which they are played again.
//!
//! Exit status: 0 when both did the same, 1 otherwise, 2 for a call that cannot be.

use std::process::ExitCode;

use sansal_tests::conformance::deviations::Rules;
use sansal_tests::conformance::report::{test_certs, test_rules, test_transcripts};
use sansal_tests::conformance::tape::Tapes;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [area] => run(area, None),
        [area, file] => run(area, Some(file)),
        _ => Err("usage: tapes AREA [FILE]".into()),
    };
    done.unwrap_or_else(|why| {
        eprintln!("tapes: {why}");
        ExitCode::from(2)
    })
}

fn run(area: &str, file: Option<&String>) -> Result<ExitCode, String> {
    let rules = test_rules();
    let rules = std::fs::read_to_string(&rules).map_err(|why| format!("{}: {why}", rules.display()))?;
    let tapes = Tapes::of(&test_transcripts(), &test_certs(), area, &Rules::parse(&rules)?)?;
    let again = sansal_replay::play(tapes.lines.as_bytes()).map_err(|why| why.to_string())?;
    for (name, why) in &tapes.left_out {
        eprintln!("left out: {name}: {why}");
    }
    if let Some(file) = file {
        std::fs::write(file, &tapes.lines).map_err(|why| format!("{file}: {why}"))?;
    }
    println!("{again}");
    if again == tapes.told {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tapes: played against the recordings the core did something else: {}", tapes.told);
    Ok(ExitCode::FAILURE)
}
