//! Running processes of one group: their lines, their exit, their end.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid};
use tokio::io::AsyncWrite;
use tokio::process::{Child, ChildStdin};
use tokio::time::{sleep, timeout};

use super::command::Input;
use super::lines::Lines;
use super::{Command, Line, Pipeline, Source, SubprocessError};

/// A third of what Kubernetes gives a pod to stop.
const GRACE: Duration = Duration::from_secs(10);
/// After SIGKILL only a process that hangs in the kernel is still there; waiting for it helps nobody.
const KILLED: Duration = Duration::from_secs(2);
/// Time for output that is already in the pipes, when somebody outside the group holds them open.
const REST: Duration = Duration::from_millis(250);
/// Nothing tells when a group is empty, so it is asked this often.
const ASK_GROUP: Duration = Duration::from_millis(20);

/// How a process exited: its code, or minus the number of the signal that ended it. The default is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Status(i32);

impl Status {
    /// The code, or minus the number of the signal.
    pub(crate) fn code(self) -> i32 {
        self.0
    }

    pub(crate) fn is_success(self) -> bool {
        self.0 == 0
    }
}

impl From<ExitStatus> for Status {
    fn from(status: ExitStatus) -> Self {
        // A process that has exited has either; -1 is for systems that know a third way.
        Self(status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap_or(-1))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The running processes of a pipeline. Dropping it kills their group.
pub(crate) struct Process {
    /// Before `children`: the group must be killed before its leader can be reaped and its number given away.
    group: Group,
    children: Vec<Child>,
    streams: Streams,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("group", &self.group).finish_non_exhaustive()
    }
}

impl Process {
    /// Starts the programs of a pipeline.
    ///
    /// # Errors
    /// A program that cannot be started; those before it are killed.
    pub(crate) fn start(pipeline: &Pipeline) -> Result<Self, SubprocessError> {
        let mut process = Self { group: Group(None), children: Vec::new(), streams: Streams::default() };
        process.start_one(&pipeline.first, pipeline.first.input.stdio())?;
        let (bytes, kept) = match &pipeline.first.input {
            Input::Inherited => (Vec::new(), false),
            Input::Bytes(bytes) => (bytes.clone(), false),
            Input::Kept => (Vec::new(), true),
        };
        // There is no pipe where the input is inherited.
        process.streams.input = process.children[0].stdin.take().map(|pipe| Feed { pipe, bytes, written: 0, kept });
        for command in &pipeline.rest {
            let input = process.take_output().map_err(|source| not_started(command, source))?;
            process.start_one(command, input)?;
        }
        if let Some(output) = process.children.last_mut().and_then(|child| child.stdout.take()) {
            process.streams.outputs.push(Lines::new(Source::Stdout, output));
        }
        Ok(process)
    }

    fn start_one(&mut self, command: &Command, input: Stdio) -> Result<(), SubprocessError> {
        let mut child = tokio::process::Command::new(&command.program)
            .args(&command.arguments)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(self.group.0.map_or(0, Pid::as_raw_pid))
            .spawn()
            .map_err(|source| not_started(command, source))?;
        self.group.0 = self.group.0.or_else(|| child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        if let Some(errors) = child.stderr.take() {
            self.streams.outputs.push(Lines::new(Source::Stderr, errors));
        }
        self.children.push(child);
        Ok(())
    }

    /// The output of the last process so far, for the next one to read.
    fn take_output(&mut self) -> io::Result<Stdio> {
        let output = self.children.last_mut().and_then(|child| child.stdout.take());
        output.map_or_else(|| Ok(Stdio::null()), |output| output.into_owned_fd().map(Stdio::from))
    }

    /// The next line of output; `None` when all outputs are closed. Also feeds the input.
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped call loses nothing.
    pub(crate) async fn next_line(&mut self) -> Option<Line> {
        self.streams.next_line().await
    }

    /// As [`Self::next_line`], and `None` as soon as the first process has exited, although others hold the outputs
    /// open.
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped call loses nothing.
    pub(crate) async fn next_line_while_running(&mut self) -> Option<Line> {
        let Self { children, streams, .. } = self;
        tokio::select! {
            // Lines first: what was written before the exit is read.
            biased;
            line = streams.next_line() => line,
            _ = first_exit(children) => None,
        }
    }

    /// Adds to the input of a [conversation](Command::conversing). It is written while lines are read, and dropped
    /// when nobody reads it any more.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if let Some(feed) = &mut self.streams.input {
            feed.bytes.extend_from_slice(bytes);
        }
    }

