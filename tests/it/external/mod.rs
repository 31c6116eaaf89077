//! Connectors of other people: found, validated, driven, and ended whatever they do.

mod configuration;
mod conformance;
mod document;
mod faults;
mod redis;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use tokio::time::{sleep, timeout};

use crate::support::http_server::BOUND;
use crate::support::servo_bin::ServoBin;

/// A well-behaved connector of which single functions may be replaced. It notes its process numbers.
const GOOD: &str = r#"#!/bin/bash
folder=$(dirname "$0")
echo $$ >>"$folder/pids"
announced='{"protocol":1,"metadata":{"version":"1.2.3","description":"A toy"},"schema":{"type":"object",
  "additionalProperties":false,"properties":{"level":{"type":"integer","default":1,"minimum":1},
  "token":{"type":"string","writeOnly":true}}},"capabilities":["describe","metrics","components","measure","adjust",
  "check","before:describe"]}'
metrics='{"metrics":{"m":{"unit":"rps"}}}'
components='{"components":{"c":{"settings":{"s":{"type":"range","min":1,"max":9,"step":1,"value":5}}}}}'
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "${1//$'\n'/ }"; }
fail() { printf '{"jsonrpc":"2.0","id":%s,"error":{"code":%s,"message":"%s","data":{"status":"%s"}}}\n' "$id" "$@"; }
on_initialize() { answer "$announced"; }
on_configure() { answer null; }
on_describe() { answer '{"application":'"$components"',"measurement":'"$metrics"'}'; }
on_metrics() { answer "$metrics"; }
on_components() { answer "$components"; }
on_check() { answer '{"checks":[{"id":"a","name":"A","success":true},{"id":"b","name":"B","success":true}]}'; }
on_adjust() { on_describe; }
on_before() { answer null; }
on_measure() {
  [[ $params =~ \"duration\":([0-9]+) ]]
  if read -r -t "${BASH_REMATCH[1]}" message; then
    echo "$message" >>"$folder/cancels"
    fail -32000 cancelled cancelled
    return
  fi
  answer '{"metrics":{"m":{"unit":"rps","value":7}}}'
}
on_shutdown() { answer null; exit; }
on_unknown() { fail -32601 unknown failed; }
on_end() { exit; }
"#;

const LOOP: &str = r#"
while read -r message; do
  [[ $message =~ ^'{"jsonrpc":"2.0","id":'([0-9]+)',"method":"'([a-z]+)'","params":'(.*)'}'$ ]] || continue
  id=${BASH_REMATCH[1]} method=${BASH_REMATCH[2]} params=${BASH_REMATCH[3]}
  if [[ $(type -t "on_$method") == function ]]; then "on_$method"; else on_unknown; fi
done
on_end
"#;

/// An executable file.
fn executable(path: &Path, content: impl AsRef<[u8]>) -> PathBuf {
    // Renamed into place: a file that any process has open for writing cannot be executed.
    let draft = path.with_extension("draft");
    fs::write(&draft, content).unwrap();
    fs::set_permissions(&draft, Permissions::from_mode(0o755)).unwrap();
    fs::rename(&draft, path).unwrap();
    path.to_owned()
}

/// A connector of a type in a folder, good but for these functions.
fn connector(folder: &Path, type_name: &str, functions: &str) -> PathBuf {
    executable(&folder.join(format!("servo-connector-{type_name}")), format!("{GOOD}{functions}{LOOP}"))
}

/// A servo with this configuration and a connector `toy` beside it, good but for these functions.
fn servo(config: &str, functions: &str) -> ServoBin {
    let servo = ServoBin::configured(config);
    connector(servo.folder(), "toy", functions);
    let folder = servo.folder().display().to_string();
    servo.env("SERVO_CONNECTOR_PATH", &folder)
}

/// The numbers of all processes that were started.
fn pids(folder: &Path) -> Vec<i32> {
    let text = fs::read_to_string(folder.join("pids")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Checks that something was started, and that nothing is left of it. A killed process whose parent has just gone may
/// be there until somebody reaps it.
async fn no_orphans(folder: &Path) {
    let pids = pids(folder);
    assert!(!pids.is_empty(), "nothing was started");
    for pid in pids {
        let gone = async {
            while is_alive(pid) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(BOUND, gone).await.is_ok(), "process {pid} is left");
    }
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok()) && !matches!(state, Some('Z' | 'X'))
}
