//! What is generated: the reference of the configuration, the pages of the manual, completion scripts.

use std::path::Path;
use std::process::Output;

use tokio::process::Command;

use super::root;
use crate::support::servo_bin::{ServoBin, succeeded};

/// The reference of the configuration.
pub(super) const REFERENCE: &str = "docs/configuration.md";

#[tokio::test]
async fn the_reference_of_the_configuration_is_current() {
    let finished = ServoBin::new().run("schema --all --format markdown").await;
    let written = std::fs::read_to_string(root().join(REFERENCE)).unwrap();
    let same = succeeded(&finished).trim_end() == written.trim_end();
    assert!(same, "{REFERENCE} is not current: cargo run -- schema --all --format markdown -o {REFERENCE}");
}

#[tokio::test]
async fn every_key_of_the_configuration_says_what_it_is() {
    let written = std::fs::read_to_string(root().join(REFERENCE)).unwrap();
    let rows: Vec<&str> = written.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 150, "only {} keys", rows.len());
    let silent: Vec<&&str> = rows.iter().filter(|row| row.ends_with("|  |") || row.contains("anything")).collect();
    assert!(silent.is_empty(), "keys without a description or a type: {silent:#?}");
}

/// Runs a program that may not be here.
async fn tool(program: &str, arguments: &[&str], folder: &Path) -> Option<Output> {
    Command::new(program).args(arguments).current_dir(folder).output().await.ok()
}

#[tokio::test]
async fn the_manual_has_a_page_for_every_command_that_formatters_accept() {
    let servo = ServoBin::new();
    assert!(succeeded(&servo.run("man pages").await).ends_with(" pages to pages\n"));
    let folder = servo.folder().join("pages");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    for name in ["servo.1", "servo-run.1", "servo-optimizer-report.1", "servo-prometheus-targets.1"] {
        assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
    for name in &names {
        let page = std::fs::read_to_string(folder.join(name)).unwrap();
        for section in [".TH ", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n"] {
            assert!(page.contains(section), "{section} is not in {name}");
        }
        let linted: [(&str, &[&str]); 2] =
            [("groff", &["-man", "-Tutf8", "-ww", "-z"]), ("mandoc", &["-T", "lint", "-W", "error"])];
        for (program, options) in linted {
            if let Some(output) = tool(program, &[options, &[name]].concat(), &folder).await {
                let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success() && said.is_empty(), "{program} {name}: {said}");
            }
        }
    }
    let printed = servo.run("man").await;
    assert_eq!(succeeded(&printed), std::fs::read_to_string(folder.join("servo.1")).unwrap());
    assert!(printed.stdout.contains(".SH EXAMPLES\n.nf\nservo describe "), "{printed:?}");
}

#[tokio::test]
async fn a_manual_that_cannot_be_written_is_a_failure_that_names_the_folder() {
    let finished = ServoBin::new().file("taken", "").run("man taken").await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("'taken'"), "{finished:?}");
}

#[tokio::test]
async fn shells_load_the_completion_scripts_and_complete_commands() {
    let servo = ServoBin::new();
    let lines = [
        (
            "bash",
            "source ./script; COMP_WORDS=(servo optimizer re); COMP_CWORD=2; _servo servo re optimizer; echo ${COMPREPLY[@]}",
        ),
        ("zsh", "autoload -U compinit; compinit -u; source ./script; whence -w _servo"),
        ("fish", "source ./script; complete -C 'servo optimizer re'"),
    ];
    let mut tried = 0;
    for (shell, line) in lines {
        let script = servo.run(&format!("completions {shell}")).await;
        std::fs::write(servo.folder().join("script"), succeeded(&script)).unwrap();
        let Some(output) = tool(shell, &["-c", line], servo.folder()).await else { continue };
        let said = String::from_utf8_lossy(&output.stdout);
        let expected: &[&str] = if shell == "zsh" { &["_servo: function"] } else { &["report", "recommend", "replay"] };
        for word in expected {
            assert!(output.status.success() && said.contains(word), "{shell}: {output:?}");
        }
        tried += 1;
    }
    assert!(tried > 0, "not one shell is here");
}
