//! Clients and recorder against a system that does nothing: how many operations they can ask for, get answered, and write down.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use node::client::{Client, Request, Response};
use node::kv::Answer;
use node::transport::{Authority, FRAME_BYTES_MAX, Identity, decode, encode, listening};
use quinn::{Connection, Endpoint};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::links::cpu_time;
use crate::clients::Drive;
use crate::recorder::Recorder;
use crate::workload;

/// Clients write as fast as they are answered.
const WORKLOAD: &str = "\
system: { kind: raft, nodes: 1 }
clients: { count: 32, rate: 1000000/s, routing: pinned, timeout: 5s }
workload: { kind: register, keys: 100, mix: { read: 0, write: 1, cas: 0 } }
duration: 60s
";

/// What was measured.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Recorded operations (each an invocation and a completion) a second.
    rate: f64,
    /// The part of one core that the system that does nothing took meanwhile.
    null_system: f64,
}

/// Measures for so long.
pub(crate) fn bench_recording(duration: Duration) -> anyhow::Result<Recording> {
    let directory = tempfile::tempdir()?;
    let names = ["n1".to_string(), "client".to_string()];
    Authority::new()?.write(directory.path(), &names)?;
    let file = directory.path().join("null.yaml");
    std::fs::write(&file, WORKLOAD)?;
    let workload = workload::load(&file).map_err(|error| anyhow!("{error}"))?;
    let system = NullSystem::start(directory.path())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let rate = runtime.block_on(async {
        let recorder = Arc::new(Recorder::create(&directory.path().join("history.jsonl"))?);
        let drive = Drive {
            recorder: recorder.clone(),
            client: Client::open(directory.path(), "client")?,
            addresses: BTreeMap::from([("n1".to_string(), system.address)]),
            next_process: Arc::default(),
        };
        let stop = CancellationToken::new();
        let measured = async {
            tokio::time::sleep(duration / 4).await; // Handshakes.
            let (begin, before) = (recorder.now(), answered(&recorder));
            tokio::time::sleep(duration).await;
            let done = answered(&recorder) - before;
            let rate = done as f64 / (recorder.now() - begin).as_secs_f64();
            stop.cancel();
            rate
        };
        let ((), rate) = tokio::join!(drive.run(&workload, 1, &stop), measured);
        Ok::<_, anyhow::Error>(rate)
    })?;
    let used = system.stop()?;
    Ok(Recording { rate, null_system: used.as_secs_f64() / duration.as_secs_f64() })
}

fn answered(recorder: &Recorder) -> u64 {
    recorder.counts().values().map(|counts| counts.ok).sum()
}

/// Answers every request at once, and does nothing.
struct NullSystem {
    address: SocketAddr,
    thread: std::thread::JoinHandle<anyhow::Result<Duration>>,
    stop: oneshot::Sender<()>,
}

impl NullSystem {
    fn start(certificates: &Path) -> anyhow::Result<Self> {
        let identity = Identity::load(certificates, "n1", [])?;
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let endpoint = listening(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &identity)?;
                ready.send(endpoint.local_addr()?)?;
                tokio::spawn(serve_all(endpoint));
                let begin = cpu_time();
                let _ = stopped.await;
                Ok(cpu_time().saturating_sub(begin))
            })
        });
        let address = address.recv().context("the system that does nothing did not start")?;
        Ok(Self { address, thread, stop })
    }

    fn stop(self) -> anyhow::Result<Duration> {
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the system that does nothing panicked"))?
    }
}

async fn serve_all(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            if let Ok(connection) = incoming.await {
                serve(connection).await;
            }
        });
    }
}

async fn serve(connection: Connection) {
    let done = encode(&Response::Outcome(Ok(Answer::Done)));
    while let Ok((mut send, mut receive)) = connection.accept_bi().await {
        let Ok(bytes) = receive.read_to_end(FRAME_BYTES_MAX).await else { return };
        if decode::<Request>(&bytes).is_ok() && send.write_all(&done).await.is_ok() {
            let _ = send.finish(); // Whoever asked is gone otherwise.
        }
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "clients and recorder: {:.0} recorded operations/s against a system that does nothing (which took {:.0} % of a core)",
            self.rate,
            self.null_system * 100.0
        )
    }
}
