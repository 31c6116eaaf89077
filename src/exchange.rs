//! In-process channels: connectors publish what they see, and whoever is interested subscribes.
//!
//! Nothing here leaves the process, nothing runs in the background, and nobody waits for a subscriber: each has a
//! bounded queue, and one that is too slow loses the oldest messages and is told how many. Messages that nobody
//! subscribed to are gone.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use regex::{Regex, RegexBuilder};
use tokio::sync::broadcast;

/// The memory that a pattern may take, in bytes: selectors come from anybody.
const LARGEST_PATTERN: usize = 1 << 20;

/// The name of a channel: 2 to 253 letters, digits, `.`, `-` and `_`, a letter or digit at both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Cow<'static, str>);

/// A text that cannot name a channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid channel name {0:?}: use 2 to 253 letters, digits, '.', '-' and '_', with a letter or digit at both ends"
)]
pub struct InvalidChannelName(String);

impl ChannelName {
    /// A name that is known at compile time; for constants.
    ///
    /// # Panics
    /// When the name is not valid; in a constant that is an error of the compiler.
    pub const fn from_static(name: &'static str) -> Self {
        assert!(is_channel_name(name), "the name of the channel is not valid");
        Self(Cow::Borrowed(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChannelName {
    type Err = InvalidChannelName;

    /// Checks a name; blanks around it are dropped.
    fn from_str(text: &str) -> Result<Self, InvalidChannelName> {
        let name = text.trim();
        if is_channel_name(name) {
            Ok(Self(Cow::Owned(name.to_owned())))
        } else {
            Err(InvalidChannelName(name.to_owned()))
        }
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const fn is_channel_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.len() < 2 || bytes.len() > 253 {
        return false;
    }
    // Constant functions cannot use iterators.
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        let at_an_end = index == 0 || index == bytes.len() - 1;
        if !(byte.is_ascii_alphanumeric() || (!at_an_end && matches!(byte, b'.' | b'-' | b'_'))) {
            return false;
        }
        index += 1;
    }
    true
}

/// Selects channels by their whole names; letter case counts.
#[derive(Debug, Clone)]
pub enum Selector {
    Channel(ChannelName),
    /// Every channel whose whole name matches.
    Pattern(Regex),
    /// Every channel that one of these selects.
    Any(Vec<Self>),
}

impl Selector {
    /// Whether the channel is selected.
    pub fn matches(&self, channel: &ChannelName) -> bool {
        match self {
            Self::Channel(name) => name == channel,
            Self::Pattern(pattern) => pattern.is_match(channel.as_str()),
            Self::Any(selectors) => selectors.iter().any(|selector| selector.matches(channel)),
        }
    }
}

impl From<ChannelName> for Selector {
    fn from(channel: ChannelName) -> Self {
        Self::Channel(channel)
    }
}

impl FromStr for Selector {
    type Err = regex::Error;

    /// Reads a name, a pattern of `*`, `?`, `[abc]` and `[!abc]`, or a regular expression between slashes.
    fn from_str(text: &str) -> Result<Self, regex::Error> {
        if let Ok(channel) = text.parse() {
            return Ok(Self::Channel(channel));
        }
        let expression = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let pattern = expression.map_or_else(|| glob_to_regex(text), str::to_owned);
        RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(LARGEST_PATTERN).build().map(Self::Pattern)
    }
}

/// The regular expression of a glob pattern. A bracket that is never closed stands for itself.
fn glob_to_regex(glob: &str) -> String {
    let mut pattern = String::new();
    let mut rest = glob;
    while let Some(symbol) = rest.chars().next() {
        rest = &rest[symbol.len_utf8()..];
        match symbol {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            '[' if let Some(end) = end_of_set(rest) => {
                pattern.push_str(&set_to_regex(&rest[..end]));
                rest = &rest[end + 1..];
            }
            literal => pattern.push_str(&regex::escape(&String::from(literal))),
        }
    }
    pattern
}

/// Where the set that begins with `rest` is closed. A bracket in first place is a member.
fn end_of_set(rest: &str) -> Option<usize> {
    let members = rest.strip_prefix('!').unwrap_or(rest);
    let first = members.chars().next()?.len_utf8();
    let skipped = rest.len() - members.len() + first;
    rest[skipped..].find(']').map(|end| skipped + end)
}

/// The character class of a set such as `a-c_` or `!0-9`.
fn set_to_regex(set: &str) -> String {
    let (negation, members) = set.strip_prefix('!').map_or(("", set), |members| ("^", members));
    // A class must not be empty, as that of the set `z-a` would be; no name contains this character.
    let mut class = format!("[{negation}\\x00");
    let mut members: &[char] = &members.chars().collect::<Vec<_>>();
    while let [first, others @ ..] = members {
        let (last, others) = match others {
            ['-', last, others @ ..] => (last, others),
            others => (first, others),
        };
        if first <= last {
            class.push_str(&regex::escape(&String::from(*first)));
            class.push('-');
            class.push_str(&regex::escape(&String::from(*last)));
        }
        members = others;
    }
    class.push(']');
    class
}

/// What the bytes of a message are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    Text,
    Json,
    Yaml,
}

impl ContentType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Json => "application/json",
            Self::Yaml => "application/x-yaml",
        }
    }
}

