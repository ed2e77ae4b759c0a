use crate::Curves;

/// Outlines of several sets that were counted in the same bins, each of the share of its set in every bin: energies of
/// images of different kinds, one over the other.
///
/// `edges` are the borders of the bins, one more than there are bins; `sets` are names and counts. Of lists of other
/// lengths the shorter one counts, and a set without any number has no outline.
///
/// ```
/// use mg_figures::histogram;
///
/// let sets = [("these".to_owned(), vec![1, 2, 0]), ("those".to_owned(), vec![0, 1, 1])];
/// let svg = histogram("energies", "U", &[0.0, 1.0, 2.0, 3.0], &sets).to_svg()?;
/// assert!(svg.contains("these") && svg.contains("share of the set"));
/// # Ok::<(), mg_figures::Error>(())
/// ```
pub fn histogram(title: &str, x_label: &str, edges: &[f64], sets: &[(String, Vec<u64>)]) -> Curves {
    let plot = Curves::new(title, x_label, "share of the set");
    sets.iter().fold(plot, |plot, (name, counts)| plot.outline(name, outline(edges, counts)))
}

/// Up, along and down every bin.
fn outline(edges: &[f64], counts: &[u64]) -> Vec<(f64, f64)> {
    let total = counts.iter().sum::<u64>() as f64;
    let mut points: Vec<(f64, f64)> = edges.first().map(|&edge| (edge, 0.0)).into_iter().collect();
    for (&count, edges) in counts.iter().zip(edges.windows(2)) {
        points.extend(edges.iter().map(|&edge| (edge, count as f64 / total)));
    }
    points.extend(edges.last().map(|&edge| (edge, 0.0)));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_encloses_the_area_of_its_set() {
        let edges = [0.0, 1.0, 2.0, 3.0, 4.0];
        for counts in [[1, 2, 0, 1], [0, 0, 1, 0]] {
            let outline = outline(&edges, &counts);
            let area: f64 = outline.windows(2).map(|p| (p[1].0 - p[0].0) * 0.5 * (p[0].1 + p[1].1)).sum();
            assert!((area - 1.0).abs() < 1e-12, "bins of width 1: {outline:?}");
            assert!(outline.windows(2).all(|p| p[0].0 == p[1].0 || p[0].1 == p[1].1));
        }
    }

    #[test]
    fn every_set_has_its_name_and_no_dots() {
        let sets = [("these".to_owned(), vec![1, 3]), ("those".to_owned(), vec![0, 2])];
        let svg = histogram("energies", "U", &[0.0, 1.0, 2.0], &sets).to_svg().unwrap();
        assert!(svg.contains("energies") && svg.contains("these") && svg.contains("those"));
        assert!(!svg.contains("<circle"));
    }

    #[test]
    fn sets_and_bins_that_do_not_fit_are_drawn_as_far_as_they_do() {
        for (edges, counts) in [(vec![], vec![1]), (vec![0.0], vec![1]), (vec![0.0, 1.0], vec![0])] {
            let sets = [("a".to_owned(), counts)];
            assert!(histogram("t", "x", &edges, &sets).to_svg().is_ok());
        }
    }
}
