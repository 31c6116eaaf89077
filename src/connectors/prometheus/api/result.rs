//! The result of a query as compact series.
//!
//! Values go straight from the text into points of 16 bytes; what is not needed is skipped. What is no query result is
//! a misfit with a reason, never "no data".

use super::json::{JsonReader, Kind, ReadError, Scalar};
use super::response::{ResponseData, scalar_text};
use crate::types::{Point, UnixTime};

/// Times above this are not seconds but milliseconds or finer; it is the year 2603.
const LATEST_SECOND: f64 = 2e10;

const NO_PAIR: &str = "a sample is not a pair of time and value";

/// The result of a query.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::connectors::prometheus) enum QueryResult {
    Matrix(Vec<Series>),
    /// Values at one time, as series of one point.
    Vector(Vec<Series>),
    Scalar(Point),
    /// A text, which nothing can be measured by.
    Text,
}

/// The points of one set of labels, in the order of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::connectors::prometheus) struct Series {
    /// `{instance=…,job=…}`, with `None` for a label that is missing.
    pub(in crate::connectors::prometheus) id: String,
    /// All labels as `name=value`, sorted by name, joined by blanks.
    pub(in crate::connectors::prometheus) annotation: String,
    pub(in crate::connectors::prometheus) points: Vec<Point>,
}

impl Series {
    /// Whether any value is neither NaN nor infinite.
    pub(in crate::connectors::prometheus) fn has_number(&self) -> bool {
        self.points.iter().any(|point| point.value.is_finite())
    }
}

impl QueryResult {
    /// The result as series, a single value being one without labels; `None` for a text.
    pub(in crate::connectors::prometheus) fn into_series(self) -> Option<Vec<Series>> {
        match self {
            Self::Matrix(series) | Self::Vector(series) => Some(series),
            Self::Scalar(point) => {
                let (id, annotation) = label_texts(Vec::new());
                Some(vec![Series { id, annotation, points: vec![point] }])
            }
            Self::Text => None,
        }
    }
}

impl ResponseData for QueryResult {
    async fn read(reader: &mut JsonReader) -> Result<Self, ReadError> {
        reader.object("'data' is not an object").await?;
        let mut result_type = None;
        let mut result = None;
        loop {
            match reader.key().await? {
                None => break,
                Some("resultType") => result_type = scalar_text(reader.scalar("'resultType' is not a text").await?),
                Some("result") => result = Some(Shape::read(reader).await?),
                Some(_) => reader.skip().await?,
            }
        }
        let result = result.ok_or_else(|| ReadError::misfit("it has no 'result'"))?;
        let result_type = result_type.ok_or_else(|| ReadError::misfit("it has no 'resultType'"))?;
        match (result_type.as_str(), result) {
            ("matrix", Shape::Items(items)) => Item::into_series(items).map(Self::Matrix),
            ("vector", Shape::Items(items)) => Item::into_series(items).map(Self::Vector),
            ("scalar", Shape::Single(point)) => Ok(Self::Scalar(point)),
            ("string", Shape::Single(_) | Shape::SingleText) => Ok(Self::Text),
            ("matrix" | "vector" | "scalar" | "string", _) => {
                Err(ReadError::misfit(format!("'result' is not that of a {result_type}")))
            }
            _ => Err(ReadError::misfit(format!("unknown 'resultType' {result_type:?}"))),
        }
    }
}

/// The member `result` by its shape, which decides before `resultType` does.
enum Shape {
    Items(Vec<Item>),
    Single(Point),
    SingleText,
}

impl Shape {
    async fn read(reader: &mut JsonReader) -> Result<Self, ReadError> {
        reader.array("'result' is not a list").await?;
        let mut items = Vec::new();
        // Series of one query mostly have equally many points.
        let mut points = 0;
        while reader.element().await? {
            if items.is_empty() && reader.kind().await? == Kind::Scalar {
                return Self::read_single(reader).await;
            }
            let item = Item::read(reader, points).await?;
            points = item.values.as_ref().map_or(0, Vec::len);
            items.push(item);
        }
        Ok(Self::Items(items))
    }

