//! Pictures of results: one file a kind, and one row in [`KINDS`].
//!
//! A kind makes a [`figure::Figure`] of the rows of a CSV; the figure draws a scene, and the scene is written as SVG or PNG.

mod axis;
mod cost;
mod curve;
mod data;
mod extra;
mod figure;
mod font;
mod groups;
mod png;
mod scene;
mod style;
mod svg;
mod windows;

pub(crate) use data::Sheet;
pub(crate) use figure::Figure;
pub(crate) use png::png;
pub(crate) use scene::Scene;
pub(crate) use svg::svg;

use workloads::outcome::METRICS;

use crate::failure::Failure;

/// What the command line says about the columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// The column that is drawn upwards.
    pub(crate) metric: Option<String>,
    /// The column along the horizontal axis.
    pub(crate) x: Option<String>,
    /// The column that has a line for each of its values.
    pub(crate) by: Option<String>,
}

/// A kind of picture.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) summary: &'static str,
    /// The choices it has: of `metric`, `x` and `by`.
    pub(crate) takes: &'static [&'static str],
    /// Are these rows its own? Asked in the order of the table if no kind is said.
    fits: fn(&Sheet) -> bool,
    /// Draws them.
    pub(crate) draw: fn(&Sheet, &Choice) -> Result<Figure, Failure>,
}

/// All kinds.
pub(crate) static KINDS: &[Kind] = &[curve::KIND, extra::KIND, cost::KIND, windows::KIND];

/// A kind by name.
pub(crate) fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The kind that rows are of, by their columns.
pub(crate) fn kind_of(sheet: &Sheet) -> Result<&'static Kind, Failure> {
    KINDS.iter().find(|kind| (kind.fits)(sheet)).ok_or_else(|| {
        let message = format!("{}: its columns are those of no picture", sheet.path);
        let help = "expected the CSV of `mmusim sweep merge`, of `mmusim compare` with --rows runs or cycles, or of \
                    `mmusim calibrate`";
        Failure::new(message, help)
    })
}

/// Where the picture comes from.
fn provenance(sheet: &Sheet) -> Result<String, Failure> {
    let version = sheet.column("version", "a CSV that mmusim has written")?;
    let versions = sheet.values(version).join(", ");
    let of = ["profile", "era"].into_iter().filter_map(|name| {
        let values = sheet.values(sheet.find(name)?);
        (values.len() == 1).then(|| format!(", {name} {}", values[0]))
    });
    let of: String = of.collect();
    Ok(format!("mmusim {versions}{of}; {}, sha256 {}", sheet.file_name(), &sheet.input.sha256[..16]))
}

/// What a column is called in a picture.
#[derive(Clone, Debug)]
struct Label {
    /// At an axis, with the unit.
    axis: String,
    /// In a title.
    title: String,
}

impl Label {
    /// Of a metric as the tables have it, of another column by its name, whose last word is the unit.
    fn of(column: &str) -> Label {
        if let Some(metric) = METRICS.iter().find(|metric| metric.name == column) {
            let unit = if metric.unit.is_empty() { String::new() } else { format!(", {}", metric.unit) };
            // What is in brackets is for the table.
            let heading = metric.heading.split(" (").next().unwrap_or(metric.heading);
            return Label { axis: format!("{}{unit}", metric.label), title: format!("{heading}: {}", metric.label) };
        }
        let units = [("cycles", "cycles"), ("cyc", "cycles"), ("percent", "%"), ("ns", "ns"), ("mhz", "MHz")];
        let name = column.rsplit('.').next().unwrap_or(column);
        let stem = |suffix| name.strip_suffix(suffix)?.strip_suffix('_');
        let with_unit = units.iter().find_map(|&(suffix, unit)| Some((stem(suffix)?.replace('_', " "), unit)));
        match with_unit {
            Some((stem, unit)) => Label { axis: format!("{stem}, {unit}"), title: stem },
            None => Label { axis: name.replace('_', " "), title: name.replace('_', " ") },
        }
    }
}

/// A title begins with a capital.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