    /// Closes the input of a conversation, written or not.
    pub(crate) fn close_input(&mut self) {
        self.streams.input = None;
    }

    /// How the first process exited, if it does so in this time. Hands over what is written meanwhile.
    pub(crate) async fn exit_within(&mut self, limit: Duration, mut on_line: impl FnMut(Line)) -> Option<Status> {
        let Self { children, streams, .. } = self;
        // Reads on, so that nobody is kept from exiting by a full pipe.
        let read = async {
            while let Some(line) = streams.next_line().await {
                on_line(line);
            }
            std::future::pending::<Option<Status>>().await
        };
        let exit = async {
            tokio::select! {
                status = first_exit(children) => status,
                never = read => never,
            }
        };
        timeout(limit, exit).await.ok().flatten()
    }

    /// Waits until all processes have exited and returns how, in the order of the pipeline. Lines that have not been
    /// taken are lost.
    ///
    /// # Errors
    /// When the operating system does not tell.
    ///
    /// # Cancel safety
    /// Cancel safe, but for the lines.
    pub(crate) async fn wait(&mut self) -> Result<Vec<Status>, SubprocessError> {
        while self.next_line().await.is_some() {}
        let statuses = reap(&mut self.children).await.map_err(SubprocessError::Wait)?;
        // Whatever the command left in the background is meant to be there.
        self.group.0 = None;
        Ok(statuses)
    }

    /// Ends the group: SIGTERM, up to 10 s of grace, SIGKILL. Returns when nothing of it is left. Hands over what is
    /// written meanwhile.
    pub(crate) async fn terminate(self, on_line: impl FnMut(Line)) {
        self.terminate_within(GRACE, on_line).await;
    }

    /// As [`Self::terminate`], with another time of grace.
    pub(crate) async fn terminate_within(mut self, grace: Duration, mut on_line: impl FnMut(Line)) {
        self.group.signal(Signal::TERM);
        if timeout(grace, self.gone(&mut on_line)).await.is_err() {
            self.group.signal(Signal::KILL);
            if timeout(KILLED, self.gone(&mut on_line)).await.is_err() {
                tracing::warn!("a killed process is still there");
            }
        }
        let rest = async {
            while let Some(line) = self.streams.next_line().await {
                on_line(line);
            }
        };
        if timeout(REST, rest).await.is_err() {
            tracing::debug!("somebody outside the process group holds the output of an ended command open");
        }
    }

    /// Waits until nothing of the group is left. Reads on, so that nobody is kept from exiting by a full pipe.
    async fn gone(&mut self, on_line: &mut impl FnMut(Line)) {
        let Self { group, children, streams } = self;
        let empty = async {
            if let Err(error) = reap(children).await {
                tracing::warn!(%error, "failed to wait for a process");
            }
            group.empty().await;
        };
        tokio::pin!(empty);
        let mut open = true;
        while open {
            tokio::select! {
                biased;
                () = &mut empty => return,
                line = streams.next_line() => match line {
                    Some(line) => on_line(line),
                    None => open = false,
                },
            }
        }
        empty.await;
    }
}

fn not_started(command: &Command, source: io::Error) -> SubprocessError {
    SubprocessError::Start { program: command.program.to_string_lossy().into_owned(), source }
}

/// Waits for all processes, for the leader of the group last: as long as it is not reaped, its number, which is that
/// of the group, belongs to nobody else.
async fn reap(children: &mut [Child]) -> io::Result<Vec<Status>> {
    let mut statuses = Vec::with_capacity(children.len());
    for child in children.iter_mut().rev() {
        statuses.push(child.wait().await?.into());
    }
    statuses.reverse();
    Ok(statuses)
}

/// How the first process exits.
async fn first_exit(children: &mut [Child]) -> Option<Status> {
    children.first_mut()?.wait().await.ok().map(Status::from)
}

/// A process group that is killed when dropped; `None` when there is nothing to kill.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, ?signal, "failed to signal a process group");
        }
    }

    /// Waits until no process of the group is alive. Only for a group whose leader has been reaped.
    async fn empty(&mut self) {
        while let Some(group) = self.0 {
            // As the first process of a container this one inherits orphans, and nobody else reaps them.
            while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
            if is_alive(group) {
                sleep(ASK_GROUP).await;
            } else {
                self.0 = None;
            }
        }
    }
}

