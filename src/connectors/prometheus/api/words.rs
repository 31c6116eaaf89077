//! What a server says when it refuses, in its own words: that of Prometheus, of a cloud's gateway, of a proxy, or a page
//! that somebody should log in to. Pure.

use serde_json::Value as Json;

/// More says no more.
const MOST_CHARACTERS: usize = 300;

/// The words of a body, on one line, without markup and control characters; `None` if it has none.
pub(super) fn words(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let said = if is_markup(text) {
        page(text)
    } else {
        serde_json::from_str(text).ok().and_then(|json| of_json(&json)).unwrap_or_else(|| text.to_owned())
    };
    Some(shortened(&said)).filter(|said| !said.is_empty())
}

/// Whether a body is a page for people rather than an answer for programs.
pub(super) fn is_markup(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('<')
}

/// Prometheus: `errorType: error`. Gateways of clouds: `message`, at the top or below `error`.
fn of_json(json: &Json) -> Option<String> {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    if let (Some(kind), Some(error)) = (text(&json["errorType"]), text(&json["error"])) {
        return Some(format!("{kind}: {error}"));
    }
    let places =
        ["/error/message", "/message", "/Message", "/error_description", "/detail", "/error", "/errors/0/message"];
    places.iter().find_map(|place| json.pointer(place).and_then(text))
}

/// The title of a page, else its text.
fn page(text: &str) -> String {
    match element(text, "title").map(plain).filter(|title| !title.trim().is_empty()) {
        Some(title) => format!("a web page titled \"{}\"", title.trim()),
        None => plain(text),
    }
}

/// What stands between the tags of the first element of a name.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    // Letters of ASCII only change their case, so that places in both texts are the same.
    let lower = text.to_ascii_lowercase();
    let start = lower.find(&format!("<{name}"))?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find("</")?;
    text.get(start..end)
}

/// The text without tags, and without what stands in scripts and styles.
fn plain(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        kept.push_str(&rest[..at]);
        kept.push(' ');
        rest = &rest[at..];
        let lower = rest.to_ascii_lowercase();
        let closing = ["script", "style"].into_iter().find(|name| lower.starts_with(&format!("<{name}")));
        let end = match closing {
            Some(name) => lower.find(&format!("</{name}")).and_then(|at| Some(at + lower[at..].find('>')? + 1)),
            None => lower.find('>').map(|at| at + 1),
        };
        rest = end.map_or("", |end| &rest[end..]);
    }
    kept.push_str(rest);
    ["&lt;", "&gt;", "&quot;", "&#39;", "&nbsp;", "&amp;"]
        .iter()
        .zip(["<", ">", "\"", "'", " ", "&"])
        .fold(kept, |text, (escaped, character)| text.replace(escaped, character))
}

/// One line of a bounded length.
pub(super) fn shortened(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_quoted_in_its_own_words() {
        for (body, expected) in [
            (r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#, Some("bad_data: parse error")),
            (r#"{"message":"Missing Authentication Token"}"#, Some("Missing Authentication Token")),
            (r#"{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}"#, Some("denied")),
            (r#"{"error":"invalid_client","error_description":"no such client"}"#, Some("no such client")),
            (r#"{"a":1}"#, Some(r#"{"a":1}"#)),
            ("no org id\n", Some("no org id")),
            ("a\u{1b}[31mb\nc\u{0}d", Some("a [31mb c d")),
            (
                "<html><head><title>503 Service Unavailable</title></head><body>nginx</body></html>",
                Some("a web page titled \"503 Service Unavailable\""),
            ),
            ("\u{feff} <!DOCTYPE html><TITLE>Sign in &amp; go</TITLE>", Some("a web page titled \"Sign in & go\"")),
            ("<h1>Bad <b>gateway</b></h1><script>let a = 1 < 2;</script>", Some("Bad gateway")),
            ("<title>", None),
            ("<script>", None),
            (" ", None),
        ] {
            assert_eq!(words(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let said = words("é".repeat(1000).as_bytes()).unwrap();
        assert_eq!(said.chars().count(), MOST_CHARACTERS + 1);
        assert!(said.ends_with('…'));
    }
}
