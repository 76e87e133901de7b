//! Figures: their medians, and how they are shown.

use serde_json::Value;

/// A figure for a report: small ones have two decimal places.
pub(super) fn shown(figure: Option<f64>) -> String {
    let Some(figure) = figure else { return "–".to_owned() };
    if figure.abs() < 100.0 {
        return format!("{figure:.2}");
    }
    let digits = format!("{:.0}", figure.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if figure < 0.0 { format!("-{text}") } else { text }
}

/// The result of a round for the terminal.
pub(super) fn one_line(result: &Value) -> String {
    match (result["cpu_us"].as_f64(), result["per_s"].as_f64()) {
        (Some(cpu), Some(rate)) => format!("{cpu:>10.2} µs of CPU each, {rate:>10.0} a second"),
        _ => format!("FAILED: {}", result["error"].as_str().unwrap_or("no result")),
    }
}

pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        let shown = |figure| shown(Some(figure));
        assert_eq!(shown(1.234), "1.23");
        assert_eq!(shown(123.4), "123");
        assert_eq!(shown(1_234_567.0), "1,234,567");
        assert_eq!(shown(-1_234.0), "-1,234");
        assert_eq!(super::shown(None), "–");
    }
}
