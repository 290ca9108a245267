//! What a fault means at the moment when it is applied: which nodes, which links.

use super::random::stream;
use crate::workload::{Direction, Packets, Partition, Shape, Target};

/// The end of the links on which clients are.
const CLIENTS: &str = "clients";

/// The moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    /// All nodes.
    pub(crate) nodes: &'a [String],
    /// Those that run: neither down nor paused.
    pub(crate) running: &'a [String],
    /// The leader, if one was found.
    pub(crate) leader: Option<&'a str>,
    /// Decides what is left to chance.
    pub(crate) seed: u64,
}

/// Why a fault cannot be applied now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unresolved {
    #[error("no leader was found")]
    NoLeader,
    #[error("no node that this fault could be applied to is running")]
    NoNode,
}

/// A directed link: from, to.
type Link = (String, String);

/// Links to cut, and how to put it into words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) links: Vec<Link>,
    pub(crate) words: CutWords,
}

/// What a cut is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CutWords {
    /// One node is cut off.
    Isolate { node: String, direction: Direction, clients: bool },
    /// Groups that cannot reach each other.
    Groups(Vec<Vec<String>>),
    /// A ring in which each node reaches its neighbours.
    Ring(Vec<String>),
}

/// The nodes that a target means.
pub(crate) fn targets(
    target: &Target,
    surroundings: &Surroundings<'_>,
) -> Result<Vec<String>, Unresolved> {
    let mut random = stream(surroundings.seed, "target");
    let running = surroundings.running;
    let any_of = |nodes: &[String], random: &mut super::Random| {
        random.pick(nodes).map(|node| vec![node.clone()]).ok_or(Unresolved::NoNode)
    };
    match target {
        Target::Leader => {
            surroundings.leader.map(|leader| vec![leader.to_string()]).ok_or(Unresolved::NoLeader)
        }
        Target::Follower => {
            let leader = surroundings.leader.ok_or(Unresolved::NoLeader)?;
            let others: Vec<_> = running.iter().filter(|node| *node != leader).cloned().collect();
            any_of(&others, &mut random)
        }
        Target::Any => any_of(running, &mut random),
        Target::All if running.is_empty() => Err(Unresolved::NoNode),
        Target::All => Ok(running.to_vec()),
        Target::Node(node) => Ok(vec![node.clone()]),
    }
}

/// The links that a partition cuts.
pub(crate) fn partition(
    partition: &Partition,
    surroundings: &Surroundings<'_>,
) -> Result<Cut, Unresolved> {
    let mut random = stream(surroundings.seed, "partition");
    let mut nodes = surroundings.nodes.to_vec();
    random.shuffle(&mut nodes);
    match partition {
        Partition::Isolate { node, direction, clients } => {
            let node = targets(node, surroundings)?.swap_remove(0);
            let links = isolate(&node, *direction, *clients, surroundings.nodes);
            let words = CutWords::Isolate { node, direction: *direction, clients: *clients };
            Ok(Cut { links, words })
        }
        Partition::Shape(Shape::Halves) => {
            let (minority, majority) = nodes.split_at(nodes.len() / 2);
            let groups = vec![sorted(minority), sorted(majority)];
            let apart = |a: &String, b: &String| minority.contains(a) != minority.contains(b);
            Ok(Cut { links: pairs(surroundings.nodes, apart), words: CutWords::Groups(groups) })
        }
        Partition::Shape(Shape::MajoritiesRing) => {
            let place = |node: &String| nodes.iter().position(|other| other == node);
            let apart = |a: &String, b: &String| {
                place(a)
                    .zip(place(b))
                    .is_some_and(|(a, b)| distance(a, b, nodes.len()) > reach(nodes.len()))
            };
            let links = pairs(surroundings.nodes, apart);
            Ok(Cut { links, words: CutWords::Ring(nodes) })
        }
    }
}

/// How many neighbours to each side a node of the ring must see, so that with itself it sees a majority.
fn reach(nodes: usize) -> usize {
    (nodes / 2).div_ceil(2)
}

fn distance(a: usize, b: usize, nodes: usize) -> usize {
    let apart = a.abs_diff(b);
    apart.min(nodes - apart)
}

