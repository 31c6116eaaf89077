//! The options that every command takes, before its name or after it, and the variables that stand for them.
//!
//! They are added to every command one by one: a letter that a command uses itself, such as the `-c` of
//! `servo measure`, means after the command what it means there, and the option keeps its long name.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::cli::exit::CliError;
use crate::config::variables as names;
use crate::decode::Variables;
use crate::logging::{LogFormat, LogLevel};

/// The file that is read when none is named.
const DEFAULT_CONFIG_FILE: &str = "servo.yaml";

// Ids that no argument of a command has.
const CONFIG_FILE: &str = "global-config-file";
const NAME: &str = "global-name";
const LIMIT: &str = "global-limit";
const LOG_LEVEL: &str = "global-log-level";
const LOG_FORMAT: &str = "global-log-format";
const NO_COLOR: &str = "global-no-color";
const HELP: &str = "global-help";

/// What the options say, after flags, variables and defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Globals {
    pub(crate) config_file: PathBuf,
    /// The servo to act on; all when there is none.
    pub(crate) name: Option<String>,
    /// The lowest level that is logged.
    pub(crate) log_level: LogLevel,
    /// How the log is written.
    pub(crate) log_format: LogFormat,
    /// Whether to colour what goes to a terminal.
    pub(crate) colour: bool,
}

impl Globals {
    /// A flag counts before a variable, a variable before the default, and of two flags the one behind the command.
    pub(crate) fn resolve(matches: &ArgMatches, variables: &dyn Variables) -> Result<Self, CliError> {
        let config_file = last::<PathBuf>(matches, CONFIG_FILE)
            .or_else(|| set(variables, names::SERVO_CONFIG_FILE).map(PathBuf::from))
            .unwrap_or_else(|| DEFAULT_CONFIG_FILE.into());
        let name = last::<String>(matches, NAME).or_else(|| set(variables, names::SERVO_NAME).map(str::to_owned));
        let log_level = or_variable(last(matches, LOG_LEVEL), variables, names::SERVO_LOG_LEVEL, parse_level)?;
        let log_format = or_variable(last(matches, LOG_FORMAT), variables, names::SERVO_LOG_FORMAT, parse_format)?;
        let colour = !flag(matches, NO_COLOR) && colour_allowed(variables)?;
        Ok(Self {
            config_file,
            name,
            log_level: log_level.unwrap_or_default(),
            log_format: log_format.unwrap_or_default(),
            colour,
        })
    }
}

/// The command and all its sub-commands with the options that every command takes.
pub(crate) fn add_to(command: Command) -> Command {
    add(command.disable_help_flag(true))
}

/// Whether `SERVO_NO_COLOR` and `NO_COLOR` allow colours; the first of them that is set decides. A terminal that calls
/// itself dumb gets none.
pub(crate) fn colour_allowed(variables: &dyn Variables) -> Result<bool, CliError> {
    match boolean(variables, names::SERVO_NO_COLOR)? {
        Some(no_color) => Ok(!no_color),
        None => Ok(set(variables, names::NO_COLOR).is_none() && set(variables, "TERM") != Some("dumb")),
    }
}

/// The value of a variable that is a yes or a no; an empty one counts as unset.
pub(crate) fn boolean(variables: &dyn Variables, name: &str) -> Result<Option<bool>, CliError> {
    or_variable(None, variables, name, |word| match word.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Ok(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Ok(false),
        _ => Err(format!("{word:?} is neither yes nor no: use true or false")),
    })
}

/// A variable that is set to something.
fn set<'v>(variables: &'v dyn Variables, name: &str) -> Option<&'v str> {
    variables.get(name).filter(|text| !text.is_empty())
}

fn or_variable<T>(
    flag: Option<T>,
    variables: &dyn Variables,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, CliError> {
    match (flag, set(variables, name)) {
        (Some(value), _) => Ok(Some(value)),
        (None, None) => Ok(None),
        (None, Some(text)) => {
            parse(text).map(Some).map_err(|problem| CliError::Usage(format!("environment variable {name}: {problem}")))
        }
    }
}

fn parse_level(text: &str) -> Result<LogLevel, String> {
    text.parse().map_err(|error: crate::logging::UnknownLogLevel| error.to_string())
}

fn parse_format(text: &str) -> Result<LogFormat, String> {
    match text.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("unknown log format {text:?}: use text or json")),
    }
}

/// The value that was given last on the line: after the innermost command, else further out.
pub(crate) fn last<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, id: &str) -> Option<T> {
    let inner = matches.subcommand().and_then(|(_, matches)| last(matches, id));
    inner.or_else(|| matches.try_get_one(id).ok().flatten().cloned())
}

fn flag(matches: &ArgMatches, id: &str) -> bool {
    matches.try_get_one(id).ok().flatten() == Some(&true)
        || matches.subcommand().is_some_and(|(_, matches)| flag(matches, id))
}

fn add(command: Command) -> Command {
    let letters: Vec<char> = command.get_arguments().flat_map(|arg| arg.get_short().into_iter()).collect();
    let words: Vec<String> = command.get_arguments().filter_map(Arg::get_long).map(str::to_owned).collect();
    let free = options().into_iter().filter(|option| !words.iter().any(|word| option.get_long() == Some(word)));
    let options: Vec<Arg> = free
        .map(|option| {
            let letter = option.get_short().filter(|letter| !letters.contains(letter));
            option.short(letter)
        })
        .collect();
    command.args(options).mut_subcommands(add)
}

