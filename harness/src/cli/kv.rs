//! `faultline kv`: a client of a cluster of the reference system.
//!
//! It asks the nodes in turn, goes where the leader is said to be, and repeats what was certainly not done. What may have been done is not repeated: that
//! is told, and left to whoever asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use checker::verdict::ExitCode;
use clap::{Args, Subcommand};
use node::client::{CallError, Client, ReadCounts, Request, Response, Status};
use node::kv::{Answer, Command, Object, Proposal, Query, Step};
use node::raft::NodeId;
use node::storage::SyncFigures;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::members::{self, MembersArguments};
use crate::clients::json_of;
use crate::console::out;

/// Pause before the nodes are asked again.
const PAUSE: Duration = Duration::from_millis(50);
/// Pause before the node is asked that is said to lead: it may say the same of another.
const HINT_PAUSE: Duration = Duration::from_millis(5);

/// How long one node is waited for where any of several may answer.
const STATUS_LIMIT: Duration = Duration::from_millis(500);

/// Arguments of a client.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct KvArguments {
    /// A directory of certificates (`faultline certs`)
    #[arg(long, value_name = "DIR")]
    certs: PathBuf,
    /// Whose certificate to show
    #[arg(long = "as", value_name = "NAME", default_value = "client")]
    name: String,
    /// Where the nodes serve, on this machine, as n1=127.0.0.1:4001,n2=127.0.0.1:4002
    #[arg(long, value_name = "NODE=ADDR", value_delimiter = ',', required = true, value_parser = super::node::node_address)]
    nodes: Vec<(NodeId, SocketAddr)>,
    /// How long to try, as 5s or 500ms
    #[arg(long, default_value = "5s", value_parser = super::check::duration)]
    timeout: Duration,
    #[command(subcommand)]
    operation: Operation,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused (a cas that found another value, a lock that is held, a removed node that is added again), 2 bad usage, 3 it may have been done and nobody knows, 4 it was \
certainly not done";

#[derive(Clone, Debug, Subcommand)]
enum Operation {
    /// Read an object of any kind, linearizably; null if there is none
    Get {
        key: String,
        /// The node that is to answer, whether it leads or not: a follower asks the leader how far it must have come
        #[arg(long, value_name = "NODE")]
        at: Option<NodeId>,
    },
    /// Set a register to an integer
    Put {
        key: String,
        #[arg(allow_negative_numbers = true)]
        value: i64,
    },
    /// Set a register if it holds a value (null for a missing one)
    Cas {
        key: String,
        #[arg(value_parser = value_or_null, allow_negative_numbers = true)]
        old: Old,
        #[arg(allow_negative_numbers = true)]
        new: i64,
    },
    /// Remove an object; prints whether there was one
    Delete { key: String },
    /// Add to a counter; prints the sum
    Add {
        key: String,
        #[arg(allow_negative_numbers = true)]
        amount: i64,
    },
    /// Append to a list
    Append { key: String, element: i64 },
    /// Put an element into a set; prints whether it was new
    Insert { key: String, element: i64 },
    /// Take an element out of a set; prints whether it was there
    Remove { key: String, element: i64 },
    /// Whether an element is in a set
    Contains { key: String, element: i64 },
    /// Put an element at the end of a queue
    Enqueue { key: String, element: i64 },
    /// Take the first element of a queue; null if it is empty
    Dequeue { key: String },
    /// Take a lock; prints its fencing token
    Acquire { key: String, owner: String },
    /// Give a lock back
    Release { key: String, owner: String },
    /// Do several things at one instant: '[["r","x",null],["w","y",5],["append","l",3]]'; prints what each read saw
    Txn {
        #[arg(value_parser = steps)]
        steps: Steps,
    },
    /// What each node is: role, term, log
    Status,
    /// Show who belongs to the cluster, or change it
    Members(MembersArguments),
    /// Hand the leadership over to a node; prints its term
    Transfer { node: NodeId },
}

/// What a cas expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Old(Option<i64>);

