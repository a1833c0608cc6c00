//! A plan as it stands in its file: axes of settings, each with its place in the text.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use crate::error::TextError;
use crate::sweep::POINTS_MAX;
use crate::sweep::knob::{self, Knob};

/// A plan, read but not resolved.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) name: String,
    pub(super) summary: String,
    /// What is the same at every point is the first axis, with one place.
    pub(super) axes: Vec<Axis>,
}

/// Knobs that change together.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) dials: Vec<Dial>,
}

impl Axis {
    /// Places along it.
    pub(super) fn len(&self) -> usize {
        self.dials.first().map_or(1, |dial| dial.values.len())
    }
}

/// A knob and the values it takes, one for each place along its axis.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) knob: &'static Knob,
    /// As the plan calls it.
    pub(super) name: String,
    /// Where it does.
    pub(super) span: Range<usize>,
    pub(super) values: Vec<Placed>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) value: Value,
    pub(super) span: Range<usize>,
}

impl Placed {
    /// As in a CSV.
    pub(super) fn text(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// A key with its value, flattened: `a.b = 1` and `[a] b = 1` are the same.
struct Entry<'a> {
    path: String,
    key: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

/// The keys of a range; no knob has a part of the name of the first.
const RANGE: [&str; 3] = ["from", "to", "step"];

/// Keys of a plan.
const KEYS: &str = "`name`, `summary`, `fixed`, `axis`";

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
}

/// Reads a plan; `name` (usually the file) is for messages.
pub(super) fn outline(name: &str, text: &str) -> Result<Outline, TextError> {
    let document = DeTable::parse(text).map_err(|e| TextError::toml(name, text, &e))?;
    Reader { name, text }.plan(document.get_ref())
}

impl Reader<'_> {
    fn fail<T>(&self, span: Range<usize>, message: impl Into<String>) -> Result<T, TextError> {
        Err(TextError::new(self.name, self.text, span, message))
    }

    fn plan(&self, document: &DeTable<'_>) -> Result<Outline, TextError> {
        let mut outline = Outline { name: String::new(), summary: String::new(), axes: Vec::new() };
        let mut fixed = Axis { dials: Vec::new() };
        for (key, value) in document {
            match key.get_ref().as_ref() {
                "name" => outline.name = self.string(value)?,
                "summary" => outline.summary = self.string(value)?,
                "fixed" => {
                    let DeValue::Table(table) = value.get_ref() else {
                        return self.fail(value.span(), "fixed: expected a table of knobs and their values");
                    };
                    fixed = self.axis(table, |entry| Ok(vec![self.value(entry.value)?]))?;
                }
                "axis" => outline.axes = self.axes(value)?,
                unknown => {
                    return self.fail(key.span(), format!("unknown field `{unknown}`, expected one of {KEYS}"));
                }
            }
        }
        if outline.name.is_empty() {
            return self.fail(0..0, "missing field `name`: what results call the plan");
        }
        outline.axes.insert(0, fixed);
        self.each_once(&outline)?;
        self.few(&outline)?;
        Ok(outline)
    }

    fn string(&self, value: &Spanned<DeValue<'_>>) -> Result<String, TextError> {
        match value.get_ref() {
            DeValue::String(text) if !text.is_empty() => Ok(text.to_string()),
            _ => self.fail(value.span(), "expected text"),
        }
    }

