//! What the objects of a history promise when nobody interferes: the sequential specifications.

use std::fmt;
use std::str::FromStr;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// A register: `read` and `write`.
    Register,
    /// A register that also has `cas`.
    CasRegister,
}

impl Model {
    /// Every model.
    pub const ALL: [Self; 2] = [Self::Register, Self::CasRegister];

    /// Its name on the command line and in `run.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
        }
    }

    /// Whether an object of this kind has the operation.
    pub fn has(self, f: &str) -> bool {
        match self {
            Self::Register => matches!(f, "read" | "write"),
            Self::CasRegister => matches!(f, "read" | "write" | "cas"),
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|model| model.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|model| model.name()).collect();
            format!("unknown model `{name}`; known are {}", known.join(", "))
        })
    }
}
