//! Scales and their ticks.

/// An axis spans so many times its least value before it is logarithmic.
const LOG_FROM: f64 = 30.0;
/// Values that differ by less are the same.
const FINEST: f64 = 1e-9;
/// On a logarithmic axis at most so many powers of ten have a tick.
const DECADES: usize = 10;
/// With ranges wider than this, values have a suffix for thousands and millions.
const SUFFIX_FROM: f64 = 100_000.0;

/// Where values are on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) label: String,
    low: f64,
    high: f64,
    log: bool,
    /// Values with a tick, and what is written there.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis for these values, which are finite: logarithmic if they are positive and their range asks for it, else from 0
    /// on if none is negative.
    pub(crate) fn for_values(label: &str, values: impl Iterator<Item = f64> + Clone) -> Axis {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        if least > most {
            return Axis::linear(label, 0.0, 1.0);
        }
        if least > FINEST && most / least >= LOG_FROM {
            Axis::log(label, least, most)
        } else {
            Axis::linear(label, least, most)
        }
    }

    /// The same, with a tick at each of the values as long as they are few, and logarithmic only if that spreads them better.
    pub(crate) fn at_values(label: &str, values: &[f64]) -> Axis {
        let mut own = values.to_vec();
        own.sort_by(f64::total_cmp);
        own.dedup();
        let mut axis = Axis::for_values(label, own.iter().copied());
        if let (true, Some(&least), Some(&most)) = (axis.log, own.first(), own.last()) {
            let widest = |place: fn(f64) -> f64| {
                let gaps = own.windows(2).map(|pair| place(pair[1]) - place(pair[0]));
                gaps.fold(0.0, f64::max) / (place(most) - place(least))
            };
            if widest(|value| value) < widest(f64::log10) {
                axis = Axis::linear(label, least, most);
            }
        }
        let place = |value: f64| if axis.log { value.log10() } else { value };
        let (Some(&first), Some(&last)) = (own.first(), own.last()) else { return axis };
        if !axis.log {
            let alone = last - first <= FINEST;
            let margin = if alone { first.abs().max(1.0) / 2.0 } else { (last - first) * 0.04 };
            (axis.low, axis.high) = (first - margin, last + margin);
            axis.ticks.retain(|(value, _)| (axis.low..=axis.high).contains(value));
        }
        if own.len() > 12 {
            return axis;
        }
        let room = (axis.high - axis.low) / 14.0;
        let most = own.last().copied().unwrap_or(1.0);
        let mut last_shown = f64::NEG_INFINITY;
        axis.ticks.clear();
        for &value in &own {
            if place(value) - last_shown >= room {
                axis.ticks.push((value, shown(value, most)));
                last_shown = place(value);
            }
        }
        axis
    }

    fn linear(label: &str, least: f64, most: f64) -> Axis {
        let low = least.min(0.0);
        let high = if most - low > FINEST { most } else { low + low.abs().max(1.0) };
        let step = nice((high - low) / 5.0);
        let top = (high / step).ceil();
        let bottom = (low / step).floor();
        let ticks = (bottom as i64..=top as i64).map(|n| n as f64 * step);
        let most = high.abs().max(low.abs());
        let ticks = ticks.map(|value| (value, shown(value, most))).collect();
        Axis { label: label.to_owned(), low: bottom * step, high: top * step, log: false, ticks }
    }

    fn log(label: &str, least: f64, most: f64) -> Axis {
        let (low, high) = ((least / 1.15).log10(), (most * 1.15).log10());
        let decades = high.floor() as i32 - low.ceil() as i32;
        let digits: &[f64] = if decades >= 3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let step = usize::try_from(decades).map_or(1, |decades| decades / DECADES + 1);
        let values = (low.floor() as i32..=high.ceil() as i32)
            .step_by(step)
            .flat_map(|decade| digits.iter().map(move |digit| digit * 10_f64.powi(decade)));
        let ticks = values.filter(|value| (low..=high).contains(&value.log10()));
        let ticks = ticks.map(|value| (value, shown(value, most))).collect();
        Axis { label: format!("{label} (log)"), low, high, log: true, ticks }
    }

    /// Where a value is, from 0 to 1; none if a logarithmic axis has no place for it.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let value = match (self.log, value > 0.0) {
            (true, true) => value.log10(),
            (true, false) => return None,
            (false, _) => value,
        };
        Some((value - self.low) / (self.high - self.low)).filter(|place| place.is_finite())
    }
}

