//! The envelope of everything that Prometheus answers.
//!
//! Its members come in any order, and those that are not needed are skipped. What it carries is read by the
//! [`ResponseData`] that the caller asks for. This module does no I/O of its own.

use std::future::Future;

use super::json::{JsonReader, Kind, ReadError, Scalar};
use super::words::shortened;

const NO_TEXT: &str = "it is not a text";

/// Why an answer of Prometheus is no success.
#[derive(Debug, thiserror::Error)]
pub(in crate::connectors::prometheus) enum ResponseError {
    /// It cannot be read to its end.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is JSON, but not what Prometheus answers.
    #[error("the response is not one of Prometheus: {0}")]
    Envelope(String),
    /// Prometheus says that it failed.
    #[error("Prometheus failed with {error_type}: {error}")]
    Refused {
        /// A word, such as `bad_data`.
        error_type: String,
        error: String,
    },
    /// The data are not of the kind that was asked for.
    #[error("the response has no usable data: {0}")]
    Data(String),
}

/// What an answer carries as `data`: an object.
pub(in crate::connectors::prometheus) trait ResponseData: Sized + Send {
    /// Whether it is a list; else it is an object.
    const IS_LIST: bool = false;

    /// Reads the object that is due, to its end.
    ///
    /// # Errors
    /// [`ReadError::Misfit`] when the data are of another kind.
    fn read(reader: &mut JsonReader) -> impl Future<Output = Result<Self, ReadError>> + Send;
}

#[derive(Debug)]
pub(in crate::connectors::prometheus) struct Envelope<T> {
    status: Member,
    /// The data, or why they are not of the kind that was asked for; `None` when there is no object of data.
    data: Option<Result<T, String>>,
    error_type: Member,
    error: Member,
    /// Whether there is another member whose name begins with `error`.
    other_error: bool,
    notes: Notes,
}

/// What an answer says beside its data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::connectors::prometheus) struct Notes {
    /// Why the data may lack something or be wrong; at most [`MOST_NOTES`].
    pub(in crate::connectors::prometheus) warnings: Vec<String>,
    /// Advice on the query; at most [`MOST_NOTES`].
    pub(in crate::connectors::prometheus) infos: Vec<String>,
    /// Whether the server says that data are missing.
    pub(in crate::connectors::prometheus) is_partial: bool,
}

/// How many warnings of an answer are kept, and how many infos.
const MOST_NOTES: usize = 5;

/// A member of the envelope that must be text.
#[derive(Debug)]
enum Member {
    Absent,
    Invalid,
    Text(String),
}

impl Member {
    async fn read(reader: &mut JsonReader) -> Result<Self, ReadError> {
        if reader.kind().await? != Kind::Scalar {
            reader.skip().await?;
            return Ok(Self::Invalid);
        }
        Ok(scalar_text(reader.scalar(NO_TEXT).await?).map_or(Self::Invalid, Self::Text))
    }
}

impl<T: ResponseData> Envelope<T> {
    pub(super) async fn read(reader: &mut JsonReader) -> Result<Self, ResponseError> {
        let mut envelope = Self {
            status: Member::Absent,
            data: None,
            error_type: Member::Absent,
            error: Member::Absent,
            other_error: false,
            notes: Notes::default(),
        };
        let misfit = reader.object("it is not an object").await;
        if let Err(reason) = reader.recover(misfit, 0).await? {
            reader.end().await?;
            return Err(ResponseError::Envelope(reason));
        }
        loop {
            match reader.key().await? {
                None => break,
                Some("status") => envelope.status = Member::read(reader).await?,
                Some("data") => envelope.data = read_data(reader).await?,
                Some("errorType") => envelope.error_type = Member::read(reader).await?,
                Some("error") => envelope.error = Member::read(reader).await?,
                Some("warnings") => envelope.notes.warnings = read_notes(reader).await?,
                Some("infos") => envelope.notes.infos = read_notes(reader).await?,
                Some("isPartial") => envelope.notes.is_partial = read_switch(reader).await?,
                Some(key) => {
                    envelope.other_error |= key.starts_with("error");
                    reader.skip().await?;
                }
            }
        }
        reader.end().await?;
        Ok(envelope)
    }

