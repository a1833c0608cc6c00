//! `mmusim speed`: its rows. Their values are times of this machine, so no test looks at those.

mod common;

use common::{mmusim, stdout};

fn speed(format: &str) -> String {
    stdout(&["speed", "--rounds", "1", "--accesses", "4096", "--format", format])
}

#[test]
fn a_csv_has_a_row_for_each_figure() {
    let mut reader = csv::Reader::from_reader(std::io::Cursor::new(speed("csv")));
    let columns = reader.headers().expect("a header").clone();
    let at = |name| columns.iter().position(|column| column == name).expect(name);
    let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
    let count = |measure| rows.iter().filter(|row| &row[at("measure")] == measure).count();
    assert_eq!((count("access_ns"), count("events_per_second")), (24, 4));
    for measure in ["kernel_steps_per_second", "kernel_acts_per_second", "states_per_second", "import_mb_per_second"] {
        assert_eq!(count(measure), 1, "{measure}");
    }
    for row in rows {
        assert!(row[at("value")].parse::<f64>().expect("a number") > 0.0, "{row:?}");
        let compared = &row[at("measure")] == "access_ns";
        assert_eq!(row[at("ratio")].parse::<f64>().is_ok_and(|ratio| ratio > 0.0), compared, "{row:?}");
        assert_eq!(&row[at("version")], env!("CARGO_PKG_VERSION"));
    }
}

#[test]
fn the_other_formats_have_the_same_rows() {
    let json: serde_json::Value = serde_json::from_str(&speed("json")).expect("it is JSON");
    let rows = json.as_array().expect("a list");
    assert_eq!(rows.len(), 32);
    assert!(rows.iter().all(|row| row["schema"] == 1));
    let table = speed("table");
    assert_eq!(table.lines().count(), rows.len() + 2, "{table}");
}

#[test]
fn no_round_is_refused() {
    mmusim(&["speed", "--rounds", "0"]).assert().code(2);
}
