//! What `servo run` prints first: its name in large letters, its version, and what it is about to run.

use std::fmt::Write as _;
use std::path::PathBuf;

use figlet_rs::FIGlet;

use crate::config::variables::{SERVO_BANNER_COLOR, SERVO_BANNER_FONT};
use crate::decode::Variables;

const NAME: &str = "ServoX";

const RESET: &str = "\x1b[0m";

/// The colours that can be asked for, `RAINBOW` apart.
const COLOURS: [(&str, &str); 6] = [
    ("RED", "\x1b[31m"),
    ("GREEN", "\x1b[32m"),
    ("YELLOW", "\x1b[33m"),
    ("BLUE", "\x1b[34m"),
    ("MAGENTA", "\x1b[35m"),
    ("CYAN", "\x1b[36m"),
];

pub(crate) struct Facts<'a> {
    /// Names and versions of all known connectors.
    pub(crate) connectors: Vec<(&'a str, &'a str)>,
    pub(crate) config_file: PathBuf,
    /// One entry for each servo.
    pub(crate) servos: Vec<ServoFacts>,
}

/// What a banner tells of a servo that is alone.
pub(crate) struct ServoFacts {
    /// The id of its optimizer.
    pub(crate) optimizer: String,
    pub(crate) base_url: Option<String>,
    pub(crate) proxies: Option<String>,
}

/// How the large letters look. What is not asked for, or not known, is left to chance.
pub(crate) struct Look {
    font: &'static str,
    paint: Option<Paint>,
}

#[derive(Clone, Copy)]
enum Paint {
    One(&'static str),
    Rainbow,
}

impl Look {
    /// The look that `SERVO_BANNER_FONT` and `SERVO_BANNER_COLOR` ask for.
    pub(crate) fn choose(variables: &dyn Variables, colour: bool) -> Self {
        let font = variables.get(SERVO_BANNER_FONT).unwrap_or_default();
        let font = FONTS.iter().copied().find(|known| known.eq_ignore_ascii_case(font));
        let paint = paint_named(variables.get(SERVO_BANNER_COLOR).unwrap_or_default());
        Self {
            font: font.unwrap_or_else(|| FONTS[fastrand::usize(..FONTS.len())]),
            paint: colour.then(|| paint.unwrap_or_else(any_paint)),
        }
    }
}

/// The fonts that the library brings; of the names that existing configurations use, `slant` is one.
const FONTS: [&str; 4] = ["slant", "standard", "big", "small"];

fn load_font(name: &str) -> Result<FIGlet, String> {
    match name {
        "slant" => FIGlet::slant(),
        "big" => FIGlet::big(),
        "small" => FIGlet::small(),
        _ => FIGlet::standard(),
    }
}

fn paint_named(name: &str) -> Option<Paint> {
    if name.eq_ignore_ascii_case("RAINBOW") {
        return Some(Paint::Rainbow);
    }
    COLOURS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, codes)| Paint::One(codes))
}

fn any_paint() -> Paint {
    match COLOURS.get(fastrand::usize(..=COLOURS.len())) {
        Some((_, codes)) => Paint::One(codes),
        None => Paint::Rainbow,
    }
}

/// The banner, ending with an empty line.
pub(crate) fn banner(facts: &Facts<'_>, look: &Look) -> String {
    let mut banner = large_letters(look);
    // Writing to a string cannot fail.
    write_facts(&mut banner, facts).ok();
    banner
}

fn large_letters(look: &Look) -> String {
    let font = load_font(look.font).ok();
    let drawn = font.as_ref().and_then(|font| font.convert(NAME)).map(|figure| figure.as_str());
    let letters = drawn.unwrap_or_else(|| format!("{NAME}\n"));
    let lines = letters.lines().map(str::trim_end).filter(|line| !line.is_empty());
    lines
        .map(|line| match look.paint {
            None => format!("{line}\n"),
            Some(Paint::One(codes)) => format!("{codes}{line}{RESET}\n"),
            Some(Paint::Rainbow) => format!("{}{RESET}\n", rainbow(line)),
        })
        .collect()
}