    async fn read_single(reader: &mut JsonReader) -> Result<Self, ReadError> {
        let time = time(reader.scalar(NO_PAIR).await?)?;
        let value = if reader.element().await? {
            match reader.scalar(NO_PAIR).await? {
                Scalar::Text(text) => text.trim().parse().ok(),
                other => Some(value(other)?),
            }
        } else {
            return Err(ReadError::misfit(NO_PAIR));
        };
        if reader.element().await? {
            return Err(ReadError::misfit(NO_PAIR));
        }
        Ok(value.map_or(Self::SingleText, |value| Self::Single(Point::new(time, value))))
    }
}

/// One element of a matrix or vector.
struct Item {
    id: String,
    annotation: String,
    value: Option<Point>,
    values: Option<Vec<Point>>,
    problem: String,
}

impl Item {
    /// Reads an element that probably has as many points as said.
    async fn read(reader: &mut JsonReader, expected: usize) -> Result<Self, ReadError> {
        let mut labels = None;
        let (mut value, mut values) = (None, None);
        let mut problem = None;
        let mut histogram = false;
        reader.object("an element of 'result' is not an object").await?;
        let depth = reader.depth();
        loop {
            match reader.key().await? {
                None => break,
                Some("metric") => labels = Some(read_labels(reader).await?),
                Some("value") => {
                    let read = read_sample(reader).await;
                    value = reader.recover(read, depth).await?.map_err(|reason| problem = Some(reason)).ok();
                }
                Some("values") => {
                    let read = read_samples(reader, expected).await;
                    values = reader.recover(read, depth).await?.map_err(|reason| problem = Some(reason)).ok();
                }
                Some(key) => {
                    histogram |= matches!(key, "histogram" | "histograms");
                    reader.skip().await?;
                }
            }
        }
        let (id, annotation) = label_texts(labels.ok_or_else(|| ReadError::misfit("a series has no 'metric'"))?);
        let lacks = if histogram {
            "a series has only native histograms: use a function such as histogram_quantile"
        } else {
            "a series has neither 'value' nor 'values'"
        };
        Ok(Self { id, annotation, value, values, problem: problem.unwrap_or_else(|| lacks.to_owned()) })
    }

    /// All elements alike: each with its single value, or each with its list.
    fn into_series(mut items: Vec<Self>) -> Result<Vec<Series>, ReadError> {
        let singles = items.iter().all(|item| item.value.is_some());
        if !singles && let Some(broken) = items.iter_mut().find(|item| item.values.is_none()) {
            return Err(ReadError::Misfit(std::mem::take(&mut broken.problem)));
        }
        let series = items.into_iter().map(|Self { id, annotation, value, values, .. }| {
            let points = if singles { value.into_iter().collect() } else { values.unwrap_or_default() };
            Series { id, annotation, points }
        });
        Ok(series.collect())
    }
}

/// Labels in the order of the answer.
async fn read_labels(reader: &mut JsonReader) -> Result<Vec<(String, String)>, ReadError> {
    const NO_LABELS: &str = "'metric' is not an object of labels";
    reader.object(NO_LABELS).await?;
    let mut labels = Vec::new();
    while let Some(name) = reader.key().await? {
        let name = name.to_owned();
        let text = scalar_text(reader.scalar(NO_LABELS).await?).ok_or_else(|| ReadError::misfit(NO_LABELS))?;
        labels.push((name, text));
    }
    Ok(labels)
}

/// Id and annotation of a set of labels. The last of several of one name counts.
fn label_texts(mut labels: Vec<(String, String)>) -> (String, String) {
    labels.reverse();
    labels.sort_by(|(a, _), (b, _)| a.cmp(b));
    labels.dedup_by(|(later, _), (kept, _)| later == kept);
    let label = |name: &str| labels.iter().find(|(other, _)| other == name).map_or("None", |(_, text)| text);
    let id = format!("{{instance={},job={}}}", label("instance"), label("job"));
    let pairs: Vec<String> = labels.iter().map(|(name, text)| format!("{name}={text}")).collect();
    (id, pairs.join(" "))
}

