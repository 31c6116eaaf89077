//! How large the answers of one reading may be: a quarter of the memory that this process has, at most 512 MiB.
//!
//! A container's limit is that of its control group, or of one around it; both versions of control groups are read.

use std::path::{Path, PathBuf};

/// Far more than a sensible query has, and a bound for what a mistaken one costs.
const MOST: u64 = 512 << 20;

/// A limit below this is none that a program can live with.
const LEAST: u64 = 1 << 20;

/// Where Linux shows control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// The largest sum of answers, in bytes.
pub(in crate::connectors::prometheus) async fn answer_limit() -> u64 {
    let groups = tokio::fs::read_to_string("/proc/self/cgroup").await.unwrap_or_default();
    let mut memory = u64::MAX;
    for file in files(&groups) {
        if let Ok(text) = tokio::fs::read_to_string(&file).await {
            memory = memory.min(bytes(&text));
        }
    }
    share(memory)
}

fn share(memory: u64) -> u64 {
    (memory / 4).clamp(LEAST, MOST)
}

/// A number of bytes; `max`, and what is no number, is no limit.
fn bytes(text: &str) -> u64 {
    text.trim().parse().unwrap_or(u64::MAX)
}

/// The files with the limits of the groups that `/proc/self/cgroup` names, and of those around them.
fn files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (folder, file) = match (id, controllers) {
            ("0", "") => (PathBuf::from(ROOT), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (Path::new(ROOT).join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let relative = Path::new(path.trim_start_matches('/'));
        files.extend(relative.ancestors().map(|group| folder.join(group).join(file)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_memory_and_at_most_512_mib_is_for_answers() {
        for (text, mebibytes) in [("max", 512), ("67108864\n", 16), ("4294967296", 512), ("0", 1), ("268435456", 64)] {
            assert_eq!(share(bytes(text)), mebibytes << 20, "{text}");
        }
    }

    #[test]
    fn limits_are_those_of_the_group_and_of_all_around_it() {
        let shown = |groups: &str| files(groups).iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            shown("0::/a/b\n"),
            ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max",]
        );
        assert_eq!(shown("0::/"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(
            shown("5:cpu,memory:/a\n4:devices:/b\n"),
            ["/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes",]
        );
        assert_eq!(shown("nonsense"), [""; 0]);
    }
}
