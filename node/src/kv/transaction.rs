//! Several steps at one instant.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use super::{Answer, Object, Outcome, Refusal, Step, Store};

impl Store {
    /// Whether all steps can be done is known before the first is: nothing is ever undone.
    pub(super) fn transaction(&mut self, steps: &[Step]) -> Outcome {
        self.kinds_agree(steps)?;
        let seen = steps.iter().map(|step| self.step(step)).collect::<Result<_, _>>()?;
        Ok(Answer::Objects(seen))
    }

    fn step(&mut self, step: &Step) -> Result<Option<Object>, Refusal> {
        match step {
            Step::Read { key } => return Ok(self.objects.get(key).cloned()),
            Step::Write { key, value } => *self.register(key)? = *value,
            Step::Append { key, element } => self.list(key)?.push(*element),
        }
        Ok(None)
    }

    /// The kind of an object is that of the object itself, or else of the first step that makes it.
    fn kinds_agree(&self, steps: &[Step]) -> Result<(), Refusal> {
        let mut kinds: BTreeMap<&str, Discriminant<Object>> = BTreeMap::new();
        for step in steps {
            let (key, wanted) = match step {
                Step::Read { .. } => continue,
                Step::Write { key, .. } => (key, discriminant(&Object::Register(0))),
                Step::Append { key, .. } => (key, discriminant(&Object::List(vec![]))),
            };
            let known = self.objects.get(key).map_or(wanted, discriminant);
            if *kinds.entry(key).or_insert(known) != wanted {
                return Err(Refusal::WrongKind);
            }
        }
        Ok(())
    }
}
