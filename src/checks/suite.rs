//! The checks of one connector: an ordered list of questions, asked one after the other.
//!
//! ```ignore
//! let mut suite = CheckSuite::new();
//! suite.check("check_base_url", format!("Connect to \"{url}\""), Severity::Critical, async {
//!     client.targets().await?;
//!     Ok(None)
//! });
//! suite.multi("check_queries", Severity::Common, metrics.iter().map(|metric| {
//!     (format!("Run query \"{}\"", metric.query), async move {
//!         let found = client.query(&metric.query).await?;
//!         Ok(Some(format!("returned {} results", found.len())))
//!     })
//! }));
//! suite.run(cx, request).await
//! ```
//!
//! A suite is made for one run. It never retries, and knows neither other connectors nor remedies' effects.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;

use super::failure::{CheckFailure, CheckOutcome};
use crate::connector::{Check, CheckFilter, CheckRequest, Checkable, EventContext, EventError};
use crate::types::Severity;

/// An ordered list of checks. Those that are not selected are dropped without having begun.
///
/// All plain checks run before all items of multichecks, each kind in the order in which it was added.
#[derive(Default)]
pub(crate) struct CheckSuite<'a> {
    plain: Vec<Entry<'a>>,
    items: Vec<Entry<'a>>,
}

/// The check that was just added, or all items of the multicheck: for saying more about it.
pub(crate) struct Definition<'s, 'a> {
    entries: &'s mut [Entry<'a>],
}

struct Entry<'a> {
    check: Check,
    body: BoxFuture<'a, CheckOutcome>,
    on_cancel: OnCancel,
}

/// What happens to a running body when the event is cancelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnCancel {
    Drop,
    Await,
}

impl<'a> CheckSuite<'a> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a check. Its body is dropped at an await when the event is cancelled.
    pub(crate) fn check(
        &mut self,
        id: &str,
        name: impl Into<String>,
        severity: Severity,
        body: impl Future<Output = CheckOutcome> + Send + 'a,
    ) -> Definition<'_, 'a> {
        self.plain.push(Entry::new(id.to_owned(), name.into(), severity, body));
        let last = self.plain.len() - 1;
        Definition { entries: &mut self.plain[last..] }
    }

    /// Adds a check per item, each a name with a body; their ids are `<id>_item_<index>`.
    pub(crate) fn multi<N, B>(
        &mut self,
        id: &str,
        severity: Severity,
        items: impl IntoIterator<Item = (N, B)>,
    ) -> Definition<'_, 'a>
    where
        N: Into<String>,
        B: Future<Output = CheckOutcome> + Send + 'a,
    {
        let first = self.items.len();
        for (index, (name, body)) in items.into_iter().enumerate() {
            self.items.push(Entry::new(format!("{id}_item_{index}"), name.into(), severity, body));
        }
        Definition { entries: &mut self.items[first..] }
    }

    /// Runs the selected checks, and the critical ones before the last of them, until one halts; returns those that
    /// ran.
    ///
    /// # Errors
    /// The event was cancelled. A failing check is a result, not an error.
    pub(crate) async fn run(self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError> {
        let mut ran = Vec::new();
        for entry in self.selected(&request.filter) {
            let droppable = entry.on_cancel == OnCancel::Drop;
            let check = tokio::select! {
                biased;
                cancelled = cx.cancelled(), if droppable => return Err(cancelled),
                check = entry.run() => check,
            };
            if cx.cancellation().is_cancelled() {
                return Err(cx.cancelled().await);
            }
            let halts = request.halts_after(&check);
            ran.push(check);
            if halts {
                break;
            }
        }
        Ok(ran)
    }

    /// What is to be run, in order.
    fn selected(self, filter: &CheckFilter) -> Vec<Entry<'a>> {
        let entries: Vec<_> = self.plain.into_iter().chain(self.items).collect();
        let reached = filter.reached(&entries.iter().map(|entry| &entry.check).collect::<Vec<_>>());
        entries.into_iter().zip(reached).filter(|(_, reached)| *reached).map(|(entry, _)| entry).collect()
    }
}

