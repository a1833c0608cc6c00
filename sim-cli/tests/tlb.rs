//! `mmusim tlb`: the counts of cachegrind, on accesses that lackey printed of the same program.

mod common;

use std::fs;

use common::{expect, file, json, mmusim, stdout};

/// How it was made is in `pages.c`.
const TRACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pages.lackey.zst");

const COLUMNS: [&str; 9] = ["Ir", "I1mr", "ILmr", "Dr", "D1mr", "DLmr", "Dw", "D1mw", "DLmw"];

fn text() -> Vec<u8> {
    zstd::decode_all(&fs::read(TRACE).expect("the trace")[..]).expect("zstd")
}

fn counts(args: &[&str]) -> [u64; 9] {
    let row = json(&[&["tlb"], args].concat());
    COLUMNS.map(|column| row[column].as_u64().expect(column))
}

/// What valgrind 3.19 counted: `summary:` of its file.
#[test]
fn the_counts_are_those_of_cachegrind() {
    for (i1, d1, ll, expected) in [
        ("65536,4,4096", "262144,4,4096", "524288,8,4096", [168_708, 531, 34, 17_488, 563, 321, 14_516, 177, 106]),
        ("65536,16,4096", "65536,16,4096", "262144,64,4096", [168_708, 505, 266, 17_488, 1_287, 689, 14_516, 419, 220]),
    ] {
        assert_eq!(counts(&[TRACE, "--I1", i1, "--D1", d1, "--LL", ll]), expected, "{i1} {d1} {ll}");
    }
}

#[test]
fn sizes_come_from_the_machine_or_the_command_line() {
    let row = json(&["tlb", TRACE, "--profile", "zen5_vm", "--D1", "8,2"]);
    let size = |name: &str| (row[format!("{name}_entries")].as_u64(), row[format!("{name}_ways")].as_u64());
    let of = |entries, ways| (Some(entries), Some(ways));
    assert_eq!((size("i1"), size("d1"), size("ll")), (of(64, 64), of(8, 2), of(4096, 16)));
    assert_eq!(row["profile"], "zen5_vm");
    let row = json(&["tlb", TRACE, "--I1", "8,2", "--D1", "8,2", "--LL", "8,2"]);
    assert_eq!((row["profile"].as_str(), row["profile_sha256"].as_str()), (Some(""), Some("")));
    // Three sets: no mask of bits chooses them, and cachegrind has none such.
    let table = stdout(&["tlb", TRACE, "--D1", "12,4"]);
    assert!(table.contains("D1 3 sets of 4 ways") && table.contains("cachegrind has no such TLBs"), "{table}");
}

#[test]
fn plain_compressed_and_piped_are_the_same() {
    let (_directory, plain) = file("pages.lackey", &text());
    let args = ["--I1", "16,4", "--D1", "64,4", "--LL", "128,8", "--format", "csv"];
    let compressed = stdout(&[&["tlb", TRACE], &args[..]].concat());
    assert_eq!(compressed.replace("pages.lackey.zst", "pages.lackey"), stdout(&[&["tlb", &plain], &args[..]].concat()));
    let piped = mmusim(&[&["tlb", "-"], &args[..]].concat()).write_stdin(text()).assert().success();
    let piped = String::from_utf8(piped.get_output().stdout.clone()).expect("text");
    assert_eq!(compressed.replace("pages.lackey.zst", "<standard input>"), piped);
}

/// Lines that are not as usual: long ones, short ones, those of the program.
#[test]
fn other_lines_are_counted_and_change_nothing() {
    let mut lines = b"==1== \nI am the program\n\nL  \n \xff\xfe\n".to_vec();
    lines.extend(vec![b'x'; 1 << 20]);
    lines.extend(b"\nI  04001000,3\n");
    lines.extend(vec![b' '; 1 << 17]);
    lines.extend(b"\n L 7,512\n M ffffffffff600ff9,8\n and no end");
    let (_directory, path) = file("mixed.txt", &lines);
    assert_eq!(counts(&[&path]), [1, 1, 1, 2, 2, 2, 0, 0, 0]);
    let row = json(&["tlb", &path]);
    let count = |name: &str| row[name].as_u64();
    assert_eq!(
        (count("lines"), count("other_lines"), count("across_pages"), count("modifies")),
        (Some(11), Some(8), Some(1), Some(1))
    );
}

#[test]
fn mistakes_name_the_line_and_what_was_expected() {
    let with = |bytes: &[u8]| file("bad.txt", &[b"==1==\nI  04001000,3\n", bytes].concat());
    let (_directory, path) = with(b" L 04001000\n");
    expect(
        &["tlb", &path],
        &["bad.txt:3: ` L 04001000`".replace("` ", "`").as_str(), "expected `I  ADDRESS,SIZE`", "--log-file"],
    );
    for line in [
        " S 04001000,0\n",
        " S 04001000,4097\n",
        " S 0400100g,8\n",
        "I  04001000,8 and more\n",
        " M 200000000000000,1\n",
    ] {
        let (_directory, path) = with(line.as_bytes());
        expect(&["tlb", &path], &["bad.txt:3: ", "is not an access"]);
    }
    let (_directory, path) = with(&[b" L 0".to_vec(), vec![b'0'; 1 << 18]].concat());
    expect(&["tlb", &path], &["bad.txt:3: ", "is not an access"]);
    let (_directory, path) = with(b" S 04001000,1");
    expect(&["tlb", &path], &["bad.txt:3: ", "cut short", "whole line"]);
    let (_directory, path) = file("none.txt", b"hello\n");
    expect(&["tlb", &path], &["none.txt: no access in its 1 lines"]);
    let compressed = fs::read(TRACE).expect("the trace");
    let (_directory, path) = file("cut.zst", &compressed[..compressed.len() / 2]);
    expect(&["tlb", &path], &["cut.zst: the zstd data is cut short or damaged after line"]);
    expect(&["tlb", "/nonexistent"], &["/nonexistent: no such file", "lackey"]);
    expect(&["tlb", "/usr"], &["/usr: is a directory"]);
    expect(&["tlb", TRACE, "--I1", "64,7"], &["64 entries do not make whole sets of 7 ways"]);
    expect(&["tlb", TRACE, "--LL", "262144,8,64"], &["a line of 64 bytes is no page"]);
    expect(&["tlb", TRACE, "--profile", "nope"], &["no profile `nope`", "skx_2s"]);
}
