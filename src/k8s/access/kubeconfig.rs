//! Kubeconfig files: which cluster and which credentials a context means.
//!
//! The library reads the file and knows the credentials. What it would take from the process environment, which is the
//! proxy, is decided elsewhere, so that the pieces are put together here. Nothing here is sent anywhere.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use kube::Config;
use kube::config::{
    AuthInfo, Cluster, Context, ExecAuthCluster, ExecConfig, ExecInteractiveMode, Kubeconfig, KubeconfigError,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// A kubeconfig file that cannot be used. Its contents are not repeated, but for names and addresses.
#[derive(Debug, thiserror::Error)]
#[error("cannot use kubeconfig {files}: {problem}", files = named(.files))]
pub(crate) struct InvalidKubeconfig {
    files: Vec<PathBuf>,
    problem: String,
}

fn named(files: &[PathBuf]) -> String {
    files.iter().map(|file| format!("'{}'", file.display())).collect::<Vec<_>>().join(" and ")
}

/// How to reach the cluster of a context, by default the files' current one, and the files' own proxy. Credential plugins
/// are looked for in `path`, a list as the variable `PATH` has it.
///
/// # Errors
/// A file cannot be read, or they lack something.
pub(in crate::k8s) fn load(
    files: &[PathBuf],
    context: Option<&str>,
    path: Option<&str>,
) -> Result<(Config, Option<String>), InvalidKubeconfig> {
    read(files, context, path).map_err(|problem| InvalidKubeconfig { files: files.to_vec(), problem })
}

/// Several files count as one: of what two of them have, that of the first counts.
fn merged(files: &[PathBuf]) -> Result<Kubeconfig, String> {
    files.iter().try_fold(Kubeconfig::default(), |merged, file| {
        let next = Kubeconfig::read_from(file).map_err(|error| match files {
            [_] => unreadable(&error),
            _ => format!("'{}': {}", file.display(), unreadable(&error)),
        })?;
        merged.merge(next).map_err(|error| error.to_string())
    })
}

fn read(files: &[PathBuf], wanted: Option<&str>, path: Option<&str>) -> Result<(Config, Option<String>), String> {
    let file = merged(files)?;
    let name = wanted
        .map(str::to_owned)
        .or_else(|| file.current_context.clone())
        .filter(|name| !name.is_empty())
        .ok_or("it has no current-context: configure 'context', or run kubectl config use-context")?;
    let context = context(&file, &name)?;
    let cluster = cluster(&file, &name, &context)?;
    let user = user(&file, &name, &context, &cluster, path)?;
    let server = cluster.server.as_deref().unwrap_or_default();
    let url = address(server, uses_tls(&cluster, &user));
    let url =
        url.ok_or_else(|| format!("the server '{server}' of cluster '{}' is not a valid address", context.cluster))?;
    let mut config = Config::new(url);
    config.root_cert = authorities(&cluster)
        .map_err(|problem| format!("the certificate authority of cluster '{}' {problem}", context.cluster))?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name;
    config.auth_info = user;
    Ok((config, cluster.proxy_url.filter(|proxy| !proxy.is_empty())))
}

/// The library's text shows the lines around a mistake, which may hold a token.
fn unreadable(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(source, _) => source.to_string(),
        KubeconfigError::Parse(error) => match error.location() {
            Some(place) => format!("it is not valid at line {}, column {}", place.line(), place.column()),
            None => "it is not valid".to_owned(),
        },
        other => other.to_string(),
    }
}

/// The address of a server. Without a scheme it is HTTPS when anything is said about certificates, else HTTP, as for
/// kubectl.
fn address(server: &str, uses_tls: bool) -> Option<Uri> {
    let has_scheme = server.contains("://");
    let scheme = match (has_scheme, uses_tls) {
        (true, _) => "",
        (false, true) => "https://",
        (false, false) => "http://",
    };
    // An address of nothing but a path has no host.
    let url = format!("{scheme}{server}").parse::<Uri>().ok()?;
    url.host().is_some_and(|host| !host.is_empty()).then_some(url)
}

fn uses_tls(cluster: &Cluster, user: &AuthInfo) -> bool {
    cluster.insecure_skip_tls_verify == Some(true)
        || cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || user.client_certificate.is_some()
        || user.client_certificate_data.is_some()
}

