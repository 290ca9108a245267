//! The relay with real sockets: every fault's effect, and that the counters tell of it. No test hangs on how quick the machine is: what must come is
//! waited for, what must not come is known by what comes behind it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::super::engine::{
    Counters, CutMode, Delay, Distribution, EcnMark, Flapping, Impairment, Loss, Rate, Reorder,
};
use super::*;

/// How long a datagram that must come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const ECT0: u8 = 0b10;

/// An end of the links.
struct End {
    socket: UdpSocket,
    state: UdpSocketState,
}

/// Something that was received.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    bytes: Vec<u8>,
    source: SocketAddr,
    ecn: u8,
}

impl Received {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }
}

impl End {
    async fn open() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let state = UdpSocketState::new((&socket).into()).unwrap();
        Self { socket, state }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    async fn send(&self, to: SocketAddr, bytes: &[u8]) {
        self.send_batch(to, bytes, bytes.len().max(1)).await;
    }

    /// Sends datagrams of `stride` bytes with one call.
    async fn send_batch(&self, to: SocketAddr, bytes: &[u8], stride: usize) {
        self.socket.writable().await.unwrap();
        let transmit = Transmit {
            destination: to,
            ecn: Some(EcnCodepoint::Ect0),
            contents: bytes,
            segment_size: (bytes.len() > stride).then_some(stride),
            src_ip: None,
        };
        self.state.try_send((&self.socket).into(), &transmit).unwrap();
    }

    /// What comes next; datagrams that come together are told apart.
    async fn receive(&self) -> Vec<Received> {
        let mut buffer = vec![0; 65_535];
        let mut metas = [RecvMeta::default()];
        loop {
            let ready = tokio::time::timeout(PATIENCE, self.socket.readable()).await;
            ready.expect("a datagram comes").unwrap();
            let mut slices = [std::io::IoSliceMut::new(&mut buffer)];
            let receive = || self.state.recv((&self.socket).into(), &mut slices, &mut metas);
            if self.socket.try_io(Interest::READABLE, receive).is_ok() {
                break;
            }
        }
        let RecvMeta { addr: source, len, stride, ecn, .. } = metas[0];
        let ecn = ecn.map_or(0, |ecn| ecn as u8);
        let datagram = |bytes: &[u8]| Received { bytes: bytes.to_vec(), source, ecn };
        if len == 0 {
            vec![datagram(&[])]
        } else {
            buffer[..len].chunks(stride).map(datagram).collect()
        }
    }
}

/// Two ends that dial each other: one link each way.
struct Ends {
    network: Network,
    a: End,
    b: End,
}

fn link(from: &str, to: &str) -> LinkName {
    (from.to_string(), to.to_string())
}

impl Ends {
    async fn open() -> Self {
        let network = Network::open(&[link("a", "b"), link("b", "a")], 1).unwrap();
        let (a, b) = (End::open().await, End::open().await);
        network.set_address("a", a.address());
        network.set_address("b", b.address());
        Self { network, a, b }
    }

    /// Sends something from a to b.
    async fn send(&self, text: &str) {
        self.a.send(self.network.entrance("a", "b"), text.as_bytes()).await;
    }

    fn begin(&self, rule: Rule) {
        self.network.begin("f1", &[(link("a", "b"), rule)]);
    }

    fn impair(&self, impairment: Impairment) {
        self.begin(Rule::Impair(impairment));
    }

    /// Ends the fault on the link from a to b.
    fn end(&self) -> Tally {
        self.network.end("f1").remove(&link("a", "b")).unwrap()
    }

    fn counters(&self) -> Counters {
        self.network.wires[&link("a", "b")].counters("f1")
    }

    /// Waits until so many datagrams have come by while the fault is in force.
    async fn seen(&self, count: u64) {
        while self.counters().seen < count {
            tokio::task::yield_now().await;
        }
    }

    /// Sends numbers from a to b one after another, such that no socket buffer overflows.
    async fn send_numbers(&self, numbers: std::ops::Range<u64>) {
        let seen = self.counters().seen;
        for (place, number) in numbers.enumerate() {
            self.send(&format!("{number:04}")).await;
            self.seen(seen + 1 + place as u64).await;
        }
    }