/// 1, 2 or 5 times a power of ten: the least that is not less.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powi(step.log10().floor() as i32);
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|&nice| nice >= step * 0.999).unwrap_or(10.0 * power)
}

/// A value as it is written at a tick of an axis up to `most`.
pub(crate) fn shown(value: f64, most: f64) -> String {
    let (divisor, suffix) = match most {
        most if most < SUFFIX_FROM => (1.0, ""),
        _ if value.abs() >= 1e9 => (1e9, "G"),
        _ if value.abs() >= 1e6 => (1e6, "M"),
        _ if value.abs() >= 1e3 => (1e3, "k"),
        _ => (1.0, ""),
    };
    if value != 0.0 && value.abs() < 0.001 {
        return format!("{value:e}").replace('-', "\u{2212}");
    }
    let scaled = value / divisor;
    let text = format!("{scaled:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let text = if text == "-0" || text.is_empty() { "0" } else { text };
    format!("{}{suffix}", text.replace('-', "\u{2212}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let axis = Axis::for_values("y", [3.0, 17.0, 42.0].into_iter());
        let ticks: Vec<_> = axis.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(ticks, ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(axis.place(25.0), Some(0.5));
    }

    #[test]
    fn a_wide_range_of_positive_values_is_logarithmic() {
        let axis = Axis::for_values("y", [10.0, 100_000.0].into_iter());
        let ticks: Vec<_> = axis.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(ticks, ["10", "100", "1k", "10k", "100k"]);
        assert_eq!(axis.place(0.0), None);
        let middle = axis.place(1000.0).expect("it is positive");
        assert!((middle - 0.5).abs() < 1e-9, "{middle}");
        assert!(!Axis::for_values("y", [0.0, 100_000.0].into_iter()).log, "0 has no place on a logarithmic axis");
    }

    #[test]
    fn an_axis_of_settings_is_as_its_settings_are_spread() {
        assert!(!Axis::at_values("x", &[1.0, 10.0, 20.0, 30.0, 40.0]).log);
        let doubled = Axis::at_values("x", &[64.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 1.0]);
        assert!(doubled.log);
        let ticks: Vec<_> = doubled.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(ticks, ["1", "2", "4", "8", "16", "32", "64"]);
    }

    #[test]
    fn values_are_written_with_few_digits() {
        assert_eq!(shown(0.25, 1.0), "0.25");
        assert_eq!(shown(1_500_000.0, 2e6), "1.5M");
        assert_eq!(shown(20_000.0, 50_000.0), "20000");
        assert_eq!(shown(-3.0, 5.0), "\u{2212}3");
        assert_eq!(shown(0.000_02, 5.0), "2e\u{2212}5");
    }

    #[test]
    fn extreme_values_have_a_place_and_few_ticks() {
        let values = [-1e20, -1.0, -1e-300, 0.0, 1e-310, 1e-300, 1e-8, 1.0, 1.0 + 1e-16, 1e20];
        for (a, b) in values.iter().flat_map(|&a| values.map(|b| (a, b))) {
            for axis in [Axis::for_values("x", [a, b].into_iter()), Axis::at_values("x", &[a, b])] {
                assert!(axis.ticks.len() <= 14, "{a} {b}: {axis:?}");
                for value in [a, b] {
                    let place = axis.place(value);
                    assert!(
                        place.is_some_and(|place| (-0.01..=1.01).contains(&place)),
                        "{a} {b}: {value} is at {place:?}, {axis:?}"
                    );
                }
            }
        }
    }
}
