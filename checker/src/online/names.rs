//! Values as numbers, with a memory that forgets.

use std::collections::HashMap;

use serde_json::Value;

/// A value, by number. Integers from 0 on are their own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name(u64);

/// The numbers from here on are given out.
const GIVEN: u64 = 1 << 63;

impl Name {
    /// `null`: the initial value of every register.
    pub(super) const NIL: Self = Self(u64::MAX);
}

/// The values that are not their own numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_value: HashMap<Value, Name>,
    values: HashMap<Name, Value>,
    given: u64,
    /// With so many names those that nobody uses are left out.
    sweep_at: usize,
}

/// So many names are kept without asking who uses them.
const KEPT_MIN: usize = 4_096;

impl Names {
    /// The name of a value, a new one if need be.
    pub(super) fn of(&mut self, value: &Value) -> Name {
        match value {
            Value::Null => return Name::NIL,
            Value::Number(number) => {
                if let Some(number) = number.as_u64().filter(|number| *number < GIVEN) {
                    return Name(number);
                }
            }
            _ => {}
        }
        if let Some(name) = self.by_value.get(value) {
            return *name;
        }
        let name = Name(GIVEN + self.given);
        self.given += 1;
        self.by_value.insert(value.clone(), name);
        self.values.insert(name, value.clone());
        name
    }

    /// The value of a name that is in use.
    pub(super) fn value(&self, name: Name) -> Value {
        match name {
            Name::NIL => Value::Null,
            Name(number) if number < GIVEN => number.into(),
            name => self.values.get(&name).cloned().unwrap_or_default(),
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.values.len()
    }

    /// Whether there are so many that those that nobody uses should be left out.
    pub(super) fn is_sweep_due(&self) -> bool {
        self.values.len() > self.sweep_at.max(KEPT_MIN)
    }

    /// Leaves out all names that are not in use.
    pub(super) fn sweep(&mut self, in_use: impl Iterator<Item = Name>) {
        let used = in_use.filter_map(|name| self.values.remove_entry(&name)).collect();
        self.values = used;
        self.by_value.retain(|_, name| self.values.contains_key(name));
        self.sweep_at = 2 * self.values.len();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_come_back_as_values_and_are_forgotten_when_nobody_uses_them() {
        let mut names = Names::default();
        let all = [json!(null), json!(0), json!(-1), json!("x"), json!([1, 2]), json!(u64::MAX)];
        let ids: Vec<_> = all.iter().map(|value| names.of(value)).collect();
        for (value, id) in all.iter().zip(&ids) {
            assert_eq!((names.value(*id), names.of(value)), (value.clone(), *id));
        }
        for number in 0..KEPT_MIN {
            names.of(&format!("text {number}").into());
        }
        assert!(names.is_sweep_due());
        names.sweep([ids[3], ids[1], ids[3]].into_iter());
        assert_eq!((names.values.len(), names.by_value.len()), (1, 1));
        assert_eq!(names.of(&all[3]), ids[3]);
        assert_ne!(names.of(&all[2]), ids[2], "a forgotten value gets a name that nobody had");
    }
}
