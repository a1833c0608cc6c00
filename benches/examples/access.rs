//! One access, whole and bare.
use std::time::Instant;
use workloads::speed::{Shape, bare::Bare, mix::Mix, whole::Whole};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let cores: Vec<u16> = args[1].split(',').map(|c| c.parse().unwrap()).collect();
    let accesses: u32 = args[2].parse().unwrap();
    let rounds: u32 = args[3].parse().unwrap();
    let modes: &[bool] = match args.get(4).map(String::as_str) {
        Some("ahead") => &[true],
        Some("off") => &[false],
        _ => &[true, false],
    };
    for cores in cores {
        for &run_ahead in modes {
            let shape = Shape {
                cores,
                mix: match args.get(6).map(String::as_str) {
                    Some("hot") => Mix::Hot,
                    Some("single") => Mix::Single,
                    _ => Mix::Mixed,
                },
                accesses,
                run_ahead,
            };
            let mut pairs = Vec::new();
            if let Some("bare") = args.get(5).map(String::as_str) {
                let mut bare = Bare::new(shape);
                bare.run();
                return;
            }
            if let Some("callgrind") = args.get(5).map(String::as_str) {
                let mut whole = Whole::new(shape);
                whole.run();
                return;
            }
            let mut last = (Default::default(), 0, 0);
            for _ in 0..rounds {
                let mut bare = Bare::new(shape);
                let t = Instant::now();
                last.0 = bare.run();
                let b = t.elapsed().as_nanos() as f64 / accesses as f64;
                drop(bare);
                let mut whole = Whole::new(shape);
                let t = Instant::now();
                last.1 = whole.run();
                let w = t.elapsed().as_nanos() as f64 / accesses as f64;
                last.2 = whole.events();
                pairs.push((w / b, b, w));
            }
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            println!("cores {cores} ahead {run_ahead}: {:?} {:?}", pairs[pairs.len() / 2], last);
        }
    }
}
