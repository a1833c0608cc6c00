//! Two-phase commit (Gray and Lamport, "Consensus on Transaction Commit"): resource managers, one transaction manager, and a
//! set of messages that are never lost.

use sim_core::drive::explore::{Effect, Interner, Key, System};

/// One instance, with so many resource managers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TwoPhase(pub(crate) usize);

const MOST: usize = 7;

/// Of a resource manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Manager {
    #[default]
    Working,
    Prepared,
    Committed,
    Aborted,
}

/// Of the transaction manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Decision {
    #[default]
    Open,
    Committed,
    Aborted,
}

/// What is known of one resource manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    state: Manager,
    /// It has told the transaction manager that it is prepared.
    said: bool,
    /// The transaction manager has heard it.
    heard: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct State {
    members: [Member; MOST],
    decision: Decision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Commit,
    Abort,
    Hear(usize),
    Prepare(usize),
    GiveUp(usize),
    Obey(usize),
}

impl System for TwoPhase {
    type State = State;
    type Action = Action;
    type Key = u64;
    type Memo = ();

    fn initial(&self) -> State {
        State::default()
    }

    fn pack(&self, state: &State, _parts: &mut Interner<'_>) -> u64 {
        let member = |m: &Member| m.state as u64 | u64::from(m.said) << 2 | u64::from(m.heard) << 3;
        state.members.iter().fold(state.decision as u64, |key, m| key << 4 | member(m))
    }

    fn unpack(&self, key: &u64, _parts: &Interner<'_>, state: &mut State) {
        use {Decision as D, Manager as M};
        let field = |at: usize| *key >> (4 * at);
        for (n, member) in state.members.iter_mut().rev().enumerate() {
            member.state = [M::Working, M::Prepared, M::Committed, M::Aborted][field(n) as usize & 3];
            (member.said, member.heard) = (field(n) & 4 != 0, field(n) & 8 != 0);
        }
        state.decision = [D::Open, D::Committed, D::Aborted][field(MOST) as usize];
    }

    fn actions(&self, state: &State, out: &mut Vec<Action>) {
        let open = state.decision == Decision::Open;
        let members = &state.members[..self.0];
        if open && members.iter().all(|m| m.heard) {
            out.push(Action::Commit);
        }
        if open {
            out.push(Action::Abort);
        }
        for (n, member) in members.iter().enumerate() {
            if open && member.said {
                out.push(Action::Hear(n));
            }
            if member.state == Manager::Working {
                out.extend([Action::Prepare(n), Action::GiveUp(n)]);
            }
            if !open {
                out.push(Action::Obey(n));
            }
        }
    }

    fn apply(&self, state: &mut State, action: Action) -> Option<Effect> {
        match action {
            Action::Commit => state.decision = Decision::Committed,
            Action::Abort => state.decision = Decision::Aborted,
            Action::Hear(n) => state.members[n].heard = true,
            Action::Prepare(n) => (state.members[n].state, state.members[n].said) = (Manager::Prepared, true),
            Action::GiveUp(n) => state.members[n].state = Manager::Aborted,
            Action::Obey(n) => {
                let commit = state.decision == Decision::Committed;
                state.members[n].state = if commit { Manager::Committed } else { Manager::Aborted };
            }
        }
        let any = |wanted| state.members[..self.0].iter().any(|m| m.state == wanted);
        Some(Effect { broken: any(Manager::Committed) && any(Manager::Aborted), alone: false })
    }

    /// Resource managers differ by their names only.
    fn represent(&self, state: &mut State) {
        state.members[..self.0].sort_by_key(|m| (m.state, m.said, m.heard));
    }

    fn may_end(&self, _state: &State) -> bool {
        true
    }

    fn tested(&self, state: &State) -> bool {
        state.decision == Decision::Committed
    }
}

/// The same as stateright's example has it, whose count is published. A state is represented by sorting the resource managers
/// by one of three fields, the others following, which leaves several representatives to a class; and a search goes on from
/// the state that it came to, not from the representative. So how many are counted is a matter of the order: with the last
/// action first, level by level, as many as there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HalfSorted(pub(crate) TwoPhase);

/// Equal if the representatives are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    representative: u64,
    state: u64,
}

impl PartialEq for Standing {
    fn eq(&self, other: &Self) -> bool {
        self.representative == other.representative
    }
}

impl Eq for Standing {}

impl Key for Standing {
    fn digest(&self) -> u64 {
        self.representative.digest()
    }
}

impl System for HalfSorted {
    type State = State;
    type Action = Action;
    type Key = Standing;
    type Memo = ();

    fn initial(&self) -> State {
        self.0.initial()
    }

    fn pack(&self, state: &State, parts: &mut Interner<'_>) -> Standing {
        let mut representative = *state;
        representative.members[..self.0.0].sort_by_key(|m| m.state);
        Standing { representative: self.0.pack(&representative, parts), state: self.0.pack(state, parts) }
    }

    fn unpack(&self, key: &Standing, parts: &Interner<'_>, state: &mut State) {
        self.0.unpack(&key.state, parts, state);
    }

    fn actions(&self, state: &State, out: &mut Vec<Action>) {
        self.0.actions(state, out);
        out.reverse();
    }

    fn apply(&self, state: &mut State, action: Action) -> Option<Effect> {
        self.0.apply(state, action)
    }

    fn may_end(&self, state: &State) -> bool {
        self.0.may_end(state)
    }

    fn tested(&self, state: &State) -> bool {
        self.0.tested(state)
    }
}