    /// The data of an answer that says that it is a success.
    ///
    /// # Errors
    /// When it is not, or when the data are not of the kind that was asked for.
    pub(super) fn success(mut self) -> Result<(T, Notes), ResponseError> {
        let notes = std::mem::take(&mut self.notes);
        match self.parts()? {
            (Some(refusal), _) => Err(refusal),
            (None, data) => Ok((data.ok_or_else(no_data)?.map_err(ResponseError::Data)?, notes)),
        }
    }

    /// The data, also of an answer that says that it failed; `None` when they are not of the kind that was asked for.
    ///
    /// # Errors
    /// When there are no data at all.
    pub(in crate::connectors::prometheus) fn any_data(self) -> Result<Option<T>, ResponseError> {
        let (refusal, data) = self.parts()?;
        data.map(Result::ok).ok_or_else(|| refusal.unwrap_or_else(no_data))
    }

    /// What the answer says went wrong, and its data.
    #[expect(clippy::type_complexity, reason = "named nowhere else")]
    fn parts(self) -> Result<(Option<ResponseError>, Option<Result<T, String>>), ResponseError> {
        let said = match (self.error_type, self.error, self.other_error) {
            (Member::Absent, Member::Absent, false) => None,
            (Member::Text(error_type), Member::Text(error), _) => Some(ResponseError::Refused { error_type, error }),
            _ => return Err(ResponseError::Envelope("'errorType' and 'error' must both be texts".to_owned())),
        };
        match self.status {
            Member::Text(status) if status == "success" => Ok((None, self.data)),
            Member::Text(status) if status == "error" => {
                let silent = || ResponseError::Envelope("its status is 'error', without a reason".to_owned());
                Ok((Some(said.unwrap_or_else(silent)), self.data))
            }
            Member::Text(status) => Err(ResponseError::Envelope(format!("its status is {status:?}"))),
            Member::Absent | Member::Invalid => Err(ResponseError::Envelope("it has no 'status'".to_owned())),
        }
    }
}

fn no_data() -> ResponseError {
    ResponseError::Envelope("it has no 'data'".to_owned())
}

async fn read_data<T: ResponseData>(reader: &mut JsonReader) -> Result<Option<Result<T, String>>, ReadError> {
    if reader.kind().await? != if T::IS_LIST { Kind::Array } else { Kind::Object } {
        reader.skip().await?;
        return Ok(None);
    }
    let depth = reader.depth();
    let data = T::read(reader).await;
    reader.recover(data, depth).await.map(Some)
}

/// The texts of a list; whatever else there may be is left out.
async fn read_notes(reader: &mut JsonReader) -> Result<Vec<String>, ReadError> {
    let mut notes = Vec::new();
    if reader.kind().await? != Kind::Array {
        reader.skip().await?;
        return Ok(notes);
    }
    reader.array("a list").await?;
    while reader.element().await? {
        if reader.kind().await? != Kind::Scalar || notes.len() == MOST_NOTES {
            reader.skip().await?;
        } else if let Scalar::Text(text) = reader.scalar("a text").await? {
            notes.push(shortened(text));
        }
    }
    Ok(notes)
}

async fn read_switch(reader: &mut JsonReader) -> Result<bool, ReadError> {
    if reader.kind().await? != Kind::Scalar {
        reader.skip().await?;
        return Ok(false);
    }
    Ok(reader.scalar("true or false").await? == Scalar::Bool(true))
}

