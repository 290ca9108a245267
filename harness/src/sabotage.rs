//! Mutants of the harness, for the tests of the harness: each must be found out by the evidence of its run.

/// What of the harness is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sabotage {
    /// The relay passes everything, whatever fault is in force.
    RelayIgnoresFaults,
    /// A node that is to be killed gets no signal.
    KillKillsNothing,
    /// A node that is to be paused gets no signal.
    PausePausesNothing,
    /// The recorder loses a success now and then.
    RecorderDropsAck,
    /// The recorder loses the successes of the final reads. Where there is one key, no later operation of the process can tell.
    RecorderDropsFinalAcks,
    /// The recorder's clock goes back once, and on from there.
    ClockRunsBackwards,
}
