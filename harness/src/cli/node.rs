//! `faultline node`: the node contract of `docs/formats.md`, and what can be done with a node that has stopped.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use checker::verdict::ExitCode;
use clap::{Args, Subcommand, ValueEnum};
use node::bug::Bug;
use node::raft::NodeId;
use node::reads::Reads;
use node::server::Options;
use tracing_subscriber::EnvFilter;

use super::inspect::{self, InspectArguments};

use crate::console::out;

/// Either a node's own arguments or a subcommand.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXIT_CODES)]
pub(super) struct NodeArguments {
    #[command(subcommand)]
    command: Option<NodeCommand>,
    #[command(flatten)]
    serve: Option<ServeArguments>,
}

#[derive(Debug, Subcommand)]
enum NodeCommand {
    /// Show and verify the data directory of a node that has stopped
    Inspect(InspectArguments),
}

/// Arguments of a node that serves.
#[derive(Debug, Args)]
struct ServeArguments {
    /// Name of this node: n1, n2, …
    #[arg(long)]
    id: NodeId,
    /// UDP address to serve peers and clients on; port 0 lets the system choose
    #[arg(long)]
    listen: SocketAddr,
    /// Where this node reaches its peers, as n2=ADDR,n3=ADDR; repeatable. Its own name among them is passed over
    #[arg(long = "peers", visible_alias = "peer", value_name = "NODE=ADDR", value_delimiter = ',', value_parser = node_address)]
    peers: Vec<(NodeId, SocketAddr)>,
    /// The voters with which the cluster began, as n1,n2,n3, the same at every start of every node; all peers and the node itself, if not said. A node that is not among them
    /// waits until `faultline kv members add` makes it one
    #[arg(long, value_name = "NODES", value_delimiter = ',')]
    members: Vec<NodeId>,
    /// Where clients reach a node, as n2=ADDR, for answers that name the leader; where peers reach it, if not said
    #[arg(long, value_name = "NODE=ADDR", value_delimiter = ',', value_parser = node_address)]
    advertise: Vec<(NodeId, SocketAddr)>,
    /// Durable state
    #[arg(long)]
    data_dir: PathBuf,
    /// Certificates: ca.pem, ID.pem and ID.key of this node, and PEER.pem of each peer
    #[arg(long)]
    certs: PathBuf,
    /// Where to write the trace, for `faultline check`; none is written if not said
    #[arg(long)]
    trace: Option<PathBuf>,
    /// How often the node has been started; the time in seconds if not said, which grows as well
    #[arg(long)]
    incarnation: Option<u64>,
    /// Seeds the election time-outs; drawn from the time and the process if not said
    #[arg(long)]
    seed: Option<u64>,
    /// Zero of the run's clock on CLOCK_MONOTONIC, in nanoseconds
    #[arg(long, default_value_t = 0)]
    epoch: u64,
    /// The shortest election time-out, in milliseconds; each is drawn between this and twice as much
    #[arg(long, value_name = "MS", default_value_t = crate::cluster::ELECTION_TIMEOUT_MS)]
    election_timeout: u64,
    /// When the first election time-out ends, in nanoseconds on the run's clock
    #[arg(long)]
    first_election_at: Option<u64>,
    /// Take a snapshot, and cut the log, whenever so many more entries are applied
    #[arg(long, value_name = "ENTRIES", default_value_t = node::server::SNAPSHOT_ENTRIES, value_parser = clap::value_parser!(u64).range(1..))]
    snapshot_entries: u64,
    /// How a leader makes sure that it may answer a read: `read-index` asks a majority each time, `lease` trusts its clock for a while and is not safe where processes stop
    #[arg(long, value_name = "HOW", default_value_t = Reads::ReadIndex)]
    reads: Reads,
    /// What to do about a damaged data directory
    #[arg(long, value_enum, default_value_t = OnCorruption::Refuse)]
    on_corruption: OnCorruption,
    /// Behave wrongly in this one way
    #[arg(long)]
    plant: Option<Bug>,
}

/// What becomes of a node whose data directory is damaged.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnCorruption {
    /// Do not start, and say what is damaged
    Refuse,
    /// Set the directory aside, and get what is lost from the other nodes; do not vote until it is all there
    Repair,
}

pub(super) fn node_address(text: &str) -> Result<(NodeId, SocketAddr), String> {
    let (node, address) = text.split_once('=').ok_or("expected NODE=ADDR, as n2=127.0.0.1:4001")?;
    let address = address.parse().map_err(|_| format!("`{address}` is not an address"))?;
    Ok((node.parse()?, address))
}

const EXIT_CODES: &str = "Exit codes: 0 it was told to stop, 2 bad usage, 4 it could not go on";

/// Another one at every start.
fn any_seed() -> u64 {
    since_1970().as_nanos() as u64 ^ u64::from(std::process::id()).rotate_left(32)
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

pub(super) fn node(arguments: NodeArguments) -> ExitCode {
    match (arguments.command, arguments.serve) {
        (Some(NodeCommand::Inspect(arguments)), _) => inspect::inspect(&arguments),
        (None, Some(arguments)) => serve(arguments),
        (None, None) => unreachable!("clap asks for one of the two"),
    }
}

/// The voters with which the cluster began; a node among them whose address nobody has said is the error.
fn founders(
    id: NodeId,
    nodes: &[(NodeId, SocketAddr)],
    members: &[NodeId],
) -> Result<BTreeSet<NodeId>, NodeId> {
    let known: BTreeSet<_> = nodes.iter().map(|(node, _)| *node).chain([id]).collect();
    match members.iter().find(|member| !known.contains(member)) {
        Some(stranger) => Err(*stranger),
        None if members.is_empty() => Ok(known),
        None => Ok(members.iter().copied().collect()),
    }
}

fn serve(arguments: ServeArguments) -> ExitCode {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,node=debug"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let id = arguments.id;
    let nodes = arguments.peers;
    let advertise = if arguments.advertise.is_empty() { &nodes } else { &arguments.advertise };
    let founders = match founders(id, &nodes, &arguments.members) {
        Ok(founders) => founders,
        Err(stranger) => {
            let told = format!("--members: there is no address of {stranger} among --peers");
            return super::fail(ExitCode::Usage, &told);
        }
    };
    let options = Options {
        id,
        founders,
        listen: arguments.listen,
        advertise: advertise.iter().copied().collect(),
        peers: nodes.iter().copied().filter(|(peer, _)| *peer != id).collect(),
        data_dir: arguments.data_dir,
        certs: arguments.certs,
        trace: arguments.trace,
        incarnation: arguments.incarnation.unwrap_or_else(|| since_1970().as_secs()),
        seed: arguments.seed.unwrap_or_else(any_seed),
        epoch: arguments.epoch,
        election_timeout: Duration::from_millis(arguments.election_timeout),
        first_election_at: arguments.first_election_at,
        snapshot_entries: arguments.snapshot_entries,
        reads: arguments.reads,
        repair: matches!(arguments.on_corruption, OnCorruption::Repair),
        plant: arguments.plant,
    };
    let ready = |address: SocketAddr| {
        out!("{}", serde_json::json!({ "ready": { "id": id, "addr": address } }));
    };
    match node::server::run(options, ready) {
        Ok(()) => ExitCode::Valid,
        Err(error) => super::fail(ExitCode::RunFailed, &format!("node {id}: {error}")),
    }
}
