//! The threads that send: one for each client.

use std::io;
use std::thread;

use tokio::sync::mpsc;

use crate::worker::{Ended, Worker};

/// How all sending threads together ended.
pub enum Finished {
    /// They sent everything.
    Done,
    /// The process is to end.
    Asked,
    /// The run is to end.
    Told,
    /// A client failed for good: why.
    Fatal(String),
}

/// The sending threads; each reports its end through the channel.
pub struct Threads {
    ends: mpsc::UnboundedReceiver<Ended>,
}

impl Threads {
    /// A thread for each worker.
    ///
    /// # Errors
    /// When one cannot be started; those before it go on.
    pub fn start(workers: Vec<Worker>) -> io::Result<Self> {
        let (sender, ends) = mpsc::unbounded_channel();
        for worker in workers {
            let last_will = LastWill {
                sender: sender.clone(),
                ended: None,
            };
            let name = format!("loadgen-{}", worker.index);
            let work = move || {
                let mut last_will = last_will;
                last_will.ended = Some(worker.run());
            };
            thread::Builder::new().name(name).spawn(work)?;
        }
        Ok(Self { ends })
    }

    /// Waits for all of them; ends early if one failed for good.
    pub async fn all(&mut self) -> Finished {
        let mut finished = Finished::Done;
        while let Some(ended) = self.ends.recv().await {
            match ended {
                Ended::Done => {}
                Ended::Stopped => finished = Finished::Asked,
                Ended::Fatal(why) => return Finished::Fatal(why),
            }
        }
        finished
    }
}

/// Tells how a thread ended, also when it panicked.
struct LastWill {
    sender: mpsc::UnboundedSender<Ended>,
    ended: Option<Ended>,
}

impl Drop for LastWill {
    fn drop(&mut self) {
        let ended = self
            .ended
            .take()
            .unwrap_or_else(|| Ended::Fatal("a sending thread panicked".into()));
        // Nobody listens any more only when the process is about to exit.
        let _ = self.sender.send(ended);
    }
}
