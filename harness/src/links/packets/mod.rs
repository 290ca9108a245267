//! The packet relay: passes the datagrams of every directed link on, as the engine says.
//!
//! Whoever dials another end does so through two sockets: the *entrance*, to which it sends, and the *exit*, from which the other sees it. What comes in at the
//! entrance and leaves by the exit travels the link dialer → listener; replies come in at the exit, leave by the entrance and travel the link
//! listener → dialer. Two ends that dial each other have two such pairs of sockets, and still one link each way:
//! the directed link is every datagram from one to the other, over whichever connection.
//!
//! Ends are told apart by socket and source address alone; a datagram from anybody else is ignored.

mod port;
mod relay;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, ensure};
use tokio::task::JoinHandle;

use self::port::Port;
use self::relay::{Flow, Pair, Way, Wire};
use super::engine::{Rule, Tally};

/// A directed link: from, to.
pub(crate) type LinkName = (String, String);

const NO_PANIC: &str = "no thread panics while it holds a link";

/// All links of a run. They end with it.
#[derive(Debug)]
pub(crate) struct Network {
    wires: BTreeMap<LinkName, Arc<Wire>>,
    /// By dialer and listener.
    pairs: BTreeMap<LinkName, Arc<Pair>>,
    timers: Vec<JoinHandle<()>>,
    relays: Mutex<BTreeMap<(LinkName, Way), JoinHandle<()>>>,
    /// A mutant for our own tests: everything passes, whatever is in force.
    ignores_faults: bool,
}

impl Network {
    /// Opens the links for everybody who dials somebody (dialer, listener), and begins to pass datagrams on. Needs a tokio runtime.
    pub(crate) fn open(dials: &[LinkName], seed: u64) -> anyhow::Result<Self> {
        let epoch = Instant::now();
        let both_ways = dials.iter().flat_map(|(a, b)| [(a, b), (b, a)]);
        let links: BTreeSet<_> = both_ways.map(|(from, to)| (from.clone(), to.clone())).collect();
        let wire = |(from, to): LinkName| {
            let wire = Arc::new(Wire::new(seed, &from, &to, epoch));
            ((from, to), wire)
        };
        let wires: BTreeMap<_, _> = links.into_iter().map(wire).collect();
        let timers = wires.values().map(|wire| tokio::spawn(wire.clone().release())).collect();
        let mut pairs = BTreeMap::new();
        for name in dials {
            let pair = Pair::open().context("cannot open the sockets of a link")?;
            pairs.insert(name.clone(), Arc::new(pair));
        }
        let relays = Mutex::default();
        let network = Self { wires, pairs, timers, relays, ignores_faults: false };
        for name in dials {
            network.relay(name, Way::There);
            network.relay(name, Way::Back);
        }
        Ok(network)
    }

    /// Makes the relay ignore every fault: a mutant that our own checks must find out.
    pub(crate) fn ignore_faults(&mut self) {
        self.ignores_faults = true;
        for name in self.pairs.keys() {
            self.relay(name, Way::There);
            self.relay(name, Way::Back);
        }
    }

    /// Where `dialer` must send what is for `listener`.
    pub(crate) fn entrance(&self, dialer: &str, listener: &str) -> SocketAddr {
        self.pairs[&(dialer.to_string(), listener.to_string())].entrance.address()
    }

    /// Tells the links where an end dials from and listens. Until then nothing is passed from or to it.
    pub(crate) fn set_address(&self, end: &str, address: SocketAddr) {
        self.set_dialer(end, address);
        self.set_listener(end, address);
    }

    /// Tells the links where an end dials from.
    pub(crate) fn set_dialer(&self, end: &str, address: SocketAddr) {
        for (_, pair) in self.pairs.iter().filter(|((dialer, _), _)| dialer == end) {
            pair.set_dialer(address);
        }
    }

    /// Tells the links where an end listens.
    pub(crate) fn set_listener(&self, end: &str, address: SocketAddr) {
        for (_, pair) in self.pairs.iter().filter(|((_, listener), _)| listener == end) {
            pair.set_listener(address);
        }
    }

