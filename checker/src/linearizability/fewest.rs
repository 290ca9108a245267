//! From many witnesses to the few that are needed (delta debugging, Zeller and Hildebrandt 2002).

/// A part of a history that is impossible, and the operations that it was made around.
pub(super) struct Core<P> {
    /// Operations that certainly happened, by place, the last to complete first.
    pub(super) witnesses: Vec<u32>,
    /// They, and all that must be with them.
    pub(super) part: P,
}

/// So many of those who completed before the end are tried, at most, before all are.
const RECENT_MAX: usize = 512;

/// An impossible part around the last few witnesses: often few are enough.
pub(super) fn recent<P>(
    witnesses: &[u32],
    impossible: impl Fn(Vec<u32>) -> Option<Core<P>>,
) -> Option<Core<P>> {
    let counts = std::iter::successors(Some(1), |count| Some(2 * count));
    let mut counts = counts.take_while(|count| *count <= RECENT_MAX.min(witnesses.len()));
    counts.find_map(|count| impossible(witnesses[..count].to_vec()))
}

/// Leaves out as many witnesses as it can, from large bundles to single ones.
pub(super) fn fewest<P>(
    mut core: Core<P>,
    impossible: impl Fn(Vec<u32>) -> Option<Core<P>>,
) -> Core<P> {
    let mut size = core.witnesses.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < core.witnesses.len() && core.witnesses.len() > 1 {
            let bundle = at..core.witnesses.len().min(at + size);
            let mut rest = core.witnesses.clone();
            rest.drain(bundle);
            match impossible(rest) {
                Some(smaller) => core = smaller,
                None => at += size,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    core
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_is_left_out() {
        let needed = [17, 40];
        let impossible = |witnesses: Vec<u32>| {
            let is_enough = needed.iter().all(|needed| witnesses.contains(needed));
            is_enough.then_some(Core { witnesses, part: () })
        };
        let all: Vec<_> = (0..100).collect();
        let core = recent(&all, impossible).unwrap();
        assert_eq!(core.witnesses.len(), 64);
        assert_eq!(fewest(core, impossible).witnesses, needed);
        assert!(recent(&all[..40], impossible).is_none());
    }
}
