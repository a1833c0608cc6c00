//! What is tried: small programs over few pages, each up to renaming, without those that cannot race.
//!
//! CPU 0 is a kernel thread that reclaims, for a policy matters only when reclaim runs; the others are threads of one process.
//! Pages are anonymous and mapped read-write, all dirty or all clean. CPUs are taken as equal, and so are pages.
//!
//! A translation is stale only if it was filled before, so some CPU accesses a page twice that is reclaimed, or moves to the
//! place of one that is. Somebody takes a right to that page away, which the second access shows; a call about other pages
//! shows nothing, and without any call there is only the frame, for which two CPUs will do.

/// Up to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// CPUs, with the one that reclaims.
    pub cpus: usize,
    /// Pages.
    pub pages: u8,
    /// Page tables.
    pub tables: u8,
    /// Operations of one CPU.
    pub operations: usize,
    /// Operations of all CPUs.
    pub total: usize,
}

/// The size of a scenario; they are tried in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// Operations of all CPUs.
    pub operations: usize,
    /// Pages.
    pub pages: u8,
    /// Page tables.
    pub tables: u8,
    /// CPUs.
    pub cpus: usize,
}

/// The pages an operation is about, of at most two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    X,
    Y,
    Both,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::X => "x",
            Place::Y => "y",
            Place::Both => "x..y",
        }
    }

    fn swapped(self) -> Place {
        match self {
            Place::X => Place::Y,
            Place::Y => Place::X,
            Place::Both => Place::Both,
        }
    }

    fn has(self, page: Place) -> bool {
        self == page || self == Place::Both
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Reclaim,
    Read,
    Write,
    ReadOnly,
    NoAccess,
    Munmap,
    Dontneed,
    Free,
    Mremap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    verb: Verb,
    place: Place,
}

impl Call {
    fn text(self) -> String {
        let place = self.place.name();
        match self.verb {
            Verb::Reclaim => format!("reclaim {place}"),
            Verb::Read => format!("read {place}"),
            Verb::Write => format!("write {place}"),
            Verb::ReadOnly => format!("mprotect {place} r"),
            Verb::NoAccess => format!("mprotect {place} none"),
            Verb::Munmap => format!("munmap {place}"),
            Verb::Dontneed => format!("madvise {place} dontneed"),
            Verb::Free => format!("madvise {place} free"),
            Verb::Mremap => format!("mremap {place} {}", self.place.swapped().name()),
        }
    }

    fn accesses(self) -> bool {
        matches!(self.verb, Verb::Read | Verb::Write)
    }

    /// The access that shows that a translation outlived the call; where a load does, a store does not have to.
    fn shown_by(self) -> Verb {
        if matches!(self.verb, Verb::ReadOnly | Verb::Free) { Verb::Write } else { Verb::Read }
    }

    fn swapped(self) -> Call {
        Call { place: self.place.swapped(), ..self }
    }
}

type Program = Vec<Call>;

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    size: Size,
    /// Of the kernel thread first.
    programs: Vec<Program>,
    /// Are the PTEs clean at first?
    clean: bool,
}

impl Candidate {
    /// Its size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Its `page` and `cpu` lines.
    pub(super) fn lines(&self, line: &mut impl FnMut(&str, &str)) {
        let dirtiness = if self.clean { "clean" } else { "dirty" };
        for (n, name) in ["x", "y"].iter().take(usize::from(self.size.pages)).enumerate() {
            let table = if n == 1 && self.size.tables == 2 { " table 1" } else { "" };
            line("page", &format!("{name} rw anon {dirtiness}{table}"));
        }
        for (cpu, program) in self.programs.iter().enumerate() {
            let calls: Vec<_> = program.iter().map(|call| call.text()).collect();
            let kthread = if cpu == 0 { " kthread" } else { "" };
            line("cpu", &format!("{cpu}{kthread}: {}", calls.join("; ")));
        }
    }
}

/// All sizes within the bounds, in order, each with its scenarios in order.
pub fn classes(bounds: &Bounds) -> impl Iterator<Item = (Size, Vec<Candidate>)> + use<> {
    let Bounds { cpus: most, pages, tables, operations: each, total } = *bounds;
    let shapes = move |operations| {
        (1..=pages.min(2)).flat_map(move |pages| {
            (1..=tables.min(pages))
                .flat_map(move |tables| (2..=most).map(move |cpus| Size { operations, pages, tables, cpus }))
        })
    };
    (0..=total).flat_map(shapes).map(move |size| (size, of_size(size, each)))
}

