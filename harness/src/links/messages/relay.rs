//! The sockets and tasks of the message relay.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use anyhow::Context;
use node::raft::{Message, NodeId};
use node::transport::{
    FRAME_BYTES_MAX, Identity, PEER_ALPN, client_config, connect, decode, dialing, listening,
    silence,
};
use quinn::{ClientConfig, Connection, Endpoint, Incoming, RecvStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::Journal;
use super::kind::kind_of;
use super::link::{MessageCounters, MessageLink, Occurrence};
use crate::links::LinkName;
use crate::workload::Messages;

/// The relays of all directed links between the nodes of a run. End with their last handle.
#[derive(Debug)]
pub(crate) struct MessageRelay {
    links: BTreeMap<LinkName, Arc<Link>>,
    entrances: BTreeMap<LinkName, SocketAddr>,
    /// From where each node is played when others are dialled.
    dialers: BTreeMap<String, Endpoint>,
    next_watch: Mutex<u64>,
    journal: Arc<Journal>,
    tasks: Vec<JoinHandle<()>>,
}

/// One directed link, as its tasks share it.
#[derive(Debug)]
struct Link {
    state: Mutex<State>,
    /// That something is due earlier than before, or is to be sent now.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    link: MessageLink,
    /// The way to the receiver, as long as there is one.
    connection: Option<Connection>,
    watchers: BTreeMap<u64, mpsc::UnboundedSender<LinkName>>,
}

const NO_PANIC: &str = "no thread panics while it holds a link";

/// Waiting for a message; ends when dropped.
#[derive(Debug)]
pub(crate) struct MessageWatch {
    id: u64,
    links: Vec<Arc<Link>>,
    seen: mpsc::UnboundedReceiver<LinkName>,
}

impl MessageWatch {
    /// Waits until such a message came by; says on which link.
    pub(crate) async fn seen(&mut self) -> Option<LinkName> {
        self.seen.recv().await
    }
}

impl Drop for MessageWatch {
    fn drop(&mut self) {
        for link in &self.links {
            let mut state = link.state.lock().expect(NO_PANIC);
            state.link.unwatch(self.id);
            state.watchers.remove(&self.id);
        }
    }
}

impl MessageRelay {
    /// Opens the relays between all pairs of `nodes`. `onward(from, to)` says where `to` is reached on behalf of `from`.
    pub(crate) fn open(
        nodes: &[String],
        certificates: &Path,
        seed: u64,
        journal: Journal,
        onward: impl Fn(&str, &str) -> SocketAddr,
    ) -> anyhow::Result<Self> {
        let journal = Arc::new(journal);
        let mut relay = Self {
            links: BTreeMap::new(),
            entrances: BTreeMap::new(),
            dialers: BTreeMap::new(),
            next_watch: Mutex::new(0),
            journal: journal.clone(),
            tasks: Vec::new(),
        };
        for from in nodes {
            let identity = load(certificates, from, None)?;
            let dialer = dialing()?;
            let config = client_config(&identity, PEER_ALPN)?;
            relay.dialers.insert(from.clone(), dialer.clone());
            for to in nodes.iter().filter(|to| *to != from) {
                let name = (from.clone(), to.clone());
                let identity = load(certificates, to, Some(from))?;
                let endpoint = listening(SocketAddr::from(([127, 0, 0, 1], 0)), &identity)?;
                relay.entrances.insert(name.clone(), endpoint.local_addr()?);
                let link = Arc::new(Link::new(seed, from, to));
                relay.links.insert(name.clone(), link.clone());
                let pump = Pump {
                    name,
                    link,
                    journal: journal.clone(),
                    endpoint,
                    dialer: dialer.clone(),
                    config: config.clone(),
                    onward: onward(from, to),
                };
                relay.tasks.push(tokio::spawn(pump.clone().deliver()));
                relay.tasks.push(tokio::spawn(pump.accept()));
            }
        }
        Ok(relay)
    }

    /// Where `from` must dial to reach `to`.
    pub(crate) fn entrance(&self, from: &str, to: &str) -> SocketAddr {
        self.entrances[&(from.to_string(), to.to_string())]
    }

    /// From where others are dialled on behalf of a node.
    pub(crate) fn dialer(&self, node: &str) -> anyhow::Result<SocketAddr> {
        Ok(self.dialers[node].local_addr()?)
    }

    /// Puts a fault in force on some links.
    pub(crate) fn begin(&self, fault: &str, links: &[LinkName], rule: &Messages) {
        for name in links {
            let mut state = self.links[name].state.lock().expect(NO_PANIC);
            state.link.begin(fault, rule, self.journal.now());
        }
    }

    /// Ends a fault, passes on what it kept back, and says what it did, link by link.
    pub(crate) fn end(&self, fault: &str) -> BTreeMap<LinkName, MessageCounters> {
        let mut ended = BTreeMap::new();
        for (name, link) in &self.links {
            let mut state = link.state.lock().expect(NO_PANIC);
            if let Some(counters) = state.link.end(fault, self.journal.now()) {
                link.changed.notify_one();
                ended.insert(name.clone(), counters);
            }
        }
        ended
    }

    /// Waits for a message on any of these links.
    pub(crate) fn watch(&self, links: &[LinkName], which: &Occurrence) -> MessageWatch {
        let id = {
            let mut next = self.next_watch.lock().expect(NO_PANIC);
            *next += 1;
            *next
        };
        let (sender, seen) = mpsc::unbounded_channel();
        let links: Vec<_> = links.iter().map(|name| self.links[name].clone()).collect();
        for link in &links {
            let mut state = link.state.lock().expect(NO_PANIC);
            state.link.watch(id, which.clone());
            state.watchers.insert(id, sender.clone());
        }
        MessageWatch { id, links, seen }
    }

    /// Ends the record of the messages.
    pub(crate) fn finish(&self) {
        self.journal.finish();
    }
}

impl Drop for MessageRelay {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn load(certificates: &Path, name: &str, peer: Option<&str>) -> anyhow::Result<Identity> {
    let peers: Vec<NodeId> = peer.and_then(|peer| peer.parse().ok()).into_iter().collect();
    Identity::load(certificates, name, peers)
        .with_context(|| format!("the message relay cannot stand in for {name}"))
}

impl Link {
    fn new(seed: u64, from: &str, to: &str) -> Self {
        let state = State {
            link: MessageLink::new(seed, from, to),
            connection: None,
            watchers: BTreeMap::new(),
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// What must be sent now, over which connection; or when to look again.
    fn due(&self, now: Duration) -> (Vec<Vec<u8>>, Option<Connection>, Option<Duration>) {
        let mut state = self.state.lock().expect(NO_PANIC);
        let frames = state.link.due(now);
        let wait = state.link.next_due().map(|due| due.saturating_sub(now));
        (frames, state.connection.clone(), wait)
    }
}

/// What moves the messages of one directed link.
#[derive(Clone)]
struct Pump {
    name: LinkName,
    link: Arc<Link>,
    journal: Arc<Journal>,
    /// Where the sender dials us, taking us for the receiver.
    endpoint: Endpoint,
    /// From where we dial the receiver as the sender.
    dialer: Endpoint,
    config: ClientConfig,
    onward: SocketAddr,
}

impl Pump {
    /// Accepts the connections of the sender, one after the other: a new one means that it gave up on the one before.
    async fn accept(self) {
        let mut current: Option<JoinHandle<()>> = None;
        while let Some(incoming) = self.endpoint.accept().await {
            if let Some(current) = current.take() {
                current.abort();
            }
            current = Some(tokio::spawn(self.clone().join(incoming)));
        }
    }

    /// Joins a connection of the sender to one of ours to the receiver, for as long as both last.
    async fn join(self, incoming: Incoming) {
        let (_, to) = &self.name;
        // Who cannot reach the receiver is not answered either.
        let Ok(onward) = connect(&self.dialer, self.config.clone(), self.onward, to).await else {
            incoming.ignore();
            return;
        };
        let onward = Closing(onward);
        let Ok(sender) = incoming.await else { return };
        let sender = Closing(sender);
        self.link.state.lock().expect(NO_PANIC).connection = Some(onward.0.clone());
        tokio::select! {
            () = self.forward(&sender.0, &onward.0) => {}
            _ = onward.0.closed() => {}
            () = silence(&onward.0) => {}
        }
    }

    /// Reads the frames of the sender and passes on what may pass, until the sender's connection is lost.
    async fn forward(&self, sender: &Connection, onward: &Connection) {
        type Read = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>>;
        let mut reading: Vec<Read> = Vec::new();
        loop {
            let frame = tokio::select! {
                biased;
                frame = first_ready(&mut reading) => frame,
                stream = sender.accept_uni() => {
                    let Ok(stream) = stream else { return };
                    reading.push(Box::pin(read(stream)));
                    continue;
                }
            };
            let Some(frame) = frame else { continue };
            if self.passes(&frame) && send(onward, &frame).await.is_err() {
                return;
            }
        }
    }

    /// Decides about a frame: whether it passes now.
    fn passes(&self, frame: &[u8]) -> bool {
        let message = decode::<Message>(frame).ok();
        let kind = message.as_ref().map(kind_of);
        let (from, to) = &self.name;
        let mut state = self.link.state.lock().expect(NO_PANIC);
        let arrival = state.link.arrive(kind, frame, self.journal.now());
        for watch in &arrival.watched {
            if let Some(watcher) = state.watchers.get(watch) {
                let _ = watcher.send(self.name.clone());
            }
        }
        if let Some(message) = &message {
            self.journal.note(from, to, message, arrival.fate);
        }
        self.link.changed.notify_one();
        arrival.passes
    }

    /// Sends what was late or kept back when its time has come.
    async fn deliver(self) {
        loop {
            let (frames, connection, wait) = self.link.due(self.journal.now());
            if let Some(connection) = connection {
                for frame in frames {
                    // What cannot be sent is lost, as what was under way when a connection broke.
                    let _ = send(&connection, &frame).await;
                }
            }
            match wait {
                None => self.link.changed.notified().await,
                Some(wait) => {
                    let _ = tokio::time::timeout(wait, self.link.changed.notified()).await;
                }
            }
        }
    }
}

/// A connection that does not outlive the pair that it belongs to.
struct Closing(Connection);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close(0u32.into(), b"the other end is gone");
    }
}

async fn read(mut stream: RecvStream) -> Option<Vec<u8>> {
    stream.read_to_end(FRAME_BYTES_MAX).await.ok()
}

/// The first of those that are ready, in the order in which they stand; it is taken out. Of none, there never is one.
async fn first_ready<F: Future + Unpin>(waiting: &mut Vec<F>) -> F::Output {
    poll_fn(|context| {
        for place in 0..waiting.len() {
            if let Poll::Ready(value) = Pin::new(&mut waiting[place]).poll(context) {
                waiting.remove(place);
                return Poll::Ready(value);
            }
        }
        Poll::Pending
    })
    .await
}

async fn send(connection: &Connection, frame: &[u8]) -> Result<(), quinn::WriteError> {
    let mut stream = connection.open_uni().await?;
    stream.write_all(frame).await?;
    let _ = stream.finish(); // An error says that the connection is gone, which the next message will find.
    Ok(())
}

#[cfg(test)]
mod tests {
    use node::raft::{Body, Entry, LogIndex, Payload, Term};
    use node::transport::{Authority, Peers};

    use super::*;
    use crate::recorder::Recorder;
    use crate::workload::MessageKind;

    /// Two ends that speak over a relay: n1 sends, n2 receives.
    struct Ends {
        relay: MessageRelay,
        sender: Peers,
        receiver: Endpoint,
        connection: Option<Connection>,
        directory: tempfile::TempDir,
        _dialer: Endpoint,
    }

    async fn ends() -> Ends {
        let directory = tempfile::tempdir().unwrap();
        let names = ["n1".to_string(), "n2".to_string()];
        Authority::new().unwrap().write(directory.path(), &names).unwrap();
        let identity = |name: &str, peer: &str| load(directory.path(), name, Some(peer)).unwrap();
        let receiver =
            listening(SocketAddr::from(([127, 0, 0, 1], 0)), &identity("n2", "n1")).unwrap();
        let address = receiver.local_addr().unwrap();
        let recorder = Recorder::create(&directory.path().join("history.jsonl")).unwrap();
        let journal =
            Journal::create(&directory.path().join("messages.jsonl"), Arc::new(recorder)).unwrap();
        let relay =
            MessageRelay::open(&names, directory.path(), 1, journal, |_, _| address).unwrap();
        let dialer = dialing().unwrap();
        let addresses = BTreeMap::from([("n2".parse().unwrap(), relay.entrance("n1", "n2"))]);
        let sender = Peers::dial(&dialer, &identity("n1", "n2"), &addresses, |_| {}).unwrap();
        Ends { relay, sender, receiver, connection: None, directory, _dialer: dialer }
    }

    fn append(term: u64, index: u64) -> Message {
        let entry = Entry { index: LogIndex(index), term: Term(term), payload: Payload::Noop };
        let (prev_index, prev_term) = (LogIndex(index - 1), Term(term));
        let (entries, commit) = (vec![entry], LogIndex(0));
        Message {
            term: Term(term),
            body: Body::AppendEntries { prev_index, prev_term, entries, commit, round: index },
        }
    }

    fn vote(term: u64) -> Message {
        Message { term: Term(term), body: Body::RequestVoteReply { granted: true } }
    }

    impl Ends {
        fn send(&self, message: &Message) {
            self.sender.send("n2".parse().unwrap(), message.clone());
        }

        /// The next message that arrives at n2, from whom n2 takes for n1.
        async fn receive(&mut self) -> Message {
            loop {
                let connection = match &self.connection {
                    Some(connection) => connection.clone(),
                    None => {
                        let incoming = self.receiver.accept().await.unwrap();
                        self.connection.insert(incoming.await.unwrap()).clone()
                    }
                };
                match connection.accept_uni().await {
                    Ok(stream) => return decode(&read(stream).await.unwrap()).unwrap(),
                    Err(_) => self.connection = None,
                }
            }
        }

        /// Until the way is open: what is sent before is lost, as between nodes.
        async fn connect(&mut self) {
            let probe = vote(1);
            loop {
                self.send(&probe);
                let received =
                    tokio::time::timeout(Duration::from_millis(100), self.receive()).await;
                if received.is_ok() {
                    break;
                }
            }
            while let Ok(message) =
                tokio::time::timeout(Duration::from_millis(200), self.receive()).await
            {
                assert_eq!(message, probe);
            }
        }
    }

    fn link() -> Vec<LinkName> {
        vec![("n1".into(), "n2".into())]
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_idle_relay_loses_and_reorders_nothing() {
        let mut ends = ends().await;
        ends.connect().await;
        for index in 1..=500 {
            ends.send(&append(2, index));
        }
        for index in 1..=500 {
            assert_eq!(ends.receive().await, append(2, index));
        }
        ends.relay.finish();
        let history = std::fs::read_to_string(ends.directory.path().join("history.jsonl")).unwrap();
        assert_eq!(history.lines().count(), 1, "{history}");
        assert!(history.contains(r#""f":"wire-leader""#) && history.contains(r#""node":"n1""#));
        let messages =
            std::fs::read_to_string(ends.directory.path().join("messages.jsonl")).unwrap();
        let appends = messages.lines().filter(|line| line.contains("append_entries")).count();
        assert_eq!(appends, 500);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn messages_are_lost_doubled_and_held_by_kind_and_counted() {
        let mut ends = ends().await;
        ends.connect().await;
        let appends = || Messages { kinds: vec![MessageKind::AppendEntries], ..Default::default() };
        let rule = Messages { drop: 1.0, ..appends() };
        ends.relay.begin("lost", &link(), &rule);
        ends.send(&append(2, 1));
        ends.send(&vote(2));
        assert_eq!(ends.receive().await, vote(2));
        assert_eq!(ends.relay.end("lost")[&link()[0]].counters.dropped, 1);

        let behind = Some(Duration::from_millis(5));
        let rule = Messages { duplicate: 1.0, behind, ..appends() };
        ends.relay.begin("doubled", &link(), &rule);
        ends.send(&append(2, 2));
        assert_eq!([ends.receive().await, ends.receive().await], [append(2, 2), append(2, 2)]);
        assert_eq!(ends.relay.end("doubled")[&link()[0]].counters.duplicated, 1);

        let rule = Messages { hold: true, ..appends() };
        ends.relay.begin("held", &link(), &rule);
        let mut watch = ends.relay.watch(&link(), &Occurrence { kinds: vec![], nth: 2 });
        ends.send(&append(2, 3));
        ends.send(&vote(2));
        assert_eq!(watch.seen().await, Some(link()[0].clone()));
        assert_eq!(ends.receive().await, vote(2));
        assert_eq!(ends.relay.end("held")[&link()[0]].counters.held, 1);
        assert_eq!(ends.receive().await, append(2, 3));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_receiver_that_is_gone_is_gone_for_the_sender_too_and_comes_back() {
        let mut ends = ends().await;
        ends.connect().await;
        let connection = ends.connection.take().unwrap();
        connection.close(0u32.into(), b"restart");
        // The sender dials again, and reaches the receiver again.
        ends.connect().await;
        ends.send(&append(3, 1));
        assert_eq!(ends.receive().await, append(3, 1));
    }
}
