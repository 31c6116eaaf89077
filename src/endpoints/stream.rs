//! What connectors publish, as a stream of events for each reader.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::StatusCode;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::sse::Event;
use super::{Body, Source};
use crate::exchange::{ChannelName, ContentType, Delivery, Exchange, Message, Selector};

/// How many readers there may be at a time. Fewer than connections, so that probes always find a place.
const MOST_READERS: usize = 16;

/// How many events of a servo are kept for a reader that is busy.
const KEPT_EVENTS: u16 = 64;

/// How many selectors a request may have.
const MOST_SELECTORS: usize = 16;

/// How often a reader is told that the stream is alive while there is nothing else to say.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a reader should wait before it connects again, in milliseconds, and a first sign of life.
const GREETING: &str = "retry: 1000\n: connected\n\n";

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(
        "channel={0:?} is not valid: use a name, a pattern such as metrics.*, or a regular expression between slashes"
    )]
    Selector(String),
    #[error("at most {MOST_SELECTORS} channel=SELECTOR can be given")]
    TooManySelectors,
    #[error("there are {MOST_READERS} readers already: try again later")]
    TooManyReaders,
}

impl Refused {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Selector(_) | Self::TooManySelectors => StatusCode::BAD_REQUEST,
            Self::TooManyReaders => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// How it goes with the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) readers: u64,
    pub(super) lost: u64,
}

/// The streams of a run.
pub(super) struct Streams {
    exchanges: Vec<(Arc<str>, Exchange)>,
    places: Arc<Semaphore>,
    lost: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Streams {
    pub(super) fn new(servos: &[Source], stop: CancellationToken) -> Self {
        let exchanges = servos.iter().map(|servo| (servo.name.as_str().into(), servo.exchange.clone()));
        let places = Arc::new(Semaphore::new(MOST_READERS));
        Self { exchanges: exchanges.collect(), places, lost: Arc::default(), stop }
    }

    pub(super) fn figures(&self) -> Figures {
        let readers = MOST_READERS.saturating_sub(self.places.available_permits());
        Figures { readers: u64::try_from(readers).unwrap_or(u64::MAX), lost: self.lost.load(Ordering::Relaxed) }
    }

    /// Begins a stream, as the query of a request wants it.
    pub(super) fn open(&self, query: &str) -> Result<Body, Refused> {
        let selector = selector(query)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refused::TooManyReaders)?;
        let deliveries = self.exchanges.iter().map(|(servo, exchange)| {
            let subscription = exchange.subscribe(selector.clone(), KEPT_EVENTS);
            let servo = Arc::clone(servo);
            stream::unfold(subscription, move |mut subscription| {
                let servo = Arc::clone(&servo);
                async move {
                    let delivery = subscription.recv().await?;
                    Some(((servo, delivery), subscription))
                }
            })
            .boxed()
        });
        let reader = Reader {
            deliveries: stream::select_all(deliveries),
            lost: Arc::clone(&self.lost),
            stop: self.stop.clone(),
            _place: place,
        };
        let greeting = stream::iter([GREETING.to_owned()]);
        let texts = greeting.chain(stream::unfold(reader, |mut reader| async move {
            let text = reader.next().await?;
            Some((text, reader))
        }));
        let frames = texts.map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(text))));
        Ok(StreamBody::new(frames).boxed_unsync())
    }
}

/// The channels of a query such as `channel=metrics.*&channel=loadgen.*`; all when none is named.
fn selector(query: &str) -> Result<Selector, Refused> {
    let named = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "channel");
    let selectors = named.map(|(_, text)| text.parse().map_err(|_| Refused::Selector(text.into_owned())));
    let mut selectors: Vec<Selector> = selectors.take(MOST_SELECTORS + 1).collect::<Result<_, _>>()?;
    if selectors.len() > MOST_SELECTORS {
        return Err(Refused::TooManySelectors);
    }
    if selectors.is_empty() {
        selectors.push("*".parse().map_err(|_| Refused::Selector("*".to_owned()))?);
    }
    Ok(Selector::Any(selectors))
}

