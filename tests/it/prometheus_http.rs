//! Prometheus as people have it: behind credentials, TLS, tenants and paths. The credentials, certificates and paths are
//! judged by the real server, the rest by a scripted one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::components::component;
use crate::support::http_server::{BOUND, HttpServer, Reply};
use crate::support::servo_bin::{Finished, ServoBin, succeeded, was_wrong};

/// `s3cr3t`, by the cheapest bcrypt there is.
const HASH: &str = "$2b$04$SBAmJNrFlyPudY.hPYhxDe2nKUd88CkUUNoWfJmgCtPOk0aIbLRAW";

/// A real server, with what `--web.config.file` says and below this path.
struct Prometheus {
    _process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    async fn start(program: &Path, web: &Value, path: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        // A free port; the server cannot be asked for the one that it took.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let scraped =
            json!({"scrape_configs": [{"job_name": "none", "static_configs": [{"targets": ["127.0.0.1:1"]}]}]});
        std::fs::write(file("prometheus.yml"), scraped.to_string()).unwrap();
        std::fs::write(file("web.yml"), web.to_string()).unwrap();
        let mut process = Command::new(program)
            .arg(format!("--config.file={}", file("prometheus.yml")))
            .arg(format!("--web.config.file={}", file("web.yml")))
            .arg(format!("--storage.tsdb.path={}", file("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--web.external-url=http://prometheus.example{path}"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let ready = async {
            let mut log = String::new();
            loop {
                let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("Prometheus ended:\n{log}"));
                if line.contains("Server is ready to receive web requests") {
                    return;
                }
                log += &(line + "\n");
            }
        };
        tokio::time::timeout(BOUND, ready).await.expect("Prometheus is ready");
        // It would wait for somebody to read its log.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { _process: process, port, _folder: folder }
    }
}

/// Authorities, and certificates of theirs, as files.
struct Certificates {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// Issues a certificate to these names, as `NAME.pem` and `NAME.key`.
    fn issue(&self, name: &str, to: Vec<SanType>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = to;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn path(&self, file: &str) -> String {
        self.folder.path().join(file).display().to_string()
    }
}

/// A servo of one metric, whose section has these keys besides.
fn servo(base_url: &str, keys: &Value) -> ServoBin {
    let mut section = json!({"base_url": base_url, "metrics": [{"name": "one", "query": "vector(1)", "step": "1s"}]});
    section.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let optimizer = json!({"id": "dev.opsani.com/app", "token": "t", "url": "http://127.0.0.1:9/"});
    ServoBin::configured(&json!({"optimizer": optimizer, "prometheus": section}).to_string())
}

/// Asks for the targets and measures. Returns the first refusal, which holds no secret.
async fn refusal(servo: &ServoBin) -> Option<String> {
    for command in ["prometheus targets", "measure one --duration 1s"] {
        let Finished { code, stdout, stderr } = servo.run(command).await;
        assert!(!stderr.contains("s3cr3t") && !stdout.contains("s3cr3t"), "{stdout}{stderr}");
        if code != Some(0) {
            return Some(stderr);
        }
        assert!(stdout.starts_with("POOL") || stdout.starts_with("METRIC"), "{stdout}{stderr}");
    }
    None
}

#[track_caller]
fn was_refused(refusal: Option<String>, texts: &[&str]) {
    let refusal = refusal.expect("a refusal");
    assert!(texts.iter().all(|text| refusal.contains(text)), "{texts:?} in {refusal}");
}

#[tokio::test]
async fn a_server_with_users_is_measured_by_one_of_them_and_below_its_path() {
    let Some(program) = component("prometheus-3") else { return };
    let server = Prometheus::start(&program, &json!({"basic_auth_users": {"me": HASH}}), "/prom/etheus").await;
    let base_url = format!("http://127.0.0.1:{}/prom/etheus/", server.port);
    let by_password = json!({"basic_auth": {"username": "me", "password": "s3cr3t"}});
    assert_eq!(refusal(&servo(&base_url, &by_password)).await, None);
    assert_eq!(refusal(&servo(&base_url.replace("//", "//me:s3cr3t@"), &json!({}))).await, None);

    let by_file = servo(&base_url, &json!({"basic_auth": {"username": "me", "password_file": "password"}}));
    was_refused(refusal(&by_file).await, &["'password' of 'basic_auth.password_file'", "No such file"]);
    let by_file = by_file.file("password", "s3cr3t\n");
    assert_eq!(refusal(&by_file).await, None);

    was_refused(refusal(&servo(&base_url, &json!({}))).await, &["401 Unauthorized", "set 'authorization'"]);
    let wrong = json!({"basic_auth": {"username": "me", "password": "s3cr3t-not"}});
    was_refused(refusal(&servo(&base_url, &wrong)).await, &["401 Unauthorized"]);
    let elsewhere = format!("http://127.0.0.1:{}", server.port);
    was_refused(refusal(&servo(&elsewhere, &by_password)).await, &["404 Not Found", "http://mimir/prometheus"]);
    let check = servo(&base_url, &json!({})).run("check --verbose").await;
    assert!(check.code == Some(1) && check.stderr.contains("401 Unauthorized"), "{check:?}");
}

#[tokio::test]
async fn a_server_with_tls_must_prove_who_it_is() {
    let Some(program) = component("prometheus-3") else { return };
    let certificates = Certificates::new();
    let other = Certificates::new();
    certificates.issue("server", vec![SanType::DnsName("prometheus.example".try_into().unwrap())]);
    let tls = json!({"cert_file": certificates.path("server.pem"), "key_file": certificates.path("server.key")});
    let server = Prometheus::start(&program, &json!({"tls_server_config": tls}), "").await;
    let base_url = format!("https://127.0.0.1:{}", server.port);
    let (ours, theirs) = (certificates.path("ca.pem"), other.path("ca.pem"));
    let name = "prometheus.example";
    for (tls, problem) in [
        (json!({"ca_file": ours, "server_name": name}), None),
        (json!({"insecure_skip_verify": true}), None),
        (json!({"ca_file": ours}), Some("not valid for name")),
        (json!({"ca_file": ours, "server_name": "other.example"}), Some("not valid for name")),
        (json!({"ca_file": theirs, "server_name": name}), Some("invalid peer certificate")),
        (json!({"server_name": name}), Some("invalid peer certificate: UnknownIssuer")),
        (json!({"ca_file": "missing.pem"}), Some("'missing.pem' of 'tls_config.ca_file'")),
        (json!({"ca_file": "servo.yaml"}), Some("no usable certificate in 'servo.yaml'")),
    ] {
        let refusal = refusal(&servo(&base_url, &json!({"tls_config": tls}))).await;
        match problem {
            None => assert_eq!(refusal, None, "{tls}"),
            Some(problem) => was_refused(refusal, &[problem]),
        }
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_given_one() {
    let Some(program) = component("prometheus-3") else { return };
    let certificates = Certificates::new();
    certificates.issue("server", vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())]);
    for client in ["client", "another"] {
        certificates.issue(client, vec![SanType::DnsName("servo".try_into().unwrap())]);
    }
    let web = json!({"tls_server_config": {
        "cert_file": certificates.path("server.pem"),
        "key_file": certificates.path("server.key"),
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": certificates.path("ca.pem"),
    }});
    let server = Prometheus::start(&program, &web, "").await;
    let base_url = format!("https://127.0.0.1:{}", server.port);
    let tls = |cert: &str, key: &str| {
        let (ca, cert, key) = (certificates.path("ca.pem"), certificates.path(cert), certificates.path(key));
        json!({"tls_config": {"ca_file": ca, "cert_file": cert, "key_file": key}})
    };
    assert_eq!(refusal(&servo(&base_url, &tls("client.pem", "client.key"))).await, None);
    let without = json!({"tls_config": {"ca_file": certificates.path("ca.pem")}});
    was_refused(refusal(&servo(&base_url, &without)).await, &["the connection failed"]);
    let mixed = refusal(&servo(&base_url, &tls("client.pem", "another.key"))).await;
    was_refused(mixed, &["failed to set up TLS"]);
    let swapped = refusal(&servo(&base_url, &tls("client.key", "client.key"))).await;
    was_refused(swapped, &["client.key' holds no certificate"]);
    let keyless = refusal(&servo(&base_url, &tls("client.pem", "client.pem"))).await;
    was_refused(keyless, &["client.pem' holds no private key"]);
}

/// A server that answers every question, and refuses those without this header.
async fn guarded(header: &'static str, value: &'static str) -> HttpServer {
    HttpServer::start(move |request| {
        if request.header(header) != Some(value) {
            return Reply::Text(401, "no org id\n".to_owned());
        }
        let data = if request.path.starts_with("/api/v1/targets") {
            json!({"activeTargets": [{"scrapePool": "one"}]})
        } else {
            json!({"resultType": "matrix", "result": []})
        };
        Reply::Json(200, json!({"status": "success", "data": data}))
    })
    .await
}

#[tokio::test]
async fn every_request_carries_token_headers_and_parameters() {
    let server = guarded("authorization", "Bearer s3cr3t").await;
    let keys = json!({
        "authorization": {"credentials": "s3cr3t"},
        "headers": {"X-Scope-OrgID": 12, "x-other": "a b"},
        "params": {"dedup": true, "nocache": ["1", "2"]},
    });
    assert_eq!(refusal(&servo(&server.url(), &keys)).await, None);
    let requests = server.requests();
    let paths: Vec<&str> = requests.iter().filter_map(|request| request.path.split('?').next()).collect();
    // The server has no data, so that the names of its metrics are asked for.
    let names = "/api/v1/label/__name__/values";
    assert_eq!(paths, ["/api/v1/targets", "/api/v1/query", names, "/api/v1/query_range"]);
    for request in requests {
        assert_eq!((request.header("x-scope-orgid"), request.header("x-other")), (Some("12"), Some("a b")));
        assert!(request.path.ends_with("dedup=True&nocache=1&nocache=2"), "{request:?}");
    }
}

#[tokio::test]
async fn a_token_is_read_again_for_every_request_and_may_come_late() {
    let server = guarded("authorization", "Token second").await;
    let keys = json!({"authorization": {"type": "Token", "credentials_file": "token"}});
    let servo = servo(&server.url(), &keys);
    let check = servo.run("check --verbose").await;
    assert!(check.code == Some(1) && check.stderr.contains("'token' of 'authorization.credentials_file'"), "{check:?}");
    let servo = servo.file("token", "two\nlines");
    was_refused(refusal(&servo).await, &["'token' of 'authorization.credentials_file' must hold one line"]);
    let servo = servo.file("token", "first");
    was_refused(refusal(&servo).await, &["401 Unauthorized", "X-Scope-OrgID"]);
    let servo = servo.file("token", " second\n");
    assert_eq!(refusal(&servo).await, None);
}

#[tokio::test]
async fn a_running_agent_uses_a_token_that_was_rotated() {
    let server = guarded("authorization", "Bearer second").await;
    let servo = servo(&server.url(), &json!({"authorization": {"credentials_file": "token"}})).file("token", "first");
    let waiting = servo.start("check prometheus --wait 30s --delay 100ms");
    server.wait_until("a request with the first token", |requests| !requests.is_empty()).await;
    std::fs::write(servo.folder().join("token"), "second").unwrap();
    let done = waiting.finish().await;
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[tokio::test]
async fn secrets_are_shown_by_nothing_but_the_raw_configuration() {
    let keys = json!({
        "authorization": {"credentials": "s3cr3t"},
        "headers": {"X-Scope-OrgID": "s3cr3t-tenant"},
        "tls_config": {"ca_file": "ca.pem"},
    });
    let servo = servo("http://127.0.0.1:1", &keys);
    let shown = servo.run("config").await;
    assert!(!succeeded(&shown).contains("s3cr3t"), "{shown:?}");
    assert!(shown.stdout.contains("credentials: REDACTED") && shown.stdout.contains("X-Scope-OrgID: REDACTED"));
    let raw = succeeded(&servo.run("config --raw").await).to_owned();
    assert!(raw.contains("credentials: s3cr3t") && raw.contains("X-Scope-OrgID: s3cr3t-tenant"), "{raw}");
    assert_eq!(succeeded(&ServoBin::configured(&raw).run("config --raw").await), raw);
    was_refused(refusal(&servo).await, &["'ca.pem' of 'tls_config.ca_file'"]);
}

#[tokio::test]
async fn a_secret_can_come_from_the_environment() {
    let server = guarded("authorization", "Bearer s3cr3t").await;
    let servo = servo(&server.url(), &json!({}));
    let servo = servo.env("SERVO_PROMETHEUS_AUTHORIZATION", r#"{"credentials": "s3cr3t"}"#);
    assert_eq!(refusal(&servo).await, None);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_at_load_without_secrets() {
    let keys = json!({
        "base_url": "http://me:s3cr3t@127.0.0.1:1",
        "basic_auth": {"username": "me", "password": "s3cr3t", "password_file": "password"},
        "headers": {"authorization": "s3cr3t"},
        "tls_config": {"cert_file": "servo.pem"},
    });
    let finished = servo("http://127.0.0.1:1", &keys).run("config").await;
    let problems = was_wrong(&finished);
    for path in ["basic_auth.password_file", "headers.authorization", "tls_config.key_file"] {
        assert!(problems.contains(&format!("prometheus.{path}: ")), "{path} in {problems}");
    }
    assert!(!problems.contains("s3cr3t"), "{problems}");
}

/// A server that answers the n-th request for a range, from 0, by a status where `status` says one, else by a value.
async fn shaky(status: impl Fn(usize) -> Option<(u16, &'static str)> + Send + 'static) -> HttpServer {
    let mut asked = 0;
    HttpServer::start(move |request| {
        let is_range = request.path.starts_with("/api/v1/query_range");
        let (kind, points) = if is_range { ("matrix", "values") } else { ("vector", "value") };
        let value = if is_range { json!([[1, "7"]]) } else { json!([1, "7"]) };
        let data = json!({"resultType": kind, "result": [{"metric": {}, points: value}]});
        asked += usize::from(is_range);
        match status(asked - usize::from(is_range)).filter(|_| is_range) {
            Some((code, body)) => Reply::Text(code, body.to_owned()),
            None => Reply::Json(200, json!({"status": "success", "data": data})),
        }
    })
    .await
}

#[tokio::test]
async fn a_query_that_fails_for_a_moment_is_asked_again() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = shaky(move |asked| (asked == 0).then_some((status, "busy"))).await;
        let measured = servo(&server.url(), &json!({})).run("measure --duration 1s").await;
        assert_eq!(measured.code, Some(0), "{status}: {measured:?}");
        assert!(measured.stderr.contains("asking again"), "{status}: {measured:?}");
    }
}

#[tokio::test]
async fn a_query_that_is_wrong_is_not_asked_again_and_the_server_is_quoted() {
    for (status, body, said) in [
        (400, r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#, "bad_data: parse error"),
        (422, r#"{"message":"too many samples"}"#, "too many samples"),
        (404, "<html><head><title>No such page</title></head></html>", "a web page titled \"No such page\""),
        (200, "<!DOCTYPE html><title>Sign in</title>", "a web page titled \"Sign in\""),
    ] {
        let server = shaky(move |_| Some((status, body))).await;
        let measured = servo(&server.url(), &json!({})).run("measure --duration 1s").await;
        assert!(measured.code == Some(1) && measured.stderr.contains(said), "{status}: {measured:?}");
        let asked = server.requests().iter().filter(|request| request.path.contains("query_range")).count();
        assert_eq!(asked, 1, "{status}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_fails_before_the_time_is_spent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let measured =
        tokio::time::timeout(BOUND, async { servo(&url, &json!({})).run("measure --duration 10m").await }).await;
    let measured = measured.expect("an early end");
    assert!(measured.code == Some(1) && measured.stderr.contains("Connection refused"), "{measured:?}");
}

#[tokio::test]
async fn secrets_that_a_server_echoes_are_not_repeated() {
    let server = HttpServer::start(|_| Reply::Text(400, "no: Bearer s3cr3t-token and k=t0ps3cret".to_owned())).await;
    let keys = json!({"authorization": {"credentials": "s3cr3t-token"}, "params": {"k": "t0ps3cret"}});
    let measured = servo(&server.url(), &keys).run("measure --duration 1s").await;
    assert!(measured.stderr.contains("no: Bearer REDACTED and k=REDACTED"), "{measured:?}");
}