/// Whether a process of the group is alive. One that has ended is not, however long its parent takes to notice.
fn is_alive(group: Pid) -> bool {
    // Reading `/proc` does not block; where there is none, the dead count until they are reaped.
    test_kill_process_group(group).is_ok()
        && std::fs::read_dir("/proc").map_or(true, |processes| {
            let stats =
                processes.flatten().filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
            stats.into_iter().any(|stat| is_living_member(&stat, group))
        })
}

/// Reads `number (name) state parent group ..`; the name may contain blanks and parentheses.
fn is_living_member(stat: &str, group: Pid) -> bool {
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let state = fields.next();
    state.is_some_and(|state| state != "Z" && state != "X")
        && fields.nth(1).and_then(|field| field.parse().ok()) == Some(group.as_raw_pid())
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Bytes on their way to the first process. Dropping it closes the pipe.
struct Feed {
    pipe: ChildStdin,
    bytes: Vec<u8>,
    written: usize,
    /// Whether the pipe stays open when everything is written.
    kept: bool,
}

/// The pipes of a process group.
#[derive(Default)]
struct Streams {
    input: Option<Feed>,
    outputs: Vec<Lines>,
}

impl Streams {
    async fn next_line(&mut self) -> Option<Line> {
        poll_fn(|cx| self.poll_next_line(cx)).await
    }

    fn poll_next_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Line>> {
        let mut open = self.poll_feed(cx).is_pending();
        for output in &mut self.outputs {
            match output.poll_next(cx) {
                Poll::Ready(Some(line)) => return Poll::Ready(Some(line)),
                Poll::Ready(None) => {}
                Poll::Pending => open = true,
            }
        }
        if open { Poll::Pending } else { Poll::Ready(None) }
    }

    /// Ready when everything is written, or nobody reads any more.
    fn poll_feed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(feed) = &mut self.input {
            if feed.kept && feed.written == feed.bytes.len() {
                feed.bytes.clear();
                feed.written = 0;
                return Poll::Ready(());
            }
            match Pin::new(&mut feed.pipe).poll_write(cx, &feed.bytes[feed.written..]) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(length)) if length > 0 => feed.written += length,
                // Everything is written, or nobody reads any more, which is the reader's business.
                Poll::Ready(_) => self.input = None,
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far longer than anything here takes, short enough to see a test fail.
    const BOUND: Duration = Duration::from_secs(5);

    async fn within_bound<T>(future: impl Future<Output = T>) -> T {
        timeout(BOUND, future).await.expect("takes less than the bound")
    }

    /// Starts a shell script whose first line says the number of its process group.
    async fn start(script: &str) -> (Process, Pid) {
        let command = Command::shell(format!("echo $$; {script}"));
        let mut process = Process::start(&command.into()).expect("a shell");
        let line = within_bound(process.next_line()).await.expect("a line");
        let group = line.text.parse().ok().and_then(Pid::from_raw).expect("a process number");
        (process, group)
    }

    async fn until_gone(group: Pid) {
        within_bound(Group(Some(group)).empty()).await;
    }

    #[test]
    fn the_dead_are_no_members_of_a_group() {
        let group = Pid::from_raw(77).expect("not 0");
        for (stat, expected) in [
            ("80 (sleep) S 1 77 77 0 -1", true),
            ("80 (a ) Z 1 (b) R 1 77 77 0 -1", true),
            ("80 (sleep) Z 1 77 77 0 -1", false),
            ("80 (sleep) S 77 78 77 0 -1", false),
            ("", false),
        ] {
            assert_eq!(is_living_member(stat, group), expected, "{stat}");
        }
    }

    #[tokio::test]
    async fn terminating_ends_the_whole_group() {
        let (process, group) = start("sleep 1000 & sleep 1000 | sleep 1000; echo unreached").await;
        let mut lines = Vec::new();
        within_bound(process.terminate(|line| lines.push(line.text))).await;
        assert!(!is_alive(group));
        assert_eq!(lines, [""; 0]);
    }

    #[tokio::test]
    async fn a_terminated_process_may_clean_up_and_say_so() {
        let (mut process, group) =
            start("trap 'echo cleaned up; exit' TERM; echo ready; while :; do sleep 0.1; done").await;
        assert_eq!(within_bound(process.next_line()).await.expect("a line").text, "ready");
        let mut lines = Vec::new();
        within_bound(process.terminate(|line| lines.push(line.text))).await;
        assert!(lines.contains(&"cleaned up".to_owned()), "{lines:?}");
        assert!(!is_alive(group));
    }

    #[tokio::test]
    async fn a_process_that_ignores_sigterm_is_killed_after_the_grace() {
        let (mut process, group) = start("trap '' TERM; echo ready; sleep 1000; sleep 1000").await;
        assert_eq!(within_bound(process.next_line()).await.expect("a line").text, "ready");
        within_bound(process.terminate_within(Duration::from_millis(50), |_| {})).await;
        assert!(!is_alive(group));
    }

    #[tokio::test]
    async fn a_grandchild_that_outlives_its_parent_is_killed_too() {
        let (mut process, group) = start("(trap '' TERM; echo ready; sleep 1000; sleep 1000) & exit").await;
        assert_eq!(within_bound(process.next_line()).await.expect("a line").text, "ready");
        within_bound(process.terminate_within(Duration::from_millis(50), |_| {})).await;
        assert!(!is_alive(group));
    }

    #[tokio::test]
    async fn outputs_held_open_from_outside_the_group_do_not_delay_termination() {
        let (mut process, group) = start("setsid sh -c 'echo $$; exec sleep 1000' & wait").await;
        let line = within_bound(process.next_line()).await.expect("a line");
        let outside = line.text.parse().ok().and_then(Pid::from_raw).expect("a process number");
        within_bound(process.terminate(|_| {})).await;
        assert!(!is_alive(group));
        assert!(is_alive(outside));
        kill_process_group(outside, Signal::KILL).expect("the process is ours");
        until_gone(outside).await;
    }

    #[tokio::test]
    async fn dropping_kills_the_group_and_reaps_its_leader() {
        let (process, group) = start("trap '' TERM; sleep 1000 & sleep 1000").await;
        drop(process);
        until_gone(group).await;
    }

    #[tokio::test]
    async fn background_work_of_a_command_that_exits_by_itself_is_left_alone() {
        let (mut process, group) = start("sleep 1000 >/dev/null 2>&1 &").await;
        assert_eq!(within_bound(process.wait()).await.expect("statuses"), [Status(0)]);
        drop(process);
        assert!(is_alive(group));
        kill_process_group(group, Signal::KILL).expect("the group is ours");
        until_gone(group).await;
    }

    #[tokio::test]
    async fn a_pipeline_is_one_group_in_which_each_reads_what_the_one_before_writes() {
        let sort = Command::new("sort").arguments(["-r"]);
        let counted = Command::shell("cat; ps -o pgid= -p $PPID,$$ | wc -l >&2; exit 4");
        let pipeline = Command::shell("echo a; echo b; echo warning >&2; exit 3").pipe(sort).pipe(counted);
        let mut process = Process::start(&pipeline).expect("programs");
        let mut lines = Vec::new();
        while let Some(line) = within_bound(process.next_line()).await {
            lines.push((line.source, line.text));
        }
        lines.retain(|(source, _)| *source == Source::Stdout);
        assert_eq!(lines, [(Source::Stdout, "b".to_owned()), (Source::Stdout, "a".to_owned())]);
        assert_eq!(within_bound(process.wait()).await.expect("statuses"), [Status(3), Status(0), Status(4)]);
    }

    #[tokio::test]
    async fn a_pipeline_whose_second_program_is_missing_leaves_nothing_behind() {
        let pipeline = Command::shell("sleep 1000").pipe(Command::new("no-such-program"));
        let error = Process::start(&pipeline).expect_err("the program is missing");
        assert_eq!(error.to_string(), "failed to start program \"no-such-program\"");
    }

    #[tokio::test]
    async fn more_input_than_a_pipe_holds_is_fed_while_output_is_read() {
        let input = "0123456789abcde\n".repeat(100_000);
        let mut process = Process::start(&Command::new("cat").input(input).into()).expect("cat");
        let mut lines = 0;
        while let Some(line) = within_bound(process.next_line()).await {
            assert_eq!(line.text, "0123456789abcde");
            lines += 1;
        }
        assert_eq!(lines, 100_000);
    }

    #[tokio::test]
    async fn input_that_nobody_reads_is_dropped() {
        let command = Command::new("true").input(vec![b'x'; 1_000_000]);
        let mut process = Process::start(&command.into()).expect("true");
        assert_eq!(within_bound(process.wait()).await.expect("statuses"), [Status(0)]);
    }
}
