//! What the façade promises: the bits of `mg`, errors that help, and programs of a few lines.

use std::error::Error;
use std::path::Path;

use multigrid::mg_model::{KINDS, Synthesis, generate, open};
use multigrid::prelude::*;
use multigrid::{image, mg_langevin};

type Outcome = Result<(), Box<dyn Error>>;

fn small() -> multigrid::Result<Model> {
    let settings = ["model.grids=[1, 4, 8]", "model.width=0.1", "chains.steps=2", "learn.iterations=2"];
    Model::learn("portraits", &settings)
}

/// Images of [-1, 1] around a grey level, [n, 3, 16, 16].
fn images(n: usize, level: f64, seed: u64) -> multigrid::Result<Tensor> {
    let mut values = vec![0f32; n * 3 * 16 * 16];
    Key::new(seed).fill_uniform(&mut values);
    Ok(Tensor::from_vec(values, (n, 3, 16, 16), &Device::Cpu)?.affine(0.6, level - 0.3)?)
}

#[test]
fn a_model_is_learned_saved_loaded_and_drawn_from_as_mg_sample_does() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.safetensors");
    small()?.save(&path)?;
    let drawn = Model::load(&path)?.draw(5).seed(7).images()?;

    // mg sample's own way: the file opened, chunk after chunk, with the key of the seed.
    let model = open(KINDS, &std::fs::read(&path)?, &Device::Cpu)?;
    let unobserved = &mut mg_langevin::unobserved;
    let grids =
        generate(&*model, 5, &Synthesis::default(), Key::new(7), &Device::Cpu, unobserved, &mut |_| {})?;
    let bits = |x: &Tensor| x.flatten_all()?.to_vec1::<f32>();
    assert_eq!(bits(drawn.tensor())?, bits(&grids[1])?);
    assert_eq!((drawn.len(), drawn.tensor().dims()), (5, &[5, 3, 8, 8][..]));
    assert_ne!(bits(drawn.tensor())?, bits(Model::load(&path)?.draw(5).seed(8).images()?.tensor())?);

    drawn.save(folder.path().join("a/b"))?;
    drawn.save_sheet(folder.path().join("sheet.png"))?;
    let read = image::open(folder.path().join("a/b/00004.png"))?.to_rgb8();
    assert_eq!(read, drawn.rgb()[4]);
    assert!(!folder.path().join("a/b/00005.png").exists());
    Ok(())
}

#[test]
fn what_cannot_be_loaded_or_drawn_is_told() -> Outcome {
    let error = Model::load("no/such/run").unwrap_err().to_string();
    assert!(error.contains("no/such/run"), "{error}");
    if cfg!(not(feature = "hub")) {
        let error = Model::load("hf:me/photos").unwrap_err().to_string();
        assert!(error.contains("hf:me/photos") && error.contains("`hub`"), "{error}");
    }
    let model = small()?;
    assert!(model.draw(0).images().is_err());
    let error = model.draw(1).class("cat").images().unwrap_err().to_string();
    assert!(error.contains("cat"), "{error}");
    assert!(Model::learn("portraits", &["model.widht=2"]).unwrap_err().to_string().contains("width"));
    Ok(())
}

#[test]
fn scores_of_folders_are_those_of_their_images_and_say_how_near_they_are() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (dark, light) = (folder.path().join("dark"), folder.path().join("light"));
    Images::of(&images(12, -0.5, 1)?)?.save(&dark)?;
    Images::of(&images(12, 0.5, 2)?)?.save(&light)?;
    let apart = Scores::between_folders(&dark, &light)?;
    let same = Scores::between_folders(&dark, &dark)?;
    assert!(same.frechet_distance < 1e-3 && (same.precision, same.recall) == (1.0, 1.0), "{same}");
    assert!(
        apart.frechet_distance > 1.0 && apart.kernel_distance.mean > same.kernel_distance.mean,
        "{apart}"
    );
    assert_eq!(apart, Scores::between_folders_at(&dark, &light, 16)?);
    let table = apart.to_string();
    for word in ["12 images", "EfficientNet-Lite0", "Fréchet distance", "recall", "coverage"] {
        assert!(table.contains(word), "{table}");
    }
    Ok(())
}

#[test]
fn folders_of_photographs_ask_for_a_side() -> Outcome {
    let folder = tempfile::tempdir()?;
    image::RgbImage::new(30, 20).save(folder.path().join("wide.png"))?;
    let error = Scores::between_folders(folder.path(), folder.path()).unwrap_err().to_string();
    assert!(error.contains("30 x 20") && error.contains("between_folders_at"), "{error}");
    Ok(())
}

#[test]
fn images_are_drawn_from_an_energy_of_ones_own() -> Outcome {
    let normal = energy_fn(|x| x.affine(1.0, -0.25)?.sqr()?.flatten_from(1)?.sum(1)? * 50.0);
    let drawn = Images::drawn_from(&normal, 4, (1, 8, 8), Key::new(1))?;
    assert_eq!((drawn.len(), drawn.tensor().dims()), (4, &[4, 1, 8, 8][..]));
    let mean = drawn.tensor().mean_all()?.to_scalar::<f64>()?;
    let variance = drawn.tensor().affine(1.0, -0.25)?.sqr()?.mean_all()?.to_scalar::<f64>()?;
    // Deviation 0.1 in each of 256 pixels: five standard errors.
    assert!((mean - 0.25).abs() < 5.0 * 0.1 / 16.0, "{mean}");
    assert!((variance / 0.01 - 1.0).abs() < 5.0 * (2.0f64 / 256.0).sqrt(), "{variance}");
    Ok(())
}

#[test]
fn nuts_knows_the_banana() -> Outcome {
    let warmup = Warmup { target: Some(0.95), ..Warmup::default() };
    let sampling = Sampling { warmup, ..Sampling::default() };
    let summary = sampling.run(&Nuts::default(), &Banana::default(), 2, Key::new(1))?.summary()?;
    // x ~ N(0, 1), y = x^2 / 2 + N(0, 1/4), of variance 1/2 + 1/4.
    for (coordinate, (mean, deviation)) in summary.coordinates.iter().zip([(0.0, 1.0), (0.5, 0.75f64.sqrt())])
    {
        let diagnosis = coordinate.diagnosis.ok_or("none")?;
        assert!(diagnosis.r_hat < 1.02 && diagnosis.bulk > 400.0, "{summary}");
        assert!((coordinate.mean - mean).abs() < 5.0 * deviation / diagnosis.bulk.sqrt(), "{summary}");
        assert!((coordinate.deviation / deviation - 1.0).abs() < 0.15, "{summary}");
    }
    Ok(())
}

#[test]
fn programs_take_few_lines() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for (name, most) in [("banana", 15), ("scores", 8), ("eight_images", 6), ("own_energy", 4)] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.rs")))?;
        // From the first `use` to the end of main; comments and empty lines are no code.
        let code = text.lines().skip_while(|line| !line.starts_with("use ")).filter(|line| !line.is_empty());
        let end = code.clone().position(|line| line == "}").ok_or("no main")?;
        assert!(end < most, "{name} takes {} lines, more than {most}", end + 1);
        assert!(code.clone().take(end).any(|line| line.starts_with("fn main")), "{name}");
    }
    Ok(())
}
