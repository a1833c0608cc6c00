//! The fixed workloads whose instructions `.ci/instructions` counts: only what `measured` calls is counted.

use sim_core::drive::explore::{Options, search_with};
use sim_core::policy;
use workloads::litmus::{self, Litmus};
use workloads::recorded::{Pick, decode, embedded, import_text};
use workloads::speed::Shape;
use workloads::speed::bare::Bare;
use workloads::speed::calls::{Busy, Calls};
use workloads::speed::measure::{EXPLORED, EXPLORED_POLICY};
use workloads::speed::mix::Mix;
use workloads::speed::whole::Whole;

const ACCESSES: u32 = 400_000;

#[inline(never)]
fn measured<T>(run: impl FnOnce() -> T) -> T {
    run()
}

/// `mixed` unless the name says `single`.
fn shape(name: &str) -> Shape {
    let mix = if name.contains("single") { Mix::Single } else { Mix::Mixed };
    Shape { cores: 64, mix, accesses: ACCESSES, run_ahead: name.ends_with("ahead") }
}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let units = match name.as_str() {
        "bare-ahead" | "bare-alone" | "bare-single-ahead" => {
            let mut bare = Bare::new(shape(&name));
            let hits = measured(|| bare.run());
            hits.l1 + hits.stlb + hits.walks
        }
        "access-ahead" | "access-alone" | "access-single-ahead" => {
            let mut whole = Whole::new(shape(&name));
            measured(|| whole.run())
        }
        "kernel" => {
            let policy = policy::find("pending-generation").expect("a registered policy");
            let mut busy = Busy::new(Calls::All, policy, 4, 4, 100);
            measured(|| busy.run()).kernel_steps
        }
        "states" => {
            let file = litmus::find(EXPLORED).expect("an embedded file");
            let read = Litmus::parse(file.name, file.text).expect("a built-in file is right");
            let race = read.race(policy::find(EXPLORED_POLICY).expect("a registered policy"));
            measured(|| search_with(&race, &Options::default(), &mut |_| {})).states as u64
        }
        "import" => {
            let source = embedded("pageout-clean-mprotect").expect("an embedded recording");
            let (name, text) = decode(source.input()).expect("it is whole");
            measured(|| import_text(&name, &text, &Pick::Busiest).expect("it is well-formed"));
            text.len() as u64
        }
        _ => {
            eprintln!("expected the name of a workload of benches/instructions.csv, found `{name}`");
            std::process::exit(2);
        }
    };
    println!("{units}");
}
