//! The blocking host at work: asks for a token twice and says where each came from.

use sansal_tests::hosts::{Arguments, World, arguments, blocking};

fn main() {
    if let Err(why) = run() {
        eprintln!("host_blocking: {why}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let (client, trust, wanted) = (arguments.client()?, arguments.trust()?, arguments.wanted()?);
    let mut world = World::new().map_err(|why| why.to_string())?;
    for round in ["first", "second"] {
        let mut flow = wanted.flow(&client).map_err(|why| why.to_string())?;
        let token = blocking::run(&mut world, &client, &trust, &mut flow).map_err(|why| why.to_string())?;
        println!("{}", arguments::report(round, &token));
    }
    Ok(())
}
