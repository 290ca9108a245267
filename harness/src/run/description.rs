//! What `run.json` says of a run: how to judge it, and how to repeat it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use checker::judge::{Expectations, JudgePlan};
use checker::properties;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Options, Programs, election_timeout};
use crate::run_directory::RunInfo;
use crate::workload::{WorkKind, Workload};

/// What `run.json` says.
pub(super) fn describe(
    workload: &Workload,
    seed: u64,
    options: &Options,
) -> anyhow::Result<RunInfo> {
    let system = rustix::system::uname();
    let os =
        format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy());
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let host = BTreeMap::from([("os".to_string(), json!(os)), ("cpus".to_string(), json!(cpus))]);
    let Programs { all, single, next } = &options.programs;
    let single = single.iter().map(|(node, path)| Ok((node.clone(), binary_info(path)?)));
    Ok(RunInfo {
        format: 1,
        faultline: env!("CARGO_PKG_VERSION").to_string(),
        commit: option_env!("FAULTLINE_COMMIT").map(str::to_string),
        workload: workload.name.clone(),
        seed,
        command: options.command.clone(),
        started: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
        host,
        nodes: workload.system.node_names(),
        node_binary: binary_info(all)?,
        node_binaries: single.collect::<anyhow::Result<_>>()?,
        next_binary: next.as_deref().map(binary_info).transpose()?,
        planted: options.plant.clone(),
        judge: serde_json::to_value(judge_plan(workload))?,
    })
}

/// Where a binary is, and its hash.
fn binary_info(binary: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let path = std::fs::canonicalize(binary).unwrap_or_else(|_| binary.to_path_buf());
    Ok(BTreeMap::from([
        ("path".to_string(), path.display().to_string()),
        ("sha256".to_string(), fingerprint(binary)?),
    ]))
}

fn fingerprint(binary: &Path) -> anyhow::Result<String> {
    let bytes =
        std::fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What the checker is asked: the checks that the workload names, and at least one success of every operation of its mix.
pub(super) fn judge_plan(workload: &Workload) -> JudgePlan {
    let work = &workload.workload;
    let in_mix = work.functions().into_iter().filter(|(_, weight)| *weight > 0);
    let mut ok: BTreeMap<_, _> = in_mix.map(|(name, _)| (name.to_string(), 1)).collect();
    ok.extend(workload.expect.ok.clone());
    let total = i64::from(work.accounts()) * i64::from(work.balance());
    JudgePlan {
        model: work.model().to_string(),
        checks: workload.checks().iter().map(|check| check.name().to_string()).collect(),
        keys: work.key_names(),
        expect: Expectations {
            ok,
            recovers_within: workload.expect.recovers_within.map(|limit| limit.as_nanos() as u64),
            split_votes: workload.expect.split_votes,
            follower_reads: workload.expect.follower_reads,
        },
        options: properties::Options {
            linearizable: work.kind == WorkKind::SetFull,
            total: (work.kind == WorkKind::Bank).then_some(total),
            slow_host: Some((election_timeout(workload) / 2).as_nanos() as u64),
            ..Default::default()
        },
    }
}
