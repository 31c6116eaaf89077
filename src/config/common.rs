//! The `settings` section: how the optimizer is talked to over the network.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value as Json;

use super::backoff::{BackoffSettings, BackoffTable};
use super::variables::COMMON_PREFIX;
use crate::decode::{Decode, Decoder, FilePath, HttpUrl, KeyPath, Node, Problem, Secrets, Show, TextForm, Value, keys};
use crate::types::Duration;

keys! {
    /// How the optimizer is talked to over the network.
    #[derive(Debug, Clone, PartialEq)]
    pub struct CommonConfig {
        /// How long and how often requests are repeated, by the kind of request: `connect` is the first contact with the
        /// optimizer, and `__default__` everything that has no entry of its own.
        backoff: BackoffTable = BackoffTable::BUILT_IN,
        /// The proxies of requests to the optimizer: one address, or addresses by pattern. Without it the environment
        /// decides.
        proxies: Option<Proxies> = None,
        /// Time limits of a request: one duration, or one for each part. Without it, 30 s for a connection and 5 min for
        /// the next bytes.
        timeouts: Option<Timeouts> = None,
        /// Whether the certificate of the optimizer is verified, or a PEM file of the authorities to trust besides. It is
        /// verified when the key is absent.
        ssl_verify: Verify = Verify::Unset,
    }
    variables: COMMON_PREFIX;
    default: all;
}

/// The proxies of requests to the optimizer. Addresses may hold passwords.
#[derive(Clone, PartialEq, Eq)]
pub enum Proxies {
    /// One address for everything; it begins with `http://`, `https://` or `all://`.
    All(String),
    /// An address for each pattern, such as `https://` or `all://host`; none is direct.
    ByPattern(BTreeMap<String, Option<String>>),
}

/// Time limits of a request; absent ones are the client's to choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to be made.
    pub connect: Option<Duration>,
    /// For the next bytes of an answer.
    pub read: Option<Duration>,
    /// For bytes to be taken by the other side.
    pub write: Option<Duration>,
    /// For a connection of the pool to be free.
    pub pool: Option<Duration>,
}

/// Which certificates of the optimizer are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslVerify<'a> {
    /// Those of the authorities that the surroundings trust.
    Default,
    /// Those of the authorities in this file.
    Bundle(&'a Path),
    Off,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Verify {
    Unset,
    On,
    Off,
    Bundle(FilePath),
}

impl CommonConfig {
    /// The limits of requests of this kind, such as [`CONNECT_BACKOFF`](super::backoff::CONNECT_BACKOFF).
    pub fn backoff(&self, name: &str) -> BackoffSettings {
        self.backoff.lookup(name)
    }

    /// The proxies; `None` leaves them to the environment.
    pub fn proxies(&self) -> Option<&Proxies> {
        self.proxies.as_ref()
    }

    /// The time limits of a request.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts.unwrap_or_default()
    }

    pub fn ssl_verify(&self) -> SslVerify<'_> {
        match &self.ssl_verify {
            Verify::Unset | Verify::On => SslVerify::Default,
            Verify::Off => SslVerify::Off,
            Verify::Bundle(path) => SslVerify::Bundle(path.as_path()),
        }
    }
}