fn value_or_null(text: &str) -> Result<Old, String> {
    match text {
        "null" => Ok(Old(None)),
        text => text.parse().map(|value| Old(Some(value))).map_err(|_| "a number, or null".into()),
    }
}

/// The steps of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Steps(Vec<Step>);

/// As transactions are written in histories.
fn steps(text: &str) -> Result<Steps, String> {
    const FORM: &str = r#"steps are written [["r","x",null],["w","y",5],["append","l",3]]"#;
    let steps: Vec<(String, String, Option<i64>)> =
        serde_json::from_str(text).map_err(|error| format!("{FORM}: {error}"))?;
    let step = |(f, key, value): (String, String, Option<i64>)| match (f.as_str(), value) {
        ("r", None) => Ok(Step::Read { key }),
        ("w", Some(value)) => Ok(Step::Write { key, value }),
        ("append", Some(element)) => Ok(Step::Append { key, element }),
        _ => Err(format!("{FORM}: not [\"{f}\",\"{key}\",{}]", json!(value))),
    };
    steps.into_iter().map(step).collect::<Result<_, _>>().map(Steps)
}

pub(super) fn kv(arguments: &KvArguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return super::fail(ExitCode::RunFailed, &error),
    };
    runtime.block_on(async {
        let client = match Client::open(&arguments.certs, &arguments.name) {
            Ok(client) => client,
            Err(error) => return super::fail(ExitCode::Usage, &error),
        };
        let mut cluster = Cluster { client, nodes: arguments.nodes.iter().copied().collect() };
        if let Operation::Get { at: Some(node), .. } = arguments.operation {
            cluster.nodes.retain(|id, _| *id == node);
            if cluster.nodes.is_empty() {
                let why = format!("--nodes does not say where {node} is");
                return super::fail(ExitCode::Usage, &why);
            }
        }
        match request(&arguments.operation) {
            Some(request) => told(cluster.ask(&request, arguments.timeout).await),
            None if matches!(arguments.operation, Operation::Members(_)) => {
                cluster.show_members(arguments.timeout).await
            }
            None => cluster.show_status(arguments.timeout).await,
        }
    })
}

/// What to ask for; nothing for what every node is asked.
fn request(operation: &Operation) -> Option<Request> {
    let query = |query| Some(Request::Query(query));
    let command = match operation.clone() {
        Operation::Status => return None,
        Operation::Members(members) => return members.change().map(Request::ChangeMembers),
        Operation::Transfer { node } => return Some(Request::TransferLeadership { to: node }),
        Operation::Get { key, at: None } => return query(Query::Read { key }),
        Operation::Get { key, at: Some(_) } => {
            return Some(Request::QueryHere(Query::Read { key }));
        }
        Operation::Contains { key, element } => return query(Query::Contains { key, element }),
        Operation::Put { key, value } => Command::Write { key, value },
        Operation::Cas { key, old, new } => Command::Cas { key, old: old.0, new },
        Operation::Delete { key } => Command::Delete { key },
        Operation::Add { key, amount } => Command::Add { key, amount },
        Operation::Append { key, element } => Command::Append { key, element },
        Operation::Insert { key, element } => Command::Insert { key, element },
        Operation::Remove { key, element } => Command::Remove { key, element },
        Operation::Enqueue { key, element } => Command::Enqueue { key, element },
        Operation::Dequeue { key } => Command::Dequeue { key },
        Operation::Acquire { key, owner } => Command::Acquire { key, owner },
        Operation::Release { key, owner } => Command::Release { key, owner },
        Operation::Txn { steps } => Command::Transaction { steps: steps.0 },
    };
    Some(Request::Propose(Proposal::Plain(command)))
}

/// How asking ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Answered(Response),
    /// It was begun, and nobody knows what came of it.
    Unknown(String),
    /// It certainly was not done.
    NotDone(String),
}

