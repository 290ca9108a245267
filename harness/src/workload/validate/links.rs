//! What makes no sense of faults of links.

use std::time::Duration;

use super::super::fault::Target;
use super::super::messages::Messages;
use super::super::packets::Packets;
use super::super::partition::{Cut, Mode, Partition};
use super::super::spans::Segment;
use super::Validation;

/// Nothing that a fault does to a packet takes longer.
const PACKET_LATE_MAX: Duration = Duration::from_secs(60);
/// The largest packet of a QUIC endpoint on an ordinary network. A queue that has no room for one passes nothing.
const QUEUE_BYTES_MIN: u64 = 1_500;

impl Validation<'_> {
    pub(super) fn partition(&mut self, path: &[Segment], partition: &Partition) {
        let nodes = self.workload.system.nodes;
        match &partition.cut {
            Cut::Isolate(node) => {
                let message = "one node is isolated; for several there are `shape` and `grudge`";
                self.require(node.is_one(), path, message);
                self.require(nodes >= 2, path, "a partition needs at least 2 nodes");
            }
            Cut::Shape(shape) => {
                let least = shape.nodes_min();
                let message = format!("this shape needs at least {least} nodes");
                self.require(nodes >= least, path, message);
            }
            Cut::Grudge(grudge) => {
                let path = [path, &path!["grudge"]].concat();
                self.require(!grudge.is_empty(), &path, "a grudge against nobody cuts nothing");
                for (node, others) in grudge {
                    let path = [path.as_slice(), &path![node.as_str()]].concat();
                    self.require(!others.is_empty(), &path, "a grudge against nobody cuts nothing");
                    self.require(
                        !others.contains(node),
                        &path,
                        "no link leads from a node to itself",
                    );
                    for name in others.iter().chain([node]) {
                        self.target(&path, &Target::Node(name.clone()));
                    }
                }
            }
        }
        let Some(flapping) = partition.flapping else { return };
        let path = [path, &path!["flapping"]].concat();
        let takes_time = !flapping.up.is_zero() && !flapping.down.is_zero();
        self.require(takes_time, &path, "a link flaps only if it is both up and down for a while");
        let message = "what flaps is dropped or held, not rejected";
        self.require(partition.mode != Mode::Reject, &path, message);
    }

    pub(super) fn packets(&mut self, path: &[Segment], packets: &Packets) {
        let at = |key: &str| [path, &path![key]].concat();
        let Packets { loss, loss_bursts, delay, jitter, distribution, .. } = packets;
        let is_random = [*loss, packets.reorder, packets.duplicate, packets.corrupt];
        let is_random = is_random.iter().any(|share| *share > 0.0) || !jitter.is_zero();
        let is_late = !delay.is_zero() || packets.rate.is_some();
        let touches = is_random
            || is_late
            || loss_bursts.is_some()
            || packets.mtu.is_some()
            || packets.ecn.is_some()
            || packets.rebind;
        self.require(touches, path, "nothing is done to the packets: say `loss`, `delay`, …");
        let among_clients = [&packets.from, &packets.to].iter().all(|end| **end == Target::Clients);
        self.require(!among_clients, path, "clients send each other nothing");
        let late =
            [*delay, *jitter, packets.reorder_by].iter().all(|late| *late <= PACKET_LATE_MAX);
        self.require(late, path, "a packet is late by a minute at most");
        let varies = *distribution == Default::default() || !jitter.is_zero();
        self.require(
            varies,
            &at("distribution"),
            "without `jitter` there is nothing to distribute",
        );
        let both = (packets.reorder > 0.0) != packets.reorder_by.is_zero();
        self.require(
            both,
            path,
            "`reorder` says how many, `reorder_by` by how much: both are needed",
        );
        let streaks = packets.correlation == 0.0 || is_random;
        self.require(
            streaks,
            &at("correlation"),
            "nothing is left to chance that could be correlated",
        );
        let never = "at 100% the luck of the first packet would be that of all";
        self.require(packets.correlation < 1.0, &at("correlation"), never);
        self.bursts(path, packets);
        self.capacity(path, packets);
        self.ends(path, &packets.from, &packets.to);
    }

    /// Losses that come in bursts.
    fn bursts(&mut self, path: &[Segment], packets: &Packets) {
        let at = [path, &path!["loss_bursts"]].concat();
        let Some(bursts) = &packets.loss_bursts else { return };
        let message = "losses are either single (`loss`) or in bursts (`loss_bursts`)";
        self.require(packets.loss == 0.0, &at, message);
        let message = "a burst must be able to begin, to end, and to lose something";
        let possible = bursts.begin > 0.0 && bursts.end > 0.0 && bursts.within > 0.0;
        self.require(possible, &at, message);
    }

    /// How much a link carries.
    fn capacity(&mut self, path: &[Segment], packets: &Packets) {
        let at = |key: &str| [path, &path![key]].concat();
        self.require(packets.rate != Some(0), &at("rate"), "a rate of 0 is a partition");
        self.require(packets.mtu != Some(0), &at("mtu"), "an MTU of 0 is a partition");
        let queue = packets.queue.is_none_or(|queue| queue >= QUEUE_BYTES_MIN);
        let message = format!("a queue of less than {QUEUE_BYTES_MIN}B has no room for a packet");
        self.require(queue, &at("queue"), message);
        let waits = packets.queue.is_none() || packets.rate.is_some();
        self.require(waits, &at("queue"), "without `rate` nothing queues");
    }

    pub(super) fn messages(&mut self, path: &[Segment], messages: &Messages) {
        let Messages { from, to, nth, drop, hold, delay, jitter, duplicate, reorder, .. } =
            messages;
        let touches = [*drop, *duplicate, *reorder].iter().any(|share| *share > 0.0)
            || *hold
            || *delay + *jitter > Duration::ZERO;
        let message =
            "say what is done to the messages: `drop`, `hold`, `delay`, `duplicate` or `reorder`";
        self.require(touches, path, message);
        self.require(*nth != Some(0), path, "messages are counted from 1");
        let alone = *drop + *duplicate + *reorder == 0.0 && (*delay + *jitter).is_zero();
        let message = "what is held is nothing else: another fault may lose or delay it";
        self.require(!*hold || alone, path, message);
        let most = Duration::from_secs(60);
        let late = (*delay).max(*jitter).max(messages.behind());
        self.require(late <= most, path, "a message is late by a minute at most");
        self.ends(path, from, to);
    }

    /// The two ends of links.
    fn ends(&mut self, path: &[Segment], from: &Target, to: &Target) {
        let one = matches!(from, Target::Leader | Target::Candidate | Target::Node(_));
        let itself = from == to && (one || *from == Target::Majority);
        self.require(!itself, path, "no link leads from a node to itself");
        self.require(self.workload.system.nodes >= 2, path, "one node has no links");
    }
}
