//! The two languages of targets, as far as they must be right before vegeta reads them.
//!
//! What is refused here can never work. What vegeta alone refuses, such as a header before any request, passes: it
//! fails the first check or measurement, with what vegeta says about it.

use std::fmt;

use serde_json::{Map, Value};

use crate::decode::HttpUrl;

/// Methods that a target may use.
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "OPTIONS", "TRACE", "HEAD", "DELETE", "CONNECT"];

/// Why a text is no list of targets. Nothing of the text is repeated: it may hold credentials.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetError {
    #[error("no targets found")]
    Empty,
    #[error(
        "invalid target: line {0} is neither a request, such as GET http://host/, nor a header, such as Name: value"
    )]
    Line(usize),
    #[error("contains invalid JSON: {0}")]
    NotJson(String),
    #[error("invalid JSON target: {0}")]
    Member(String),
}

/// A request of a target, for messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    method: String,
    url: String,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

impl Request {
    fn new(method: &str, url: &str) -> Self {
        // What cannot be parsed cannot be redacted either.
        let hidden = || if url.contains('@') { "REDACTED".to_owned() } else { url.to_owned() };
        let url = HttpUrl::parse(url).map_or_else(|_| hidden(), |url| url.redacted());
        Self { method: method.to_owned(), url }
    }
}

/// Headers whose values are credentials.
const CREDENTIAL_HEADERS: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"];

/// Targets without credentials, for showing: users and passwords of addresses, and the values of headers that carry
/// credentials. Both languages are read as text, so that what cannot be parsed is redacted as well.
pub(super) fn redacted(text: &str) -> String {
    text.split_inclusive('\n').map(redacted_line).collect()
}

fn redacted_line(line: &str) -> String {
    let line_end = if line.ends_with('\n') { "\n" } else { "" };
    let line = without_user(line);
    let lower = line.to_ascii_lowercase();
    // The end of the first such name; in JSON its closing quotation mark stands before the colon.
    let value = CREDENTIAL_HEADERS
        .iter()
        .filter_map(|name| {
            let end = lower.find(name)? + name.len();
            let colon = line[end..].find(':')?;
            line[end..end + colon].trim_matches(['"', ' ']).is_empty().then_some(end + colon + 1)
        })
        .min();
    match value {
        // The rest of the line goes: it may hold several values.
        Some(value) => format!("{} REDACTED{line_end}", &line[..value]),
        None => line,
    }
}

/// The line with `REDACTED` for what stands between the scheme of an address and its `@`.
fn without_user(line: &str) -> String {
    let Some((before, rest)) = line.split_once("://") else { return line.to_owned() };
    let authority = rest.find(['/', ' ', '"', '?', '#']).unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => format!("{before}://REDACTED{}", without_user(&rest[at..])),
        None => format!("{before}://{}", without_user(rest)),
    }
}

/// Checks targets of the `http` language. The order of lines is vegeta's business.
pub(super) fn check_http(text: &str) -> Result<(), TargetError> {
    if text.is_empty() {
        return Err(TargetError::Empty);
    }
    let mut has_request = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        let is_request = split_request(line).is_some();
        has_request |= is_request;
        let is_skipped = line.is_empty() || line.starts_with(['#', '@']);
        if !(is_skipped || is_request || has_one_colon(line) || (has_request && is_header(line))) {
            return Err(TargetError::Line(index + 1));
        }
    }
    Ok(())
}

/// Checks targets of the `json` language: one or more objects.
pub(super) fn check_json(text: &str) -> Result<(), TargetError> {
    let documents = json_documents(text).map_err(TargetError::NotJson)?;
    if documents.is_empty() {
        return Err(TargetError::NotJson("there is no object".to_owned()));
    }
    documents.iter().try_for_each(check_document)
}

/// The documents of a text of the `json` language.
pub(super) fn json_documents(text: &str) -> Result<Vec<Value>, String> {
    let documents = serde_json::Deserializer::from_str(text).into_iter();
    documents.collect::<Result<_, _>>().map_err(|error: serde_json::Error| error.to_string())
}

/// Whether every document is in a line of its own that ends with a line break.
pub(super) fn is_a_json_document_a_line(text: &str) -> bool {
    text.ends_with('\n') && text.lines().all(|line| json_documents(line).is_ok_and(|documents| documents.len() <= 1))
}

/// The requests of targets of the `http` language, in order.
pub(super) fn http_requests(text: &str) -> Vec<Request> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '@']));
    lines.filter_map(split_request).map(|(method, url)| Request::new(method, url)).collect()
}

/// The requests of targets of the `json` language, in order.
pub(super) fn json_requests(text: &str) -> Vec<Request> {
    let documents = json_documents(text).unwrap_or_default();
    let text_of = |document: &Value, key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
    let request = |document: &Value| Some(Request::new(&text_of(document, "method")?, &text_of(document, "url")?));
    documents.iter().filter_map(request).collect()
}

/// Method and address of a request line.
fn split_request(line: &str) -> Option<(&str, &str)> {
    let (method, url) = line.split_once(' ')?;
    let is_address = url.starts_with("http:/") || url.starts_with("https:/");
    (METHODS.contains(&method) && is_address && !url.contains(' ')).then_some((method, url))
}

/// Existing configurations rely on it: anything with one colon, and something after it, has always passed.
fn has_one_colon(line: &str) -> bool {
    line.split_once(':').is_some_and(|(_, rest)| !rest.is_empty() && !rest.contains(':'))
}

/// `Name: value`, where colons in the value do not count. An address without a method looks like one, and is none.
fn is_header(line: &str) -> bool {
    let is_token = |name: &str| !name.is_empty() && name.chars().all(is_token_character);
    line.split_once(':').is_some_and(|(name, value)| is_token(name) && !value.is_empty() && !value.starts_with("//"))
}

