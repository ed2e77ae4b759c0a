#![allow(unsafe_code, reason = "runs tiles on checked addresses")]

use crate::element::Element;
use crate::finish::Finish;
use crate::format::Format;
use crate::kernels::Kernels;
use crate::tile::{MOST_ROWS, Output, Segment, TILE_VECTORS, Tile};

/// A plain product of matrices by the convolutions' tiles: row `i` of the result, of as many vectors as `weights` has,
/// is `input[from + i * step..][segment] * weights`. `input` and `output` come with their `(from, step)`.
pub(crate) fn run_rows<P: Format<Elem = E, Stored = E>, E: Element>(
    kernels: &Kernels<P>,
    rows: usize,
    segment: Segment,
    (input, (input_from, input_step)): (&[E], (usize, usize)),
    (output, (output_from, output_step)): (&mut [E], (usize, usize)),
    weights: &[E],
    bias: &[E],
) {
    let width = weights.len() / segment.len;
    let vectors = width / kernels.lanes;
    let last = rows.max(1) - 1;
    assert!(
        input_from + last * input_step + segment.offset + segment.len <= input.len(),
        "a product reads too far"
    );
    assert!(output_from + last * output_step + width <= output.len(), "a product writes too far");
    assert!((1..=TILE_VECTORS).contains(&vectors) && width <= bias.len());
    let (input, output) = (input.as_ptr(), output.as_mut_ptr());
    let mut done = 0;
    while done < rows {
        let size = kernels.tile(rows - done);
        let count = size.rows.min(rows - done);
        let row = |i: usize| done + i.min(count - 1);
        let tile = Tile {
            input: std::array::from_fn(|i| input.wrapping_add(input_from + row(i) * input_step)),
            output: Output::Elem(std::array::from_fn(|i| {
                output.wrapping_add(output_from + row(i) * output_step)
            })),
            gate: [std::ptr::null(); MOST_ROWS],
            rows: count,
            segments: &[segment],
            weights: weights.as_ptr(),
            bias: bias.as_ptr(),
            finish: Finish::Plain,
        };
        // SAFETY: the kernels fit the processor; the assertions above bound every address of every row.
        unsafe { (size.convolve[vectors - 1])(&tile) };
        done += count;
    }
}
