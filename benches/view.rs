//! The live view: a moment of a run of 256 cores, a frame of it, and what looking costs the run.

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use sim_core::drive::clock::RunAhead;
use sim_core::machine::profile::Profile;
use sim_core::policy;
use sim_core::step::era;
use sim_tui::app::{App, Opening};
use sim_tui::engine::{Engine, Program};
use sim_tui::keys::Bindings;
use sim_tui::moment::Want;
use sim_tui::program::Repertoire;
use sim_tui::screen;
use sim_tui::source::{Machine, Source};
use sim_tui::speed::Speed;
use sim_tui::theme::Palette;
use sim_tui::ui::Ui;
use workloads::outcome::Input;
use workloads::synthetic::schema::Workload;
use workloads::synthetic::{self, Synthetic};

/// Events before the moment that is looked at.
const EVENTS: u64 = 200_000;

/// `overlap` on 256 cores, one of which reclaims.
fn crowd() -> Source {
    let text = workloads::machines::machine("spr_8468v_2s").expect("a shipped profile").text;
    let text = text.replacen("sockets = 2", "sockets = 3", 1);
    let profile = Profile::parse("three sockets", &text).expect("it is well-formed");
    let machine = Arc::new(Machine { input: Input::new("spr_3s", text.as_bytes()), profile });
    let overlap = synthetic::find("overlap").expect("a built-in workload").text.replacen("cores = 6", "cores = 255", 1);
    let spec = Workload::parse_for_another_machine("crowd.toml", &overlap).expect("it is well-formed");
    let era = *era::find(spec.era.get_ref()).expect("an era");
    let workload = Arc::new(Synthetic { input: Input::new("crowd", overlap.as_bytes()), workload: spec });
    Source::Workload { workload, era, machine, seed: 1, run_ahead: RunAhead::Off }
}

fn view(c: &mut Criterion) {
    let unpatched = policy::find("batched").expect("a registered policy");
    let mut program = Repertoire(crowd());
    let mut pair = program.open(unpatched, None).expect("it can be run");
    pair.forward(EVENTS);
    let area = Rect::new(0, 0, 200, 60);
    let mut engine = Engine::new(pair, Box::new(program));
    let opening = Opening {
        scene: engine.scene(&Want::default()),
        policies: vec![unpatched],
        left: unpatched,
        right: None,
        speed: Speed::FULL,
        tour: false,
    };
    let mut app = App::new(Ui::new(Palette::True, Bindings::default()), opening);
    let want = app.want(area);
    let mut group = c.benchmark_group("view");
    group.sample_size(20);
    group.bench_function("moment/256", |b| b.iter(|| engine.scene(&want)));
    app.show(engine.scene(&want));
    let mut terminal = Terminal::new(TestBackend::new(area.width, area.height)).expect("a screen in memory");
    group.bench_function("frame/256/200x60", |b| {
        b.iter(|| {
            terminal
                .draw(|frame| {
                    let area = frame.area();
                    screen::draw(frame.buffer_mut(), area, &app.view());
                })
                .expect("memory can be drawn to")
                .area
        });
    });
    group.throughput(Throughput::Elements(EVENTS));
    let source = crowd();
    group.bench_function("events/256/watched", |b| {
        let ready = || Repertoire(source.clone()).open(unpatched, None).expect("it can be run");
        b.iter_batched_ref(ready, |pair| pair.forward(EVENTS), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, view);
criterion_main!(benches);
