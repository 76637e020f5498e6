use std::process::{Command, Stdio};

/// How a call of the plugin ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// `kubectl eoslab`, not started yet; kubectl finds the plugin in the folder of the embedded cluster's programs.
pub fn eoslab_command(args: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    command.arg("eoslab").args(args).stdin(Stdio::null());
    command
}

/// Runs `kubectl eoslab`.
///
/// # Errors
/// When it cannot be run at all.
pub fn eoslab(args: &[&str]) -> Result<Ended, String> {
    ended(&mut eoslab_command(args))
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be run at all.
pub fn ended(command: &mut Command) -> Result<Ended, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    Ok(Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
