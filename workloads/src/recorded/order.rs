//! Recorded order: what has to be over before something else may begin.

use rustc_hash::FxHashMap;

use super::script::{Action, Item, List};

/// When an item was over. A fault ends before the next event of its thread, or sooner.
pub(super) fn recorded_end(item: &Item, fault_ns: u64) -> u64 {
    match item.action {
        Action::Fault { .. } => item.end_ns.min(item.time_ns + fault_ns),
        _ => item.end_ns,
    }
}

/// The lists that were shrunk in an item.
pub(super) fn lists_of(action: &Action) -> &[List] {
    match action {
        Action::Reclaim(list) => std::slice::from_ref(list),
        Action::Call(_, lists) => lists,
        _ => &[],
    }
}

/// When folios were written in an item.
pub(super) fn writes_of(action: &Action) -> impl Iterator<Item = u64> + '_ {
    lists_of(action).iter().flat_map(|list| list.writes_ns.iter().copied())
}

/// Everything with a recorded end, by that end: an item is number 0 of its own, its writes are those after it.
pub(super) struct Ends {
    /// Recorded end in ns, item, and place in `first` order.
    sorted: Vec<(u64, u32, u32)>,
    /// By item: the place of its number 0.
    first: Vec<u32>,
    /// By item: the one before it of its thread. Threads do one thing at a time, whatever CPU they are on.
    previous: Vec<Option<u32>>,
}

impl Ends {
    /// A CPU of the model does one item after the other, also where a thread was preempted in the middle of one: nobody has to
    /// wait for what happened there meanwhile before that item is over. So whatever is first here and not over is also next on
    /// its CPU, and somebody can always go on.
    pub(super) fn new(items: &[Item], fault_ns: u64, cpus: usize) -> Ends {
        let mut ends = Ends { sorted: Vec::with_capacity(items.len()), first: Vec::new(), previous: Vec::new() };
        let mut last = FxHashMap::default();
        let mut before_ns = vec![0; cpus];
        for (index, item) in (0..).zip(items) {
            ends.first.push(ends.sorted.len() as u32);
            let switch = matches!(item.action, Action::Load | Action::Borrow | Action::Unload);
            ends.previous.push(if switch { None } else { last.insert(item.tid, index) });
            let before_ns: &mut u64 = &mut before_ns[usize::from(item.cpu)];
            // A write whose list was recorded late belongs to an item that began after it.
            let begun_ns = item.time_ns.max(*before_ns);
            *before_ns = recorded_end(item, fault_ns).max(*before_ns);
            let writes = writes_of(&item.action).map(|write_ns| write_ns.max(begun_ns));
            for end_ns in std::iter::once(*before_ns).chain(writes) {
                ends.sorted.push((end_ns, index, ends.sorted.len() as u32));
            }
        }
        ends.sorted.sort_unstable();
        ends
    }
}

/// What one copy of the process has not done yet.
#[derive(Clone)]
pub(super) struct Unfinished {
    /// The order between threads is the recorded one, too.
    recorded: bool,
    over: Vec<bool>,
    /// Everything before this place of `Ends::sorted` is over.
    head: usize,
}

impl Unfinished {
    /// Nothing is over.
    pub(super) fn all(ends: &Ends, recorded: bool) -> Unfinished {
        Unfinished { recorded, over: vec![false; ends.sorted.len()], head: 0 }
    }

    /// Number `nth` of an item is over.
    pub(super) fn remove(&mut self, ends: &Ends, item: u32, nth: u32) {
        self.over[(ends.first[item as usize] + nth) as usize] = true;
        while ends.sorted.get(self.head).is_some_and(|&(_, _, place)| self.over[place as usize]) {
            self.head += 1;
        }
    }

    /// What its thread did before must be over, and in recorded order whatever was over before the item began.
    pub(super) fn allows(&self, ends: &Ends, items: &[Item], item: u32) -> bool {
        if ends.previous[item as usize].is_some_and(|before| !self.over[ends.first[before as usize] as usize]) {
            return false;
        }
        let start_ns = items[item as usize].time_ns;
        let head = ends.sorted.get(self.head).filter(|_| self.recorded);
        head.is_none_or(|&(end_ns, first, _)| end_ns >= start_ns || first == item)
    }
}
