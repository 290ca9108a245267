//! Histories of an object that behaves, by discrete-event simulation: each operation takes effect at one random point of its interval.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use crate::random::Random;

/// Mean latency and mean think time, in nanoseconds.
const LATENCY: f64 = 1e6;
/// The latest effect of an operation whose outcome nobody learns, in nanoseconds after its invocation.
const LATE_EFFECT: u64 = 5_000_000;

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many operations.
    pub operations: usize,
    /// How many clients, each with at most one operation open.
    pub clients: usize,
    /// The part of operations whose outcome nobody learns.
    pub info: f64,
    /// The seed.
    pub seed: u64,
}

/// An object and how it is used.
pub trait System {
    /// What a client asks for and what it learns.
    type Operation: Clone;

    /// The next operation.
    fn invoke(&mut self, random: &mut Random) -> Self::Operation;
    /// The operation takes effect and learns its result; false if it fails.
    fn apply(&mut self, operation: &mut Self::Operation) -> bool;
    /// One that has not been applied as a whole by its end; most objects have none.
    fn step(&mut self, _operation: &mut Self::Operation, _random: &mut Random) {}
    /// How many steps an operation takes before it is applied.
    fn steps(&self, _operation: &Self::Operation) -> u64 {
        0
    }
    /// Writes `"f":…,"key":…,"value":…` of an invocation, or of a completion.
    fn write(&self, out: &mut dyn Write, operation: &Self::Operation, done: bool)
    -> io::Result<()>;
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Invoke,
    Step,
    Effect,
    Return,
    Crash,
}

/// Writes a history of so many operations as JSON lines.
pub fn simulate<S: System>(system: &mut S, load: &Load, out: &mut dyn Write) -> io::Result<()> {
    let mut simulation = Simulation {
        random: Random::new(load.seed),
        queue: BinaryHeap::new(),
        operations: Vec::new(),
        processes: (0..load.clients).collect(),
        next_process: load.clients,
        index: 0,
    };
    for client in 0..load.clients {
        let begin = simulation.random.exponential(LATENCY);
        simulation.queue.push(Reverse((begin, Moment::Invoke, client, 0)));
    }
    while let Some(Reverse((time, moment, client, operation))) = simulation.queue.pop() {
        simulation.take(system, load, out, (time, moment, client, operation))?;
    }
    Ok(())
}

struct Simulation<O> {
    random: Random,
    queue: BinaryHeap<Reverse<(u64, Moment, usize, usize)>>,
    /// Every operation, and whether it succeeded.
    operations: Vec<(O, bool)>,
    /// The process that each client is at the moment.
    processes: Vec<usize>,
    next_process: usize,
    index: usize,
}

impl<O: Clone> Simulation<O> {
    fn take<S: System<Operation = O>>(
        &mut self,
        system: &mut S,
        load: &Load,
        out: &mut dyn Write,
        (time, moment, client, number): (u64, Moment, usize, usize),
    ) -> io::Result<()> {
        match moment {
            Moment::Invoke if self.operations.len() >= load.operations => Ok(()),
            Moment::Invoke => {
                let operation = system.invoke(&mut self.random);
                self.line(system, out, (time, client), "invoke", &operation, false)?;
                self.plan(system, &operation, load, time, client);
                self.operations.push((operation, true));
                Ok(())
            }
            Moment::Step => {
                system.step(&mut self.operations[number].0, &mut self.random);
                Ok(())
            }
            Moment::Effect => {
                let (operation, succeeded) = &mut self.operations[number];
                *succeeded = system.apply(operation);
                Ok(())
            }
            Moment::Return | Moment::Crash => {
                let (operation, succeeded) = self.operations[number].clone();
                let is_crash = moment == Moment::Crash;
                let name = match (is_crash, succeeded) {
                    (true, _) => "info",
                    (false, true) => "ok",
                    (false, false) => "fail",
                };
                let done = !is_crash && succeeded;
                self.line(system, out, (time, client), name, &operation, done)?;
                if is_crash {
                    self.processes[client] = self.next_process;
                    self.next_process += 1;
                }
                let next = time + self.random.exponential(LATENCY);
                self.queue.push(Reverse((next, Moment::Invoke, client, 0)));
                Ok(())
            }
        }
    }

    /// Decides when an operation takes effect and when it ends.
    fn plan<S: System<Operation = O>>(
        &mut self,
        system: &S,
        operation: &O,
        load: &Load,
        time: u64,
        client: usize,
    ) {
        let number = self.operations.len();
        let latency = self.random.exponential(LATENCY) + 1_000;
        let crashes = self.random.chance(load.info);
        let effect = match crashes {
            false => Some(time + self.random.below(latency)),
            true => self.random.chance(0.5).then(|| time + self.random.below(LATE_EFFECT)),
        };
        for _ in 0..system.steps(operation) {
            let within = effect.unwrap_or(time + latency) - time;
            let step = time + self.random.below(within.max(1));
            self.queue.push(Reverse((step, Moment::Step, client, number)));
        }
        if let Some(effect) = effect {
            self.queue.push(Reverse((effect, Moment::Effect, client, number)));
        }
        let end = if crashes { Moment::Crash } else { Moment::Return };
        self.queue.push(Reverse((time + latency, end, client, number)));
    }

    fn line<S: System<Operation = O>>(
        &mut self,
        system: &S,
        out: &mut dyn Write,
        (time, client): (u64, usize),
        name: &str,
        operation: &O,
        done: bool,
    ) -> io::Result<()> {
        let (index, process) = (self.index, self.processes[client]);
        self.index += 1;
        write!(out, r#"{{"index":{index},"time":{time},"process":{process},"type":"{name}","#)?;
        system.write(out, operation, done)?;
        writeln!(out, "}}")
    }
}