    /// What comes to b until this.
    async fn received_until(&self, last: &str) -> Vec<Received> {
        let mut all = Vec::new();
        loop {
            all.extend(self.b.receive().await);
            if let Some(place) = all.iter().position(|received| received.bytes == last.as_bytes()) {
                assert_eq!(place + 1, all.len(), "nothing comes behind it");
                all.pop();
                return all;
            }
        }
    }

    /// Heals, sends a last datagram, and returns what came before it.
    async fn healed(&self) -> (Counters, Vec<Received>) {
        let counters = self.end().counters;
        self.send("last").await;
        (counters, self.received_until("last").await)
    }
}

fn cut(mode: CutMode) -> Rule {
    Rule::Cut { mode, flapping: None }
}

fn texts(received: &[Received]) -> Vec<&str> {
    received.iter().map(Received::text).collect()
}

#[tokio::test]
async fn an_idle_link_changes_neither_datagrams_nor_marks_nor_sizes() {
    let ends = Ends::open().await;
    let entrance = ends.network.entrance("a", "b");
    let batch: Vec<_> = (0..1_200 * 10 + 700).map(|place| (place % 251) as u8).collect();
    ends.a.send_batch(entrance, &batch, 1_200).await;
    ends.a.send(entrance, b"").await;
    ends.send("last").await;
    let received = ends.received_until("last").await;
    let sizes: Vec<_> = received.iter().map(|received| received.bytes.len()).collect();
    assert_eq!(sizes, [[1_200; 10].as_slice(), &[700, 0]].concat());
    assert_eq!(
        received.iter().flat_map(|received| received.bytes.clone()).collect::<Vec<_>>(),
        batch
    );
    // Who listens answers to where it sees the dialer, and that comes back from where the dialer sent.
    let source = received[0].source;
    assert!(received.iter().all(|received| received.ecn == ECT0 && received.source == source));
    ends.b.send(source, b"answer").await;
    let answer = ends.a.receive().await;
    assert_eq!((answer[0].text(), answer[0].source), ("answer", entrance));
    assert_eq!(ends.network.passed(), BTreeMap::from([(link("a", "b"), 13), (link("b", "a"), 1)]));
}

#[tokio::test]
async fn a_one_way_cut_stops_both_connections_passes_the_other_way_and_heals() {
    let ends = Ends::open().await;
    ends.send("before").await;
    let exit = ends.b.receive().await[0].source;
    // b dials a as well; what a answers there travels the same link as what a sends where it dials.
    ends.b.send(ends.network.entrance("b", "a"), b"dial").await;
    let dialled_from = ends.a.receive().await[0].source;
    ends.begin(cut(CutMode::Drop));
    ends.send("lost").await;
    ends.a.send(dialled_from, b"lost too").await;
    ends.b.send(exit, b"the other way").await;
    ends.b.send(ends.network.entrance("b", "a"), b"the other way").await;
    for _ in 0..2 {
        assert_eq!(ends.a.receive().await[0].text(), "the other way");
    }
    ends.seen(2).await;
    let (counters, received) = ends.healed().await;
    assert_eq!(received, []);
    assert_eq!(counters, Counters { seen: 2, bytes: 12, dropped: 2, ..Counters::default() });
}

#[tokio::test]
async fn what_is_held_comes_in_order_before_anything_later() {
    let ends = Ends::open().await;
    ends.begin(cut(CutMode::Hold));
    ends.send_numbers(0..50).await;
    let (counters, received) = ends.healed().await;
    assert_eq!((counters.held, counters.released, counters.leaked), (50, 50, 0));
    let numbers: Vec<_> = (0..50).map(|number| format!("{number:04}")).collect();
    assert_eq!(texts(&received), numbers);
}

#[tokio::test]
async fn a_rejecting_link_has_the_kernel_refuse_and_keeps_its_port() {
    let ends = Ends::open().await;
    ends.send("before").await;
    let exit = ends.b.receive().await[0].source;
    ends.begin(cut(CutMode::Drop));
    ends.network.refuse(&[link("a", "b")]).unwrap();
    ends.network.refuse(&[link("a", "b")]).unwrap();
    ends.send("refused").await;
    // The other way the same sockets still send.
    ends.b.send(exit, b"the other way").await;
    assert_eq!(ends.a.receive().await[0].text(), "the other way");
    let connected = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    connected.connect(ends.network.entrance("a", "b")).await.unwrap();
    connected.send(b"?").await.unwrap();
    let refused = connected.recv(&mut [0]).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // As long as one fault wants it, it stays so.
    assert!(ends.network.accept(&[link("a", "b")]).unwrap());
    assert!(ends.network.receiving(&[link("a", "b")])[0].1.is_refused().unwrap());
    assert!(ends.network.accept(&[link("a", "b")]).unwrap());
    let (counters, received) = ends.healed().await;
    assert_eq!((received, counters.leaked), (Vec::new(), 0));
}

