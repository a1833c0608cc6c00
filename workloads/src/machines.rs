//! The machines that can be simulated: one profile each, built into the program.
//!
//! To add one, put `NAME.toml` into `workloads/machines/` and a row into [`MACHINES`]. The comment of each figure says where it
//! comes from and how far to trust it ([`CONFIDENCES`]): V was read in a published source, D derived from such, M measured, F fitted
//! to a published curve, R-h, R-m and R-l recalled with high, medium and low confidence.

use sim_core::machine::profile::Profile;

/// How far a figure of a profile is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// Read in a published source.
    Verified,
    /// Derived from such.
    Derived,
    /// Measured on the machine of the traces.
    Measured,
    /// Measured in the recordings.
    Recorded,
    /// Fitted to a published curve by `mmusim calibrate`.
    Fitted,
    /// Recalled, with high confidence.
    High,
    /// Recalled, with medium confidence.
    Medium,
    /// Recalled, with low confidence.
    Low,
}

/// The tags of the files, and what they mean.
pub static CONFIDENCES: &[(&str, Confidence, &str)] = &[
    ("V", Confidence::Verified, "read in a source"),
    ("D", Confidence::Derived, "derived from a source"),
    ("M", Confidence::Measured, "measured"),
    ("M-rec", Confidence::Recorded, "measured in the recordings"),
    ("F", Confidence::Fitted, "fitted to a published curve"),
    ("R-h", Confidence::High, "recalled, high"),
    ("R-m", Confidence::Medium, "recalled, medium"),
    ("R-l", Confidence::Low, "recalled, low"),
];

impl Confidence {
    /// In words.
    pub fn meaning(self) -> &'static str {
        CONFIDENCES.iter().find(|(_, confidence, _)| *confidence == self).map_or("", |(_, _, meaning)| meaning)
    }
}

/// A figure of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its table and key, such as `ipi.icr_write_cyc`.
    pub key: String,
    /// Its value, as in the file.
    pub value: &'static str,
    /// How far to trust it.
    pub confidence: Confidence,
    /// Where it comes from; empty for general knowledge.
    pub source: &'static str,
}

/// A machine by name.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// What the command line calls it.
    pub name: &'static str,
    /// One line for a list.
    pub summary: &'static str,
    /// The profile, TOML.
    pub text: &'static str,
}

impl Machine {
    /// The profile, read.
    ///
    /// # Panics
    /// Never: a test reads all of them.
    pub fn profile(&self) -> Profile {
        match Profile::parse(self.name, self.text) {
            Ok(profile) => profile,
            Err(error) => panic!("built-in machine: {error}"),
        }
    }
}

impl Machine {
    /// Its figures, in the order of the file.
    pub fn figures(&self) -> impl Iterator<Item = Figure> {
        let mut table = "";
        self.text.lines().filter_map(move |line| {
            if let Some(name) = line.strip_prefix('[') {
                table = name.trim_end().trim_end_matches(']');
            }
            let (setting, comment) = line.split_once(" #")?;
            let (key, value) = setting.split_once('=')?;
            let (tag, source) = comment.split_once(':').unwrap_or((comment, ""));
            let (_, confidence, _) = CONFIDENCES.iter().find(|(name, ..)| *name == tag.trim())?;
            let key = format!("{table}.{}", key.trim());
            Some(Figure { key, value: value.trim(), confidence: *confidence, source: source.trim() })
        })
    }
}

macro_rules! machine {
    ($name:literal, $summary:literal) => {
        Machine { name: $name, summary: $summary, text: include_str!(concat!("../machines/", $name, ".toml")) }
    };
}

/// All machines, by name.
pub static MACHINES: &[Machine] = &[
    machine!("clx_ap_9242", "Cascade Lake-AP, 2 x 48 cores x 2 threads in 4 dies, x2APIC"),
    machine!("hsw_ep_2s16", "Haswell-EP, 2 x 8 cores x 2 threads; LATR's small machine"),
    machine!("icx_8358_2s", "Ice Lake-SP 8358, 2 x 32 cores x 2 threads"),
    machine!("ivb_ex_8s120", "Ivy Bridge-EX, 8 x 15 cores x 2 threads; LATR's large machine"),
    machine!("kunpeng920_2s", "Kunpeng 920 (arm64), 2 x 64 cores, broadcast TLBI"),
    machine!("milan_36c", "AMD Milan, 36 cores x 2 threads in 6 dies, INVLPGB"),
    machine!("skx_2s", "Skylake-SP, 2 x 26 cores x 2 threads, xAPIC, page-table isolation"),
    machine!("spr_8468v_2s", "Sapphire Rapids 8468V, 2 x 48 cores x 2 threads in 8 dies"),
    machine!("zen5_vm", "AMD Zen 5 virtual machine, 2 CPUs; the recorded traces"),
];

