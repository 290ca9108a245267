//! What a fault means at the moment when it is applied: which nodes, which links.

use super::random::stream;
use crate::workload::{Packets, Target};

/// The moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    /// All nodes.
    pub(crate) nodes: &'a [String],
    /// Those that run: neither down nor paused.
    pub(crate) running: &'a [String],
    /// The leader, if one was found.
    pub(crate) leader: Option<&'a str>,
    /// Those that stand for election, as far as it was looked for them.
    pub(crate) candidates: &'a [String],
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
    #[error("nobody stands for election")]
    NoCandidate,
    #[error("no majority of the nodes is running")]
    TooFew,
}

/// The end of the links on which clients are.
pub(crate) const CLIENTS: &str = "clients";

/// A directed link: from, to.
type Link = (String, String);

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
        Target::Candidate => random
            .pick(surroundings.candidates)
            .map(|node| vec![node.clone()])
            .ok_or(Unresolved::NoCandidate),
        Target::Any => any_of(running, &mut random),
        Target::Minority => {
            let most = surroundings.nodes.len().saturating_sub(1) / 2;
            let some = some_of(running, most, &mut random);
            if some.is_empty() { Err(Unresolved::NoNode) } else { Ok(some) }
        }
        Target::Majority => {
            let least = surroundings.nodes.len() / 2 + 1;
            let some = some_of(running, least, &mut random);
            if some.len() < least { Err(Unresolved::TooFew) } else { Ok(some) }
        }
        Target::All if running.is_empty() => Err(Unresolved::NoNode),
        Target::All => Ok(running.to_vec()),
        Target::Node(node) => Ok(vec![node.clone()]),
        Target::Nodes(nodes) => Ok(nodes.clone()),
        Target::Clients => Ok(vec![CLIENTS.to_string()]),
    }
}

/// So many of the nodes, or all where there are fewer, in the order of their names.
fn some_of(nodes: &[String], count: usize, random: &mut super::Random) -> Vec<String> {
    let mut some = nodes.to_vec();
    random.shuffle(&mut some);
    some.truncate(count);
    some.sort();
    some
}

/// All directed links between ends that are apart.
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

/// The links whose packets are touched.
pub(crate) fn packet_links(
    packets: &Packets,
    surroundings: &Surroundings<'_>,
) -> Result<Vec<Link>, Unresolved> {
    links_between(&packets.from, &packets.to, surroundings)
}

/// The links from some nodes, or the clients, to others, at least one. No link leads from a node to itself: where one end names a node, the other, if it is left to
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
    let mut ends = surroundings.nodes.to_vec();
    ends.push(CLIENTS.to_string());
    let links = pairs(&ends, |a, b| from.contains(a) && to.contains(b));
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
    // A minority and a majority that speak to each other have nobody in common.
    let is_some = matches!(target, Target::Minority | Target::Majority);
    let taken = |node: &&String| (other.len() == 1 || is_some) && other.contains(node);
    let running: Vec<_> =
        surroundings.running.iter().filter(|node| !taken(node)).cloned().collect();
    targets(target, &Surroundings { running: &running, ..*surroundings })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn nodes(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("n{number}")).collect()
    }

    fn moment<'a>(nodes: &'a [String], leader: Option<&'a str>, seed: u64) -> Surroundings<'a> {
        Surroundings { nodes, running: nodes, leader, candidates: &nodes[2..], seed }
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
            assert!(moment.candidates.contains(&targets(&Target::Candidate, &moment).unwrap()[0]));
            let list = Target::Nodes(all[1..3].to_vec());
            assert_eq!(targets(&list, &moment).unwrap(), ["n2", "n3"]);
        }
        let any: BTreeSet<_> = (0..100)
            .map(|seed| targets(&Target::Any, &moment(&all, None, seed)).unwrap())
            .collect();
        assert_eq!(any.len(), 5);
    }

    #[test]
    fn minorities_and_majorities_are_drawn_from_those_that_run() {
        let mut drawn = BTreeSet::new();
        for (count, minority, majority) in [(3, 1, 2), (4, 1, 3), (5, 2, 3), (6, 2, 4)] {
            let all = nodes(count);
            for seed in 0..50 {
                let moment = moment(&all, None, seed);
                let few = targets(&Target::Minority, &moment).unwrap();
                assert_eq!(few.len(), minority);
                assert_eq!(targets(&Target::Majority, &moment).unwrap().len(), majority);
                drawn.insert(few);
            }
            let moment = Surroundings { running: &all[1..majority], ..moment(&all, None, 1) };
            assert_eq!(targets(&Target::Majority, &moment), Err(Unresolved::TooFew));
            let few = targets(&Target::Minority, &moment).unwrap();
            assert!(few.iter().all(|node| moment.running.contains(node)), "{few:?}");
        }
        assert!(drawn.len() >= 3 + 4 + 10, "all of them come: {drawn:?}");
    }

    #[test]
    fn what_cannot_be_resolved_says_why() {
        let all = nodes(3);
        let leaderless = Surroundings { candidates: &[], ..moment(&all, None, 1) };
        assert_eq!(targets(&Target::Candidate, &leaderless), Err(Unresolved::NoCandidate));
        assert_eq!(targets(&Target::Leader, &leaderless), Err(Unresolved::NoLeader));
        assert_eq!(targets(&Target::Follower, &leaderless), Err(Unresolved::NoLeader));
        let dead = Surroundings { running: &[], ..leaderless };
        assert_eq!(targets(&Target::Any, &dead), Err(Unresolved::NoNode));
        assert_eq!(targets(&Target::All, &dead), Err(Unresolved::NoNode));
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
        let client = |from: &str, to: &str| vec![(from.to_string(), to.to_string())];
        let asked = packet_links(&packets(Target::Clients, Target::Leader), &moment);
        assert_eq!(asked, Ok(client("clients", "n2")));
        let answered = packet_links(&packets(Target::Node("n3".into()), Target::Clients), &moment);
        assert_eq!(answered, Ok(client("n3", "clients")));
        assert_eq!(packet_links(&packets(Target::All, Target::Clients), &moment).unwrap().len(), 3);
        let all = nodes(5);
        let moment = self::moment(&all, None, 1);
        let apart = packet_links(&packets(Target::Minority, Target::Majority), &moment).unwrap();
        assert_eq!(apart.len(), 2 * 3, "nobody is on both sides");
        let moment = Surroundings { leader: Some("n2"), ..moment };
        let to_itself = packets(Target::Leader, Target::Leader);
        assert_eq!(packet_links(&to_itself, &moment), Err(Unresolved::NoNode));
    }
}
