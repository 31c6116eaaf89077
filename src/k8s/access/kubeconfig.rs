//! Kubeconfig files: which cluster and which credentials a context means.
//!
//! The library reads the file and knows the credentials. What it would take from the process environment, which is the
//! proxy, is decided elsewhere, so that the pieces are put together here. Nothing here is sent anywhere.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use kube::Config;
use kube::config::{AuthInfo, Cluster, Context, ExecAuthCluster, Kubeconfig, KubeconfigError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// A kubeconfig file that cannot be used. Its contents are not repeated, but for names and addresses.
#[derive(Debug, thiserror::Error)]
#[error("cannot use kubeconfig '{path}': {problem}", path = .path.display())]
pub(crate) struct InvalidKubeconfig {
    path: PathBuf,
    problem: String,
}

/// How to reach the cluster of a context, by default the file's current one, and the file's own proxy.
///
/// # Errors
/// The file cannot be read, or lacks something.
pub(in crate::k8s) fn load(path: &Path, context: Option<&str>) -> Result<(Config, Option<String>), InvalidKubeconfig> {
    read(path, context).map_err(|problem| InvalidKubeconfig { path: path.to_owned(), problem })
}

fn read(path: &Path, wanted: Option<&str>) -> Result<(Config, Option<String>), String> {
    let file = Kubeconfig::read_from(path).map_err(|error| unreadable(&error))?;
    let name = wanted
        .map(str::to_owned)
        .or_else(|| file.current_context.clone())
        .filter(|name| !name.is_empty())
        .ok_or("it has no current-context: configure 'context', or run kubectl config use-context")?;
    let context = context(&file, &name)?;
    let cluster = cluster(&file, &name, &context)?;
    let user = user(&file, &name, &context, &cluster)?;
    let server = cluster.server.as_deref().unwrap_or_default();
    let url = server.parse::<Uri>().ok().filter(|url| url.host().is_some());
    let url = url.ok_or_else(|| format!("the server '{server}' of cluster '{}' is no address", context.cluster))?;
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
fn user(file: &Kubeconfig, context: &str, of: &Context, cluster: &Cluster) -> Result<AuthInfo, String> {
    let Some(name) = of.user.as_deref().filter(|name| !name.is_empty()) else { return Ok(AuthInfo::default()) };
    let found = file.auth_infos.iter().find(|user| user.name == name);
    let found = found.ok_or_else(|| format!("it has no user '{name}', which context '{context}' names"))?;
    let mut user = found.auth_info.clone().unwrap_or_default();
    if !has_credentials(&user) {
        return Err(format!("its user '{name}' has no credentials, such as a token or a client certificate"));
    }
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        let known = ExecAuthCluster::try_from(cluster);
        exec.cluster = Some(known.map_err(|error| format!("cluster '{}': {error}", of.cluster))?);
    }
    Ok(user)
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
users:
- { name: admin, user: { token: s3cr3t } }
- { name: nobody, user: {} }
contexts:
- { name: main, context: { cluster: near, user: admin } }
- { name: open, context: { cluster: near } }
- { name: empty, context: { cluster: near, user: nobody } }
- { name: ghost, context: { cluster: near, user: ghost } }
- { name: lost, context: { cluster: ghost, user: admin } }
- { name: odd, context: { cluster: odd } }
- { name: bad, context: { cluster: bad } }
";

    fn loaded(text: &str, context: Option<&str>) -> Result<(String, Option<String>), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = folder.path().join("config");
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
        let loaded = load(&path, context).map(|(config, proxy)| (config.cluster_url.to_string(), proxy));
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
    fn what_is_missing_is_named() {
        for (context, problem) in [
            (None, "it has no current-context: configure 'context', or run kubectl config use-context"),
            (Some("far"), "it has no context 'far', but main, open, empty, ghost, lost, odd, bad"),
            (Some("empty"), "its user 'nobody' has no credentials, such as a token or a client certificate"),
            (Some("ghost"), "it has no user 'ghost', which context 'ghost' names"),
            (Some("lost"), "it has no cluster 'ghost', which context 'lost' names"),
            (Some("odd"), "the server 'not an address' of cluster 'odd' is no address"),
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
