//! The arguments of `mmusim plot`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::plot::{self, KINDS, Kind};

#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// The CSV that `sweep merge`, `compare` (--rows runs or cycles) or `calibrate` has written
    #[arg(value_name = "FILE.csv")]
    pub(crate) file: String,
    /// What to draw [default: by the columns of the file]
    #[arg(long, value_parser = kinds())]
    pub(crate) kind: Option<&'static Kind>,
    /// The column drawn upwards [default: flush_total_per_reclaim_cycle_cycles, or round_cycles if that is empty]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) metric: Option<String>,
    /// The column along the axis [default: cores, else the first knob with numbers, else none]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) x: Option<String>,
    /// The column with a line for each of its values [default: policy]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) by: Option<String>,
    /// Only rows with this value in this column; may be said several times
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = equation)]
    pub(crate) only: Vec<(String, String)>,
    /// The picture: FILE.svg or FILE.png, complete or not at all
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

fn kinds() -> impl TypedValueParser<Value = &'static Kind> {
    let values = KINDS.iter().map(|kind| PossibleValue::new(kind.name).help(kind.summary));
    PossibleValuesParser::new(values).map(|name| plot::find(&name).expect("a value of the table"))
}

fn equation(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected COLUMN=VALUE, such as workload=overlap")?;
    Ok((name.to_owned(), value.to_owned()))
}
