//! `mmusim plot`: a picture of results.

use crate::Verdict;
use crate::cli::PlotArgs;
use crate::failure::Failure;
use crate::output::{check_path, ends_in, write_bytes};
use crate::plot::{self, Choice, Kind, Scene, Sheet};

/// How a picture is written: by the extension of its file.
type Writer = fn(&Scene) -> Vec<u8>;
const WRITERS: [(&str, Writer); 2] = [("svg", |scene| plot::svg(scene).into_bytes()), ("png", plot::png)];

/// A side of a picture in pixels, at most: more is nothing to look at.
const SIDE_MAX: f64 = 8000.0;

pub(crate) fn run(args: &PlotArgs) -> Result<Verdict, Failure> {
    check_path(&args.output)?;
    let Some((_, writer)) = WRITERS.iter().find(|(extension, _)| ends_in(&args.output, extension)) else {
        let message = format!("{}: a picture of which format?", args.output.display());
        return Err(Failure::new(message, "expected a file that ends in .svg or .png"));
    };
    let mut sheet = Sheet::read(&args.file)?;
    sheet.keep(&args.only)?;
    let kind = args.kind.map_or_else(|| plot::kind_of(&sheet), Ok)?;
    let choice = Choice { metric: args.metric.clone(), x: args.x.clone(), by: args.by.clone() };
    check_choice(kind, &choice)?;
    let scene = (kind.draw)(&sheet, &choice)?.scene();
    if f64::max(scene.width, scene.height) > SIDE_MAX {
        let message = format!("{}: the picture would be {} x {} pixels", args.file, scene.width, scene.height);
        return Err(Failure::new(
            message,
            format!("expected at most {SIDE_MAX}: choose rows with --where COLUMN=VALUE"),
        ));
    }
    let path = args.output.display().to_string();
    write_bytes(&args.output, &writer(&scene)).map_err(|e| Failure::io("cannot write", &path, &e))?;
    Ok(Verdict::Fine)
}

/// Does the kind have a use for what was chosen?
fn check_choice(kind: &Kind, choice: &Choice) -> Result<(), Failure> {
    let given = [("metric", &choice.metric), ("x", &choice.x), ("by", &choice.by)];
    match given.iter().find(|(name, value)| value.is_some() && !kind.takes.contains(name)) {
        None => Ok(()),
        Some((name, _)) => {
            let takes: Vec<_> = kind.takes.iter().map(|name| format!("--{name}")).collect();
            let others = if takes.is_empty() { String::new() } else { format!(" but {}", takes.join(", ")) };
            let help = format!("expected no choice{others}");
            Err(Failure::new(format!("--{name} does not go with --kind {}", kind.name), help))
        }
    }
}
