//! `servo run` as a process, against a scripted optimizer over a real socket.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::{Value, json};

use crate::support::agent::Agent;
use crate::support::http_server::{BOUND, HttpServer, Reply, Request};

const SLEEP: &str = r#"{"cmd": "SLEEP", "param": {"duration": 60, "data": {"reason": "done"}}}"#;

fn sleep() -> Reply {
    Reply::Text(200, SLEEP.to_owned())
}

fn measure(duration: f64) -> Value {
    json!({"cmd": "MEASURE", "param": {"metrics": {}, "control": {"duration": duration}}})
}

fn config(server: &HttpServer, rest: &str) -> String {
    format!("optimizer: {{id: dev.opsani.com/app, token: s3cr3t, base_url: '{}'}}\n{rest}\n", server.url())
}

fn events(requests: &[Request]) -> Vec<String> {
    requests.iter().map(Request::event).collect()
}

fn count(requests: &[Request], event: &str) -> usize {
    requests.iter().filter(|request| request.event() == event).count()
}

/// An optimizer that answers the n-th `WHATS_NEXT` by the n-th command, then sleeps, and everything else by ok.
async fn optimizer(commands: Vec<Reply>) -> HttpServer {
    let mut commands = commands.into_iter();
    HttpServer::start(move |request| match request.event().as_str() {
        "WHATS_NEXT" => commands.next().unwrap_or_else(sleep),
        _ => Reply::ok(),
    })
    .await
}

async fn stop(mut agent: Agent) -> String {
    agent.signal(Signal::TERM);
    let status = agent.exit().await;
    assert_eq!(status.code(), Some(0), "{}", agent.log());
    agent.log()
}

