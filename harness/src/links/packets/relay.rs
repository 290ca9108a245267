//! The tasks that pass datagrams on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::super::engine::{Item, Link, Passage, Rule, Tally};
use super::NO_PANIC;
use super::port::{Batch, Inbox, Port};

/// Which way a datagram goes through a pair of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// From who dials.
    There,
    /// To who dials.
    Back,
}

/// The two sockets between a dialer and a listener.
#[derive(Debug)]
pub(super) struct Pair {
    /// Where the dialer sends.
    pub(super) entrance: Arc<Port>,
    ends: Mutex<Ends>,
}

#[derive(Debug)]
struct Ends {
    /// From where the listener sees the dialer.
    exit: Arc<Port>,
    dialer: Option<SocketAddr>,
    listener: Option<SocketAddr>,
}

impl Pair {
    pub(super) fn open() -> std::io::Result<Self> {
        let ends = Ends { exit: Arc::new(Port::open()?), dialer: None, listener: None };
        Ok(Self { entrance: Arc::new(Port::open()?), ends: Mutex::new(ends) })
    }

    pub(super) fn set_dialer(&self, address: SocketAddr) {
        self.ends().dialer = Some(address);
    }

    pub(super) fn set_listener(&self, address: SocketAddr) {
        self.ends().listener = Some(address);
    }

    pub(super) fn exit(&self) -> Arc<Port> {
        self.ends().exit.clone()
    }

    /// Puts another socket in the place of the exit. Returns the address of the one before.
    pub(super) fn replace_exit(&self, port: Port) -> SocketAddr {
        std::mem::replace(&mut self.ends().exit, Arc::new(port)).address()
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().expect(NO_PANIC)
    }

    /// Where datagrams that go this way come in.
    fn receiver(&self, way: Way) -> Arc<Port> {
        match way {
            Way::There => self.entrance.clone(),
            Way::Back => self.exit(),
        }
    }

    /// Who may send this way.
    fn source(&self, way: Way) -> Option<SocketAddr> {
        match way {
            Way::There => self.ends().dialer,
            Way::Back => self.ends().listener,
        }
    }

    /// Where datagrams that go this way leave, and whereto.
    fn route(&self, way: Way) -> Option<(Arc<Port>, SocketAddr)> {
        let ends = self.ends();
        match way {
            Way::There => Some((ends.exit.clone(), ends.listener?)),
            Way::Back => Some((self.entrance.clone(), ends.dialer?)),
        }
    }
}

/// A datagram that waits, and the way that it will go.
#[derive(Debug)]
struct Datagram {
    bytes: Vec<u8>,
    pair: Arc<Pair>,
    way: Way,
}

/// One directed link and the time that it goes by.
#[derive(Debug)]
pub(super) struct Wire {
    link: Mutex<Link<Datagram>>,
    epoch: Instant,
    /// Something may be due earlier than was thought.
    changed: Notify,
}

impl Wire {
    pub(super) fn new(seed: u64, from: &str, to: &str, epoch: Instant) -> Self {
        Self { link: Mutex::new(Link::new(seed, from, to)), epoch, changed: Notify::new() }
    }

    pub(super) fn begin(&self, fault: &str, rule: Rule) {
        self.lock().begin(fault, rule, self.now());
    }

    /// Ends a fault; what it held is sent before anything that comes later.
    pub(super) fn end(&self, fault: &str) -> Option<Tally> {
        let mut link = self.lock();
        let tally = link.end(fault, self.now());
        self.send_due(&mut link);
        self.changed.notify_one();
        tally
    }

    pub(super) fn passed(&self) -> u64 {
        self.lock().passed()
    }

    #[cfg(test)]
    pub(super) fn counters(&self, fault: &str) -> super::super::engine::Counters {
        self.lock().counters(fault)
    }

    /// Sends what is late when it is due, for ever.
    pub(super) async fn release(self: Arc<Self>) {
        loop {
            let due = self.lock().next_due();
            tokio::select! {
                () = wait_until(due.map(|due| self.epoch + due)) => {}
                () = self.changed.notified() => {}
            }
            self.send_due(&mut self.lock());
        }
    }

