//! The result as table, CSV and JSON.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment};
use serde::Serialize;
use workloads::recorded::answer::Initiated;

use super::{Outcome, Validated};
use crate::output::Format;
use crate::report::{VERSION, plain_table, record};
use crate::rounds::held::{Held, HeldCall, rounds_that_agree};

/// The version of rows; it counts up when a column changes its meaning.
const SCHEMA: u32 = 1;
/// Calls that differ, as a table lists them for each case.
const LISTED: usize = 10;

/// A kind of flush: its name, as columns and keys have it, and how many of it there were.
type Kind = (&'static str, fn(&Initiated) -> u64);

/// What a call initiates.
const KINDS: [Kind; 4] = [
    ("full_ipi", |initiated| initiated.full_ipi),
    ("ranged_ipi", |initiated| initiated.ranged_ipi),
    ("full_local", |initiated| initiated.full_local),
    ("ranged_local", |initiated| initiated.ranged_local),
];

pub(super) fn text(outcome: &Outcome<'_>, format: Format) -> String {
    match format {
        Format::Table => table(outcome),
        Format::Csv => csv(outcome),
        Format::Json => serde_json::to_string_pretty(&document(outcome)).expect("memory is writable") + "\n",
    }
}

/// `recorded_full_ipi`, `predicted_full_ipi` and so on.
fn counts<'a>(held: impl Iterator<Item = &'a Held> + Clone) -> impl Iterator<Item = (String, u64)> {
    KINDS.into_iter().flat_map(move |(name, kind)| {
        let recorded = held.clone().map(|held| kind(&held.recorded)).sum();
        let predicted = held.clone().map(|held| kind(&held.predicted)).sum();
        [(format!("recorded_{name}"), recorded), (format!("predicted_{name}"), predicted)]
    })
}

fn csv(outcome: &Outcome<'_>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let provenance = [
        "schema",
        "version",
        "kernel",
        "case",
        "recording_sha256",
        "policy",
        "era",
        "profile",
        "profile_sha256",
        "call",
        "rounds",
        "rounds_agree",
    ];
    let names = counts([].iter()).map(|(name, _)| name);
    record(&mut writer, provenance.into_iter().map(str::to_owned).chain(names));
    for validated in &outcome.validated {
        let p = &validated.report.provenance;
        for call in &validated.calls {
            let fields = [
                SCHEMA.to_string(),
                p.version.to_owned(),
                outcome.host.kernel.clone(),
                validated.case.name.to_owned(),
                p.recording_sha256.clone(),
                p.policy.to_owned(),
                p.era.to_owned(),
                p.profile.clone(),
                p.profile_sha256.clone(),
                call.name.to_owned(),
                call.rounds.len().to_string(),
                call.agree().to_string(),
            ];
            record(&mut writer, fields.into_iter().chain(counts(call.rounds.iter()).map(|(_, n)| n.to_string())));
        }
    }
    String::from_utf8(writer.into_inner().expect("memory can be flushed")).expect("the fields are text")
}

#[derive(Serialize)]
struct Document<'o> {
    schema: u32,
    version: &'static str,
    kernel: &'o str,
    cases: Vec<CaseJson<'o>>,
    skipped: Vec<SkippedJson<'o>>,
}

#[derive(Serialize)]
struct CaseJson<'o> {
    case: &'static str,
    recording_sha256: &'o str,
    comm: &'o str,
    policy: &'static str,
    era: &'static str,
    profile: &'o str,
    profile_sha256: &'o str,
    rounds: usize,
    rounds_agree: usize,
    calls: Vec<CallJson>,
}

/// A call; its sums, and each round.
#[derive(Serialize)]
struct CallJson {
    call: &'static str,
    rounds_agree: usize,
    #[serde(flatten)]
    sums: BTreeMap<String, u64>,
    each_round: Vec<BTreeMap<String, u64>>,
}

#[derive(Serialize)]
struct SkippedJson<'o> {
    case: &'static str,
    why: &'o str,
}