fn context(file: &Kubeconfig, name: &str) -> Result<Context, String> {
    let found = file.contexts.iter().find(|context| context.name == name).and_then(|named| named.context.clone());
    found.ok_or_else(|| {
        let known: Vec<&str> = file.contexts.iter().map(|context| context.name.as_str()).collect();
        format!("it has no context '{name}', but {}", listed(&known))
    })
}

fn cluster(file: &Kubeconfig, context: &str, Context { cluster: name, .. }: &Context) -> Result<Cluster, String> {
    let found = file.clusters.iter().find(|cluster| cluster.name == *name).and_then(|named| named.cluster.clone());
    found.ok_or_else(|| format!("it has no cluster '{name}', which context '{context}' names"))
}

/// The credentials of a context's user. A context without a user is for a server that needs none.
fn user(
    file: &Kubeconfig,
    context: &str,
    of: &Context,
    cluster: &Cluster,
    path: Option<&str>,
) -> Result<AuthInfo, String> {
    let Some(name) = of.user.as_deref().filter(|name| !name.is_empty()) else { return Ok(AuthInfo::default()) };
    let found = file.auth_infos.iter().find(|user| user.name == name);
    let found = found.ok_or_else(|| format!("it has no user '{name}', which context '{context}' names"))?;
    let mut user = found.auth_info.clone().unwrap_or_default();
    if !has_credentials(&user) {
        return Err(format!("its user '{name}' has no credentials, such as a token or a client certificate"));
    }
    if let Some(exec) = &mut user.exec {
        find_plugin(exec, path).map_err(|problem| format!("the credential plugin of its user '{name}' {problem}"))?;
        if exec.provide_cluster_info {
            let known = ExecAuthCluster::try_from(cluster);
            exec.cluster = Some(known.map_err(|error| format!("cluster '{}': {error}", of.cluster))?);
        }
        // What a plugin says on standard error belongs in the message, unless somebody can answer it.
        if exec.interactive_mode != Some(ExecInteractiveMode::Always) && !std::io::stdin().is_terminal() {
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
    Ok(user)
}

/// Makes sure that a plugin is there: the library's error does not name it.
fn find_plugin(exec: &ExecConfig, path: Option<&str>) -> Result<(), String> {
    let command = exec.command.as_deref().filter(|command| !command.is_empty()).ok_or("has no command")?;
    let is_there = if command.contains(std::path::MAIN_SEPARATOR) {
        Path::new(command).is_file()
    } else {
        path.is_some_and(|path| {
            path.split(':').any(|folder| !folder.is_empty() && Path::new(folder).join(command).is_file())
        })
    };
    if is_there {
        return Ok(());
    }
    let hint = exec.install_hint.as_deref().map(str::trim).filter(|hint| !hint.is_empty());
    let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
    let place = match path {
        _ if command.contains(std::path::MAIN_SEPARATOR) => String::new(),
        Some(path) => format!(" in the PATH {path}"),
        None => ", as PATH is not set".to_owned(),
    };
    Err(format!("was not found: there is no '{command}'{place}{hint}"))
}

fn has_credentials(user: &AuthInfo) -> bool {
    user.token.is_some()
        || user.token_file.is_some()
        || user.client_certificate.is_some()
        || user.client_certificate_data.is_some()
        || user.username.is_some() && user.password.is_some()
        || user.auth_provider.is_some()
        || user.exec.is_some()
}

/// The certificates that the cluster's server is judged by; data win over a file.
fn authorities(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let text = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
    let pem = match (text(&cluster.certificate_authority_data), text(&cluster.certificate_authority)) {
        (Some(data), _) => STANDARD
            .decode(data.split_whitespace().collect::<String>())
            .map_err(|error| format!("is no Base64: {error}"))?,
        (None, Some(path)) => std::fs::read(&path).map_err(|error| format!("'{path}' cannot be read: {error}"))?,
        (None, None) => return Ok(None),
    };
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| format!("is no PEM text: {error}"))?;
    if certificates.is_empty() {
        return Err("holds no certificate".to_owned());
    }
    Ok(Some(certificates.iter().map(|certificate| certificate.to_vec()).collect()))
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none at all".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r"
clusters:
- { name: near, cluster: { server: 'https://10.0.0.1:6443', proxy-url: 'http://p:1' } }
- { name: odd, cluster: { server: 'not an address' } }
- { name: bad, cluster: { server: 'https://10.0.0.1', certificate-authority-data: '!' } }
- { name: plain, cluster: { server: '10.0.0.1:8080' } }
- { name: secure, cluster: { server: '10.0.0.1:6443', insecure-skip-tls-verify: true } }
users:
- { name: admin, user: { token: s3cr3t } }
- { name: nobody, user: {} }
- { name: lacking, user: { exec: { command: no-such-plugin, installHint: run get-plugin } } }
- { name: elsewhere, user: { exec: { command: /no/such/plugin } } }
contexts:
- { name: main, context: { cluster: near, user: admin } }
- { name: open, context: { cluster: near } }
- { name: empty, context: { cluster: near, user: nobody } }
- { name: ghost, context: { cluster: near, user: ghost } }
- { name: lost, context: { cluster: ghost, user: admin } }
- { name: odd, context: { cluster: odd } }
- { name: bad, context: { cluster: bad } }
- { name: plain, context: { cluster: plain } }
- { name: secure, context: { cluster: secure } }
- { name: lacking, context: { cluster: near, user: lacking } }
- { name: elsewhere, context: { cluster: near, user: elsewhere } }
";

    fn loaded(text: &str, context: Option<&str>) -> Result<(String, Option<String>), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = folder.path().join("config");
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
        let loaded = load(std::slice::from_ref(&path), context, Some("/usr/bin:/bin"))
            .map(|(config, proxy)| (config.cluster_url.to_string(), proxy));
        loaded.map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn a_context_means_a_cluster_and_a_user() {
        let near = Ok(("https://10.0.0.1:6443/".to_owned(), Some("http://p:1".to_owned())));
        let current = format!("current-context: main\n{FILE}");
        assert_eq!(loaded(&current, None), near);
        assert_eq!(loaded(FILE, Some("main")), near);
        assert_eq!(loaded(FILE, Some("open")), near);
    }

    #[test]
    fn a_server_without_a_scheme_is_reached_as_by_kubectl() {
        for (context, url) in [("plain", "http://10.0.0.1:8080/"), ("secure", "https://10.0.0.1:6443/")] {
            assert_eq!(loaded(FILE, Some(context)), Ok((url.to_owned(), None)));
        }
    }

    #[test]
    fn several_files_count_as_one_and_the_first_of_two_equal_names_wins() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("it can be written");
            path
        };
        let first =
            file("first", "current-context: main\nclusters:\n- { name: near, cluster: { server: 'http://first' } }\n");
        let files = [first, file("second", FILE)];
        let (config, _) = load(&files, None, None).expect("together they are complete");
        assert_eq!(config.cluster_url.to_string(), "http://first/");
        let missing = [files[0].clone(), folder.path().join("gone")];
        let error = load(&missing, None, None).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("first' and '") && error.contains("gone': No such file"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (context, problem) in [
            (None, "it has no current-context: configure 'context', or run kubectl config use-context"),
            (
                Some("far"),
                "it has no context 'far', but main, open, empty, ghost, lost, odd, bad, plain, secure, lacking, elsewhere",
            ),
            (
                Some("lacking"),
                "the credential plugin of its user 'lacking' was not found: there is no 'no-such-plugin' in the PATH \
                 /usr/bin:/bin: run get-plugin",
            ),
            (
                Some("elsewhere"),
                "the credential plugin of its user 'elsewhere' was not found: there is no '/no/such/plugin'",
            ),
            (Some("empty"), "its user 'nobody' has no credentials, such as a token or a client certificate"),
            (Some("ghost"), "it has no user 'ghost', which context 'ghost' names"),
            (Some("lost"), "it has no cluster 'ghost', which context 'lost' names"),
            (Some("odd"), "the server 'not an address' of cluster 'odd' is not a valid address"),
            (Some("bad"), "the certificate authority of cluster 'bad' is no Base64: Invalid symbol 33, offset 0."),
        ] {
            let expected = format!("cannot use kubeconfig 'FILE': {problem}");
            assert_eq!(loaded(FILE, context).expect_err(problem), expected);
        }
    }

    #[test]
    fn a_mistake_is_placed_without_the_lines_around_it() {
        let text = "users:\n- name: admin\n  user: { token: s3cr3t\nclusters: []\n";
        let error = loaded(text, None).expect_err("no YAML");
        assert!(error.contains("line") && !error.contains("s3cr3t"), "{error}");
    }
}
