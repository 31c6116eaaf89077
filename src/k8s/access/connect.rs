//! How the cluster is found and reached: a kubeconfig file, or the service account of the pod that this runs in.
//!
//! The variables that decide are passed in. Credentials that expire are renewed by the client library.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use http::header::{HeaderValue, USER_AGENT};
use kube::{Client, Config};
use secrecy::ExposeSecret as _;

use super::kubeconfig::{self, InvalidKubeconfig};
use super::tls;
use crate::decode::Variables;
use crate::k8s::api::cluster::Cluster;
use crate::k8s::api::error::TransportError;
use crate::k8s::api::session::{Connection, Session};
use crate::network::{Network, NetworkError};
use crate::telemetry;

/// Where a pod finds its credentials.
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A server that is there accepts a connection within this time, also from another continent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no cluster to talk to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(
        "found no Kubernetes cluster: there is no kubeconfig file ('kubeconfig' of the configuration, $KUBECONFIG or \
         ~/.kube/config), and this is no pod with a service account ($KUBERNETES_SERVICE_HOST)"
    )]
    NoCluster,
    /// The kubeconfig file cannot be used.
    #[error(transparent)]
    Kubeconfig(#[from] InvalidKubeconfig),
    /// The pod's own access is incomplete.
    #[error("cannot read '{path}' of the pod's service account: is automountServiceAccountToken off?", path = .path.display())]
    ServiceAccount { path: PathBuf, source: io::Error },
    /// A file that holds a token cannot be read.
    #[error("cannot read the token file '{path}'", path = .path.display())]
    TokenFile { path: PathBuf, source: io::Error },
    /// The pod's variables name no server.
    #[error("KUBERNETES_SERVICE_HOST '{host}' and KUBERNETES_SERVICE_PORT '{port}' are no address")]
    Address { host: String, port: String },
    /// The proxy variables cannot be used.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The file's proxy cannot be used. It may hold a password, so that it is not repeated.
    #[error("the proxy for the Kubernetes API server is no address that begins with http:// or https://")]
    Proxy,
    /// Credentials or certificates cannot be used.
    #[error("failed to set up the access to Kubernetes by {origin}")]
    Setup {
        /// Where the credentials are from.
        origin: String,
        source: TransportError,
    },
}

/// What a configuration says about the access.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClientSettings {
    /// A kubeconfig file; `~/` is the home directory.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it; by default its current one.
    pub context: Option<String>,
}

/// What the variables say about Kubernetes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The files of `KUBECONFIG`, which may name several.
    kubeconfig: Vec<PathBuf>,
    home: Option<PathBuf>,
    /// Where programs are looked for.
    path: Option<String>,
    service: Option<Service>,
    namespace: Option<String>,
    pod: Option<PodIdentity>,
}

/// The API server as a pod is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    host: String,
    port: String,
}

/// The pod that this program runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodIdentity {
    pub namespace: String,
    pub name: String,
}