impl Show for Proxies {
    fn show(&self, secrets: Secrets) -> Json {
        let shown = |address: &String| match secrets {
            Secrets::Redacted => without_password(address),
            Secrets::Raw => address.clone(),
        };
        match self {
            Self::All(address) => Json::String(shown(address)),
            Self::ByPattern(patterns) => patterns
                .iter()
                .map(|(pattern, address)| (pattern.clone(), address.as_ref().map(shown).into()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All(address) => f.debug_tuple("All").field(&without_password(address)).finish(),
            Self::ByPattern(patterns) => {
                let shown =
                    patterns.iter().map(|(pattern, address)| (pattern, address.as_deref().map(without_password)));
                f.debug_map().entries(shown).finish()
            }
        }
    }
}

fn without_password(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://REDACTED@{host}"),
        _ => address.to_owned(),
    }
}

fn is_proxy_pattern(text: &str) -> bool {
    ["http://", "https://", "all://"].iter().any(|scheme| text.starts_with(scheme))
}

const PROXY_RULE: &str = "a proxy begins with http://, https:// or all://";

impl Decode for Proxies {
    const TEXT_FORM: TextForm = TextForm::JsonOrText;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) if is_proxy_pattern(text) => Some(Self::All(text.clone())),
            Value::Text(_) => {
                // It may hold a password.
                cx.invalid_unquoted(node, PROXY_RULE);
                None
            }
            Value::Map(map) => {
                let patterns: Vec<_> = map
                    .iter()
                    .map(|entry| {
                        let is_pattern = is_proxy_pattern(&entry.key);
                        if !is_pattern {
                            cx.report(Problem {
                                origin: entry.key_origin.clone(),
                                path: KeyPath::default(),
                                value: Some(format!("{:?}", entry.key)),
                                rule: PROXY_RULE.to_owned(),
                                hint: None,
                            });
                        }
                        let address = cx.within(&entry.key, |cx| Option::<HttpUrl>::decode(&entry.value, cx))?;
                        is_pattern.then(|| (entry.key.clone(), address.map(|address| address.as_str().to_owned())))
                    })
                    .collect();
                Some(Self::ByPattern(patterns.into_iter().collect::<Option<_>>()?))
            }
            _ => {
                cx.invalid(node, "proxies are an address, or a mapping from patterns to addresses");
                None
            }
        }
    }
}

impl JsonSchema for Proxies {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Proxies".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let pattern = "^(https?|all)://";
        json_schema!({
            "anyOf": [
                { "type": "string", "pattern": pattern, "format": "uri" },
                {
                    "type": "object",
                    "patternProperties": { pattern: generator.subschema_for::<Option<HttpUrl>>() },
                    "additionalProperties": false,
                },
            ],
            "examples": ["http://proxy:3128", { "https://": "http://proxy:3128", "all://internal": null }],
        })
    }
}

/// The form of time limits with a key for each.
#[derive(JsonSchema)]
#[schemars(rename = "Timeouts", deny_unknown_fields)]
#[expect(dead_code, reason = "it describes the keys, and holds nothing")]
struct TimeoutKeys {
    /// For a connection to be made.
    connect: Option<Duration>,
    /// For the next bytes of an answer.
    read: Option<Duration>,
    /// For bytes to be taken by the other side.
    write: Option<Duration>,
    /// For a connection of the pool to be free.
    pool: Option<Duration>,
    /// For each of these that is not given.
    timeout: Option<Duration>,
}

impl JsonSchema for Timeouts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TimeoutsForm".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (keys, all) = (generator.subschema_for::<TimeoutKeys>(), generator.subschema_for::<Duration>());
        json_schema!({ "anyOf": [keys, all] })
    }
}

impl JsonSchema for Verify {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Verify".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["boolean", "integer", "string", "null"],
            "minimum": 0,
            "maximum": 1,
            "minLength": 1,
            "examples": [true, "ca.pem"],
        })
    }
}

impl Show for Timeouts {
    fn show(&self, secrets: Secrets) -> Json {
        let Self { connect, read, write, pool } = self;
        let limits = [("connect", connect), ("read", read), ("write", write), ("pool", pool)];
        limits.into_iter().map(|(key, limit)| (key, limit.show(secrets))).collect()
    }
}

/// One duration for all limits, or a mapping whose `timeout` is the value for the keys that are absent.
impl Decode for Timeouts {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Map(_) => {}
            Value::List(_) => {
                cx.invalid(node, "timeouts are a duration, or a mapping");
                return None;
            }
            _ => {
                // Reported where the first of the four limits would stand.
                let all = Some(cx.within("connect", |cx| Duration::decode(node, cx))?);
                return Some(Self { connect: all, read: all, write: all, pool: all });
            }
        }
        let mut fields = cx.fields(node)?;
        let rest = fields.or::<Option<Duration>>("timeout", None);
        let mut limit = |key| fields.or::<Option<Duration>>(key, rest.flatten());
        let (connect, read, write, pool) = (limit("connect"), limit("read"), limit("write"), limit("pool"));
        fields.finish();
        rest?;
        Some(Self { connect: connect?, read: read?, write: write?, pool: pool? })
    }
}

impl Show for Verify {
    fn show(&self, secrets: Secrets) -> Json {
        match self {
            Self::Unset => Json::Null,
            Self::On => true.into(),
            Self::Off => false.into(),
            Self::Bundle(path) => path.show(secrets),
        }
    }
}