    /// Puts a fault in force on some links.
    pub(crate) fn begin(&self, fault: &str, rules: &[(LinkName, Rule)]) {
        for (name, rule) in rules {
            self.wires[name].begin(fault, rule.clone());
        }
    }

    /// Ends a fault and says what it did, link by link.
    pub(crate) fn end(&self, fault: &str) -> BTreeMap<LinkName, Tally> {
        let ended = |(name, wire): (&LinkName, &Arc<Wire>)| Some((name.clone(), wire.end(fault)?));
        self.wires.iter().filter_map(ended).collect()
    }

    /// Makes the kernel refuse what is sent into some links (ICMP port unreachable), and makes sure that it does. Each call wants one of
    /// [`Network::accept`]; where one link cannot be refused, none is.
    pub(crate) fn refuse(&self, links: &[LinkName]) -> anyhow::Result<()> {
        let mut refusing: Vec<Arc<Port>> = Vec::new();
        let mut refuse = |link: LinkName, port: Arc<Port>| {
            port.refuse()?;
            refusing.push(port.clone());
            ensure!(port.is_refused()?, "{} -> {} is not refused", link.0, link.1);
            Ok(())
        };
        let refused =
            self.receiving(links).into_iter().try_for_each(|(link, port)| refuse(link, port));
        if refused.is_err() {
            for port in refusing {
                port.accept()?;
            }
        }
        refused
    }

    /// Takes back a [`Network::refuse`]. Says whether everything is accepted again that nothing else refuses.
    pub(crate) fn accept(&self, links: &[LinkName]) -> anyhow::Result<bool> {
        let mut accepted = true;
        for (_, port) in self.receiving(links) {
            port.accept()?;
            accepted &= port.is_refusing() || !port.is_refused()?;
        }
        Ok(accepted)
    }

    /// Gives the dialers at the beginning of some links new source ports, as a NAT does that has forgotten them. Returns the old and the new port by link.
    pub(crate) fn rebind(
        &self,
        links: &[LinkName],
    ) -> anyhow::Result<BTreeMap<LinkName, (u16, u16)>> {
        let mut ports = BTreeMap::new();
        for link in links {
            let Some(pair) = self.pairs.get(link) else { continue };
            let old = pair.replace_exit(Port::open().context("cannot rebind a link")?);
            self.relay(link, Way::Back);
            ports.insert(link.clone(), (old.port(), pair.exit().address().port()));
        }
        Ok(ports)
    }

    /// How many datagrams each link has passed on.
    pub(crate) fn passed(&self) -> BTreeMap<LinkName, u64> {
        self.wires.iter().map(|(name, wire)| (name.clone(), wire.passed())).collect()
    }

    /// The sockets at which the datagrams of some links come in.
    fn receiving(&self, links: &[LinkName]) -> Vec<(LinkName, Arc<Port>)> {
        let mut ports = Vec::new();
        for link in links {
            let (from, to) = link;
            let dialled = self.pairs.get(link).map(|pair| pair.entrance.clone());
            let replied = self.pairs.get(&(to.clone(), from.clone())).map(|pair| pair.exit());
            ports.extend(dialled.into_iter().chain(replied).map(|port| (link.clone(), port)));
        }
        ports
    }

    /// Begins to pass on what a pair of sockets receives one way, in place of what did so before.
    fn relay(&self, name: &LinkName, way: Way) {
        let (dialer, listener) = name.clone();
        let link = match way {
            Way::There => (dialer, listener),
            Way::Back => (listener, dialer),
        };
        let (pair, wire) = (self.pairs[name].clone(), self.wires[&link].clone());
        let flow = Flow { pair, way, wire, ignores_faults: self.ignores_faults };
        let task = tokio::spawn(flow.pass_on());
        if let Some(before) = self.relays.lock().expect(NO_PANIC).insert((name.clone(), way), task)
        {
            before.abort();
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let relays = std::mem::take(&mut *self.relays.lock().expect(NO_PANIC));
        for task in self.timers.iter().chain(relays.values()) {
            task.abort();
        }
    }
}
