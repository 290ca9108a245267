//! Partitions and impaired links. Evidence: the counters of every link that was touched, what the kernel says to a probe of a rejecting link,
//! and the ports of what was bound anew.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Applied, Effect, Words, merged};
use crate::links::{
    Bursts, CutMode, Delay, Flapping, Impairment, LinkName, Loss, Network, Rate, Reorder, Rule,
    Tally,
};
use crate::plan::{self, Surroundings};
use crate::workload::{Mode, Packets, Partition};

/// A fault on some links.
pub(super) struct NetworkFault {
    links: Vec<LinkName>,
    mode: Option<Mode>,
    /// Old and new port of the dialers that were bound anew, by link.
    rebound: BTreeMap<LinkName, (u16, u16)>,
}

pub(super) fn partition(
    network: &Network,
    id: &str,
    partition: &Partition,
    surroundings: &Surroundings<'_>,
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    let severed = plan::partition(partition, surroundings)?;
    let action = severed.describe(|node| words.node(node));
    let mode = match partition.mode {
        Mode::Drop | Mode::Reject => CutMode::Drop,
        Mode::Hold => CutMode::Hold,
    };
    let flapping =
        partition.flapping.map(|flapping| Flapping { up: flapping.up, down: flapping.down });
    let rule = Rule::Cut { mode, flapping };
    begin(network, id, &severed.links, &rule);
    let links = severed.links;
    if partition.mode == Mode::Reject
        && let Err(error) = network.refuse(&links)
    {
        network.end(id);
        return Err(error);
    }
    let evidence = json!({ "cut": links.iter().map(name).collect::<Vec<_>>() });
    let fault = NetworkFault { links, mode: Some(partition.mode), rebound: BTreeMap::new() };
    Ok((action, evidence, Applied::Network(fault)))
}

pub(super) fn packets(
    network: &Network,
    id: &str,
    packets: &Packets,
    surroundings: &Surroundings<'_>,
) -> anyhow::Result<(String, Value, Applied)> {
    let links = plan::packet_links(packets, surroundings)?;
    let action = format!("{} on {} links", packets.describe(), links.len());
    begin(network, id, &links, &Rule::Impair(impairment(packets)));
    let rebound = if packets.rebind { network.rebind(&links) } else { Ok(BTreeMap::new()) };
    let rebound = rebound.inspect_err(|_| drop(network.end(id)))?;
    let evidence = json!({ "links": links.iter().map(name).collect::<Vec<_>>() });
    Ok((action, evidence, Applied::Network(NetworkFault { links, mode: None, rebound })))
}

fn begin(network: &Network, id: &str, links: &[LinkName], rule: &Rule) {
    let rules: Vec<_> = links.iter().map(|link| (link.clone(), rule.clone())).collect();
    network.begin(id, &rules);
}

/// What the engine is to do.
fn impairment(packets: &Packets) -> Impairment {
    let Packets { loss, loss_bursts, delay, jitter, distribution, .. } = packets;
    let is_late = !delay.is_zero() || !jitter.is_zero();
    let bursts = loss_bursts.map(|bursts| Bursts {
        begin: bursts.begin,
        end: bursts.end,
        within: bursts.within,
        between: bursts.between,
    });
    Impairment {
        loss: bursts.map(Loss::Bursts).or_else(|| (*loss > 0.0).then_some(Loss::Share(*loss))),
        delay: is_late.then_some(Delay {
            base: *delay,
            jitter: *jitter,
            distribution: *distribution,
        }),
        duplicate: packets.duplicate,
        copies_behind: Duration::ZERO,
        reorder: (packets.reorder > 0.0)
            .then_some(Reorder { share: packets.reorder, by: packets.reorder_by }),
        corrupt: packets.corrupt,
        rate: packets.rate.map(|bytes_per_second| {
            let queue_bytes = packets.queue.unwrap_or(Packets::QUEUE_BYTES);
            Rate { bytes_per_second, queue_bytes }
        }),
        mtu: packets.mtu.map(|mtu| mtu as usize),
        ecn: packets.ecn,
        correlation: packets.correlation,
    }
}

fn name((from, to): &LinkName) -> String {
    format!("{from}->{to}")
}

