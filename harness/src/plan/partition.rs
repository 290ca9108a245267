//! Which links a partition cuts at the moment when it is applied.

use std::collections::{BTreeMap, BTreeSet};

use super::random::{Random, stream};
use super::resolve::{CLIENTS, Surroundings, Unresolved, targets};
use crate::workload::{Cut, Direction, Mode, Partition, Shape, Target, duration_words};

/// A directed link: from, to.
type Link = (String, String);

/// Links to cut, and how to put it into words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Severed {
    pub(crate) links: Vec<Link>,
    /// Between whom.
    between: Between,
    /// How else: `, incoming only, clients too`.
    manner: String,
}

/// Between whom links are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Between {
    /// One node and all others.
    Isolated(String),
    /// Groups that cannot reach each other.
    Groups(&'static str, Vec<Vec<String>>),
    /// A ring in which each node reaches its neighbours.
    Ring(Vec<String>),
    /// Each node and those from which it is cut off.
    Grudge(BTreeMap<String, Vec<String>>),
}

/// The links that a partition cuts.
pub(crate) fn partition(
    partition: &Partition,
    surroundings: &Surroundings<'_>,
) -> Result<Severed, Unresolved> {
    let between = between(&partition.cut, surroundings)?;
    let mut links = BTreeSet::new();
    for (struck, others) in between.grudges(surroundings.nodes) {
        let clients = partition.clients.then(|| CLIENTS.to_string());
        for other in others.into_iter().chain(clients) {
            if partition.direction() != Direction::Out {
                links.insert((other.clone(), struck.clone()));
            }
            if partition.direction() != Direction::In {
                links.insert((struck.clone(), other));
            }
        }
    }
    let links = links.into_iter().collect();
    Ok(Severed { links, between, manner: manner(partition) })
}

fn between(cut: &Cut, surroundings: &Surroundings<'_>) -> Result<Between, Unresolved> {
    match cut {
        Cut::Isolate(node) => Ok(Between::Isolated(targets(node, surroundings)?.swap_remove(0))),
        Cut::Grudge(grudge) => Ok(Between::Grudge(grudge.clone())),
        Cut::Shape(Shape::LeaderWithFollower) => {
            let leader = surroundings.leader.ok_or(Unresolved::NoLeader)?.to_string();
            let mut group = targets(&Target::Follower, surroundings)?;
            group.push(leader);
            let rest = surroundings.nodes.iter().filter(|node| !group.contains(node));
            let rest: Vec<_> = rest.cloned().collect();
            Ok(Between::Groups(Shape::LeaderWithFollower.words(), vec![sorted(&group), rest]))
        }
        Cut::Shape(shape) => {
            let mut random = stream(surroundings.seed, "partition");
            let mut nodes = surroundings.nodes.to_vec();
            random.shuffle(&mut nodes);
            Ok(by_shape(*shape, nodes, &mut random))
        }
    }
}

/// A pattern over the nodes in this order.
fn by_shape(shape: Shape, mut nodes: Vec<String>, random: &mut Random) -> Between {
    let all = nodes.len();
    // The largest minority; validation sees to it that the shape fits the number of nodes.
    let minority_max = (all - 1) / 2;
    let mut any_up_to = |most: usize| 1 + random.below(most.max(1) as u64) as usize;
    let size = match shape {
        Shape::MajoritiesRing => return Between::Ring(nodes),
        Shape::One | Shape::LeaderWithFollower => 1,
        Shape::Minority => any_up_to(minority_max),
        Shape::Majority => all - any_up_to(minority_max),
        Shape::Halves => all / 2,
        Shape::MinorityThird => (all - 1) / 3,
        Shape::Bridge => (all - 1) / 2,
    };
    let mut rest = nodes.split_off(size);
    let bridge = (shape == Shape::Bridge).then(|| rest.pop()).flatten();
    let groups = [nodes, rest].map(|group| sorted(&group)).into_iter();
    // The bridge stands last and is cut off from nobody.
    Between::Groups(shape.words(), groups.chain(bridge.map(|node| vec![node])).collect())
}

impl Between {
    /// Who is struck, and from whom each is cut off.
    fn grudges(&self, nodes: &[String]) -> Vec<(String, Vec<String>)> {
        match self {
            Self::Isolated(node) => {
                let others = nodes.iter().filter(|other| *other != node).cloned().collect();
                vec![(node.clone(), others)]
            }
            Self::Groups(_, groups) => {
                groups[0].iter().map(|node| (node.clone(), groups[1].clone())).collect()
            }
            Self::Ring(ring) => {
                (0..ring.len()).map(|place| (ring[place].clone(), ahead(ring, place))).collect()
            }
            Self::Grudge(grudge) => {
                grudge.iter().map(|(node, others)| (node.clone(), others.clone())).collect()
            }
        }
    }
}