fn told(ended: Ended) -> ExitCode {
    match ended {
        Ended::Answered(Response::Outcome(Ok(answer))) => {
            out!("{}", words(&answer));
            ExitCode::Valid
        }
        Ended::Answered(Response::Outcome(Err(refusal))) => {
            out!("{refusal}: nothing was changed");
            ExitCode::Violation
        }
        Ended::Answered(Response::Changed(now)) => {
            out!("{}", members::words(&now));
            ExitCode::Valid
        }
        Ended::Answered(Response::HandedOver { term }) => {
            out!("{term}");
            ExitCode::Valid
        }
        Ended::Answered(Response::Declined { reason }) => {
            out!("{reason}: nothing was changed");
            ExitCode::Violation
        }
        Ended::Answered(other) => {
            super::fail(ExitCode::RunFailed, &format!("unexpected answer {other:?}"))
        }
        Ended::Unknown(reason) => {
            let told = format!("it may have been done, or may yet be: {reason}");
            super::fail(ExitCode::Undecided, &told)
        }
        Ended::NotDone(reason) => super::fail(ExitCode::RunFailed, &format!("not done: {reason}")),
    }
}

/// An answer as JSON, but for the plain one.
fn words(answer: &Answer) -> String {
    let object = |object: &Option<Object>| object.as_ref().map_or(Value::Null, json_of);
    let value = match answer {
        Answer::Done => return "done".into(),
        Answer::Flag(flag) => json!(flag),
        Answer::Integer(sum) => json!(sum),
        Answer::Element(element) => json!(element),
        Answer::Token(number) | Answer::Session(number) => json!(number),
        Answer::Object(found) => object(found),
        Answer::Objects(found) => found.iter().map(object).collect(),
    };
    value.to_string()
}

struct Cluster {
    client: Client,
    nodes: BTreeMap<NodeId, SocketAddr>,
}

impl Cluster {
    /// Asks until there is an answer, or the time is up.
    async fn ask(&self, request: &Request, timeout: Duration) -> Ended {
        let deadline = Instant::now() + timeout;
        let mut places: Vec<_> = self.nodes.iter().map(|(id, address)| (*id, *address)).collect();
        let mut reason = "no node was asked".to_string();
        while Instant::now() < deadline {
            let mut leader = None;
            match self.ask_one(places[0], request, deadline).await {
                Ok(Response::NotLeader { leader: Some(known) }) => {
                    reason = format!("{} did not lead when it was asked", known.0);
                    leader = Some(known);
                }
                Ok(Response::NotLeader { leader: None }) => reason = "no node leads".into(),
                Ok(Response::Refused { reason: why }) => reason = why,
                Ok(Response::Unknown { reason }) => return Ended::Unknown(reason),
                Ok(response) => return Ended::Answered(response),
                Err(Ended::NotDone(why)) => reason = why,
                Err(ended) => return ended,
            }
            places.rotate_left(1);
            let pause = if leader.is_some() { HINT_PAUSE } else { PAUSE };
            if let Some(leader) = leader {
                places.retain(|(id, _)| *id != leader.0);
                places.insert(0, leader);
            }
            tokio::time::sleep(pause).await;
        }
        Ended::NotDone(reason)
    }

    async fn ask_one(
        &self,
        (node, address): (NodeId, SocketAddr),
        request: &Request,
        deadline: Instant,
    ) -> Result<Response, Ended> {
        let late = |_| Ended::NotDone(format!("{node} at {address}: no connection in time"));
        let connecting = self.client.connect(address, node);
        let connection = tokio::time::timeout_at(deadline, connecting).await.map_err(late)?;
        let connection =
            connection.map_err(|error| Ended::NotDone(format!("{node} at {address}: {error}")))?;
        let late = |_| unfinished(request, &format!("{node}: no answer in time"));
        let answer =
            tokio::time::timeout_at(deadline, connection.call(request)).await.map_err(late)?;
        answer.map_err(|error| match &error {
            CallError::NotSent(_) => Ended::NotDone(error.to_string()),
            CallError::NoAnswer(_) => unfinished(request, &format!("{node}: {error}")),
        })
    }

    async fn show_status(&self, timeout: Duration) -> ExitCode {
        let mut code = ExitCode::Valid;
        for place in self.nodes.iter().map(|(node, address)| (*node, *address)) {
            match self.status(place, timeout).await {
                Ok(status) => out!("{}", line(&status)),
                Err(reason) => {
                    out!("{}  {reason}", place.0);
                    code = ExitCode::RunFailed;
                }
            }
        }
        code
    }