impl Surroundings {
    /// Reads `KUBECONFIG`, `HOME`, `PATH`, `KUBERNETES_SERVICE_HOST` and `_PORT`, `POD_NAME` and `POD_NAMESPACE`. Empty
    /// is unset.
    pub fn from_variables(variables: &dyn Variables) -> Self {
        let get = |name: &str| variables.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let port = || get("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
        let namespace = get("POD_NAMESPACE");
        let pod = namespace.clone().zip(get("POD_NAME"));
        Self {
            kubeconfig: get("KUBECONFIG").map_or_else(Vec::new, |list| files(&list)),
            home: get("HOME").map(PathBuf::from),
            path: get("PATH"),
            service: get("KUBERNETES_SERVICE_HOST").map(|host| Service { host, port: port() }),
            namespace,
            pod: pod.map(|(namespace, name)| PodIdentity { namespace, name }),
        }
    }

    /// The pod that this program runs in, when both of its variables are set.
    pub fn pod(&self) -> Option<&PodIdentity> {
        self.pod.as_ref()
    }

    /// The namespace of the pod that this program runs in, which may be known without its name.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The kubeconfig files to use, whether or not they exist.
    fn kubeconfig(&self, settings: &ClientSettings) -> Vec<PathBuf> {
        let named = settings.kubeconfig.as_ref().map_or_else(|| self.kubeconfig.clone(), |path| vec![path.clone()]);
        match &self.home {
            Some(home) if named.is_empty() => vec![home.join(".kube/config")],
            Some(home) => {
                let expanded =
                    |path: PathBuf| path.strip_prefix("~").map_or_else(|_| path.clone(), |rest| home.join(rest));
                named.into_iter().map(expanded).collect()
            }
            None => named,
        }
    }
}

/// The files of a list as `KUBECONFIG` has it; each counts once.
fn files(list: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in list.split(':').filter(|path| !path.is_empty()).map(PathBuf::from) {
        if !files.contains(&path) {
            files.push(path);
        }
    }
    files
}

/// Which of two accesses is used when there are both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preference {
    Kubeconfig,
    ServiceAccount,
}

/// Where the access comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    /// Files that count as one; of what two of them have, that of the first counts.
    Kubeconfig(Vec<PathBuf>),
    ServiceAccount(Service),
}

/// The cluster that the configuration names, else that of the surroundings: a kubeconfig file wins over the pod's own
/// access. Asks the server nothing, but may run a credential plugin.
///
/// # Errors
/// There is none, or the access cannot be used.
pub(crate) async fn connect(
    settings: &ClientSettings,
    surroundings: &Surroundings,
    network: &Network,
) -> Result<Cluster, ClientError> {
    connect_preferring(Preference::Kubeconfig, settings, surroundings, network).await
}

/// The cluster of the surroundings for commands that have no configuration: the pod's own access wins over a
/// kubeconfig file.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn connect_without_settings(
    surroundings: &Surroundings,
    network: &Network,
) -> Result<Cluster, ClientError> {
    connect_preferring(Preference::ServiceAccount, &ClientSettings::default(), surroundings, network).await
}

async fn connect_preferring(
    preference: Preference,
    settings: &ClientSettings,
    surroundings: &Surroundings,
    network: &Network,
) -> Result<Cluster, ClientError> {
    let access = choose(preference, settings, surroundings, Path::is_file)?;
    let (context, network, path) = (settings.context.clone(), network.clone(), surroundings.path.clone());
    let open = move || connection(&access, context.as_deref(), &network, path.as_deref());
    // Files are read and credential plugins run by blocking calls.
    let opened = tokio::task::spawn_blocking(move || open().map(|connection| (connection, open)));
    let (connection, open) = opened.await.map_err(|error| setup_error("a thread", &error))??;
    let again = move || open().map_err(|error| TransportError::unusable(&error));
    Ok(Cluster::new(Session::new(connection, Box::new(again))))
}

fn choose(
    preference: Preference,
    settings: &ClientSettings,
    surroundings: &Surroundings,
    exists: impl Fn(&Path) -> bool,
) -> Result<Access, ClientError> {
    // A file that the configuration names is meant, so that its absence is an error, and no reason to look elsewhere.
    let mut files = surroundings.kubeconfig(settings);
    files.retain(|path| settings.kubeconfig.is_some() || exists(path));
    let file = (!files.is_empty()).then_some(Access::Kubeconfig(files));
    let own = surroundings.service.clone().map(Access::ServiceAccount);
    let access = match preference {
        Preference::Kubeconfig => file.or(own),
        Preference::ServiceAccount => own.or(file),
    };
    access.ok_or(ClientError::NoCluster)
}