impl Definition<'_, '_> {
    #[cfg(test)]
    pub(crate) fn description(&mut self, text: &str) -> &mut Self {
        self.each(|entry| entry.check.description = Some(text.to_owned()))
    }

    /// Words to select it by.
    #[cfg(test)]
    pub(crate) fn tags<const N: usize>(&mut self, tags: [&str; N]) -> &mut Self {
        self.each(|entry| entry.check.tags.extend(tags.map(str::to_owned)))
    }

    /// When the event is cancelled, waits for the body, which is to watch the [`EventContext`] itself: for bodies
    /// that have something to clean up.
    pub(crate) fn awaited_on_cancel(&mut self) -> &mut Self {
        self.each(|entry| entry.on_cancel = OnCancel::Await)
    }

    fn each(&mut self, change: impl Fn(&mut Entry<'_>)) -> &mut Self {
        self.entries.iter_mut().for_each(change);
        self
    }
}

impl<'a> Entry<'a> {
    fn new(id: String, name: String, severity: Severity, body: impl Future<Output = CheckOutcome> + Send + 'a) -> Self {
        Self { check: Check::new(id, name, severity), body: Box::pin(body), on_cancel: OnCancel::Drop }
    }

    async fn run(self) -> Check {
        let Self { mut check, body, .. } = self;
        check.run_at = Timestamp::now();
        let started = Instant::now();
        let outcome = body.await;
        check.runtime = started.elapsed();
        check.success = outcome.is_ok();
        match outcome {
            Ok(message) => check.message = message,
            Err(CheckFailure { message, hint, remedy }) => {
                check.message = Some(message);
                check.hint = hint;
                check.remedy = remedy;
            }
        }
        check
    }
}

/// Why a single check has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunOneError {
    /// There is none of this id.
    #[error("failed running check: no check found with id = '{0}'")]
    Unknown(String),
    /// A critical check before it failed.
    #[error(
        "failed running check: check id '{id}' was not run due to a prerequisite failure: check id '{}' failed: {:?}",
        .failed.id,
        .failed.message.as_deref().unwrap_or_default()
    )]
    Prerequisite {
        /// The check that was asked for.
        id: String,
        failed: Box<Check>,
    },
    /// The connector could not check.
    #[error(transparent)]
    Event(#[from] EventError),
}

