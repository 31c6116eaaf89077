//! What a connector says of itself.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The name under which a connector is mounted in a servo.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorName(Arc<str>);

impl ConnectorName {
    /// A name as it stands in the configuration, or as a composite connector gives it to those that it adds.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The licence of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum License {
    Mit,
    Apache2,
    Proprietary,
}

impl License {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mit => "MIT",
            Self::Apache2 => "Apache 2.0",
            Self::Proprietary => "Proprietary",
        }
    }
}

/// How far a connector has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maturity {
    /// May change at any time.
    Experimental,
    Stable,
    Robust,
}

impl Maturity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Experimental => "Experimental",
            Self::Stable => "Stable",
            Self::Robust => "Robust",
        }
    }
}

/// A connector type: its names, and what `servo connectors` and `servo version` show. Texts are borrowed for the
/// built-in types and owned for those that report themselves at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The configuration key when no other is chosen, such as `kube_metrics`.
    pub default_name: Cow<'static, str>,
    /// The class name that existing configurations may use, such as `KubeMetricsConnector`.
    pub class_name: Cow<'static, str>,
    /// The name for people, such as `KubeMetrics Connector`.
    pub full_name: Cow<'static, str>,
    pub version: Cow<'static, str>,
    pub description: Option<Cow<'static, str>>,
    pub homepage: Option<Cow<'static, str>>,
    pub license: Option<License>,
    pub maturity: Option<Maturity>,
}

impl Metadata {
    /// The class name without its `Connector` ending, such as `KubeMetrics`.
    pub fn display_name(&self) -> &str {
        self.class_name.strip_suffix("Connector").unwrap_or(&self.class_name)
    }

    /// Whether an identifier of a configuration or command line means this type: its default name or its class
    /// name, also as the last part of a dotted path.
    pub fn is_named(&self, identifier: &str) -> bool {
        let last = identifier.rsplit('.').next().unwrap_or(identifier);
        identifier == self.default_name || last == self.class_name
    }
}
