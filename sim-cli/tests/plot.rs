//! `mmusim plot`: what is in the pictures, and what is said about files that cannot be drawn.

mod common;

use std::fmt::Write as _;

use common::{file, mmusim, stdout};
use tiny_skia::Pixmap;

/// Rows of a sweep of two policies, with the columns that matter here.
const ROWS: &str = "\
schema,version,workload,profile,era,seed,policy,plan,plan_sha256,point,cores,flush_total_per_reclaim_cycle_cycles,\
round_cycles,faults
1,0.1.0,overlap,skx_2s,v4.13,1,batched,p,0,a,2,1000.000,,7
1,0.1.0,overlap,skx_2s,v4.13,1,batched,p,0,b,4,3000.000,,9
1,0.1.0,overlap,skx_2s,v4.13,1,batched,p,0,c,8,9000.000,,4
1,0.1.0,overlap,skx_2s,v4.13,1,pending-flag,p,0,d,2,2000.000,,7
1,0.1.0,overlap,skx_2s,v4.13,1,pending-flag,p,0,e,4,4000.000,,8
1,0.1.0,overlap,skx_2s,v4.13,1,pending-flag,p,0,f,8,10000.000,,6
";

/// What `mmusim calibrate` writes.
const CURVES: &str = "\
version,profile,curve,axis,at,published_ns,fit,model_ns,error_percent,left_out_ns,left_out_error_percent
0.1.0,skx_2s,munmap-threads,threads,1,1000,true,1100.0,10.0,1200.0,20.0
0.1.0,skx_2s,munmap-threads,threads,4,2000,false,2100.0,5.0,,
0.1.0,skx_2s,munmap-threads,threads,8,,false,4000.0,,,
0.1.0,skx_2s,mprotect-pages,pages,1,500,true,500.0,0.0,400.0,-20.0
";

/// What `mmusim compare --rows cycles` writes.
const CYCLES: &str = "\
schema,version,workload,profile,era,seed,policy,flushes_extra,reclaim_cycles
1,0.1.0,overlap,skx_2s,v4.13,1,batched,0,80
1,0.1.0,overlap,skx_2s,v4.13,1,pending-flag,0,30
1,0.1.0,overlap,skx_2s,v4.13,1,pending-flag,2,10
1,0.1.0,overlap,skx_2s,v4.13,2,pending-flag,0,40
";

/// Draws a CSV; the picture is a file of this name.
fn drawn(csv: &str, name: &str, more: &[&str]) -> Vec<u8> {
    let (directory, path) = file("rows.csv", csv.as_bytes());
    let out = directory.path().join(name);
    let args = [&["plot", &path, "-o", out.to_str().expect("text")], more].concat();
    mmusim(&args).assert().success().stdout("").stderr("");
    std::fs::read(out).expect("a picture")
}

fn svg(csv: &str, more: &[&str]) -> String {
    String::from_utf8(drawn(csv, "out.svg", more)).expect("SVG is text")
}

/// The number in an attribute of a line of SVG.
fn attribute(line: &str, name: &str) -> f64 {
    let rest = line.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("no {name} in {line}")).1;
    rest.split('"').next().and_then(|value| value.parse().ok()).expect("a number")
}

/// The places of the circles of a fill colour.
fn circles(svg: &str, fill: &str) -> Vec<(f64, f64)> {
    let lines = svg.lines().filter(|line| line.starts_with("<circle") && line.contains(&format!("fill=\"{fill}\"")));
    lines.map(|line| (attribute(line, "cx"), attribute(line, "cy"))).collect()
}

/// The texts of a picture, in order.
fn texts(svg: &str) -> Vec<&str> {
    svg.lines()
        .filter(|line| line.starts_with("<text"))
        .map(|line| line.split(['>', '<']).nth(2).expect("a text"))
        .collect()
}

/// `(b - a) / (c - a)` of one coordinate.
fn share(points: &[(f64, f64)], of: fn(&(f64, f64)) -> f64) -> f64 {
    let [a, b, c] = [0, 1, 2].map(|n| of(&points[n]));
    (b - a) / (c - a)
}

