//! The sockets of the links, and the tasks that pass datagrams on.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::engine::{Counters, Fate, Link, Rule};
use crate::plan::stream;

/// The largest datagram that UDP can carry.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Datagrams that may be delayed on one link at a time. Beyond it they are lost, as in any router.
const DELAYED_MAX: usize = 10_000;

/// A directed link: from, to.
pub(crate) type LinkName = (String, String);

/// All links of a run. Ends with its last handle.
#[derive(Debug)]
pub(crate) struct Network {
    links: BTreeMap<LinkName, Arc<Mutex<Link>>>,
    /// Where `from` sends what is for `to`.
    entrances: BTreeMap<LinkName, SocketAddr>,
    addresses: Arc<Mutex<BTreeMap<String, SocketAddr>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Network {
    /// Opens the links between all pairs of `ends`, and begins to pass datagrams on.
    pub(crate) async fn open(ends: &[String], seed: u64) -> anyhow::Result<Self> {
        let mut sockets = BTreeMap::new();
        for from in ends {
            for to in ends.iter().filter(|to| *to != from) {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
                    .await
                    .context("cannot open a socket for a link")?;
                sockets.insert((from.clone(), to.clone()), Arc::new(socket));
            }
        }
        let mut network = Self {
            links: BTreeMap::new(),
            entrances: BTreeMap::new(),
            addresses: Arc::default(),
            tasks: Vec::new(),
        };
        for (name, entrance) in &sockets {
            let (from, to) = name;
            let random = stream(seed, &format!("link {from}->{to}"));
            let link = Arc::new(Mutex::new(Link::new(random)));
            let relay = Relay {
                link: link.clone(),
                entrance: entrance.clone(),
                exit: sockets[&(to.clone(), from.clone())].clone(),
                from: from.clone(),
                to: to.clone(),
                addresses: network.addresses.clone(),
            };
            network.entrances.insert(name.clone(), entrance.local_addr()?);
            network.links.insert(name.clone(), link);
            network.tasks.push(tokio::spawn(relay.pass_on()));
        }
        Ok(network)
    }

    /// Where `from` must send what is for `to`.
    pub(crate) fn entrance(&self, from: &str, to: &str) -> SocketAddr {
        self.entrances[&(from.to_string(), to.to_string())]
    }

    /// Tells the links where an end really is. Until then nothing is passed from or to it.
    pub(crate) fn set_address(&self, end: &str, address: SocketAddr) {
        self.addresses.lock().expect(NO_PANIC).insert(end.to_string(), address);
    }

    /// Puts a fault in force on some links.
    pub(crate) fn begin(&self, fault: &str, rules: &[(LinkName, Rule)]) {
        for (name, rule) in rules {
            self.links[name].lock().expect(NO_PANIC).begin(fault, *rule);
        }
    }

    /// Ends a fault and says what it did, link by link.
    pub(crate) fn end(&self, fault: &str) -> BTreeMap<LinkName, Counters> {
        let ended = |link: &Arc<Mutex<Link>>| link.lock().expect(NO_PANIC).end(fault);
        self.links
            .iter()
            .filter_map(|(name, link)| ended(link).map(|counters| (name.clone(), counters)))
            .collect()
    }

    /// How many datagrams each link has passed on.
    pub(crate) fn passed(&self) -> BTreeMap<LinkName, u64> {
        let passed = |link: &Arc<Mutex<Link>>| link.lock().expect(NO_PANIC).passed();
        self.links.iter().map(|(name, link)| (name.clone(), passed(link))).collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

const NO_PANIC: &str = "no thread panics while it holds a link";

/// What passes the datagrams of one directed link on.
struct Relay {
    link: Arc<Mutex<Link>>,
    entrance: Arc<UdpSocket>,
    exit: Arc<UdpSocket>,
    from: String,
    to: String,
    addresses: Arc<Mutex<BTreeMap<String, SocketAddr>>>,
}

impl Relay {
    async fn pass_on(self) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        // Keyed by due time and arrival, so that equal times keep their order.
        let mut delayed: BTreeMap<(Instant, u64), Vec<u8>> = BTreeMap::new();
        let mut arrivals = 0;
        loop {
            let due = delayed.first_key_value().map(|((due, _), _)| *due);
            tokio::select! {
                received = self.entrance.recv_from(&mut buffer) => {
                    let Ok((length, source)) = received else { continue };
                    if !self.is_from(source) {
                        continue;
                    }
                    let datagram = &buffer[..length];
                    match self.admit(datagram) {
                        Some(late) if delayed.len() < DELAYED_MAX => {
                            arrivals += 1;
                            delayed.insert((Instant::now() + late, arrivals), datagram.to_vec());
                        }
                        _ => {}
                    }
                }
                () = wait_until(due) => {
                    if let Some((_, datagram)) = delayed.pop_first() {
                        self.release(&datagram);
                    }
                }
            }
        }
    }

    /// A datagram from anybody else is not on this link.
    fn is_from(&self, source: SocketAddr) -> bool {
        self.addresses.lock().expect(NO_PANIC).get(&self.from) == Some(&source)
    }

    /// Decides about a datagram and sends it, if it goes at once. Returns how late it must be otherwise. The decision and the sending are under one
    /// lock, so that nothing passes a link after it was cut.
    fn admit(&self, datagram: &[u8]) -> Option<Duration> {
        let mut link = self.link.lock().expect(NO_PANIC);
        match link.decide() {
            Fate::Drop => None,
            Fate::Pass(Duration::ZERO) => {
                self.send(&mut link, datagram);
                None
            }
            Fate::Pass(late) => Some(late),
        }
    }

    fn release(&self, datagram: &[u8]) {
        let mut link = self.link.lock().expect(NO_PANIC);
        if link.release() != Fate::Drop {
            self.send(&mut link, datagram);
        }
    }

    fn send(&self, link: &mut Link, datagram: &[u8]) {
        let address = self.addresses.lock().expect(NO_PANIC).get(&self.to).copied();
        // A full socket buffer or a dead receiver loses the datagram, as it would on any network.
        if let Some(address) = address
            && self.exit.try_send_to(datagram, address).is_ok()
        {
            link.passed_on();
        }
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a datagram that must come is waited for; one that must not come is known by the marker behind it.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Two ends with one link each way.
    struct Pair {
        network: Network,
        a: UdpSocket,
        b: UdpSocket,
    }

    impl Pair {
        async fn open() -> Self {
            let network = Network::open(&["a".into(), "b".into()], 1).await.unwrap();
            let a = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let b = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            network.set_address("a", a.local_addr().unwrap());
            network.set_address("b", b.local_addr().unwrap());
            Self { network, a, b }
        }

        async fn send(&self, from: &str, to: &str, text: &str) {
            let socket = if from == "a" { &self.a } else { &self.b };
            socket.send_to(text.as_bytes(), self.network.entrance(from, to)).await.unwrap();
        }

        async fn received(&self, at: &str) -> (String, SocketAddr) {
            let socket = if at == "a" { &self.a } else { &self.b };
            let mut buffer = [0; 64];
            let received = tokio::time::timeout(PATIENCE, socket.recv_from(&mut buffer)).await;
            let (length, source) = received.expect("a datagram comes").unwrap();
            (String::from_utf8(buffer[..length].to_vec()).unwrap(), source)
        }

        /// Waits until so many datagrams have come by at a link whose fault is in force.
        async fn seen(&self, link: &LinkName, count: u64) {
            while self.network.links[link].lock().unwrap().counters("f1").seen < count {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn a_one_way_cut_passes_the_other_way_and_heals() {
        let pair = Pair::open().await;
        let link = ("a".to_string(), "b".to_string());
        pair.send("a", "b", "before").await;
        let (text, source) = pair.received("b").await;
        // What comes from `a` comes from where `b` sends what is for `a`: an end sees one peer at one address.
        assert_eq!((text.as_str(), source), ("before", pair.network.entrance("b", "a")));
        pair.network.begin("f1", &[(link.clone(), Rule::Cut)]);
        pair.send("a", "b", "lost").await;
        pair.send("b", "a", "the other way").await;
        assert_eq!(pair.received("a").await.0, "the other way");
        pair.seen(&link, 1).await;
        let ended = pair.network.end("f1");
        assert_eq!(ended[&link], Counters { seen: 1, dropped: 1, delayed: 0, leaked: 0 });
        pair.send("a", "b", "healed").await;
        assert_eq!(pair.received("b").await.0, "healed");
    }

    #[tokio::test]
    async fn a_stranger_is_not_on_the_link_and_a_new_address_is() {
        let mut pair = Pair::open().await;
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        stranger.send_to(b"strange", pair.network.entrance("a", "b")).await.unwrap();
        pair.send("a", "b", "familiar").await;
        assert_eq!(pair.received("b").await.0, "familiar");
        // A process that was started again has another address.
        pair.network.set_address("a", stranger.local_addr().unwrap());
        pair.a = stranger;
        pair.send("a", "b", "again").await;
        assert_eq!(pair.received("b").await.0, "again");
    }
}
