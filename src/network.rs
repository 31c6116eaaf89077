//! What the surroundings say about the network: proxies and certificate authorities, from variables that are passed in.
//!
//! Everything that speaks HTTP begins with a builder from here, so that `HTTPS_PROXY`, `NO_PROXY` and `SSL_CERT_FILE`
//! mean the same for the optimizer and for every connector, also when they stand in a `.env` file.

use std::path::Path;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{ClientBuilder, NoProxy, Proxy};

use crate::decode::Variables;
use crate::http::{Authorities, AuthoritiesError, Tls, Verification, client_builder};

/// Why a client cannot be made in these surroundings.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Certificate authorities cannot be used.
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
    /// The TLS library refuses its own defaults, or what it was given.
    #[error("failed to set up TLS")]
    Tls(#[from] rustls::Error),
    /// A variable holds no proxy address. It may hold a password, so that it is not repeated.
    #[error("the environment variable {variable} is not the address of a proxy, such as http://proxy.example:3128")]
    Proxy { variable: &'static str },
}

/// The variables of the network.
#[derive(Debug, Clone, Default)]
pub struct Network {
    certificate_file: Option<String>,
    certificate_folders: Option<String>,
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    all_proxy: Option<String>,
    no_proxy: Option<String>,
}

impl Network {
    /// Reads `SSL_CERT_FILE`, `SSL_CERT_DIR`, and the proxy variables in lower or upper case. Empty is unset.
    pub fn from_variables(variables: &dyn Variables) -> Self {
        let get = |name: &str| variables.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let either = |name: &str| get(name).or_else(|| get(&name.to_uppercase()));
        Self {
            certificate_file: get("SSL_CERT_FILE"),
            certificate_folders: get("SSL_CERT_DIR"),
            http_proxy: either("http_proxy"),
            https_proxy: either("https_proxy"),
            all_proxy: either("all_proxy"),
            no_proxy: either("no_proxy").map(|hosts| exempt_hosts(&hosts)),
        }
    }

    /// A client that verifies certificates and uses the proxies of the environment.
    ///
    /// # Errors
    /// When a variable cannot be used.
    pub fn client_builder(&self) -> Result<ClientBuilder, NetworkError> {
        self.client_builder_for(Verification::Against(self.authorities()?).into())
    }

    /// The same, trusting the authorities of one file only.
    ///
    /// # Errors
    /// When the file or a variable cannot be used.
    pub fn client_builder_with(&self, bundle: &Path) -> Result<ClientBuilder, NetworkError> {
        self.client_builder_for(Verification::Against(Authorities::from_file(bundle)?).into())
    }

    /// The same, trusting everybody.
    ///
    /// # Errors
    /// When a variable cannot be used.
    pub fn unverified_client_builder(&self) -> Result<ClientBuilder, NetworkError> {
        self.client_builder_for(Verification::Off.into())
    }

    /// The same, with connections secured like this.
    ///
    /// # Errors
    /// When a variable cannot be used, or a key does not belong to its certificate.
    pub fn client_builder_for(&self, tls: Tls) -> Result<ClientBuilder, NetworkError> {
        self.with_proxies(client_builder(tls)?)
    }

    /// The authorities that the variables name, else the bundled ones.
    ///
    /// # Errors
    /// When a variable cannot be used.
    pub fn authorities(&self) -> Result<Authorities, AuthoritiesError> {
        Authorities::from_variables(self.certificate_file.as_deref(), self.certificate_folders.as_deref())
    }

    /// The proxy for requests to an address, for clients that are not made here; `None` is a direct connection.
    ///
    /// # Errors
    /// When the variable cannot be used.
    pub fn proxy_for(&self, target: &Uri) -> Result<Option<Uri>, NetworkError> {
        let own = match target.scheme_str() {
            Some("http") => ("HTTP_PROXY", &self.http_proxy),
            _ => ("HTTPS_PROXY", &self.https_proxy),
        };
        let named = [own, ("ALL_PROXY", &self.all_proxy)];
        let Some((variable, text)) = named.into_iter().find_map(|(name, text)| Some((name, text.as_deref()?))) else {
            return Ok(None);
        };
        let rules = Matcher::builder().all("http://any").no(self.no_proxy.as_deref().unwrap_or_default()).build();
        if rules.intercept(target).is_none() {
            return Ok(None);
        }
        let address = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let address = address.parse::<Uri>().ok().filter(|address| address.host().is_some());
        address.map(Some).ok_or(NetworkError::Proxy { variable })
    }

    fn with_proxies(&self, builder: ClientBuilder) -> Result<ClientBuilder, NetworkError> {
        let direct = self.no_proxy.as_deref().and_then(NoProxy::from_string);
        // The library would read the process environment, which lacks what a `.env` file says.
        let mut builder = builder.no_proxy();
        let proxies = [
            ("HTTP_PROXY", self.http_proxy.as_deref().map(Proxy::http)),
            ("HTTPS_PROXY", self.https_proxy.as_deref().map(Proxy::https)),
            ("ALL_PROXY", self.all_proxy.as_deref().map(Proxy::all)),
        ];
        for (variable, proxy) in proxies {
            if let Some(proxy) = proxy {
                let proxy = proxy.map_err(|_| NetworkError::Proxy { variable })?;
                builder = builder.proxy(proxy.no_proxy(direct.clone()));
            }
        }
        Ok(builder)
    }
}

/// The hosts of `NO_PROXY`, joined by commas. As curl reads it, blanks part hosts too, a dot at the end of one does not
/// count, and an address of IPv6 may stand in brackets.
fn exempt_hosts(text: &str) -> String {
    let parts = text.split(|c: char| c == ',' || c.is_whitespace());
    let hosts = parts.map(|host| host.trim_end_matches('.').trim_start_matches('[').trim_end_matches(']'));
    hosts.filter(|host| !host.is_empty()).collect::<Vec<_>>().join(",")
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

    #[test]
    fn a_proxy_variable_that_is_no_address_is_named_without_its_value() {
        let network = Network::from_variables(&Pairs(&[("HTTPS_PROXY", "http://user:pass word@[")]));
        let error = network.client_builder().expect_err("no address").to_string();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("pass"), "{error}");
    }

    #[test]
    fn empty_variables_are_unset_and_lower_case_wins() {
        let network =
            Network::from_variables(&Pairs(&[("http_proxy", "http://a:1"), ("HTTP_PROXY", "["), ("ALL_PROXY", "")]));
        assert_eq!(network.http_proxy.as_deref(), Some("http://a:1"));
        assert!(network.client_builder().is_ok());
    }
    #[test]
    fn a_proxy_is_the_one_of_the_scheme_unless_the_host_is_exempt() {
        for (variables, target, expected) in [
            (&[][..], "https://10.0.0.1", None),
            (&[("HTTPS_PROXY", "p:3128")], "https://10.0.0.1", Some("http://p:3128/")),
            (&[("HTTPS_PROXY", "http://p:3128")], "http://10.0.0.1", None),
            (&[("ALL_PROXY", "https://p"), ("HTTPS_PROXY", "http://q")], "http://a.b", Some("https://p/")),
            (&[("HTTPS_PROXY", "http://p"), ("NO_PROXY", "x, 10.0.0.0/8")], "https://10.96.0.1", None),
            (&[("HTTPS_PROXY", "http://p"), ("NO_PROXY", "10.0.0.0/8,,")], "https://11.0.0.1", Some("http://p/")),
            (&[("HTTPS_PROXY", "http://p"), ("NO_PROXY", ".corp")], "https://api.corp:6443", None),
            (&[("HTTPS_PROXY", "http://p"), ("NO_PROXY", "*")], "https://api.corp:6443", None),
            (&[("HTTPS_PROXY", "http://p"), ("NO_PROXY", "a.example b.example")], "https://b.example", None),
            (&[("HTTPS_PROXY", "http://p"), ("NO_PROXY", "b.example.,")], "https://b.example", None),
            (&[("HTTPS_PROXY", "http://p"), ("NO_PROXY", "[::1]")], "https://[::1]:6443", None),
        ] {
            let network = Network::from_variables(&Pairs(variables));
            let target = target.parse().expect("an address");
            let found = network.proxy_for(&target).expect("a proxy").map(|proxy| proxy.to_string());
            assert_eq!(found.as_deref(), expected, "{variables:?} {target}");
        }
        let network = Network::from_variables(&Pairs(&[("HTTPS_PROXY", "http://user:pass word@[")]));
        let error = network.proxy_for(&Uri::from_static("https://a")).expect_err("no address").to_string();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("pass"), "{error}");
    }
}
