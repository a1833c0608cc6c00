//! Reading a profile, and the rules that its types cannot express.

use super::topology::{CPUS_MAX, TICK_HZ};
use super::{IpiMode, Profile, ProfileError};
use serde::de::{Deserializer, Error, Visitor};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Larger integers are refused: no latency is a second long, and sums of smaller ones stay far below the 52 bits of the clock.
const INTEGER_MAX: i64 = 1_000_000_000;
/// Faster than any, and slow enough that the clock holds more than two days.
const MHZ_MAX: u64 = 20_000;
/// The largest second levels hold some thousand translations. Every CPU has its own arrays, and all of their entries take memory.
const ENTRIES_MAX: u32 = 1 << 16;

impl Profile {
    /// Reads a profile from the TOML `text`; `name` (usually the file) is only for error messages.
    ///
    /// # Errors
    /// If the text is not TOML, has a table or key that no profile has, lacks one that this machine needs, or has a value that
    /// makes no sense. The error names the key, shows the line and says what was expected.
    pub fn parse(name: &str, text: &str) -> Result<Self, ProfileError> {
        let error = |e: &toml::de::Error| {
            let span = e.span().unwrap_or(0..0);
            ProfileError::new(name, text, span, e.message().to_owned())
        };
        let root = DeTable::parse(text).map_err(|e| error(&e))?.into_inner();
        let rules = Rules { name, text, root };
        rules.integers()?;
        let profile: Self = toml::from_str(text).map_err(|e| error(&e))?;
        rules.numbers_above_zero(&profile)?;
        rules.topology(&profile)?;
        rules.arrays(&profile)?;
        rules.keys_of_mode(&profile)?;
        Ok(profile)
    }
}

struct Rules<'a> {
    name: &'a str,
    text: &'a str,
    root: DeTable<'a>,
}

