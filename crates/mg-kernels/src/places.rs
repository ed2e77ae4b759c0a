/// Addresses of all pixels of the largest block of images.
pub(crate) struct Places {
    pub(crate) input: Vec<u32>,
    pub(crate) output: Vec<u32>,
    /// Where the activation is found that gates the result; empty when nothing does.
    pub(crate) gate: Vec<u32>,
    /// Pixels of one image.
    pub(crate) per_image: usize,
}

impl Places {
    /// `place(image, y, x)` gives the addresses of a pixel's input, output and gate.
    pub(crate) fn new(
        block: usize,
        pixels: impl Iterator<Item = (usize, usize)> + Clone,
        place: impl Fn(usize, usize, usize) -> (usize, usize, Option<usize>),
    ) -> Self {
        let mut places =
            Self { input: vec![], output: vec![], gate: vec![], per_image: pixels.clone().count() };
        for n in 0..block {
            for (y, x) in pixels.clone() {
                let (input, output, gate) = place(n, y, x);
                places.input.push(input as u32);
                places.output.push(output as u32);
                places.gate.extend(gate.map(|gate| gate as u32));
            }
        }
        places
    }
}
