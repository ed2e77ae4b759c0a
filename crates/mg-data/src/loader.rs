use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

use candle_core::{Device, Tensor};

use crate::{DataSet, Error, Order, Result};

/// Batches that a thread of its own prepares before they are asked for.
///
/// It may begin at any iteration and holds nothing that a run must save: its batches are those of
/// [`DataSet::batch`], to the bit. For a mapped set the system is told some batches ahead which images come, so that
/// their reads overlap, and they are read from the file, not through the map, so that the memory of the process does
/// not grow with the file. Dropping it ends its thread.
pub struct Loader {
    batches: Option<Receiver<Result<Tensor>>>,
    thread: Option<JoinHandle<()>>,
    device: Device,
}

/// What one batch consists of.
#[derive(Clone, Debug)]
pub struct Request {
    /// The set the images are taken from.
    pub set: DataSet,
    /// The numbers of the images in the set.
    pub indices: Vec<u64>,
    /// Which of them are mirrored left to right; empty for none.
    pub flips: Vec<bool>,
}

/// Batches that the system is told of before they are read.
const TOLD: usize = 4;

impl Loader {
    /// Batches of `set` in the order `order` from iteration `first` on, without end, mirrored as the order says if
    /// `flip`. `ahead` batches (at least 1) are held ready while one more is prepared; a batch is on the CPU until it
    /// is asked for, and on `device` from then on.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn begin(
        set: &DataSet,
        order: Order,
        flip: bool,
        first: u64,
        ahead: usize,
        device: &Device,
    ) -> Result<Self> {
        let set = set.clone();
        Self::of((first..=u64::MAX).map(move |i| Request::of(&set, &order, flip, i)), ahead, device)
    }

    /// The batches that `requests` name, one by one; for `ahead` and `device` see [`begin`](Loader::begin).
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn of(
        requests: impl Iterator<Item = Request> + Send + 'static,
        ahead: usize,
        device: &Device,
    ) -> Result<Self> {
        let (sender, batches) = sync_channel(ahead.max(1));
        let prepare = move || {
            let (mut requests, mut told, mut buffer) = (requests, VecDeque::new(), Vec::new());
            loop {
                while told.len() < TOLD {
                    let Some(request) = requests.next() else { break };
                    request.set.will_need(&request.indices);
                    told.push_back(request);
                }
                let Some(Request { set, indices, flips }) = told.pop_front() else { return };
                if sender.send(set.read_batch(&indices, &flips, &mut buffer)).is_err() {
                    return; // nobody listens any more
                }
            }
        };
        let thread = Builder::new().name("batches".to_owned()).spawn(prepare).map_err(Error::Thread)?;
        Ok(Loader { batches: Some(batches), thread: Some(thread), device: device.clone() })
    }

    /// Waits for the end of the thread, which is at work on one batch at most.
    fn end(&mut self) -> Result<()> {
        self.batches = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::Loader),
            _ => Ok(()),
        }
    }
}

/// [n, 3, side, side] as [`DataSet::batch`] gives it. A batch that cannot be made is an error, and the next one follows;
/// `None` after the last request.
impl Iterator for Loader {
    type Item = Result<Tensor>;

    fn next(&mut self) -> Option<Result<Tensor>> {
        match self.batches.as_ref()?.recv() {
            Ok(batch) => Some(batch.and_then(|batch| Ok(batch.to_device(&self.device)?))),
            Err(_) => self.end().err().map(Err),
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("device", &self.device).finish_non_exhaustive()
    }
}

impl Request {
    /// The batch of iteration `iteration` of an order, mirrored as it says if `flip`.
    pub fn of(set: &DataSet, order: &Order, flip: bool, iteration: u64) -> Self {
        let flips = if flip { order.flips(iteration) } else { Vec::new() };
        Request { set: set.clone(), indices: order.batch_indices(iteration), flips }
    }
}
