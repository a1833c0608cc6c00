//! From the axes of a plan to its points: names looked up, keys set, and everything tried that can be before a run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use sim_core::drive::clock::RunAhead;
use sim_core::machine::profile::Profile;
use sim_core::policy::PolicyInfo;
use sim_core::step::era::{self, Era};
use toml::{Table, Value};

use crate::error::TextError;
use crate::machines::{self, MACHINES};
use crate::outcome::{Input, sha256};
use crate::sweep::knob::{self, Draft, Wrong};
use crate::sweep::parse::{Dial, Outline, Placed};
use crate::sweep::{Machine, PlanError, Point, Subject, edit, identity};
use crate::synthetic::schema::Workload;
use crate::synthetic::{self, Conditions, Synthetic, Unfit, WORKLOADS};

/// A text that a plan names, as it was read.
struct Source {
    /// For messages.
    name: String,
    /// In results.
    stem: String,
    text: String,
    /// SHA-256 of its bytes.
    sha256: String,
    table: Table,
}

/// Keys set in a text, and their values.
type Keys = Vec<(String, Value)>;

/// What to say of keys that cannot be set.
struct Refused {
    /// Where in the text that they were set in.
    span: Range<usize>,
    message: String,
}

/// The text of a document with these keys set, or the path that leads nowhere and why.
fn with_keys(document: &Table, keys: &Keys) -> Result<String, (String, String)> {
    let mut document = document.clone();
    for (path, value) in keys {
        edit::set(&mut document, path, value.clone()).map_err(|message| (path.clone(), message))?;
    }
    Ok(toml::to_string(&document).expect("what was read can be written"))
}