    fn send_due(&self, link: &mut Link<Datagram>) {
        let now = self.now();
        while let Some((passage, datagram)) = link.due(now) {
            let Some((port, to)) = datagram.pair.route(datagram.way) else { continue };
            let mut bytes = Vec::new();
            let mut outbox = Outbox::new(&port, to, now, &mut bytes);
            outbox.push(link, &datagram.bytes, passage);
            outbox.flush(link);
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Link<Datagram>> {
        self.link.lock().expect(NO_PANIC)
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// What passes the datagrams on that go one way through a pair of sockets.
pub(super) struct Flow {
    pub(super) pair: Arc<Pair>,
    pub(super) way: Way,
    pub(super) wire: Arc<Wire>,
    /// A mutant for our own tests.
    pub(super) ignores_faults: bool,
}

impl Flow {
    pub(super) async fn pass_on(self) {
        let port = self.pair.receiver(self.way);
        let (mut inbox, mut buffer) = (Inbox::new(), Vec::new());
        loop {
            // An error is about a datagram that was lost.
            if port.receive(&mut inbox).await.is_ok() {
                self.admit(&inbox, &mut buffer);
            }
        }
    }

    /// Decides about what came in and sends what goes at once. The decision and the sending are under one lock, so that nothing passes
    /// a link after it was cut. `buffer` is where what leaves is put together.
    fn admit(&self, inbox: &Inbox, buffer: &mut Vec<u8>) {
        let source = self.pair.source(self.way);
        let Some((port, to)) = self.pair.route(self.way) else { return };
        let mut link = self.wire.lock();
        let now = self.wire.now();
        let due_before = link.next_due();
        let mut outbox = Outbox::new(&port, to, now, buffer);
        for batch in inbox.batches().filter(|batch| Some(batch.source) == source) {
            if link.is_idle() || self.ignores_faults {
                outbox.push_unjudged(&mut link, &batch);
            } else {
                self.judge(&mut link, &batch, &mut outbox, now);
            }
        }
        outbox.flush(&mut link);
        if link.next_due() != due_before {
            self.wire.changed.notify_one();
        }
    }

    fn judge(
        &self,
        link: &mut Link<Datagram>,
        batch: &Batch<'_>,
        outbox: &mut Outbox<'_>,
        now: Duration,
    ) {
        for bytes in batch.datagrams() {
            let item = Item { bytes: bytes.len(), ecn: batch.ecn, class: 0 };
            let (pair, way) = (&self.pair, self.way);
            let keep = || Datagram { bytes: bytes.to_vec(), pair: pair.clone(), way };
            if let Ok(passage) = link.offer(item, now, keep) {
                outbox.push(link, bytes, passage);
            }
        }
    }
}

/// Datagrams of one length and mark that leave together: one call sends them all.
struct Outbox<'a> {
    port: &'a Port,
    to: SocketAddr,
    now: Duration,
    bytes: &'a mut Vec<u8>,
    stride: usize,
    ecn: u8,
    count: usize,
    /// How those that were judged are to pass.
    passages: Vec<Passage>,
    unjudged: u64,
}

impl<'a> Outbox<'a> {
    fn new(port: &'a Port, to: SocketAddr, now: Duration, bytes: &'a mut Vec<u8>) -> Self {
        let passages = Vec::new();
        Self { port, to, now, bytes, stride: 0, ecn: 0, count: 0, passages, unjudged: 0 }
    }

    /// Sends a datagram as the engine says.
    fn push(&mut self, link: &mut Link<Datagram>, datagram: &[u8], passage: Passage) {
        for copy in 0..passage.times {
            self.append(link, datagram, passage.ecn);
            if let Some(bit) = passage.flipped_bit {
                let begin = self.bytes.len() - datagram.len();
                self.bytes[begin + bit / 8] ^= 1 << (bit % 8);
            }
            if copy == 0 {
                self.passages.push(passage.clone());
            }
        }
    }

    /// Sends datagrams that nobody need judge, those that came together with one call.
    fn push_unjudged(&mut self, link: &mut Link<Datagram>, batch: &Batch<'_>) {
        if batch.count() == 1 {
            self.append(link, batch.bytes, batch.ecn);
            self.unjudged += 1;
            return;
        }
        self.flush(link);
        if self.port.send(self.to, batch.bytes, batch.stride, batch.ecn) {
            link.pass_unjudged(batch.count() as u64);
        }
    }

    /// Puts a datagram behind those that leave with it, or sends those first.
    fn append(&mut self, link: &mut Link<Datagram>, datagram: &[u8], ecn: u8) {
        let last_is_full = self.bytes.len() == self.count * self.stride;
        let fits = self.ecn == ecn
            && last_is_full
            && (1..=self.stride).contains(&datagram.len())
            && self.count < self.port.send_max(self.stride);
        if self.count > 0 && !fits {
            self.flush(link);
        }
        if self.count == 0 {
            (self.stride, self.ecn) = (datagram.len(), ecn);
        }
        self.bytes.extend_from_slice(datagram);
        self.count += 1;
    }

    fn flush(&mut self, link: &mut Link<Datagram>) {
        // A full socket buffer or a dead receiver loses datagrams, as it would on any network.
        if self.count > 0 && self.port.send(self.to, self.bytes, self.stride, self.ecn) {
            for passage in &self.passages {
                link.passed_on(passage, self.now);
            }
            link.pass_unjudged(self.unjudged);
        }
        self.bytes.clear();
        self.passages.clear();
        (self.count, self.unjudged) = (0, 0);
    }
}