    /// What a node says of itself, or why it says nothing.
    async fn status(
        &self,
        place: (NodeId, SocketAddr),
        timeout: Duration,
    ) -> Result<Status, String> {
        match self.ask_one(place, &Request::Status, Instant::now() + timeout).await {
            Ok(Response::Status(status)) => Ok(*status),
            Err(Ended::NotDone(reason) | Ended::Unknown(reason)) => Err(reason),
            other => Err(format!("unexpected answer {other:?}")),
        }
    }

    /// Shows the members as the leader has them, and waits for one. Who is asked in vain does not matter while somebody leads.
    async fn show_members(&self, timeout: Duration) -> ExitCode {
        let deadline = Instant::now() + timeout;
        loop {
            let mut statuses = Vec::new();
            for place in self.nodes.iter().map(|(node, address)| (*node, *address)) {
                statuses.extend(self.status(place, timeout.min(STATUS_LIMIT)).await);
            }
            if let Some(line) = members::as_led(&statuses) {
                out!("{line}");
                return ExitCode::Valid;
            }
            if Instant::now() + PAUSE >= deadline {
                return super::fail(ExitCode::RunFailed, &"no node says that it leads");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What may have arrived: a read has no effect and can be asked again, anything else cannot.
fn unfinished(request: &Request, reason: &str) -> Ended {
    match request {
        Request::Query(_) | Request::QueryHere(_) | Request::Status => {
            Ended::NotDone(reason.into())
        }
        _ => Ended::Unknown(reason.into()),
    }
}

fn line(status: &Status) -> String {
    let Status { id, term, leads, leader, commit, applied, last_index, snapshot_index, .. } =
        status;
    let role = match (leads, leader) {
        (true, _) => "leads".to_string(),
        (false, Some(leader)) => format!("follows {leader}"),
        (false, None) => "knows no leader".into(),
    };
    let mut line = format!(
        "{id}  term {term}  {role}  log to {last_index}, committed {commit}, applied {applied}, snapshot {snapshot_index}  {}",
        members::words(&status.members)
    );
    for (peer, matched) in &status.matched {
        line += &format!("  {peer} has {matched}");
    }
    let ReadCounts { leased, followed } = status.reads;
    for (count, how) in [(leased, "under its lease"), (followed, "as a follower")] {
        if count > 0 {
            line += &format!("  {count} reads {how}");
        }
    }
    if let Some(up_to) = status.repairing {
        line += &format!("  repairing up to {up_to}");
    }
    if status.disk_full {
        line += "  disk full";
    }
    let SyncFigures { count, p50_us, p99_us, max_us, .. } = status.syncs;
    line += &format!("  {count} syncs: p50 {p50_us} µs, p99 {p99_us} µs, max {max_us} µs");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_written_as_in_histories() {
        let read = Step::Read { key: "x".into() };
        let write = Step::Write { key: "y".into(), value: 5 };
        let append = Step::Append { key: "l".into(), element: -3 };
        let text = r#"[["r","x",null],["w","y",5],["append","l",-3]]"#;
        assert_eq!(steps(text), Ok(Steps(vec![read, write, append])));
        for bad in ["", "[[]]", r#"[["r","x",1]]"#, r#"[["w","x",null]]"#, r#"[["d","x",1]]"#] {
            assert!(steps(bad).unwrap_err().contains("steps are written"), "{bad}");
        }
    }

    #[test]
    fn answers_are_json() {
        let objects = vec![Some(Object::List(vec![1, 2])), None, Some(Object::Register(5))];
        for (answer, text) in [
            (Answer::Done, "done"),
            (Answer::Flag(true), "true"),
            (Answer::Element(None), "null"),
            (Answer::Token(17), "17"),
            (Answer::Object(None), "null"),
            (Answer::Objects(objects), "[[1,2],null,5]"),
        ] {
            assert_eq!(words(&answer), text);
        }
    }
}
