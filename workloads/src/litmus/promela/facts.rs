//! What a model is told of its file: how many there are of everything, who is where, and which switches are on.

use std::fmt::Write;

use sim_core::nouns::types::{Backing, Cpu, Mm, Span};
use sim_core::policy::PolicyInfo;
use sim_core::step::era::Mechanism;
use sim_core::world::small::{CPUS, MMS, PAGES};

use super::super::Litmus;
use super::refuse::{KNOWN, is_on};

/// What tells one policy from another, stated once more.
struct Strategy {
    name: &'static str,
    /// When reclaim puts a flush off.
    defers: Defers,
    /// What is defined, and 1; all other names of the policies are 0.
    is: &'static [&'static str],
}

enum Defers {
    Never,
    /// If another CPU uses the address space.
    IfOthersUseIt,
    Always,
}

const STRATEGIES: &[Strategy] = &[
    Strategy { name: "immediate", defers: Defers::Never, is: &["DEFERS_DIRTY"] },
    Strategy { name: "clean-only", defers: Defers::IfOthersUseIt, is: &[] },
    Strategy { name: "batched", defers: Defers::IfOthersUseIt, is: &["DEFERS_DIRTY"] },
    Strategy { name: "local-only", defers: Defers::IfOthersUseIt, is: &["DEFERS_DIRTY", "FLUSHES_LOCALLY"] },
    Strategy {
        name: "flag-before-clear",
        defers: Defers::IfOthersUseIt,
        is: &["DEFERS_DIRTY", "FLAG", "SETS_BEFORE_CLEAR"],
    },
    Strategy { name: "generation-check", defers: Defers::IfOthersUseIt, is: &["DEFERS_DIRTY", "CATCHES_UP"] },
    Strategy { name: "pending-flag", defers: Defers::IfOthersUseIt, is: &["DEFERS_DIRTY", "FLAG"] },
    Strategy { name: "pending-generation", defers: Defers::IfOthersUseIt, is: &["DEFERS_DIRTY", "GENERATION"] },
    Strategy {
        name: "arm64-dsb",
        defers: Defers::Always,
        is: &["DEFERS_DIRTY", "BROADCASTS", "ISSUES_WHEN_DEFERRING", "SYNCS"],
    },
    Strategy {
        name: "arm64-flush",
        defers: Defers::Always,
        is: &["DEFERS_DIRTY", "BROADCASTS", "ISSUES_WHEN_DEFERRING", "GENERATION"],
    },
    Strategy { name: "invlpgb", defers: Defers::IfOthersUseIt, is: &["DEFERS_DIRTY", "BROADCASTS", "GENERATION"] },
    Strategy { name: "pending-flag-unset", defers: Defers::IfOthersUseIt, is: &["DEFERS_DIRTY", "FLAG", "NEVER_SETS"] },
    Strategy {
        name: "pending-flag-cleared-first",
        defers: Defers::IfOthersUseIt,
        is: &["DEFERS_DIRTY", "FLAG", "CLEARS_FIRST"],
    },
    Strategy {
        name: "pending-flag-local",
        defers: Defers::IfOthersUseIt,
        is: &["DEFERS_DIRTY", "FLAG", "CHECKS_LOCALLY"],
    },
    Strategy {
        name: "pending-generation-stored",
        defers: Defers::IfOthersUseIt,
        is: &["DEFERS_DIRTY", "GENERATION", "STORES_FLUSHED"],
    },
    Strategy { name: "latr", defers: Defers::IfOthersUseIt, is: &["DEFERS_DIRTY", "DEFERS_UNMAP"] },
];

/// Names that some policy defines.
const FEATURES: [&str; 14] = [
    "BROADCASTS",
    "ISSUES_WHEN_DEFERRING",
    "DEFERS_DIRTY",
    "DEFERS_UNMAP",
    "FLAG",
    "SETS_BEFORE_CLEAR",
    "GENERATION",
    "CATCHES_UP",
    "SYNCS",
    "FLUSHES_LOCALLY",
    "NEVER_SETS",
    "CLEARS_FIRST",
    "CHECKS_LOCALLY",
    "STORES_FLUSHED",
];