impl NetworkFault {
    /// Ends the fault and says what it did.
    pub(super) fn heal(self, network: &Network, id: &str) -> Effect {
        // The kernel stops refusing before the links are whole: what comes in between is dropped and counted.
        let rejects = self.mode == Some(Mode::Reject);
        let accepted = if rejects { network.accept(&self.links) } else { Ok(true) };
        let links = network.end(id);
        let mut total = Tally::default();
        for tally in links.values() {
            total.add(tally);
        }
        let touched = links.values().filter(|tally| tally.counters.touched()).count();
        let effect = match self.mode {
            Some(mode) => cut_words(mode, &total, touched, self.links.len()),
            None => packet_words(&total, touched, &self.rebound),
        };
        let links: BTreeMap<_, _> =
            links.iter().map(|(link, tally)| (name(link), evidence(tally))).collect();
        let rebound: BTreeMap<_, _> =
            self.rebound.iter().map(|(link, ports)| (name(link), ports)).collect();
        let mut evidence = json!({ "links": links });
        if !rebound.is_empty() {
            evidence["rebound"] = json!(rebound);
        }
        if rejects {
            evidence["refused"] = json!(self.links.iter().map(name).collect::<Vec<_>>());
        }
        if let Err(error) = &accepted {
            evidence["error"] = json!(format!("{error:#}"));
        }
        let effective = total.counters.touched() || !rebound.is_empty() || rejects;
        let healed = accepted.unwrap_or(false);
        Effect { effective, healed, effect, evidence }
    }
}

/// What the end line says of a link: its counters, and the delays in nanoseconds where there were any.
fn evidence(tally: &Tally) -> Value {
    let counters = json!(tally.counters);
    if tally.counters.delayed == 0 {
        return counters;
    }
    let quantile = |share| tally.delay(share).as_nanos() as u64;
    merged(counters, json!({ "delay_p50_ns": quantile(0.5), "delay_p99_ns": quantile(0.99) }))
}

fn cut_words(mode: Mode, total: &Tally, touched: usize, all: usize) -> String {
    let counters = total.counters;
    match mode {
        Mode::Drop => format!("{} packets dropped on {touched} links", counters.dropped),
        Mode::Reject => {
            format!("refused on {all} links, {} packets under way dropped", counters.dropped)
        }
        Mode::Hold => {
            let (held, released, dropped) = (counters.held, counters.released, counters.dropped);
            let lost = if dropped > 0 { format!(", {dropped} lost") } else { String::new() };
            format!("{held} packets held and {released} released on {touched} links{lost}")
        }
    }
}

fn packet_words(total: &Tally, touched: usize, rebound: &BTreeMap<LinkName, (u16, u16)>) -> String {
    let counters = total.counters;
    let mut words = vec![format!("{} of {} packets dropped", counters.dropped, counters.seen)];
    if counters.delayed > 0 {
        let [p50, p99] = [0.5, 0.99].map(|share| milliseconds(total.delay(share)));
        words.push(format!("{} delayed (p50 {p50}, p99 {p99})", counters.delayed));
    }
    for (count, what) in [
        (counters.reordered, "reordered"),
        (counters.duplicated, "duplicated"),
        (counters.corrupted, "corrupted"),
        (counters.remarked, "with another ECN mark"),
        (rebound.len() as u64, "links from a new port"),
    ] {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    }
    format!("{} on {touched} links", words.join(", "))
}

fn milliseconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    let digits = if milliseconds < 10.0 { 1 } else { 0 };
    format!("{milliseconds:.digits$} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fault_did_is_put_into_words() {
        let mut total = Tally::default();
        (total.counters.seen, total.counters.dropped, total.counters.held) = (50, 7, 3);
        total.counters.released = 3;
        assert_eq!(cut_words(Mode::Drop, &total, 2, 4), "7 packets dropped on 2 links");
        assert_eq!(
            cut_words(Mode::Hold, &total, 2, 4),
            "3 packets held and 3 released on 2 links, 7 lost"
        );
        assert_eq!(
            cut_words(Mode::Reject, &total, 2, 4),
            "refused on 4 links, 7 packets under way dropped"
        );
        total.delayed(Duration::from_millis(40));
        total.counters.duplicated = 2;
        assert_eq!(
            packet_words(&total, 2, &BTreeMap::new()),
            "7 of 50 packets dropped, 1 delayed (p50 42 ms, p99 42 ms), 2 duplicated on 2 links"
        );
        assert_eq!(evidence(&total)["delayed"], 1);
        assert!(evidence(&total)["delay_p99_ns"].as_u64().is_some_and(|late| late >= 40_000_000));
    }
}