async fn read_samples(reader: &mut JsonReader, expected: usize) -> Result<Vec<Point>, ReadError> {
    reader.array("'values' is not a list").await?;
    let mut points = Vec::with_capacity(expected);
    while reader.element().await? {
        if let Some((point, length)) = compact_sample(reader.arrived()) {
            reader.advance(length);
            points.push(point);
        } else {
            points.push(read_sample(reader).await?);
        }
    }
    points.shrink_to_fit();
    Ok(points)
}

async fn read_sample(reader: &mut JsonReader) -> Result<Point, ReadError> {
    reader.array(NO_PAIR).await?;
    if !reader.element().await? {
        return Err(ReadError::misfit(NO_PAIR));
    }
    let time = time(reader.scalar(NO_PAIR).await?)?;
    if !reader.element().await? {
        return Err(ReadError::misfit(NO_PAIR));
    }
    let value = value(reader.scalar(NO_PAIR).await?)?;
    if reader.element().await? {
        return Err(ReadError::misfit(NO_PAIR));
    }
    Ok(Point::new(time, value))
}

/// The sample that the text begins with, in the form that Prometheus writes, `[1595142421.024,"1.5"]`, and its length.
/// `None` for every other form, and for a sample whose end has not arrived.
fn compact_sample(text: &[u8]) -> Option<(Point, usize)> {
    let (time, rest) = compact_time(text.strip_prefix(b"[")?)?;
    let rest = rest.strip_prefix(b",\"")?;
    let (value, rest) = rest.split_at(rest.iter().position(|byte| *byte == b'"')?);
    let value = std::str::from_utf8(value).ok()?.parse().ok()?;
    let rest = rest.strip_prefix(b"\"]")?;
    Some((Point::new(time, value), text.len() - rest.len()))
}

/// Seconds with at most three decimals, and the text after them.
fn compact_time(text: &[u8]) -> Option<(UnixTime, &[u8])> {
    // Up to this second, and with no more decimals, the double that counts rounds to the decimal as written.
    const LATEST_EXACT: i64 = 1 << 33;
    const MOST_DECIMALS: usize = 3;
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = |text: &[u8]| text.iter().fold(0, |number, byte| number * 10 + i64::from(byte - b'0'));
    let (seconds, rest) = text.split_at(digits(text));
    if !(1..=10).contains(&seconds.len()) || number(seconds) > LATEST_EXACT {
        return None;
    }
    let mut micros = number(seconds) * 1_000_000;
    let Some(rest) = rest.strip_prefix(b".") else { return Some((UnixTime(micros), rest)) };
    let (decimals, rest) = rest.split_at(digits(rest));
    if decimals.is_empty() || decimals.len() > MOST_DECIMALS {
        return None;
    }
    micros += number(decimals) * [100_000, 10_000, 1_000][decimals.len() - 1];
    Some((UnixTime(micros), rest))
}

fn time(scalar: Scalar<'_>) -> Result<UnixTime, ReadError> {
    let mut seconds = number(scalar)
        .filter(|seconds| seconds.is_finite())
        .ok_or_else(|| ReadError::misfit("the time of a sample is not a number"))?;
    while seconds.abs() > LATEST_SECOND {
        seconds /= 1000.0;
    }
    Ok(UnixTime::from_seconds_f64(seconds))
}

fn value(scalar: Scalar<'_>) -> Result<f64, ReadError> {
    number(scalar).ok_or_else(|| ReadError::misfit("the value of a sample is not a number"))
}

