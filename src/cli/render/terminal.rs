//! How large terminals are.

use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

/// How much a terminal shows at once, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Size {
    /// Of one that does not say.
    pub(crate) const USUAL: Self = Self { rows: 24, columns: 80 };

    /// Of the terminal that this is, now; none when it is none, or does not say.
    pub(crate) fn of(terminal: impl AsFd) -> Option<Self> {
        let size = tcgetwinsize(terminal).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0)?;
        Some(Self { rows: size.ws_row.into(), columns: size.ws_col.into() })
    }
}