/// Makes the points of a plan. What many of them share is read and checked once.
pub(super) struct Resolver<'a> {
    name: &'a str,
    text: &'a str,
    outline: &'a Outline,
    directory: &'a Path,
    sources: BTreeMap<(&'static str, String), Arc<Source>>,
    workloads: BTreeMap<(String, String), Arc<Subject>>,
    machines: BTreeMap<(String, String), Arc<Machine>>,
    /// What fits: the hashes of workload and machine, the policy, the era.
    fitting: HashSet<(String, String, &'static str, Era)>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(name: &'a str, text: &'a str, outline: &'a Outline, directory: &'a Path) -> Resolver<'a> {
        let (sources, workloads, machines) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Resolver { name, text, outline, directory, sources, workloads, machines, fitting: HashSet::new() }
    }

    /// All points, the last axis fastest.
    pub(super) fn points(mut self) -> Result<Vec<Point>, PlanError> {
        let count = self.outline.axes.iter().map(super::parse::Axis::len).product();
        let mut points: Vec<Point> = Vec::with_capacity(count);
        let mut known: HashMap<String, usize> = HashMap::new();
        for index in 0..count {
            let places = self.places(index);
            let point = self.point(&places)?;
            if let Some(&other) = known.get(&point.id) {
                return Err(self.twice(&points[other], other, &places, index));
            }
            known.insert(point.id.clone(), index);
            points.push(point);
        }
        Ok(points)
    }

    /// The place on each axis.
    fn places(&self, mut index: usize) -> Vec<usize> {
        let mut places: Vec<usize> = Vec::new();
        for axis in self.outline.axes.iter().rev() {
            places.push(index % axis.len());
            index /= axis.len();
        }
        places.reverse();
        places
    }

    /// Every knob with its value at these places.
    fn dials<'p>(&self, places: &'p [usize]) -> impl Iterator<Item = (&'a Dial, &'a Placed)> + use<'a, 'p> {
        let axes = self.outline.axes.iter().zip(places);
        axes.flat_map(|(axis, &place)| axis.dials.iter().map(move |dial| (dial, &dial.values[place])))
    }

    fn fail(&self, span: Range<usize>, message: impl Into<String>) -> PlanError {
        PlanError::new(TextError::new(self.name, self.text, span, message), self.text)
    }

    /// The span of the value of the first of these knobs that the plan sets.
    fn at(&self, places: &[usize], knobs: &[&str]) -> Range<usize> {
        let of = |name: &str| self.dials(places).find(|(dial, _)| knob::sets_the_same(&dial.name, name));
        knobs.iter().find_map(|name| of(name)).map_or(0..0, |(_, placed)| placed.span.clone())
    }

    fn point(&mut self, places: &[usize]) -> Result<Point, PlanError> {
        let mut draft = Draft::default();
        for (dial, placed) in self.dials(places) {
            let set = dial.knob.set(&mut draft, &dial.name, &placed.value);
            set.map_err(|wrong| match wrong {
                Wrong::Name(message) => self.fail(dial.span.clone(), message),
                Wrong::Value(message) => self.fail(placed.span.clone(), message),
            })?;
        }
        let missing = |knob| {
            self.fail(0..0, format!("no knob sets the {knob}; expected `{knob}` under [fixed] or in an [[axis]]"))
        };
        let policy = draft.policy.ok_or_else(|| missing("policy"))?;
        let workload = draft.workload.clone().ok_or_else(|| missing("workload"))?;
        let subject = self.workload(&workload, &draft.workload_keys, places)?;
        let spec = &subject.synthetic.workload;
        let machine = draft.profile.as_deref().unwrap_or(spec.profile.get_ref());
        let machine = self.machine(machine, &draft.profile_keys, places)?;
        let written_for = || era::find(spec.era.get_ref()).expect("a workload is read with its era");
        let era = draft.switched(draft.era.unwrap_or_else(written_for));
        let seed = draft.seed.unwrap_or(1);
        let mut point =
            Point { id: String::new(), places: places.to_vec(), workload: subject, machine, policy, era, seed };
        point.id = identity(&point);
        self.fits(&point, policy)?;
        Ok(point)
    }

    /// Can it be run?
    fn fits(&mut self, point: &Point, policy: &'static PolicyInfo) -> Result<(), PlanError> {
        let key = (point.workload.sha256.clone(), point.machine.sha256.clone(), policy.name, point.era);
        if self.fitting.contains(&key) {
            return Ok(());
        }
        let on: Conditions<'_> = point.conditions(RunAhead::Upto(u64::MAX));
        point.workload.synthetic.fits(&on).map_err(|unfit| {
            let knobs: &[&str] = match unfit {
                Unfit::Cpus { .. } => &["cores", "profile", "workload"],
                Unfit::Unpriced(_) => &["era.mechanism", "profile", "policy", "workload"],
            };
            let (workload, machine) = (&point.workload.synthetic.input.name, &point.machine.input.name);
            self.fail(self.at(&point.places, knobs), format!("{workload} on {machine}: {unfit}"))
        })?;
        self.fitting.insert(key);
        Ok(())
    }

    /// Two points are the same run.
    fn twice(&self, other: &Point, other_index: usize, places: &[usize], index: usize) -> PlanError {
        let differs = self.dials(places).zip(self.dials(&other.places)).find(|(one, other)| one.1.span != other.1.span);
        let (span, told) = differs.map_or((0..0, String::new()), |((dial, one), (_, other))| {
            (one.span.clone(), format!(": `{}` is as `{}` for {}", one.text(), other.text(), dial.name))
        });
        let message =
            format!("points {} and {} are the same run{told}; expected each once", other_index + 1, index + 1);
        self.fail(span, message)
    }

    fn workload(&mut self, name: &str, keys: &Keys, places: &[usize]) -> Result<Arc<Subject>, PlanError> {
        let key = (name.to_owned(), format!("{keys:?}"));
        if let Some(subject) = self.workloads.get(&key) {
            return Ok(subject.clone());
        }
        let source = self.source("workload", name, places)?;
        // Alone it has to be a workload: then what is wrong later is what the plan set.
        let parse = |text: &str| Workload::parse_for_another_machine(&source.name, text);
        parse(&source.text).map_err(|error| PlanError::new(error, &source.text))?;
        let text = self.edited(&source, "workload", keys, places, |text| {
            parse(text).map(|_| ()).map_err(|e| Refused { span: e.span, message: e.message })
        })?;
        let workload = parse(&text).expect("it was read before");
        let input = Input { name: workload.name.clone(), sha256: source.sha256.clone() };
        let sha256 = sha256(text.as_bytes());
        let subject = Arc::new(Subject { synthetic: Synthetic { input, workload }, sha256 });
        self.workloads.insert(key, subject.clone());
        Ok(subject)
    }

    fn machine(&mut self, name: &str, keys: &Keys, places: &[usize]) -> Result<Arc<Machine>, PlanError> {
        let key = (name.to_owned(), format!("{keys:?}"));
        if let Some(machine) = self.machines.get(&key) {
            return Ok(machine.clone());
        }
        let source = self.source("profile", name, places)?;
        let parse = |text: &str| Profile::parse(&source.name, text);
        parse(&source.text).map_err(|e| {
            let error = TextError::new(&source.name, &source.text, e.span, e.message);
            PlanError::new(error, &source.text)
        })?;
        let text = self.edited(&source, "profile", keys, places, |text| {
            parse(text).map(|_| ()).map_err(|e| Refused { span: e.span, message: e.message })
        })?;
        let profile = parse(&text).expect("it was read before");
        let input = Input { name: source.stem.clone(), sha256: source.sha256.clone() };
        let machine = Arc::new(Machine { input, profile, sha256: sha256(text.as_bytes()) });
        self.machines.insert(key, machine.clone());
        Ok(machine)
    }

    /// A text with keys set in it, in canonical form: comments and the order of keys are gone.
    fn edited(
        &self,
        source: &Source,
        family: &str,
        keys: &Keys,
        places: &[usize],
        check: impl Fn(&str) -> Result<(), Refused>,
    ) -> Result<String, PlanError> {
        let owner = |path: &str| {
            let name = format!("{family}.{path}");
            let owns = |dial: &Dial| knob::sets_the_same(&dial.name, &name);
            self.dials(places).find(|(dial, _)| owns(dial)).expect("a knob of the plan set it")
        };
        let text = with_keys(&source.table, keys)
            .map_err(|(path, message)| self.fail(owner(&path).0.span.clone(), format!("{}: {message}", source.stem)))?;
        let Err(refused) = check(&text) else { return Ok(text) };
        let at = refused.span.start;
        for (path, _) in keys {
            let Some((key, value)) = edit::find(&text, path) else { continue };
            let (dial, set) = owner(path);
            let span = if value.contains(&at) {
                set.span.clone()
            } else if key.contains(&at) {
                dial.span.clone()
            } else {
                continue;
            };
            return Err(self.fail(span, format!("{}: {}", dial.name, refused.message)));
        }
        // A rule over several keys speaks of another one than was set: it is for one without which it holds.
        let holds_without = |path: &str| {
            let others = keys.iter().filter(|key| key.0 != path).cloned().collect();
            with_keys(&source.table, &others).is_ok_and(|text| check(&text).is_ok())
        };
        let blamed = keys.iter().find(|(path, _)| holds_without(path)).or(keys.last());
        let (dial, set) = owner(&blamed.expect("the text is right before keys are set").0);
        Err(self.fail(set.span.clone(), format!("{}: with this, {}", dial.name, refused.message)))
    }

    /// A built-in text, or a file from the directory of the plan.
    fn source(&mut self, kind: &'static str, name: &str, places: &[usize]) -> Result<Arc<Source>, PlanError> {
        let key = (kind, name.to_owned());
        if let Some(source) = self.sources.get(&key) {
            return Ok(source.clone());
        }
        let (builtin, known): (_, Vec<_>) = if kind == "workload" {
            (synthetic::find(name).map(|w| w.text), WORKLOADS.iter().map(|w| w.name).collect())
        } else {
            (machines::machine(name).map(|m| m.text), MACHINES.iter().map(|m| m.name).collect())
        };
        let text = match builtin {
            Some(text) => text.to_owned(),
            None => std::fs::read_to_string(self.directory.join(name)).map_err(|e| {
                let expected =
                    format!("expected one of {}, or a file, from the directory of the plan", known.join(", "));
                self.fail(self.at(places, &[kind]), format!("{kind}: cannot read `{name}`: {e}; {expected}"))
            })?,
        };
        let table = text.parse().map_err(|e| PlanError::new(TextError::toml(name, &text, &e), &text))?;
        let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name).to_owned();
        let sha256 = sha256(text.as_bytes());
        let source = Arc::new(Source { name: name.to_owned(), stem, text, sha256, table });
        self.sources.insert(key, source.clone());
        Ok(source)
    }
}