/// Waits until another signal is not taken for a double of the last one.
pub(crate) async fn not_a_double() {
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

#[tokio::test]
async fn each_signal_is_named_in_the_goodbye_and_ends_with_0() {
    for (signal, name) in
        [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT"), (Signal::HUP, "SIGHUP"), (Signal::USR1, "SIGUSR1")]
    {
        let server = optimizer(vec![]).await;
        let mut agent = Agent::start(&config(&server, "wait: {measure_enabled: true}"), &["run"], &[]);
        server.wait_until("WHATS_NEXT", |requests| count(requests, "WHATS_NEXT") == 1).await;
        agent.signal(signal);
        assert_eq!(agent.exit().await.code(), Some(0), "{}", agent.log());
        let requests = server.requests();
        assert_eq!(events(&requests), ["HELLO", "WHATS_NEXT", "GOODBYE"]);
        assert_eq!(requests[2].param(), json!({"reason": name}));
    }
}

#[tokio::test]
async fn a_second_signal_forces_the_end() {
    let server = HttpServer::start(|request| match request.event().as_str() {
        "WHATS_NEXT" => sleep(),
        // An optimizer that never answers a goodbye would keep the agent for 30 s.
        "GOODBYE" => Reply::Hang,
        _ => Reply::ok(),
    })
    .await;
    let mut agent = Agent::start(&config(&server, "wait: {measure_enabled: true}"), &["run"], &[]);
    server.wait_until("WHATS_NEXT", |requests| count(requests, "WHATS_NEXT") == 1).await;
    agent.signal(Signal::TERM);
    server.wait_until("GOODBYE", |requests| count(requests, "GOODBYE") == 1).await;
    not_a_double().await;
    agent.signal(Signal::INT);
    assert_eq!(agent.exit().await.code(), Some(130), "{}", agent.log());
}

#[tokio::test]
async fn connectors_are_shut_down_although_the_goodbye_is_not_answered() {
    let server = HttpServer::start(|request| match request.event().as_str() {
        "WHATS_NEXT" => sleep(),
        "GOODBYE" => Reply::Hang,
        _ => Reply::ok(),
    })
    .await;
    let script = "scripts: {on: {detach: ['echo gone > detached']}}\nwait: {measure_enabled: true}";
    let agent = Agent::start(&config(&server, script), &["run"], &[]);
    server.wait_until("WHATS_NEXT", |requests| count(requests, "WHATS_NEXT") == 1).await;
    agent.signal(Signal::TERM);
    agent.wait_for_log("script succeeded").await;
    assert!(agent.folder().join("detached").exists());
}

#[tokio::test]
async fn any_success_is_an_answer_to_a_goodbye() {
    let server = HttpServer::start(|request| match request.event().as_str() {
        "WHATS_NEXT" => sleep(),
        "GOODBYE" => Reply::Text(204, String::new()),
        _ => Reply::ok(),
    })
    .await;
    let agent = Agent::start(&config(&server, "wait: {measure_enabled: true}"), &["run"], &[]);
    server.wait_until("WHATS_NEXT", |requests| count(requests, "WHATS_NEXT") == 1).await;
    stop(agent).await;
    assert_eq!(count(&server.requests(), "GOODBYE"), 1);
}

#[tokio::test]
async fn hello_is_repeated_while_the_optimizer_is_not_there_yet() {
    let mut left = [
        Reply::Json(404, json!({})),
        Reply::Text(503, "busy".into()),
        Reply::Drop,
        Reply::Text(200, "<html>".into()),
        Reply::Text(204, String::new()),
    ]
    .into_iter();
    let server = HttpServer::start(move |request| match request.event().as_str() {
        "HELLO" => left.next().unwrap_or_else(Reply::ok),
        _ => sleep(),
    })
    .await;
    let agent = Agent::start(&config(&server, "wait: {measure_enabled: true}"), &["run"], &[]);
    let requests = server.wait_until("WHATS_NEXT", |requests| count(requests, "WHATS_NEXT") == 1).await;
    assert_eq!(count(&requests, "HELLO"), 6);
    for request in &requests {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        assert_eq!((method, path), ("POST", "/accounts/dev.opsani.com/applications/app/servo"));
        assert_eq!(request.header("authorization"), Some("Bearer s3cr3t"));
    }
    assert!(!stop(agent).await.contains("s3cr3t"));
}

#[tokio::test]
async fn a_servo_that_cannot_say_hello_ends_with_1() {
    let server = HttpServer::start(|_| Reply::Text(500, "down".into())).await;
    let settings = "settings: {backoff: {connect: {max_tries: 2}}}\nwait: {measure_enabled: true}";
    let mut agent = Agent::start(&config(&server, settings), &["run"], &[]);
    assert_eq!(agent.exit().await.code(), Some(1), "{}", agent.log());
    assert_eq!(events(&server.requests()), ["HELLO", "HELLO"]);
}

#[tokio::test]
async fn a_token_that_the_optimizer_repeats_is_not_logged() {
    let server = HttpServer::start(|request| {
        let headers: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        Reply::Text(500, headers.join("\n"))
    })
    .await;
    let settings = "settings: {backoff: {connect: {max_tries: 2}}}\nwait: {measure_enabled: true}";
    let mut agent = Agent::start(&config(&server, settings), &["--log-level", "TRACE", "run"], &[]);
    agent.exit().await;
    let log = agent.log();
    assert!(log.contains("authorization: Bearer REDACTED") && !log.contains("s3cr3t"), "{log}");
}

#[tokio::test]
async fn what_is_no_command_is_asked_again_after_a_pause() {
    let nonsense = vec![
        Reply::ok(),
        Reply::Json(200, json!({"cmd": "REBOOT"})),
        Reply::Json(200, json!([])),
        Reply::Json(401, json!({"detail": "token"})),
    ];
    let server = optimizer(nonsense).await;
    let settings = "settings: {backoff: {__default__: {max_time: 1s, max_tries: 1}}}\nwait: {measure_enabled: true}";
    let agent = Agent::start(&config(&server, settings), &["run"], &[]);
    let requests = server.wait_until("five turns", |requests| count(requests, "WHATS_NEXT") == 5).await;
    assert_eq!(events(&requests).iter().filter(|event| *event != "WHATS_NEXT").count(), 1, "only HELLO beside");
    stop(agent).await;
}

#[tokio::test]
async fn malformed_commands_are_answered_as_failed_with_the_place() {
    let commands = [
        (json!({"cmd": "MEASURE", "param": {"metrics": []}}), "MEASUREMENT", "param.control"),
        (
            json!({"cmd": "MEASURE", "param": {"metrics": [], "control": {"duration": "soon"}}}),
            "MEASUREMENT",
            "param.control.duration",
        ),
        (json!({"cmd": "ADJUST", "param": {}}), "ADJUSTMENT", "param.state"),
        (
            json!({"cmd": "ADJUST", "param": {"state": {"application": {"components": {"web": {"settings": {"cpu": {}}}}}}}}),
            "ADJUSTMENT",
            "web.settings.cpu.value",
        ),
        (
            json!({"cmd": "DESCRIBE", "param": {"control": {"settlement": []}}}),
            "DESCRIPTION",
            "param.control.settlement",
        ),
    ];
    let server = optimizer(commands.iter().map(|(command, ..)| Reply::Json(200, command.clone())).collect()).await;
    let agent = Agent::start(&config(&server, "wait: {measure_enabled: true}"), &["run"], &[]);
    let requests = server.wait_until("all commands", |requests| count(requests, "WHATS_NEXT") == 6).await;
    let completions: Vec<_> =
        requests.iter().filter(|r| !["HELLO", "WHATS_NEXT"].contains(&r.event().as_str())).collect();
    assert_eq!(completions.len(), commands.len());
    for (completion, (_, event, path)) in completions.iter().zip(&commands) {
        let param = completion.param();
        assert_eq!(
            (completion.event().as_str(), &param["status"], &param["reason"]),
            (*event, &json!("failed"), &Value::Null)
        );
        assert!(param["message"].as_str().unwrap().contains(path), "{param}");
    }
    stop(agent).await;
}

#[tokio::test]
async fn a_command_uid_is_echoed_in_reports_and_completions() {
    let mut describe = json!({"cmd": "DESCRIBE", "cmd_uid": "c-1"});
    let server = optimizer(vec![Reply::Json(200, describe.take())]).await;
    let config = format!("servo_uid: u-1\n{}", config(&server, "wait: {measure_enabled: true}"));
    let agent = Agent::start(&config, &["run"], &[]);
    let requests = server.wait_until("the completion", |requests| count(requests, "WHATS_NEXT") == 2).await;
    let completion = requests.iter().find(|request| request.event() == "DESCRIPTION").expect("a completion");
    assert_eq!(completion.param()["cmd_uid"], "c-1");
    assert!(requests.iter().all(|request| request.json()["servo_uid"] == "u-1"));
    stop(agent).await;
}

/// The process ids that a script has written to a file, once it has.
async fn pids(agent: &Agent, name: &str) -> Vec<Pid> {
    let path = agent.folder().join(name);
    let read = async {
        loop {
            if let Ok(text) = tokio::fs::read_to_string(&path).await
                && text.lines().count() == 2
            {
                return text.lines().map(|line| Pid::from_raw(line.parse().unwrap()).unwrap()).collect();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, read).await.expect("the script writes its process ids")
}

async fn all_gone(pids: &[Pid]) {
    let gone = async {
        while pids.iter().any(|pid| test_kill_process(*pid).is_ok()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(12), gone).await.expect("no process is left");
}

const LONG_SCRIPT: &str = "scripts: {before: {measure: ['echo $$ > pids; sleep 300 & echo $! >> pids; wait']}}\nwait: {measure_enabled: true}";

#[tokio::test]
async fn a_stop_in_the_middle_of_a_measurement_leaves_no_process_and_no_completion() {
    let server = optimizer(vec![Reply::Json(200, measure(300.0))]).await;
    let mut agent = Agent::start(&config(&server, LONG_SCRIPT), &["run"], &[]);
    let pids = pids(&agent, "pids").await;
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit().await.code(), Some(0), "{}", agent.log());
    all_gone(&pids).await;
    assert_eq!(events(&server.requests()), ["HELLO", "WHATS_NEXT", "GOODBYE"]);
}

#[tokio::test]
async fn a_forced_end_leaves_no_process_either() {
    let server = HttpServer::start(|request| match request.event().as_str() {
        "WHATS_NEXT" => Reply::Json(200, measure(300.0)),
        "GOODBYE" => Reply::Hang,
        _ => Reply::ok(),
    })
    .await;
    // Deaf to SIGTERM, so that the clean stop takes long.
    let script = LONG_SCRIPT.replace("echo $$", "trap \"\" TERM; echo $$");
    let mut agent = Agent::start(&config(&server, &script), &["run"], &[]);
    let pids = pids(&agent, "pids").await;
    agent.signal(Signal::TERM);
    agent.wait_for_log("stopping").await;
    not_a_double().await;
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit().await.code(), Some(130), "{}", agent.log());
    all_gone(&pids).await;
}

#[tokio::test]
async fn one_servo_does_not_disturb_the_other_when_its_optimizer_is_down() {
    let up = optimizer(vec![Reply::Json(200, json!({"cmd": "DESCRIBE"}))]).await;
    let down = HttpServer::start(|_| Reply::Text(500, "down".into())).await;
    let documents = format!(
        "{}---\n{}",
        config(&down, "settings: {backoff: {connect: {max_tries: 2}}}\nwait: {measure_enabled: true}"),
        config(&up, "wait: {measure_enabled: true}").replace("/app", "/other"),
    );
    let agent = Agent::start(&documents, &["run"], &[]);
    up.wait_until("a whole turn", |requests| count(requests, "WHATS_NEXT") == 2).await;
    agent.wait_for_log("gave up on connecting").await;
    assert_eq!(events(&up.requests()), ["HELLO", "WHATS_NEXT", "DESCRIPTION", "WHATS_NEXT"]);
    stop(agent).await;
    assert_eq!(up.requests().last().map(Request::event).as_deref(), Some("GOODBYE"));
}

#[tokio::test]
async fn a_servo_that_is_not_expected_at_hello_waits_for_its_removal() {
    let server = HttpServer::start(|_| Reply::Json(410, json!({"detail": "unexpected servo_uid"}))).await;
    let agent = Agent::start(&config(&server, "wait: {measure_enabled: true}"), &["run"], &[]);
    agent.wait_for_log("waiting to be removed").await;
    stop(agent).await;
    assert_eq!(events(&server.requests()), ["HELLO"]);
}

/// Replaces a file in one step, as editors and kubelets do.
fn replace(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!("{name}.new"));
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, folder.join(name)).unwrap();
}

#[tokio::test]
async fn the_connection_file_is_followed_from_the_first_hello_on_and_complained_of_once() {
    let server = HttpServer::start(|request| match (request.header("authorization"), request.event().as_str()) {
        (Some("Bearer new"), "WHATS_NEXT") => sleep(),
        (Some("Bearer new"), _) => Reply::ok(),
        _ => Reply::Text(401, "a new token, please".to_owned()),
    })
    .await;
    let connection = |token: &str| format!("{{Authorization: {token}, Endpoint: '{}', TenantId: t}}", server.url());
    let folder = tempfile::tempdir().unwrap();
    replace(folder.path(), "connection.yaml", &connection("old"));
    let config = "optimizer: {optimizer_id: app, connection_file: connection.yaml}\nwait: {measure_enabled: true}\n";
    replace(folder.path(), "servo.yaml", config);
    let agent = Agent::start_in(folder, &["run"], &[]);
    server.wait_until("a HELLO", |requests| count(requests, "HELLO") == 1).await;
    std::fs::remove_file(agent.folder().join("connection.yaml")).unwrap();
    agent.wait_for_log("kept the connection as it was").await;
    // Something else in the folder leads to another reading.
    replace(agent.folder(), "other", "");
    let hellos = count(&server.requests(), "HELLO");
    server.wait_until("another HELLO", |requests| count(requests, "HELLO") > hellos).await;
    replace(agent.folder(), "connection.yaml", &connection("new"));
    server.wait_until("a WHATS_NEXT", |requests| count(requests, "WHATS_NEXT") == 1).await;
    let log = stop(agent).await;
    assert_eq!(log.matches("kept the connection as it was").count(), 1, "{log}");
}

fn app_dynamics(server: &HttpServer) -> String {
    format!(
        "optimizer: {{optimizer_id: app, tenant_id: t, client_id: c, client_secret: s3cr3t, base_url: '{}'}}\n\
         wait: {{measure_enabled: true}}\n",
        server.url()
    )
}

#[tokio::test]
async fn a_completion_with_a_token_that_has_expired_is_sent_again_with_a_new_one() {
    let (mut tokens, mut commands) = (0, vec![sleep(), Reply::Json(200, json!({"cmd": "DESCRIBE"}))]);
    let server = HttpServer::start(move |request| {
        if request.path.ends_with("/oauth2/token") {
            tokens += 1;
            return Reply::Json(200, json!({"access_token": format!("t{tokens}"), "token_type": "Bearer"}));
        }
        match (request.event().as_str(), request.header("authorization")) {
            ("WHATS_NEXT", _) => commands.pop().unwrap_or_else(sleep),
            ("DESCRIPTION", Some("Bearer t1")) => Reply::Text(401, "expired".to_owned()),
            _ => Reply::ok(),
        }
    })
    .await;
    let agent = Agent::start(&app_dynamics(&server), &["run"], &[]);
    let requests = server.wait_until("two turns", |requests| count(requests, "WHATS_NEXT") == 2).await;
    let completions = requests.iter().filter(|request| request.event() == "DESCRIPTION");
    let tokens: Vec<_> = completions.filter_map(|request| request.header("authorization")).collect();
    assert_eq!(tokens, ["Bearer t1", "Bearer t2"]);
    stop(agent).await;
}

#[tokio::test]
async fn an_optimizer_is_not_reachable_when_only_the_token_endpoint_answers() {
    let server = HttpServer::start(|_| Reply::Text(200, "<html>please log in</html>".to_owned())).await;
    let mut agent = Agent::start(&app_dynamics(&server), &["check"], &[]);
    assert_eq!(agent.exit().await.code(), Some(1), "{}", agent.log());
    assert!(server.requests().iter().all(|request| request.path.ends_with("/oauth2/token")));
}
