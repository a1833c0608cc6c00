use super::check::mhz;
use super::*;
use crate::machine::testing::PRIMES;

/// The error that replacing one line of a good profile gives.
#[track_caller]
fn error(line: &str, by: &str) -> ProfileError {
    let text = PRIMES.replacen(line, by, 1);
    assert_ne!(text, PRIMES, "no line {line}");
    let error = Profile::parse("bad.toml", &text).expect_err(by);
    let shown = error.to_string();
    assert!(shown.starts_with(&format!("bad.toml:{}:", error.line)));
    assert!(shown.contains(&error.source_line), "{shown}");
    assert_eq!(text.lines().nth(error.line - 1), Some(&*error.source_line));
    error
}

/// What to replace, by what, a piece of the line shown, a piece of the message.
#[rustfmt::skip]
const CASES: &[(&str, &str, &str, &str)] = &[
        (
            "ghz = 2.003",
            "ghz = 0.0",
            "ghz = 0.0",
            "`machine.ghz` is 0: expected a clock above 0",
        ),
        (
            "ghz = 2.003",
            "ghz = 2.0005",
            "ghz = 2.0005",
            "at most three decimals",
        ),
        ("ghz = 2.003", "ghz = -2", "ghz = -2", "`machine.ghz` is -2"),
        (
            "ghz = 2.003",
            "ghz = \"x\"",
            "ghz = \"x\"",
            "expected `ghz`: a number of GHz",
        ),
        (
            "ghz = 2.003",
            "ghz = inf",
            "ghz = inf",
            "`machine.ghz` is inf",
        ),
        ("ghz = 2.003\n", "", "[machine]", "missing field `ghz`"),
        (
            "sockets = 2",
            "sockets = 0",
            "sockets = 0",
            "`machine.sockets` is 0: expected a number above 0",
        ),
        (
            "sockets = 2",
            "sockets = -1",
            "sockets = -1",
            "integer `-1`, expected u32",
        ),
        (
            "smt = 2",
            "smt = 129",
            "cores_per_socket = 4",
            "at most 1024 CPUs, this makes 1032",
        ),
        (
            "dies_per_socket = 2",
            "dies_per_socket = 3",
            "dies_per_socket = 3",
            "is 3: expected a divisor of cores_per_socket (4)",
        ),
        (
            "c2c_die_cyc",
            "# c2c_die_cyc",
            "[cache]",
            "missing key `cache.c2c_die_cyc`: expected for a socket with several dies",
        ),
        (
            "c2c_remote_cyc",
            "# c2c_remote_cyc",
            "[cache]",
            "`cache.c2c_remote_cyc`: expected for a machine with several sockets",
        ),
        (
            "stlb_ways = 3",
            "stlb_ways = 0",
            "stlb_ways = 0",
            "`tlb.stlb_ways` is 0: expected a divisor of stlb_entries (21)",
        ),
        (
            "stlb_ways = 3",
            "stlb_ways = 4",
            "stlb_ways = 4",
            "`tlb.stlb_ways` is 4: expected a divisor of stlb_entries (21)",
        ),
        (
            "dtlb4k_entries = 6",
            "dtlb4k_entries = 0",
            "dtlb4k_entries = 0",
            "`tlb.dtlb4k_entries` is 0",
        ),
        (
            "stlb_entries = 21",
            "stlb_entries = 65_537",
            "stlb_entries = 65_537",
            "`tlb.stlb_entries` is 65_537: expected at most 65536",
        ),
        (
            "swap_cluster_max = 32",
            "swap_cluster_max = 0",
            "swap_cluster_max = 0",
            "`kernel.swap_cluster_max` is 0: expected a number above 0",
        ),
        (
            "mode = \"xapic_phys\"",
            "mode = \"x3apic\"",
            "mode = \"x3apic\"",
            "expected one of `xapic_phys`, `x2apic_phys`, `x2apic_cluster`, `none_for_tlb`",
        ),
        (
            "invlpg_cyc",
            "# invlpg_cyc",
            "[inval]",
            "missing key `inval.invlpg_cyc`: expected for a mode that sends interrupts",
        ),
        (
            "c2c_same_cyc = 181",
            "c2c_same_cyc = 0",
            "c2c_same_cyc = 0",
            "`cache.c2c_same_cyc` is 0",
        ),
        (
            "idle_wake_cyc = 383",
            "idle_wake_cyc = 1_000_000_001",
            "idle_wake_cyc = 1_000_000_001",
            "expected at most 1000000000",
        ),
        (
            "walkers = 2",
            "walkers = 2\nwalker = 3",
            "walker = 3",
            "unknown field `walker`, expected one of `itlb4k_entries`",
        ),
        (
            "[swap]",
            "[fit]\nx = 1\n[swap]",
            "[fit]",
            "unknown field `fit`, expected one of `machine`, `tlb`, `psc`",
        ),
        ("[swap]", "[swap", "[swap", "unclosed table"),
];

#[test]
fn every_case_names_the_key_the_line_and_what_was_expected() {
    for (line, by, at, expected) in CASES {
        let case = error(line, by);
        assert!(case.source_line.contains(at), "{by}: {case}");
        assert!(case.message.contains(expected), "{by}: {case}");
    }
}

#[test]
fn no_array_takes_all_memory() {
    let arrays = ["itlb4k", "itlb2m", "dtlb4k", "dtlb2m", "stlb", "pml4e", "pdpte", "pde"];
    for key in arrays.map(|array| format!("{array}_entries")) {
        let line = PRIMES.lines().find(|line| line.starts_with(&format!("{key} = "))).expect(&key);
        let case = error(line, &format!("{key} = 1_000_000_000"));
        assert!(case.message.contains(&key) && case.message.contains("expected at most 65536"), "{case}");
    }
}

#[test]
fn place_counts_characters_and_spans_bytes() {
    let case = error("sockets = 2", "sockets = 0");
    assert_eq!((case.line, case.column), (3, 11));
    assert_eq!(case.span.len(), 1);
    let all = Profile::parse("empty", "").expect_err("nothing there");
    assert_eq!((all.line, all.column, all.source_line.as_str()), (1, 1, ""));
    assert!(all.message.contains("missing field `machine`"));
}

#[test]
fn broadcast_needs_its_own_keys_and_no_others() {
    let arm = PRIMES.replace("mode = \"xapic_phys\"", "mode = \"none_for_tlb\"").replace("invlpg_cyc", "# invlpg_cyc");
    assert!(Profile::parse("arm", &arm).is_ok());
    let arm = arm.replace("tlbi_asid_all_cyc", "# tlbi_asid_all_cyc");
    let case = Profile::parse("arm", &arm).expect_err("a key is missing");
    assert!(case.message.contains("`inval.tlbi_asid_all_cyc`"));
}

#[test]
fn clocks_are_exact() {
    for (text, expected) in [
        ("2.45", Some(2450)),
        ("3", Some(3000)),
        ("0.001", Some(1)),
        ("20", Some(20_000)),
        ("20.001", None),
        ("0", None),
        ("NaN", None),
    ] {
        assert_eq!(mhz(text), expected, "{text}");
    }
}