fn document<'o>(outcome: &'o Outcome<'_>) -> Document<'o> {
    let call = |call: &HeldCall| CallJson {
        call: call.name,
        rounds_agree: call.agree(),
        sums: counts(call.rounds.iter()).collect(),
        each_round: call.rounds.iter().map(|held| counts(std::iter::once(held)).collect()).collect(),
    };
    let case = |validated: &'o Validated| {
        let p = &validated.report.provenance;
        CaseJson {
            case: validated.case.name,
            recording_sha256: &p.recording_sha256,
            comm: &p.comm,
            policy: p.policy,
            era: p.era,
            profile: &p.profile,
            profile_sha256: &p.profile_sha256,
            rounds: validated.rounds(),
            rounds_agree: rounds_that_agree(&validated.calls),
            calls: validated.calls.iter().map(call).collect(),
        }
    };
    Document {
        schema: SCHEMA,
        version: VERSION,
        kernel: &outcome.host.kernel,
        cases: outcome.validated.iter().map(case).collect(),
        skipped: outcome.skipped.iter().map(|s| SkippedJson { case: s.case.name, why: &s.why }).collect(),
    }
}

fn table(outcome: &Outcome<'_>) -> String {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = plain_table();
    let heads = ["full IPI flushes recorded", "predicted", "local flushes recorded", "predicted", "rounds that agree"];
    let heads = heads.map(|head| right(head.to_owned()));
    table.set_header([Cell::new("case"), Cell::new("call")].into_iter().chain(heads));
    for validated in &outcome.validated {
        for call in &validated.calls {
            let spread = |of: &dyn Fn(&Held) -> u64| right(spread(call.rounds.iter().map(of)));
            let local = |initiated: &Initiated| initiated.full_local + initiated.ranged_local;
            table.add_row([
                Cell::new(validated.case.name),
                Cell::new(call.name),
                spread(&|held| held.recorded.full_ipi),
                spread(&|held| held.predicted.full_ipi),
                spread(&|held| local(&held.recorded)),
                spread(&|held| local(&held.predicted)),
                right(format!("{} of {}", call.agree(), call.rounds.len())),
            ]);
        }
    }
    let mut text = String::new();
    if let Some(first) = outcome.validated.first() {
        let p = &first.report.provenance;
        let kernel = &outcome.host.kernel;
        let _ = writeln!(text, "Linux {kernel}, beside {}, era {}, on {}", p.policy, p.era, p.profile);
        let _ = writeln!(text, "flushes of each call, by round; 64 x19, 63 is 64 in 19 rounds and 63 in one\n");
    }
    let _ = writeln!(text, "{}\n", table.trim_fmt());
    for validated in &outcome.validated {
        let (agree, all) = (rounds_that_agree(&validated.calls), validated.rounds());
        let hash = &validated.report.provenance.recording_sha256[..16];
        let _ =
            writeln!(text, "{}: {agree} of {all} rounds agree in every call (recording {hash})", validated.case.name);
        differences(&mut text, validated);
    }
    for skipped in &outcome.skipped {
        let _ = writeln!(text, "{}: skipped: {}", skipped.case.name, skipped.why);
    }
    text
}

/// The rounds that differ, and in what.
fn differences(text: &mut String, validated: &Validated) {
    let differing = || {
        let rounds = (0..validated.rounds()).flat_map(|n| validated.calls.iter().map(move |call| (n, call)));
        rounds.filter(|(n, call)| !call.rounds[*n].agrees())
    };
    for (n, call) in differing().take(LISTED) {
        let held = &call.rounds[n];
        let kinds = KINDS.iter().map(|(name, kind)| (name, kind(&held.recorded), kind(&held.predicted)));
        let kinds =
            kinds.filter(|(_, recorded, predicted)| recorded != predicted).map(|(name, recorded, predicted)| {
                format!("{} {recorded} recorded, {predicted} predicted", name.replace('_', " "))
            });
        let _ = writeln!(text, "  round {}, {}: {}", n + 1, call.name, kinds.collect::<Vec<_>>().join("; "));
    }
    let more = differing().count().saturating_sub(LISTED);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
}

/// The values of all rounds, the most frequent first, and how often each is there.
fn spread(values: impl Iterator<Item = u64>) -> String {
    let mut times = BTreeMap::<u64, usize>::new();
    for value in values {
        *times.entry(value).or_default() += 1;
    }
    let mut order: Vec<_> = times.into_iter().collect();
    order.sort_by_key(|&(value, times)| (Reverse(times), value));
    let alone = order.len() == 1;
    let shown = order.iter().map(
        |&(value, times)| {
            if alone || times == 1 { value.to_string() } else { format!("{value} x{times}") }
        },
    );
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_how_often_they_are_there() {
        let shown = |values: &[u64]| spread(values.iter().copied());
        assert_eq!(shown(&[64, 64, 64]), "64");
        assert_eq!(shown(&[64, 0, 0, 63, 0, 63]), "0 x3, 63 x2, 64");
        assert_eq!(shown(&[1, 0]), "0, 1");
    }
}
