//! Faults of messages between nodes. Evidence: how many of each kind were touched, link by link, as the relay counted them.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Applied, Effect};
use crate::links::{Counters, MessageCounters, MessageRelay};
use crate::plan::{self, Surroundings};
use crate::workload::{MessageKind, Messages};

pub(super) fn messages(
    relay: Option<&MessageRelay>,
    id: &str,
    messages: &Messages,
    surroundings: &Surroundings<'_>,
) -> anyhow::Result<(String, Value, Applied)> {
    let relay = relay.context("this run has no message relay")?;
    let links = plan::links_between(&messages.from, &messages.to, surroundings)?;
    relay.begin(id, &links, messages);
    let names: Vec<_> = links.iter().map(|(from, to)| format!("{from}->{to}")).collect();
    let action = match names.as_slice() {
        [link] => format!("{} on {link}", messages.describe()),
        links => format!("{} on {} links", messages.describe(), links.len()),
    };
    Ok((action, json!({ "links": names }), Applied::Messages))
}

/// Ends the fault and says what it did.
pub(super) fn heal(relay: Option<&MessageRelay>, id: &str) -> Effect {
    let links = relay.map(|relay| relay.end(id)).unwrap_or_default();
    let mut touched: BTreeMap<MessageKind, u64> = BTreeMap::new();
    for (kind, count) in links.values().flat_map(|link| &link.touched) {
        *touched.entry(*kind).or_default() += count;
    }
    let seen: u64 = links.values().map(|link| link.counters.seen).sum();
    let total: u64 = links.values().map(MessageCounters::total).sum();
    let effect = match done(links.values()).as_slice() {
        [] => format!("none of {seen} messages touched"),
        done => {
            let kinds: Vec<_> =
                touched.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            format!("of {seen} messages {}: {}", done.join(", "), kinds.join(", "))
        }
    };
    let links: BTreeMap<_, _> =
        links.iter().map(|((from, to), counters)| (format!("{from}->{to}"), counters)).collect();
    let evidence = json!({ "touched": touched, "links": links });
    Effect { effective: total > 0, healed: true, effect, evidence }
}

/// What was done, each with how often.
fn done<'a>(links: impl Iterator<Item = &'a MessageCounters>) -> Vec<String> {
    let mut sums = [0; 5];
    for link in links {
        let Counters { dropped, held, delayed, duplicated, reordered, .. } = link.counters;
        let counts = [dropped, held, delayed, duplicated, reordered];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let names = ["dropped", "held", "delayed", "duplicated", "reordered"];
    let some = sums.iter().zip(names).filter(|(sum, _)| **sum > 0);
    some.map(|(sum, name)| format!("{sum} {name}")).collect()
}
