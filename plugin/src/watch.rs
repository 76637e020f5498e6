//! `watch`: a table that lives on a terminal, a line for each change elsewhere.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::Duration;

use crossterm::{cursor, execute, queue, style, terminal};
use eoslab_api::Verdict;
use tokio::time::Instant;

use crate::Outcome;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::table;

/// From one look to the next.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// How long the API server may be away.
const PATIENCE: Duration = Duration::from_secs(60);
/// Width where the terminal does not tell.
const WIDTH: u16 = 100;

/// Watches a LoadTest until it has a verdict.
pub async fn watch(cluster: &Cluster, name: &str, deadline: Instant) -> Result<Outcome, Error> {
    let mut shown = Shown::default();
    // A wrong name or cluster is told at once.
    cluster.loadtest(name).await?;
    let mut patience = Patience::default();
    loop {
        if let Some(loadtest) = patience.of(cluster.loadtest(name).await)? {
            let runs = cluster.chaos_runs(&loadtest).await;
            let summary = table::summary(&loadtest);
            shown.show(&table::lines(&loadtest, &runs), &summary)?;
            let verdict = loadtest.status.map_or(Verdict::Pending, |status| status.verdict);
            if verdict != Verdict::Pending {
                // The table cuts its lines.
                shown.end(&summary)?;
                return Ok(outcome(verdict));
            }
        }
        if Instant::now() > deadline {
            return Err(Error::Timeout("LoadTest", name.to_owned()));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Puts up with an API server that is away for a while: the run does not end with it.
#[derive(Default)]
pub struct Patience {
    failing_since: Option<Instant>,
}

impl Patience {
    /// What was answered; `None` where nothing was and it may pass.
    pub fn of<T>(&mut self, answer: Result<T, Error>) -> Result<Option<T>, Error> {
        match answer {
            Ok(answer) => {
                self.failing_since = None;
                Ok(Some(answer))
            }
            Err(error) if error.may_pass() => {
                let since = *self.failing_since.get_or_insert_with(|| {
                    eprintln!("{error}; trying again");
                    Instant::now()
                });
                if since.elapsed() < PATIENCE {
                    Ok(None)
                } else {
                    Err(error)
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// What a verdict means for the exit code.
pub fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Pass => Outcome::Pass,
        Verdict::Fail => Outcome::Fail,
        Verdict::Pending | Verdict::Inconclusive | Verdict::Aborted | Verdict::Error => Outcome::Other,
    }
}

/// What stands on the screen.
#[derive(Default)]
struct Shown {
    lines: u16,
    summary: String,
}

impl Shown {
    fn show(&mut self, lines: &[String], summary: &str) -> Result<(), Error> {
        match stdout().is_terminal() {
            true => self.redraw(lines),
            false if self.summary != summary => {
                self.summary = summary.to_owned();
                Ok(writeln!(stdout(), "{summary}")?)
            }
            false => Ok(()),
        }
    }

    /// Says whole how it ended.
    fn end(&self, summary: &str) -> Result<(), Error> {
        match stdout().is_terminal() {
            true => Ok(writeln!(stdout(), "{summary}")?),
            false => Ok(()),
        }
    }

    /// Writes over what was written before. Lines are cut, for one that wraps would be two the next time.
    fn redraw(&mut self, lines: &[String]) -> Result<(), Error> {
        let (columns, rows) = terminal::size().unwrap_or((0, 0));
        let width = if columns > 0 { columns } else { WIDTH } as usize;
        // What has left the top of the screen cannot be written over.
        let most = if rows > 1 { rows as usize - 1 } else { lines.len() };
        let lines = &lines[..lines.len().min(most)];
        let mut out = stdout();
        if self.lines > 0 {
            queue!(out, cursor::MoveToPreviousLine(self.lines))?;
        }
        queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
        for line in lines {
            let cut: String = line.chars().take(width - 1).collect();
            queue!(out, style::Print(cut), style::Print("\n"))?;
        }
        self.lines = lines.len() as u16;
        execute!(out)?;
        Ok(())
    }
}
