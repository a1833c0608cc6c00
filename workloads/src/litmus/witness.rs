//! A witness as a document: the file, the policy, and the moves, so that it can be replayed without anything else.

use serde::{Deserialize, Serialize};
use sim_core::drive::explore::Witness;
use sim_core::drive::explore::race::Move;
use sim_core::nouns::types::{Cpu, Page};
use sim_core::policy::PolicyInfo;
use thiserror::Error;

use super::Litmus;
use crate::error::TextError;

/// The version of the document; it counts up when a key changes its meaning.
pub const SCHEMA: u32 = 1;

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of this program.
    pub version: String,
    /// The name of the litmus file.
    pub file: String,
    /// Its text.
    pub litmus: String,
    /// The policy.
    pub policy: String,
    /// The class of the violation at the end.
    pub class: String,
    /// The moves, in order.
    pub moves: Vec<MoveRow>,
    /// What they do, for readers; a replay does not look at it.
    pub lines: Vec<LineRow>,
}

/// One move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveRow {
    /// Whose.
    pub cpu: u16,
    /// What.
    pub what: What,
    /// The page of a translation that is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The CPU that has issued the broadcast which arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u16>,
    /// The CPU that a step turns to, if that need not be the lowest: a target, or an initiator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u16>,
}

/// The kinds of move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The CPU goes on with its program.
    Step,
    /// It takes the interrupt.
    Interrupt,
    /// It loses a translation.
    Evict,
    /// A broadcast invalidation reaches it, or it sweeps what another CPU has left for it.
    Deliver,
    /// Its tick frees what it has held back.
    Tick,
}

/// One line of the witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineRow {
    /// Whose column.
    pub cpu: u16,
    /// The number of the step.
    pub step: String,
    /// What happens.
    pub text: String,
    /// What of PTEs, TLBs and words it changed.
    pub state: String,
}

/// Why a document is no witness.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unread {
    /// Not the JSON that is expected.
    #[error("{name}:{line}:{column}: {message}; expected a witness of `mmusim check --witness`")]
    Json {
        /// The file.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the reader says.
        message: String,
    },
    /// Its litmus file is wrong.
    #[error(transparent)]
    Litmus(#[from] TextError),
    /// It names something that is not there.
    #[error("{name}: {message}")]
    Names {
        /// The file.
        name: String,
        /// What, and what was expected.
        message: String,
    },
}

/// A document, read.
#[derive(Clone, Debug)]
pub struct Replayable {
    /// The document.
    pub document: Document,
    /// Its litmus file.
    pub litmus: Litmus,
    /// Its policy.
    pub policy: &'static PolicyInfo,
    /// Its moves.
    pub moves: Vec<Move>,
}

impl Document {
    /// The document of a witness, found in a file of this text.
    pub fn new(litmus: &Litmus, text: &str, policy: &PolicyInfo, moves: &[Move]) -> Document {
        let witness = Witness::replay(&litmus.race(policy), moves);
        let row = |mv: &Move| {
            let of = |what| MoveRow { cpu: mv.cpu().0, what, page: None, from: None, to: None };
            match *mv {
                Move::Step(_) => of(What::Step),
                Move::Interrupt(_) => of(What::Interrupt),
                Move::Tick(_) => of(What::Tick),
                Move::Evict(_, page) => MoveRow { page: Some(litmus.scenario.page_name(page)), ..of(What::Evict) },
                Move::Deliver(from, _) => MoveRow { from: Some(from.0), ..of(What::Deliver) },
                Move::Toward(_, to) => MoveRow { to: Some(to.0), ..of(What::Step) },
            }
        };
        let lines = witness.lines.iter().map(|line| LineRow {
            cpu: line.cpu.0,
            step: line.id.to_owned(),
            text: line.text.clone(),
            state: line.state.clone(),
        });
        Document {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            file: litmus.name.clone(),
            litmus: text.to_owned(),
            policy: policy.name.to_owned(),
            class: witness.violation.map_or(String::new(), |v| v.class.name().to_owned()),
            moves: moves.iter().map(row).collect(),
            lines: lines.collect(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// If it is no witness of this version, or names what is not there.
    pub fn read(name: &str, json: &str) -> Result<Replayable, Unread> {
        let document: Document = serde_json::from_str(json).map_err(|e| {
            let full = e.to_string();
            let message = full.split(" at line ").next().unwrap_or_default().to_owned();
            Unread::Json { name: name.to_owned(), line: e.line(), column: e.column(), message }
        })?;
        let names = |message: String| Unread::Names { name: name.to_owned(), message };
        if document.schema != SCHEMA {
            return Err(names(format!("its schema is {}; expected {SCHEMA}", document.schema)));
        }
        let litmus = Litmus::parse(&format!("{name}, {}", document.file), &document.litmus)?;
        let policy = sim_core::policy::find(&document.policy).ok_or_else(|| {
            names(format!("unknown policy `{}`; expected one of `mmusim list policies`", document.policy))
        })?;
        let of = |(at, row): (usize, &MoveRow)| {
            litmus.move_of(row).map_err(|message| names(format!("move {at}: {message}")))
        };
        let moves = document.moves.iter().enumerate().map(of).collect::<Result<_, _>>()?;
        Ok(Replayable { document, litmus, policy, moves })
    }
}

impl Litmus {
    fn move_of(&self, row: &MoveRow) -> Result<Move, String> {
        let (cpu, cpus) = (Cpu(row.cpu), self.scenario.programs.len());
        if usize::from(row.cpu) >= cpus {
            return Err(format!("there is no CPU {}; expected 0 to {}", row.cpu, cpus - 1));
        }
        Ok(match row.what {
            What::Step => match row.to {
                Some(to) if usize::from(to) >= cpus => {
                    return Err(format!("there is no CPU {to}; expected 0 to {}", cpus - 1));
                }
                Some(to) => Move::Toward(cpu, Cpu(to)),
                None => Move::Step(cpu),
            },
            What::Interrupt => Move::Interrupt(cpu),
            What::Tick => Move::Tick(cpu),
            What::Deliver => {
                let from = row.from.filter(|&from| usize::from(from) < cpus);
                Move::Deliver(Cpu(from.ok_or("there is no CPU it is from; expected `from`")?), cpu)
            }
            What::Evict => {
                let name = row.page.as_deref().unwrap_or_default();
                let page =
                    (0..u32::from(self.scenario.all_pages())).map(Page).find(|&p| self.scenario.page_name(p) == name);
                Move::Evict(cpu, page.ok_or_else(|| format!("there is no page `{name}`; expected one of the file"))?)
            }
        })
    }
}
