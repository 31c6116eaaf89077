//! A picture with two axes, as SVG inside of a page, which styles it.
//!
//! Written here because the crates at hand do not fit one page for light and dark: `plotters` writes colours and fonts
//! into every element, `charming` draws with a script, and `poloto` takes colours from CSS but has neither logarithmic axes
//! nor marks with an explanation of their own.

use std::fmt::{Display, Write as _};

use super::axis::Axis;
use super::escape::escape;

/// Width and height, in the units of the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Room for labels: left, right, top, bottom.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 36.0;

impl Size {
    pub(super) fn across(self) -> (f64, f64) {
        (LEFT, self.width - RIGHT)
    }

    pub(super) fn upwards(self) -> (f64, f64) {
        (self.height - BOTTOM, TOP)
    }
}

/// How a mark looks. Shapes differ too, so that colours are not needed to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Feasible,
    Baseline,
    Confirmation,
    Infeasible,
    Chosen,
}

impl Mark {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Feasible => "feasible",
            Self::Baseline => "baseline",
            Self::Confirmation => "confirmation",
            Self::Infeasible => "infeasible",
            Self::Chosen => "chosen",
        }
    }

    /// The element around a place.
    pub(super) fn draw(self, x: f64, y: f64) -> String {
        let class = self.class();
        match self {
            Self::Feasible => format!(r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.6"/>"#),
            Self::Chosen => format!(r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="7"/>"#),
            Self::Baseline => {
                let (left, top) = (x - 3.6, y - 3.6);
                format!(r#"<rect class="{class}" x="{left:.1}" y="{top:.1}" width="7.2" height="7.2"/>"#)
            }
            Self::Confirmation => {
                format!(r#"<path class="{class}" d="M{x:.1} {:.1}l5 5-5 5-5-5z"/>"#, y - 5.0)
            }
            Self::Infeasible => {
                let (left, top) = (x - 3.6, y - 3.6);
                format!(r#"<path class="{class}" d="M{left:.1} {top:.1}l7.2 7.2m0-7.2l-7.2 7.2"/>"#)
            }
        }
    }
}

/// A picture that is being drawn.
#[derive(Debug)]
pub(super) struct Plot {
    size: Size,
    x: Axis,
    y: Axis,
    body: String,
}

impl Plot {
    /// An empty picture with the labels of its axes.
    pub(super) fn new(size: Size, x: Axis, y: Axis, x_label: &str) -> Self {
        let ((left, right), (bottom, _)) = (x.places(), y.places());
        let across = y.ticks().map(|(place, label)| {
            let text = text("end", left - 6.0, place + 4.0, label);
            format!(r#"<path class="grid" d="M{left:.1} {place:.1}H{right:.1}"/>{text}"#)
        });
        let below = x.ticks().map(|(place, label)| text("middle", place, bottom + 15.0, label));
        let body: String = across.chain(below).collect();
        let mut plot = Self { size, x, y, body };
        plot.add(format_args!(r#"<path class="axis" d="M{left:.1} {bottom:.1}H{right:.1}"/>"#));
        plot.add(text("middle", f64::midpoint(left, right), size.height - 4.0, x_label));
        plot
    }

    fn add(&mut self, element: impl Display) {
        // A string takes everything.
        write!(self.body, "{element}").ok();
    }

    /// A line through these points.
    pub(super) fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let path = self.path(points);
        if !path.is_empty() {
            self.add(format_args!(r#"<path class="{class}" d="M{path}"/>"#));
        }
    }

    /// A line that goes on until the next point, and only then changes.
    pub(super) fn stairs(&mut self, class: &str, points: &[(f64, f64)]) {
        let corners = points.windows(2).flat_map(|pair| [(pair[0].0, pair[0].1), (pair[1].0, pair[0].1)]);
        let corners: Vec<(f64, f64)> = corners.chain(points.last().copied()).collect();
        self.line(class, corners);
    }

    /// The area between two curves.
    pub(super) fn band(&mut self, points: &[(f64, f64, f64)]) {
        let there = points.iter().map(|(x, low, _)| (*x, *low));
        let back = points.iter().rev().map(|(x, _, high)| (*x, *high));
        let path = self.path(there.chain(back));
        if !path.is_empty() {
            self.add(format_args!(r#"<path class="band" d="M{path}z"/>"#));
        }
    }

    /// A line across the picture at a height.
    pub(super) fn level(&mut self, class: &str, value: f64) {
        let ((left, right), y) = (self.x.places(), self.y.place(value));
        self.add(format_args!(r#"<path class="{class}" d="M{left:.1} {y:.1}H{right:.1}"/>"#));
    }

    /// A line from bottom to top.
    pub(super) fn upright(&mut self, class: &str, value: f64) {
        let ((bottom, top), x) = (self.y.places(), self.x.place(value));
        self.add(format_args!(r#"<path class="{class}" d="M{x:.1} {bottom:.1}V{top:.1}"/>"#));
    }

    /// A mark; the title is shown to who points at it.
    pub(super) fn mark(&mut self, mark: Mark, (x, y): (f64, f64), title: &str) {
        let element = mark.draw(self.x.place(x), self.y.place(y));
        self.add(format_args!("<g>{element}<title>{}</title></g>", escape(title)));
    }

    fn path(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let places = points.into_iter().map(|(x, y)| format!("{:.1} {:.1}", self.x.place(x), self.y.place(y)));
        places.collect::<Vec<_>>().join("L")
    }

    /// The picture; `name` is what those hear who cannot see it.
    pub(super) fn finish(self, name: &str) -> String {
        let (Size { width, height }, name, body) = (self.size, escape(name), self.body);
        format!(r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{name}">{body}</svg>"#)
    }
}

fn text(anchor: &str, x: f64, y: f64, label: &str) -> String {
    format!(r#"<text text-anchor="{anchor}" x="{x:.1}" y="{y:.1}">{}</text>"#, escape(label))
}
