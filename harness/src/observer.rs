//! What the nodes say about themselves, asked over and over: who leads, and whether all agree.
//!
//! Used to find the leader for faults that target it, to know when the cluster has settled, and for the progress line. No verdict
//! rests on it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use node::client::{Client, Status};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clients::Connections;
use crate::recorder::{Line, Recorder};

const POLL_PAUSE: Duration = Duration::from_millis(100);
/// A node that does not answer within this time is taken for silent.
const POLL_LIMIT: Duration = Duration::from_millis(300);

/// A leader: node and term.
pub(crate) type Leader = (String, u64);

/// The latest word of a node; nothing if it did not answer.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// When it was asked, on the run's clock.
    asked: Duration,
    pub(crate) status: Option<Status>,
}

/// The latest word of every node.
pub(crate) type Board = BTreeMap<String, Seen>;

/// The polling of all nodes; ends when dropped.
#[derive(Debug)]
pub(crate) struct Observer {
    recorder: Arc<Recorder>,
    board: watch::Receiver<Board>,
    names: Vec<String>,
    elections: Arc<Elections>,
    _polls: JoinSet<()>,
}

impl Observer {
    /// Begins to ask.
    pub(crate) fn start(
        client: &Client,
        addresses: &BTreeMap<String, SocketAddr>,
        recorder: &Arc<Recorder>,
    ) -> Self {
        let (sender, board) = watch::channel(Board::new());
        let sender = Arc::new(sender);
        let elections = Arc::new(Elections::default());
        let mut polls = JoinSet::new();
        for name in addresses.keys() {
            let poll = Poll {
                node: name.clone(),
                connections: Connections::new(client.clone(), addresses.clone()),
                recorder: recorder.clone(),
                board: sender.clone(),
                elections: elections.clone(),
            };
            polls.spawn(poll.run());
        }
        let names = addresses.keys().cloned().collect();
        Self { recorder: recorder.clone(), board, names, elections, _polls: polls }
    }

    /// The leader of the highest term that any node claims to be.
    pub(crate) fn leader(&self) -> Option<Leader> {
        leader(self.board.borrow().values())
    }

    /// The nodes that said last that they stand for election.
    pub(crate) fn candidates(&self) -> Vec<String> {
        candidates(&self.board.borrow())
    }

    /// Waits until somebody stands for election. Returns all that do, or nobody after the limit.
    pub(crate) async fn find_candidates(&self, limit: Duration) -> Vec<String> {
        let since = self.recorder.now();
        let mut board = self.board.clone();
        let fresh = |board: &Board| -> Board {
            let fresh = board.iter().filter(|(_, seen)| seen.asked >= since);
            fresh.map(|(name, seen)| (name.clone(), seen.clone())).collect()
        };
        let found = board.wait_for(|board| !candidates(&fresh(board)).is_empty());
        match tokio::time::timeout(limit, found).await {
            Ok(Ok(board)) => candidates(&fresh(&board)),
            _ => Vec::new(),
        }
    }

    /// In how many terms somebody was seen to lead.
    pub(crate) fn terms_led(&self) -> u64 {
        self.elections.count.load(Ordering::Relaxed)
    }

    /// The latest word of every node.
    pub(crate) fn board(&self) -> Board {
        self.board.borrow().clone()
    }

    /// Finds out who leads *now*: every node is asked anew. Nothing if nobody claims to lead within the limit.
    pub(crate) async fn find_leader(&self, limit: Duration) -> Option<Leader> {
        let since = self.recorder.now();
        let mut board = self.board.clone();
        let answered = board.wait_for(|board| {
            let fresh: Vec<_> = board.values().filter(|seen| seen.asked >= since).collect();
            fresh.len() == self.names.len() && leader(fresh.iter().copied()).is_some()
        });
        let board = tokio::time::timeout(limit, answered).await.ok()?.ok()?;
        leader(board.values())
    }

    /// Waits until all members among `names` follow one leader, which is one of them and leads. Returns it, or nothing after the limit.
    pub(crate) async fn settled(&self, names: &[String], limit: Duration) -> Option<Leader> {
        let since = self.recorder.now();
        let mut board = self.board.clone();
        let agreed = board.wait_for(|board| agreed(board, names, since).is_some());
        let board = tokio::time::timeout(limit, agreed).await.ok()?.ok()?;
        agreed_leader(&board, names, since)
    }
}

fn candidates(board: &Board) -> Vec<String> {
    let stands = |seen: &Seen| seen.status.as_ref().is_some_and(|status| status.campaigns);
    board.iter().filter(|(_, seen)| stands(seen)).map(|(name, _)| name.clone()).collect()
}

fn agreed_leader(board: &Board, names: &[String], since: Duration) -> Option<Leader> {
    agreed(board, names, since)
}

fn agreed(board: &Board, names: &[String], since: Duration) -> Option<Leader> {
    let statuses = names
        .iter()
        .map(|name| board.get(name).filter(|seen| seen.asked >= since)?.status.as_ref())
        .collect::<Option<Vec<_>>>()?;
    let (node, term) = leader_of(statuses.iter().copied())?;
    let leader = statuses.iter().find(|status| status.id.to_string() == node)?;
    // Whoever does not belong to the cluster hears of no leader.
    let members: Vec<_> =
        statuses.iter().copied().filter(|status| leader.members.contains(status.id)).collect();
    let follows = |status: &&Status| {
        status.term == term && status.leader.is_some_and(|leader| leader.to_string() == node)
    };
    members.iter().all(follows).then_some((node, term))
}

fn leader<'a>(seen: impl Iterator<Item = &'a Seen>) -> Option<Leader> {
    leader_of(seen.filter_map(|seen| seen.status.as_ref()))
}

/// A deposed leader may not know it yet: of several, the one of the highest term counts.
fn leader_of<'a>(statuses: impl Iterator<Item = &'a Status>) -> Option<Leader> {
    let leading = statuses.filter(|status| status.leads);
    leading.max_by_key(|status| status.term).map(|status| (status.id.to_string(), status.term))
}

/// The polling of one node.
struct Poll {
    node: String,
    connections: Connections,
    recorder: Arc<Recorder>,
    board: Arc<watch::Sender<Board>>,
    elections: Arc<Elections>,
}

impl Poll {
    async fn run(mut self) {
        loop {
            let asked = self.recorder.now();
            let status = self.connections.status(&self.node, POLL_LIMIT).await;
            self.board.send_modify(|board| {
                board.insert(self.node.clone(), Seen { asked, status });
                self.note_new_leader(leader(board.values()));
            });
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    /// A leader of a higher term than any before goes into the history.
    fn note_new_leader(&self, now: Option<Leader>) {
        let Some((node, term)) = now else { return };
        if self.elections.note(term) {
            let line = Line::nemesis("leader", json!({ "term": term }));
            self.recorder.record(Line { node: Some(node), ..line });
        }
    }
}

/// The terms in which somebody was seen to lead.
#[derive(Debug, Default)]
struct Elections {
    highest: AtomicU64,
    count: AtomicU64,
}

impl Elections {
    /// Whether the term is higher than any before.
    fn note(&self, term: u64) -> bool {
        let is_new = self.highest.fetch_max(term, Ordering::Relaxed) < term;
        self.count.fetch_add(u64::from(is_new), Ordering::Relaxed);
        is_new
    }
}
