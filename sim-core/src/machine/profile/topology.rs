//! Where a CPU sits, and what distance costs.

use super::Profile;

/// The largest number of CPUs a profile may have.
pub const CPUS_MAX: u32 = 1024;

/// Scheduler ticks a second, where a profile does not say.
pub(super) const TICK_HZ: u32 = 250;

/// How far one CPU is from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Distance {
    /// The same core: the CPU itself or an SMT sibling.
    Same,
    /// Another core of the same die.
    Socket,
    /// Another die of the same socket.
    Die,
    /// Another socket.
    Remote,
}

impl Distance {
    /// All distances, nearest first.
    pub const ALL: [Self; 4] = [Self::Same, Self::Socket, Self::Die, Self::Remote];
}

/// The distances of a machine for those who ask at every turn: a look-up where [`Profile::distance`] divides.
#[derive(Clone, Debug)]
pub struct Places {
    /// By CPU.
    of: Box<[Place]>,
    /// The largest distance there is.
    pub farthest: Distance,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    core: u16,
    die: u16,
    socket: u16,
}

impl Places {
    /// Where the CPUs of a machine are.
    pub fn new(profile: &Profile) -> Places {
        let machine = &profile.machine;
        let farthest = match (machine.sockets, machine.dies_per_socket, machine.cores_per_socket) {
            (1, 1, 1) => Distance::Same,
            (1, 1, _) => Distance::Socket,
            (1, ..) => Distance::Die,
            _ => Distance::Remote,
        };
        Places { of: (0..profile.cpus() as u16).map(|cpu| profile.place(cpu)).collect(), farthest }
    }

    /// How far one CPU is from another.
    ///
    /// # Panics
    /// If a CPU does not exist.
    #[inline]
    pub fn distance(&self, a: u16, b: u16) -> Distance {
        self.of[usize::from(a)].distance(self.of[usize::from(b)])
    }
}

impl Place {
    #[inline]
    fn distance(self, other: Place) -> Distance {
        if self.core == other.core {
            Distance::Same
        } else if self.die == other.die {
            Distance::Socket
        } else if self.socket == other.socket {
            Distance::Die
        } else {
            Distance::Remote
        }
    }
}

/// Distance-dependent costs.
///
/// No source prices an SMT sibling, so [`Distance::Same`] costs what [`Distance::Socket`] costs (an upper bound); a CPU that
/// touches its own line is not a transfer and must not be charged as one. A figure that the profile leaves out is the one of the
/// same die plus what the *line transfer* costs more at that distance: the work is the same, only the line travels farther.
/// (On the one profile where both are known, `milan_36c`, this rule gives the published cross-die figures exactly.)
impl Profile {
    /// Number of CPUs (hardware threads).
    pub fn cpus(&self) -> u32 {
        self.cores() * self.machine.smt
    }

    /// How far CPU `b` is from CPU `a`.
    ///
    /// CPUs are numbered as Linux numbers them on x86 servers: first the first thread of every core, core by core and socket by
    /// socket, then the second threads in the same order. With 2 sockets of 4 cores and 2 threads, CPUs 0 to 3 are the first
    /// threads of socket 0, 4 to 7 those of socket 1, and CPU 8 is the sibling of CPU 0. Cores of a socket fill its dies in order.
    ///
    /// # Panics
    /// If a CPU does not exist.
    pub fn distance(&self, a: u16, b: u16) -> Distance {
        self.place(a).distance(self.place(b))
    }

    fn place(&self, cpu: u16) -> Place {
        let (core, cores_per_socket) = (self.core_of(cpu), self.machine.cores_per_socket);
        let cores_per_die = cores_per_socket / self.machine.dies_per_socket;
        Place { core: core as u16, die: (core / cores_per_die) as u16, socket: (core / cores_per_socket) as u16 }
    }

    /// The other CPUs of a CPU's core.
    pub fn siblings(&self, cpu: u16) -> impl Iterator<Item = u16> {
        let (core, cores) = (self.core_of(cpu), self.cores());
        (0..self.machine.smt).map(move |thread| (core + thread * cores) as u16).filter(move |&other| other != cpu)
    }

