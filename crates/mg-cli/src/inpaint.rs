use std::path::PathBuf;

use anyhow::{Result, ensure};
use candle_core::{DType, Device, Tensor};
use mg_eval::recovery_error;
use mg_figures::Sheet;
use mg_model::Model;
use mg_pyramid::Mask;
use mg_random::Key;
use mg_train::{Methods, Selection};

use crate::device::DeviceArgs;
use crate::output::{ImageFolder, JsonArgs};
use crate::sample::How;
use crate::set::SetArgs;
use crate::{hub, progress};

/// Fill in hidden pixels (section 6.4). Writes recovered images to DIR, original, masked and recovered side by side to
/// DIR-sheet.png, and prints the errors on hidden pixels.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directory or model.safetensors
    run: PathBuf,
    /// An image, or a set, of which the test split where there is one: a name, a folder, a parquet file, a packed file
    #[arg(long, value_name = "IMAGE|SET", required_unless_present = "held_out")]
    input: Option<String>,
    /// The images that the run held out of its own set (data.hold_out)
    #[arg(long, conflicts_with = "input")]
    held_out: bool,
    /// Hidden pixels: square (half the side, in the middle), doodle (25 %), pepper (60 %), or a PNG of the finest
    /// grid's size, white where hidden
    #[arg(long, value_name = "square|doodle|pepper|FILE", default_value = "square")]
    mask: String,
    /// Images of a set
    #[arg(short, default_value_t = 16)]
    n: usize,
    /// Folder for the images
    #[arg(long, value_name = "DIR", default_value = "inpainted")]
    out: PathBuf,
    /// Seed of masks and chains
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    ensure!(args.n > 0, "-n is 0; ask for at least one image");
    args.json.check()?;
    let device = args.device.open()?;
    let model = args.device.adjust(hub::model(&args.run, None, methods, &device)?, &device);
    let recovery = model.must_recover()?;
    let side = model.side();
    let originals = originals(args, &*model, &device)?;
    let n = originals.dim(0)?;
    let masks = masks(args, side, n)?;
    let folder = ImageFolder::make(&args.out, n, "inpaint")?;
    let bar = progress::bar(n as u64, "images");
    let key = Key::new(args.seed).named("inpaint");
    let how = args.how.synthesis();
    let recovered =
        recovery.recover(&originals, &masks, &how, key, &mut |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();

    folder.write(0, &recovered)?;
    let masked = Mask::apply_each(&masks, &originals, 0.0)?;
    let sheet = folder.write_sheet(&Sheet::beside(&[&originals, &masked, &recovered])?)?;
    let observed = Mask::observed_tensor(&masks, &device, DType::F32)?;
    report(args, &recovered, &originals, &observed)?;
    if !args.json.is_printed() {
        say!("sheet        {}", sheet.display());
    }
    Ok(())
}

fn report(args: &Args, recovered: &Tensor, originals: &Tensor, observed: &Tensor) -> Result<()> {
    let hidden = 1.0 - observed.mean_all()?.to_scalar::<f32>()?;
    let error = (hidden > 0.0).then(|| recovery_error(recovered, originals, observed)).transpose()?;
    let numbers = serde_json::json!({
        "images": originals.dim(0)?, "hidden": hidden, "mae": error.map(|e| e.mae), "psnr": error.map(|e| e.psnr),
        "pooled_psnr": error.map(|e| e.pooled_psnr), "ssim": error.and_then(|e| e.ssim),
    });
    if !args.json.write(&numbers)? {
        return Ok(());
    }
    let Some(error) = error else {
        tracing::info!("nothing is hidden, so there is no error to measure");
        return Ok(());
    };
    say!("images       {}", error.n_images);
    say!("hidden       {:.1} %", 100.0 * hidden);
    say!("MAE          {:.4}   on hidden pixels, in [0, 1]", error.mae);
    say!("PSNR         {:.2} dB, mean over images", error.psnr);
    say!("pooled PSNR  {:.2} dB", error.pooled_psnr);
    if let Some(ssim) = error.ssim {
        say!("SSIM         {ssim:.3}   of whole images, mean over images");
    }
    Ok(())
}

/// The images to recover, [n, c, s, s].
fn originals(args: &Args, model: &dyn Model, device: &Device) -> Result<Tensor> {
    let selection = Selection::of_model(model)?;
    let set = match &args.input {
        Some(input) => args.set.for_testing(&selection, input, None)?,
        None => selection.held_out(&args.set.read(hub::selected(&selection)?)?)?,
    };
    let order = Key::new(args.seed).named("images").permutation(set.len());
    let chosen: Vec<u64> = order.iter().take(args.n).collect();
    Ok(set.batch(&chosen, &[], device)?)
}

/// One mask an image.
fn masks(args: &Args, side: usize, n: usize) -> Result<Vec<Mask>> {
    let key = |i: usize| Key::new(args.seed).named("mask").fold(i as u64);
    let masks = match args.mask.as_str() {
        "square" => vec![Mask::square(side, side / 2, side / 4, side / 4)?; n],
        "doodle" => (0..n).map(|i| Mask::doodle(side, 0.25, key(i))).collect::<Result<_, _>>()?,
        "pepper" => (0..n).map(|i| Mask::pepper(side, 0.6, key(i))).collect::<Result<_, _>>()?,
        file => {
            let mask = Mask::from_png(file, side)?;
            ensure!(
                mask.hidden().contains(&true),
                "{file} hides nothing: a pixel is hidden that is white or at least half as bright, and not transparent; \
                 paint what is to be filled in in white (255) on black"
            );
            vec![mask; n]
        }
    };
    Ok(masks)
}
