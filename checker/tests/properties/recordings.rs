//! Redis with Sentinel, its primary cut off, recorded elsewhere: acknowledged adds are lost unless the client waits for a replica. Not part of a
//! public clone.

use std::path::PathBuf;

use checker::history::History;
use checker::models::Model;
use checker::properties::{self, Options};
use checker::verdict::Verdict;

use super::support::figure;

#[test]
fn recordings_of_redis_get_their_known_verdicts() {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let data = std::env::var_os("FAULTLINE_DATA").map_or_else(default, PathBuf::from);
    let folder = data.join("systems");
    if !folder.is_dir() {
        println!("skipped: the recordings of other projects are not here");
        return;
    }
    for (name, verdict, lost) in
        [("default.invalid", Verdict::Invalid, 544), ("wait.valid", Verdict::Valid, 0)]
    {
        let history = History::read(&folder.join(format!("redis-set-{name}.jsonl"))).unwrap();
        let report = properties::check(&history, Model::SetFull, &Options::default());
        assert_eq!((report.verdict, figure(&report, "lost")), (verdict, lost), "{name}");
    }
}
