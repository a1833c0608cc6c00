//! Rows by panel, series and place: what `cost`, `windows` and `extra` have in common.

use super::data::{Column, Row, Sheet};
use crate::failure::Failure;
use crate::report::policy_alias;

/// More panels than this are no picture.
const PANELS_MAX: usize = 12;

/// Rows with the same values in some columns.
#[derive(Clone, Debug)]
pub(super) struct Group<'s> {
    pub(super) title: String,
    pub(super) rows: Vec<&'s Row>,
}

/// The rows apart by columns, in the order in which they come.
pub(super) fn apart<'s>(sheet: &'s Sheet, rows: &[&'s Row], columns: &[Column]) -> Vec<Group<'s>> {
    let mut groups: Vec<(Vec<&str>, Group<'s>)> = Vec::new();
    for &row in rows {
        let key: Vec<&str> = columns.iter().map(|&column| sheet.text(row, column)).collect();
        if let Some((_, group)) = groups.iter_mut().find(|(other, _)| *other == key) {
            group.rows.push(row);
        } else {
            let title = columns.iter().zip(&key).map(|(&column, value)| titled(sheet.name(column), value));
            let title = title.collect::<Vec<_>>().join(", ");
            groups.push((key, Group { title, rows: vec![row] }));
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// A value of a column as a title: names speak for themselves, knobs do not.
pub(super) fn titled(column: &str, value: &str) -> String {
    match column {
        "workload" | "profile" | "era" => value.to_owned(),
        "policy" => policy_alias_of(value),
        _ => format!("{} = {value}", column.rsplit('.').next().unwrap_or(column)),
    }
}

/// What people call a policy.
fn policy_alias_of(name: &str) -> String {
    sim_core::policy::find(name).map_or(name.to_owned(), |policy| policy_alias(policy.name).to_owned())
}

/// The rows by panel: by all conditions that differ but for these.
pub(super) fn panels<'s>(sheet: &'s Sheet, but: &[Option<Column>]) -> Result<Vec<Group<'s>>, Failure> {
    let columns: Vec<_> = sheet.conditions().into_iter().filter(|column| !but.contains(&Some(*column))).collect();
    let rows: Vec<&Row> = sheet.rows.iter().collect();
    let panels = apart(sheet, &rows, &columns);
    if panels.len() > PANELS_MAX {
        let names: Vec<_> = columns.iter().map(|&column| sheet.name(column)).collect();
        let message = format!("{}: {} panels, one for each of {}", sheet.path, panels.len(), names.join(" x "));
        let help = format!("expected at most {PANELS_MAX}: choose rows with --where COLUMN=VALUE");
        return Err(Failure::new(message, help));
    }
    Ok(panels)
}

/// The rows differ by their seed only; two of one seed, or without any, would be the same run.
pub(super) fn by_seed_only(sheet: &Sheet, rows: &[&Row]) -> Result<(), Failure> {
    let seed = sheet.find("seed");
    let seed_of = |row| seed.map(|column| sheet.text(row, column));
    for (n, &row) in rows.iter().enumerate() {
        let other = rows[..n].iter().find(|&&other| seed_of(other) == seed_of(row));
        if let Some(other) = other {
            let message = format!("{} and {} are for the same point", sheet.place(other), sheet.place(row));
            let help = "expected rows that differ in their seed only: say --x or --by, or choose rows with --where";
            return Err(Failure::new(message, help));
        }
    }
    Ok(())
}

/// The mean, and the least and the most if there are several.
pub(super) fn mean(values: &[f64]) -> Option<(f64, Option<(f64, f64)>)> {
    let (&first, rest) = values.split_first()?;
    let sum: f64 = values.iter().sum();
    let spread = rest.iter().fold((first, first), |(least, most), &value| (least.min(value), most.max(value)));
    Some((sum / values.len() as f64, (!rest.is_empty()).then_some(spread)))
}

/// How many seeds there are, of the numbers of runs behind each thing that is drawn; none if each is one run.
pub(super) fn seeds(runs: &[usize]) -> Option<String> {
    let (least, most) = (runs.iter().min()?, runs.iter().max()?);
    let up_to = if least < most { "up to " } else { "" };
    (*most > 1).then(|| format!("{up_to}{most} seeds"))
}

/// What a picture of means says of the runs behind each.
pub(super) fn seeds_note(runs: &[usize], bars: &str) -> Vec<String> {
    seeds(runs).into_iter().map(|seeds| format!("Means of {seeds}{bars}.")).collect()
}
