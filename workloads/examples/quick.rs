//! scratch
use sim_core::drive::engine::Setting;
use workloads::recorded::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = std::time::Instant::now();
    let r = import(Input::Path(a[1].clone().into()), &Pick::Busiest).unwrap();
    eprintln!("import {:?} target {:?} cpus {}", t.elapsed(), r.target, r.summary.cpus);
    let s = script::Script::new(&r);
    let p = workloads::machines::machine("zen5_vm").unwrap().profile();
    let setting = Setting { policy: sim_core::policy::find(&a[2]).unwrap().strategy, era: *sim_core::kernel::era::find("v6.18").unwrap() };
    let t = std::time::Instant::now();
    let out = replay::replay(&s, setting, &p, replay::Timing::Recorded).unwrap();
    eprintln!("replay {:?} sync {} cycles {}", t.elapsed(), s.synchronous_swap, s.reclaim_cycles);
    let (rows, ops) = answer::rows(&r, &s, &out);
    for row in &rows { println!("{row:?}"); }
    let bad = ops.iter().filter(|o| o.recorded_full_ipi != o.predicted_full_ipi).count();
    let badpaid = ops.iter().filter(|o| o.name=="mprotect" && (o.recorded_full_ipi>0) != (o.predicted_full_ipi>0)).count();
    println!("{} operations, {} wrong, mprotect payment wrong {}", ops.len(), bad, badpaid);
    for o in ops.iter().filter(|o| o.recorded_full_ipi != o.predicted_full_ipi).take(12) { println!("{o:?}"); }
    println!("{:?} extra {:?} flushes {:?}", out.inferred, out.stats.extra, out.stats.flushes);
}
