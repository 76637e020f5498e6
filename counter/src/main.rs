//! `counter run` and `counter verify`.

use std::process::ExitCode;

use eoslab_counter::args::{Command, CounterArgs};
use eoslab_runtime::exit::{Exit, parse_args};

fn main() -> ExitCode {
    match parse_args::<CounterArgs>() {
        // For a verification, 1 means that the counts are wrong.
        Err(Exit::Error) if std::env::args().nth(1).as_deref() == Some("verify") => eoslab_counter::verify::unknown(),
        Err(exit) => exit.into(),
        Ok(CounterArgs {
            command: Command::Run(args),
        }) => eoslab_counter::run::main(*args),
        Ok(CounterArgs {
            command: Command::Verify(args),
        }) => eoslab_counter::verify::main(*args),
    }
}
