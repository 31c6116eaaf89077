//! `servo generate` through the built program.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use servox::internals::config::file::parse_documents;
use servox::internals::decode::Node;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::{expect_equal, text};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let input = &case["input"];
    for (name, content) in input["files"].as_object().into_iter().flatten() {
        let content = content.as_str().ok_or("a file is text")?;
        std::fs::write(folder.path().join(name), content).map_err(|error| error.to_string())?;
    }
    let (code, stdout) = run(input, folder.path())?;
    let expected = case.get("output").or_else(|| case.get("output_on_error")).ok_or("no output")?;
    check_code(expected, text(case, "error"), code)?;
    if let Some(file) = text(expected, "file") {
        check_file(&folder.path().join(file), expected, input)?;
    }
    let Some(printed) = text(expected, "stdout").filter(|_| expected["exit_code"] == 0) else { return Ok(()) };
    let last = |text: &str| text.lines().last().unwrap_or_default().to_owned();
    expect_equal("last line", &last(printed), &last(&stdout))
}

fn run(input: &Value, folder: &Path) -> Result<(Option<i32>, String), String> {
    let arguments: Vec<&str> = input["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let answer = text(input, "stdin").unwrap_or_default().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let mut child = Command::new(env!("CARGO_BIN_EXE_servo"))
            .args(arguments)
            .env_clear()
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| error.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that asks nothing may have ended.
            stdin.write_all(answer.as_bytes()).await.ok();
        }
        let output = child.wait_with_output().await.map_err(|error| error.to_string())?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    })
}

/// The code; a name that breaks a rule is a configuration error here.
fn check_code(expected: &Value, error: Option<&str>, code: Option<i32>) -> Result<(), String> {
    let is_of_configuration = error.is_some_and(|error| error.contains("value_error"));
    let recorded = expected["exit_code"].as_i64();
    let expected = if is_of_configuration { Some(2) } else { recorded };
    expect_equal("exit code", &expected, &code.map(i64::from))
}

/// The file says the same, in the same order where that is significant. Text that was there before stays.
fn check_file(path: &Path, expected: &Value, input: &Value) -> Result<(), String> {
    let Some(documents) = expected["file_documents"].as_array() else {
        return expect_equal("the file is there", &false, &path.exists());
    };
    let written = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let got = parse_documents(&written, "written").map_err(|problems| problems.to_string())?.documents;
    let got: Vec<Value> = got.iter().map(Node::to_json).collect();
    expect_equal("documents", documents, &got)?;
    let is_appended = input["args"].as_array().is_some_and(|args| args.contains(&Value::from("--append")));
    if is_appended {
        let mut before = input["files"].as_object().into_iter().flatten().filter_map(|(_, content)| content.as_str());
        return before.try_for_each(|before| expect_equal("what was there stays", &true, &written.starts_with(before)));
    }
    if expected["key_order_significant"] == true {
        for (expected, got) in documents.iter().zip(&got) {
            expect_equal("order", &expected.to_string(), &got.to_string())?;
        }
    }
    Ok(())
}
