//! Every environment variable that the program reads, declared once; those of proxies and certificate authorities are
//! in [`network`](crate::network), those of the access to Kubernetes in [`Surroundings`](crate::k8s::Surroundings).
//!
//! Three families are formed from keys instead of being listed: `SERVO_<KEY>` for the top-level keys of a servo.yaml
//! and its connector sections, `SERVO_<SECTION>_<KEY>` for the keys of a connector's section, and the prefixes below.

/// Path of the configuration file; default `servo.yaml`.
pub const SERVO_CONFIG_FILE: &str = "SERVO_CONFIG_FILE";
/// Name of the servo, also the default of `--name`.
pub const SERVO_NAME: &str = "SERVO_NAME";
/// `servo_uid`: sent with every message to the optimizer.
pub const SERVO_UID: &str = "SERVO_UID";
/// Least level of log lines; default `INFO`.
pub const SERVO_LOG_LEVEL: &str = "SERVO_LOG_LEVEL";
/// Form of log lines on standard error, `text` or `json`; default `text`.
pub const SERVO_LOG_FORMAT: &str = "SERVO_LOG_FORMAT";
/// Path of the log file of `servo run`; default `logs/servo.log`.
pub const SERVO_LOG_FILE: &str = "SERVO_LOG_FILE";
/// True turns colours off.
pub const SERVO_NO_COLOR: &str = "SERVO_NO_COLOR";
/// Anything but nothing turns colours off, as <https://no-color.org> asks.
pub const NO_COLOR: &str = "NO_COLOR";
/// True runs the checks before `servo run` begins.
pub const SERVO_RUN_CHECK: &str = "SERVO_RUN_CHECK";
/// True turns the debugging output of `servo run` on.
pub const SERVO_RUN_DEBUG: &str = "SERVO_RUN_DEBUG";
/// The address on which `servo run` serves its endpoints; none without it.
pub const SERVO_RUN_LISTEN: &str = "SERVO_RUN_LISTEN";
/// Folders, joined by colons, that are searched for connectors of other people before those of `PATH`.
pub const SERVO_CONNECTOR_PATH: &str = "SERVO_CONNECTOR_PATH";
/// Font of the banner.
pub const SERVO_BANNER_FONT: &str = "SERVO_BANNER_FONT";
/// Colour of the banner.
pub const SERVO_BANNER_COLOR: &str = "SERVO_BANNER_COLOR";

/// `optimizer.id` of an Opsani optimizer.
pub const OPSANI_OPTIMIZER: &str = "OPSANI_OPTIMIZER";
/// `optimizer.token` of an Opsani optimizer; empty counts as unset.
pub const OPSANI_TOKEN: &str = "OPSANI_TOKEN";
/// Path of a file that holds the token; wins over [`OPSANI_TOKEN`].
pub const OPSANI_TOKEN_FILE: &str = "OPSANI_TOKEN_FILE";
/// `optimizer.base_url` of an Opsani optimizer.
pub const OPSANI_BASE_URL: &str = "OPSANI_BASE_URL";
/// `optimizer.url` of an Opsani optimizer.
pub const OPSANI_URL: &str = "OPSANI_URL";
/// Prefix of the keys of an AppDynamics optimizer, such as `APPD_CLIENT_ID`.
pub const APPD_PREFIX: &str = "APPD_";
/// `optimizer.optimizer_id` of an AppDynamics optimizer.
pub const APPD_OPTIMIZER_ID: &str = "APPD_OPTIMIZER_ID";

/// Prefix of the top-level keys and sections of a servo.yaml.
pub const SERVO_PREFIX: &str = "SERVO_";
/// The whole `optimizer` section as JSON.
pub const SERVO_OPTIMIZER: &str = "SERVO_OPTIMIZER";
/// Prefix of the keys of `settings`.
pub const COMMON_PREFIX: &str = "COMMON_";
/// Prefix of the keys of every entry of `settings.backoff`.
pub const BACKOFF_PREFIX: &str = "BACKOFF_SETTINGS_";
/// Prefix of the keys of `checks`.
pub const CHECKS_PREFIX: &str = "CHECKS_";

/// Prefix of the keys of every element of `deployments` in a `kubernetes` section.
pub const DEPLOYMENT_PREFIX: &str = "DEPLOYMENT_";
/// Prefix of the keys of every element of `stateful_sets` in a `kubernetes` section.
pub const STATEFUL_SET_PREFIX: &str = "STATEFUL_SET_";
/// Prefix of the keys of every element of their `containers`.
pub const CONTAINER_PREFIX: &str = "CONTAINER_";

/// Paths of kubeconfig files, joined by colons.
pub const KUBECONFIG: &str = "KUBECONFIG";
/// Host of the API server, set in every pod.
pub const KUBERNETES_SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";
/// Port of the API server, set in every pod.
pub const KUBERNETES_SERVICE_PORT: &str = "KUBERNETES_SERVICE_PORT";
/// Name of the pod that the program runs in.
pub const POD_NAME: &str = "POD_NAME";
/// Namespace of the pod that the program runs in.
pub const POD_NAMESPACE: &str = "POD_NAMESPACE";
