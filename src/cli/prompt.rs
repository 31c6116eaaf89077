//! Questions on the terminal. An end of input is a refusal.

use std::io;

use super::exit::CliError;
use super::output::Output;

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

fn yes_or_no(answer: &str) -> Option<bool> {
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// Reads a line of standard input on a thread of its own, as nothing but a line or the end of input stops that.
async fn read_line(output: &Output) -> Result<String, CliError> {
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