#[test]
fn points_are_where_their_values_are() {
    let svg = svg(ROWS, &[]);
    // The first series has black discs; the one of the legend is drawn last.
    let discs = circles(&svg, "#000000");
    assert_eq!(discs.len(), 3 + 1, "{svg}");
    assert!((share(&discs, |at| at.0) - 2.0 / 6.0).abs() < 0.001, "2, 4, 8 cores: {discs:?}");
    assert!((share(&discs, |at| at.1) - 2.0 / 8.0).abs() < 0.001, "1000, 3000, 9000 cycles: {discs:?}");
    assert!(discs[2].1 < discs[0].1, "more is higher");
    for text in [
        "Flush cost per reclaim cycle: total, by cores",
        "total, cycles",
        "cores",
        "unpatched",
        "patched",
        "2",
        "4",
        "8",
    ] {
        assert!(texts(&svg).contains(&text), "no `{text}` in {:?}", texts(&svg));
    }
    assert!(
        texts(&svg).iter().any(|text| text.starts_with("mmusim 0.1.0, profile skx_2s, era v4.13; rows.csv, sha256 "))
    );
    assert_eq!(svg.matches("stroke-dasharray").count(), 2, "the second series, and its line of the legend");
}

#[test]
fn a_wide_range_is_logarithmic_and_says_so() {
    let wide = ROWS.replace("9000.000", "100000.000").replace("3000.000", "10000.000");
    let svg = svg(&wide, &[]);
    let discs = circles(&svg, "#000000");
    assert!((share(&discs, |at| at.1) - 0.5).abs() < 0.001, "1000, 10000, 100000: {discs:?}");
    assert!(texts(&svg).contains(&"total, cycles (log)"));
    // A value that such an axis has no place for makes it linear.
    let zero = wide.replace("1000.000", "0.000");
    assert!(!texts(&self::svg(&zero, &[])).contains(&"total, cycles (log)"));
}

#[test]
fn metric_axis_and_series_are_the_readers_choice() {
    let svg = svg(ROWS, &["--metric", "faults", "--by", "cores", "--x", "policy"]);
    assert!(texts(&svg).contains(&"User: faults, by policy"), "{:?}", texts(&svg));
    let chosen = self::svg(ROWS, &["--where", "policy=batched", "--metric", "faults"]);
    assert_eq!(chosen, self::svg(ROWS, &["--where", "policy=unpatched", "--metric", "faults"]), "by an alias");
    let discs = circles(&chosen, "#000000");
    // 7, 9, 4.
    assert!((share(&discs, |at| at.1) - 2.0 / -3.0).abs() < 0.001, "{discs:?}");
    assert!(!texts(&chosen).contains(&"patched"));
}

/// The rows, and once more with other words in them.
fn rows_and(changes: &[(&str, &str)]) -> String {
    let (_, rows) = ROWS.split_once('\n').expect("a header");
    ROWS.to_owned() + &changes.iter().fold(rows.to_owned(), |rows, (from, to)| rows.replace(from, to))
}

#[test]
fn seeds_are_averaged_and_their_spread_is_shown() {
    let svg = svg(&rows_and(&[("v4.13,1,", "v4.13,2,"), ("9000.000", "11000.000")]), &[]);
    assert!(texts(&svg).contains(&"Means of 2 seeds; bars from the least to the most."));
    let discs = circles(&svg, "#000000");
    // The mean of 9000 and 11000.
    assert!((share(&discs, |at| at.1) - 2.0 / 9.0).abs() < 0.001, "{discs:?}");
}

#[test]
fn a_run_without_a_seed_is_no_second_seed() {
    let svg = svg(&rows_and(&[("v4.13,1,", "v4.13,,"), ("overlap", "recording")]), &[]);
    assert!(texts(&svg).iter().any(|text| text.contains("recording")), "both are drawn");
    assert!(!texts(&svg).iter().any(|text| text.starts_with("Means")), "{:?}", texts(&svg));
}

/// What the picture says of seeds.
fn seeds_notes(csv: &str, more: &[&str]) -> Vec<String> {
    let svg = svg(csv, more);
    texts(&svg).into_iter().filter(|text| text.contains(" seeds")).map(str::to_owned).collect()
}