/// A character of a header's name (RFC 9110, section 5.6.2).
fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

fn check_document(document: &Value) -> Result<(), TargetError> {
    let Value::Object(members) = document else { return Err(member("a target is an object")) };
    if let Some(unknown) = members.keys().find(|key| !["method", "url", "body", "header"].contains(&key.as_str())) {
        return Err(member(&format!("unknown member {unknown:?}: there are method, url, body and header")));
    }
    let methods = METHODS.join(", ");
    match members.get("method") {
        Some(Value::String(method)) if METHODS.contains(&method.as_str()) => {}
        Some(other) => return Err(member(&format!("method {other} is not one of {methods}"))),
        None => return Err(member(&format!("method is missing: one of {methods}"))),
    }
    match members.get("url") {
        Some(Value::String(_)) => {}
        Some(_) => return Err(member("url is not text")),
        None => return Err(member("url is missing")),
    }
    if !members.get("body").is_none_or(Value::is_string) {
        return Err(member("body is not text"));
    }
    match members.get("header") {
        None => Ok(()),
        Some(Value::Object(headers)) if has_lists_of_texts(headers) => Ok(()),
        Some(_) => Err(member("header is not an object of lists of texts")),
    }
}

fn has_lists_of_texts(headers: &Map<String, Value>) -> bool {
    headers.values().all(|values| values.as_array().is_some_and(|values| values.iter().all(Value::is_string)))
}

fn member(problem: &str) -> TargetError {
    TargetError::Member(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_targets_has_no_credentials() {
        let http = "GET http://u:p@host/a?b=c\nAuthorization: Bearer tok:en\nAccept: text/html\nGET http://plain/";
        assert_eq!(
            redacted(http),
            "GET http://REDACTED@host/a?b=c\nAuthorization: REDACTED\nAccept: text/html\nGET http://plain/"
        );
        let json = r#"{"method": "GET", "url": "http://u:p@host/", "header": {"Cookie": ["a=b"]}}"#;
        let shown = redacted(json);
        assert!(shown.contains("http://REDACTED@host/") && !shown.contains("a=b"), "{shown}");
    }

    #[test]
    fn http_targets_are_requests_headers_bodies_and_comments() {
        for text in [
            "GET http://a",
            " DELETE https://a/b?c=d \n",
            "# comment\nPOST http://a\nX-Account: 1\n@/path/to/body\n\nGET http://b",
            "GET http://a\nX-Time: 12:30\nReferer: http://b/",
            "\n",
            "get http://a",
            "http://a/",
        ] {
            assert_eq!(check_http(text), Ok(()), "{text}");
        }
        for (text, line) in [
            ("GET", 1),
            ("GET a", 1),
            ("ZGET http://a:80/", 1),
            ("GET gopher://a:70/", 1),
            ("GET http://a:80/x y", 1),
            ("X-Time: 12:30", 1),
            ("GET http://a\nX-Empty:", 2),
            ("GET http://a\n\nhttp://b:80/", 3),
            ("GET http://a\nno header: 12:30", 2),
        ] {
            assert_eq!(check_http(text), Err(TargetError::Line(line)), "{text}");
        }
        assert_eq!(check_http(""), Err(TargetError::Empty));
    }

    #[test]
    fn json_targets_are_one_or_more_objects() {
        for text in [
            r#"{"method":"GET","url":"http://a"}"#,
            "{\"method\":\"GET\",\n \"url\":\"http://a\"}\n{\"method\":\"PUT\",\"url\":\"b\",\"body\":\"YQ==\"}\n",
            r#"{"method":"GET","url":"http://a","header":{"A":["b","c"],"D":[]}}"#,
        ] {
            assert_eq!(check_json(text), Ok(()), "{text}");
        }
        for (text, problem) in [
            ("", "contains invalid JSON: there is no object"),
            ("GET http://a", "contains invalid JSON: expected value at line 1 column 1"),
            ("{", "contains invalid JSON: EOF while parsing an object at line 1 column 1"),
            ("[]", "invalid JSON target: a target is an object"),
            (r#"{"method":"GET"}"#, "invalid JSON target: url is missing"),
            (r#"{"method":"GET","url":1}"#, "invalid JSON target: url is not text"),
            (r#"{"method":"GET","url":"a","body":1}"#, "invalid JSON target: body is not text"),
            (
                r#"{"method":"GET","url":"a","header":{"A":"b"}}"#,
                "invalid JSON target: header is not an object of lists of texts",
            ),
            (
                r#"{"method":"GET","url":"a"} {"method":"GET","url":"a","x":1}"#,
                "invalid JSON target: unknown member \"x\": there are method, url, body and header",
            ),
            (
                r#"{"method":"get","url":"a"}"#,
                "invalid JSON target: method \"get\" is not one of GET, POST, PUT, PATCH, OPTIONS, TRACE, HEAD, \
                 DELETE, CONNECT",
            ),
        ] {
            assert_eq!(check_json(text).map_err(|error| error.to_string()), Err(problem.to_owned()), "{text}");
        }
    }

    #[test]
    fn requests_are_found_and_shown_without_credentials() {
        let shown = |requests: Vec<Request>| requests.iter().map(ToString::to_string).collect::<Vec<_>>();
        let http = "# GET http://no\nGET http://me:secret@a:80/b\nAuthorization: secret\n\nPUT http:/a@b";
        assert_eq!(shown(http_requests(http)), ["GET http://REDACTED@a:80/b", "PUT REDACTED"]);
        let json = r#"{"method":"GET","url":"http://a","header":{"Authorization":["secret"]}} {"method":"PUT"}"#;
        assert_eq!(shown(json_requests(json)), ["GET http://a"]);
        assert!(json_requests("{").is_empty());
    }
}
