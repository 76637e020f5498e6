//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Run a LoadTest of eoslab, watch it, read its report, compare two.
///
/// Exit codes: 0 where the verdict is Pass, 1 where it is Fail, 2 for anything else.
#[derive(Clone, Debug, Parser)]
#[command(name = "kubectl-eoslab", bin_name = "kubectl eoslab", version, about)]
pub struct Args {
    /// Which cluster.
    #[command(flatten)]
    pub connection: Connection,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which cluster, and where in it.
#[derive(Clone, Debug, clap::Args)]
pub struct Connection {
    /// Namespace; the context's own by default.
    #[arg(long, short, global = true)]
    pub namespace: Option<String>,
    /// Context of the kubeconfig; the current one by default.
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// The kubeconfig; $KUBECONFIG or ~/.kube/config by default.
    #[arg(long, global = true)]
    pub kubeconfig: Option<PathBuf>,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Apply LoadTests and their ChaosRuns from a file and watch them to their verdicts.
    ///
    /// Nothing is changed unless the API server would accept all specs. Exits with 0 if all pass, 1 if one fails, 2
    /// otherwise.
    Run(RunArgs),
    /// Watch a LoadTest to its verdict: a table that lives, or a line for each change where the output is no terminal.
    ///
    /// Exits with 0 for Pass, 1 for Fail, 2 otherwise.
    Watch(WatchArgs),
    /// Write the report of a LoadTest: a page that needs no other file, or JSON.
    ///
    /// Exits with 0 for Pass, 1 for Fail, 2 otherwise, also while the run goes on.
    Report(ReportArgs),
    /// Compare two runs: what differs, and whether the noise within the runs explains it.
    ///
    /// Each is a LoadTest in the cluster, or a file that `kubectl eoslab report -o json` wrote. Exits with 0 if nothing is
    /// worse in the second, 1 if something is, 2 if they cannot be compared.
    Compare(CompareArgs),
}

/// Of `run`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// File with one or more LoadTests, and ChaosRuns; - for standard input.
    #[arg(long, short)]
    pub filename: PathBuf,
    /// Delete what has the same names, with its report, and start anew. Without it, a run that is over is an error.
    #[arg(long)]
    pub replace: bool,
    /// Write the report of the first LoadTest to this file once it is over, as a page (`report -o json` gives JSON).
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How long to watch.
    #[command(flatten)]
    pub timeout: Timeout,
}

/// Of `watch`.
#[derive(Clone, Debug, clap::Args)]
pub struct WatchArgs {
    /// The LoadTest.
    pub name: String,
    /// How long to watch.
    #[command(flatten)]
    pub timeout: Timeout,
}

/// How long to watch.
#[derive(Clone, Debug, clap::Args)]
pub struct Timeout {
    /// Give up watching after so many minutes; what runs goes on.
    #[arg(long, default_value_t = 60, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=1440))]
    timeout: u64,
}

impl Timeout {
    /// The same as a duration.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.timeout * 60)
    }
}

/// Form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One page.
    #[default]
    Html,
    /// As `report.schema.json` says.
    Json,
}

/// Of `report`.
#[derive(Clone, Debug, clap::Args)]
pub struct ReportArgs {
    /// The LoadTest.
    pub name: String,
    /// Form of the report.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Format,
    /// File to write to; - for standard output. By default <name>-report.html or .json in this directory.
    #[arg(long, short)]
    pub file: Option<PathBuf>,
}

/// Of `compare`.
#[derive(Clone, Debug, clap::Args)]
pub struct CompareArgs {
    /// The run to compare with: a LoadTest, or a report's JSON file.
    pub a: String,
    /// The run to judge.
    pub b: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Args::command().debug_assert();
    }
}
