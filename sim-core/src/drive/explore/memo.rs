//! What a worker remembers of a race: steps taken before, what may be tried, and parts under other names.

use std::sync::Arc;

use super::alike::Twins;
use super::faces::{Faces, LEFT_OUT, put};
use super::steps::{Notes, Site, Steps};
use super::view::View;

/// What a worker remembers of a race.
#[derive(Debug, Default)]
pub struct Memo {
    pub(super) steps: Steps,
    /// The state at hand.
    pub(super) site: Site,
    /// Of the step made last.
    pub(super) notes: Notes,
    pub(super) faces: Faces,
    /// By the number of the part, with the kind of its first move.
    views: Vec<Option<(View, u32)>>,
    tested: Vec<Option<bool>>,
    /// The parts under other numbers of CPUs, by the number of the part and the way to rename.
    renamed: Vec<Option<Box<[u32]>>>,
    twins: Option<Arc<Twins>>,
}

impl Memo {
    pub(super) fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        self.steps.renumber(&new);
        self.faces.renumber(&new);
    }

    /// What a CPU may try, and the kind of its first move.
    #[inline]
    pub(super) fn view(&self, part: u32) -> Option<(View, u32)> {
        *self.views.get(part as usize)?
    }

    pub(super) fn keep_view(&mut self, part: u32, view: View) -> (View, u32) {
        let view = (view, self.steps.new_kinds(view.codes().count()));
        put(&mut self.views, part, view);
        view
    }

    /// The twins of the scenario, worked out once.
    pub(super) fn twins(&mut self, of: impl FnOnce() -> Twins) -> Arc<Twins> {
        self.twins.get_or_insert_with(|| Arc::new(of())).clone()
    }

    #[inline]
    pub(super) fn renamed(&self, part: u32, way: usize) -> Option<u32> {
        let renamed = self.renamed.get(part as usize)?.as_ref()?[way];
        (renamed != LEFT_OUT).then_some(renamed)
    }

    pub(super) fn keep_renamed(&mut self, part: u32, (way, ways): (usize, usize), renamed: u32) {
        if self.renamed.get(part as usize).is_none_or(Option::is_none) {
            put(&mut self.renamed, part, vec![LEFT_OUT; ways].into_boxed_slice());
        }
        self.renamed[part as usize].as_mut().expect("put there before")[way] = renamed;
    }

    #[inline]
    pub(super) fn tested(&self, shared: u32) -> Option<bool> {
        *self.tested.get(shared as usize)?
    }

    pub(super) fn keep_tested(&mut self, shared: u32, tested: bool) {
        put(&mut self.tested, shared, tested);
    }
}
