//! `mmusim tui`: a run looked at while it goes on.

use std::io::IsTerminal as _;
use std::sync::Arc;

use ratatui::layout::Rect;
use sim_core::drive::clock::RunAhead;
use sim_core::policy::{self, PolicyInfo};
use sim_core::step::era;
use sim_tui::app::{App, Opening};
use sim_tui::engine::{Engine, Program};
use sim_tui::keys::Bindings;
use sim_tui::moment::Want;
use sim_tui::program::{Repertoire, Tour, scenario};
use sim_tui::script::{self, Script};
use sim_tui::source::{Machine, Source};
use sim_tui::speed::Speed;
use sim_tui::terminal::{self, Ended, Manners};
use sim_tui::theme::Palette;
use sim_tui::ui::Ui;
use sim_tui::{picture, tour};
use workloads::litmus::{self, Litmus};
use workloads::recorded::assume::Assumptions;
use workloads::recorded::replay::Timing;
use workloads::recorded::script::Script as Orders;

use crate::Verdict;
use crate::cli::{ColourArg, TuiArgs};
use crate::commands::{replay, witness};
use crate::failure::Failure;
use crate::input;
use crate::output::{OutputArgs, check_path, ends_in};

/// The policy if none is asked for.
const UNPATCHED: &str = "batched";

/// A run, and what it is under.
struct Shown {
    program: Box<dyn Program>,
    left: &'static PolicyInfo,
    right: Option<&'static PolicyInfo>,
    speed: Speed,
}

pub(crate) fn run(args: &TuiArgs) -> Result<Verdict, Failure> {
    args.output.as_deref().map_or(Ok(()), check_path)?;
    let bindings = bindings(args)?;
    if args.print_keys {
        OutputArgs { format: None, output: args.output.clone() }.write(&bindings.file())?;
        return Ok(Verdict::Fine);
    }
    if args.press.is_none() {
        terminal::check().map_err(|e| {
            let help =
                "choose `mmusim compare` or `mmusim replay` for text, or press keys without a terminal (--press)";
            Failure::new(e.to_string(), help)
        })?;
    }
    let mut shown = shown(args)?;
    let player = if args.tour { shown.program.stop(0) } else { shown.program.open(shown.left, shown.right) };
    let help = "choose another policy, or another machine with --profile (mmusim list profiles)";
    let player = player.map_err(|message| Failure::new(message, help))?;
    let mut engine = Engine::new(player, shown.program);
    let opening = Opening {
        scene: engine.scene(&Want::default()),
        policies: policy::all().collect(),
        left: shown.left,
        right: shown.right,
        speed: shown.speed,
        tour: args.tour,
    };
    let app = App::new(Ui::new(palette(args), bindings), opening);
    match &args.press {
        Some(keys) => without_terminal(args, keys, app, engine),
        None => match terminal::show(app, engine, Manners { mouse: !args.no_mouse }) {
            Ok(Ended::Quit) => Ok(Verdict::Fine),
            // As a shell reports it.
            Ok(Ended::Signal(signal)) => std::process::exit(128 + signal),
            Err(e) => Err(Failure::new(e.to_string(), "its message is above, if there is one")),
        },
    }
}

fn without_terminal(args: &TuiArgs, keys: &str, app: App, engine: Engine) -> Result<Verdict, Failure> {
    let keys = script::keys(keys).map_err(|message| Failure::new(format!("--press: {message}"), "see --print-keys"))?;
    let mut script = Script::new(app, engine, Rect::new(0, 0, args.size.0, args.size.1));
    script.press(&keys);
    let screen = script.screen();
    let content = if is_picture(args) { picture::svg(&screen) } else { picture::text(&screen) };
    OutputArgs { format: None, output: args.output.clone() }.write(&content)?;
    Ok(Verdict::Fine)
}

fn is_picture(args: &TuiArgs) -> bool {
    args.output.as_ref().is_some_and(|path| ends_in(path, "svg"))
}

fn bindings(args: &TuiArgs) -> Result<Bindings, Failure> {
    let Some(path) = &args.keys else { return Ok(Bindings::default()) };
    let name = path.display().to_string();
    let text = input::read_text(&name, "file of keys", &[])?;
    Bindings::parse(&name, &text).map_err(|e| Failure::new(e.to_string(), "see `mmusim tui --print-keys`"))
}