#[test]
fn seeds_are_those_of_what_is_drawn() {
    let none: [&str; 0] = [];
    let second = ROWS.lines().nth(1).expect("a row").replace("v4.13,1,", "v4.13,2,").replace(",a,", ",g,");
    let one_more = format!("{ROWS}{second}\n");
    assert_eq!(seeds_notes(&one_more, &[]), ["Means of up to 2 seeds; bars from the least to the most."]);
    let chosen = ["--where", "cores=2", "--where", "policy=batched"];
    assert_eq!(seeds_notes(&one_more, &chosen), ["Means of 2 seeds."]);
    for x in ["seed", "point"] {
        assert_eq!(seeds_notes(&one_more, &["--x", x]), none, "{x}");
    }
    assert_eq!(seeds_notes(&one_more, &["--by", "seed"]), none);
    // Both seeds have been run; of one there is no value.
    let empty = one_more.replace("a,2,1000.000", "a,2,");
    assert_eq!(seeds_notes(&empty, &[]), none);

    let lengths = windows("1", "2", "3");
    let row = lengths.lines().nth(1).expect("a row").replace("0,1,", "0,2,");
    let two = format!("{lengths}{row}\n");
    assert_eq!(seeds_notes(&two, &[]), ["Means of 2 seeds, each of the three by itself."]);
    assert_eq!(seeds_notes(&two, &["--by", "seed"]), none);

    assert_eq!(seeds_notes(CYCLES, &[]), ["Reclaim cycles of up to 2 seeds together."]);
    assert_eq!(seeds_notes(CYCLES, &["--where", "policy=pending-flag"]), ["Reclaim cycles of 2 seeds together."]);
    assert_eq!(seeds_notes(CYCLES, &["--by", "seed"]), none);
    // A recording has no seed, and is drawn by itself.
    let recording = CYCLES.replace("overlap,skx_2s,v4.13,2,", "recording,skx_2s,v4.13,,");
    assert_eq!(seeds_notes(&recording, &[]), none);
}

#[test]
fn every_kind_draws_what_mmusim_writes() {
    let text = workloads::synthetic::find("overlap-two-tables").expect("built in").text;
    let (_directory, path) = file("short.toml", text.replace("= 100_000_000", "= 3_000_000").as_bytes());
    let runs = ["compare", &path, "--policy", "unpatched", "--policy", "patched", "--format", "csv"];
    let cycles = stdout(&[&runs[..], &["--rows", "cycles"]].concat());
    let runs = stdout(&runs);
    let (cost, windows) = (svg(&runs, &[]), svg(&runs, &["--kind", "windows"]));
    assert_eq!(texts(&cost)[0], "Flush cost per reclaim cycle: total");
    for text in ["Lengths of windows by class", "permission", "potential", "the longest"] {
        assert!(texts(&windows).contains(&text), "no `{text}` in {:?}", texts(&windows));
    }
    assert!(texts(&windows).iter().any(|text| text.starts_with("length, cycles")));
    let extra = svg(&cycles, &[]);
    for text in
        ["No reclaim cycle has an extra flush under unpatched.", "reclaim cycles, %", "at least so many extra flushes"]
    {
        assert!(texts(&extra).contains(&text), "no `{text}` in {:?}", texts(&extra));
    }
    let curve = svg(CURVES, &[]);
    for text in ["munmap-threads", "mprotect-pages", "threads", "pages", "time, ns", "model, fitted without it"] {
        assert!(texts(&curve).contains(&text), "no `{text}` in {:?}", texts(&curve));
    }
    // Published: 1000, 2000 and 500 and the sample of the legend; not fitted to: 2000 and its sample.
    assert_eq!((circles(&curve, "#000000").len(), circles(&curve, "#ffffff").len()), (4, 2));
}

#[test]
fn a_sweep_becomes_a_panel_for_each_other_knob() {
    let plan = r#"
name = "tiny"
[fixed]
workload = "overlap"
"workload.duration_cycles" = 300_000
[[axis]]
policy = ["unpatched", "patched"]
[[axis]]
cores = [2, 4]
[[axis]]
workload.user.gap_cycles = [20, 200]
"#;
    let (directory, plan) = file("plan.toml", plan.as_bytes());
    let points = directory.path().join("points");
    let points = points.to_str().expect("text");
    mmusim(&["sweep", "run", &plan, "--dir", points]).assert().success();
    let svg = svg(&stdout(&["sweep", "merge", &plan, "--dir", points]), &[]);
    for text in ["gap_cycles = 20", "gap_cycles = 200"] {
        assert!(texts(&svg).contains(&text), "no `{text}` in {:?}", texts(&svg));
    }
    assert_eq!(circles(&svg, "#000000").len(), 2 * 2 + 1);
}

