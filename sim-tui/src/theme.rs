//! Colours and symbols. Nothing is said by a colour alone: each role has a symbol or a word beside it.
//!
//! The palette is Okabe and Ito's, which people with any kind of colour blindness can tell apart
//! (<https://jfly.uni-koeln.de/color/>).

use ratatui::style::{Color, Modifier, Style};
use sim_core::step::frame::Path;

use crate::moment::{Core, Doing};

/// Which colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// None, or none are wanted (`NO_COLOR`): bold, dim and reversed only.
    Plain,
    /// The sixteen of every terminal.
    Sixteen,
    /// Any.
    True,
}

/// What something on the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// User code.
    User,
    /// A page fault.
    Fault,
    /// A system call.
    Call,
    /// Reclaim, and what else works behind the back of a process.
    Reclaim,
    /// The initiator's side of a shootdown (X).
    Flush,
    /// The target's side (G).
    Interrupt,
    /// Waiting for somebody else.
    Waiting,
    /// Nothing to do.
    Idle,
    /// A translation that breaks a promise.
    Stale,
    /// A flush that was put off.
    Pending,
    /// A promise was broken.
    Violation,
    /// Headings.
    Heading,
    /// What matters less.
    Dim,
    /// What the keys act on.
    Selected,
}

impl Role {
    /// What a core is doing when a step of this path runs.
    pub fn of_path(path: Path) -> Role {
        match path {
            Path::Access | Path::User => Role::User,
            Path::Fault => Role::Fault,
            Path::Flush => Role::Flush,
            Path::Irq | Path::Held => Role::Interrupt,
            Path::Reclaim
            | Path::Kswapd
            | Path::Shrink
            | Path::Referenced
            | Path::Unmap
            | Path::Writeback
            | Path::Migrate
            | Path::Ksm
            | Path::UnmapMapping => Role::Reclaim,
            Path::Mprotect
            | Path::Munmap
            | Path::Dontneed
            | Path::Free
            | Path::Mremap
            | Path::Fork
            | Path::Truncate
            | Path::Mmap
            | Path::Pageout
            | Path::Other
            | Path::Mincore
            | Path::Gup => Role::Call,
        }
    }

    /// What a core is doing.
    pub fn of_core(core: &Core) -> Role {
        match core.doing {
            Doing::User => Role::User,
            Doing::Waiting(_) | Doing::Held => Role::Waiting,
            Doing::Idle | Doing::Done => Role::Idle,
            Doing::Interrupt => Role::Interrupt,
            Doing::Kernel => core.steps.last().map_or(Role::Call, |step| Role::of_path(step.path)),
        }
    }

    /// One character for it, in lanes and in the heat map.
    pub fn symbol(self) -> char {
        match self {
            Role::User => '·',
            Role::Fault => 'f',
            Role::Call => 'c',
            Role::Reclaim => 'r',
            Role::Flush => 'x',
            Role::Interrupt => 'g',
            Role::Waiting => 'w',
            Role::Stale => '*',
            Role::Pending => '~',
            Role::Violation => '!',
            Role::Idle | Role::Heading | Role::Dim | Role::Selected => ' ',
        }
    }

    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Fault => "fault",
            Role::Call => "call",
            Role::Reclaim => "reclaim",
            Role::Flush => "flush",
            Role::Interrupt => "irq",
            Role::Waiting => "waits",
            Role::Idle => "idle",
            Role::Stale => "stale",
            Role::Pending => "pending",
            Role::Violation => "violation",
            Role::Heading | Role::Dim | Role::Selected => "",
        }
    }
}

impl Palette {
    /// The look of a role.
    pub fn style(self, role: Role) -> Style {
        let plain = match role {
            Role::Violation | Role::Selected => Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
            Role::Stale | Role::Heading => Style::new().add_modifier(Modifier::BOLD),
            Role::Pending => Style::new().add_modifier(Modifier::UNDERLINED),
            Role::Dim | Role::Idle => Style::new().add_modifier(Modifier::DIM),
            _ => Style::new(),
        };
        match (self, colour(role)) {
            (Palette::True, Some(((r, g, b), _))) => plain.fg(Color::Rgb(r, g, b)),
            (Palette::Sixteen, Some((_, sixteen))) => plain.fg(sixteen),
            _ => plain,
        }
    }
}

/// Okabe and Ito's colour of a role, and the nearest of the sixteen.
fn colour(role: Role) -> Option<((u8, u8, u8), Color)> {
    Some(match role {
        Role::User => ((0x00, 0x9e, 0x73), Color::Green),
        Role::Fault => ((0xcc, 0x79, 0xa7), Color::Magenta),
        Role::Call => ((0x56, 0xb4, 0xe9), Color::Cyan),
        Role::Reclaim => ((0x00, 0x72, 0xb2), Color::Blue),
        Role::Flush | Role::Interrupt => ((0xe6, 0x9f, 0x00), Color::Yellow),
        Role::Pending => ((0xf0, 0xe4, 0x42), Color::LightYellow),
        Role::Stale | Role::Violation => ((0xd5, 0x5e, 0x00), Color::Red),
        Role::Waiting | Role::Idle | Role::Heading | Role::Dim | Role::Selected => return None,
    })
}