fn isolate(node: &str, direction: Direction, clients: bool, nodes: &[String]) -> Vec<Link> {
    let client_end = [CLIENTS.to_string()];
    let others = nodes.iter().filter(|other| *other != node);
    let others = others.chain(client_end.iter().filter(|_| clients));
    let mut links = Vec::new();
    for other in others {
        if direction != Direction::Out {
            links.push((other.clone(), node.to_string()));
        }
        if direction != Direction::In {
            links.push((node.to_string(), other.clone()));
        }
    }
    links
}

/// All directed links between nodes that are apart.
fn pairs(nodes: &[String], apart: impl Fn(&String, &String) -> bool) -> Vec<Link> {
    let mut links = Vec::new();
    for from in nodes {
        for to in nodes {
            if from != to && apart(from, to) {
                links.push((from.clone(), to.clone()));
            }
        }
    }
    links
}

/// The links whose packets are lost or late.
pub(crate) fn packet_links(
    packets: &Packets,
    surroundings: &Surroundings<'_>,
) -> Result<Vec<Link>, Unresolved> {
    links_between(&packets.from, &packets.to, surroundings)
}

/// The links from some nodes to others, at least one. No link leads from a node to itself: where one end names a node, the other, if it is left to
/// chance, is another node.
pub(crate) fn links_between(
    from: &Target,
    to: &Target,
    surroundings: &Surroundings<'_>,
) -> Result<Vec<Link>, Unresolved> {
    let by_chance = |target: &Target| matches!(target, Target::Any | Target::Follower);
    let (from, to) = if by_chance(from) && !by_chance(to) {
        let to = end(to, &[], surroundings)?;
        (end(from, &to, surroundings)?, to)
    } else {
        let from = end(from, &[], surroundings)?;
        let to = end(to, &from, surroundings)?;
        (from, to)
    };
    let links = pairs(surroundings.nodes, |a, b| from.contains(a) && to.contains(b));
    if links.is_empty() { Err(Unresolved::NoNode) } else { Ok(links) }
}

/// The nodes at one end of some links, given those at the other.
fn end(
    target: &Target,
    other: &[String],
    surroundings: &Surroundings<'_>,
) -> Result<Vec<String>, Unresolved> {
    if *target == Target::All {
        return Ok(surroundings.nodes.to_vec());
    }
    let taken = |node: &&String| other.len() == 1 && other.contains(node);
    let running: Vec<_> =
        surroundings.running.iter().filter(|node| !taken(node)).cloned().collect();
    targets(target, &Surroundings { running: &running, ..*surroundings })
}

fn sorted(nodes: &[String]) -> Vec<String> {
    let mut nodes = nodes.to_vec();
    nodes.sort();
    nodes
}