/// Runs a single check of a connector with its prerequisites. The result may be a failing one.
///
/// # Errors
/// It does not exist, a prerequisite failed, or the connector could not check.
pub async fn run_one(connector: &dyn Checkable, cx: &EventContext, id: &str) -> Result<Check, RunOneError> {
    let request = CheckRequest { filter: CheckFilter::only_id(id), halt_on: Some(Severity::Critical) };
    match connector.check(cx, &request).await?.pop() {
        Some(check) if check.id == id => Ok(check),
        Some(failed) => Err(RunOneError::Prerequisite { id: id.to_owned(), failed: Box::new(failed) }),
        None => Err(RunOneError::Unknown(id.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::connector::{ConnectorName, ErrorKind, Event, EventContextText, Phase, ProgressSender};

    fn context(cancellation: CancellationToken) -> EventContext {
        EventContext::new(
            ConnectorName::new("tested"),
            EventContextText(Phase::On, Event::Check),
            Arc::default(),
            ProgressSender::default(),
            cancellation,
        )
    }

    /// Critical `a`, multicheck `m` over two items, failing warning `w`, failing common `c`, critical `r2`, common
    /// `explicit`.
    fn sample() -> CheckSuite<'static> {
        let mut suite = CheckSuite::new();
        suite.check("a", "first", Severity::Critical, async { Ok(None) });
        suite.multi("m", Severity::Common, ["x", "y"].map(|item| (format!("multi {item}"), async { Ok(None) })));
        suite.check("w", "warning", Severity::Warning, async { Err(CheckFailure::new("hm")) }).tags(["odd"]);
        suite.check("c", "common", Severity::Common, async { Err(CheckFailure::new("no")) });
        suite.check("r2", "second", Severity::Critical, async { Ok(None) });
        suite.check("explicit", "third", Severity::Common, async { Ok(None) });
        suite
    }

    fn ids(checks: &[Check]) -> String {
        checks.iter().map(|check| check.id.as_str()).collect::<Vec<_>>().join(" ")
    }

    async fn ran(suite: CheckSuite<'_>, request: &CheckRequest) -> String {
        ids(&suite.run(&context(CancellationToken::new()), request).await.unwrap())
    }

    #[tokio::test]
    async fn plain_checks_run_before_items_of_multichecks_until_one_halts() {
        for (halt_on, expected) in [
            (Some(Severity::Critical), "a w c r2 explicit m_item_0 m_item_1"),
            (Some(Severity::Common), "a w c"),
            (Some(Severity::Warning), "a w"),
            (None, "a w c r2 explicit m_item_0 m_item_1"),
        ] {
            let request = CheckRequest { halt_on, ..CheckRequest::default() };
            assert_eq!(ran(sample(), &request).await, expected, "{halt_on:?}");
        }
    }

    #[tokio::test]
    async fn critical_checks_before_the_last_selected_one_run_too() {
        let parse = |names: &[&str], ids: &[&str], tags: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
            CheckFilter::parse(&texts(names), &texts(ids), &texts(tags)).unwrap()
        };
        for (filter, expected, exclusive) in [
            (parse(&[], &["explicit"], &[]), "a r2 explicit", "explicit"),
            (parse(&[], &[], &["odd"]), "a w", "w"),
            (parse(&["/^multi y/"], &[], &[]), "a r2 m_item_1", "m_item_1"),
            (parse(&[], &["c", "explicit"], &[]), "a c r2 explicit", "c explicit"),
            (parse(&[], &["none"], &[]), "", ""),
        ] {
            let mut request = CheckRequest { filter, halt_on: Some(Severity::Critical) };
            assert_eq!(ran(sample(), &request).await, expected, "{:?}", request.filter);
            request.filter.exclusive = true;
            assert_eq!(ran(sample(), &request).await, exclusive, "exclusive {:?}", request.filter);
        }
    }

    #[tokio::test]
    async fn a_failing_critical_check_halts_unless_told_never_to() {
        for (halt_on, expected) in [(Some(Severity::Critical), "one"), (None, "one two")] {
            let mut suite = CheckSuite::new();
            suite.check("one", "1", Severity::Critical, async { Err(CheckFailure::new("no")) });
            suite.check("two", "2", Severity::Common, async { Ok(None) });
            let request = CheckRequest { halt_on, ..CheckRequest::default() };
            assert_eq!(ran(suite, &request).await, expected);
        }
    }

    #[tokio::test]
    async fn items_borrow_and_fail_with_any_error() {
        let texts = ["1".to_owned(), "one".to_owned()];
        let mut suite = CheckSuite::new();
        let items = texts.iter().map(|text| {
            (format!("Read \"{text}\""), async move {
                let number: u8 = text.parse()?;
                Ok(Some(format!("read {number}")))
            })
        });
        suite.multi("check_reading", Severity::Common, items).tags(["text"]);
        let checks = suite.run(&context(CancellationToken::new()), &CheckRequest::default()).await.unwrap();
        let found: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.message.as_deref())).collect();
        assert_eq!(found, [("Read \"1\"", Some("read 1")), ("Read \"one\"", Some("invalid digit found in string")),]);
        assert!(checks.iter().all(|check| check.tags.contains("text")));
    }

    struct Nothing;

    #[async_trait]
    impl crate::checks::Remedy for Nothing {
        async fn apply(&self) -> Result<(), String> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_has_what_the_body_found_and_how_long_it_took() {
        let mut suite = CheckSuite::new();
        suite.check("good", "good", Severity::Common, async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok(Some("found 2".to_owned()))
        });
        suite
            .check("bad", "bad", Severity::Common, async {
                Err(CheckFailure::new("no").with_hint("do this").with_remedy(Nothing))
            })
            .description("what it is about");
        let checks = suite.run(&context(CancellationToken::new()), &CheckRequest::default()).await.unwrap();
        let [good, bad] = &checks[..] else { panic!("{checks:?}") };
        assert!(good.success);
        assert_eq!((good.message.as_deref(), good.runtime), (Some("found 2"), Duration::from_secs(3)));
        assert!(!bad.success && bad.remedy.is_some());
        assert_eq!((bad.message.as_deref(), bad.hint.as_deref()), (Some("no"), Some("do this")));
        assert_eq!(bad.description.as_deref(), Some("what it is about"));
    }

    #[tokio::test]
    async fn bodies_that_are_not_selected_never_begin() {
        let begun = AtomicUsize::new(0);
        let mut suite = CheckSuite::new();
        for id in ["one", "two", "three"] {
            suite.check(id, id, Severity::Common, async {
                begun.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            });
        }
        let request = CheckRequest { filter: CheckFilter::only_id("two"), halt_on: None };
        assert_eq!(ran(suite, &request).await, "two");
        assert_eq!(begun.into_inner(), 1);
    }

    #[tokio::test]
    async fn cancellation_drops_a_running_body() {
        let cancellation = CancellationToken::new();
        let mut suite = CheckSuite::new();
        suite.check("stuck", "stuck", Severity::Common, async {
            cancellation.cancel();
            std::future::pending().await
        });
        let error = suite.run(&context(cancellation.clone()), &CheckRequest::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }

    #[tokio::test]
    async fn cancellation_awaits_a_body_that_cleans_up() {
        let cancellation = CancellationToken::new();
        let cleaned = AtomicUsize::new(0);
        let cx = context(cancellation.clone());
        let mut suite = CheckSuite::new();
        suite
            .check("careful", "careful", Severity::Common, async {
                cancellation.cancel();
                let cancelled = cx.cancelled().await;
                tokio::task::yield_now().await;
                cleaned.fetch_add(1, Ordering::Relaxed);
                Err(cancelled)?
            })
            .awaited_on_cancel();
        suite.check("next", "next", Severity::Common, async { Ok(None) });
        assert_eq!(suite.run(&cx, &CheckRequest::default()).await.unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(cleaned.load(Ordering::Relaxed), 1);
    }

    /// Critical `base`, which succeeds or not, then common `leaf`, which fails.
    struct Tree(bool);

    #[async_trait]
    impl Checkable for Tree {
        async fn check(&self, cx: &EventContext, request: &CheckRequest) -> Result<Vec<Check>, EventError> {
            let mut suite = CheckSuite::new();
            suite.check("base", "base", Severity::Critical, async {
                if self.0 { Ok(None) } else { Err(CheckFailure::new("no base")) }
            });
            suite.check("leaf", "leaf", Severity::Common, async { Err(CheckFailure::new("no leaf")) });
            suite.run(cx, request).await
        }
    }

    #[tokio::test]
    async fn a_single_check_needs_its_prerequisites() {
        let cx = context(CancellationToken::new());
        assert_eq!(run_one(&Tree(true), &cx, "leaf").await.unwrap().message.as_deref(), Some("no leaf"));
        assert_eq!(
            run_one(&Tree(false), &cx, "leaf").await.unwrap_err().to_string(),
            "failed running check: check id 'leaf' was not run due to a prerequisite failure: check id 'base' failed: \
             \"no base\""
        );
        assert!(!run_one(&Tree(false), &cx, "base").await.unwrap().success);
        assert_eq!(
            run_one(&Tree(true), &cx, "root").await.unwrap_err().to_string(),
            "failed running check: no check found with id = 'root'"
        );
    }
}