fn of_size(size: Size, each: usize) -> Vec<Candidate> {
    let users = size.cpus - 1;
    let mut all = Vec::new();
    for reclaims in 1..=each {
        let Some(left) = size.operations.checked_sub(reclaims) else { break };
        for reclaimer in programs(&reclaim_calls(size), reclaims) {
            let mut chosen = vec![reclaimer];
            fill(&user_programs(size, each), (users, left), &mut chosen, &mut |chosen| {
                all.extend([false, true].map(|clean| Candidate { size, programs: chosen.to_vec(), clean }));
            });
        }
    }
    all.retain(|candidate| canonical(candidate) && may_race(&candidate.programs));
    all.sort();
    all
}

/// Chooses programs of user CPUs, none of them before the one chosen last: CPUs are equal.
fn fill(
    pool: &[Program],
    (users, left): (usize, usize),
    chosen: &mut Vec<Program>,
    found: &mut impl FnMut(&[Program]),
) {
    if users == 0 {
        if left == 0 {
            found(chosen);
        }
        return;
    }
    for (n, program) in pool.iter().enumerate().filter(|(_, program)| program.len() <= left) {
        chosen.push(program.clone());
        fill(&pool[n..], (users - 1, left - program.len()), chosen, found);
        chosen.pop();
    }
}

fn places(size: Size) -> &'static [Place] {
    if size.pages == 1 { &[Place::X] } else { &[Place::X, Place::Y, Place::Both] }
}

fn reclaim_calls(size: Size) -> Vec<Call> {
    places(size).iter().map(|&place| Call { verb: Verb::Reclaim, place }).collect()
}

fn user_programs(size: Size, each: usize) -> Vec<Program> {
    const VERBS: [Verb; 8] = [
        Verb::Read,
        Verb::Write,
        Verb::ReadOnly,
        Verb::NoAccess,
        Verb::Munmap,
        Verb::Dontneed,
        Verb::Free,
        Verb::Mremap,
    ];
    let makes_sense = |call: &Call| match call.verb {
        // It stops at the hole between two tables.
        Verb::ReadOnly | Verb::NoAccess => call.place != Place::Both || size.tables == 1,
        Verb::Read | Verb::Write => call.place != Place::Both,
        Verb::Mremap => size.pages == 2 && call.place != Place::Both,
        _ => true,
    };
    let calls = VERBS.iter().flat_map(|&verb| places(size).iter().map(move |&place| Call { verb, place }));
    let calls: Vec<Call> = calls.filter(makes_sense).collect();
    let mut all: Vec<Program> = (1..=each).flat_map(|length| programs(&calls, length)).collect();
    // The new place has to be empty.
    let emptied = |program: &Program, n: usize| {
        let place = program[n].place.swapped();
        program[..n].iter().any(|call| call.verb == Verb::Munmap && call.place == place)
    };
    all.retain(|program| (0..program.len()).all(|n| program[n].verb != Verb::Mremap || emptied(program, n)));
    // To fill a translation a load will do: pages that are dirty at first are tried, too.
    let again = |program: &Program, n: usize| {
        program[n + 1..].iter().any(|call| call.accesses() && call.place == program[n].place)
    };
    all.retain(|program| (0..program.len()).all(|n| program[n].verb != Verb::Write || !again(program, n)));
    all.sort();
    all
}

fn programs(calls: &[Call], length: usize) -> Vec<Program> {
    (0..length).fold(vec![Vec::new()], |shorter, _| {
        let longer = |program: &Program| {
            let program = program.clone();
            calls.iter().map(move |&call| program.iter().copied().chain([call]).collect())
        };
        shorter.iter().flat_map(longer).collect()
    })
}

/// Is it the first of those that differ in the names of pages only, and has it all its pages?
fn canonical(candidate: &Candidate) -> bool {
    let calls = || candidate.programs.iter().flatten();
    if candidate.size.pages == 1 {
        return true;
    }
    if ![Place::X, Place::Y].into_iter().all(|page| calls().any(|call| call.place.has(page))) {
        return false;
    }
    // A span is walked in one order.
    calls().any(|call| call.place == Place::Both) || candidate.programs <= renamed(&candidate.programs)
}

fn renamed(programs: &[Program]) -> Vec<Program> {
    let rename = |program: &Program| program.iter().map(|call| call.swapped()).collect();
    let mut renamed: Vec<Program> = programs.iter().map(rename).collect();
    renamed[1..].sort();
    renamed
}