/// What is published. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    content: Arc<[u8]>,
    content_type: ContentType,
    created_at: Timestamp,
}

impl Message {
    /// A message of these bytes, created now.
    pub fn new(content: impl Into<Arc<[u8]>>, content_type: ContentType) -> Self {
        Self { content: content.into(), content_type, created_at: Timestamp::now() }
    }

    /// A JSON value, created now.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::new(value.to_string().into_bytes(), ContentType::Json)
    }

    pub fn content(&self) -> &[u8] {
        &self.content
    }

    pub fn content_type(&self) -> ContentType {
        self.content_type
    }

    /// When the message was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A message, with the channel that it was published to.
    Message(ChannelName, Message),
    /// This many messages were lost, because the subscriber was too slow.
    Lagged(u64),
}

/// The channels of one servo. Clones are handles to the same channels.
#[derive(Debug, Clone, Default)]
pub struct Exchange(Arc<Mutex<Vec<Subscriber>>>);

#[derive(Debug)]
struct Subscriber {
    selector: Selector,
    queue: broadcast::Sender<(ChannelName, Message)>,
}

impl Exchange {
    /// Hands the message to every subscriber of the channel. Never waits.
    pub fn publish(&self, channel: &ChannelName, message: &Message) {
        self.subscribers().retain(|subscriber| {
            if subscriber.selector.matches(channel) {
                subscriber.queue.send((channel.clone(), message.clone())).is_ok()
            } else {
                subscriber.queue.receiver_count() > 0
            }
        });
    }

    /// Whether anybody would get a message of this channel, so that one who publishes can save the work.
    pub fn is_heard(&self, channel: &ChannelName) -> bool {
        let heard =
            |subscriber: &Subscriber| subscriber.queue.receiver_count() > 0 && subscriber.selector.matches(channel);
        self.subscribers().iter().any(heard)
    }

    /// Receives what is published from now on to the selected channels. At least `capacity` messages are kept for a
    /// subscriber that is busy; the memory for them is taken at once.
    pub fn subscribe(&self, selector: impl Into<Selector>, capacity: u16) -> Subscription {
        let (queue, messages) = broadcast::channel(usize::from(capacity.max(1)));
        self.subscribers().push(Subscriber { selector: selector.into(), queue });
        Subscription(messages)
    }

