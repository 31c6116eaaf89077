//! Plain text tables: a header, rows whose cells may have several lines, columns two spaces apart.
//!
//! Knows nothing of terminals: no colours, no wrapping, every cell is text and left-aligned.

use std::fmt;

const GAP: &str = "  ";

/// How much wider than its header a column is at least, so that short columns stay apart.
const HEADER_PADDING: usize = 2;

/// A table under construction; its text form has no line break at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row. Cells that are missing at its end are empty; those beyond the header are left out.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).take(self.header.len()).collect());
    }

    /// The characters of its widest line.
    pub(crate) fn width(&self) -> usize {
        self.to_string().lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    /// Per column, the larger of the padded header and the widest line, in characters.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<_> = self.header.iter().map(|title| title.chars().count() + HEADER_PADDING).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.lines().map(|line| line.chars().count()).fold(*width, usize::max);
            }
        }
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        f.write_str(&row_text(&self.header, &widths))?;
        for row in &self.rows {
            write!(f, "\n{}", row_text(row, &widths))?;
        }
        Ok(())
    }
}

/// The lines of a row, each without spaces at its end.
fn row_text(cells: &[String], widths: &[usize]) -> String {
    let height = cells.iter().map(|cell| cell.lines().count()).fold(1, usize::max);
    let mut columns: Vec<_> = cells.iter().map(|cell| cell.lines()).collect();
    let mut next_line = || {
        let padded = columns.iter_mut().zip(widths).map(|(lines, width)| {
            let line = lines.next().unwrap_or_default();
            format!("{line:<width$}")
        });
        padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    (0..height).map(|_| next_line()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<const N: usize>(header: [&str; N], rows: &[&[&str]], expected: &[&str]) {
        let mut table = Table::new(header);
        for row in rows {
            table.row(row.iter().copied());
        }
        assert_eq!(table.to_string(), expected.join("\n"));
    }

    #[test]
    fn a_column_is_as_wide_as_its_padded_header_or_its_widest_line() {
        check(
            ["NAME", "OPTIMIZER", "DESCRIPTION"],
            &[&["one", "dev.opsani.com/one", "First"], &["two", "", "Second"]],
            &[
                "NAME    OPTIMIZER           DESCRIPTION",
                "one     dev.opsani.com/one  First",
                "two                         Second",
            ],
        );
    }

    #[test]
    fn cells_of_several_lines_use_several_lines() {
        check(
            ["CONNECTOR", "CHECK", "STATUS"],
            &[&["prometheus", "first\nsecond", "ok\nok\nlate"], &["wait", "-", "ok"]],
            &[
                "CONNECTOR    CHECK    STATUS",
                "prometheus   first    ok",
                "             second   ok",
                "                      late",
                "wait         -        ok",
            ],
        );
    }

    #[test]
    fn no_line_ends_with_spaces() {
        check(["A", "B"], &[&["1", ""], &["", ""], &["2"]], &["A    B", "1", "", "2"]);
    }

    #[test]
    fn without_rows_only_the_header_is_written() {
        check(["NAME", "VERSION"], &[], &["NAME    VERSION"]);
    }

    #[test]
    fn numbers_are_aligned_like_text() {
        check(["N", "X"], &[&["1", "a"], &["10000", "b"]], &["N      X", "1      a", "10000  b"]);
    }

    #[test]
    fn width_is_counted_in_characters() {
        check(["STATUS", "E"], &[&["√ PASSED!", "-"]], &["STATUS     E", "√ PASSED!  -"]);
    }
}