/// Null, a boolean or a word for one, or the path of an existing file.
impl Decode for Verify {
    const TEXT_FORM: TextForm = TextForm::JsonOrText;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if node.is_null() {
            return Some(Self::Unset);
        }
        let as_bool = Decoder::run(cx.variables(), |cx| bool::decode(node, cx));
        match (as_bool, &node.value) {
            (Ok(true), _) => Some(Self::On),
            (Ok(false), _) => Some(Self::Off),
            (Err(_), Value::Text(_)) => FilePath::decode(node, cx).map(Self::Bundle),
            (Err(_), _) => {
                cx.invalid(node, "ssl_verify is true, false, or the path of a file of certificate authorities");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Environment;
    use crate::config::backoff::{CONNECT_BACKOFF, DEFAULT_BACKOFF};
    use crate::decode::{Detail, Dump, Origin, shown};

    const SHOWN: Dump = Dump { secrets: Secrets::Redacted, detail: Detail::Set };

    fn decode(config: &Json, variables: &[(&str, &str)]) -> Result<CommonConfig, String> {
        let environment = Environment::from_pairs(variables.iter().copied());
        let node = Node::from_json(config, &Origin::whole("f"));
        Decoder::run(&environment, |cx| CommonConfig::decode(&node, cx)).map_err(|problems| problems.to_string())
    }

    fn check(config: &Json, expected: &Json) {
        let settings = decode(config, &[]).unwrap_or_else(|problems| panic!("{config}: {problems}"));
        assert_eq!(&shown(&settings, SHOWN), expected, "{config}");
    }

    fn check_fails(config: &Json, message: &str) {
        let problems = decode(config, &[]).expect_err("it is accepted");
        assert!(problems.starts_with(message), "{config}: {problems}");
    }

    #[test]
    fn timeouts_are_one_duration_or_a_mapping_with_a_value_for_the_rest() {
        let all = json!({"connect": "10s", "read": "10s", "write": "10s", "pool": "10s"});
        check(&json!({"timeouts": 10}), &json!({"timeouts": all}));
        check(&json!({"timeouts": "10s"}), &json!({"timeouts": all}));
        check(
            &json!({"timeouts": {"timeout": 10, "read": null, "pool": "1.5s"}}),
            &json!({"timeouts": {"connect": "10s", "write": "10s", "pool": "1.5s"}}),
        );
        check(&json!({"timeouts": null}), &json!({}));
        check_fails(&json!({"timeouts": "soon"}), "f: timeouts.connect: invalid duration 'soon'");
        check_fails(&json!({"timeouts": [1]}), "f: timeouts: ");
        check_fails(
            &json!({"timeouts": {"reed": 1}}),
            "f: timeouts.reed: extra fields not permitted; did you mean 'read'?",
        );
    }

    #[test]
    fn proxies_are_an_address_or_a_mapping_of_patterns() {
        check(&json!({"proxies": "all://localhost:1"}), &json!({"proxies": "all://localhost:1"}));
        let patterns = json!({"proxies": {"all://": "http://localhost:1", "https://api.example": null}});
        check(&patterns, &patterns);
        check_fails(
            &json!({"proxies": "socks5://me:s3cr3t@host"}),
            "f: proxies: a proxy begins with http://, https:// or all://",
        );
        check_fails(
            &json!({"proxies": {"socks5://": "ftp://x"}}),
            "f: proxies: a proxy begins with http://, https:// or all:// (got \"socks5://\")\nf: proxies.socks5://: URL scheme",
        );
        check_fails(&json!({"proxies": ["a"]}), "f: proxies: ");
    }

    #[test]
    fn passwords_of_proxies_are_shown_only_when_asked_for() {
        let settings = decode(&json!({"proxies": {"all://": "http://me:s3cr3t@host:1"}}), &[]).unwrap();
        assert_eq!(shown(&settings, SHOWN), json!({"proxies": {"all://": "http://REDACTED@host:1"}}));
        assert!(!format!("{settings:?}").contains("s3cr3t"));
        let raw = shown(&settings, Dump { secrets: Secrets::Raw, ..SHOWN });
        assert_eq!(raw, json!({"proxies": {"all://": "http://me:s3cr3t@host:1"}}));
    }

    #[test]
    fn certificates_are_verified_unless_turned_off() {
        let verify = |config: Json| decode(&config, &[]).map(|settings| format!("{:?}", settings.ssl_verify()));
        for (value, expected) in [
            (json!(null), "Default"),
            (json!(true), "Default"),
            (json!("yes"), "Default"),
            (json!(0), "Off"),
            (json!("false"), "Off"),
        ] {
            assert_eq!(verify(json!({"ssl_verify": value})).as_deref(), Ok(expected), "{value}");
        }
        let bundle = tempfile::NamedTempFile::new().unwrap();
        let path = bundle.path().display().to_string();
        check(&json!({"ssl_verify": path}), &json!({"ssl_verify": path}));
        assert_eq!(verify(json!({"ssl_verify": path})), Ok(format!("Bundle({path:?})")));
        check_fails(
            &json!({"ssl_verify": "/missing.pem"}),
            "f: ssl_verify: file or directory at path \"/missing.pem\" does not exist",
        );
        check_fails(&json!({"ssl_verify": [1]}), "f: ssl_verify: ssl_verify is true, false, or");
    }

    #[test]
    fn variables_fill_absent_keys() {
        let variables = [
            ("COMMON_SSL_VERIFY", "false"),
            ("COMMON_PROXIES", "http://localhost:1"),
            ("COMMON_TIMEOUTS", "{\"connect\": \"3s\"}"),
            ("COMMON_BACKOFF", "{\"connect\": {}}"),
            ("BACKOFF_SETTINGS_MAX_TIME", "77s"),
        ];
        let settings = decode(&json!({"proxies": "http://file:1"}), &variables).unwrap();
        assert_eq!(
            shown(&settings, SHOWN),
            json!({"backoff": {"connect": {"max_time": "1m17s"}}, "proxies": "http://file:1",
                   "timeouts": {"connect": "3s"}, "ssl_verify": false})
        );
    }

    #[test]
    fn an_absent_part_of_the_backoff_table_falls_back_to_the_next_one() {
        let seconds = |config: Json, name: &str| {
            let settings = decode(&json!({"backoff": config}), &[]).unwrap().backoff(name);
            (settings.max_time.map(Duration::as_secs_f64), settings.max_tries)
        };
        let built_in = CommonConfig::default();
        assert_eq!(built_in.backoff(CONNECT_BACKOFF).max_time, Some(Duration::from_secs(3600)));
        assert_eq!(built_in.backoff("other").max_time, Some(Duration::from_secs(600)));
        assert_eq!(seconds(json!({}), CONNECT_BACKOFF), (Some(3600.0), None));
        assert_eq!(seconds(json!({"connect": {"max_tries": 2.9}}), CONNECT_BACKOFF), (Some(3600.0), Some(2)));
        assert_eq!(seconds(json!({"connect": {"max_time": null}}), CONNECT_BACKOFF), (None, None));
        let table = json!({"__default__": {"max_time": "5m", "max_tries": 3}, "other": {}});
        assert_eq!(seconds(table.clone(), CONNECT_BACKOFF), (Some(300.0), Some(3)));
        assert_eq!(seconds(table.clone(), "other"), (Some(300.0), None));
        assert_eq!(seconds(table, DEFAULT_BACKOFF), (Some(300.0), Some(3)));
        assert_eq!(seconds(json!({"connect": {"max_tries": -1}}), CONNECT_BACKOFF).1, Some(0));
    }

    #[test]
    fn problems_of_the_backoff_table_name_entry_and_key() {
        check_fails(
            &json!({"backoff": {"connect": {"max_time": "nope", "x": 1}}}),
            "f: backoff.connect.max_time: invalid duration",
        );
        check_fails(&json!({"backoff": {"connect": 5}}), "f: backoff.connect: value is not a valid mapping");
        check_fails(&json!({"backoff": null}), "f: backoff: none is not an allowed value");
    }

    #[test]
    fn an_explicit_null_survives_showing_and_loading() {
        check(
            &json!({"backoff": {"connect": {"max_time": null}}}),
            &json!({"backoff": {"connect": {"max_time": null}}}),
        );
        check(&json!({"backoff": {}}), &json!({"backoff": {}}));
    }
}