/// The models have sets of pages and of CPUs in bytes, the pages with a bit to spare, and a frame in four bits of a translation,
/// two frames a page; what depends on the address space is told for two of them.
const _: () = assert!(PAGES <= 4 && MMS <= 2 && CPUS <= 8);

/// Its row, if it has one: a policy of one's own may have none.
fn row(policy: &PolicyInfo) -> Option<&'static Strategy> {
    STRATEGIES.iter().find(|strategy| strategy.name == policy.name)
}

/// Has the export a text for it?
pub(super) fn is_known(policy: &PolicyInfo) -> bool {
    row(policy).is_some()
}

fn strategy(policy: &PolicyInfo) -> &'static Strategy {
    row(policy).expect("the export is refused before it gets here")
}

/// A file, asked for what a model needs.
pub(super) struct Facts<'l> {
    pub(super) litmus: &'l Litmus,
    pub(super) cpus: usize,
    pub(super) pages: usize,
    pub(super) mms: usize,
    pages_of_one: usize,
}

impl<'l> Facts<'l> {
    pub(super) fn of(litmus: &'l Litmus) -> Facts<'l> {
        let scenario = &litmus.scenario;
        Facts {
            litmus,
            cpus: scenario.programs.len(),
            pages: usize::from(scenario.all_pages()),
            mms: usize::from(scenario.processes),
            pages_of_one: usize::from(scenario.pages),
        }
    }

    /// The pages of a span of an address space, counted over all of them.
    pub(super) fn pages_in(&self, mm: Mm, span: Span) -> Vec<usize> {
        let first = usize::from(mm.0) * self.pages_of_one;
        let inside = |n: &usize| span.contains(self.litmus.scenario.vpn(*n as u8));
        (0..self.pages_of_one).filter(inside).map(|n| first + n).collect()
    }

    /// The page with this number.
    pub(super) fn page_at(&self, mm: Mm, vpn: u64) -> usize {
        self.pages_in(mm, Span::page(vpn))[0]
    }

    pub(super) fn mm_of(&self, page: usize) -> usize {
        page / self.pages_of_one
    }

    /// The page-table page of a page.
    pub(super) fn table_of(&self, page: usize) -> usize {
        let each = usize::from(self.litmus.scenario.pages_per_table);
        self.mm_of(page) * self.pages_of_one.div_ceil(each) + page % self.pages_of_one / each
    }

    /// The same page in another address space.
    pub(super) fn twin_of(&self, page: usize, mm: Mm) -> usize {
        usize::from(mm.0) * self.pages_of_one + page % self.pages_of_one
    }

    pub(super) fn name_of(&self, page: usize) -> &str {
        self.litmus.scenario.names.get(page).map_or("", String::as_str)
    }

    pub(super) fn home(&self, cpu: usize) -> Option<usize> {
        self.litmus.scenario.home(Cpu(cpu as u16)).map(|mm| usize::from(mm.0))
    }

    pub(super) fn on(&self, switch: &str) -> bool {
        is_on(self.litmus, switch).expect("the switch is on or off")
    }

    fn mask(&self, mm: usize) -> usize {
        (0..self.cpus).filter(|&cpu| self.home(cpu) == Some(mm)).fold(0, |mask, cpu| mask | 1 << cpu)
    }

    fn mask_of_pages(&self, mm: usize) -> usize {
        (0..self.pages).filter(|&page| self.mm_of(page) == mm).fold(0, |mask, page| mask | 1 << page)
    }

    /// The pages that a flush of the smallest range around these reaches: all of the address space above the ceiling.
    pub(super) fn cover(&self, pages: usize) -> usize {
        let of = |page: usize| self.litmus.scenario.vpn((page % self.pages_of_one) as u8);
        let listed: Vec<usize> = (0..self.pages).filter(|page| pages >> page & 1 != 0).collect();
        let (Some(&first), Some(&last)) = (listed.first(), listed.last()) else { return 0 };
        if of(last) + 1 - of(first) > self.litmus.era.ceiling_pages {
            return self.mask_of_pages(self.mm_of(first));
        }
        (first..=last).fold(0, |mask, page| mask | 1 << page)
    }

    /// The pages that a flush of a span reaches.
    pub(super) fn range(&self, mm: Mm, span: Span) -> usize {
        let listed = self.pages_in(mm, span).iter().fold(0, |mask, page| mask | 1 << page);
        if span.pages > self.litmus.era.ceiling_pages { self.mask_of_pages(usize::from(mm.0)) } else { listed }
    }

    /// May a CPU put the flush for a PTE of this address space off?
    pub(super) fn defers(&self, policy: &PolicyInfo, cpu: usize, mm: usize) -> bool {
        match strategy(policy).defers {
            Defers::Never => false,
            Defers::IfOthersUseIt => self.mask(mm) & !(1 << cpu) != 0,
            Defers::Always => true,
        }
    }

    /// All that the text leaves to be defined.
    pub(super) fn header(&self, policy: &PolicyInfo) -> String {
        let mut out = String::new();
        let tables = 1 + self.table_of(self.pages - 1);
        for (name, value) in [
            ("CPUS", self.cpus),
            ("PAGES", self.pages),
            ("FRAMES", self.pages * 2),
            ("MMS", self.mms),
            ("TABLES", tables),
            ("ALL_PAGES", (1 << self.pages) - 1),
        ] {
            define(&mut out, name, &value.to_string());
        }
        out.push_str("\n/* Switches. */\n");
        for name in KNOWN {
            define(&mut out, &name.to_uppercase(), if self.on(name) { "1" } else { "0" });
        }
        out.push_str("\n/* The policy. */\n");
        self.policy(policy, &mut out);
        out.push_str("\n/* Who has what. */\n");
        self.relations(&mut out);
        out
    }

    fn policy(&self, policy: &PolicyInfo, out: &mut String) {
        let is = strategy(policy).is;
        let broadcasts = is.contains(&"BROADCASTS") || self.litmus.era.mechanism == Mechanism::Broadcast;
        for name in FEATURES {
            let on = is.contains(&name) || (name == "BROADCASTS" && broadcasts);
            define(out, name, if on { "1" } else { "0" });
        }
        let users = (0..self.cpus).filter(|&cpu| self.home(cpu).is_some()).fold(0, |mask, cpu| mask | 1 << cpu);
        define(out, "TARGETS(mask)", &if broadcasts { users.to_string() } else { "(mask)".to_owned() });
        let batch = if self.on("batch_always_flushes") || broadcasts { "ALL_PAGES" } else { "0" };
        define(out, "BATCH_PAGES", batch);
    }

    fn relations(&self, out: &mut String) {
        let by_mm = |each: &dyn Fn(usize) -> usize| match self.mms {
            1 => each(0).to_string(),
            _ => format!("((mm) == 0 -> {} : {})", each(0), each(1)),
        };
        define(out, "MASK(mm)", &by_mm(&|mm| self.mask(mm)));
        define(out, "PAGES_OF(mm)", &by_mm(&|mm| self.mask_of_pages(mm)));
        let any = |count: usize, each: &dyn Fn(usize) -> String| {
            format!("({})", (0..count).map(each).collect::<Vec<_>>().join(" || "))
        };
        define(out, "MAPPED(f)", &any(self.pages, &|q| format!("MAPS({q}, f)")));
        define(out, "FOUND(f)", &any(self.pages, &|q| format!("found[{q}] == (f) + 1")));
        let claim = |q| format!("((p) != {q} && (MAPS({q}, f) || found[{q}] == (f) + 1))");
        define(out, "SHARED(f, p)", &any(self.pages, &claim));
        define(
            out,
            "MEMORY_LEFT",
            &format!(
                "(!({} & ALLOCATED))",
                (0..self.pages * 2).map(|f| format!("folio[{f}]")).collect::<Vec<_>>().join(" & ")
            ),
        );
        let all = |array: &str, count: usize, index: &dyn Fn(usize) -> String| {
            (0..count).map(|n| format!("{array}[{}]", index(n))).collect::<Vec<_>>().join(" | ")
        };
        let from = |to: usize| format!("(c) * CPUS + {to}");
        define(out, "QUIET(c)", &format!("(({}) == 0)", all("posted", self.cpus, &from)));
        let plain = |n: usize| n.to_string();
        let records = all("records", self.cpus * self.cpus, &plain);
        define(out, "RECORDS", &format!("({records})"));
        define(out, "SWEPT(c)", &format!("(({}) == 0)", all("records", self.cpus, &from)));
        let wider = (1..1usize << self.pages).filter(|&pages| self.cover(pages) != pages);
        let wider = wider.filter(|&pages| self.in_one_mm(pages));
        let cover =
            wider.fold("(g)".to_owned(), |rest, pages| format!("((g) == {pages} -> {} : {rest})", self.cover(pages)));
        define(out, "COVER(g)", &cover);
    }

    fn in_one_mm(&self, pages: usize) -> bool {
        (0..self.mms).any(|mm| pages & !self.mask_of_pages(mm) == 0)
    }

    /// The state of everything at first.
    pub(super) fn start(&self) -> String {
        let mut out = String::new();
        let scenario = &self.litmus.scenario;
        for start in scenario.starting_pages() {
            let page = scenario.page(start.mm, start.page);
            let p = page.0 as usize;
            let (r, w) = (start.rights.read(), start.rights.write());
            // A clean file page faults on its first store, to be noted. PTE.A is set where somebody has a translation.
            let writable = w && (start.dirty || start.backing != Backing::SharedFile);
            let used = scenario.cached_somewhere(page);
            let bits = [(true, "PRESENT"), (writable, "W"), (start.dirty, "D"), (used, "A"), (!r, "N")];
            let (anon, file) = (start.backing == Backing::Anon, start.backing == Backing::SharedFile);
            let state = [
                (true, "ALLOCATED"),
                (anon || file, "LRU"),
                (anon, "ANON"),
                (anon || (file && start.dirty), "DIRTY"),
                (file, "CACHED"),
            ];
            let backing = match start.backing {
                Backing::Anon | Backing::PrivateFile => "ANONYMOUS",
                Backing::SharedFile => "FILE",
                Backing::Pfn => "DRIVER",
            };
            let (r, w) = (u8::from(r), u8::from(w));
            let _ = writeln!(out, "    /* {} */ pte[{p}] = {}; pfn[{p}] = {p};", self.name_of(p), set(&bits));
            let _ = writeln!(out, "    vm[{p}] = 1; vr[{p}] = {r}; vw[{p}] = {w}; vb[{p}] = {backing};");
            let _ = writeln!(out, "    granted[{p}] = 1; granted_r[{p}] = {r}; granted_w[{p}] = {w};");
            let _ = writeln!(out, "    folio[{p}] = {};", set(&state));
            if start.backing != Backing::Anon {
                let _ = writeln!(out, "    found[{p}] = {};", p + 1);
            }
        }
        for cached in &scenario.cached {
            let p = cached.page.0;
            let bits = set(&[(true, "PRESENT"), (cached.writable, "W"), (cached.dirty, "D")]);
            let _ = writeln!(out, "    T({}, {p}) = {bits} | ({p} << 4);", cached.cpu.0);
        }
        let _ = writeln!(out, "    folio[ZERO] = ALLOCATED;");
        out
    }
}

fn define(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "#define {name} {value}");
}

fn set(bits: &[(bool, &str)]) -> String {
    bits.iter().filter(|bit| bit.0).map(|bit| bit.1).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use sim_core::policy::{ABLATED, OTHERS, POLICIES};

    use super::*;

    #[test]
    fn every_policy_is_known() {
        for policy in POLICIES.iter().chain(OTHERS).chain(ABLATED) {
            let strategies: Vec<_> = STRATEGIES.iter().filter(|strategy| strategy.name == policy.name).collect();
            assert_eq!(strategies.len(), 1, "{}: expected one row in STRATEGIES", policy.name);
            assert!(strategies[0].is.iter().all(|feature| FEATURES.contains(feature)), "{}", policy.name);
        }
    }
}
