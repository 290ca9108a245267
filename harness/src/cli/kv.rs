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
use node::client::{CallError, Client, Request, Response, Status};
use node::raft::NodeId;
use tokio::time::Instant;

/// Pause before the nodes are asked again.
const PAUSE: Duration = Duration::from_millis(50);
/// Pause before the node is asked that is said to lead: it may say the same of another.
const HINT_PAUSE: Duration = Duration::from_millis(5);

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
    /// Where the nodes serve, as n1=127.0.0.1:4001,n2=127.0.0.1:4002
    #[arg(long, value_name = "NODE=ADDR", value_delimiter = ',', required = true, value_parser = super::node::node_address)]
    nodes: Vec<(NodeId, SocketAddr)>,
    /// How long to try, as 5s or 500ms
    #[arg(long, default_value = "5s", value_parser = super::check::duration)]
    timeout: Duration,
    #[command(subcommand)]
    operation: Operation,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 the cas found another value, 2 bad usage, 3 it may have been done and nobody knows, 4 it was \
certainly not done";

#[derive(Debug, Subcommand)]
enum Operation {
    /// Read a key, linearizably; prints its value, or null
    Get { key: String },
    /// Set a key
    Put {
        key: String,
        #[arg(allow_negative_numbers = true)]
        value: i64,
    },
    /// Set a key if it holds a value (null for a missing key)
    Cas {
        key: String,
        #[arg(value_parser = value_or_null, allow_negative_numbers = true)]
        old: Old,
        #[arg(allow_negative_numbers = true)]
        new: i64,
    },
    /// What each node is: role, term, log
    Status,
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
        let cluster = Cluster { client, nodes: arguments.nodes.iter().copied().collect() };
        match request(&arguments.operation) {
            Some(request) => told(cluster.ask(&request, arguments.timeout).await),
            None => cluster.show_status(arguments.timeout).await,
        }
    })
}

/// What to ask for; nothing for what every node is asked.
fn request(operation: &Operation) -> Option<Request> {
    Some(match operation {
        Operation::Get { key } => Request::Read { key: key.clone() },
        Operation::Put { key, value } => Request::Write { key: key.clone(), value: *value },
        Operation::Cas { key, old, new } => {
            Request::Cas { key: key.clone(), old: old.0, new: *new }
        }
        Operation::Status => return None,
    })
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
        Ended::Answered(Response::Value(Some(value))) => println!("{value}"),
        Ended::Answered(Response::Value(None)) => println!("null"),
        Ended::Answered(Response::Done) => println!("done"),
        Ended::Answered(Response::Mismatch) => {
            println!("mismatch: nothing was changed");
            return ExitCode::Violation;
        }
        Ended::Answered(other) => {
            return super::fail(ExitCode::RunFailed, &format!("unexpected answer {other:?}"));
        }
        Ended::Unknown(reason) => {
            let told = format!("it may have been done, or may yet be: {reason}");
            return super::fail(ExitCode::Undecided, &told);
        }
        Ended::NotDone(reason) => {
            return super::fail(ExitCode::RunFailed, &format!("not done: {reason}"));
        }
    }
    ExitCode::Valid
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
        let session = tokio::time::timeout_at(deadline, connecting).await.map_err(late)?;
        let session =
            session.map_err(|error| Ended::NotDone(format!("{node} at {address}: {error}")))?;
        let late = |_| unfinished(request, &format!("{node}: no answer in time"));
        let answer =
            tokio::time::timeout_at(deadline, session.call(request)).await.map_err(late)?;
        answer.map_err(|error| match &error {
            CallError::NotSent(_) => Ended::NotDone(error.to_string()),
            CallError::NoAnswer(_) => unfinished(request, &format!("{node}: {error}")),
        })
    }

    async fn show_status(&self, timeout: Duration) -> ExitCode {
        let mut code = ExitCode::Valid;
        for place in self.nodes.iter().map(|(node, address)| (*node, *address)) {
            match self.ask_one(place, &Request::Status, Instant::now() + timeout).await {
                Ok(Response::Status(status)) => println!("{}", line(&status)),
                Err(Ended::NotDone(reason) | Ended::Unknown(reason)) => {
                    println!("{}  {reason}", place.0);
                    code = ExitCode::RunFailed;
                }
                other => {
                    println!("{}  unexpected answer {other:?}", place.0);
                    code = ExitCode::RunFailed;
                }
            }
        }
        code
    }
}

/// What may have arrived: a read has no effect and can be asked again, anything else cannot.
fn unfinished(request: &Request, reason: &str) -> Ended {
    match request {
        Request::Read { .. } | Request::Status => Ended::NotDone(reason.into()),
        _ => Ended::Unknown(reason.into()),
    }
}

fn line(status: &Status) -> String {
    let Status { id, term, leads, leader, commit, last_index } = status;
    let role = match (leads, leader) {
        (true, _) => "leads".to_string(),
        (false, Some(leader)) => format!("follows {leader}"),
        (false, None) => "knows no leader".into(),
    };
    format!("{id}  term {term}  {role}  committed {commit} of {last_index}")
}