impl Rules<'_> {
    fn integers(&self) -> Result<(), ProfileError> {
        for (table, value) in &self.root {
            let DeValue::Table(keys) = value.get_ref() else {
                continue;
            };
            for (key, value) in keys {
                if let DeValue::Integer(integer) = value.get_ref()
                    && i64::from_str_radix(integer.as_str(), integer.radix()).is_ok_and(|i| i > INTEGER_MAX)
                {
                    let expected = format!("at most {INTEGER_MAX}");
                    return self.fail(table.get_ref(), key.get_ref(), &expected);
                }
            }
        }
        Ok(())
    }

    fn numbers_above_zero(&self, p: &Profile) -> Result<(), ProfileError> {
        let counts = [
            ("machine", "sockets", p.machine.sockets),
            ("machine", "dies_per_socket", p.machine.dies_per_socket),
            ("machine", "cores_per_socket", p.machine.cores_per_socket),
            ("machine", "smt", p.machine.smt),
            ("tlb", "itlb4k_entries", p.tlb.itlb4k_entries),
            ("tlb", "itlb2m_entries", p.tlb.itlb2m_entries),
            ("tlb", "dtlb4k_entries", p.tlb.dtlb4k_entries),
            ("tlb", "dtlb2m_entries", p.tlb.dtlb2m_entries),
            ("tlb", "walkers", p.tlb.walkers),
            ("kernel", "swap_cluster_max", p.kernel.swap_cluster_max),
            ("kernel", "tick_hz", p.kernel.tick_hz.unwrap_or(TICK_HZ)),
            ("kernel", "flush_ceiling_pages", p.kernel.flush_ceiling_pages),
        ];
        // Nothing may reach another core in no time: the lookahead would vanish.
        let (cache, ipi, kernel) = (&p.cache, &p.ipi, &p.kernel);
        let latencies = [
            ("cache", "c2c_same_cyc", Some(cache.c2c_same_cyc)),
            ("cache", "c2c_die_cyc", cache.c2c_die_cyc),
            ("cache", "c2c_remote_cyc", cache.c2c_remote_cyc),
            ("ipi", "delivery_same_cyc", Some(ipi.delivery_same_cyc)),
            ("ipi", "delivery_die_cyc", ipi.delivery_die_cyc),
            ("ipi", "delivery_remote_cyc", ipi.delivery_remote_cyc),
            ("kernel", "spin_handoff_same_cyc", Some(kernel.spin_handoff_same_cyc)),
            ("kernel", "spin_handoff_remote_cyc", kernel.spin_handoff_remote_cyc),
        ];
        let mut zeros = (counts.iter().filter(|(.., n)| *n == 0))
            .map(|(table, key, _)| (table, key))
            .chain((latencies.iter().filter(|(.., n)| *n == Some(0))).map(|(t, key, _)| (t, key)));
        match zeros.next() {
            Some((table, key)) => self.fail(table, key, "a number above 0"),
            None => Ok(()),
        }
    }

    fn topology(&self, p: &Profile) -> Result<(), ProfileError> {
        let machine = &p.machine;
        let cores = u64::from(machine.sockets) * u64::from(machine.cores_per_socket);
        let cpus = cores.saturating_mul(u64::from(machine.smt));
        if cpus > u64::from(CPUS_MAX) {
            let expected = format!("sockets x cores_per_socket x smt of at most {CPUS_MAX} CPUs, this makes {cpus}");
            return self.fail("machine", "cores_per_socket", &expected);
        }
        if !machine.cores_per_socket.is_multiple_of(machine.dies_per_socket) {
            let expected = format!("a divisor of cores_per_socket ({})", machine.cores_per_socket);
            return self.fail("machine", "dies_per_socket", &expected);
        }
        if machine.dies_per_socket > 1 && p.cache.c2c_die_cyc.is_none() {
            return self.missing("cache", "c2c_die_cyc", "a socket with several dies");
        }
        if machine.sockets > 1 && p.cache.c2c_remote_cyc.is_none() {
            return self.missing("cache", "c2c_remote_cyc", "a machine with several sockets");
        }
        Ok(())
    }

    fn arrays(&self, p: &Profile) -> Result<(), ProfileError> {
        let (tlb, psc) = (&p.tlb, &p.psc);
        for (table, key, entries) in [
            ("tlb", "itlb2m_entries", tlb.itlb2m_entries),
            ("psc", "pml5e_entries", psc.pml5e_entries.unwrap_or(0)),
            ("psc", "pml4e_entries", psc.pml4e_entries),
            ("psc", "pdpte_entries", psc.pdpte_entries),
            ("psc", "pde_entries", psc.pde_entries),
        ] {
            if entries > ENTRIES_MAX {
                return self.fail(table, key, &format!("at most {ENTRIES_MAX}"));
            }
        }
        for (prefix, entries, ways) in [
            ("itlb4k", tlb.itlb4k_entries, tlb.itlb4k_ways),
            ("dtlb4k", tlb.dtlb4k_entries, tlb.dtlb4k_ways),
            ("dtlb2m", tlb.dtlb2m_entries, tlb.dtlb2m_ways),
            ("stlb", tlb.stlb_entries, tlb.stlb_ways),
        ] {
            if entries > ENTRIES_MAX {
                return self.fail("tlb", &format!("{prefix}_entries"), &format!("at most {ENTRIES_MAX}"));
            }
            if entries > 0 && (ways == 0 || !entries.is_multiple_of(ways)) {
                let key = format!("{prefix}_ways");
                let expected = format!("a divisor of {prefix}_entries ({entries})");
                return self.fail("tlb", &key, &expected);
            }
        }
        Ok(())
    }

    fn keys_of_mode(&self, p: &Profile) -> Result<(), ProfileError> {
        let (inval, ipi) = (&p.inval, &p.ipi);
        if ipi.mode == IpiMode::NoneForTlb {
            for (key, there) in [
                ("tlbi_dsb_fixed_cyc", inval.tlbi_dsb_fixed_cyc.is_some()),
                ("tlbi_per_page_cyc", inval.tlbi_per_page_cyc.is_some()),
                ("tlbi_asid_all_cyc", inval.tlbi_asid_all_cyc.is_some()),
                ("tlbi_range_limit_pages", inval.tlbi_range_limit_pages.is_some()),
            ] {
                if !there {
                    return self.missing("inval", key, "mode \"none_for_tlb\"");
                }
            }
            return Ok(());
        }
        for (table, key, there) in [
            ("inval", "invlpg_cyc", inval.invlpg_cyc.is_some()),
            ("inval", "cr3_flush_cyc", inval.cr3_flush_cyc.is_some()),
            ("ipi", "icr_write_cyc", ipi.icr_write_cyc.is_some()),
            ("ipi", "handler_body_cyc", ipi.handler_body_cyc.is_some()),
        ] {
            if !there {
                return self.missing(table, key, "a mode that sends interrupts");
            }
        }
        Ok(())
    }

    fn fail(&self, table: &str, key: &str, expected: &str) -> Result<(), ProfileError> {
        let span = self.span(table, Some(key));
        let found = &self.text[span.clone()];
        let message = format!("`{table}.{key}` is {found}: expected {expected}");
        Err(ProfileError::new(self.name, self.text, span, message))
    }

    fn missing(&self, table: &str, key: &str, why: &str) -> Result<(), ProfileError> {
        let message = format!("missing key `{table}.{key}`: expected for {why}");
        let span = self.span(table, None);
        Err(ProfileError::new(self.name, self.text, span, message))
    }

    /// Where the value of a key is, or the table if there is no such key.
    fn span(&self, table: &str, key: Option<&str>) -> Range<usize> {
        let Some(value) = self.root.get(table) else {
            return 0..0;
        };
        key.and_then(|key| value.get_ref().get(key)).map_or(value.span(), toml::Spanned::span)
    }
}

/// Reads `ghz` exactly: the shortest decimal that denotes the number is what the file says.
pub(super) fn mhz_from_ghz<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Ghz;
    impl Visitor<'_> for Ghz {
        type Value = u64;
        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("`ghz`: a number of GHz")
        }
        fn visit_i64<E: Error>(self, ghz: i64) -> Result<u64, E> {
            mhz(&ghz.to_string()).ok_or_else(|| E::custom(refused(&ghz)))
        }
        fn visit_f64<E: Error>(self, ghz: f64) -> Result<u64, E> {
            mhz(&ghz.to_string()).ok_or_else(|| E::custom(refused(&ghz)))
        }
    }
    fn refused(ghz: &dyn std::fmt::Display) -> String {
        format!("`machine.ghz` is {ghz}: expected a clock above 0 and up to 20 GHz, with at most three decimals")
    }
    deserializer.deserialize_any(Ghz)
}

pub(super) fn mhz(ghz: &str) -> Option<u64> {
    let (whole, decimals) = ghz.split_once('.').unwrap_or((ghz, ""));
    if decimals.len() > 3 {
        return None;
    }
    let thousandths: u64 = format!("{decimals:0<3}").parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    let mhz = whole.checked_mul(1000)?.checked_add(thousandths)?;
    (1..=MHZ_MAX).contains(&mhz).then_some(mhz)
}
