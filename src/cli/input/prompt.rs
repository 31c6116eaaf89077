//! Questions on the terminal. An end of input is a refusal.

use std::fmt::Write as _;
use std::io;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::exit::CliError;
use crate::cli::render::output::Output;

/// Asks a question that is answered with yes or no; an empty answer means no, any other is asked for again.
///
/// # Errors
/// [`CliError::Aborted`] at the end of input.
pub(crate) async fn confirm(output: &Output, question: &str) -> Result<bool, CliError> {
    loop {
        output.write(&format!("{question} [y/N]: "))?;
        match yes_or_no(&read_line(output).await?) {
            Some(answer) => return Ok(answer),
            None => output.line("answer y or n")?,
        }
    }
}

/// A question that is answered with a line of text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The question, without a space at its end.
    pub(crate) text: &'a str,
    /// What an empty answer means; without it the question is repeated.
    pub(crate) default: Option<&'a str>,
    /// What is said of the default.
    pub(crate) shown_default: Option<&'a str>,
    /// Whether a terminal must not show the answer.
    pub(crate) secret: bool,
}

/// Asks a question until it is answered; the answer has no white space around it.
///
/// # Errors
/// [`CliError::Aborted`] at the end of input.
pub(crate) async fn ask(output: &Output, question: Question<'_>) -> Result<String, CliError> {
    let mut text = question.text.to_owned();
    if let Some(default) = question.shown_default {
        // Writing to a string cannot fail.
        write!(text, " [{default}]").ok();
    }
    loop {
        output.write(&format!("{text}: "))?;
        let hidden = if question.secret { Hidden::begin() } else { None };
        let answer = read_line(output).await;
        if hidden.is_some() {
            // The end of the line was not shown either.
            output.line("")?;
        }
        drop(hidden);
        let answer = answer?;
        match (answer.trim(), question.default) {
            ("", None) => {}
            ("", Some(default)) => return Ok(default.to_owned()),
            (answer, _) => return Ok(answer.to_owned()),
        }
    }
}

/// A terminal that does not show what is typed, for as long as this value lives.
struct Hidden(Termios);

impl Hidden {
    /// `None` when standard input is no terminal.
    fn begin() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden).ok()?;
        Some(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone needs no care.
        tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}

fn yes_or_no(answer: &str) -> Option<bool> {
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// Reads a line of standard input on a thread of its own, as nothing but a line or the end of input stops that.
///
/// # Errors
/// [`CliError::Aborted`] at the end of input.
pub(crate) async fn read_line(output: &Output) -> Result<String, CliError> {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    match line.await.map_err(io::Error::other) {
        Ok(Ok(line)) if !line.is_empty() => Ok(line),
        Ok(Ok(_)) => {
            output.line("")?;
            Err(CliError::Aborted)
        }
        Ok(Err(error)) | Err(error) => Err(CliError::Failed(format!("failed to read standard input: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_consent() {
        for (answer, expected) in
            [("y\n", Some(true)), (" YES\r\n", Some(true)), ("\n", Some(false)), ("no\n", Some(false)), ("yep\n", None)]
        {
            assert_eq!(yes_or_no(answer), expected, "{answer:?}");
        }
    }
}
