//! The one thread that starts processes.
//!
//! A node is bound to the life of the harness by the kernel's parent-death signal (`cli/guard.rs`), and for the kernel the parent is the
//! *thread* that forked. Runtime threads come and go; this one lives as long as the harness does.

use std::io;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use tokio::sync::oneshot;

use crate::ledger::{Ledger, MARK};

type Request = (Command, oneshot::Sender<io::Result<Child>>);

/// A handle to the thread.
#[derive(Clone, Debug)]
pub(crate) struct Spawner {
    requests: Sender<Request>,
    ledger: Arc<Ledger>,
}

impl Spawner {
    /// What it starts is noted in the ledger before anybody is told of it.
    pub(crate) fn start(ledger: Arc<Ledger>) -> io::Result<Self> {
        let (requests, queue) = channel::<Request>();
        let book = ledger.clone();
        std::thread::Builder::new().name("spawner".into()).spawn(move || {
            for (mut command, reply) in queue {
                let _ = reply.send(spawn(&mut command, &book));
            }
            drop(book);
            // All handles are gone, but the nodes may not be: their lives hang on this thread.
            loop {
                std::thread::park();
            }
        })?;
        Ok(Self { requests, ledger })
    }

    /// Where it is noted what was started.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Starts a process. Blocks for as long as that takes, which is a few milliseconds.
    pub(crate) fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, child) = oneshot::channel();
        self.requests.send((command, reply)).expect("the spawner never ends");
        tokio::task::block_in_place(|| child.blocking_recv()).expect("the spawner always replies")
    }
}

fn spawn(command: &mut Command, ledger: &Ledger) -> io::Result<Child> {
    let mut child = command.env(MARK, ledger.mark()).spawn()?;
    if let Err(error) = ledger.started(child.id()) {
        // What cannot be noted may not be.
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok(child)
}
