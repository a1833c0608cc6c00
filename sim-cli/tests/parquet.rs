//! `mmusim sweep merge --format parquet`: the same rows as the CSV, typed. Run with `--features parquet`.
#![cfg(feature = "parquet")]

mod common;

use common::{file, mmusim, stdout};
use parquet::basic::Type;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

const PLAN: &str = r#"
name = "tiny"
[fixed]
workload = "overlap"
"workload.duration_cycles" = 300_000
[[axis]]
policy = ["unpatched", "patched"]
[[axis]]
workload.user.gap_cycles = [20, 200]
[[axis]]
era.lazy_mask = ["on"]
seed = [9223372036854775807]
"#;

#[test]
fn the_rows_are_those_of_the_csv() {
    let (directory, plan) = file("plan.toml", PLAN.as_bytes());
    let points = directory.path().join("points").to_str().expect("text").to_owned();
    let out = directory.path().join("out.parquet").to_str().expect("text").to_owned();
    let merge = ["sweep", "merge", &plan, "--dir", &points];
    mmusim(&["sweep", "run", &plan, "--dir", &points]).assert().success();
    let csv = stdout(&merge);
    mmusim(&[&merge[..], &["-o", &out]].concat()).assert().success();
    let bytes = std::fs::read(&out).expect("a file");
    mmusim(&[&merge[..], &["--format", "parquet"]].concat()).assert().success().stdout(bytes);

    let reader = SerializedFileReader::new(std::fs::File::open(&out).expect("a file")).expect("Parquet");
    let mut expected = csv::Reader::from_reader(csv.as_bytes());
    let header = expected.headers().expect("a header").clone();
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    assert!(schema.columns().iter().map(|column| column.name()).eq(header.iter()));
    let kind = |name: &str| {
        let columns = schema.columns();
        columns.iter().find(|column| column.name() == name).map(|column| column.physical_type())
    };
    assert_eq!(kind("seed"), Some(Type::INT64));
    assert_eq!((kind("workload.user.gap_cycles"), kind("faults")), (Some(Type::DOUBLE), Some(Type::DOUBLE)));
    assert_eq!((kind("policy"), kind("era.lazy_mask")), (Some(Type::BYTE_ARRAY), Some(Type::BYTE_ARRAY)));

    let mut rows = 0;
    for (row, record) in reader.get_row_iter(None).expect("rows").zip(expected.records()) {
        let (row, record) = (row.expect("a row"), record.expect("a row"));
        for ((name, field), expected) in row.get_column_iter().zip(&record) {
            let same = match field {
                Field::Null => expected.is_empty(),
                Field::Double(value) => expected.parse() == Ok(*value),
                Field::ULong(value) => expected.parse() == Ok(*value),
                Field::Str(value) => value == expected,
                other => panic!("{name}: {other:?}"),
            };
            assert!(same, "{name}: {field:?} for `{expected}`");
        }
        rows += 1;
    }
    assert_eq!(rows, 4);
}