/// Whom a node of the ring cannot reach in the half that lies ahead of it; what lies behind has it ahead.
fn ahead(ring: &[String], place: usize) -> Vec<String> {
    let nodes = ring.len();
    // How many neighbours to each side a node must see, so that with itself it sees a majority.
    let reach = (nodes / 2).div_ceil(2);
    (reach + 1..=nodes / 2).map(|step| ring[(place + step) % nodes].clone()).collect()
}

fn sorted(nodes: &[String]) -> Vec<String> {
    let mut nodes = nodes.to_vec();
    nodes.sort();
    nodes
}

fn manner(partition: &Partition) -> String {
    let way = match partition.direction() {
        Direction::In if matches!(partition.cut, Cut::Grudge(_)) => "",
        Direction::Both => "",
        Direction::In => ", incoming only",
        Direction::Out => ", outgoing only",
    };
    let mode = match partition.mode {
        Mode::Drop => "",
        Mode::Reject => ", rejected",
        Mode::Hold => ", held",
    };
    let clients = if partition.clients { ", clients too" } else { "" };
    let flapping = partition.flapping.map_or_else(String::new, |flapping| {
        let (down, up) = (duration_words(flapping.down), duration_words(flapping.up));
        format!(", {down} down and {up} up in turn")
    });
    format!("{way}{clients}{mode}{flapping}")
}

impl Severed {
    /// The cut in words; `name` says how a node is called.
    pub(crate) fn describe(&self, name: impl Fn(&str) -> String) -> String {
        let between = match &self.between {
            Between::Isolated(node) => format!("isolate {}", name(node)),
            Between::Groups(shape, groups) => {
                let words = |group: &Vec<String>| {
                    group.iter().map(|node| name(node)).collect::<Vec<_>>().join(" ")
                };
                let groups: Vec<_> = groups.iter().map(words).collect();
                format!("{shape} {}", groups.join(" | "))
            }
            Between::Ring(nodes) => format!("majorities ring {}", nodes.join(" ")),
            Between::Grudge(grudge) => {
                let words = |(node, others): (&String, &Vec<String>)| {
                    format!("{node} against {}", others.join(" "))
                };
                let grudges: Vec<_> = grudge.iter().map(words).collect();
                format!("grudge {}", grudges.join(", "))
            }
        };
        format!("{between}{}", self.manner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("n{number}")).collect()
    }

    fn sever(cut: Cut, direction: Direction, clients: bool, count: usize, seed: u64) -> Severed {
        let nodes = nodes(count);
        let surroundings = Surroundings {
            nodes: &nodes,
            running: &nodes,
            leader: Some("n2"),
            candidates: &[],
            seed,
        };
        partition(&Partition::new(cut, direction, clients), &surroundings).unwrap()
    }

    fn shape(shape: Shape, count: usize, seed: u64) -> Severed {
        sever(Cut::Shape(shape), Direction::Both, false, count, seed)
    }

    fn link(from: &str, to: &str) -> Link {
        (from.to_string(), to.to_string())
    }

    #[test]
    fn isolation_cuts_the_ways_that_it_names() {
        let cut =
            |direction, clients| sever(Cut::Isolate(Target::Leader), direction, clients, 3, 1);
        assert_eq!(cut(Direction::Both, false).links.len(), 4);
        assert_eq!(cut(Direction::Out, false).links, [link("n2", "n1"), link("n2", "n3")]);
        assert_eq!(cut(Direction::In, false).links, [link("n1", "n2"), link("n3", "n2")]);
        assert!(cut(Direction::In, true).links.contains(&link(CLIENTS, "n2")));
        // Only the replies are lost.
        let out = cut(Direction::Out, true);
        assert!(
            out.links.contains(&link("n2", CLIENTS)) && !out.links.contains(&link(CLIENTS, "n2"))
        );
        let words = out.describe(|node| format!("leader {node}"));
        assert_eq!(words, "isolate leader n2, outgoing only, clients too");
    }

