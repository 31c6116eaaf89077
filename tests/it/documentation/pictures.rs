//! The pictures of the README: what `servo demo` prints, and two figures of the report that it writes.
//!
//! They are made anew by hand, as they would differ with every change of the search:
//! `cargo test --test it -- --ignored pictures`.

use std::fmt::Write as _;

use regex::Regex;

use super::root;
use crate::support::servo_bin::{ServoBin, succeeded};

/// Where they lie, with what they show.
const TERMINAL: &str = "docs/demo.svg";
const REPORT: &str = "docs/report.svg";

/// Of a character, in pixels, at 14 pixels of height.
const WIDTH: f64 = 8.4;
const LINE: usize = 18;

#[tokio::test]
#[ignore = "writes into the repository"]
async fn the_pictures_are_made_anew() {
    let servo = ServoBin::new();
    let finished = servo.run("demo --journal demo.jsonl").await;
    std::fs::write(root().join(TERMINAL), terminal(succeeded(&finished))).unwrap();
    let page = std::fs::read_to_string(servo.folder().join("demo.html")).unwrap();
    std::fs::write(root().join(REPORT), figures(&page)).unwrap();
}

#[test]
fn the_pictures_are_small_and_need_no_network() {
    for path in [TERMINAL, REPORT] {
        let picture = std::fs::read_to_string(root().join(path)).unwrap();
        assert!(picture.len() < 200_000, "{path} has {} bytes", picture.len());
        assert!(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && picture.ends_with("</svg>\n"));
        assert_eq!(picture.matches("://").count(), 1, "{path} names another address");
    }
}

/// Text as a terminal shows it.
fn terminal(text: &str) -> String {
    let lines: Vec<&str> = std::iter::once("$ servo demo").chain(text.lines()).collect();
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let width = |characters: usize| WIDTH * f64::from(u32::try_from(characters).unwrap());
    let (wide, high) = (width(columns) + 32.0, lines.len() * LINE + 30);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.0} {high}\" role=\"img\" \
         aria-label=\"The output of servo demo\">\n<rect width=\"{wide:.0}\" height=\"{high}\" rx=\"8\" \
         fill=\"#1e1e1e\"/>\n<g font-family=\"ui-monospace,Menlo,Consolas,monospace\" font-size=\"14\" \
         fill=\"#d4d4d4\" xml:space=\"preserve\">\n"
    );
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let (y, length) = (index * LINE + 28, width(line.chars().count()));
        let line = line.replace('&', "&amp;").replace('<', "&lt;");
        writeln!(picture, "<text x=\"16\" y=\"{y}\" textLength=\"{length:.1}\">{line}</text>").unwrap();
    }
    picture + "</g>\n</svg>\n"
}

/// The first two figures of a report side by side, in the colours that it has by day.
fn figures(page: &str) -> String {
    let all = |pattern: &str| Regex::new(&format!("(?s){pattern}")).unwrap();
    let style = &all("<style>(.*?)</style>").captures(page).unwrap()[1];
    let (colours, rules) = (style.split("@media").next().unwrap(), &style[style.find("svg text{").unwrap()..]);
    let mut rules = rules.split("@media").next().unwrap().replace("svg text", "text").replace("svg path", "path");
    for colour in all(r"(--[\w-]+):([^;}]+)").captures_iter(colours) {
        rules = rules.replace(&format!("var({})", &colour[1]), &colour[2]);
    }
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 980 340\" role=\"img\" aria-label=\"Two figures of a \
         report\">\n<style>{rules}.title{{font-size:15px;font-weight:600}}</style>\n<rect width=\"980\" \
         height=\"340\" rx=\"8\" fill=\"#fff\"/>\n"
    );
    let figure = all(r#"<figure><h3>([^<]*)</h3>.*?<svg viewBox="0 0 460 290"[^>]*>(.*?)</svg>"#);
    for (x, figure) in [10, 490].into_iter().zip(figure.captures_iter(page)) {
        let (title, content) = (&figure[1], &figure[2]);
        writeln!(picture, "<text class=\"title\" x=\"{}\" y=\"28\">{title}</text>", x + 10).unwrap();
        writeln!(picture, "<g transform=\"translate({x} 38)\">{content}</g>").unwrap();
    }
    assert_eq!(picture.matches("<g ").count(), 2, "the report has other figures");
    picture + "</svg>\n"
}