#[test]
fn a_panel_without_a_point_says_so() {
    let other: String = ROWS.lines().skip(1).fold(String::new(), |mut text, line| {
        let mut fields: Vec<&str> = line.split(',').collect();
        (fields[2], fields[11]) = ("alternating", "");
        writeln!(text, "{}", fields.join(",")).expect("memory is writable");
        text
    });
    let svg = svg(&format!("{ROWS}{other}"), &[]);
    let texts = texts(&svg);
    assert!(texts.contains(&"alternating") && texts.contains(&"overlap"), "{texts:?}");
    assert_eq!(texts.iter().filter(|text| **text == "none").count(), 1, "{texts:?}");
}

#[test]
fn points_of_many_series_stay_on_the_axes() {
    let header = ROWS.lines().next().expect("a header");
    let rows = (0..100).fold(format!("{header}\n"), |mut text, n| {
        let at = 2 + n % 2;
        writeln!(text, "1,0.1.0,overlap,skx_2s,v4.13,1,p{n},p,0,a,{at},1000.000,,7").expect("memory is writable");
        text
    });
    let svg = svg(&rows, &[]);
    // The ground of the panel.
    let frame = svg.lines().find_map(|line| line.strip_prefix("<polygon points=\"")).expect("a frame");
    let corners: Vec<f64> = frame.split([',', ' ', '"']).filter_map(|number| number.parse().ok()).collect();
    let (left, right) = (corners[0], corners[2]);
    // Without those of the legend.
    let discs: Vec<_> = circles(&svg, "#000000").into_iter().map(|at| at.0).filter(|x| *x < right + 15.0).collect();
    assert!(!discs.is_empty() && discs.iter().all(|x| (left..right).contains(x)), "{left} {right} {discs:?}");
}

#[test]
fn the_same_rows_make_the_same_bytes() {
    for name in ["out.svg", "out.png"] {
        assert!(drawn(ROWS, name, &[]) == drawn(ROWS, name, &[]), "{name}");
    }
}

#[test]
#[allow(clippy::cast_sign_loss, reason = "places in a picture are positive")]
fn a_png_is_the_svg_at_twice_the_size_with_print_and_lines_in_it() {
    let svg = svg(ROWS, &[]);
    let png = Pixmap::decode_png(&drawn(ROWS, "out.PNG", &[])).expect("a PNG");
    let size = |name| attribute(svg.lines().next().expect("a line"), name) * 2.0;
    assert_eq!((f64::from(png.width()), f64::from(png.height())), (size("width"), size("height")));
    let at = |x: f64, y: f64| png.pixel((x * 2.0) as u32, (y * 2.0) as u32).expect("it is inside").demultiply();
    for (x, y) in circles(&svg, "#000000") {
        assert_eq!((at(x, y).red(), at(x, y).green(), at(x, y).blue()), (0, 0, 0), "a disc at {x}, {y}");
    }
    // The title is there in letters: ink between its begin and its end, and none beyond.
    let line = svg.lines().find(|line| line.contains(">Flush cost")).expect("a title");
    let (x, y) = (attribute(line, "x"), attribute(line, "y"));
    let ink = |from: f64, to: f64| {
        let columns = (from * 2.0) as u32..(to * 2.0) as u32;
        let rows = ((y - 12.0) * 2.0) as u32..(y * 2.0) as u32;
        columns
            .flat_map(|x| rows.clone().map(move |y| (x, y)))
            .filter(|&(x, y)| png.pixel(x, y).expect("inside").red() < 128)
            .count()
    };
    assert!(ink(x, x + 330.0) > 1_000, "{}", ink(x, x + 330.0));
    assert_eq!(ink(x + 420.0, x + 600.0), 0);
}

