//! The arguments of `mmusim tlb`.

use clap::Args;
use workloads::lackey::{Array, PAGE_BYTES};

use crate::output::OutputArgs;

/// Larger TLBs are a slip.
const ENTRIES_MAX: u32 = 1 << 24;

#[derive(Debug, Args)]
pub(crate) struct TlbArgs {
    /// What `valgrind --tool=lackey --trace-mem=yes --log-file=FILE PROGRAM` wrote (plain or .zst), or - for standard input
    #[arg(value_name = "TRACE")]
    pub(crate) trace: String,
    /// The TLBs of a machine, by name (`mmusim list profiles`) or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "skx_2s")]
    pub(crate) profile: String,
    /// Another instruction TLB: 64,8; or as cachegrind takes it, in bytes, with lines of 4096: 262144,8,4096
    #[arg(long = "I1", value_name = "ENTRIES,WAYS", value_parser = array)]
    pub(crate) fetch: Option<Array>,
    /// Another data TLB, written in the same way
    #[arg(long = "D1", value_name = "ENTRIES,WAYS", value_parser = array)]
    pub(crate) data: Option<Array>,
    /// Another second level, written in the same way
    #[arg(long = "LL", value_name = "ENTRIES,WAYS", value_parser = array)]
    pub(crate) second: Option<Array>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `ENTRIES,WAYS` or `BYTES,WAYS,4096`.
fn array(text: &str) -> Result<Array, String> {
    const EXPECTED: &str = "expected ENTRIES,WAYS (64,8), or BYTES,WAYS,4096 as for cachegrind (262144,8,4096)";
    let numbers: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
    let (entries, ways) = match numbers.as_deref() {
        Ok(&[entries, ways]) => (entries, ways),
        Ok(&[bytes, ways, PAGE_BYTES]) if bytes.is_multiple_of(PAGE_BYTES) => (bytes / PAGE_BYTES, ways),
        Ok([bytes, _, PAGE_BYTES]) => {
            return Err(format!("{bytes} bytes are no whole number of pages of {PAGE_BYTES}; {EXPECTED}"));
        }
        Ok([_, _, line]) => return Err(format!("a line of {line} bytes is no page; {EXPECTED}")),
        _ => return Err(EXPECTED.to_owned()),
    };
    if entries > ENTRIES_MAX {
        return Err(format!("{entries} entries; expected at most {ENTRIES_MAX}"));
    }
    if entries == 0 || ways == 0 || !entries.is_multiple_of(ways) {
        return Err(format!("{entries} entries do not make whole sets of {ways} ways; expected a multiple of them"));
    }
    Ok(Array { entries, ways })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_entries_and_in_bytes() {
        let of = |entries, ways| Ok(Array { entries, ways });
        assert_eq!(array("64,8"), of(64, 8));
        assert_eq!(array("262144,8,4096"), of(64, 8));
        assert_eq!(array("96,96"), of(96, 96));
        for text in [
            "",
            "64",
            "64,0",
            "0,1",
            "65,8",
            "64,8,64",
            "262145,8,4096",
            "64x8",
            "64,8,4096,1",
            "-64,8",
            "33554432,1",
            "64,8,",
        ] {
            assert!(array(text).is_err_and(|error| error.contains("expected")), "{text}");
        }
    }
}
