//! How much is broken at once, and whether the system must bear it.
//!
//! A replicated system promises to go on while a majority of its nodes run and reach each other, both ways. What is broken beyond that must break no
//! other promise either, but nobody may wait for an answer then.

use std::collections::BTreeSet;

use super::{Surroundings, partition, targets};
use crate::workload::Fault;

/// A directed link: from, to.
type Link = (String, String);

/// What is broken at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Nodes that do not run: killed, stopped, or starved.
    pub(crate) down: BTreeSet<String>,
    /// Links between nodes on which nothing passes.
    pub(crate) cut: BTreeSet<Link>,
}

impl Damage {
    /// What a fault breaks for as long as it is in force. What only makes something slow or lossy breaks nothing.
    pub(crate) fn of(fault: &Fault, surroundings: &Surroundings<'_>) -> Self {
        match fault {
            Fault::Partition(cut) => {
                let links = partition(cut, surroundings).map(|severed| severed.links);
                let is_node = |end: &String| surroundings.nodes.contains(end);
                let between = |(from, to): &Link| is_node(from) && is_node(to);
                let cut = links.unwrap_or_default().into_iter().filter(between).collect();
                Self { cut, ..Self::default() }
            }
            // Who may have few files may end of it, and who is restarted or gets little of the processor is away now and then.
            Fault::Kill(_)
            | Fault::Terminate(_)
            | Fault::Restart(_)
            | Fault::Pause(_)
            | Fault::Starve(_)
            | Fault::Limit(_)
            | Fault::Upgrade(_)
            | Fault::Wipe(_) => {
                let struck = fault.targets().into_iter();
                let down = struck
                    .flat_map(|(_, target)| targets(target, surroundings).unwrap_or_default());
                Self { down: down.collect(), ..Self::default() }
            }
            Fault::Packets(_) | Fault::Messages(_) | Fault::Members(_) | Fault::Transfer(_) => {
                Self::default()
            }
        }
    }

    /// Both together.
    pub(crate) fn with(&self, more: &Self) -> Self {
        Self {
            down: self.down.union(&more.down).cloned().collect(),
            cut: self.cut.union(&more.cut).cloned().collect(),
        }
    }

    /// The largest set of nodes that run and all reach each other; of several, the first in the order of names.
    pub(crate) fn whole(&self, nodes: &[String]) -> Vec<String> {
        let running: Vec<_> = nodes.iter().filter(|node| !self.down.contains(*node)).collect();
        let apart = |a: &String, b: &String| {
            self.cut.contains(&(a.clone(), b.clone())) || self.cut.contains(&(b.clone(), a.clone()))
        };
        // A cluster has nine nodes at most: all sets can be tried.
        let sets = (0_u32..1 << running.len()).map(|set| {
            let member = |place: &usize| set & (1 << place) != 0;
            (0..running.len()).filter(member).map(|place| running[place]).collect::<Vec<_>>()
        });
        let connected = |set: &Vec<&String>| {
            set.iter().enumerate().all(|(place, a)| set[..place].iter().all(|b| !apart(a, b)))
        };
        let mut largest = Vec::new();
        for set in sets.filter(connected) {
            if set.len() > largest.len() {
                largest = set;
            }
        }
        largest.into_iter().cloned().collect()
    }

    /// Whether the system must go on: a majority is whole.
    pub(crate) fn is_tolerable(&self, nodes: &[String]) -> bool {
        self.whole(nodes).len() * 2 > nodes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("n{number}")).collect()
    }

    fn damage(down: &[&str], cut: &[(&str, &str)]) -> Damage {
        Damage {
            down: down.iter().map(ToString::to_string).collect(),
            cut: cut.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect(),
        }
    }

    #[test]
    fn a_minority_may_be_down_or_cut_off_and_no_more() {
        for (nodes, broken, whole) in [
            (3, damage(&[], &[]), 3),
            (3, damage(&["n1"], &[]), 2),
            (3, damage(&["n1", "n2"], &[]), 1),
            (5, damage(&["n1"], &[("n2", "n3"), ("n2", "n4"), ("n2", "n5")]), 3),
            // One way is enough: who cannot answer counts for nothing.
            (3, damage(&[], &[("n1", "n2")]), 2),
            (3, damage(&["n3"], &[("n1", "n2")]), 1),
            (1, damage(&["n1"], &[]), 0),
        ] {
            let names = names(nodes);
            assert_eq!(broken.whole(&names).len(), whole, "{broken:?}");
            assert_eq!(broken.is_tolerable(&names), 2 * whole > nodes, "{broken:?}");
        }
    }

    #[test]
    fn a_ring_of_majorities_leaves_no_majority_that_all_reach_each_other() {
        // Each of five reaches two neighbours: every node sees three, and no three see each other.
        let ring = [("n1", "n3"), ("n1", "n4"), ("n2", "n4"), ("n2", "n5"), ("n3", "n5")];
        assert!(!damage(&[], &ring).is_tolerable(&names(5)));
    }

    #[test]
    fn whatever_is_done_to_a_process_counts_it_as_down() {
        let nodes = names(5);
        let surroundings = Surroundings {
            nodes: &nodes,
            running: &nodes,
            leader: Some("n2"),
            candidates: &[],
            seed: 1,
        };
        for (fault, down) in [
            (r#"{"kill":{"node":"leader"}}"#, 1),
            (r#"{"terminate":{"node":["n1","n3"]}}"#, 2),
            (r#"{"restart":{"node":"majority","every":"1s"}}"#, 3),
            (r#"{"pause":{"node":"minority"}}"#, 2),
            (r#"{"starve":{"node":"n4","cpu":"5%"}}"#, 1),
            (r#"{"limit":{"node":"follower","open_files":8}}"#, 1),
            (r#"{"upgrade":{"node":"any","to":"next"}}"#, 1),
            (r#"{"wipe":{"node":"all"}}"#, 5),
        ] {
            let fault: Fault = serde_json::from_str(fault).unwrap();
            assert_eq!(Damage::of(&fault, &surroundings).down.len(), down, "{fault:?}");
        }
    }

    #[test]
    fn damages_add_up() {
        let both = damage(&["n1"], &[]).with(&damage(&["n2"], &[("n1", "n2")]));
        assert_eq!(both, damage(&["n1", "n2"], &[("n1", "n2")]));
    }
}
