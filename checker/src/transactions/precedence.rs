//! Which of many things certainly come before which, from when they were seen, without naming every pair.

/// When something was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) item: u32,
    /// When the first that saw it was over.
    pub(super) first_end: u32,
    /// When the last that saw it began.
    pub(super) last_begin: u32,
}

/// One thing comes before another if somebody who saw it was over before somebody began who saw the other. Gives enough of these pairs for all others to
/// follow: the other is left out where a third certainly stands between.
pub(super) fn successors(spans: &mut [Span], mut pair: impl FnMut(u32, u32)) {
    spans.sort_unstable_by_key(|span| (span.last_begin, span.item));
    // Of every rest of the list the two that were over first.
    let mut least: Vec<[usize; 2]> = vec![[usize::MAX; 2]; spans.len() + 1];
    let end = |spans: &[Span], at: usize| spans.get(at).map_or(u32::MAX, |span| span.first_end);
    for at in (0..spans.len()).rev() {
        let [first, second] = least[at + 1];
        least[at] = if end(spans, at) < end(spans, first) {
            [at, first]
        } else if end(spans, at) < end(spans, second) {
            [first, at]
        } else {
            [first, second]
        };
    }
    for (at, span) in spans.iter().enumerate() {
        let rest = spans.partition_point(|other| other.last_begin <= span.first_end);
        let [first, second] = least[rest];
        // Who was over first comes before all that began later.
        let nearest = if first == at { second } else { first };
        let bound = end(spans, nearest);
        let near = spans.iter().enumerate().skip(rest);
        let near = near.take_while(|(_, after)| after.last_begin <= bound);
        near.filter(|(other, _)| *other != at).for_each(|(_, after)| pair(span.item, after.item));
        if let Some(after) = spans.get(nearest).filter(|after| after.last_begin > bound) {
            pair(span.item, after.item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pairs_that_are_given_imply_all_others() {
        let mut seed = 5_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((seed >> 33) % below) as u32
        };
        for _ in 0..500 {
            let count = 1 + random(7) as usize;
            let mut spans: Vec<_> = (0..count as u32)
                .map(|item| Span { item, first_end: random(20), last_begin: random(20) })
                .collect();
            let original = spans.clone();
            let mut reach = vec![vec![false; count]; count];
            successors(&mut spans, |a, b| {
                assert!(original[a as usize].first_end < original[b as usize].last_begin);
                reach[a as usize][b as usize] = true;
            });
            for _ in 0..count {
                for (a, b, c) in triples(count) {
                    reach[a][c] |= reach[a][b] && reach[b][c];
                }
            }
            // Where some come before each other it is enough to see that.
            let is_cyclic = (0..count).any(|item| reach[item][item]);
            let before = |a: usize, b: usize| original[a].first_end < original[b].last_begin;
            let mutual = |a: usize, b: usize| a != b && before(a, b) && before(b, a);
            assert_eq!(is_cyclic, triples(count).any(|(a, b, _)| mutual(a, b)), "{original:?}");
            for (a, b, _) in triples(count).filter(|(a, b, _)| a != b && !is_cyclic) {
                assert!(!before(a, b) || reach[a][b], "{original:?} {a} {b}");
            }
        }
    }

    fn triples(count: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let all = move || 0..count;
        all().flat_map(move |a| all().flat_map(move |b| all().map(move |c| (a, b, c))))
    }
}