    fn subscribers(&self) -> MutexGuard<'_, Vec<Subscriber>> {
        // The list is whole at every moment, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving end of [`Exchange::subscribe`]; dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<(ChannelName, Message)>);

impl Subscription {
    /// The next message or loss, in the order of publication; `None` when the exchange is gone.
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped call loses no message.
    pub async fn recv(&mut self) -> Option<Delivery> {
        match self.0.recv().await {
            Ok((channel, message)) => Some(Delivery::Message(channel, message)),
            Err(broadcast::error::RecvError::Lagged(lost)) => Some(Delivery::Lagged(lost)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: ChannelName = ChannelName::from_static("metrics.alpha");
    const BETA: ChannelName = ChannelName::from_static("metrics.beta");

    fn text(content: &str) -> Message {
        Message::new(content.as_bytes(), ContentType::Text)
    }

    async fn contents(subscription: &mut Subscription) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(delivery) = subscription.recv().await {
            all.push(match delivery {
                Delivery::Message(channel, message) => {
                    format!("{channel}={}", String::from_utf8_lossy(message.content()))
                }
                Delivery::Lagged(lost) => format!("lost {lost}"),
            });
        }
        all
    }

    #[test]
    fn channel_names_have_2_to_253_plain_characters_between_letters_or_digits() {
        let longest = "x".repeat(253);
        for name in ["ab", "a1", "loadgen.vegeta", "a.-_b", longest.as_str()] {
            assert_eq!(name.parse::<ChannelName>().expect(name).as_str(), name);
        }
        let too_long = "x".repeat(254);
        for name in ["", "a", ".a", "a.", "-ab", "ab_", "a b", "a/b", "ä1", too_long.as_str()] {
            assert!(name.parse::<ChannelName>().is_err(), "{name}");
        }
        assert_eq!("  ab ".parse::<ChannelName>().expect("blanks are dropped").as_str(), "ab");
    }

    #[test]
    fn selectors_match_whole_names() {
        fn check(selector: &str, name: &str, expected: bool) {
            let channel = name.parse().expect(name);
            let parsed: Selector = selector.parse().expect(selector);
            assert_eq!(parsed.matches(&channel), expected, "{selector} on {name}");
        }
        check("metrics.alpha", "metrics.alpha", true);
        check("metrics.alpha", "metrics-alpha", false);
        check("metrics", "metrics.alpha", false);
        check("metrics.*", "metrics.alpha", true);
        check("*.alpha", "metrics.Alpha", false);
        check("metric?.alpha", "metrics.alpha", true);
        check("metric?.alpha", "metric.alpha", false);
        check("a[0-9]", "a7", true);
        check("a[!0-9]", "a7", false);
        check("a[!0-9]", "ab", true);
        check("a[z-a]", "az", false);
        check("a[]b]", "ab", true);
        check("a[b", "ab", false);
        check("a[.-]b", "a-b", true);
        check("/metrics\\.(alpha|beta)/", "metrics.beta", true);
        check("/metrics/", "metrics.beta", false);
        check("/a|b.*/", "bcd", true);
    }

    #[test]
    fn a_broken_expression_is_refused() {
        assert!("/(/".parse::<Selector>().is_err());
    }

    #[tokio::test]
    async fn subscribers_get_what_they_selected_in_order_until_the_exchange_is_gone() {
        let exchange = Exchange::default();
        exchange.publish(&ALPHA, &text("before anybody listened"));
        let mut all = exchange.subscribe("metrics.*".parse::<Selector>().expect("pattern"), 8);
        let mut beta = exchange.clone().subscribe(BETA, 8);
        exchange.publish(&ALPHA, &text("1"));
        exchange.publish(&BETA, &text("2"));
        drop(exchange);
        assert_eq!(contents(&mut all).await, ["metrics.alpha=1", "metrics.beta=2"]);
        assert_eq!(contents(&mut beta).await, ["metrics.beta=2"]);
    }

    #[tokio::test]
    async fn a_slow_subscriber_loses_the_oldest_and_is_told_how_many() {
        let exchange = Exchange::default();
        let mut slow = exchange.subscribe(ALPHA, 2);
        let mut quick = exchange.subscribe(ALPHA, 8);
        for number in 0..5 {
            exchange.publish(&ALPHA, &text(&number.to_string()));
        }
        drop(exchange);
        assert_eq!(contents(&mut slow).await, ["lost 3", "metrics.alpha=3", "metrics.alpha=4"]);
        assert_eq!(contents(&mut quick).await.len(), 5);
    }

    #[test]
    fn a_dropped_subscription_is_forgotten_at_the_next_message_of_any_channel() {
        let exchange = Exchange::default();
        drop(exchange.subscribe(ALPHA, 1));
        exchange.publish(&BETA, &text("1"));
        assert!(exchange.subscribers().is_empty());
    }

    #[test]
    fn a_channel_is_heard_while_somebody_who_selected_it_listens() {
        let exchange = Exchange::default();
        assert!(!exchange.is_heard(&ALPHA));
        let subscription = exchange.subscribe(Selector::Any(vec![ALPHA.into()]), 1);
        assert!(exchange.is_heard(&ALPHA) && !exchange.is_heard(&BETA));
        drop(subscription);
        assert!(!exchange.is_heard(&ALPHA));
    }

    #[test]
    fn json_messages_carry_the_rendered_value() {
        let message = Message::json(&serde_json::json!([["a", 1.5]]));
        assert_eq!(message.content(), br#"[["a",1.5]]"#);
        assert_eq!(message.content_type().as_str(), "application/json");
    }
}
