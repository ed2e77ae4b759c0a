use super::*;

fn portraits(components: usize, pixels: Pixels, grey: bool) -> (Coding, Tensor) {
    let set = DataSet::portraits().unwrap();
    let images = set.batch(&(0..300).collect::<Vec<_>>(), &[], &Device::Cpu).unwrap();
    let images = images.avg_pool2d(8).unwrap();
    let keys = CodingKeys { side: 8, pixels, grey, components };
    let linear = match pixels {
        Pixels::Coins => None,
        Pixels::Normal => {
            let pixels = keys.pixels(&images).unwrap();
            Some(match components {
                0 => Linear::of_channels(64, &pixels, &Device::Cpu).unwrap(),
                count => Linear::of_components(count, &pixels, &Device::Cpu).unwrap(),
            })
        }
    };
    (Coding { keys, linear }, images)
}

fn largest_gap(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn rows_of_components_are_uncorrelated_and_become_their_images_again() {
    let (coding, images) = portraits(192, Pixels::Normal, false);
    let rows = coding.rows(&images, None).unwrap();
    let covariance = (rows.t().unwrap().matmul(&rows).unwrap() / 299.0).unwrap();
    let covariance = covariance.to_vec2::<f32>().unwrap();
    for (i, row) in covariance.iter().enumerate().take(20) {
        for (j, value) in row.iter().enumerate().take(20) {
            let expected = if i == j { 1.0 } else { 0.0 };
            assert!((value - expected).abs() < 0.02, "{i} {j}: {value}");
        }
    }
    let outputs = Tensor::cat(&[&rows, &rows], 1).unwrap().unsqueeze(2).unwrap().unsqueeze(3).unwrap();
    assert!(largest_gap(&coding.images(&outputs).unwrap(), &images) < 1e-3);
}

#[test]
fn channels_are_standardised_and_become_their_images_again() {
    let (coding, images) = portraits(0, Pixels::Normal, true);
    let rows = coding.rows(&images, None).unwrap();
    let mean: f32 = rows.mean_all().unwrap().to_scalar().unwrap();
    let square: f32 = rows.sqr().unwrap().mean_all().unwrap().to_scalar().unwrap();
    assert!(mean.abs() < 1e-4 && (square - 1.0).abs() < 1e-3, "{mean} {square}");
    let outputs = Tensor::cat(&[&rows, &rows], 1).unwrap().unsqueeze(2).unwrap().unsqueeze(3).unwrap();
    let grey = images.mean_keepdim(1).unwrap().repeat((1, 3, 1, 1)).unwrap();
    assert!(largest_gap(&coding.images(&outputs).unwrap(), &grey) < 1e-4);
}

#[test]
fn bytes_get_their_fractions_anew_and_a_model_keeps_its_coding() {
    let (coding, images) = portraits(12, Pixels::Normal, false);
    let (mut tensors, key) = (BTreeMap::new(), Key::new(3));
    coding.save("", &mut tensors);
    let again = Coding::open(&coding.keys, &tensors, &Device::Cpu).unwrap();
    let rows = |coding: &Coding, key| coding.rows(&images, key).unwrap();
    assert_eq!(largest_gap(&rows(&coding, Some(key)), &rows(&again, Some(key))), 0.0);
    assert!(largest_gap(&rows(&coding, Some(key)), &rows(&coding, None)) > 0.0);
    tensors.remove("coding.directions");
    let error = Coding::open(&coding.keys, &tensors, &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("coding.directions"), "{error}");
}

#[test]
fn coins_are_shares_of_heads() {
    let (coding, images) = portraits(0, Pixels::Coins, true);
    let rows = coding.rows(&images, Some(Key::new(1))).unwrap();
    let range =
        [rows.min_all().unwrap(), rows.max_all().unwrap()].map(|value| value.to_scalar::<f32>().unwrap());
    assert!(range[0] >= 0.0 && range[1] <= 1.0, "{range:?}");
    assert_eq!(rows.dims(), [300, 64]);
}
