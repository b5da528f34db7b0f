//! `sansal`: tokens of the Microsoft identity platform and any OpenID Connect provider, from the command line.

mod certs;
mod decode;
mod dates;
mod demo;
mod failure;
mod input;
mod output;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tokens of the Microsoft identity platform and any OpenID Connect provider.
#[derive(Parser)]
#[command(name = "sansal", version, about, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows a sign-in with a certificate, step by step, against a simulated platform in this process.
    Demo,
    /// Gets a token for an application itself (client credentials) and prints it.
    #[command(after_help = token::NOTES)]
    Token(token::Arguments),
    /// Shows what is in a JWT, as JSON. Verifies nothing.
    Decode(decode::Arguments),
    /// Shows certificates and private keys: names, dates, thumbprints, and which key belongs to which certificate.
    Certs(certs::Arguments),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the server refused
  2  the command or the configuration is wrong; nothing was asked for
  3  the server cannot be reached, or TLS does not trust it
  4  the server has no time now; try again later
  5  the server's answer breaks the protocol
  6  this machine failed: a file, a provider of assertions, the output";

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo => demo::run(),
        Command::Token(arguments) => token::run(arguments),
        Command::Decode(arguments) => decode::run(&arguments),
        Command::Certs(arguments) => certs::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