    /// Fetching a line that a core at this distance modified, in cycles. Absent: the figure of the next nearer distance, which can
    /// only happen where the topology has no such pair.
    pub fn c2c_cycles(&self, distance: Distance) -> u64 {
        let same = self.cache.c2c_same_cyc;
        let die = self.cache.c2c_die_cyc.unwrap_or(same);
        match distance {
            Distance::Same | Distance::Socket => same,
            Distance::Die => die,
            Distance::Remote => self.cache.c2c_remote_cyc.unwrap_or(die),
        }
    }

    /// From the write of the ICR to the interrupt at the target, in cycles.
    pub fn delivery_cycles(&self, distance: Distance) -> u64 {
        let given = (self.ipi.delivery_die_cyc, self.ipi.delivery_remote_cyc);
        self.scaled(distance, self.ipi.delivery_same_cyc, given)
    }

    /// Queueing a call-function entry for a target, in cycles; one line transfer if the profile says nothing.
    pub fn csd_enqueue_cycles(&self, distance: Distance) -> u64 {
        let same = self.ipi.csd_enqueue_same_cyc;
        let given = (None, self.ipi.csd_enqueue_remote_cyc);
        self.scaled(distance, same.unwrap_or(self.cache.c2c_same_cyc), given)
    }

    /// Reading the acknowledgement of a target, in cycles; one line transfer if the profile says nothing.
    pub fn ack_read_cycles(&self, distance: Distance) -> u64 {
        let same = self.ipi.ack_read_same_cyc;
        let given = (None, self.ipi.ack_read_remote_cyc);
        self.scaled(distance, same.unwrap_or(self.cache.c2c_same_cyc), given)
    }

    /// Handing a contended lock over to a waiter, in cycles.
    pub fn spin_handoff_cycles(&self, distance: Distance) -> u64 {
        let given = (None, self.kernel.spin_handoff_remote_cyc);
        self.scaled(distance, self.kernel.spin_handoff_same_cyc, given)
    }

    /// The lookahead: no core can affect another in fewer cycles than this, so it may retire its own hits that far ahead.
    ///
    /// The least of all line transfer, delivery and lock hand-over latencies; at least 1.
    pub fn lookahead_cycles(&self) -> u64 {
        let shortest = |distance| {
            self.c2c_cycles(distance).min(self.delivery_cycles(distance)).min(self.spin_handoff_cycles(distance))
        };
        Distance::ALL.map(shortest).into_iter().min().unwrap_or(1)
    }

    /// From one scheduler tick to the next. Where the file does not say how many there are in a second, as many as Linux has by
    /// default (`HZ_250` in `kernel/Kconfig.hz`); at least 1 cycle.
    pub fn tick_cycles(&self) -> u64 {
        let hz = u64::from(self.kernel.tick_hz.unwrap_or(TICK_HZ));
        (self.machine.mhz * 1_000_000 / hz).max(1)
    }

    /// Cycles in `ns` nanoseconds, rounded to the nearest; saturates.
    pub fn cycles_from_ns(&self, ns: u64) -> u64 {
        scale(ns, self.machine.mhz, 1000)
    }

    /// Nanoseconds in `cycles` cycles, rounded to the nearest; saturates.
    pub fn ns_from_cycles(&self, cycles: u64) -> u64 {
        scale(cycles, 1000, self.machine.mhz)
    }

    fn cores(&self) -> u32 {
        self.machine.sockets * self.machine.cores_per_socket
    }

    fn core_of(&self, cpu: u16) -> u32 {
        let cpu = u32::from(cpu);
        assert!(cpu < self.cpus(), "no CPU {cpu}, the machine has {}", self.cpus());
        cpu % self.cores()
    }

    /// `given` are the profile's own figures for another die and another socket.
    fn scaled(&self, to: Distance, same: u64, given: (Option<u64>, Option<u64>)) -> u64 {
        let farther = self.c2c_cycles(to).saturating_sub(self.cache.c2c_same_cyc);
        let given = match to {
            Distance::Same | Distance::Socket => None,
            Distance::Die => given.0,
            Distance::Remote => given.1,
        };
        given.unwrap_or(same + farther)
    }
}