fn connection(
    access: &Access,
    context: Option<&str>,
    network: &Network,
    path: Option<&str>,
) -> Result<Connection, ClientError> {
    let (mut config, origin) = match access {
        Access::Kubeconfig(files) => {
            let names: Vec<String> = files.iter().map(|file| format!("'{}'", file.display())).collect();
            (kubeconfig_access(files, context, network, path)?, names.join(" and "))
        }
        Access::ServiceAccount(service) => (service_account(service)?, "the pod's service account".to_owned()),
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // Retries are the caller's decision: some requests must not be sent twice.
    config.default_retry = false;
    config.headers.push((USER_AGENT, HeaderValue::from_static(telemetry::USER_AGENT)));
    let token = read_token(&mut config)?;
    tls::install();
    let client = Client::try_from(config).map_err(|error| setup_error(&origin, &error))?;
    Ok(Connection { client, token })
}

/// The token of a token file, which ends with a newline when an editor or `echo` has written it. It counts when there
/// is no token beside it.
fn read_token(config: &mut Config) -> Result<Option<(PathBuf, String)>, ClientError> {
    let credentials = &mut config.auth_info;
    if let Some(token) = &credentials.token {
        credentials.token = Some(token.expose_secret().trim().to_owned().into());
        return Ok(None);
    }
    let Some(path) = credentials.token_file.take().map(PathBuf::from) else { return Ok(None) };
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|source| ClientError::TokenFile { path: path.clone(), source })?;
    let token = text.trim().to_owned();
    credentials.token = Some(token.clone().into());
    Ok(Some((path, token)))
}

