//! One line of a trace file as text.
//!
//! It is read into one flat structure of everything that any event carries, and sorted out then: serde's own way for a tagged enum in
//! the middle of an object keeps every field aside first, and takes three times as long.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Event, Hash, Line, Position};

/// A line as it is written: whose it is, and what it tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Written {
    /// The node that wrote the line.
    pub node: String,
    /// How often the node had been started when it wrote it, from 1.
    pub incarnation: u64,
    /// Position within the incarnation, from 0, without gaps.
    pub seq: u64,
    /// What it tells.
    #[serde(flatten)]
    pub line: Line,
}

impl Written {
    /// Reads a line, or says what is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let flat: Flat<'_> =
            serde_json::from_slice(text).map_err(|error| crate::history::reason(&error))?;
        let Flat { incarnation, seq, time, term, .. } = flat;
        let node = flat.node.to_string();
        let line = Line { time, term, event: flat.event()? };
        Ok(Self { node, incarnation, seq, line })
    }
}

/// Every field that a line may have.
#[derive(Deserialize)]
struct Flat<'a> {
    #[serde(borrow)]
    node: Cow<'a, str>,
    incarnation: u64,
    seq: u64,
    time: u64,
    term: u64,
    event: Kind,
    #[serde(default)]
    voters: Box<[String]>,
    vote: Option<String>,
    leader: Option<String>,
    candidate: Option<String>,
    last_index: Option<u64>,
    last_term: Option<u64>,
    snapshot: Option<Position>,
    log_ends: Option<u64>,
    #[serde(default)]
    outgoing: Box<[String]>,
    #[serde(default)]
    learners: Box<[String]>,
    #[serde(default)]
    last_hashes: Box<[Hash]>,
    index: Option<u64>,
    entry_term: Option<u64>,
    hash: Option<Hash>,
    state: Option<Hash>,
    match_index: Option<u64>,
    address: Option<String>,
    dialled: Option<String>,
    reason: Option<String>,
    from: Option<u64>,
}

/// The events by name.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Started,
    Restarted,
    BecameFollower,
    BecamePreCandidate,
    BecameCandidate,
    BecameLeader,
    VoteGranted,
    Appended,
    Truncated,
    Installed,
    Configured,
    Acked,
    Committed,
    Applied,
    ConnectionRefused,
    StateDigest,
}

impl Flat<'_> {
    fn event(self) -> Result<Event, String> {
        Ok(match self.event {
            Kind::Started => Event::Started { voters: self.voters },
            Kind::Restarted => Event::Restarted {
                last_index: needed(self.last_index, "last_index")?,
                last_term: needed(self.last_term, "last_term")?,
                snapshot: self.snapshot,
                last_hashes: self.last_hashes,
                voters: self.voters,
                vote: self.vote,
            },
            Kind::BecameFollower => Event::BecameFollower { leader: self.leader },
            Kind::BecamePreCandidate => Event::BecamePreCandidate,
            Kind::BecameCandidate => Event::BecameCandidate,
            Kind::BecameLeader => Event::BecameLeader {
                last_index: needed(self.last_index, "last_index")?,
                last_term: needed(self.last_term, "last_term")?,
            },
            Kind::VoteGranted => {
                Event::VoteGranted { candidate: needed(self.candidate, "candidate")? }
            }
            Kind::Appended => Event::Appended { at: self.position()? },
            Kind::Truncated => Event::Truncated { from: needed(self.from, "from")? },
            Kind::Installed => Event::Installed {
                at: self.position()?,
                log_ends: needed(self.log_ends, "log_ends")?,
            },
            Kind::Configured => Event::Configured {
                voters: self.voters,
                outgoing: self.outgoing,
                learners: self.learners,
            },
            Kind::Acked => Event::Acked {
                leader: needed(self.leader, "leader")?,
                match_index: needed(self.match_index, "match_index")?,
            },
            Kind::Committed => Event::Committed { at: self.position()? },
            Kind::Applied => Event::Applied { at: self.position()?, state: self.state },
            Kind::ConnectionRefused => Event::ConnectionRefused {
                address: needed(self.address, "address")?,
                dialled: self.dialled,
                reason: needed(self.reason, "reason")?,
            },
            Kind::StateDigest => Event::StateDigest {
                index: needed(self.index, "index")?,
                state: needed(self.state, "state")?,
            },
        })
    }

    fn position(&self) -> Result<Position, String> {
        Ok(Position {
            index: needed(self.index, "index")?,
            entry_term: needed(self.entry_term, "entry_term")?,
            hash: needed(self.hash, "hash")?,
        })
    }
}

fn needed<T>(field: Option<T>, name: &str) -> Result<T, String> {
    field.ok_or_else(|| format!("missing field `{name}`"))
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl serde::de::Visitor<'_> for Digits {
            type Value = Hash;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("up to 16 hexadecimal digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hash, E> {
                let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
                match u64::from_str_radix(text, 16) {
                    Ok(hash) if digits => Ok(Hash(hash)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rest: &str, wrong: &str) {
        let line = format!(r#"{{"node":"n1","incarnation":1,"seq":0,"time":0,"term":1,{rest}}}"#);
        match Written::parse(line.as_bytes()) {
            Ok(written) => {
                assert_eq!(wrong, "", "{line}");
                // Nothing is lost.
                let again = serde_json::to_string(&written).unwrap();
                assert_eq!(Written::parse(again.as_bytes()), Ok(written));
            }
            Err(reason) => assert!(!wrong.is_empty() && reason.contains(wrong), "{line}: {reason}"),
        }
    }

    #[test]
    fn a_line_is_read_or_says_what_is_wrong() {
        check(r#""event":"appended","index":4,"entry_term":1,"hash":"9c1f0a0000000000""#, "");
        check(r#""event":"applied","index":4,"entry_term":1,"hash":"9c","state":"ff""#, "");
        check(r#""event":"restarted","vote":null,"last_index":0,"last_term":0"#, "");
        check(r#""event":"started","voters":["n1","n2"],"later":{"more":1}"#, "");
        check(r#""event":"appended","index":4,"hash":"9c""#, "missing field `entry_term`");
        check(r#""event":"applied","index":4,"entry_term":1,"hash":"+9c""#, "hexadecimal");
        check(r#""event":"applied","index":-4,"entry_term":1,"hash":"9c""#, "invalid value");
        check(r#""event":"installed","index":4,"entry_term":1,"hash":"9c","log_ends":7"#, "");
        check(
            r#""event":"installed","index":4,"entry_term":1,"hash":"9c""#,
            "missing field `log_ends`",
        );
        check(r#""event":"configured","voters":["n1"],"outgoing":["n2"],"learners":["n3"]"#, "");
        let snapshot = r#""snapshot":{"index":4,"entry_term":1,"hash":"9c"}"#;
        check(
            &format!(r#""event":"restarted","vote":null,"last_index":4,"last_term":1,{snapshot}"#),
            "",
        );
        check(r#""event":"flew""#, "unknown variant `flew`");
    }
}