    #[test]
    fn every_shape_parts_groups_of_the_size_that_it_promises() {
        for count in 5..=9 {
            let (majority, third) = (count / 2 + 1, (count - 1) / 3);
            for (named, sizes) in [
                (Shape::One, 1..=1),
                (Shape::Minority, 1..=(count - 1) / 2),
                (Shape::Majority, majority..=count - 1),
                (Shape::Halves, count / 2..=count / 2),
                (Shape::MinorityThird, third..=third),
                (Shape::LeaderWithFollower, 2..=2),
            ] {
                let mut seen = BTreeSet::new();
                for seed in 0..60 {
                    let cut = shape(named, count, seed);
                    let Between::Groups(_, groups) = &cut.between else { panic!("{cut:?}") };
                    let (struck, rest) = (groups[0].len(), groups[1].len());
                    assert!(sizes.contains(&struck) && struck + rest == count, "{cut:?}");
                    assert_eq!(cut.links.len(), 2 * struck * rest);
                    let across = |node| groups[0].contains(node);
                    assert!(cut.links.iter().all(|(from, to)| across(from) != across(to)));
                    seen.insert(struck);
                }
                assert_eq!(seen, sizes.collect(), "{named:?}: every size comes");
            }
            let with_leader = shape(Shape::LeaderWithFollower, count, 1);
            assert!(with_leader.describe(str::to_string).contains("n2"));
        }
    }

    #[test]
    fn one_way_shapes_leave_the_other_way_open_and_strike_the_first_group() {
        for named in
            [Shape::One, Shape::Minority, Shape::Majority, Shape::Bridge, Shape::MajoritiesRing]
        {
            let cut = |direction| sever(Cut::Shape(named), direction, false, 5, 3).links;
            let (both, inward, outward) =
                (cut(Direction::Both), cut(Direction::In), cut(Direction::Out));
            let back: BTreeSet<_> = inward.iter().map(|(from, to)| link(to, from)).collect();
            assert_eq!(back, outward.iter().cloned().collect(), "{named:?}");
            assert_eq!(both.len(), inward.len() + outward.len(), "{named:?}");
            let with_clients = sever(Cut::Shape(named), Direction::Out, true, 5, 3).links;
            let lost = |(from, to): &&Link| to == CLIENTS && from != CLIENTS;
            assert!(with_clients.iter().filter(lost).count() > 0, "{named:?}");
        }
    }

    #[test]
    fn a_bridge_sees_both_halves_and_nobody_else_does() {
        for count in 3..=9 {
            let cut = shape(Shape::Bridge, count, 4);
            let Between::Groups(_, groups) = &cut.between else { panic!("{cut:?}") };
            assert_eq!(groups[2].len(), 1);
            assert!(cut.links.iter().all(|(from, to)| ![from, to].contains(&&groups[2][0])));
            assert_eq!(cut.links.len(), 2 * groups[0].len() * groups[1].len());
            assert!(groups[0].len().abs_diff(groups[1].len()) <= 1);
        }
    }

    #[test]
    fn in_a_ring_every_node_sees_a_majority_and_no_two_see_the_same() {
        for count in 5..=9 {
            let all = nodes(count);
            for seed in 0..20 {
                let cut = shape(Shape::MajoritiesRing, count, seed);
                let sees = |node: &String| -> BTreeSet<String> {
                    let lost = |other: &&String| cut.links.contains(&link(node, other));
                    all.iter().filter(|other| !lost(other)).cloned().collect()
                };
                let views: BTreeSet<_> = all.iter().map(sees).collect();
                assert!(views.iter().all(|view| view.len() > count / 2), "{count}: {views:?}");
                assert_eq!(views.len(), count, "{views:?}");
                assert!(cut.links.iter().all(|(a, b)| cut.links.contains(&link(b, a))));
            }
        }
    }

    #[test]
    fn a_grudge_is_about_what_comes_in() {
        let written = r#"{"grudge":{"n1":["n2","n3"]}}"#;
        let grudge: Partition = serde_json::from_str(written).unwrap();
        let all = nodes(3);
        let surroundings =
            Surroundings { nodes: &all, running: &all, leader: None, candidates: &[], seed: 1 };
        let cut = partition(&grudge, &surroundings).unwrap();
        assert_eq!(cut.links, [link("n2", "n1"), link("n3", "n1")]);
        assert_eq!(cut.describe(str::to_string), "grudge n1 against n2 n3");
        let without = Partition::new(Cut::Shape(Shape::LeaderWithFollower), Direction::Both, false);
        assert_eq!(partition(&without, &surroundings), Err(Unresolved::NoLeader));
    }
}
