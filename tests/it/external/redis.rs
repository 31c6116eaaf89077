//! The Python example on a real Redis: described, measured under load and adjusted through `servo run`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::support::agent::Agent;
use crate::support::components::component;
use crate::support::http_server::{BOUND, HttpServer, Reply, Request};
use crate::support::servo_bin::ServoBin;

/// A running Redis with a script that restarts it. It ends with this value.
struct Redis {
    port: u16,
    server: PathBuf,
    folder: TempDir,
}

impl Redis {
    async fn start(server: PathBuf) -> Self {
        // Nobody else is given the port between here and the start of the server, as far as one can tell.
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let redis = Self { port, server, folder: tempfile::tempdir().unwrap() };
        Self::run(&format!("{} --io-threads 1", redis.command()));
        redis.until_up().await;
        redis
    }

    /// Starts it in the background, as a service would be.
    fn command(&self) -> String {
        let (server, folder) = (self.server.display(), self.folder.path().display());
        format!(
            "{server} --port {} --daemonize yes --save '' --requirepass s3cr3t --dir {folder} --pidfile {folder}/pid",
            self.port
        )
    }

    /// The command by which the connector restarts it.
    fn restart(&self) -> String {
        let pid = self.folder.path().join("pid");
        let pid = pid.display();
        let wait = "for i in $(seq 200); do";
        format!(
            "p=$(cat {pid}); kill $p; {wait} kill -0 $p 2>/dev/null || break; sleep 0.05; done; {} --io-threads $IO_THREADS; \
             {wait} (exec 3<>/dev/tcp/127.0.0.1/{}) 2>/dev/null && break; sleep 0.05; done",
            self.command(),
            self.port
        )
    }

    #[expect(clippy::disallowed_methods, reason = "it goes to the background at once")]
    fn run(command: &str) {
        let status = std::process::Command::new("bash").args(["-c", command]).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{command}");
    }

    async fn until_up(&self) {
        let up = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(BOUND, up).await.unwrap();
    }

    /// What it says to commands of one line.
    async fn ask(&self, command: &str) -> String {
        let mut link = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        link.write_all(format!("AUTH s3cr3t\r\n{command}\r\nQUIT\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        timeout(BOUND, link.read_to_string(&mut text)).await.unwrap().unwrap();
        text
    }

    async fn setting(&self, name: &str) -> String {
        let said = self.ask(&format!("CONFIG GET {name}")).await;
        said.lines().nth(5).unwrap_or_default().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).unwrap_or_default();
        if let Some(pid) = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, Signal::KILL).ok();
        }
    }
}

fn load(program: &Path, port: u16) -> Child {
    Command::new(program)
        .args(["-p", &port.to_string(), "-a", "s3cr3t", "-t", "set,get", "-n", "100000000", "-c", "4", "-q"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn config(server: &HttpServer, redis: &Redis) -> String {
    let section = json!({"port": redis.port, "password": "s3cr3t", "restart": format!("bash -c '{}'", redis.restart().replace('\'', "'\\''"))});
    format!(
        "optimizer: {{id: dev.opsani.com/app, token: t, base_url: '{}'}}\nconnectors: {{cache: redis}}\ncache: {section}\n",
        server.url()
    )
}

/// The completions, in their order.
fn completions(requests: &[Request]) -> Vec<Value> {
    let events = ["DESCRIPTION", "MEASUREMENT", "ADJUSTMENT"];
    let completions = requests.iter().filter(|request| events.contains(&request.event().as_str()));
    completions.map(Request::param).filter(|param| param.get("progress").is_none()).collect()
}

fn commands() -> Vec<Value> {
    let settings =
        json!({"maxmemory-policy": {"value": "allkeys-lfu"}, "hz": {"value": 50.0}, "io-threads": {"value": 2.0}});
    let state = json!({"application": {"components": {"redis": {"settings": settings}}}});
    vec![
        json!({"cmd": "DESCRIBE", "param": {}}),
        json!({"cmd": "MEASURE", "param": {"metrics": {}, "control": {"duration": 3}}}),
        json!({"cmd": "ADJUST", "param": {"state": state, "control": {}}}),
    ]
}

#[tokio::test]
async fn a_real_redis_is_described_measured_under_load_and_adjusted() {
    let (Some(server), Some(benchmark)) = (component("redis-server"), component("redis-benchmark")) else { return };
    let redis = Redis::start(server).await;
    let mut load = load(&benchmark, redis.port);
    let mut commands = commands().into_iter();
    let optimizer = HttpServer::start(move |request| match request.event().as_str() {
        "WHATS_NEXT" => {
            Reply::Json(200, commands.next().unwrap_or_else(|| json!({"cmd": "SLEEP", "param": {"duration": 60}})))
        }
        _ => Reply::ok(),
    })
    .await;
    let path = examples().display().to_string();
    let mut agent = Agent::start(&config(&optimizer, &redis), &["run"], &[("SERVO_CONNECTOR_PATH", &path)]);
    let requests = optimizer.wait_until("all completions", |requests| completions(requests).len() == 3).await;
    load.kill().await.unwrap();

    let [described, measured, adjusted] = completions(&requests).try_into().unwrap();
    let settings = |param: &Value, key: &str| {
        let settings = &param[key]["application"]["components"]["redis"]["settings"];
        ["maxmemory-policy", "hz", "io-threads"].map(|name| settings[name]["value"].clone())
    };
    assert_eq!(settings(&described, "descriptor"), [json!("noeviction"), json!(10), json!(1)], "{described}");
    let values =
        measured["metrics"]["throughput"]["values"][0]["data"].as_array().unwrap_or_else(|| panic!("{measured}"));
    assert!(values.iter().any(|point| point[1].as_f64().unwrap() > 100.0), "there was a load: {values:?}");
    assert_eq!(settings(&adjusted, "state"), [json!("allkeys-lfu"), json!(50), json!(2)], "{adjusted}");
    for (name, value) in [("maxmemory-policy", "allkeys-lfu"), ("hz", "50"), ("io-threads", "2")] {
        assert_eq!(redis.setting(name).await, value, "{name}");
    }
    assert!(
        requests.iter().any(|request| request.event() == "MEASUREMENT" && request.param().get("progress").is_some())
    );

    agent.signal(Signal::TERM);
    assert_eq!(agent.exit().await.code(), Some(0), "{}", agent.log());
    assert!(!agent.log().contains("s3cr3t"), "{}", agent.log());
}

#[tokio::test]
async fn the_python_example_conforms_and_is_short() {
    let program = examples().join("servo-connector-redis");
    assert!(std::fs::read_to_string(&program).unwrap().lines().count() <= 100);
    let Some(server) = component("redis-server") else { return };
    let redis = Redis::start(server).await;
    let section = json!({"port": redis.port, "password": "s3cr3t"}).to_string();
    let servo = ServoBin::new().file("section.yaml", &section);
    let finished = servo.run(&format!("connector test {} --config section.yaml", program.display())).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
}