/// The machine of this name.
pub fn machine(name: &str) -> Option<&'static Machine> {
    MACHINES.iter().find(|machine| machine.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::machine::mmu::Mmu;
    use sim_core::machine::profile::{Distance, IpiMode};
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_registered_under_its_name() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/machines");
        let files: BTreeSet<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        let rows: Vec<_> = MACHINES.iter().map(|m| format!("{}.toml", m.name)).collect();
        assert!(rows.is_sorted(), "the rows are not in order");
        assert_eq!(rows, files.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn every_profile_makes_a_machine() {
        for machine in MACHINES {
            let profile = machine.profile();
            assert!(profile.lookahead_cycles() > 1, "{}", machine.name);
            assert_eq!(Mmu::new(&profile).iter().count(), 0);
            let there = |distance: &Distance| *distance != Distance::Remote || profile.machine.sockets > 1;
            let distances = Distance::ALL.into_iter().filter(there);
            let costs: Vec<_> = distances.map(|d| (profile.c2c_cycles(d), profile.delivery_cycles(d))).collect();
            assert!(costs.is_sorted(), "{}: nearer is dearer", machine.name);
            let swap = profile.swap.as_ref().expect(machine.name);
            assert_eq!(swap.zram_read_cyc, profile.cycles_from_ns(1710));
            assert_eq!(swap.zram_write_cyc, profile.cycles_from_ns(3000));
        }
    }

    #[test]
    fn every_figure_says_where_it_comes_from() {
        for machine in MACHINES {
            let lines = machine.text.lines().filter(|line| line.contains(" = ")).count();
            assert_eq!(machine.figures().count(), lines, "{}: a figure without a tag", machine.name);
        }
        let skx = machine("skx_2s").expect("it is in the list");
        let figure = |key| skx.figures().find(|figure| figure.key == key).expect(key);
        assert_eq!(
            (figure("ipi.icr_write_cyc").value, figure("ipi.icr_write_cyc").confidence),
            ("550", Confidence::Derived)
        );
        assert_eq!(figure("machine.smt").source, "");
        assert_eq!(figure("machine.smt").confidence.meaning(), "read in a source");
    }

    #[test]
    fn names_find_their_machine() {
        let arm = machine("kunpeng920_2s").expect("it is in the list");
        assert_eq!(arm.profile().ipi.mode, IpiMode::NoneForTlb);
        assert_eq!(arm.profile().cpus(), 128);
        assert_eq!(machine("skx_2s").map(|m| m.profile().cpus()), Some(104));
        assert!(machine("skx").is_none());
    }

    #[test]
    fn milan_confirms_the_rule_for_absent_figures() {
        // It gives its cross-die figures under `remote`; the rule must arrive at the same ones.
        let mut milan = machine("milan_36c").unwrap().profile();
        // What the line cost before it was fitted, which they were derived from.
        milan.cache.c2c_die_cyc = Some(245);
        let die = Distance::Die;
        assert_eq!(Some(milan.csd_enqueue_cycles(die)), milan.ipi.csd_enqueue_remote_cyc);
        assert_eq!(Some(milan.ack_read_cycles(die)), milan.ipi.ack_read_remote_cyc);
        assert_eq!(Some(milan.spin_handoff_cycles(die)), milan.kernel.spin_handoff_remote_cyc);
    }

    #[test]
    fn a_shootdown_in_the_vm_takes_what_was_recorded() {
        let vm = machine("zen5_vm").unwrap().profile();
        let near = Distance::Socket;
        let [icr, body, flush] =
            [vm.ipi.icr_write_cyc, vm.ipi.handler_body_cyc, vm.inval.cr3_flush_cyc].map(Option::unwrap);
        // The head of the queue is read and taken; the target fetches it, the request and `tlb_gen`.
        let line = vm.c2c_cycles(near);
        let sent = vm.csd_enqueue_cycles(near) + 2 * line + icr;
        let arrived = sent + vm.delivery_cycles(near) + vm.ipi.irq_entry_cyc + body + 3 * line + flush;
        // Medians of 1,280 shootdowns: 2.24 us to the remote flush; 1.38 us to the local one, its own tracing included.
        assert_eq!(vm.ns_from_cycles(arrived), 2240);
        assert!(vm.ns_from_cycles(sent + flush) < 1380);
    }
}
