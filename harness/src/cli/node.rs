//! `faultline node`: the node contract of `docs/formats.md`.

use std::net::SocketAddr;
use std::path::PathBuf;

use checker::verdict::ExitCode;
use clap::Args;
use node::bug::Bug;
use node::raft::NodeId;
use node::server::Options;
use tracing_subscriber::EnvFilter;

/// Arguments of a node.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct NodeArguments {
    /// Name of this node: n1, n2, …
    #[arg(long)]
    id: NodeId,
    /// UDP address to serve peers and clients on; port 0 lets the system choose
    #[arg(long)]
    listen: SocketAddr,
    /// Where this node reaches a peer, as n2=ADDR; once for each peer
    #[arg(long = "peer", value_name = "NODE=ADDR", value_parser = node_address)]
    peers: Vec<(NodeId, SocketAddr)>,
    /// Where clients reach a node, as n2=ADDR; for answers that name the leader
    #[arg(long, value_name = "NODE=ADDR", value_parser = node_address)]
    advertise: Vec<(NodeId, SocketAddr)>,
    /// Durable state
    #[arg(long)]
    data_dir: PathBuf,
    /// Certificates: ca.pem, ID.pem and ID.key of this node, and PEER.pem of each peer
    #[arg(long)]
    certs: PathBuf,
    /// Where to write the trace
    #[arg(long)]
    trace: PathBuf,
    /// How often the node has been started
    #[arg(long, default_value_t = 1)]
    incarnation: u64,
    /// Seeds the election time-outs
    #[arg(long)]
    seed: u64,
    /// Zero of the run's clock on CLOCK_MONOTONIC, in nanoseconds
    #[arg(long, default_value_t = 0)]
    epoch: u64,
    /// The shortest election time-out, in milliseconds; each is drawn between this and twice as much
    #[arg(long, value_name = "MS", default_value_t = 250)]
    election_timeout: u64,
    /// When the first election time-out ends, in nanoseconds on the run's clock
    #[arg(long)]
    first_election_at: Option<u64>,
    /// Behave wrongly in this one way
    #[arg(long)]
    plant: Option<Bug>,
}

fn node_address(text: &str) -> Result<(NodeId, SocketAddr), String> {
    let (node, address) = text.split_once('=').ok_or("expected NODE=ADDR, as n2=127.0.0.1:4001")?;
    let address = address.parse().map_err(|_| format!("`{address}` is not an address"))?;
    Ok((node.parse()?, address))
}

const EXIT_CODES: &str = "Exit codes: 0 it was told to stop, 2 bad usage, 4 it could not go on";

pub(super) fn node(arguments: NodeArguments) -> ExitCode {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,node=debug"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let id = arguments.id;
    let options = Options {
        id,
        listen: arguments.listen,
        peers: arguments.peers.into_iter().collect(),
        advertise: arguments.advertise.into_iter().collect(),
        data_dir: arguments.data_dir,
        certs: arguments.certs,
        trace: arguments.trace,
        incarnation: arguments.incarnation,
        seed: arguments.seed,
        epoch: arguments.epoch,
        election_timeout: std::time::Duration::from_millis(arguments.election_timeout),
        first_election_at: arguments.first_election_at,
        plant: arguments.plant,
    };
    let ready = |address: SocketAddr| {
        println!("{}", serde_json::json!({ "ready": { "id": id, "addr": address } }));
    };
    match node::server::run(options, ready) {
        Ok(()) => ExitCode::Valid,
        Err(error) => super::fail(ExitCode::RunFailed, &format!("node {id}: {error}")),
    }
}
