//! In which order values passed through a queue: a topological order (Kahn 1962) of a graph whose edges are never written down.
//!
//! `a` comes before `b` if the add of `a` was over before the add of `b` began, or if `a` was found in front before `b` was for the last time. Both are
//! thresholds: `end(a) < begin(b)`. So a value is ready when both its beginnings are before the least ends of all *other* remaining
//! values. The least ends only grow, so each is a pointer that sweeps over a sorted list.
//!
//! An add begins before it ends. A value that was peeked may have been in front first before it was for the last time: it must not wait for
//! itself, which is what `second` is for.

use super::prepare::Element;
use crate::history::NEVER;

/// Values of a queue in an order that explains everything, by number; or those that must each come before the next, and the last before the first.
pub(super) fn order(elements: &[Element], events: usize) -> Result<Vec<u32>, Vec<u32>> {
    let mut sweep = Sweep::new(elements, events);
    while sweep.order.len() < elements.len() {
        let passed = sweep.order.len();
        sweep.advance();
        if sweep.order.len() == passed {
            return Err(sweep.cycle());
        }
    }
    Ok(sweep.order)
}

/// Whether one value was certainly added before another.
pub(super) fn is_added_before(a: &Element, b: &Element) -> bool {
    a.added_by < b.added_from
}

/// Whether one value was certainly in front before another was for the last time.
pub(super) fn is_front_before(a: &Element, b: &Element) -> bool {
    a.first_end < b.last_begin()
}

struct Sweep<'a> {
    elements: &'a [Element],
    /// Elements by the end of their adds, by their first end and by their last beginning in front. By the beginning of their adds they are sorted already.
    by_added: Vec<u32>,
    by_first_end: Vec<u32>,
    by_last_begin: Vec<u32>,
    /// The next of each list; what is gone is skipped.
    next_added: usize,
    head: usize,
    second: usize,
    /// How many have passed each of the two tests.
    begun: usize,
    front: usize,
    passed: Vec<u8>,
    gone: Vec<bool>,
    ready: Vec<u32>,
    order: Vec<u32>,
}

/// A value that has passed one test, both, or is on its way.
const BOTH: u8 = 2;

impl<'a> Sweep<'a> {
    fn new(elements: &'a [Element], events: usize) -> Self {
        let by = |end: fn(&Element) -> u32| scattered(elements, events, end);
        Self {
            elements,
            by_added: by(|element| element.added_by),
            by_first_end: by(|element| element.first_end),
            by_last_begin: by(Element::last_begin),
            next_added: 0,
            head: 0,
            second: 1,
            begun: 0,
            front: 0,
            passed: vec![0; elements.len()],
            gone: vec![false; elements.len()],
            ready: Vec::new(),
            order: Vec::with_capacity(elements.len()),
        }
    }

    /// Lets pass what is ready.
    fn advance(&mut self) {
        let elements = self.elements;
        let added = self.least_added().map_or(NEVER, |least| elements[least as usize].added_by);
        while elements.get(self.begun).is_some_and(|element| element.added_from <= added) {
            self.pass(self.begun as u32);
            self.begun += 1;
        }
        let (head, second) = self.least_front();
        let end = |number: Option<u32>| number.map_or(NEVER, |n| elements[n as usize].first_end);
        let least = end(head);
        while let Some(&number) = self.by_last_begin.get(self.front)
            && elements[number as usize].last_begin() <= least
        {
            self.pass(number);
            self.front += 1;
        }
        if let Some(head) = head {
            let element = &elements[head as usize];
            if self.passed[head as usize] < BOTH
                && element.added_from <= added
                && element.last_begin() <= end(second)
            {
                self.ready.push(head);
            }
        }
        while let Some(number) = self.ready.pop() {
            if !std::mem::replace(&mut self.gone[number as usize], true) {
                self.order.push(number);
            }
        }
    }

    fn pass(&mut self, number: u32) {
        let passed = &mut self.passed[number as usize];
        *passed += 1;
        if *passed == BOTH {
            self.ready.push(number);
        }
    }

    /// The remaining value whose add was over first.
    fn least_added(&mut self) -> Option<u32> {
        skip(&self.by_added, &self.gone, &mut self.next_added)
    }

    /// The two remaining values that were in front first.
    fn least_front(&mut self) -> (Option<u32>, Option<u32>) {
        let head = skip(&self.by_first_end, &self.gone, &mut self.head);
        self.second = self.second.max(self.head + 1);
        (head, skip(&self.by_first_end, &self.gone, &mut self.second))
    }

    /// Nobody is ready: whoever is blocked is blocked by one of three. Going from each to one that blocks it leads into a circle.
    fn cycle(&mut self) -> Vec<u32> {
        let least_added = self.least_added();
        let (head, second) = self.least_front();
        let blocker = |number: u32| {
            let element = &self.elements[number as usize];
            let mut candidates = [least_added, head, second].into_iter().flatten();
            candidates.find(|other| {
                let other_element = &self.elements[*other as usize];
                *other != number
                    && (is_added_before(other_element, element)
                        || is_front_before(other_element, element))
            })
        };
        let mut path: Vec<u32> = head.into_iter().collect();
        while let Some(next) = path.last().and_then(|last| blocker(*last)) {
            if let Some(start) = path.iter().position(|number| *number == next) {
                path.drain(..start);
                break;
            }
            path.push(next);
        }
        path.reverse(); // From blockers to what they block.
        self.shortened(path)
    }

    /// Two of a circle that are one already, if there are.
    fn shortened(&self, circle: Vec<u32>) -> Vec<u32> {
        let before = |a: u32, b: u32| {
            let (a, b) = (&self.elements[a as usize], &self.elements[b as usize]);
            is_added_before(a, b) || is_front_before(a, b)
        };
        let pairs = circle.iter().flat_map(|a| circle.iter().map(move |b| (*a, *b)));
        let mut pairs = pairs.filter(|(a, b)| a < b);
        let pair = pairs.find(|(a, b)| before(*a, *b) && before(*b, *a));
        pair.map_or_else(|| circle.clone(), |(a, b)| vec![a, b])
    }
}

/// The first that is not gone, from `next` on.
fn skip(list: &[u32], gone: &[bool], next: &mut usize) -> Option<u32> {
    while list.get(*next).is_some_and(|number| gone[*number as usize]) {
        *next += 1;
    }
    list.get(*next).copied()
}

/// Elements in the order of an event of each. Every event is of one element, so they are put into place instead of sorted; those that never happened come last.
fn scattered(elements: &[Element], events: usize, event: fn(&Element) -> u32) -> Vec<u32> {
    let mut at = vec![NEVER; events];
    let mut last = Vec::new();
    for (number, element) in elements.iter().enumerate() {
        match at.get_mut(event(element) as usize) {
            Some(slot) => *slot = number as u32,
            None => last.push(number as u32),
        }
    }
    at.retain(|number| *number != NEVER);
    at.extend(last);
    at
}