fn options() -> Vec<Arg> {
    let options = vec![
        Arg::new(CONFIG_FILE)
            .short('c')
            .long("config-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Read the configuration from this file [env: SERVO_CONFIG_FILE] [default: servo.yaml]"),
        Arg::new(NAME)
            .short('n')
            .long("name")
            .value_name("TEXT")
            .help("Act on the servo of this name only [env: SERVO_NAME]"),
        // Existing scripts may pass it; it has never had an effect.
        Arg::new(LIMIT).long("limit").value_name("INTEGER").value_parser(value_parser!(i64)).hide(true),
        Arg::new(LOG_LEVEL).short('l').long("log-level").value_name("LEVEL").value_parser(parse_level).help(
            "Log what is at least this important: TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR or CRITICAL \
                 [env: SERVO_LOG_LEVEL] [default: INFO]",
        ),
        Arg::new(LOG_FORMAT)
            .long("log-format")
            .value_name("FORMAT")
            .value_parser(parse_format)
            .help("Write the log for people (text) or for machines (json) [env: SERVO_LOG_FORMAT] [default: text]"),
        Arg::new(NO_COLOR)
            .long("no-color")
            .action(ArgAction::SetTrue)
            .help("Do not colour anything [env: SERVO_NO_COLOR, NO_COLOR]"),
        Arg::new(HELP).short('h').long("help").action(ArgAction::Help).help("Print help"),
    ];
    options.into_iter().map(|option| option.help_heading("Global options")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    struct Environment(HashMap<&'static str, &'static str>);

    impl Variables for Environment {
        fn get(&self, name: &str) -> Option<&str> {
            self.0.get(name).copied()
        }
    }

    fn command() -> Command {
        let measure = Command::new("measure")
            .arg(Arg::new("connectors").short('c').long("connectors"))
            .arg(Arg::new("help-me").short('h').long("help-me").action(ArgAction::SetTrue));
        let events = Command::new("events").arg(Arg::new("name").short('n').long("name"));
        add_to(Command::new("servo").subcommand(measure).subcommand(Command::new("show").subcommand(events)))
    }

    fn resolve(line: &str, variables: &[(&'static str, &'static str)]) -> Result<Globals, String> {
        let matches = command().try_get_matches_from(line.split(' ')).map_err(|error| error.to_string())?;
        let environment = Environment(variables.iter().copied().collect());
        Globals::resolve(&matches, &environment).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check<T: PartialEq + std::fmt::Debug>(
        line: &str,
        variables: &[(&'static str, &'static str)],
        part: impl Fn(Globals) -> T,
        expected: T,
    ) {
        assert_eq!(resolve(line, variables).map(part), Ok(expected), "{line} {variables:?}");
    }

    #[test]
    fn no_letter_or_word_means_two_things_in_one_command() {
        command().debug_assert();
    }

    #[test]
    fn options_are_valid_before_and_after_the_command() {
        let file = |globals: Globals| globals.config_file.display().to_string();
        check("servo -c a.yaml show events", &[], file, "a.yaml".to_owned());
        check("servo show -c a.yaml events", &[], file, "a.yaml".to_owned());
        check("servo show events -c a.yaml", &[], file, "a.yaml".to_owned());
        check("servo -c a.yaml show events -c b.yaml", &[], file, "b.yaml".to_owned());
        check("servo show --no-color events", &[], |globals| globals.colour, false);
    }

    #[test]
    fn a_letter_of_a_command_keeps_its_meaning_after_it() {
        let file = |globals: Globals| globals.config_file.display().to_string();
        check("servo -c a.yaml measure -c wait", &[], file, "a.yaml".to_owned());
        check("servo measure -c wait --config-file a.yaml", &[], file, "a.yaml".to_owned());
        check("servo -n one show events --name two", &[], |globals| globals.name, Some("one".to_owned()));
    }

    #[test]
    fn a_flag_counts_before_a_variable_and_a_variable_before_the_default() {
        let level = |globals: Globals| globals.log_level;
        check("servo", &[], level, LogLevel::Info);
        check("servo", &[("SERVO_LOG_LEVEL", "")], level, LogLevel::Info);
        check("servo", &[("SERVO_LOG_LEVEL", "debug")], level, LogLevel::Debug);
        check("servo -l Trace", &[("SERVO_LOG_LEVEL", "debug")], level, LogLevel::Trace);
        let file = |globals: Globals| globals.config_file.display().to_string();
        check("servo", &[("SERVO_CONFIG_FILE", "")], file, "servo.yaml".to_owned());
        check("servo", &[("SERVO_CONFIG_FILE", "x.yaml")], file, "x.yaml".to_owned());
    }

    #[test]
    fn colours_go_with_the_flag_or_the_first_variable_that_is_set() {
        let colour = |globals: Globals| globals.colour;
        check("servo", &[], colour, true);
        check("servo", &[("NO_COLOR", "")], colour, true);
        check("servo", &[("NO_COLOR", "anything")], colour, false);
        check("servo", &[("TERM", "dumb")], colour, false);
        check("servo", &[("SERVO_NO_COLOR", "off"), ("TERM", "dumb")], colour, true);
        check("servo", &[("SERVO_NO_COLOR", "Off"), ("NO_COLOR", "1")], colour, true);
        check("servo --no-color", &[("SERVO_NO_COLOR", "off")], colour, false);
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_a_usage_error_that_names_it() {
        for (name, value) in [("SERVO_LOG_LEVEL", "LOUD"), ("SERVO_LOG_FORMAT", "xml"), ("SERVO_NO_COLOR", "please")] {
            let error = resolve("servo", &[(name, value)]).expect_err("a usage error");
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn every_command_has_help_even_where_its_letter_is_taken() {
        for line in ["servo --help", "servo measure --help", "servo show events -h"] {
            let error = command().try_get_matches_from(line.split(' ')).expect_err("help ends parsing");
            assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{line}");
        }
        assert!(resolve("servo measure -h", &[]).is_ok());
    }
}
