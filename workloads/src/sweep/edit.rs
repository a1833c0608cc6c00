//! Setting a key in a document, and finding it again in the text.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// Sets the key at a path: names of tables and numbers of lists, counted from 0, with points in between. Tables that are not
/// there are made.
///
/// # Errors
/// If the path leads through something that has no keys, or past the end of a list.
pub(super) fn set(document: &mut Table, path: &str, value: Value) -> Result<(), String> {
    let (mut parts, mut walked) = (path.split('.'), String::new());
    let first = parts.next().unwrap_or(path);
    walked.push_str(first);
    let mut place = document.entry(first).or_insert_with(|| Value::Table(Table::new()));
    for part in parts {
        place = match place {
            Value::Table(table) => table.entry(part).or_insert_with(|| Value::Table(Table::new())),
            Value::Array(list) => {
                let len = list.len();
                let entry = part.parse().ok().and_then(|index: usize| list.get_mut(index));
                entry.ok_or_else(|| format!("`{walked}` is a list of {len}, counted from 0; it has no `{part}`"))?
            }
            other => return Err(format!("`{walked}` is {other} and has no key `{part}`")),
        };
        walked = format!("{walked}.{part}");
    }
    *place = value;
    Ok(())
}

/// Where the key at this path stands in a text, and where its value.
pub(super) fn find(text: &str, path: &str) -> Option<(Range<usize>, Range<usize>)> {
    let document = DeTable::parse(text).ok()?;
    let (mut parts, mut found) = (path.split('.').peekable(), None);
    let mut table = document.get_ref();
    while let Some(part) = parts.next() {
        let (key, mut value) = table.iter().find(|(key, _)| key.get_ref() == part)?;
        let mut key = key.span();
        while let (DeValue::Array(list), Some(index)) = (value.get_ref(), parts.peek()) {
            value = list.get(index.parse::<usize>().ok()?)?;
            key = value.span();
            parts.next();
        }
        found = Some((key, value.span()));
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    found.filter(|_| parts.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = 1\n[b]\nc = [2, 3]\n[[d]]\ne = 4\n[[d]]\ne = 5\n";

    fn with(path: &str) -> Result<String, String> {
        let mut document: Table = toml::from_str(TEXT).expect("TOML");
        set(&mut document, path, Value::Integer(77))?;
        Ok(toml::to_string(&document).expect("it is written"))
    }

    #[test]
    fn what_is_set_is_found_in_the_text() {
        for path in ["a", "b.c", "b.c.1", "d.1.e", "b.new", "new.newer.newest", "d"] {
            let text = with(path).expect(path);
            let (_, value) = find(&text, path).expect(path);
            assert_eq!(&text[value], "77", "{path} in\n{text}");
            assert_eq!(text.matches("77").count(), 1, "{path}");
        }
        let (key, _) = find(TEXT, "d.1.e").expect("there");
        assert_eq!(&TEXT[key.start..], "e = 5\n");
    }

    #[test]
    fn paths_that_lead_nowhere_say_where_they_end() {
        assert_eq!(with("a.x"), Err("`a` is 1 and has no key `x`".to_owned()));
        assert_eq!(with("b.c.2"), Err("`b.c` is a list of 2, counted from 0; it has no `2`".to_owned()));
        assert_eq!(with("d.e"), Err("`d` is a list of 2, counted from 0; it has no `e`".to_owned()));
        assert_eq!((find(TEXT, "x"), find(TEXT, "a.x"), find(TEXT, "b.c.9")), (None, None, None));
    }
}
