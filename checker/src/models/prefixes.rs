//! States of what only grows, told apart only as far as somebody's reads do.
//!
//! A text or list that is no beginning of anything that was read, and is only appended to, will never be read: all such are one state.
//! Any other is a place in a sorted table of what was read, so a state is two numbers, however long the text is.

use std::cmp::Ordering;
use std::sync::Arc;

/// All that was read, sorted, each once.
pub(crate) struct Prefixes<T> {
    read: Vec<Arc<[T]>>,
}

/// A text or list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Prefix {
    /// The beginning of something that was read.
    Known {
        /// The first in the table that begins so.
        first: u32,
        /// How much of it.
        length: u32,
    },
    /// Nobody ever read anything that begins so.
    Unread,
}

impl<T: Ord + Copy> Prefixes<T> {
    /// The table of what was read.
    pub(crate) fn new<'a>(read: impl Iterator<Item = &'a Arc<[T]>>) -> Self
    where
        T: 'a,
    {
        let mut read: Vec<_> = read.cloned().collect();
        read.sort_unstable();
        read.dedup();
        Self { read }
    }

    /// The state of what holds these elements and no others.
    pub(crate) fn of(&self, elements: &[T]) -> Prefix {
        self.append(self.empty(), elements)
    }

    /// The state of what is empty.
    pub(crate) fn empty(&self) -> Prefix {
        match self.read.is_empty() {
            true => Prefix::Unread,
            false => Prefix::Known { first: 0, length: 0 },
        }
    }

    /// The state after more was appended.
    pub(crate) fn append(&self, prefix: Prefix, more: &[T]) -> Prefix {
        let Prefix::Known { first, length } = prefix else { return Prefix::Unread };
        let (start, length) = (first as usize, length as usize);
        let before = &self.read[start][..length];
        let order = |read: &Arc<[T]>| {
            let (head, tail) = read.split_at(length.min(read.len()));
            let tail = &tail[..more.len().min(tail.len())];
            head.cmp(before).then_with(|| tail.cmp(more))
        };
        let place = start + self.read[start..].partition_point(|read| order(read).is_lt());
        match self.read.get(place).map(order) {
            Some(Ordering::Equal) => {
                Prefix::Known { first: place as u32, length: (length + more.len()) as u32 }
            }
            _ => Prefix::Unread,
        }
    }

    /// Whether it is exactly these elements, which somebody read.
    pub(crate) fn is(&self, prefix: Prefix, elements: &[T]) -> bool {
        self.elements(prefix) == Some(elements)
    }

    /// Whether these elements, which somebody read, begin with it.
    pub(crate) fn begins(&self, prefix: Prefix, elements: &[T]) -> bool {
        self.elements(prefix).is_some_and(|prefix| elements.starts_with(prefix))
    }

    /// The elements, where they are known.
    pub(crate) fn elements(&self, prefix: Prefix) -> Option<&[T]> {
        match prefix {
            Prefix::Known { first, length } => Some(&self.read[first as usize][..length as usize]),
            Prefix::Unread => None,
        }
    }

    /// All that was read.
    pub(crate) fn all(&self) -> impl Iterator<Item = &[T]> {
        self.read.iter().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_alike_is_one_state_until_a_read_tells_it_apart() {
        let read: Vec<Arc<[u8]>> = ["abc", "ab", "b"].map(|text| text.as_bytes().into()).to_vec();
        let prefixes = Prefixes::new(read.iter());
        let ab = prefixes.of(b"ab");
        assert_eq!(prefixes.append(prefixes.of(b"a"), b"b"), ab);
        assert!(prefixes.is(ab, b"ab") && !prefixes.is(ab, b"abc") && prefixes.begins(ab, b"abc"));
        assert_eq!(prefixes.append(ab, b"b"), Prefix::Unread);
        assert_eq!(prefixes.of(b"c"), prefixes.append(Prefix::Unread, b""));
        assert_eq!(Prefixes::<u8>::new([].into_iter()).empty(), Prefix::Unread);
    }
}
