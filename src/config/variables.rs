//! Every environment variable that the program reads, declared once; those of proxies and certificate authorities are
//! in [`network`](crate::network), those of the access to Kubernetes in [`Surroundings`](crate::k8s::Surroundings).
//!
//! Three families are formed from keys instead of being listed: `SERVO_<KEY>` for the top-level keys of a servo.yaml
//! and its connector sections, `SERVO_<SECTION>_<KEY>` for the keys of a connector's section, and the prefixes below.

/// Path of the configuration file; default `servo.yaml`.
pub(crate) const SERVO_CONFIG_FILE: &str = "SERVO_CONFIG_FILE";
/// Name of the servo, also the default of `--name`.
pub(crate) const SERVO_NAME: &str = "SERVO_NAME";
/// `servo_uid`: sent with every message to the optimizer.
pub(crate) const SERVO_UID: &str = "SERVO_UID";
/// Least level of log lines; default `INFO`.
pub(crate) const SERVO_LOG_LEVEL: &str = "SERVO_LOG_LEVEL";
/// Form of log lines on standard error, `text` or `json`; default `text`.
pub(crate) const SERVO_LOG_FORMAT: &str = "SERVO_LOG_FORMAT";
/// Path of the log file of `servo run`; default `logs/servo.log`.
pub(crate) const SERVO_LOG_FILE: &str = "SERVO_LOG_FILE";
pub(crate) const SERVO_NO_COLOR: &str = "SERVO_NO_COLOR";
/// Anything but nothing turns colours off, as <https://no-color.org> asks.
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// True runs the checks before `servo run` begins.
pub(crate) const SERVO_RUN_CHECK: &str = "SERVO_RUN_CHECK";
/// True turns the debugging output of `servo run` on.
pub(crate) const SERVO_RUN_DEBUG: &str = "SERVO_RUN_DEBUG";
/// The address on which `servo run` serves its endpoints; none without it.
pub(crate) const SERVO_RUN_LISTEN: &str = "SERVO_RUN_LISTEN";
/// Folders, joined by colons, that are searched for connectors of other people before those of `PATH`.
pub(crate) const SERVO_CONNECTOR_PATH: &str = "SERVO_CONNECTOR_PATH";
pub(crate) const SERVO_BANNER_FONT: &str = "SERVO_BANNER_FONT";
pub(crate) const SERVO_BANNER_COLOR: &str = "SERVO_BANNER_COLOR";

/// `optimizer.id` of an Opsani optimizer.
pub(crate) const OPSANI_OPTIMIZER: &str = "OPSANI_OPTIMIZER";
/// `optimizer.token` of an Opsani optimizer; empty counts as unset.
pub(crate) const OPSANI_TOKEN: &str = "OPSANI_TOKEN";
/// Path of a file that holds the token; wins over [`OPSANI_TOKEN`].
pub(crate) const OPSANI_TOKEN_FILE: &str = "OPSANI_TOKEN_FILE";
/// `optimizer.base_url` of an Opsani optimizer.
pub(crate) const OPSANI_BASE_URL: &str = "OPSANI_BASE_URL";
/// `optimizer.url` of an Opsani optimizer.
pub(crate) const OPSANI_URL: &str = "OPSANI_URL";
/// Prefix of the keys of an AppDynamics optimizer, such as `APPD_CLIENT_ID`.
pub(crate) const APPD_PREFIX: &str = "APPD_";
/// `optimizer.optimizer_id` of an AppDynamics optimizer.
pub(crate) const APPD_OPTIMIZER_ID: &str = "APPD_OPTIMIZER_ID";

/// Prefix of the top-level keys and sections of a servo.yaml.
pub(crate) const SERVO_PREFIX: &str = "SERVO_";
/// The whole `optimizer` section as JSON.
pub(crate) const SERVO_OPTIMIZER: &str = "SERVO_OPTIMIZER";
/// Prefix of the keys of `settings`.
pub(crate) const COMMON_PREFIX: &str = "COMMON_";
/// Prefix of the keys of every entry of `settings.backoff`.
pub(crate) const BACKOFF_PREFIX: &str = "BACKOFF_SETTINGS_";
/// Prefix of the keys of `checks`.
pub(crate) const CHECKS_PREFIX: &str = "CHECKS_";

/// Prefix of the keys of every element of `deployments` in a `kubernetes` section.
pub(crate) const DEPLOYMENT_PREFIX: &str = "DEPLOYMENT_";
/// Prefix of the keys of every element of `stateful_sets` in a `kubernetes` section.
pub(crate) const STATEFUL_SET_PREFIX: &str = "STATEFUL_SET_";
/// Prefix of the keys of every element of their `containers`.
pub(crate) const CONTAINER_PREFIX: &str = "CONTAINER_";
