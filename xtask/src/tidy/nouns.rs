//! Nouns that take things from each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The files of one folder, those below them included, and what they take from each other.
#[derive(Debug, Default)]
pub(super) struct Nouns {
    /// From noun to noun.
    arrows: BTreeMap<String, BTreeMap<String, Arrow>>,
}

/// The first place where one noun takes something from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrow {
    pub(super) file: String,
    pub(super) line: usize,
    /// What it takes.
    pub(super) name: String,
}

impl Nouns {
    /// Notes that one takes something from another; the first place stays.
    pub(super) fn add(&mut self, from: &str, to: &str, arrow: Arrow) {
        let arrows = self.arrows.entry(from.to_owned()).or_default();
        arrows.entry(to.to_owned()).or_insert(arrow);
    }

    /// Why there is an arrow.
    pub(super) fn arrow(&self, from: &str, to: &str) -> Option<&Arrow> {
        self.arrows.get(from)?.get(to)
    }

    /// Sets of nouns that all reach each other, with more than one in each.
    pub(super) fn knots(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&String, BTreeSet<&String>> =
            self.arrows.keys().map(|noun| (noun, self.reached(noun))).collect();
        let mut knots: BTreeSet<Vec<String>> = BTreeSet::new();
        for (noun, reached) in &reach {
            let is_tied = |other: &&&String| reach.get(**other).is_some_and(|back| back.contains(noun));
            let knot: Vec<String> = reached.iter().filter(is_tied).map(|other| (*other).clone()).collect();
            if knot.len() > 1 {
                knots.insert(knot);
            }
        }
        knots.into_iter().collect()
    }

    fn reached(&self, from: &str) -> BTreeSet<&String> {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<&String> = self.after(from).collect();
        while let Some(noun) = waiting.pop() {
            if reached.insert(noun) {
                waiting.extend(self.after(noun));
            }
        }
        reached
    }

    /// The shortest way from a noun back to it.
    pub(super) fn circle(&self, start: &str) -> Vec<String> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut waiting = VecDeque::from([start]);
        while let Some(noun) = waiting.pop_front() {
            for next in self.after(noun) {
                if next == start {
                    let mut way = vec![noun.to_owned()];
                    while let Some(earlier) = before.get(way[way.len() - 1].as_str()) {
                        way.push((*earlier).to_owned());
                    }
                    way.reverse();
                    return way;
                }
                if !before.contains_key(next.as_str()) {
                    before.insert(next, noun);
                    waiting.push_back(next);
                }
            }
        }
        Vec::new()
    }

    fn after(&self, noun: &str) -> impl Iterator<Item = &String> {
        self.arrows.get(noun).into_iter().flat_map(BTreeMap::keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nouns(arrows: &[(&str, &str)]) -> Nouns {
        let mut nouns = Nouns::default();
        for (from, to) in arrows {
            let arrow = Arrow { file: String::new(), line: 1, name: String::new() };
            nouns.add(from, to, arrow);
        }
        nouns
    }

    #[test]
    fn knots_are_nouns_that_all_reach_each_other() {
        let nouns =
            nouns(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "c"), ("f", "a")]);
        assert_eq!(nouns.knots(), [vec!["a", "b"], vec!["c", "d", "e"]]);
    }

    #[test]
    fn the_shortest_way_back_is_found() {
        let nouns = nouns(&[("a", "b"), ("b", "c"), ("c", "a"), ("a", "d"), ("d", "c")]);
        assert_eq!(nouns.circle("b"), ["b", "c", "a"]);
        assert_eq!(nouns.circle("a").len(), 3);
        assert!(nouns.circle("x").is_empty());
    }
}
