//! `mmusim calibrate`: a machine's published curves beside the model's, with its free parameters fitted or as they are.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment};
use serde::Serialize;
use workloads::calibrate::{self, CURVES, Calibration, Fitted, Row};
use workloads::machines;

use crate::Verdict;
use crate::cli::CalibrateArgs;
use crate::failure::Failure;
use crate::jobs;
use crate::output::Format;
use crate::progress::Progress;
use crate::report::{plain_table, to_decimals};

pub(crate) fn run(args: &CalibrateArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    let curves = calibrate::curves_of(&args.profile);
    if curves.is_empty() {
        let known = CURVES.iter().map(|builtin| builtin.curve().profile.into_inner());
        let mut known: Vec<_> = known.collect();
        known.dedup();
        let help = format!("expected one of {}", known.join(", "));
        return Err(Failure::new(format!("no curve is known of a machine `{}`", args.profile), help));
    }
    let progress = Progress::counting(&args.profile, "runs");
    let threads = args.threads.unwrap_or_else(jobs::default_threads).get();
    let calibration = calibrate::calibrate(&curves, !args.no_fit, threads, &mut |runs| progress.counted(runs));
    drop(progress);
    let calibration = calibration.map_err(|e| Failure::text(*e.error, &e.text))?;
    args.output.write(&match args.output.format() {
        Format::Table => table(&args.profile, &calibration),
        Format::Csv => csv(&args.profile, &calibration),
        Format::Json => json(&args.profile, &calibration),
    })?;
    Ok(Verdict::Fine)
}

/// The value of a key in the profile as it is.
fn current(profile: &str, key: &str) -> Option<String> {
    let (table, key) = key.split_once('.')?;
    let text = machines::machine(profile)?.text;
    let section = text.split_once(&format!("[{table}]\n"))?.1;
    let line = section
        .lines()
        .take_while(|line| !line.starts_with('['))
        .find(|line| line.split_once('=').is_some_and(|(name, _)| name.trim() == key))?;
    Some(line.split_once('=')?.1.split('#').next()?.trim().to_owned())
}

fn ns(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |ns| format!("{ns:.0}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |percent| format!("{:+.1}", to_a_tenth(percent)))
}

/// As all percentages and times are given.
fn to_a_tenth(value: f64) -> f64 {
    to_decimals(value, 1)
}

fn table(profile: &str, calibration: &Calibration) -> String {
    let mut text = String::new();
    if !calibration.fitted.is_empty() {
        let mut table = plain_table();
        table.set_header(["parameter", "fitted", "range", "without a fit", "in the profile", "why it is free"]);
        for Fitted { free, value } in &calibration.fitted {
            let in_profile = current(profile, &free.key).unwrap_or_else(|| "-".to_owned());
            let range = format!("{} to {}", free.min, free.max);
            table.add_row([&free.key, &value.to_string(), &range, &free.start.to_string(), &in_profile, &free.why]);
        }
        let _ = writeln!(text, "{profile}, parameters in cycles\n{}\n", table.trim_fmt());
    }
    let mut curves: Vec<&str> = calibration.rows.iter().map(|row| row.curve.as_str()).collect();
    curves.dedup();
    for name in curves {
        let curve = CURVES.iter().find(|builtin| builtin.name == name).expect("a curve of the registry").curve();
        let mut table = plain_table();
        table.set_header([
            curve.axis.as_str(),
            "published, ns",
            "model, ns",
            "error, %",
            "used for",
            "left out, error %",
        ]);
        for row in calibration.rows.iter().filter(|row| row.curve == name) {
            let used = match (row.fit, row.published_ns) {
                (true, _) => "fit",
                (false, Some(_)) => "comparison",
                (false, None) => "prediction",
            };
            let cells = [
                row.at.to_string(),
                row.published_ns.map_or("-".to_owned(), |ns| ns.to_string()),
                ns(row.model_ns),
                percent(row.error_percent(row.model_ns)),
                used.to_owned(),
                percent(row.error_percent(row.left_out_ns)),
            ];
            table.add_row(cells.map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right)));
        }
        let _ = writeln!(text, "{name}: {}\n{}\n{}\n", curve.summary, curve.source, table.trim_fmt());
    }
    text
}

/// A row as programs read it.
#[derive(Debug, Serialize)]
struct Record<'a> {
    version: &'static str,
    profile: &'a str,
    curve: &'a str,
    axis: String,
    at: u64,
    published_ns: Option<u64>,
    fit: bool,
    model_ns: Option<f64>,
    error_percent: Option<f64>,
    left_out_ns: Option<f64>,
    left_out_error_percent: Option<f64>,
}

fn record<'a>(profile: &'a str, row: &'a Row) -> Record<'a> {
    let decimal = |value: Option<f64>| value.map(to_a_tenth);
    let curve = CURVES.iter().find(|builtin| builtin.name == row.curve).expect("a curve of the registry").curve();
    Record {
        version: env!("CARGO_PKG_VERSION"),
        profile,
        curve: &row.curve,
        axis: curve.axis,
        at: row.at,
        published_ns: row.published_ns,
        fit: row.fit,
        model_ns: decimal(row.model_ns),
        error_percent: decimal(row.error_percent(row.model_ns)),
        left_out_ns: decimal(row.left_out_ns),
        left_out_error_percent: decimal(row.error_percent(row.left_out_ns)),
    }
}

fn csv(profile: &str, calibration: &Calibration) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in &calibration.rows {
        writer.serialize(record(profile, row)).expect("memory takes every row");
    }
    String::from_utf8(writer.into_inner().expect("memory takes every row")).expect("CSV of text is text")
}

fn json(profile: &str, calibration: &Calibration) -> String {
    let parameters: Vec<_> = calibration
        .fitted
        .iter()
        .map(|Fitted { free, value }| {
            serde_json::json!({
                "key": free.key, "fitted_cycles": value, "min_cycles": free.min, "max_cycles": free.max,
                "unfitted_cycles": free.start, "why": free.why,
            })
        })
        .collect();
    let rows: Vec<_> = calibration.rows.iter().map(|row| record(profile, row)).collect();
    let document = serde_json::json!({ "profile": profile, "parameters": parameters, "points": rows });
    format!("{}\n", serde_json::to_string_pretty(&document).expect("values are JSON"))
}
