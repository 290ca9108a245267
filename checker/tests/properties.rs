//! Checks of histories: of each a recording that it accepts, those that it rejects with the culprit that it names, and those that prove nothing.

mod properties {
    mod availability;
    mod bank;
    mod by_definition;
    mod counter_bounds;
    mod judged;
    mod latency;
    mod long_fork;
    mod recordings;
    mod sessions;
    mod set_full;
    mod state_digests;
    mod support;
    mod total_queue;
    mod unique_ids;
}
