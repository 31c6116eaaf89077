//! `servo init`: what it asks and what it writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::servo_bin::{Finished, ServoBin, succeeded, was_wrong};

fn read(servo: &ServoBin, name: &str) -> String {
    fs::read_to_string(servo.folder().join(name)).unwrap()
}

/// The names of the files in the folder, sorted.
fn files(servo: &ServoBin) -> Vec<String> {
    let entries = fs::read_dir(servo.folder()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
fn aborted(finished: &Finished) {
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(1), "Aborted!\n"), "{finished:?}");
}

#[tokio::test]
async fn answers_become_two_files_that_work_together() {
    let servo = ServoBin::new();
    let finished = servo.run_with_input("init", "dev.opsani.com/app\ns3cr3t\nn\n").await;
    assert!(succeeded(&finished).contains(".env file initialized\n"), "{finished:?}");
    assert!(finished.stdout.ends_with("\n\nGenerated servo.yaml\n"), "{finished:?}");
    assert!(!finished.stdout.contains("s3cr3t"), "{finished:?}");
    assert_eq!(
        read(&servo, ".env"),
        "OPSANI_OPTIMIZER=dev.opsani.com/app\nOPSANI_TOKEN=s3cr3t\nSERVO_LOG_LEVEL=DEBUG\n"
    );
    let mode = fs::metadata(servo.folder().join(".env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let config = read(&servo, "servo.yaml");
    assert!(!config.contains("optimizer:") && !config.contains("\nsimulation:"), "{config}");
    assert_eq!(files(&servo), [".env", "servo.yaml"]);
    succeeded(&servo.run("init --no-dotenv --connectors wait --force").await);
    let listed = servo.run("list --log-level info").await;
    assert!(succeeded(&listed).contains("dev.opsani.com/app"), "{listed:?}");
}

#[tokio::test]
async fn bad_answers_are_asked_for_again() {
    let servo = ServoBin::new();
    let answers = "\nnonsense\ndev.opsani.com/app\n\nt0k3n\nmaybe\nyes\nwait, nope\nwait,prometheus\n";
    let finished = servo.run_with_input("init", answers).await;
    assert!(succeeded(&finished).contains("an id is organization/name"), "{finished:?}");
    assert!(finished.stdout.contains("no connector found for key 'nope'"), "{finished:?}");
    let config = read(&servo, "servo.yaml");
    assert!(config.starts_with("connectors:\n- wait\n- prometheus\n"), "{config}");
}

#[tokio::test]
async fn scripts_need_no_answers() {
    let servo = ServoBin::new().file("token", "s3cr3t\n");
    let line = "init --optimizer dev.opsani.com/app --token-file token --connectors wait";
    succeeded(&servo.run(line).await);
    assert!(read(&servo, ".env").contains("OPSANI_TOKEN=s3cr3t\n"));
    assert!(read(&servo, "servo.yaml").starts_with("connectors:\n- wait\nwait:\n"));
    aborted(&servo.run(line).await);
    succeeded(&servo.run(&format!("{line} --force")).await);
    let servo = ServoBin::new();
    let piped = "init --optimizer dev.opsani.com/app --token-file - --connectors all";
    succeeded(&servo.run_with_input(piped, "piped\n").await);
    assert!(read(&servo, ".env").contains("OPSANI_TOKEN=piped\n"));
    let servo = ServoBin::new().env("OPSANI_TOKEN", "from variable");
    succeeded(&servo.run("init --optimizer dev.opsani.com/app --connectors all").await);
    assert!(read(&servo, ".env").contains("OPSANI_TOKEN='from variable'\n"));
}

#[tokio::test]
async fn without_dotenv_only_the_configuration_is_written() {
    let servo = ServoBin::new();
    succeeded(&servo.run("init --no-dotenv --connectors wait").await);
    assert_eq!(files(&servo), ["servo.yaml"]);
}

#[tokio::test]
async fn present_values_are_the_defaults_and_the_token_is_not_shown() {
    let servo = ServoBin::new().file(".env", "OPSANI_OPTIMIZER=dev.opsani.com/old\nOPSANI_TOKEN=s3cr3t\nOTHER=1\n");
    let finished = servo.run_with_input("init", "y\n\n\nn\n").await;
    assert!(succeeded(&finished).contains("File '.env' already exists. Overwrite it? [y/N]: "), "{finished:?}");
    assert!(finished.stdout.contains("[dev.opsani.com/old]: ") && !finished.stdout.contains("s3cr3t"), "{finished:?}");
    assert!(read(&servo, ".env").starts_with("OPSANI_OPTIMIZER=dev.opsani.com/old\nOPSANI_TOKEN=s3cr3t\n"));
}

#[tokio::test]
async fn a_file_that_shall_stay_stays() {
    let servo = ServoBin::configured("wait: {}\n").file(".env", "OTHER=1\n");
    let finished = servo.run_with_input("init", "n\nn\nn\n").await;
    aborted(&finished);
    assert_eq!((read(&servo, ".env").as_str(), read(&servo, "servo.yaml").as_str()), ("OTHER=1\n", "wait: {}\n"));
}

#[tokio::test]
async fn an_early_end_of_input_writes_nothing() {
    for input in ["", "dev.opsani.com/app\n", "dev.opsani.com/app\ntoken\n"] {
        let servo = ServoBin::new();
        aborted(&servo.run_with_input("init", input).await);
        assert_eq!(files(&servo), Vec::<String>::new(), "{input:?}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_a_usage_error_and_writes_nothing() {
    for (arguments, said) in [
        ("init --optimizer nonsense", "organization/name"),
        ("init --optimizer dev.opsani.com/app --token-file none --connectors all", "none"),
        ("init --optimizer dev.opsani.com/app --token-file /dev/null --connectors all", "the token is empty"),
        ("init --no-dotenv --connectors nope", "no connector found for key 'nope'"),
    ] {
        let servo = ServoBin::new();
        assert!(was_wrong(&servo.run(arguments).await).contains(said), "{arguments}");
        assert_eq!(files(&servo), Vec::<String>::new(), "{arguments}");
    }
}