impl Cut {
    /// The cut in words; `name` says how a node is called.
    pub(crate) fn describe(&self, name: impl Fn(&str) -> String) -> String {
        match &self.words {
            CutWords::Isolate { node, direction, clients } => {
                let way = match direction {
                    Direction::Both => "",
                    Direction::In => ", incoming only",
                    Direction::Out => ", outgoing only",
                };
                let clients = if *clients { ", clients too" } else { "" };
                format!("isolate {}{way}{clients}", name(node))
            }
            CutWords::Groups(groups) => {
                let groups: Vec<_> = groups.iter().map(|group| group.join(" ")).collect();
                format!("halves {}", groups.join(" | "))
            }
            CutWords::Ring(nodes) => format!("majorities ring {}", nodes.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn nodes(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("n{number}")).collect()
    }

    fn moment<'a>(nodes: &'a [String], leader: Option<&'a str>, seed: u64) -> Surroundings<'a> {
        Surroundings { nodes, running: nodes, leader, seed }
    }

    fn isolate_leader(direction: Direction, clients: bool) -> Partition {
        Partition::Isolate { node: Target::Leader, direction, clients }
    }

    #[test]
    fn every_target_means_what_it_says() {
        let all = nodes(5);
        for seed in 0..50 {
            let moment = moment(&all, Some("n2"), seed);
            assert_eq!(targets(&Target::Leader, &moment), Ok(vec!["n2".to_string()]));
            assert_eq!(targets(&Target::Node("n4".into()), &moment), Ok(vec!["n4".to_string()]));
            assert_eq!(targets(&Target::All, &moment), Ok(all.clone()));
            assert_ne!(targets(&Target::Follower, &moment).unwrap(), ["n2"]);
        }
        let any: BTreeSet<_> = (0..100)
            .map(|seed| targets(&Target::Any, &moment(&all, None, seed)).unwrap())
            .collect();
        assert_eq!(any.len(), 5);
    }

    #[test]
    fn what_cannot_be_resolved_says_why() {
        let all = nodes(3);
        let leaderless = moment(&all, None, 1);
        assert_eq!(targets(&Target::Leader, &leaderless), Err(Unresolved::NoLeader));
        assert_eq!(targets(&Target::Follower, &leaderless), Err(Unresolved::NoLeader));
        let dead = Surroundings { running: &[], ..leaderless };
        assert_eq!(targets(&Target::Any, &dead), Err(Unresolved::NoNode));
        assert_eq!(targets(&Target::All, &dead), Err(Unresolved::NoNode));
    }

    #[test]
    fn isolation_cuts_the_ways_that_it_names() {
        let all = nodes(3);
        let moment = moment(&all, Some("n2"), 1);
        let cut =
            |direction, clients| partition(&isolate_leader(direction, clients), &moment).unwrap();
        let link = |from: &str, to: &str| (from.to_string(), to.to_string());
        assert_eq!(cut(Direction::Both, false).links.len(), 4);
        assert_eq!(cut(Direction::Out, false).links, [link("n2", "n1"), link("n2", "n3")]);
        assert_eq!(cut(Direction::In, false).links, [link("n1", "n2"), link("n3", "n2")]);
        assert!(cut(Direction::In, true).links.contains(&link(CLIENTS, "n2")));
        let words = cut(Direction::Out, true).describe(|node| format!("leader {node}"));
        assert_eq!(words, "isolate leader n2, outgoing only, clients too");
    }

    #[test]
    fn halves_are_a_minority_and_the_rest() {
        for count in 2..=9 {
            let all = nodes(count);
            let cut = partition(&Partition::Shape(Shape::Halves), &moment(&all, None, 3)).unwrap();
            let minority = count / 2;
            assert_eq!(cut.links.len(), 2 * minority * (count - minority));
        }
    }

    #[test]
    fn in_a_ring_every_node_sees_a_majority_and_no_two_see_the_same() {
        for count in 5..=9 {
            let all = nodes(count);
            for seed in 0..20 {
                let ring = Partition::Shape(Shape::MajoritiesRing);
                let cut = partition(&ring, &moment(&all, None, seed)).unwrap();
                let sees = |node: &String| -> BTreeSet<String> {
                    let lost =
                        |other: &&String| cut.links.contains(&(node.clone(), (*other).clone()));
                    all.iter().filter(|other| !lost(other)).cloned().collect()
                };
                let views: BTreeSet<_> = all.iter().map(sees).collect();
                assert!(views.iter().all(|view| view.len() > count / 2), "{count}: {views:?}");
                assert_eq!(views.len(), count, "{views:?}");
            }
        }
    }

    #[test]
    fn packets_touch_the_links_between_the_ends_that_they_name() {
        let all = nodes(3);
        let moment = moment(&all, Some("n2"), 1);
        let packets = |from, to| Packets { from, to, ..Packets::default() };
        assert_eq!(packet_links(&packets(Target::All, Target::All), &moment).unwrap().len(), 6);
        let from_leader = packet_links(&packets(Target::Leader, Target::All), &moment).unwrap();
        assert!(from_leader.len() == 2 && from_leader.iter().all(|(from, _)| from == "n2"));
        for seed in 0..50 {
            let moment = Surroundings { seed, ..moment };
            for (from, to) in [
                (Target::Any, Target::Any),
                (Target::Any, Target::Node("n1".into())),
                (Target::Follower, Target::Follower),
                (Target::Leader, Target::Follower),
            ] {
                assert_eq!(packet_links(&packets(from, to), &moment).unwrap().len(), 1);
            }
        }
        let to_itself = packets(Target::Leader, Target::Leader);
        assert_eq!(packet_links(&to_itself, &moment), Err(Unresolved::NoNode));
    }
}
