use candle_core::Tensor;
use mg_energy::Energy;

use super::Nuts;
use super::some_chains::SomeChains;
use super::state::{State, log_add};
use super::walker::{Walker, turned};
use crate::Result;
use crate::base::to_f64;
use crate::phase::{Phase, hamiltonian_change};
use crate::rows::{add_scaled, select, take_rows};

/// The new halves of trajectories that double: 2^depth steps on from one end of each, all chains side by side.
///
/// Chains that turn or diverge on the way are left out, so what remains when it has grown are whole halves.
pub(super) struct Subtree {
    /// One for each row of the tensors.
    pub(super) rows: Vec<Row>,
    /// Where the walk has got to.
    pub(super) tip: Walker,
    /// A place of the new half, drawn with probability proportional to its weight.
    pub(super) candidate: Phase,
    /// Where the trajectories began.
    start: Phase,
    /// Where the halves, quarters, ... that are not finished began, longest first.
    marks: Vec<Mark>,
}

/// What a row of the tensors belongs to.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// Number of the chain in the batch.
    pub(super) chain: usize,
    /// Number of the end that walks on.
    pub(super) end: usize,
    /// Logarithm of the sum of the weights of the new places.
    pub(super) log_weight: f64,
}

#[derive(Clone)]
struct Mark {
    momentum: Tensor,
    reach: Tensor,
}

impl Subtree {
    /// Nothing but the ends, `tip`, that will walk on.
    pub(super) fn new(rows: Vec<Row>, tip: Walker, start: Phase) -> Self {
        Subtree { rows, candidate: tip.phase.clone(), tip, start, marks: Vec::new() }
    }

    /// Walks 2^depth steps, or until no chain is left; all chains of the batch began at `origin`, [n, ...].
    pub(super) fn grow(
        mut self,
        nuts: &Nuts,
        (energy, origin): (&dyn Energy, &Tensor),
        depth: usize,
        states: &mut [State],
    ) -> Result<Self> {
        for step in 0..1_usize << depth {
            if self.rows.is_empty() {
                break;
            }
            let chains: Vec<usize> = self.rows.iter().map(|row| row.chain).collect();
            let energy = SomeChains { energy, start: origin, chains: &chains };
            self.tip = self.tip.step(&energy, nuts.step_size)?;
            let mut goes_on = self.weigh(nuts, states)?;
            self.leave_out_turned(step, &mut goes_on)?;
            self.keep(&goes_on)?;
        }
        Ok(self)
    }

    /// Weighs the places at the tip and draws candidates; returns which chains have not diverged.
    fn weigh(&mut self, nuts: &Nuts, states: &mut [State]) -> Result<Vec<bool>> {
        let changes = to_f64(&hamiltonian_change(&self.start, &self.tip.phase)?)?;
        let mut goes_on = vec![true; self.rows.len()];
        let mut chosen = vec![0_u8; self.rows.len()];
        for (at, row) in self.rows.iter_mut().enumerate() {
            let (log_ratio, state) = (changes[at] / nuts.temperature, &mut states[row.chain]);
            state.tried(log_ratio);
            if log_ratio.is_finite() && log_ratio > -nuts.max_energy_error {
                row.log_weight = log_add(row.log_weight, log_ratio);
                chosen[at] = u8::from(state.accepts(log_ratio - row.log_weight));
            } else {
                state.diverged = true;
                goes_on[at] = false;
            }
        }
        if chosen.contains(&1) {
            let n = chosen.len();
            let chosen = Tensor::from_vec(chosen, n, self.tip.phase.x.device())?;
            self.candidate = self.tip.phase.zip(&self.candidate, |tip, old| select(&chosen, tip, old))?;
        }
        Ok(goes_on)
    }

    /// Step k ends as many halves of halves as k has ones at its end: each that has turned ends its chain's walk.
    fn leave_out_turned(&mut self, step: usize, goes_on: &mut [bool]) -> Result<()> {
        let finished = step.trailing_ones() as usize;
        if finished == 0 {
            let (momentum, reach) = (self.tip.phase.momentum.clone(), self.tip.reach.clone());
            self.marks.push(Mark { momentum, reach });
            return Ok(());
        }
        let first = self.marks.len() - finished;
        for mark in &self.marks[first..] {
            let sum = add_scaled(&self.tip.reach, -1.0, &mark.reach)?;
            let turned = turned(&sum, &mark.momentum, &self.tip.phase.momentum)?;
            goes_on.iter_mut().zip(turned).for_each(|(goes_on, turned)| *goes_on &= !turned);
        }
        self.marks.truncate(first + 1);
        Ok(())
    }

    fn keep(&mut self, goes_on: &[bool]) -> Result<()> {
        if goes_on.iter().all(|&goes_on| goes_on) {
            return Ok(());
        }
        let kept: Vec<usize> = (0..goes_on.len()).filter(|&at| goes_on[at]).collect();
        self.rows = kept.iter().map(|&at| self.rows[at]).collect();
        if kept.is_empty() {
            return Ok(());
        }
        let take = |x: &Tensor| -> Result<Tensor> { Ok(take_rows(x, &kept)?) };
        self.tip = self.tip.map(take)?;
        self.candidate = self.candidate.map(take)?;
        self.start = self.start.map(take)?;
        for mark in &mut self.marks {
            *mark = Mark { momentum: take(&mark.momentum)?, reach: take(&mark.reach)? };
        }
        Ok(())
    }
}