struct Reader<Deliveries> {
    deliveries: Deliveries,
    lost: Arc<AtomicU64>,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl<Deliveries: Stream<Item = (Arc<str>, Delivery)> + Unpin> Reader<Deliveries> {
    /// What is sent next; `None` is the end.
    async fn next(&mut self) -> Option<String> {
        let delivery = tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            delivery = self.deliveries.next() => delivery,
            () = tokio::time::sleep(HEARTBEAT) => return Some(": alive\n\n".to_owned()),
        };
        Some(match delivery? {
            (servo, Delivery::Message(channel, message)) => Event::write(None, &data(&servo, &channel, &message)),
            (servo, Delivery::Lagged(lost)) => {
                self.lost.fetch_add(lost, Ordering::Relaxed);
                Event::write(Some("lost"), &json!({ "servo": &*servo, "lost": lost }).to_string())
            }
        })
    }
}

/// A message as it is sent: JSON in one line.
fn data(servo: &str, channel: &ChannelName, message: &Message) -> String {
    let text = || Value::String(String::from_utf8_lossy(message.content()).into_owned());
    let content = match message.content_type() {
        ContentType::Json => serde_json::from_slice(message.content()).unwrap_or_else(|_| text()),
        ContentType::Text | ContentType::Yaml => text(),
    };
    let data = json!({
        "servo": servo,
        "channel": channel.as_str(),
        "time": message.created_at().to_string(),
        "content_type": message.content_type().as_str(),
        "content": content,
    });
    data.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: ChannelName = ChannelName::from_static("metrics.alpha");
    const BETA: ChannelName = ChannelName::from_static("metrics.beta");

    fn streams(exchange: &Exchange) -> Streams {
        let source = Source { name: "web".to_owned(), exchange: exchange.clone(), optimizer: None, campaign: None };
        Streams::new(&[source], CancellationToken::new())
    }

    async fn next(body: &mut Body) -> Option<String> {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_gets_what_it_selected_a_sign_of_life_and_an_end() {
        let exchange = Exchange::default();
        let streams = streams(&exchange);
        let mut body = streams.open("channel=metrics.a*").unwrap();
        assert!(exchange.is_heard(&ALPHA) && !exchange.is_heard(&BETA));
        assert_eq!(next(&mut body).await.as_deref(), Some(GREETING));
        exchange.publish(&BETA, &Message::json(&json!(1)));
        exchange.publish(&ALPHA, &Message::json(&json!([["a", 2]])));
        exchange.publish(&ALPHA, &Message::new("two\nlines".as_bytes(), ContentType::Text));
        let first = next(&mut body).await.unwrap();
        assert!(first.starts_with(r#"data: {"servo":"web","channel":"metrics.alpha","time":""#), "{first}");
        assert!(first.ends_with("\"content_type\":\"application/json\",\"content\":[[\"a\",2]]}\n\n"), "{first}");
        let second = next(&mut body).await.unwrap();
        assert!(second.ends_with("\"content\":\"two\\nlines\"}\n\n"), "{second}");
        assert_eq!(next(&mut body).await.as_deref(), Some(": alive\n\n"));
        assert_eq!(streams.figures(), Figures { readers: 1, lost: 0 });
        streams.stop.cancel();
        assert_eq!(next(&mut body).await, None);
        drop(body);
        assert_eq!(streams.figures(), Figures { readers: 0, lost: 0 });
    }

    #[tokio::test]
    async fn a_slow_reader_loses_the_oldest_and_is_told() {
        let exchange = Exchange::default();
        let streams = streams(&exchange);
        let mut body = streams.open("").unwrap();
        for number in 0..100 {
            exchange.publish(&ALPHA, &Message::json(&json!(number)));
        }
        next(&mut body).await.unwrap();
        assert_eq!(next(&mut body).await.as_deref(), Some("event: lost\ndata: {\"servo\":\"web\",\"lost\":36}\n\n"));
        assert!(next(&mut body).await.unwrap().ends_with("\"content\":36}\n\n"));
        assert_eq!(streams.figures(), Figures { readers: 1, lost: 36 });
    }

    #[test]
    fn readers_and_selectors_have_limits() {
        let streams = streams(&Exchange::default());
        let readers: Vec<_> = (0..MOST_READERS).map(|_| streams.open("").unwrap()).collect();
        assert_eq!(streams.open("").unwrap_err().status(), 503);
        drop(readers);
        assert!(streams.open("").is_ok());
        for query in ["channel=%2F(%2F", "channel=/(a{1000}){1000}/", &"channel=a.b&".repeat(17)] {
            assert_eq!(streams.open(query).unwrap_err().status(), 400, "{query}");
        }
    }
}
