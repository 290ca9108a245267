//! Short names, by number: functions, nodes, reasons.

/// A table of at most 255 names. Number 0 is no name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    names: Vec<Box<str>>,
}

/// No name.
pub(crate) const NONE: u8 = 0;
/// The most names that a table holds.
const NAMES_MAX: usize = 255;

impl Names {
    /// The number of a name, a new one if need be; nothing if the table is full.
    pub(crate) fn id(&mut self, name: &str) -> Option<u8> {
        if let Some(id) = self.known(name.as_bytes()) {
            return Some(id);
        }
        self.names.push(name.into());
        u8::try_from(self.names.len()).ok().or_else(|| {
            self.names.pop();
            None
        })
    }

    /// The number of a name, or of `…` where there are too many to tell apart. For what is shown, never compared.
    pub(crate) fn id_or_rest(&mut self, name: &str) -> u8 {
        if self.names.len() >= NAMES_MAX - 1 && self.known(name.as_bytes()).is_none() {
            return self.id("…").unwrap_or(NONE);
        }
        self.id(name).unwrap_or(NONE)
    }

    /// The number of a name that was met before, from its bytes.
    pub(crate) fn known(&self, name: &[u8]) -> Option<u8> {
        let place = self.names.iter().position(|known| known.as_bytes() == name)?;
        Some(place as u8 + 1)
    }

    /// The name.
    pub(crate) fn name(&self, id: u8) -> Option<&str> {
        self.names.get((id as usize).checked_sub(1)?).map(AsRef::as_ref)
    }

    /// All names, in the order of their numbers, from 1.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_says_so_and_reasons_fall_together() {
        let mut names = Names::default();
        for number in 0..254 {
            assert_eq!(names.id(&number.to_string()), Some(number + 1));
        }
        assert_eq!(names.id_or_rest("one more"), 255);
        assert_eq!(names.id_or_rest("another"), 255);
        assert_eq!(names.name(255), Some("…"));
        assert_eq!(names.id("too many"), None);
        assert_eq!(names.id("7"), Some(8));
        assert_eq!(names.name(NONE), None);
    }
}
