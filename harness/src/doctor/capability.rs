//! What faults and runs may need of the machine, by name, and what to do where it is missing.

use serde::Serialize;

/// Something that a run may need of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Capability {
    /// Datagrams pass on the loopback interface.
    Udp,
    /// As many sockets are open at once as the links of a run take.
    Descriptors,
    /// A process of ours ends by the signal that it is sent, and its wait status says so.
    Signals,
    /// A process ends when its parent does.
    ParentDeath,
    /// What the kernel tells of a process of ours can be read.
    Proc,
    /// What is written where runs are recorded reaches the disk.
    Sync,
    /// Datagrams keep their ECN marks.
    Ecn,
    /// The kernel refuses what is sent to a port that is ours and takes nothing, and takes it again afterwards.
    Refusal,
    /// A process of ours can be stopped and continued, and the kernel shows it.
    Stop,
    /// The limits of a process of ours can be changed, and changed back.
    Limits,
    /// Many datagrams go through the kernel as one.
    UdpBatches,
    /// A thread that sleeps is woken in time.
    Wake,
}

impl Capability {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 12] = [
        Self::Udp,
        Self::Descriptors,
        Self::Signals,
        Self::ParentDeath,
        Self::Proc,
        Self::Sync,
        Self::Ecn,
        Self::Refusal,
        Self::Stop,
        Self::Limits,
        Self::UdpBatches,
        Self::Wake,
    ];

    /// Its name, as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Descriptors => "descriptors",
            Self::Signals => "signals",
            Self::ParentDeath => "parent-death",
            Self::Proc => "proc",
            Self::Sync => "sync",
            Self::Ecn => "ecn",
            Self::Refusal => "refusal",
            Self::Stop => "stop",
            Self::Limits => "limits",
            Self::UdpBatches => "udp-batches",
            Self::Wake => "wake",
        }
    }

    /// What to do about it where it does not work.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Udp => {
                "bring the loopback interface up (ip link set lo up), and let UDP pass on it"
            }
            Self::Descriptors => "raise the limit of open files: ulimit -n 4096",
            Self::Signals | Self::Stop => {
                "allow kill(2) of own processes (seccomp profile of the container)"
            }
            Self::ParentDeath => "allow prctl(PR_SET_PDEATHSIG) (seccomp profile of the container)",
            Self::Proc => "mount /proc, so that own processes are seen: mount -t proc proc /proc",
            Self::Sync => "put --out on a file system with room that this user may write to",
            Self::Ecn => "use a kernel that passes ECN marks on loopback (sandboxes may not)",
            Self::Refusal => "let ICMP pass on loopback (sandboxes and packet filters may not)",
            Self::Limits => "allow prlimit(2) of own processes (seccomp profile of the container)",
            Self::UdpBatches => "nothing needs it: without it relays make a call for each datagram",
            Self::Wake => "use a quieter machine, or one with more processors",
        }
    }
}