fn scale(value: u64, by: u64, per: u64) -> u64 {
    let scaled = (u128::from(value) * u128::from(by) + u128::from(per / 2)) / u128::from(per);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::prime_profile;

    #[test]
    fn cpus_are_numbered_threads_last() {
        let profile = prime_profile();
        assert_eq!(profile.cpus(), 16);
        for (cpu, distance) in [
            (0, Distance::Same),
            (8, Distance::Same),
            (1, Distance::Socket),
            (9, Distance::Socket),
            (2, Distance::Die),
            (11, Distance::Die),
            (4, Distance::Remote),
            (15, Distance::Remote),
        ] {
            assert_eq!(profile.distance(0, cpu), distance, "CPU {cpu}");
            assert_eq!(profile.distance(cpu, 0), distance, "CPU {cpu}");
        }
        assert_eq!(profile.distance(10, 3), Distance::Socket);
    }

    #[test]
    fn places_are_as_far_apart_as_the_cpus() {
        let mut profile = prime_profile();
        for (sockets, dies) in [(2, 2), (1, 2), (1, 1), (2, 1)] {
            (profile.machine.sockets, profile.machine.dies_per_socket) = (sockets, dies);
            let places = Places::new(&profile);
            let cpus = 0..profile.cpus() as u16;
            let pairs = cpus.clone().flat_map(|a| cpus.clone().map(move |b| (a, b)));
            let mut farthest = Distance::Same;
            for (a, b) in pairs {
                assert_eq!(places.distance(a, b), profile.distance(a, b));
                farthest = farthest.max(places.distance(a, b));
            }
            assert_eq!(places.farthest, farthest);
        }
    }

    #[test]
    #[should_panic(expected = "no CPU 16")]
    fn a_cpu_must_exist() {
        prime_profile().distance(0, 16);
    }

    #[test]
    fn absent_figures_follow_the_line() {
        let mut profile = prime_profile();
        let [same, die, remote] = [Distance::Socket, Distance::Die, Distance::Remote].map(|d| profile.c2c_cycles(d));
        assert_eq!(profile.c2c_cycles(Distance::Same), same);
        assert_eq!(profile.delivery_cycles(Distance::Die), profile.ipi.delivery_die_cyc.unwrap());
        let queue = profile.ipi.csd_enqueue_same_cyc.unwrap();
        assert_eq!(profile.csd_enqueue_cycles(Distance::Die), queue + die - same);
        profile.ipi.delivery_die_cyc = None;
        profile.ipi.delivery_remote_cyc = None;
        let near = profile.ipi.delivery_same_cyc;
        assert_eq!(profile.delivery_cycles(Distance::Die), near + die - same);
        assert_eq!(profile.delivery_cycles(Distance::Remote), near + remote - same);
        profile.ipi.ack_read_same_cyc = None;
        profile.ipi.ack_read_remote_cyc = None;
        assert_eq!(profile.ack_read_cycles(Distance::Remote), remote);
        profile.cache.c2c_die_cyc = None;
        profile.cache.c2c_remote_cyc = None;
        assert_eq!(profile.c2c_cycles(Distance::Remote), same);
    }

    #[test]
    fn lookahead_is_the_shortest_of_all() {
        let mut profile = prime_profile();
        assert_eq!(profile.lookahead_cycles(), profile.cache.c2c_same_cyc);
        profile.ipi.delivery_remote_cyc = Some(3);
        assert_eq!(profile.lookahead_cycles(), 3);
        profile.kernel.spin_handoff_same_cyc = 2;
        assert_eq!(profile.lookahead_cycles(), 2);
    }

    #[test]
    fn time_converts_in_integers() {
        let profile = prime_profile();
        assert_eq!(profile.machine.mhz, 2003);
        assert_eq!(profile.cycles_from_ns(1_000_000), 2_003_000);
        assert_eq!(profile.cycles_from_ns(1), 2);
        assert_eq!(profile.ns_from_cycles(2_003_000), 1_000_000);
        assert_eq!(profile.cycles_from_ns(u64::MAX), u64::MAX);
    }
}
