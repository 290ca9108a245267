//! The one thread that starts processes.
//!
//! A node is bound to the life of the harness by the kernel's parent-death signal (`cli/guard.rs`), and for the kernel the parent is the
//! *thread* that forked. Runtime threads come and go; this one lives as long as the harness does.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};

use tokio::sync::oneshot;

type Request = (Command, oneshot::Sender<io::Result<Child>>);

/// A handle to the thread.
#[derive(Clone, Debug)]
pub(crate) struct Spawner {
    requests: Sender<Request>,
}

impl Spawner {
    pub(crate) fn start() -> io::Result<Self> {
        let (requests, queue) = channel::<Request>();
        std::thread::Builder::new().name("spawner".into()).spawn(move || {
            for (mut command, reply) in queue {
                let _ = reply.send(command.spawn());
            }
            // All handles are gone, but the nodes may not be: their lives hang on this thread.
            loop {
                std::thread::park();
            }
        })?;
        Ok(Self { requests })
    }

    /// Starts a process. Blocks for as long as that takes, which is a few milliseconds.
    pub(crate) fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, child) = oneshot::channel();
        self.requests.send((command, reply)).expect("the spawner never ends");
        tokio::task::block_in_place(|| child.blocking_recv()).expect("the spawner always replies")
    }
}
