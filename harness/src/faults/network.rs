//! Partitions and lossy or slow links. Evidence: the counters of every link that was touched.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Applied, Effect, Words};
use crate::links::{Counters, Network, Rule};
use crate::plan::{self, Surroundings};
use crate::workload::{Packets, Partition};

/// A fault on some links.
pub(super) struct NetworkFault {
    cuts: bool,
}

pub(super) fn partition(
    network: &Network,
    id: &str,
    partition: &Partition,
    surroundings: &Surroundings<'_>,
    words: &Words,
) -> anyhow::Result<(String, Value, Applied)> {
    let cut = plan::partition(partition, surroundings)?;
    let action = cut.describe(|node| words.node(node));
    let links: Vec<_> = cut.links.into_iter().map(|link| (link, Rule::Cut)).collect();
    network.begin(id, &links);
    let evidence = json!({ "cut": names(&links) });
    Ok((action, evidence, Applied::Network(NetworkFault { cuts: true })))
}

pub(super) fn packets(
    network: &Network,
    id: &str,
    packets: &Packets,
    surroundings: &Surroundings<'_>,
) -> anyhow::Result<(String, Value, Applied)> {
    let links = plan::packet_links(packets, surroundings)?;
    let rule = Rule::Impair { loss: packets.loss, delay: packets.delay, jitter: packets.jitter };
    let links: Vec<_> = links.into_iter().map(|link| (link, rule)).collect();
    let action = format!("{} on {} links", packets.describe(), links.len());
    network.begin(id, &links);
    let evidence = json!({ "links": names(&links) });
    Ok((action, evidence, Applied::Network(NetworkFault { cuts: false })))
}

fn names(links: &[((String, String), Rule)]) -> Vec<String> {
    links.iter().map(|((from, to), _)| format!("{from}->{to}")).collect()
}

impl NetworkFault {
    /// Ends the fault and says what it did.
    pub(super) fn heal(self, network: &Network, id: &str) -> Effect {
        let links = network.end(id);
        let mut total = Counters::default();
        for counters in links.values() {
            total.add(*counters);
        }
        let touched = links.values().filter(|link| link.dropped + link.delayed > 0).count();
        let effect = if self.cuts {
            format!("{} packets dropped on {touched} links", total.dropped)
        } else {
            let Counters { seen, dropped, delayed, .. } = total;
            format!("{dropped} of {seen} packets dropped, {delayed} delayed on {touched} links")
        };
        let links: BTreeMap<_, _> = links
            .into_iter()
            .map(|((from, to), counters)| (format!("{from}->{to}"), counters))
            .collect();
        let effective = total.dropped + total.delayed > 0;
        Effect { effective, healed: true, effect, evidence: json!({ "links": links }) }
    }
}