/// As the environment says, unless the command line does.
fn palette(args: &TuiArgs) -> Palette {
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    let true_colour = ["truecolor", "24bit"].contains(&set("COLORTERM").as_str());
    match args.color {
        ColourArg::Never => Palette::Plain,
        ColourArg::Always => Palette::True,
        ColourArg::Auto if !set("NO_COLOR").is_empty() => Palette::Plain,
        ColourArg::Auto if is_picture(args) => Palette::True,
        ColourArg::Auto if !std::io::stdout().is_terminal() || set("TERM") == "dumb" => Palette::Plain,
        ColourArg::Auto if true_colour => Palette::True,
        ColourArg::Auto => Palette::Sixteen,
    }
}

fn shown(args: &TuiArgs) -> Result<Shown, Failure> {
    let unpatched = policy::find(UNPATCHED).expect("a registered policy");
    let left = args.policies.first().copied().unwrap_or(unpatched);
    if args.policies.len() > 2 {
        let message = format!("--policy is given {} times", args.policies.len());
        return Err(Failure::new(message, "expected one policy, or two for side by side"));
    }
    let right = args.policies.get(1).copied();
    if args.tour {
        let program = Box::new(Tour { machine: Arc::new(machine(args, witness::PROFILE)?) });
        let left = policy::find(tour::STOPS[0].policy).expect("a registered policy");
        return Ok(Shown { program, left, right: None, speed: Speed::READING });
    }
    let (source, left, speed) = source(args, left)?;
    Ok(Shown { program: Box::new(Repertoire(source)), left, right, speed })
}

/// What is shown, under which policy at first, and how fast.
fn source(args: &TuiArgs, left: &'static PolicyInfo) -> Result<(Source, &'static PolicyInfo, Speed), Failure> {
    let name = args.source.as_str();
    let is_litmus = ends_in(name, "litmus");
    let is_litmus = is_litmus || litmus::find(name).is_some();
    if args.surroundings.era.is_some() && (is_litmus || witness::is_witness(name)) {
        let message = format!("--era does not go with {name}, which has its own");
        return Err(Failure::new(message, "expected --era with a workload or a recording"));
    }
    if witness::is_witness(name) {
        let read = witness::read(name)?;
        let machine = Arc::new(machine(args, witness::PROFILE)?);
        let left = if args.policies.is_empty() { read.policy } else { left };
        let (litmus, moves) = (Arc::new(read.litmus), read.moves.into());
        return Ok((Source::Witness { litmus, of: read.policy, moves, machine }, left, Speed::READING));
    }
    if is_litmus {
        let text = input::litmus(name)?;
        let read = Litmus::parse(name, &text).map_err(|e| Failure::text(e, &text))?;
        let machine = Arc::new(machine(args, witness::PROFILE)?);
        return Ok((scenario(read, left, machine), left, Speed::READING));
    }
    if replay::is_recording(name) {
        let recording = replay::recording(name, &args.recording)?;
        // There is one for the whole of the program.
        let script: &'static Orders = Box::leak(Box::new(Orders::new(&recording)));
        let machine: &'static Machine = Box::leak(Box::new(machine(args, replay::RECORDED_PROFILE)?));
        let source = Source::Recording {
            name: recording.file_name().to_owned(),
            script,
            era: *args.surroundings.era.unwrap_or_else(replay::recorded_era),
            machine,
            timing: Timing::Recorded,
            assumptions: Assumptions::ESTIMATE,
            processes: 1,
        };
        return Ok((source, left, Speed::WATCHING));
    }
    let workload = input::workload(name)?;
    let spec = &workload.workload;
    let written_for = era::find(spec.era.get_ref()).expect("a workload is read with its era");
    let machine = Arc::new(machine(args, spec.profile.get_ref())?);
    let run_ahead = if args.run_ahead { RunAhead::Upto(u64::MAX) } else { RunAhead::Off };
    let era = *args.surroundings.era.unwrap_or(written_for);
    let source =
        Source::Workload { workload: Arc::new(workload), era, machine, seed: args.surroundings.seed, run_ahead };
    Ok((source, left, Speed::WATCHING))
}

fn machine(args: &TuiArgs, usual: &str) -> Result<Machine, Failure> {
    let found = input::machine(args.surroundings.profile.as_deref().unwrap_or(usual))?;
    Ok(Machine { input: found.input, profile: found.profile })
}
