//! `oracle DIR [--certs DIR] [--area NAME] [--deviations FILE] [--verbose]`: plays a folder of recordings.
//!
//! Exit status: 0 when nothing failed and everything is supported, 1 otherwise, 2 for a call that cannot be.

use std::path::PathBuf;
use std::process::ExitCode;

use sansal_tests::conformance::deviations::Rules;
use sansal_tests::conformance::report::{Report, certs_beside, test_rules};

const USAGE: &str = "usage: oracle DIR [--certs DIR] [--area NAME] [--deviations FILE] [--verbose]";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("oracle: {why}");
            ExitCode::from(2)
        }
    }
}

#[derive(Default)]
struct Options {
    folder: Option<PathBuf>,
    certs: Option<PathBuf>,
    area: Option<String>,
    deviations: Option<PathBuf>,
    verbose: bool,
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
        match arg.as_str() {
            "--certs" => options.certs = Some(value()?.into()),
            "--area" => options.area = Some(value()?),
            "--deviations" => options.deviations = Some(value()?.into()),
            "--verbose" => options.verbose = true,
            option if option.starts_with('-') => return Err(format!("there is no option {option}\n{USAGE}")),
            folder if options.folder.is_none() => options.folder = Some(folder.into()),
            more => return Err(format!("one folder at a time: {more} is too many\n{USAGE}")),
        }
    }
    Ok(options)
}

fn run(args: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    let options = parse(args)?;
    let folder = options.folder.ok_or_else(|| format!("which folder of transcripts?\n{USAGE}"))?;
    if !folder.is_dir() {
        return Err(format!("{} is not a folder", folder.display()));
    }
    let certs = match options.certs.or_else(|| certs_beside(&folder)) {
        Some(certs) if certs.is_dir() => certs,
        Some(certs) => return Err(format!("{} is not a folder", certs.display())),
        None => return Err(format!("no certs folder beside {}: name it with --certs", folder.display())),
    };
    let file = options.deviations.unwrap_or_else(test_rules);
    let text = std::fs::read_to_string(&file).map_err(|why| format!("{}: {why}", file.display()))?;
    let rules = Rules::parse(&text).map_err(|why| format!("{}: {why}", file.display()))?;
    let report = Report::play(&folder, &certs, options.area.as_deref(), &rules)?;
    if options.verbose {
        report.details(&rules).iter().for_each(|line| println!("{line}"));
    }
    println!("{report}");
    let count = report.total();
    Ok(if count.failed == 0 && count.unsupported == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
