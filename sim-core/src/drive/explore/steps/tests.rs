use super::*;

/// A state of one CPU, with these words of what the CPUs share.
fn state(shared: [u64; 2], parts: &mut Interner<'_>) -> Parts {
    [parts.number(&shared), parts.number(&[0; 4]), 0, 0, 0, 0]
}

#[test]
fn a_step_is_found_by_what_it_looked_at_and_writes_what_it_did_not_look_at() {
    let (mut steps, mut site) = (Steps::default(), Site::default());
    let (mut faces, mut parts) = (Faces::default(), Interner::default());
    let key = state([1, 5], &mut parts);
    // It wrote the 1 that was there anyhow: that is not known of other states, which it finds by the 5.
    let notes = Notes { saw: 1, looked: vec![0, u64::MAX], written: vec![u64::MAX, 0] };
    let took = Successor { key, effect: Effect { broken: true, alone: false } };
    let kind = (0, steps.new_kinds(2));
    site.turn(&key, 1, &mut faces, &parts);
    assert!(!steps.find(&site, kind, (&mut faces, &mut parts), &mut Vec::new()));
    steps.keep(&site, kind, &notes, Some(took), (&mut faces, &parts));
    for (shared, known) in [([1, 5], true), ([2, 5], true), ([1, 6], false), ([2, 6], false)] {
        let mut out = Vec::new();
        site.turn(&state(shared, &mut parts), 1, &mut faces, &parts);
        assert_eq!(steps.find(&site, kind, (&mut faces, &mut parts), &mut out), known, "{shared:?}");
        assert!(!steps.find(&site, (0, kind.1 + 1), (&mut faces, &mut parts), &mut out), "another move");
        assert_eq!(out.first().map(|found| (found.key, found.effect.broken)), known.then_some((key, true)));
    }
}