#[tokio::test]
async fn a_flapping_link_passes_some_and_drops_some() {
    let ends = Ends::open().await;
    let millisecond = Duration::from_millis(1);
    let flapping = Some(Flapping { up: 10 * millisecond, down: 10 * millisecond });
    ends.begin(Rule::Cut { mode: CutMode::Drop, flapping });
    let mut sent = 0;
    while ends.counters().dropped < 20 || sent - ends.counters().dropped < 20 {
        ends.send_numbers(sent..sent + 1).await;
        sent += 1;
    }
    let (counters, received) = ends.healed().await;
    assert_eq!((counters.seen, counters.leaked), (sent, 0));
    assert_eq!(received.len() as u64, sent - counters.dropped);
}

#[tokio::test]
async fn losses_hit_as_many_as_they_say_and_each_datagram_of_a_batch_for_itself() {
    let ends = Ends::open().await;
    ends.impair(Impairment { loss: Some(Loss::Share(0.3)), ..Impairment::default() });
    let batch: Vec<_> =
        (0..40).flat_map(|number: u64| format!("{number:04}").into_bytes()).collect();
    ends.a.send_batch(ends.network.entrance("a", "b"), &batch, 4).await;
    ends.seen(40).await;
    let (counters, received) = ends.healed().await;
    assert_eq!(counters.seen, 40);
    assert!((1..40).contains(&counters.dropped));
    assert_eq!(received.len() as u64, 40 - counters.dropped);
    let numbers: BTreeSet<_> = texts(&received).into_iter().collect();
    assert_eq!(numbers.len(), received.len(), "those that pass are whole and in order");
}

#[tokio::test]
async fn delayed_datagrams_are_late_by_at_least_so_much() {
    let ends = Ends::open().await;
    let delay = Duration::from_millis(30);
    let late = Delay { base: delay, jitter: Duration::ZERO, distribution: Distribution::Uniform };
    ends.impair(Impairment { delay: Some(late), ..Impairment::default() });
    let begin = Instant::now();
    ends.send_numbers(0..20).await;
    let mut received = Vec::new();
    while received.len() < 20 {
        received.extend(ends.b.receive().await);
        assert!(begin.elapsed() >= delay);
    }
    let numbers: Vec<_> = (0..20).map(|number| format!("{number:04}")).collect();
    assert_eq!(texts(&received), numbers);
    let tally = ends.end();
    assert_eq!((tally.counters.delayed, tally.counters.reordered), (20, 0));
    assert!(tally.delay(0.5) >= delay);
}