/// A number, also in quotes; `NaN`, `+Inf` and the like in any letter case.
fn number(scalar: Scalar<'_>) -> Option<f64> {
    match scalar {
        Scalar::Number(text) | Scalar::Text(text) => text.trim().parse().ok(),
        Scalar::Null | Scalar::Bool(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::reader;
    use super::super::response::{Envelope, ResponseError};
    use super::*;

    async fn envelope(pieces: &[&[u8]]) -> Result<Envelope<QueryResult>, ResponseError> {
        Envelope::read(&mut reader(pieces)).await
    }

    async fn read(body: &str) -> Result<QueryResult, ResponseError> {
        Ok(envelope(&[body.as_bytes()]).await?.success()?.0)
    }

    fn success(data: &str) -> String {
        format!(r#"{{"status":"success","data":{data}}}"#)
    }

    fn matrix(values: &str) -> String {
        success(&format!(r#"{{"resultType":"matrix","result":[{{"metric":{{}},"values":{values}}}]}}"#))
    }

    #[tokio::test]
    async fn a_response_reads_the_same_however_it_is_split() {
        let body = r#"{"data":{"result":[{"values":[[1595142421.024,"3594504"],[1595142481.5, "NaN"],
            [1595142541,7]],"metric":{"job":"a\"b","instance":"é\u00e9"}},{"metric":{},"values":[[1,"-1e-7"]]}],
            "resultType":"matrix","stats":{"x":[1]}},"infos":[],"status":"success"}"#;
        let whole = envelope(&[body.as_bytes()]).await.unwrap().success().unwrap().0;
        let QueryResult::Matrix(series) = &whole else { panic!("{whole:?}") };
        assert_eq!(series[0].id, r#"{instance=éé,job=a"b}"#);
        assert_eq!(series[0].annotation, r#"instance=éé job=a"b"#);
        assert_eq!(series[0].points[0], Point::new(UnixTime(1_595_142_421_024_000), 3_594_504.0));
        assert_eq!(series[1].points, [Point::new(UnixTime(1_000_000), -1e-7)]);
        // NaN equals nothing, so the texts are compared.
        let text = format!("{whole:?}");
        for split in 0..=body.len() {
            let (first, second) = body.as_bytes().split_at(split);
            let result = envelope(&[first, second]).await.unwrap().success().unwrap().0;
            assert_eq!(format!("{result:?}"), text, "split at {split}");
        }
        for size in 1..8 {
            let chunks: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
            assert_eq!(
                format!("{:?}", envelope(&chunks).await.unwrap().success().unwrap().0),
                text,
                "chunks of {size}"
            );
        }
    }

    #[tokio::test]
    async fn times_are_seconds_and_finer_ones_are_scaled_down() {
        for (time, micros) in [
            ("0", 0),
            ("-1.5", -1_500_000),
            ("1595142421.0245678", 1_595_142_421_024_568),
            ("1595142421.0000005", 1_595_142_421_000_000),
            ("1.595142421024e9", 1_595_142_421_024_000),
            (r#""1595142421.024""#, 1_595_142_421_024_000),
            ("20000000000", 20_000_000_000_000_000),
            ("20000000001", 20_000_000_001_000),
            ("1595142421024000", 1_595_142_421_024_000),
            ("8589934592.999", 8_589_934_592_999_000),
        ] {
            let result = read(&matrix(&format!(r#"[[{time},"1"]]"#))).await.unwrap();
            let series = result.into_series().unwrap();
            assert_eq!(series[0].points[0].time, UnixTime(micros), "{time}");
        }
    }

    #[test]
    fn the_compact_form_of_a_time_is_that_of_its_double() {
        for text in ["0.1", "1595142421.024", "4294967295.999", "4294967296.001", "8589934591.999", "7777777777.7"] {
            let (time, rest) = compact_time(text.as_bytes()).unwrap();
            assert!(rest.is_empty());
            assert_eq!(time, UnixTime::from_seconds_f64(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn values_are_numbers_with_or_without_quotes() {
        for (value, expected) in [
            (r#""1.5""#, "1.5"),
            ("5", "5.0"),
            (r#""+Inf""#, "inf"),
            (r#""-infinity""#, "-inf"),
            (r#""nan""#, "NaN"),
            (r#""1e400""#, "inf"),
            (r#""-0""#, "-0.0"),
            (r#"" 5 ""#, "5.0"),
            (r#""9007199254740993""#, "9007199254740992.0"),
            (r#""\u0031""#, "1.0"),
        ] {
            let result = read(&matrix(&format!("[[1,{value}]]"))).await.unwrap();
            let series = result.into_series().unwrap();
            assert_eq!(format!("{:?}", series[0].points[0].value), expected, "{value}");
        }
    }

    #[tokio::test]
    async fn data_that_are_no_query_result_are_a_failure_with_a_reason() {
        for (data, reason) in [
            ("{}", "no 'result'"),
            (r#"{"activeTargets":[]}"#, "no 'result'"),
            (r#"{"result":[]}"#, "no 'resultType'"),
            (r#"{"resultType":"streams","result":[]}"#, "unknown 'resultType' \"streams\""),
            (r#"{"resultType":"matrix","result":null}"#, "'result' is not a list"),
            (r#"{"resultType":"matrix","result":[[]]}"#, "not an object"),
            (r#"{"resultType":"matrix","result":[1,"2"]}"#, "not that of a matrix"),
            (r#"{"resultType":"scalar","result":[]}"#, "not that of a scalar"),
            (r#"{"resultType":"scalar","result":[1,"x"]}"#, "not that of a scalar"),
            (r#"{"resultType":"scalar","result":[1]}"#, "pair"),
            (r#"{"resultType":"scalar","result":[1,"2",3]}"#, "pair"),
            (r#"{"resultType":"matrix","result":[{"values":[]}]}"#, "no 'metric'"),
            (r#"{"resultType":"matrix","result":[{"metric":null,"values":[]}]}"#, "labels"),
            (r#"{"resultType":"matrix","result":[{"metric":{"a":null},"values":[]}]}"#, "labels"),
            (r#"{"resultType":"matrix","result":[{"metric":{}}]}"#, "neither"),
            (r#"{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"1"}]}]}"#, "histogram"),
            (
                r#"{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]},{"metric":{},"values":[]}]}"#,
                "neither",
            ),
        ] {
            let error = read(&success(data)).await.unwrap_err();
            assert!(matches!(&error, ResponseError::Data(text) if text.contains(reason)), "{data}: {error}");
        }
        for values in [r#"[[1,"abc"]]"#, r#"[[1,""]]"#, "[[1,[1]]]", "[[1]]", "[[]]", r#"["ab"]"#, r#"[["x","1"]]"#] {
            let error = read(&matrix(values)).await.unwrap_err();
            assert!(matches!(error, ResponseError::Data(_)), "{values}: {error}");
        }
    }

    #[tokio::test]
    async fn the_shape_of_the_elements_decides_which_points_count() {
        let sample = r#"[1,"7"]"#;
        for (result, points) in [
            (format!(r#"[{{"metric":{{}},"value":{sample}}}]"#), 1),
            (format!(r#"[{{"metric":{{}},"value":{sample},"values":[{sample},{sample}]}}]"#), 1),
            (format!(r#"[{{"metric":{{}},"value":[1,{{"a":[2]}}],"values":[{sample},{sample}]}}]"#), 2),
            (format!(r#"[{{"metric":{{}},"histograms":[[1,{{}}]],"values":[{sample},{sample}]}}]"#), 2),
            (format!(r#"[{{"metric":{{}},"value":{sample},"values":[]}},{{"metric":{{}},"values":[{sample}]}}]"#), 0),
        ] {
            let body = success(&format!(r#"{{"resultType":"matrix","result":{result}}}"#));
            let series = read(&body).await.unwrap().into_series().unwrap();
            assert_eq!(series[0].points.len(), points, "{result}");
        }
    }

    #[tokio::test]
    async fn a_scalar_is_one_series_without_labels_and_a_text_is_none() {
        let scalar = read(&success(r#"{"resultType":"scalar","result":[1.5,"2"]}"#)).await.unwrap();
        let series = scalar.into_series().unwrap();
        assert_eq!((series[0].id.as_str(), series[0].annotation.as_str()), ("{instance=None,job=None}", ""));
        assert_eq!(series[0].points, [Point::new(UnixTime(1_500_000), 2.0)]);
        let text = read(&success(r#"{"resultType":"string","result":[1.5,"2"]}"#)).await.unwrap();
        assert_eq!(text.into_series(), None);
    }

    #[test]
    fn labels_are_sorted_and_the_last_of_one_name_counts() {
        let labels = [("z", "1"), ("job", "a"), ("M", "3"), ("job", "b"), ("_", "4"), ("é", "☃")];
        let labels = labels.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let (id, annotation) = label_texts(labels.to_vec());
        assert_eq!(id, "{instance=None,job=b}");
        assert_eq!(annotation, "M=3 _=4 job=b z=1 é=☃");
    }
}
