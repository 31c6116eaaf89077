//! The AppDynamics connection file: address, tenant and token, written and rewritten by an agent beside this one.
//!
//! Reading, waiting for and watching the file is the optimizer client's business.

use super::path_part::check_path_part;
use crate::config::file::parse_documents;
use crate::decode::{Decoder, HttpUrl, NoVariables, Node, Problems, Secret};

/// What a connection file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionFile {
    /// The token of every request.
    pub authorization: Secret,
    /// The base address, without trailing slashes.
    pub endpoint: HttpUrl,
    pub tenant_id: String,
}

impl ConnectionFile {
    /// Parses the text of the file called `source`: a YAML or JSON mapping with `Authorization`, `Endpoint` and
    /// `TenantId`. Other keys are ignored.
    ///
    /// # Errors
    /// The syntax, or every key that is missing or has an invalid value.
    pub fn parse(text: &str, source: &str) -> Result<Self, Problems> {
        let documents = parse_documents(text, source)?.documents;
        Decoder::run(&NoVariables, |cx| match documents.as_slice() {
            [document] => Self::decode(document, cx),
            [_, second, ..] => {
                cx.invalid(second, "a connection file holds one document");
                None
            }
            [] => None,
        })
    }

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let mut fields = cx.fields(node)?;
        let authorization = fields.required("Authorization");
        let endpoint = fields.required::<HttpUrl>("Endpoint");
        let tenant_id = fields.required::<String>("TenantId");
        let endpoint = endpoint.and_then(|endpoint| {
            endpoint.without_trailing_slashes().map_err(|rule| fields.fail_at("Endpoint", rule)).ok()
        });
        if let Some(Err(rule)) = tenant_id.as_deref().map(check_path_part) {
            fields.fail_at("TenantId", rule);
        }
        fields.ignore_unknown();
        Some(Self { authorization: authorization?, endpoint: endpoint?, tenant_id: tenant_id? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_fails(text: &str, message: &str) {
        assert_eq!(ConnectionFile::parse(text, "c").expect_err("it is accepted").to_string(), message);
    }

    #[test]
    fn yaml_and_json_are_read_and_other_keys_ignored() {
        let expected = ConnectionFile {
            authorization: Secret::new("bearer-token"),
            endpoint: HttpUrl::parse("https://tenant.example").unwrap(),
            tenant_id: "5".to_owned(),
        };
        let yaml = "Authorization: bearer-token\nEndpoint: https://tenant.example/\nTenantId: 5\nExtra: [x]\n";
        let json = r#"{"Authorization": "bearer-token", "Endpoint": "https://tenant.example", "TenantId": "5"}"#;
        assert_eq!(ConnectionFile::parse(yaml, "c").unwrap(), expected);
        assert_eq!(ConnectionFile::parse(json, "c").unwrap(), expected);
    }

    #[test]
    fn every_missing_or_invalid_key_is_reported_without_the_token() {
        check_fails(
            "",
            "c:1:1: Authorization: field required\nc:1:1: Endpoint: field required\nc:1:1: TenantId: field required",
        );
        check_fails(
            "Authorization: [s3cr3t]\nEndpoint: nope\nTenantId: ..\n",
            "c:1:16: Authorization: text expected, not a list\n\
             c:2:11: Endpoint: invalid or missing URL scheme (got \"nope\")\n\
             c:3:11: TenantId: it becomes part of an address, and may not be '.' or '..'",
        );
        check_fails("a: 1\n---\nb: 1\n", "c:3:1: a connection file holds one document");
        check_fails("s3cr3t\n", "c:1:1: a document must be a mapping, found text");
    }
}
