//! A request to the API server, taken apart.

use std::collections::BTreeMap;

use serde_json::Value;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// The path without the query.
    pub(crate) path: String,
    /// The query, decoded.
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) content_type: Option<String>,
    pub(crate) authorization: Option<String>,
    /// Null when there is none.
    pub(crate) body: Value,
    /// What the path addresses; none for `/version` and the like.
    pub(crate) target: Option<Target>,
}

impl Call {
    pub(crate) fn is_watch(&self) -> bool {
        self.method == "GET"
            && self.query.get("watch").is_some_and(|value| matches!(value.as_str(), "true" | "True" | "1"))
    }

    /// Whether it changes objects.
    pub(crate) fn is_write(&self) -> bool {
        let is_review = self.target.as_ref().is_some_and(|target| target.resource == "selfsubjectaccessreviews");
        self.method != "GET" && !is_review
    }

    /// `PATCH deployments/web`, `GET pods`, `WATCH pods`, `GET pods/web-tuning/log`, `GET /version`.
    pub(crate) fn summary(&self) -> String {
        let method = if self.is_watch() { "WATCH" } else { &self.method };
        match &self.target {
            None => format!("{method} {}", self.path.trim_end_matches('/')),
            Some(target) => {
                let parts = [Some(&target.resource), target.name.as_ref(), target.subresource.as_ref()];
                format!("{method} {}", parts.into_iter().flatten().cloned().collect::<Vec<_>>().join("/"))
            }
        }
    }
}

/// What a path addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Empty for the core group.
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) resource: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Target {
    /// Takes a path apart.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        // A namespace is an object as well: with two segments it is meant itself.
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let mut rest = rest.iter().map(|segment| (*segment).to_owned());
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.map(str::to_owned),
            resource: rest.next()?,
            name: rest.next(),
            subresource: rest.next(),
        })
    }

    /// The group and version as objects spell it.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}
