use std::collections::BTreeSet;

use super::*;

#[test]
fn every_file_is_registered_under_its_name() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/synthetic");
    let files: BTreeSet<String> =
        std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let rows: BTreeSet<_> = WORKLOADS.iter().map(|w| format!("{}.toml", w.name)).collect();
    assert_eq!(rows, files);
    for builtin in WORKLOADS {
        assert_eq!(builtin.workload().workload.name, builtin.name);
    }
}

/// The message about a workload with one line replaced.
fn complaint_about(name: &str, from: &str, to: &str) -> String {
    let text = find(name).unwrap().text;
    assert!(text.contains(from), "{from}");
    let error = Synthetic::parse("x.toml", &text.replacen(from, to, 1)).unwrap_err();
    assert!(text.lines().count() >= error.line);
    error.to_string()
}

/// Each line replaced is complained about, in these words.
fn complains(name: &str, cases: &[(&str, &str, &str)]) {
    for (from, to, expected) in cases {
        let message = complaint_about(name, from, to);
        assert!(message.contains(expected) && message.starts_with("x.toml:"), "{to}: {message}");
    }
}

#[test]
fn rules_of_memory_name_the_line() {
    let cases = [
        ("frames = 1_600", "frames = 50", "expected at least 58: high_pages (48)"),
        ("frames = 1_600", "frames = 20_000_000", "at most 16777216"),
        ("frames = 1_600", "frames = 1_600\nlow_pages = 79", "expected min <= low <= high"),
        ("frames = 1_600", "frames = 1_600\nhigh_pages = 99", "expected min <= low <= high"),
        ("frames = 1_600", "frames = 1_600\nlow_page = 90", "unknown field `low_page`"),
        ("depth = 32", "depth = 0", "nonzero"),
        ("[memory]\nframes = 1_600", "", "expected [memory] too"),
        ("[user]", "[reclaim]\ncores = 1\nlist_pages = 1\nlists_per_cycle = 1\npause_cycles = 1\n[user]", "not both"),
        ("backing = \"anon\"", "backing = \"file\"", "expected one of `anon`, `private_file`, `shared_file`"),
        ("[user]", "[[program]]\ncore = 0\nsteps = [{ do = \"mremap\", pages = 1 }]\n[user]", "needs to"),
        ("[user]", "[[program]]\ncore = 0\nsteps = [{ do = \"free\", to = 1, pages = 1 }]\n[user]", "needs to"),
        (
            "[user]",
            "[[program]]\ncore = 0\nsteps = [{ do = \"mremap\", to = 2_079, pages = 2 }]\n[user]",
            "inside the working set",
        ),
    ];
    complains("pressure", &cases);
}

#[test]
fn threads_with_regions_of_their_own_share_the_memory() {
    let cases = [
        (
            "pages = 512\npage_tables = 1",
            "pages = 8_400_896\npage_tables = 16_408",
            "pages: 8400896 for each of 2 threads",
        ),
        (
            "pages = 512\npage_tables = 1",
            "pages = 16_400\npage_tables = 16_400",
            "page_tables: 16400 for each of 2 threads",
        ),
    ];
    complains("tlb_flush1", &cases);
}

