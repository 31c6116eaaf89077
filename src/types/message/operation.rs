//! The names under which the work of a command is posted.

/// What a command works on, as progress reports and completions name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    Description,
    Measurement,
    Adjustment,
}

impl Operation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Description => "DESCRIPTION",
            Self::Measurement => "MEASUREMENT",
            Self::Adjustment => "ADJUSTMENT",
        }
    }
}