/// Numbers and booleans count as text.
pub(super) fn scalar_text(scalar: Scalar<'_>) -> Option<String> {
    match scalar {
        Scalar::Null => None,
        Scalar::Bool(true) => Some("True".to_owned()),
        Scalar::Bool(false) => Some("False".to_owned()),
        Scalar::Number(text) | Scalar::Text(text) => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::reader;
    use super::super::result::QueryResult;
    use super::*;

    async fn envelope(body: &str) -> Result<Envelope<QueryResult>, ResponseError> {
        Envelope::read(&mut reader(&[body.as_bytes()])).await
    }

    #[tokio::test]
    async fn an_answer_that_is_no_success_says_why() {
        let data = r#""data":{"resultType":"matrix","result":[]}"#;
        for (body, reason) in [
            (r#"{"status":"error","errorType":"bad_data","error":"no"}"#.to_owned(), "bad_data: no"),
            (r#"{"error":"no","data":{},"errorType":"bad_data","status":"error"}"#.to_owned(), "bad_data: no"),
            (r#"{"status":"error","data":{}}"#.to_owned(), "without a reason"),
            (r#"{"status":"error","errorType":"x","data":{}}"#.to_owned(), "'errorType' and 'error'"),
            (format!(r#"{{"status":"success","errors":["x"],{data}}}"#), "'errorType' and 'error'"),
            (format!(r#"{{"status":"success","error":null,"errorType":null,{data}}}"#), "'errorType' and 'error'"),
            (format!(r#"{{"status":"ok",{data}}}"#), "its status is \"ok\""),
            (format!("{{{data}}}"), "no 'status'"),
            (r#"{"status":"success"}"#.to_owned(), "no 'data'"),
            (r#"{"status":"success","data":"x"}"#.to_owned(), "no 'data'"),
            ("{}".to_owned(), "no 'status'"),
            ("[]".to_owned(), "not an object"),
            ("null".to_owned(), "not an object"),
            ("<html>".to_owned(), "not valid JSON"),
            (String::new(), "not valid JSON"),
        ] {
            let error = envelope(&body).await.and_then(Envelope::success).unwrap_err().to_string();
            assert!(error.contains(reason), "{body}: {error}");
        }
    }

    #[tokio::test]
    async fn a_success_may_carry_a_whole_error_and_anything_else() {
        let body = r#"{"warnings":[1,{"a":2}],"errorType":"x","error":5,"isPartial":true,"status":"success",
            "data":{"resultType":"vector","result":[]}}"#;
        let (data, notes) = envelope(body).await.unwrap().success().unwrap();
        assert_eq!(data, QueryResult::Vector(Vec::new()));
        assert_eq!(notes, Notes { warnings: Vec::new(), infos: Vec::new(), is_partial: true });
    }

    #[tokio::test]
    async fn warnings_and_infos_are_kept_up_to_a_bound() {
        let many = vec!["\"w\""; 100].join(",");
        let body = format!(
            r#"{{"status":"success","warnings":["store\n1 is down",7,[1],{many}],"infos":"none","isPartial":"x",
            "data":{{"resultType":"vector","result":[]}}}}"#
        );
        let (_, notes) = envelope(&body).await.unwrap().success().unwrap();
        assert_eq!((notes.warnings[0].as_str(), notes.warnings.len()), ("store 1 is down", MOST_NOTES));
        assert!(notes.infos.is_empty() && !notes.is_partial);
    }

    #[tokio::test]
    async fn any_data_are_read_whatever_the_status() {
        for (body, present) in [
            (r#"{"status":"error","errorType":"x","error":"y","data":{}}"#, Some(false)),
            (r#"{"status":"success","data":{}}"#, Some(false)),
            (r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#, Some(true)),
            (r#"{"status":"error","errorType":"x","error":"y"}"#, None),
            (r#"{"status":"success"}"#, None),
        ] {
            let data = envelope(body).await.unwrap().any_data();
            assert_eq!(data.ok().map(|data| data.is_some()), present, "{body}");
        }
    }
}
