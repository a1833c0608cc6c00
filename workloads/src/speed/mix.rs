//! The accesses that speed is measured with: what the bare loop and the simulator both do.

/// Pages that 90 of 100 draws go to.
const HOT: Region = Region { first: 0x7f00, pages: 48 };
/// Pages that 9 of 100 draws go to.
const WARM: Region = Region { first: 0x8f00, pages: 1_000 };
/// Pages that the rest goes to.
const COLD: Region = Region { first: 0x10_0000, pages: 1_000_000 };

#[derive(Clone, Copy, Debug)]
struct Region {
    first: u64,
    pages: u64,
}

/// How the pages of an access are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// The hot pages only: first-level hits but for collisions in a set.
    Hot,
    /// Of 100 draws 90 go to 48 pages, 9 to 1,000 pages, 1 to a million; four accesses to the page drawn.
    Mixed,
    /// The same draws with one access to each page drawn: four times as many misses.
    Single,
}

impl Mix {
    /// All of them.
    pub const ALL: [Mix; 3] = [Mix::Hot, Mix::Mixed, Mix::Single];

    /// The name in results.
    pub fn name(self) -> &'static str {
        match self {
            Mix::Hot => "hot",
            Mix::Mixed => "mixed",
            Mix::Single => "single",
        }
    }

    /// Accesses to a page once it is drawn.
    fn run(self) -> u32 {
        match self {
            Mix::Hot | Mix::Mixed => 4,
            Mix::Single => 1,
        }
    }

    #[inline]
    fn region(self, percent: u64) -> Region {
        match percent {
            0..90 => HOT,
            _ if self == Mix::Hot => HOT,
            90..99 => WARM,
            _ => COLD,
        }
    }

    /// Is a page among [`Mix::resident`]?
    pub fn is_resident(self, vpn: u64) -> bool {
        let within = |region: Region| (region.first..region.first + region.pages).contains(&vpn);
        within(HOT) || (self != Mix::Hot && within(WARM))
    }

    /// The pages that a second-level TLB holds once it is warm; all others are drawn now and then.
    pub fn resident(self) -> impl Iterator<Item = u64> {
        let pages = |region: Region| region.first..region.first + region.pages;
        pages(WARM).filter(move |_| self != Mix::Hot).chain(pages(HOT))
    }
}

/// The accesses of one core: xorshift, so that drawing costs next to nothing.
#[derive(Clone, Debug)]
pub struct Stream {
    rng: u64,
    vpn: u64,
    run: u32,
    /// Accesses left.
    pub left: u32,
}

impl Stream {
    /// The stream of a core, of so many accesses.
    pub fn new(core: u16, accesses: u32) -> Stream {
        Stream { rng: 0x9E37_79B9_7F4A_7C15 ^ (u64::from(core) + 1) << 20, vpn: 0, run: 0, left: accesses }
    }

    /// The page number of the next access, if there is one.
    #[inline]
    pub fn next(&mut self, mix: Mix) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        if self.run == 0 {
            let mut bits = self.rng;
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            self.rng = bits;
            let region = mix.region(bits % 100);
            self.vpn = region.first + (bits >> 32) % region.pages;
            self.run = mix.run();
        }
        self.run -= 1;
        Some(self.vpn)
    }
}
