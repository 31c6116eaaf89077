//! JSON as Python writes it: with `NaN`, `Infinity` and `-Infinity`, which the standard does not have.

use serde_json::Value as Json;

const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// Reads a body in which numbers that are not finite may stand bare; they are read as null. Returns how many there
/// were.
///
/// # Errors
/// It is not JSON otherwise.
pub(crate) fn parse(body: &[u8]) -> Result<(Json, usize), serde_json::Error> {
    serde_json::from_slice(body).map(|json| (json, 0)).or_else(|error| {
        let (replaced, count) = without_words(body);
        if count == 0 { Err(error) } else { serde_json::from_slice(&replaced).map(|json| (json, count)) }
    })
}

/// The same body with `null` for each of the words that is not inside a text.
fn without_words(body: &[u8]) -> (Vec<u8>, usize) {
    let (mut replaced, mut count) = (Vec::with_capacity(body.len()), 0);
    let (mut at, mut is_text) = (0, false);
    while at < body.len() {
        let rest = &body[at..];
        let word = WORDS.into_iter().find(|word| !is_text && rest.starts_with(word));
        let length = match (word, rest[0]) {
            (Some(word), _) => {
                replaced.extend_from_slice(b"null");
                count += 1;
                at += word.len();
                continue;
            }
            // An escaped character never ends a text.
            (None, b'\\') if is_text => 2.min(rest.len()),
            (None, b'"') => {
                is_text = !is_text;
                1
            }
            (None, _) => 1,
        };
        replaced.extend_from_slice(&rest[..length]);
        at += length;
    }
    (replaced, count)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bare_numbers_that_are_not_finite_are_null_and_texts_stay() {
        let body = br#"{"a": [NaN, -Infinity, Infinity, 1], "b\"NaN": "NaN \" -Infinity", "c": "\\", "d": NaN}"#;
        let expected = json!({"a": [null, null, null, 1], "b\"NaN": "NaN \" -Infinity", "c": "\\", "d": null});
        assert_eq!(parse(body).unwrap(), (expected, 4));
    }

    #[test]
    fn anything_else_that_is_not_json_is_an_error() {
        for body in ["", "{", "{\"a\": NaNs}", "nan", "{\"a\": \"NaN}", "\"\\"] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