/// What is wrong, the file, and more arguments.
fn wrong() -> Vec<(&'static str, String, &'static [&'static str])> {
    let header = ROWS.lines().next().expect("a header");
    let many: String = (0..13).fold(format!("{header},workload.pages\n"), |mut text, n| {
        writeln!(text, "1,0.1.0,overlap,skx_2s,v4.13,1,batched,p,0,a,2,1000.000,,7,{n}").expect("memory is writable");
        text
    });
    let series = (0..500).fold(format!("{header}\n"), |mut text, n| {
        writeln!(text, "1,0.1.0,overlap,skx_2s,v4.13,1,p{n},p,0,a,2,1000.000,,7").expect("memory is writable");
        text
    });
    let costs = ["10000.000", "1000.000", "2000.000", "3000.000", "4000.000", "9000.000"];
    let empty = costs.iter().fold(ROWS.to_owned(), |text, cost| text.replace(cost, ""));
    vec![
        ("the file is empty", String::new(), &[]),
        ("it has no row", format!("{header}\n"), &[]),
        ("its columns are no picture's", "a,b\n1,2\n".to_owned(), &[]),
        ("a row is short", ROWS.replace("b,4,3000.000,,9", "b,4"), &[]),
        ("a column is there twice", ROWS.replace("faults", "cores"), &[]),
        ("a column is missing", ROWS.to_owned(), &["--metric", "flush_total_cycles"]),
        ("the axis is missing", ROWS.to_owned(), &["--x", "gap_cycles"]),
        ("a number is a word", ROWS.replace("4000.000", "much"), &[]),
        ("a number is none", ROWS.replace("4000.000", "NaN"), &[]),
        ("a metric is empty", ROWS.to_owned(), &["--metric", "round_cycles"]),
        ("all metrics are empty", empty, &[]),
        ("no row is left", ROWS.to_owned(), &["--where", "cores=2", "--where", "policy=latr"]),
        ("a point is there twice", ROWS.replace(",d,2,", ",d,4,"), &[]),
        ("there are too many panels", many, &["--x", "cores"]),
        ("there are too many series", series, &[]),
        ("a number is beyond all measure", ROWS.replace("4000.000", "1e300"), &[]),
        ("a kind needs other rows", ROWS.to_owned(), &["--kind", "extra"]),
        ("a kind needs other columns", ROWS.to_owned(), &["--kind", "curve"]),
        (
            "rows are runs and not cycles",
            ROWS.replace("round_cycles,", "flushes_extra,").replace(",cores,", ",reclaim_cycles,"),
            &["--kind", "extra"],
        ),
        ("windows have their columns", ROWS.to_owned(), &["--kind", "windows"]),
        ("a choice is not the kind's", CURVES.to_owned(), &["--metric", "at"]),
    ]
}

/// A run with windows of one class, of these lengths.
fn windows(p50: &str, p99: &str, max: &str) -> String {
    let names = workloads::outcome::METRICS.iter().map(|metric| metric.name);
    let names = names.filter(|name| name.starts_with("windows_") && name.ends_with("_cycles"));
    let (mut header, mut row) = ("version,seed,policy".to_owned(), "0.1.0,1,batched".to_owned());
    for name in names {
        let value = match name {
            "windows_permission_p50_cycles" => p50,
            "windows_permission_p99_cycles" => p99,
            "windows_permission_max_cycles" => max,
            _ => "",
        };
        write!(header, ",{name}").and(write!(row, ",{value}")).expect("memory is writable");
    }
    format!("{header}\n{row}\n")
}

/// Files that a kind would draw if nothing were damaged in them.
fn damaged() -> Vec<(&'static str, String, &'static [&'static str])> {
    let cycle = |from: &str, to: &str| CYCLES.replacen(from, to, 1);
    let curve = |from: &str, to: &str| CURVES.replacen(from, to, 1);
    let last = |text: &str| text.lines().last().map(|line| format!("{text}{line}\n")).expect("a row");
    vec![
        ("rows are of another schema", ROWS.replace("\n1,0.1.0", "\n2,0.1.0"), &[]),
        ("a file of runs is cut off", ROWS.trim_end().to_owned(), &[]),
        ("a file of cycles is cut off", CYCLES[..CYCLES.len() - 2].to_owned(), &[]),
        ("a file of curves is cut off", CURVES.trim_end().to_owned(), &[]),
        ("a file of windows is cut off", windows("1", "2", "3").trim_end().to_owned(), &[]),
        ("cycles are fewer than none", cycle(",80", ",-4"), &[]),
        ("cycles are no whole number", cycle(",80", ",8.5"), &[]),
        ("cycles are missing", cycle(",80", ","), &[]),
        ("extra flushes are fewer than none", cycle(",2,10", ",-2,10"), &[]),
        ("extra flushes are no whole number", cycle(",2,10", ",+2,10"), &[]),
        ("extra flushes are missing", cycle(",2,10", ",,10"), &[]),
        ("cycles are there twice", last(CYCLES), &[]),
        ("cycles without seeds are there twice", last(CYCLES).replace(",seed,", ",point,"), &[]),
        ("a point is neither fitted to nor not", curve(",true,", ",maybe,"), &[]),
        ("a point of a curve is nowhere", curve(",1,1000", ",,1000"), &[]),
        ("a published time is none", curve(",1,1000", ",1,0"), &[]),
        ("a published time is negative", curve(",1,1000", ",1,-1000"), &[]),
        ("a point of a curve is there twice", curve("threads,4,", "threads,01,"), &[]),
        ("half the windows are negative", windows("-1", "2", "3"), &[]),
        ("99 of 100 windows are negative", windows("1", "-2", "3"), &[]),
        ("the longest window is negative", windows("1", "2", "-3"), &[]),
        ("99 of 100 windows have no length", windows("1", "", "3"), &[]),
        ("half the windows have no length", windows("", "2", "3"), &[]),
        ("a window's length is a word", windows("long", "2", "3"), &[]),
        ("99 of 100 windows are shorter than half of them", windows("2", "1", "3"), &[]),
        ("the longest window is shorter than others", windows("1", "3", "2"), &[]),
    ]
}

#[test]
fn what_is_damaged_here_can_be_drawn_without_the_damage() {
    for csv in [CYCLES, CURVES, &windows("1", "2", "3"), &windows("1", "1", "1")] {
        assert!(svg(csv, &[]).starts_with("<svg"));
    }
}

#[test]
fn whoever_gives_a_wrong_file_is_told_what_was_expected() {
    let mut all = String::new();
    for (what, csv, more) in wrong().into_iter().chain(damaged()) {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("made")).expect("a directory");
        std::fs::write(directory.path().join("made/rows.csv"), csv).expect("a file");
        let args = [&["plot", "made/rows.csv", "-o", "out.svg"], more].concat();
        let assert = mmusim(&args).current_dir(directory.path()).assert().code(2).stdout("");
        let text = String::from_utf8(assert.get_output().stderr.clone()).expect("text");
        assert!(!text.contains("panicked"), "{what}: {text}");
        assert!(!directory.path().join("out.svg").exists(), "{what}: half a picture");
        writeln!(all, "## {what}\n{text}").expect("memory is writable");
    }
    insta::assert_snapshot!("bad_files", all);
}

#[test]
fn whatever_a_name_is_the_picture_is_well_formed() {
    let odd = ROWS.replace("pending-flag", "<b>&\u{1}\u{e9}\u{4e2d}");
    let svg = svg(&odd, &[]);
    assert!(svg.contains(">&lt;b&gt;&amp;?\u{e9}\u{4e2d}</text>"), "{svg}");
    assert!(Pixmap::decode_png(&drawn(&odd, "out.png", &[])).is_ok());
}

#[test]
fn a_picture_has_a_format_and_a_place() {
    let (_directory, path) = file("rows.csv", ROWS.as_bytes());
    common::expect(&["plot", &path, "-o", "/tmp/out.pdf"], &["of which format", ".svg or .png"]);
    common::expect(&["plot", &path, "-o", "/no/such/out.svg"], &["directory does not exist"]);
    common::expect(&["plot", "/no/such.csv", "-o", "/tmp/out.svg"], &["no CSV `/no/such.csv`", "expected a file"]);
    common::expect(&["plot", &path, "--where", "cores", "-o", "/tmp/out.svg"], &["expected COLUMN=VALUE"]);
    common::expect(&["plot", &path], &["--output"]);
}