#[tokio::test]
async fn some_come_twice_and_some_out_of_order() {
    let ends = Ends::open().await;
    // So late that a later datagram must overtake.
    let reorder = Some(Reorder { share: 0.3, by: Duration::from_secs(3) });
    ends.impair(Impairment { duplicate: 0.3, reorder, ..Impairment::default() });
    ends.send_numbers(0..60).await;
    ends.send("mark").await;
    let counters = loop {
        let counters = ends.counters();
        if counters.delayed > 0 && counters.reordered + 1 >= counters.delayed {
            break counters;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let mut received = Vec::new();
    while (received.len() as u64) < counters.seen + counters.duplicated {
        received.extend(ends.b.receive().await);
    }
    let texts = texts(&received);
    let different: BTreeSet<_> = texts.iter().collect();
    assert_eq!(different.len(), 61);
    assert_eq!((texts.len() - different.len()) as u64, counters.duplicated);
    assert!(counters.duplicated > 0);
    let mut newest = "";
    let late = texts.iter().filter(|text| {
        let overtaken = **text < newest;
        newest = newest.max(text);
        overtaken
    });
    assert!(late.count() as u64 >= counters.reordered && counters.reordered > 0);
}

#[tokio::test]
async fn a_corrupt_datagram_differs_in_one_bit() {
    let ends = Ends::open().await;
    ends.impair(Impairment { corrupt: 0.5, ..Impairment::default() });
    for number in 1..=40 {
        ends.a.send(ends.network.entrance("a", "b"), &[0; 100]).await;
        ends.seen(number).await;
    }
    let (counters, received) = ends.healed().await;
    let flipped =
        |received: &Received| -> u32 { received.bytes.iter().map(|byte| byte.count_ones()).sum() };
    assert!(received.iter().all(|received| received.bytes.len() == 100 && flipped(received) <= 1));
    let corrupted: u32 = received.iter().map(flipped).sum();
    assert_eq!((received.len(), u64::from(corrupted)), (40, counters.corrupted));
    assert!((1..40).contains(&corrupted));
}

#[tokio::test]
async fn a_slow_link_takes_its_time_and_loses_what_does_not_fit() {
    let ends = Ends::open().await;
    // 2 ms for a datagram, and room for five.
    let rate = Some(Rate { bytes_per_second: 500_000, queue_bytes: 5_000 });
    ends.impair(Impairment { rate, ..Impairment::default() });
    let begin = Instant::now();
    ends.a.send_batch(ends.network.entrance("a", "b"), &[7; 20_000], 1_000).await;
    ends.seen(20).await;
    let counters = ends.counters();
    assert!(counters.dropped > 0 && counters.delayed + counters.dropped == 20, "{counters:?}");
    let mut received = 0;
    while received < counters.delayed {
        received += ends.b.receive().await.len() as u64;
    }
    assert!(begin.elapsed() >= Duration::from_millis(2) * counters.delayed as u32);
    assert_eq!(ends.healed().await.1, []);
}

#[tokio::test]
async fn what_is_too_large_is_lost_and_marks_are_changed() {
    for (mark, expected) in [(EcnMark::Bleach, 0), (EcnMark::CongestionExperienced, 0b11)] {
        let ends = Ends::open().await;
        ends.impair(Impairment { mtu: Some(1_300), ecn: Some(mark), ..Impairment::default() });
        for (place, bytes) in [1_300, 1_301, 1_299].into_iter().enumerate() {
            ends.a.send(ends.network.entrance("a", "b"), &vec![1; bytes]).await;
            ends.seen(place as u64 + 1).await;
        }
        let (counters, received) = ends.healed().await;
        let seen: Vec<_> =
            received.iter().map(|received| (received.bytes.len(), received.ecn)).collect();
        assert_eq!(seen, [(1_300, expected), (1_299, expected)]);
        assert_eq!((counters.dropped, counters.remarked), (1, 2));
    }
}

#[tokio::test]
async fn a_rebound_dialer_comes_from_a_new_port_and_is_answered_there() {
    let ends = Ends::open().await;
    ends.send("before").await;
    let before = ends.b.receive().await[0].source;
    let ports = ends.network.rebind(&[link("a", "b")]).unwrap();
    ends.send("after").await;
    let after = ends.b.receive().await[0].source;
    assert_eq!(ports[&link("a", "b")], (before.port(), after.port()));
    assert_ne!(before, after);
    // What is sent to the old port is lost, as behind a NAT that has forgotten it.
    ends.b.send(before, b"lost").await;
    ends.b.send(after, b"answer").await;
    let answer = ends.a.receive().await;
    assert_eq!((answer[0].text(), answer[0].source), ("answer", ends.network.entrance("a", "b")));
}

#[tokio::test]
async fn a_stranger_is_not_on_the_link_and_a_new_address_is() {
    let mut ends = Ends::open().await;
    let stranger = End::open().await;
    stranger.send(ends.network.entrance("a", "b"), b"strange").await;
    ends.send("familiar").await;
    assert_eq!(ends.b.receive().await[0].text(), "familiar");
    // A process that was started again, or a relay that dials in its place, has another address.
    ends.network.set_dialer("a", stranger.address());
    ends.a = stranger;
    ends.send("again").await;
    assert_eq!(ends.b.receive().await[0].text(), "again");
}

#[tokio::test]
async fn a_relay_that_ignores_its_faults_is_found_out_by_its_counters() {
    for rule in [
        cut(CutMode::Drop),
        Rule::Impair(Impairment { loss: Some(Loss::Share(0.5)), ..Impairment::default() }),
    ] {
        let mut ends = Ends::open().await;
        ends.network.ignore_faults();
        ends.begin(rule);
        ends.send("through").await;
        assert_eq!(ends.b.receive().await[0].text(), "through");
        let counters = ends.end().counters;
        assert_eq!(counters, Counters { leaked: 1, ..Counters::default() });
    }
}