/// The line in the colours of the rainbow, from left to right.
fn rainbow(line: &str) -> String {
    // About a letter wide.
    const STRIPE: usize = 7;
    let mut painted = String::new();
    for (column, c) in line.chars().enumerate() {
        if column % STRIPE == 0 {
            painted.push_str(COLOURS[column / STRIPE % COLOURS.len()].1);
        }
        painted.push(c);
    }
    painted
}

fn write_facts(banner: &mut String, facts: &Facts<'_>) -> std::fmt::Result {
    let mut connectors: Vec<String> =
        facts.connectors.iter().map(|(name, version)| format!("{}-{version}", name.replace('_', "-"))).collect();
    connectors.sort();
    writeln!(banner, "v{} initialized\n", env!("CARGO_PKG_VERSION"))?;
    writeln!(banner, "connectors:  {}", connectors.join(", "))?;
    writeln!(banner, "config file: {}", facts.config_file.display())?;
    if let [servo] = facts.servos.as_slice() {
        writeln!(banner, "optimizer:   {}", servo.optimizer)?;
        if let Some(base_url) = &servo.base_url {
            writeln!(banner, "base url:    {base_url}")?;
        }
        if let Some(proxies) = &servo.proxies {
            writeln!(banner, "proxies:     {proxies}")?;
        }
    } else {
        writeln!(banner, "servos:      {}", facts.servos.len())?;
    }
    writeln!(banner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::NoVariables;

    struct Asked(&'static str, &'static str);

    impl Variables for Asked {
        fn get(&self, name: &str) -> Option<&str> {
            match name {
                SERVO_BANNER_FONT => Some(self.0),
                SERVO_BANNER_COLOR => Some(self.1),
                _ => None,
            }
        }
    }

    fn facts(servos: usize) -> Facts<'static> {
        Facts {
            connectors: vec![("wait", "0.0.1"), ("kube_metrics", "0.0.2")],
            config_file: PathBuf::from("/servo/servo.yaml"),
            servos: (0..servos)
                .map(|_| ServoFacts {
                    optimizer: "dev.opsani.com/app".to_owned(),
                    base_url: Some("https://api.opsani.com".to_owned()),
                    proxies: None,
                })
                .collect(),
        }
    }

    #[test]
    fn every_font_draws_the_name() {
        for font in FONTS {
            let letters = large_letters(&Look { font, paint: None });
            assert!(letters.lines().count() > 3, "{font}: {letters}");
            assert!(!letters.contains('\x1b'));
        }
    }

    #[test]
    fn an_unknown_font_or_colour_is_replaced() {
        let banner = large_letters(&Look::choose(&Asked("no such font", "no such colour"), true));
        assert!(banner.lines().count() > 3);
        assert!(banner.contains('\x1b'));
    }

    #[test]
    fn a_font_and_a_colour_can_be_asked_for_in_any_case() {
        let look = Look::choose(&Asked("Slant", "rainBOW"), true);
        assert_eq!(look.font, "slant");
        assert!(matches!(look.paint, Some(Paint::Rainbow)));
        let look = Look::choose(&Asked("", "red"), true);
        assert!(matches!(look.paint, Some(Paint::One("\x1b[31m"))));
    }

    #[test]
    fn the_facts_name_the_optimizer_of_a_servo_that_is_alone() {
        let banner = banner(&facts(1), &Look::choose(&NoVariables, false));
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "v{version} initialized\n\nconnectors:  kube-metrics-0.0.2, wait-0.0.1\nconfig file: /servo/servo.yaml\n\
             optimizer:   dev.opsani.com/app\nbase url:    https://api.opsani.com\n\n"
        );
        assert!(banner.ends_with(&expected), "{banner}");
    }

    #[test]
    fn several_servos_are_counted() {
        assert!(banner(&facts(2), &Look::choose(&NoVariables, false)).ends_with("\nservos:      2\n\n"));
    }
}
