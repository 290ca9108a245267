//! The shell around the core: a clock, a disk and a network.
//!
//! One thread owns Raft, the store and the durable log. It takes inputs in batches, and carries out the effects of a batch in the order
//! of their fields: one write and one sync for all of them. The network runs beside it on a tokio runtime and talks to it over one
//! bounded queue.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use quinn::{Connection, Endpoint, ReadToEndError, RecvStream, SendStream};
use tokio::sync::{mpsc, oneshot};

use crate::bug::Bug;
use crate::client::{Request, Response};
use crate::raft::{Config, Durable, Limits, LogIndex, Message, NodeId, Raft, Snapshot};
use crate::reads::Reads;
use crate::replica::{Parts, Replica};
use crate::storage::{self, Recovered, Repair, Settings, Storage, StoredSnapshot, TornTail};
use crate::trace::Event;
use crate::trace_file::{RunClock, TraceFile};
use crate::transport::{
    CLIENT_ALPN, Identity, PEER_ALPN, Peers, decode, encode, listening, refusal, serve_peer,
};
use crate::{kv, replica, transport};

/// Inputs that may wait for the core. Beyond it messages are dropped and requests refused.
const INPUTS_MAX: usize = 8_192;
/// The most bytes of a client's request. An entry must fit into a frame between nodes, with everything around it.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// A leader that is told to end tries for so long to hand over: a few round trips, and one election time-out saved.
const HAND_OVER_MAX: Duration = Duration::from_millis(200);
/// A node that ends waits for so long until the answers that it has given have arrived, and then for as long until all connections are closed.
const ANSWERS_MAX: Duration = Duration::from_millis(500);

/// What clients and peers are told at the end.
const NODE_ENDS: &str = "the node ends";

/// How a node is started (`docs/formats.md`, node contract).
#[derive(Clone, Debug)]
pub struct Options {
    /// The node's name.
    pub id: NodeId,
    /// Where to serve; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where this node reaches each peer.
    pub peers: BTreeMap<NodeId, SocketAddr>,
    /// The voters with which the cluster began: the same at every start of every node. Whoever is not among them waits until it is added.
    pub founders: BTreeSet<NodeId>,
    /// Where clients reach each node, for answers that name the leader.
    pub advertise: BTreeMap<NodeId, SocketAddr>,
    /// Durable state.
    pub data_dir: PathBuf,
    /// The run's certificates.
    pub certs: PathBuf,
    /// Where to write the trace, if anywhere.
    pub trace: Option<PathBuf>,
    /// How often the node has been started, from 1.
    pub incarnation: u64,
    /// Seeds the election time-outs.
    pub seed: u64,
    /// The run's zero on the machine's monotonic clock, in nanoseconds.
    pub epoch: u64,
    /// The shortest election time-out; each is drawn between this and twice as much.
    pub election_timeout: Duration,
    /// When the first election time-out ends, in nanoseconds on the run's clock.
    pub first_election_at: Option<u64>,
    /// A snapshot is taken, and the log cut, whenever so many more entries are applied.
    pub snapshot_entries: u64,
    /// How a leader makes sure that it may answer a read.
    pub reads: Reads,
    /// Whether a damaged data directory is set aside, and what it lacks is got from the others. Otherwise the node does not start on it.
    pub repair: bool,
    /// The planted bug, if any.
    pub plant: Option<Bug>,
}

/// A snapshot after so many entries, unless the options say otherwise.
pub const SNAPSHOT_ENTRIES: u64 = 8_192;

