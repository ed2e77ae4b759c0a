use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// The largest of every 2 x 2 values of maps [n, c, s, s] with an even side, in candle's graph. (Of candle 0.11's own, the
/// gradient comes out divided by four.)
pub(crate) fn max_pool(x: &Tensor) -> Result<Tensor> {
    match x.device().is_cpu() {
        true => x.contiguous()?.apply_op1(MaxPool),
        false => {
            let (n, c, side, _) = x.dims4()?;
            x.reshape((n, c, side / 2, 2, side / 2, 2))?.max(5)?.max(3)
        }
    }
}

struct MaxPool;

/// The places of the four values that become number `i` of a map of `side`, within the map before it.
fn four(i: usize, side: usize) -> [usize; 4] {
    let first = 2 * side * (2 * (i / side)) + 2 * (i % side);
    [first, first + 1, first + 2 * side, first + 2 * side + 1]
}

/// The place of the largest of four values; of equal ones the first.
fn largest(map: &[f32], places: [usize; 4]) -> usize {
    places.into_iter().fold(places[0], |best, at| if map[at] > map[best] { at } else { best })
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c, side, _) = layout.shape().dims4()?;
        let (half, area) = (side / 2, side * side);
        let x = &x.as_slice::<f32>()?[layout.start_offset()..][..n * c * area];
        let mut y = vec![0f32; n * c * half * half];
        y.par_chunks_mut(half * half).zip(x.par_chunks(area)).for_each(|(y, x)| {
            y.iter_mut().enumerate().for_each(|(i, y)| *y = x[largest(x, four(i, half))]);
        });
        Ok((CpuStorage::F32(y), (n, c, half, half).into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, side, _) = x.dims4()?;
        let (half, area) = (side / 2, side * side);
        let numbers = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
        let (values, gradient) = (numbers(x)?, numbers(dy)?);
        let mut dx = vec![0f32; values.len()];
        let maps = dx.par_chunks_mut(area).zip(values.par_chunks(area));
        maps.zip(gradient.par_chunks(half * half)).for_each(|((dx, x), dy)| {
            dy.iter().enumerate().for_each(|(i, dy)| dx[largest(x, four(i, half))] = *dy);
        });
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn the_largest_of_four_gets_all_of_the_gradient() {
        let values: Vec<f32> = (0..32).map(|i| ((i * 7) % 32) as f32).collect();
        let x = Var::from_vec(values.clone(), (1, 2, 4, 4), &Device::Cpu).unwrap();
        let y = max_pool(&x).unwrap();
        let weights = Tensor::arange(1f32, 9.0, &Device::Cpu).unwrap().reshape((1, 2, 2, 2)).unwrap();
        let dx = (&y * weights).unwrap().sum_all().unwrap().backward().unwrap();
        let dx = dx.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let y = y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (i, y) in y.iter().enumerate() {
            let (map, within) = (i / 4, i % 4);
            let corner = 16 * map + 8 * (within / 2) + 2 * (within % 2);
            let block = [corner, corner + 1, corner + 4, corner + 5];
            assert_eq!(*y, block.into_iter().map(|at| values[at]).fold(f32::MIN, f32::max));
            for at in block {
                let expected = if values[at] == *y { (i + 1) as f32 } else { 0.0 };
                assert_eq!(dx[at], expected, "number {at}");
            }
        }
    }
}