/// Does a CPU access a page twice of which reclaim may take the translation away, and a call the right?
fn may_race(programs: &[Program]) -> bool {
    let users = || programs[1..].iter().flatten();
    let moves = users().any(|call| call.verb == Verb::Mremap);
    let calls = || users().filter(|call| !call.accesses());
    let raced = |program: &Program, page| {
        let accesses = || program.iter().filter(|call| call.accesses() && call.place == page);
        let reclaimed = moves || programs[0].iter().any(|call| call.place.has(page));
        let Some(last) = accesses().next_back().filter(|_| reclaimed && accesses().count() >= 2) else { return false };
        let concerns = |call: &Call| call.place.has(page) || call.verb == Verb::Mremap;
        let alone = programs.len() == 2 && programs[0].len() == 1 && calls().next().is_none();
        calls().any(|call| concerns(call) && call.shown_by() == last.verb) || (alone && last.verb == Verb::Read)
    };
    programs[1..].iter().any(|program| raced(program, Place::X) || raced(program, Place::Y))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { cpus: 3, pages: 2, tables: 2, operations: 2, total: 5 };

    #[test]
    fn sizes_come_in_order_and_scenarios_within_them() {
        let all: Vec<_> = classes(&Bounds { total: 4, ..BOUNDS }).collect();
        assert!(all.iter().map(|(size, _)| size).is_sorted());
        let candidates: Vec<&Candidate> = all.iter().flat_map(|(_, candidates)| candidates).collect();
        assert!(candidates.is_sorted_by(|a, b| a < b), "each once, in order");
        // Whatever is asked for is within the bounds.
        for candidate in candidates {
            let lengths: Vec<_> = candidate.programs.iter().map(Vec::len).collect();
            assert_eq!(lengths.iter().sum::<usize>(), candidate.size.operations);
            assert!(lengths.iter().all(|length| (1..=2).contains(length)), "{candidate:?}");
        }
    }

    #[test]
    fn the_smallest_are_two_accesses_and_one_reclaim() {
        let (size, smallest) = classes(&BOUNDS).find(|(_, candidates)| !candidates.is_empty()).unwrap();
        assert_eq!(size, Size { operations: 3, pages: 1, tables: 1, cpus: 2 });
        // Two loads, of a dirty and of a clean page.
        assert_eq!(smallest.len(), 2);
    }

    #[test]
    fn no_two_differ_by_the_names_of_pages_or_cpus_only() {
        let size = Size { operations: 5, pages: 2, tables: 2, cpus: 3 };
        let all = of_size(size, 2);
        assert!(all.len() > 500, "{}", all.len());
        for candidate in &all {
            let mut cpus = candidate.programs.clone();
            cpus[1..].reverse();
            let spans = candidate.programs.iter().flatten().any(|call| call.place == Place::Both);
            let pages = if spans { cpus.clone() } else { renamed(&candidate.programs) };
            for programs in [cpus, pages] {
                let other = Candidate { programs, ..candidate.clone() };
                assert!(other == *candidate || all.binary_search(&other).is_err(), "{candidate:?}");
            }
        }
    }

    #[test]
    fn what_is_left_out_shows_nothing() {
        let call = |verb, place| Call { verb, place };
        let (reclaim, read, write) =
            (call(Verb::Reclaim, Place::X), call(Verb::Read, Place::X), call(Verb::Write, Place::X));
        let races = |users: &[&[Call]]| {
            let programs: Vec<Program> =
                [&[reclaim][..]].into_iter().chain(users.iter().copied()).map(<[Call]>::to_vec).collect();
            may_race(&programs)
        };
        assert!(races(&[&[read, read], &[call(Verb::Munmap, Place::X)]]));
        assert!(races(&[&[read, write], &[call(Verb::ReadOnly, Place::Both)]]));
        assert!(!races(&[&[read, read], &[call(Verb::ReadOnly, Place::X)]]), "a load is still allowed");
        assert!(!races(&[&[read, read], &[call(Verb::Munmap, Place::Y)]]), "another page");
        assert!(!races(&[&[read], &[read, call(Verb::Munmap, Place::X)]]), "nobody uses what it filled");
        assert!(!races(&[&[call(Verb::Read, Place::Y); 2], &[call(Verb::Munmap, Place::Y)]]), "nobody reclaims it");
    }
}
