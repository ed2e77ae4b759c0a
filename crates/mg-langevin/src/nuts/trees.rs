use candle_core::Tensor;
use mg_energy::Energy;

use super::Nuts;
use super::state::{State, log_add};
use super::subtree::{Row, Subtree};
use super::walker::{Walker, turned};
use crate::Result;
use crate::phase::Phase;
use crate::rows::{add_scaled, replace_rows, take_rows};

/// The trajectories of n chains, which double until they turn.
pub(super) struct Trees<'a> {
    nuts: &'a Nuts,
    energy: &'a dyn Energy,
    start: Phase,
    /// 2 n rows: the ends in the past of all chains, then those in the future.
    ends: Walker,
    /// Where each chain goes.
    pub(super) place: Phase,
    pub(super) states: Vec<State>,
}

impl<'a> Trees<'a> {
    /// Trajectories of one place each; one state for each chain.
    pub(super) fn new(
        nuts: &'a Nuts,
        energy: &'a dyn Energy,
        start: Phase,
        states: Vec<State>,
    ) -> Result<Self> {
        let past = Phase { momentum: start.momentum.neg()?, ..start.clone() };
        let phase = past.zip(&start, |past, future| Ok(Tensor::cat(&[past, future], 0)?))?;
        let ends = Walker { reach: phase.x.zeros_like()?, phase };
        Ok(Trees { nuts, energy, place: start.clone(), start, ends, states })
    }

    /// Doubles them `max_depth` times, those that turn or diverge less often.
    pub(super) fn grow(mut self) -> Result<Self> {
        let mut growing: Vec<usize> = (0..self.states.len()).collect();
        for depth in 0..self.nuts.max_depth {
            if growing.is_empty() {
                break;
            }
            growing = self.double(&growing, depth)?;
        }
        Ok(self)
    }

    /// Doubles the trajectories of some chains; returns those that may double again.
    fn double(&mut self, growing: &[usize], depth: usize) -> Result<Vec<usize>> {
        let n = self.states.len();
        let row = |&chain: &usize| {
            let end = if self.states[chain].forwards() { n + chain } else { chain };
            Row { chain, end, log_weight: f64::NEG_INFINITY }
        };
        let rows: Vec<Row> = growing.iter().map(row).collect();
        let ends: Vec<usize> = rows.iter().map(|row| row.end).collect();
        let tip = self.ends.map(|x| Ok(take_rows(x, &ends)?))?;
        let start = self.start.map(|x| Ok(take_rows(x, growing)?))?;
        let half = Subtree::new(rows, tip, start);
        let half = half.grow(self.nuts, (self.energy, &self.start.x), depth, &mut self.states)?;
        if half.rows.is_empty() {
            return Ok(Vec::new());
        }
        self.join(&half)?;
        let chains: Vec<usize> = half.rows.iter().map(|row| row.chain).collect();
        let turned = self.turned(&chains)?;
        Ok(chains.into_iter().zip(turned).filter(|(_, turned)| !turned).map(|(chain, _)| chain).collect())
    }

    /// Joins the new halves to the old: a chain moves over with probability min(1, new weight / old weight).
    fn join(&mut self, half: &Subtree) -> Result<()> {
        let ends: Vec<usize> = half.rows.iter().map(|row| row.end).collect();
        self.ends = self.ends.zip(&half.tip, |all, new| Ok(replace_rows(all, &ends, new)?))?;
        let (mut moved, mut chains) = (Vec::new(), Vec::new());
        for (at, row) in half.rows.iter().enumerate() {
            let state = &mut self.states[row.chain];
            if state.accepts(row.log_weight - state.log_weight) {
                moved.push(at);
                chains.push(row.chain);
            }
            state.log_weight = log_add(state.log_weight, row.log_weight);
        }
        if !moved.is_empty() {
            let place = half.candidate.map(|x| Ok(take_rows(x, &moved)?))?;
            self.place = self.place.zip(&place, |all, new| Ok(replace_rows(all, &chains, new)?))?;
        }
        Ok(())
    }

    /// Whether whole trajectories have turned, from their ends in the past to those in the future.
    fn turned(&self, chains: &[usize]) -> Result<Vec<bool>> {
        let in_future: Vec<usize> = chains.iter().map(|chain| self.states.len() + chain).collect();
        let past = self.ends.map(|x| Ok(take_rows(x, chains)?))?;
        let future = self.ends.map(|x| Ok(take_rows(x, &in_future)?))?;
        let sum = add_scaled(&future.reach, -1.0, &past.reach)?;
        turned(&sum, &past.phase.momentum.neg()?, &future.phase.momentum)
    }
}
