//! Compiles the program that `mmusim validate --host` records; `src/rounds/program.rs` builds it in.

use std::env;
use std::path::PathBuf;

const SOURCE: &str = "src/rounds/rounds.c";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("rounds");
    let mut compiler = cc::Build::new().get_compiler().to_command();
    compiler.args(["-O2", "-Wall", "-Wextra", "-pthread", SOURCE, "-o"]).arg(out);
    let status = compiler.status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{compiler:?}: {status:?}");
}
