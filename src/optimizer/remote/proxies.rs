//! The `settings.proxies` key: one proxy for everything, or patterns with the most specific one winning.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use reqwest::{ClientBuilder, Proxy, Url};

use super::error::BuildError;
use crate::config::Proxies;

/// Adds the configured proxies to a client. With any of them the variables of the environment, `NO_PROXY` included, no
/// longer count.
///
/// # Errors
/// When an address cannot be used.
pub(super) fn apply(builder: ClientBuilder, proxies: Option<&Proxies>) -> Result<ClientBuilder, BuildError> {
    match proxies {
        None => Ok(builder),
        Some(Proxies::All(address)) => {
            let proxy = Proxy::all(address_of("proxies", address)?)
                .map_err(|source| BuildError::Proxy { pattern: "proxies".to_owned(), source })?;
            Ok(builder.no_proxy().proxy(proxy))
        }
        Some(Proxies::ByPattern(patterns)) => {
            let rules = Rules::new(patterns)?;
            Ok(builder.no_proxy().proxy(Proxy::custom(move |url| rules.proxy_for(url))))
        }
    }
}

/// A proxy's address; `all://host` is taken as `http://host`.
fn address_of(pattern: &str, text: &str) -> Result<Url, BuildError> {
    let text = text.strip_prefix("all://").map_or_else(|| text.to_owned(), |rest| format!("http://{rest}"));
    Url::parse(&text).map_err(|_| BuildError::ProxyAddress { pattern: pattern.to_owned() })
}

/// Patterns, most specific first: `scheme://host:port`, `scheme://host`, `all://host`, `scheme://`, `all://`.
struct Rules(Vec<Rule>);

struct Rule {
    scheme: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    proxy: Option<Url>,
}

impl Rules {
    fn new(patterns: &BTreeMap<String, Option<String>>) -> Result<Self, BuildError> {
        let mut rules = Vec::new();
        for (pattern, address) in patterns {
            let proxy = address.as_deref().map(|address| address_of(pattern, address)).transpose()?;
            let (scheme, rest) = pattern.split_once("://").unwrap_or(("all", pattern));
            let authority = rest.split('/').next().unwrap_or_default();
            let (host, port) = match authority.rsplit_once(':') {
                Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
                _ => (authority, None),
            };
            rules.push(Rule {
                scheme: (scheme != "all").then(|| scheme.to_owned()),
                host: (!host.is_empty() && host != "*").then(|| host.to_ascii_lowercase()),
                port,
                proxy,
            });
        }
        rules.sort_by_key(Rule::rank);
        Ok(Self(rules))
    }

    fn proxy_for(&self, url: &Url) -> Option<Url> {
        self.0.iter().find(|rule| rule.matches(url)).and_then(|rule| rule.proxy.clone())
    }
}

impl Rule {
    /// The smaller, the more specific. Of hosts the exact and the longer ones come first.
    fn rank(&self) -> (bool, bool, bool, Reverse<usize>, bool) {
        let host = self.host.as_deref().unwrap_or_default();
        (self.port.is_none(), host.is_empty(), host.starts_with('*'), Reverse(host.len()), self.scheme.is_none())
    }

    fn matches(&self, url: &Url) -> bool {
        self.scheme.as_deref().is_none_or(|scheme| scheme == url.scheme())
            && self.host.as_deref().is_none_or(|host| matches_host(host, url.host_str().unwrap_or_default()))
            && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

/// `*.example.com` stands for every host below, `*example.com` for the domain as well.
fn matches_host(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) if suffix.starts_with('.') => host.ends_with(suffix),
        Some(domain) => host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => host == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_pattern_wins_and_null_is_direct() {
        let patterns: BTreeMap<_, _> = [
            ("all://", Some("http://any:1")),
            ("https://", Some("http://tls:1")),
            ("https://api.opsani.com", Some("http://api:1")),
            ("all://localhost", None),
            ("all://*.corp", Some("all://corp:1")),
            ("all://*.eu.corp", Some("http://eu:1")),
            ("all://b.eu.corp", None),
        ]
        .into_iter()
        .map(|(pattern, proxy)| (pattern.to_owned(), proxy.map(str::to_owned)))
        .collect();
        let rules = Rules::new(&patterns).expect("addresses");
        let proxy = |url: &str| rules.proxy_for(&Url::parse(url).expect("a URL")).map(|url| url.to_string());
        for (url, expected) in [
            ("http://x/", Some("http://any:1/")),
            ("https://x/", Some("http://tls:1/")),
            ("https://api.opsani.com/a", Some("http://api:1/")),
            ("http://api.opsani.com/a", Some("http://any:1/")),
            ("https://localhost:8443/", None),
            ("https://a.corp/", Some("http://corp:1/")),
            ("https://a.eu.corp/", Some("http://eu:1/")),
            ("https://b.eu.corp/", None),
        ] {
            assert_eq!(proxy(url).as_deref(), expected, "{url}");
        }
    }
}