fn setup_error(origin: &str, error: &(dyn std::error::Error + 'static)) -> ClientError {
    ClientError::Setup { origin: origin.to_owned(), source: TransportError::new(error) }
}

/// The file's own proxy wins over that of the variables.
fn kubeconfig_access(
    files: &[PathBuf],
    context: Option<&str>,
    network: &Network,
    path: Option<&str>,
) -> Result<Config, ClientError> {
    let (mut config, proxy) = kubeconfig::load(files, context, path)?;
    let proxy = match proxy {
        Some(address) => Some(address.parse().map_err(|_| ClientError::Proxy)?),
        None => network.proxy_for(&config.cluster_url)?,
    };
    // The library's own complaint would show the password of another address.
    if proxy.as_ref().is_some_and(|proxy: &Uri| !matches!(proxy.scheme_str(), Some("http" | "https"))) {
        return Err(ClientError::Proxy);
    }
    config.proxy_url = proxy;
    Ok(config)
}

/// The access of a pod. No proxy stands between it and its own cluster, whatever the variables say.
fn service_account(service: &Service) -> Result<Config, ClientError> {
    let mut config = Config::new(service.url()?);
    let readable = |file: &str| {
        let path = Path::new(MOUNT).join(file);
        let opened = std::fs::File::open(&path);
        opened.map_err(|source| ClientError::ServiceAccount { path: path.clone(), source })?;
        Ok::<_, ClientError>(path)
    };
    config.auth_info.token_file = Some(readable("token")?.display().to_string());
    config.root_cert_file = Some(readable("ca.crt")?);
    // The file alone judges. Without this list the library looks for the system's authorities first, and an image that
    // has none would not get any further.
    config.root_cert = Some(Vec::new());
    Ok(config)
}

impl Service {
    fn url(&self) -> Result<Uri, ClientError> {
        let Self { host, port } = self;
        let host_part = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let url = port.parse::<u16>().ok().and_then(|port| format!("https://{host_part}:{port}").parse().ok());
        url.ok_or_else(|| ClientError::Address { host: host.clone(), port: port.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs(&'static [(&'static str, &'static str)]);

    impl Variables for Pairs {
        fn get(&self, name: &str) -> Option<&str> {
            self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
        }
    }

    /// The access, shortened to a file or a host, where these files exist.
    fn chosen(
        preference: Preference,
        kubeconfig: Option<&str>,
        variables: &'static [(&'static str, &'static str)],
        files: &[&str],
    ) -> Option<String> {
        let settings = ClientSettings { kubeconfig: kubeconfig.map(PathBuf::from), context: None };
        let surroundings = Surroundings::from_variables(&Pairs(variables));
        let exists = |path: &Path| files.iter().any(|file| path == Path::new(file));
        match choose(preference, &settings, &surroundings, exists).ok()? {
            Access::Kubeconfig(files) => {
                Some(files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" "))
            }
            Access::ServiceAccount(service) => service.url().ok().map(|url| url.to_string()),
        }
    }

    #[test]
    fn the_surroundings_decide_where_the_cluster_is() {
        const HOME: (&str, &str) = ("HOME", "/home/me");
        const POD: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");
        const NAMED: (&str, &str) = ("KUBECONFIG", "/etc/kc");
        const LIST: (&str, &str) = ("KUBECONFIG", "/etc/kc:/etc/other");
        let default = "/home/me/.kube/config";
        let pod = "https://10.96.0.1:443/";
        for (key, variables, files, connector, command) in [
            (None, &[HOME][..], &[default][..], Some(default), Some(default)),
            (None, &[HOME], &[], None, None),
            (None, &[], &[], None, None),
            (None, &[HOME, POD], &[default], Some(default), Some(pod)),
            (None, &[HOME, POD], &[], Some(pod), Some(pod)),
            (None, &[HOME, NAMED, POD], &["/etc/kc"], Some("/etc/kc"), Some(pod)),
            (None, &[HOME, NAMED], &[default], None, None),
            (None, &[HOME, LIST, POD], &["/etc/kc"], Some("/etc/kc"), Some(pod)),
            (None, &[HOME, LIST], &["/etc/kc", "/etc/other"], Some("/etc/kc /etc/other"), Some("/etc/kc /etc/other")),
            (None, &[HOME, LIST, POD], &[default], Some(pod), Some(pod)),
            (None, &[HOME, ("KUBECONFIG", "")], &[default], Some(default), Some(default)),
            (Some("/my/kc"), &[HOME, NAMED, POD], &["/my/kc", "/etc/kc"], Some("/my/kc"), Some(pod)),
            (Some("/my/kc"), &[HOME, POD], &[], Some("/my/kc"), Some(pod)),
            (Some("~/kc"), &[HOME], &[], Some("/home/me/kc"), Some("/home/me/kc")),
        ] {
            let found = |preference| chosen(preference, key, variables, files);
            assert_eq!(found(Preference::Kubeconfig).as_deref(), connector, "{key:?} {variables:?} {files:?}");
            assert_eq!(found(Preference::ServiceAccount).as_deref(), command, "{key:?} {variables:?} {files:?}");
        }
    }

    #[test]
    fn a_pod_finds_its_server_by_name_and_by_either_kind_of_address() {
        for (host, port, expected) in [
            ("10.96.0.1", "443", Some("https://10.96.0.1:443/")),
            ("fd00::1", "6443", Some("https://[fd00::1]:6443/")),
            ("kubernetes.default.svc", "443", Some("https://kubernetes.default.svc:443/")),
            ("10.96.0.1", "tcp", None),
            ("a b", "443", None),
        ] {
            let service = Service { host: host.to_owned(), port: port.to_owned() };
            assert_eq!(service.url().ok().map(|url| url.to_string()).as_deref(), expected, "{host} {port}");
        }
    }

    #[test]
    fn a_pod_is_known_by_both_of_its_variables() {
        let both = &[("POD_NAME", "servo-0"), ("POD_NAMESPACE", "shop")];
        let pod = PodIdentity { namespace: "shop".to_owned(), name: "servo-0".to_owned() };
        assert_eq!(Surroundings::from_variables(&Pairs(both)).pod(), Some(&pod));
        assert_eq!(Surroundings::from_variables(&Pairs(&both[..1])).pod(), None);
    }
}