#[test]
fn programs_move_and_free() {
    let text = find("pressure").unwrap().text;
    let steps = "{ do = \"munmap\", first = 8, pages = 2 }, { do = \"mremap\", first = 0, to = 8, pages = 2 },
        { do = \"free\", first = 8, pages = 2 }, { do = \"store\", first = 8, pages = 2 }";
    let program = format!("[[program]]\ncore = 0\nsteps = [{steps}]\n[user]");
    let workload = Synthetic::parse("x.toml", &text.replace("[user]", &program)).unwrap().workload;
    let mut programmed = Programmed::new(&workload, &workload.programs[0], 1);
    let mut thread = || programmed.next().0;
    let (gone, moved, freed, stored) = (thread(), thread(), thread(), thread());
    assert_eq!((gone.kind, gone.span.first), (OpKind::Munmap, moved.to));
    assert_eq!((moved.kind, moved.span.pages), (OpKind::Mremap, 2));
    assert_eq!((freed.kind, freed.span), (OpKind::Free, gone.span));
    assert_eq!(stored.span.first, moved.to);
}

#[test]
fn a_program_migrates_page_by_page() {
    let text = find("pressure").unwrap().text;
    let program = "[[program]]\ncore = 0\nsteps = [{ do = \"migrate\", first = 3, pages = 2 }]\n[user]";
    let workload = Synthetic::parse("x.toml", &text.replace("[user]", program)).unwrap().workload;
    let mut programmed = Programmed::new(&workload, &workload.programs[0], 1);
    let [first, second] = [(); 2].map(|()| programmed.next().0);
    assert!(matches!((first.kind, second.kind), (OpKind::Migrate(_), OpKind::Migrate(_))));
    assert_eq!((first.span.pages, second.span), (1, sim_core::nouns::types::Span::page(first.span.first + 1)));
}

#[test]
fn rules_of_loops_name_the_line() {
    let cases = [
        ("numa_scan", "migrate", "\"migrate\" moves one page, expected it in each_page"),
        ("numa_scan", "mremap", "expected anything but \"mremap\" and \"work\" in a loop"),
        ("numa_scan", "mprotect", "\"mprotect\" needs rights"),
        (
            "gap_cycles = 500",
            "gap_cycles = 500\n[user]\nstores_percent = 1\nwritten_percent = 1\npattern = \"uniform\"\ngap_cycles = 1",
            "expected no [user]",
        ),
    ];
    complains("numa-migration", &cases);
}

#[test]
fn rules_that_types_cannot_express_name_the_line() {
    let cases = [
        ("page_tables = 1", "page_tables = 7", "a divisor of pages"),
        ("\npages = 64", "\npages = 960", "at most 512 on each"),
        ("\npages = 64", "\npages = 0", "nonzero"),
        ("\npages = 64", "\npages = 99999999", "at most 16777216"),
        (
            "\npages = 64\npage_tables = 1",
            "\npages = 65536\npage_tables = 65536",
            "page_tables: expected at most 32768",
        ),
        ("cores = 6", "cores = 200", "at most the 104 of skx_2s"),
        ("\"skx_2s\"", "\"skx\"", "expected one of clx_ap_9242"),
        ("\"v4.13\"", "\"v4\"", "expected one of v4.13"),
        ("span_pages = 1", "span_pages = 65", "at most the 64 pages"),
        ("zipf_s = 0.6", "zipf_s = 9.5", "expected 0 to 4"),
        ("zipf_s = 0.6", "", "needs zipf_s"),
        ("stores_percent = 20", "stores_percent = 101", "expected 0 to 100"),
        ("rights = \"none\"", "", "needs rights"),
        ("list_pages = 32", "list_page = 32", "unknown field `list_page`, expected one of"),
        ("gap_cycles = 400", "gap_cycles = -1", "invalid value"),
        ("[reclaim]", "[[program]]\ncore = 6\nsteps = []\n[reclaim]", "expected 0 to 5"),
        ("[reclaim]", "[[program]]\ncore = 0\nsteps = [{ do = \"work\" }]\n[reclaim]", "needs cycles"),
        (
            "[reclaim]",
            "[[program]]\ncore = 0\nsteps = [{ do = \"load\", first = 60, pages = 5 }]\n[reclaim]",
            "inside the working set",
        ),
        ("duration_cycles = 40_000_000", "duration_cycles = 0", "nonzero"),
    ];
    complains("overlap", &cases);
}

#[test]
fn pages_fill_the_tables_in_order() {
    let layout = Layout::new(&find("overlap-two-tables").unwrap().workload().workload);
    let vpns: BTreeSet<u64> = (0..16).map(|index| layout.vpn(index)).collect();
    assert_eq!(vpns.len(), 16);
    assert_eq!(layout.spans().count(), 2);
    assert!(layout.spans().all(|span| vpns.contains(&(span.end() - 1))));
}

#[test]
fn extreme_values_end_in_time_and_without_a_panic() {
    let text = find("overlap").unwrap().text;
    let short = text.replace("duration_cycles = 40_000_000", "duration_cycles = 300_000");
    let extremes = [
        ("gap_accesses = 800", "gap_accesses = 9223372036854775807"),
        ("hold_accesses = 20", "hold_accesses = 9223372036854775807"),
        ("gap_cycles = 400", "gap_cycles = 9223372036854775807"),
        ("pause_cycles = 100_000", "pause_cycles = 9223372036854775807"),
        (
            "pause_cycles = 100_000",
            "pause_cycles = 0\n[[program]]\ncore = 0\nsteps = [{ do = \"work\", cycles = 9223372036854775807 }]",
        ),
        ("lists_per_cycle = 1", "lists_per_cycle = 4294967295"),
        ("list_pages = 32", "list_pages = 4294967295"),
        ("cores = 6", "cores = 1"),
        ("stores_percent = 20", "stores_percent = 100"),
        ("zipf_s = 0.6", "zipf_s = 4.0"),
        ("span_pages = 1", "span_pages = 64"),
    ];
    let machine = crate::machines::machine("skx_2s").unwrap();
    for (from, to) in extremes {
        let workload = Synthetic::parse("x.toml", &short.replace(from, to)).expect(to);
        for policy in sim_core::policy::POLICIES {
            let on = Conditions {
                policy,
                era: &sim_core::step::era::ERAS[0],
                profile: &machine.profile(),
                profile_input: &workload.input,
                seed: u64::MAX,
                run_ahead: RunAhead::Upto(u64::MAX),
            };
            workload.run(&on, &mut |_| ()).expect("it fits");
        }
    }
}
