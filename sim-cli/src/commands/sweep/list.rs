//! `mmusim sweep plan` and `mmusim sweep status`: the points of a plan, and what is there of them.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment};
use serde::Serialize;
use workloads::outcome::SCHEMA;
use workloads::sweep::Plan;
use workloads::sweep::store::State;

use crate::Verdict;
use crate::cli::{SweepPlanArgs, SweepStatusArgs};
use crate::commands::sweep::{read, states, summary};
use crate::failure::{Failure, printable};
use crate::output::{Format, OutputArgs};
use crate::report::{VERSION, apart, plain_table, record};

/// Digits of an id in a table.
const ID_SHOWN: usize = 12;
/// Points that are not done in a table.
const ROWS: usize = 20;

pub(super) fn plan(args: &SweepPlanArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    let plan = read(&args.plan)?;
    write(&plan, None, &args.output)?;
    Ok(Verdict::Fine)
}

pub(super) fn status(args: &SweepStatusArgs) -> Result<Verdict, Failure> {
    args.output.check()?;
    let plan = read(&args.plan)?;
    let states = states(&plan, &args.dir)?;
    write(&plan, Some(&states), &args.output)?;
    let done = states.iter().all(|state| matches!(state, State::Done(_)));
    Ok(if done { Verdict::Fine } else { Verdict::Incomplete })
}

fn write(plan: &Plan, states: Option<&[State]>, output: &OutputArgs) -> Result<(), Failure> {
    output.write(&match (output.format(), states) {
        (Format::Table, None) => plan_table(plan),
        (Format::Table, Some(states)) => status_table(plan, states),
        (Format::Csv, _) => csv(plan, states),
        (Format::Json, _) => json(plan, states),
    })
}

/// What is the same at every point, then the points by what differs.
fn plan_table(plan: &Plan) -> String {
    let cycles: u128 = plan.points.iter().map(|point| u128::from(point.duration_cycles())).sum();
    let mut text = format!("{}, sha256 {}\n", printable(&plan.input.name), plan.input.sha256);
    if !plan.summary.is_empty() {
        let _ = writeln!(text, "{}", printable(&plan.summary));
    }
    let (points, cycles) = (apart(&plan.points.len().to_string()), apart(&cycles.to_string()));
    let _ = writeln!(text, "{points} points, {cycles} cycles together");
    let fixed = plan.knobs().zip(plan.values(&plan.points[0])).take(plan.fixed());
    for ((knob, _), value) in fixed {
        let _ = writeln!(text, "  {knob} = {value}");
    }
    let mut table = plain_table();
    let knobs = plan.knobs().skip(plan.fixed()).map(|(name, _)| name);
    table.set_header(["", "id"].into_iter().chain(knobs).map(Cell::new));
    for (number, point) in (1..).zip(&plan.points) {
        let number = Cell::new(number).set_alignment(CellAlignment::Right);
        let values = plan.values(point).skip(plan.fixed()).map(Cell::new);
        table.add_row([number, Cell::new(&point.id[..ID_SHOWN])].into_iter().chain(values));
    }
    format!("{text}\n{}\n", table.trim_fmt())
}

/// How many points there are in each state, then those that are not done, with what they said.
fn status_table(plan: &Plan, states: &[State]) -> String {
    let mut text = format!("{}\n", summary(plan, states));
    let left = || (1..).zip(plan.points.iter().zip(states)).filter(|(_, (_, state))| !matches!(state, State::Done(_)));
    if left().next().is_none() {
        return text;
    }
    let mut table = plain_table();
    let knobs = plan.knobs().skip(plan.fixed()).map(|(name, _)| name);
    table.set_header(["", "id", "state"].into_iter().chain(knobs).map(Cell::new));
    for (number, (point, state)) in left().take(ROWS) {
        let number = Cell::new(number).set_alignment(CellAlignment::Right);
        let values = plan.values(point).skip(plan.fixed()).map(Cell::new);
        table.add_row([number, Cell::new(&point.id[..ID_SHOWN]), Cell::new(state.name())].into_iter().chain(values));
    }
    let _ = writeln!(text, "\n{}", table.trim_fmt());
    if left().count() > ROWS {
        let _ = writeln!(text, "and {} more (--format csv has all)", left().count() - ROWS);
    }
    for (number, (_, state)) in left().take(ROWS) {
        if let State::Failed(message) = state {
            let _ = writeln!(text, "\npoint {number}: {message}");
        }
    }
    text
}

fn csv(plan: &Plan, states: Option<&[State]>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let state_column = states.map(|_| "state");
    let header = ["schema", "version", "plan", "plan_sha256", "number", "point"].into_iter().chain(state_column);
    record(&mut writer, header.chain(plan.knobs().map(|(name, _)| name)));
    for (index, point) in plan.points.iter().enumerate() {
        let provenance = [SCHEMA.to_string(), VERSION.to_owned(), plan.input.name.clone(), plan.input.sha256.clone()];
        let state = states.map(|states| states[index].name().to_owned());
        let row = provenance.into_iter().chain([(index + 1).to_string(), point.id.clone()]).chain(state);
        record(&mut writer, row.chain(plan.values(point)));
    }
    String::from_utf8(writer.into_inner().expect("memory is writable")).expect("names are text")
}

#[derive(Serialize)]
struct PlanJson<'a> {
    schema: u32,
    version: &'static str,
    plan: &'a str,
    plan_sha256: &'a str,
    summary: &'a str,
    knobs: Vec<&'a str>,
    points: Vec<PointJson<'a>>,
}

#[derive(Serialize)]
struct PointJson<'a> {
    number: usize,
    point: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    values: Vec<String>,
}

fn json(plan: &Plan, states: Option<&[State]>) -> String {
    let points = plan.points.iter().enumerate().map(|(index, point)| {
        let state = states.map(|states| &states[index]);
        let message = match state {
            Some(State::Failed(message)) => Some(message.as_str()),
            _ => None,
        };
        let (state, values) = (state.map(State::name), plan.values(point).collect());
        PointJson { number: index + 1, point: &point.id, state, message, values }
    });
    let document = PlanJson {
        schema: SCHEMA,
        version: VERSION,
        plan: &plan.input.name,
        plan_sha256: &plan.input.sha256,
        summary: &plan.summary,
        knobs: plan.knobs().map(|(name, _)| name).collect(),
        points: points.collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("memory is writable");
    text.push('\n');
    text
}
