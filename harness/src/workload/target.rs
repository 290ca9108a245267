//! Whom a fault strikes. Targets serialise as they are written.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whom a fault strikes; resolved when the fault is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Target {
    /// Who leads at that moment.
    Leader,
    /// One of those that run and do not lead.
    Follower,
    /// One of those that stand for election at that moment.
    Candidate,
    /// One of those that run.
    Any,
    /// Fewer than half of the nodes, as many as can be, of those that run.
    Minority,
    /// More than half of the nodes, as few as can be, of those that run.
    Majority,
    /// All of them.
    #[default]
    All,
    /// This one.
    Node(String),
    /// These.
    Nodes(Vec<String>),
    /// No node: the clients, at one end of links whose packets are touched.
    Clients,
}

impl Target {
    pub(super) fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether one node is meant, whichever that is.
    pub(crate) fn is_one(&self) -> bool {
        match self {
            Self::Leader | Self::Follower | Self::Candidate | Self::Any | Self::Node(_) => true,
            Self::Minority | Self::Majority | Self::All | Self::Nodes(_) | Self::Clients => false,
        }
    }

    /// Whether who is meant changes with the leader.
    pub(crate) fn depends_on_leader(&self) -> bool {
        matches!(self, Self::Leader | Self::Follower)
    }

    /// The nodes that it names.
    pub(crate) fn named(&self) -> &[String] {
        match self {
            Self::Node(name) => std::slice::from_ref(name),
            Self::Nodes(names) => names,
            _ => &[],
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "leader" => Ok(Self::Leader),
            "follower" => Ok(Self::Follower),
            "candidate" => Ok(Self::Candidate),
            "any" => Ok(Self::Any),
            "minority" => Ok(Self::Minority),
            "majority" => Ok(Self::Majority),
            "all" => Ok(Self::All),
            "clients" => Ok(Self::Clients),
            // Whether there is such a node is found out when all of the workload is known.
            _ if is_node_name(text) => Ok(Self::Node(text.to_string())),
            _ => Err(format!(
                "unknown target `{text}`, expected `leader`, `follower`, `candidate`, `any`, `minority`, `majority`, `all`, a node such as `n1` \
                 or a list of nodes"
            )),
        }
    }
}

fn is_node_name(text: &str) -> bool {
    let number = text.strip_prefix('n').unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Any => "any",
            Self::Minority => "minority",
            Self::Majority => "majority",
            Self::All => "all",
            Self::Clients => "clients",
            Self::Node(name) => name,
            Self::Nodes(names) => return f.write_str(&names.join(", ")),
        })
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nodes(names) => names.serialize(serializer),
            one => serializer.collect_str(one),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Target;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a target or a list of nodes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Target, E> {
                Target::parse(text).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Target, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element::<String>()? {
                    if !is_node_name(&name) {
                        let why = format!("a list names nodes, and `{name}` is none");
                        return Err(de::Error::custom(why));
                    }
                    names.push(name);
                }
                Ok(Target::Nodes(names))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_as_it_was_read() {
        for written in
            ["leader", "follower", "candidate", "any", "minority", "majority", "all", "n3"]
        {
            let json = format!("\"{written}\"");
            let target: Target = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&target).unwrap(), json);
        }
        let list: Target = serde_json::from_str(r#"["n1","n2"]"#).unwrap();
        assert_eq!(serde_json::to_string(&list).unwrap(), r#"["n1","n2"]"#);
        assert_eq!(list.to_string(), "n1, n2");
        for wrong in [r#""learner""#, r#""n""#, r#"["leader"]"#, "3"] {
            assert!(serde_json::from_str::<Target>(wrong).is_err(), "{wrong}");
        }
    }
}