/// Why a node could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory.
    #[error("storage: {0}")]
    Storage(#[from] storage::Error),
    /// The network.
    #[error("transport: {0}")]
    Transport(#[from] transport::Error),
    /// The trace.
    #[error("trace {}: {source}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why it cannot be written.
        source: std::io::Error,
    },
    /// A snapshot, of our own or of the leader.
    #[error("snapshot: {0}")]
    Snapshot(#[from] kv::RestoreError),
    /// What stands beside the state in a snapshot of our own.
    #[error("snapshot: what it stands for cannot be read: {0}")]
    SnapshotMeta(postcard::Error),
    /// Anything else of the operating system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What the network hands to the core's thread.
pub(crate) enum Incoming {
    Peer {
        from: NodeId,
        message: Message,
    },
    Client {
        request: Request,
        reply: oneshot::Sender<Response>,
    },
    /// Something about connections, for the trace.
    Noticed(Event),
    Shutdown,
}

/// Runs a node until it is told to end (SIGTERM or SIGINT) or cannot go on. `ready` is called with the bound address once
/// the node serves.
pub fn run(options: Options, ready: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _within = runtime.enter();
    let clock = RunClock::new(options.epoch);
    let (storage, recovered) = open(&options)?;
    let trace = options.trace.as_deref();
    let trace = TraceFile::create(trace, options.id, options.incarnation, clock)?;
    let identity = Arc::new(Identity::load(
        &options.certs,
        &options.id.to_string(),
        options.peers.keys().copied(),
    )?);
    let endpoint = listening(options.listen, &identity)?;
    let (inputs, queue) = sync_channel(INPUTS_MAX);
    let peers = Peers::dial(&endpoint, &identity, &options.peers, notice(&inputs))?;
    let address = endpoint.local_addr()?;

    let (answers, mut under_way) = mpsc::channel(1);
    let door = Door { identity, inputs: inputs.clone(), answers: answers.downgrade() };
    runtime.spawn(door.accept(endpoint.clone()));
    runtime.spawn(shutdown_on_signal(inputs));
    let ticker = replica::Ticker::new(clock, options.first_election_at);
    let snapshot = recovered.snapshot.map(snapshot).transpose()?;
    let snapshot_index = snapshot.as_ref().map_or(LogIndex(0), |own| own.meta.last_index);
    let durable = Durable {
        hard_state: recovered.hard_state,
        snapshot,
        entries: recovered.entries,
        damaged_up_to: recovered.repairing,
    };
    let (raft, effects) = Raft::new(config(&options, &ticker), durable);
    let parts = Parts { raft, effects, snapshot_index, storage, trace, peers };
    let replica = Replica::new(parts, &options);
    ready(address);
    let ended = drive(replica, ticker, &queue);
    drop((answers, queue));
    runtime.block_on(async {
        let _ = tokio::time::timeout(ANSWERS_MAX, under_way.recv()).await;
        endpoint.close(0u32.into(), NODE_ENDS.as_bytes());
        let _ = tokio::time::timeout(ANSWERS_MAX, endpoint.wait_idle()).await;
    });
    ended
}

/// Opens the data directory, and tells what was wrong with it.
fn open(options: &Options) -> Result<(Storage, Recovered), Error> {
    let Options { data_dir, id, repair, .. } = options;
    let (storage, recovered) = if *repair {
        let (storage, recovered, repair) =
            Storage::open_or_repair(data_dir, *id, Settings::default())?;
        if let Some(Repair { damage, set_aside }) = repair {
            tracing::error!(%damage, set_aside = %set_aside.display(), "set the damaged data directory aside");
        }
        (storage, recovered)
    } else {
        Storage::open(data_dir, *id)?
    };
    if let Some(TornTail { path, offset, bytes }) = &recovered.torn_tail {
        tracing::warn!(path = %path.display(), offset, bytes, "cut off a write that a crash had interrupted");
    }
    if let Some(up_to) = recovered.repairing {
        tracing::warn!(%up_to, "the log is incomplete: no votes until it has everything up to there again");
    }
    Ok((storage, recovered))
}

/// A snapshot as Raft knows it.
fn snapshot(stored: StoredSnapshot) -> Result<Snapshot, Error> {
    let meta = postcard::from_bytes(&stored.metadata).map_err(Error::SnapshotMeta)?;
    Ok(Snapshot { meta, data: stored.data.into() })
}

fn config(options: &Options, ticker: &replica::Ticker) -> Config {
    let limits = Limits::default();
    // A log that is cut often for the sake of a test keeps less, so that snapshots are needed too.
    let retained_entries = limits.retained_entries.min(options.snapshot_entries / 4);
    let election_timeout_ticks = replica::election_timeout_ticks(options.election_timeout);
    Config {
        id: options.id,
        founders: options.founders.clone(),
        heartbeat_ticks: replica::HEARTBEAT_TICKS,
        lease_ticks: options.reads.lease_ticks(election_timeout_ticks.start),
        election_timeout_ticks,
        first_election_timeout_ticks: ticker.first_election_ticks(),
        limits: Limits { retained_entries, ..limits },
        is_traced: options.trace.is_some(),
        is_readable,
        seed: options.seed,
        bug: options.plant,
    }
}

fn is_readable(state: &[u8]) -> bool {
    let restored = kv::Store::restore(state);
    restored
        .inspect_err(
            |error| tracing::error!(%error, "a leader sent a snapshot that cannot be read"),
        )
        .is_ok()
}

/// The one loop: inputs in, effects out.
fn drive(
    mut replica: Replica,
    mut ticker: replica::Ticker,
    queue: &Receiver<Incoming>,
) -> Result<(), Error> {
    let mut ends: Option<Instant> = None;
    while ends.is_none_or(|at| replica.is_handing_over() && Instant::now() < at) {
        let first = queue.recv_timeout(ticker.until_next()).ok();
        let batch = first.into_iter().chain(queue.try_iter().take(replica::BATCH_INPUTS_MAX));
        for input in batch {
            match input {
                Incoming::Peer { from, message } => replica.receive(from, message),
                Incoming::Client { request, reply } => replica.request(request, reply),
                Incoming::Noticed(event) => replica.notice(event),
                Incoming::Shutdown => {
                    replica.hand_over();
                    ends = Some(Instant::now() + HAND_OVER_MAX);
                }
            }
        }
        if ticker.is_due() {
            replica.tick();
        }
        replica.carry_out(&mut ticker)?;
    }
    for input in queue.try_iter() {
        if let Incoming::Client { reply, .. } = input {
            let _ = reply.send(Response::Refused { reason: NODE_ENDS.into() });
        }
    }
    replica.shut_down(NODE_ENDS)
}

async fn shutdown_on_signal(inputs: SyncSender<Incoming>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("cannot listen for signals");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // The queue may be full, and must not be waited for on the runtime.
    let _ = tokio::task::spawn_blocking(move || drop(inputs.send(Incoming::Shutdown))).await;
}

/// Hands on what is to be traced about connections, if there is room for it.
fn notice(inputs: &SyncSender<Incoming>) -> impl Fn(Event) + Clone + Send + Sync + 'static {
    let inputs = inputs.clone();
    move |event| {
        let _ = inputs.try_send(Incoming::Noticed(event));
    }
}

/// Who is let in, and what for.
#[derive(Clone)]
struct Door {
    identity: Arc<Identity>,
    inputs: SyncSender<Incoming>,
    /// Held by every answer that is on its way; gone when the node ends.
    answers: mpsc::WeakSender<()>,
}

impl Door {
    async fn accept(self, endpoint: Endpoint) {
        while let Some(incoming) = endpoint.accept().await {
            let door = self.clone();
            tokio::spawn(async move {
                let address = incoming.remote_address();
                match incoming.await {
                    Ok(connection) => door.serve(connection).await,
                    // Not of this run, or cut in the middle of the handshake.
                    Err(error) => {
                        tracing::info!(%error, "refused a connection");
                        if let Some(reason) = refusal(&error) {
                            let dialled = None;
                            notice(&door.inputs)(Event::ConnectionRefused {
                                address,
                                dialled,
                                reason,
                            });
                        }
                    }
                }
            });
        }
    }

    async fn serve(self, connection: Connection) {
        match protocol(&connection).as_deref() {
            Some(PEER_ALPN) => {
                let (inputs, refused) = (self.inputs.clone(), notice(&self.inputs));
                let deliver = move |from, message| {
                    let _ = inputs.try_send(Incoming::Peer { from, message });
                };
                serve_peer(connection, self.identity, deliver, refused).await;
            }
            Some(CLIENT_ALPN) => self.serve_client(connection).await,
            _ => connection.close(1u32.into(), b"unknown protocol"),
        }
    }

    async fn serve_client(self, connection: Connection) {
        while let Ok((send, receive)) = connection.accept_bi().await {
            let Some(answer) = self.answers.upgrade() else { return };
            let inputs = self.inputs.clone();
            tokio::spawn(async move {
                serve_request(send, receive, &inputs).await;
                drop(answer);
            });
        }
    }
}

fn protocol(connection: &Connection) -> Option<Vec<u8>> {
    let data =
        connection.handshake_data()?.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?;
    data.protocol
}

/// One request and its answer, until that has arrived.
async fn serve_request(
    mut send: SendStream,
    mut receive: RecvStream,
    inputs: &SyncSender<Incoming>,
) {
    let refused = |reason: String| Some(Response::Refused { reason });
    let response = match receive.read_to_end(REQUEST_BYTES_MAX).await {
        Ok(bytes) => match decode(&bytes) {
            Ok(request) => ask(request, inputs).await,
            Err(error) => refused(error.to_string()),
        },
        Err(ReadToEndError::TooLong) => {
            refused(format!("a request has at most {REQUEST_BYTES_MAX} bytes"))
        }
        Err(ReadToEndError::Read(_)) => return,
    };
    // Without an answer the stream is reset, and the client knows that it knows nothing.
    if let Some(response) = response
        && send.write_all(&encode(&response)).await.is_ok()
    {
        let _ = send.finish();
        let _ = send.stopped().await;
    }
}

async fn ask(request: Request, inputs: &SyncSender<Incoming>) -> Option<Response> {
    let (reply, answer) = oneshot::channel();
    match inputs.try_send(Incoming::Client { request, reply }) {
        Ok(()) => answer.await.ok(),
        Err(TrySendError::Full(_)) => Some(Response::Refused { reason: "overloaded".into() }),
        Err(TrySendError::Disconnected(_)) => Some(Response::Refused { reason: NODE_ENDS.into() }),
    }
}
