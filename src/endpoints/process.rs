//! What the system says about this process, as Linux tells it; nothing elsewhere.

use std::fs;

/// This process at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: f64,
    pub(super) virtual_bytes: f64,
    /// Since the epoch, in seconds.
    pub(super) start_time: f64,
    pub(super) open_fds: f64,
}

impl Process {
    pub(super) fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let system = fs::read_to_string("/proc/stat").ok()?;
        // One of them is that of the folder which is being read.
        let open_fds = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        Self::parse(&stat, &system, open_fds as f64)
    }

    fn parse(stat: &str, system: &str, open_fds: f64) -> Option<Self> {
        // The name of the program stands in parentheses, and may have some of its own.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // Counted as proc(5) does, where the field behind the name is the third.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let booted: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let (ticks, page) = (rustix::param::clock_ticks_per_second() as f64, rustix::param::page_size() as f64);
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            start_time: booted + field(22)? / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page,
            open_fds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_last_parenthesis() {
        let stat = "1 (a) b) S 0 1 1 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 3 0 1000 4096 25 18446744073709551615";
        let process = Process::parse(stat, "cpu 1 2\nbtime 1700000000\n", 9.0).unwrap();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let (ticks, page) = (rustix::param::clock_ticks_per_second() as f64, rustix::param::page_size() as f64);
        let expected = Process {
            cpu_seconds: 200.0 / ticks,
            resident_bytes: 25.0 * page,
            virtual_bytes: 4096.0,
            start_time: 1_700_000_000.0 + 1000.0 / ticks,
            open_fds: 9.0,
        };
        assert_eq!(process, expected);
        assert_eq!(Process::parse("1 (a) S 0", "btime 1\n", 9.0), None);
    }
}
