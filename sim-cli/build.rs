//! Compiles the program that `mmusim validate --host` records; `src/rounds/program.rs` builds it in.

use std::path::PathBuf;
use std::{env, fs};

const SOURCE: &str = "src/rounds/rounds.c";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("rounds");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os != "linux") {
        // It is Linux that is validated. Elsewhere the command finds no perf, and says so.
        return fs::write(out, []).expect("cargo's directory can be written to");
    }
    let mut compiler = cc::Build::new().get_compiler().to_command();
    compiler.args(["-O2", "-Wall", "-Wextra", "-pthread", SOURCE, "-o"]).arg(out);
    let status = compiler.status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{compiler:?}: {status:?}");
}