    fn axes(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<Axis>, TextError> {
        let expected = "axis: expected tables of knobs and their values, each under [[axis]]";
        let DeValue::Array(tables) = value.get_ref() else { return self.fail(value.span(), expected) };
        let mut all = Vec::new();
        for table in tables {
            let DeValue::Table(knobs) = table.get_ref() else { return self.fail(table.span(), expected) };
            let axis = self.axis(knobs, |entry| self.values(entry))?;
            let Some(first) = axis.dials.first() else {
                return self
                    .fail(table.span(), "this axis has no knob; expected one, such as seed = { from = 1, to = 10 }");
            };
            for dial in &axis.dials[1..] {
                if dial.values.len() != first.values.len() {
                    let message = format!(
                        "{}: {} values, expected {} as for `{}`: knobs of one axis change together, those of two are multiplied",
                        dial.name,
                        dial.values.len(),
                        first.values.len(),
                        first.name,
                    );
                    return self.fail(dial.span.clone(), message);
                }
            }
            all.push(axis);
        }
        Ok(all)
    }

    fn axis(
        &self,
        table: &DeTable<'_>,
        values: impl Fn(&Entry<'_>) -> Result<Vec<Placed>, TextError>,
    ) -> Result<Axis, TextError> {
        let mut entries = Vec::new();
        flatten("", table, &mut entries);
        // A table of TOML forgets the order of its keys, the text does not.
        entries.sort_by_key(|entry| entry.key.start);
        let mut dials = Vec::new();
        for entry in entries {
            let Some(knob) = knob::find(&entry.path) else {
                let message = format!("unknown knob `{}`, expected one of {}", entry.path, knob::known());
                return self.fail(entry.key, message);
            };
            let values = values(&entry)?;
            dials.push(Dial { knob, name: entry.path, span: entry.key, values });
        }
        Ok(Axis { dials })
    }

    fn values(&self, entry: &Entry<'_>) -> Result<Vec<Placed>, TextError> {
        let values = match entry.value.get_ref() {
            DeValue::Array(values) => values.iter().map(|value| self.value(value)).collect::<Result<Vec<_>, _>>()?,
            DeValue::Table(range) => self.range(entry, range)?,
            _ => {
                let message = format!("{}: expected a list of values, or {{ from = 1, to = 10 }}", entry.path);
                return self.fail(entry.value.span(), message);
            }
        };
        if values.is_empty() {
            return self.fail(entry.value.span(), format!("{}: an empty list, expected a value", entry.path));
        }
        Ok(values)
    }

    fn range(&self, entry: &Entry<'_>, range: &DeTable<'_>) -> Result<Vec<Placed>, TextError> {
        let (mut bounds, at) = ([None, None, Some(1)], entry.value.span());
        for (key, value) in range {
            let Some(index) = RANGE.iter().position(|name| name == key.get_ref()) else {
                return self
                    .fail(key.span(), format!("unknown field `{}`, expected `from`, `to`, `step`", key.get_ref()));
            };
            let Value::Integer(bound) = self.value(value)?.value else {
                return self.fail(value.span(), format!("{}: expected a whole number", key.get_ref()));
            };
            bounds[index] = Some(bound);
        }
        let [Some(from), Some(to), Some(step)] = bounds else {
            return self.fail(at, format!("{}: a range has `from` and `to`", entry.path));
        };
        if step < 1 || from > to {
            return self.fail(at, format!("{}: expected from <= to, and a step of 1 or more", entry.path));
        }
        // In i128 nothing overflows.
        let count = (i128::from(to) - i128::from(from)) / i128::from(step) + 1;
        if count > POINTS_MAX as i128 {
            return self.fail(at, format!("{}: {count} values, expected at most {POINTS_MAX}", entry.path));
        }
        let values = (0..count as i64).map(|n| Value::Integer(from + n * step));
        Ok(values.map(|value| Placed { value, span: at.clone() }).collect())
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Result<Placed, TextError> {
        let span = value.span();
        let value = match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(truth) => Value::Boolean(*truth),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => return self.fail(span, format!("expected at most {}", i64::MAX)),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => return self.fail(span, "expected a number"),
            },
            DeValue::Array(values) => {
                let values = values.iter().map(|value| Ok(self.value(value)?.value));
                Value::Array(values.collect::<Result<_, TextError>>()?)
            }
            DeValue::Table(table) => {
                let entries =
                    table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), self.value(value)?.value)));
                Value::Table(entries.collect::<Result<Table, TextError>>()?)
            }
            DeValue::Datetime(_) => return self.fail(span, "a date, expected a text, a number, or true or false"),
        };
        Ok(Placed { value, span })
    }

    /// Is every knob set once?
    fn each_once(&self, outline: &Outline) -> Result<(), TextError> {
        let mut seen: Vec<&Dial> = Vec::new();
        for dial in outline.axes.iter().flat_map(|axis| &axis.dials) {
            if let Some(other) = seen.iter().find(|other| knob::sets_the_same(&other.name, &dial.name)) {
                let message = format!("{}: set by `{}` already, expected it once in the plan", dial.name, other.name);
                return self.fail(dial.span.clone(), message);
            }
            seen.push(dial);
        }
        Ok(())
    }

    fn few(&self, outline: &Outline) -> Result<(), TextError> {
        let mut points = 1_usize;
        for axis in &outline.axes {
            points = points.saturating_mul(axis.len());
            if points > POINTS_MAX {
                let (dial, shown) =
                    (&axis.dials[0], if points == usize::MAX { "too many".to_owned() } else { points.to_string() });
                let message = format!("{}: {shown} points with this axis, expected at most {POINTS_MAX}", dial.name);
                return self.fail(dial.span.clone(), message);
            }
        }
        Ok(())
    }
}

fn flatten<'a>(prefix: &str, table: &'a DeTable<'a>, entries: &mut Vec<Entry<'a>>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) if !inner.iter().any(|(key, _)| key.get_ref() == RANGE[0]) => {
                flatten(&path, inner, entries);
            }
            _ => entries.push(Entry { path, key: key.span(), value }),
        }
    }
}
