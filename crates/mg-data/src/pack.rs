use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use mg_files::WholeFile;
use rayon::prelude::*;

use crate::input::Input;
use crate::limits::CHANNELS;
use crate::packed::{Checksums, ContentHash, HEAD, Header, head};
use crate::portraits::Portraits;
use crate::record::Record;
use crate::{Check, Defect, Error, ImageSource, OnBadImage, Result, Skipped, Spec};

/// Called now and then with the number of images done and the number of all images.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Images decoded side by side before they are written, at most.
const CHUNK: usize = 256;
/// Bytes, encoded and decoded together, that end a chunk: 64 MiB.
const CHUNK_BYTES: usize = 1 << 26;

/// Decodes a source into one packed file, whatever its size, in bounded memory, and returns what was left out.
///
/// The file appears under its name when it is complete and on disk, and replaces one that is there; until then
/// the bytes are in a file beside it, whose name begins with a dot. The images are in the source's order on
/// any number of threads.
///
/// # Errors
/// Everything that reading the source can raise; a file that cannot be written. Nothing is left behind then.
pub fn pack(spec: &Spec, path: &Path, progress: Progress) -> Result<Skipped> {
    spec.check()?;
    let input = spec.open_input()?;
    pack_input(spec, &input, path, progress)
}

pub(crate) fn pack_input(spec: &Spec, input: &Input, path: &Path, progress: Progress) -> Result<Skipped> {
    let mut file = WholeFile::create(path).map_err(Error::io("create", path))?;
    let mut out = BufWriter::with_capacity(1 << 20, &mut file);
    out.write_all(&[0; HEAD]).map_err(Error::io("write", path))?;
    let mut checksums = Checksums::default();
    let (header, labels) = decode_all(spec, input, progress, |pixels| {
        checksums.update(pixels);
        out.write_all(pixels).map_err(Error::io("write", path))
    })?;
    let json = serde_json::to_vec(&header).map_err(|e| Error::Setting(e.to_string()))?;
    let mut tail: Vec<u8> = labels.iter().flatten().flat_map(|label| label.to_le_bytes()).collect();
    let label_bytes = tail.len() as u64;
    tail.extend(checksums.finish());
    tail.extend(&json);
    let pixels = header.count * (header.side * header.side * CHANNELS) as u64;
    let end = |out: &mut BufWriter<&mut WholeFile>| {
        out.write_all(&tail)?;
        out.seek(SeekFrom::Start(0))?;
        out.write_all(&head(pixels, label_bytes, json.len() as u64, crc32fast::hash(&tail)))?;
        out.flush()
    };
    end(&mut out).map_err(Error::io("write", path))?;
    drop(out);
    file.publish().map_err(Error::io("write", path))?;
    Ok(header.skipped)
}

/// Decodes every image of a source in order and hands its pixels to `sink`.
pub(crate) fn decode_all(
    spec: &Spec,
    input: &Input,
    progress: Progress,
    mut sink: impl FnMut(&[u8]) -> Result<()>,
) -> Result<(Header, Option<Vec<u32>>)> {
    spec.before.as_ref().map_or(Ok(()), Check::call)?;
    let (mut kept, mut tried) = (Kept::default(), 0);
    let mut records = input.records();
    loop {
        let chunk = next_chunk(&mut records, 3 * spec.side * spec.side)?;
        if chunk.is_empty() {
            return kept.finish(spec, input);
        }
        tried += chunk.len() as u64;
        let decoded: Vec<_> = chunk.par_iter().map(|record| record.decode(spec.side, spec.resize)).collect();
        for (record, decoded) in chunk.into_iter().zip(decoded) {
            match decoded {
                Ok(pixels) => {
                    kept.add(record, &pixels)?;
                    sink(&pixels)?;
                }
                Err(defect) => kept.leave_out(record, defect, spec.on_bad)?,
            }
        }
        progress(tried, input.len());
    }
}

/// What is known of the images decoded so far.
#[derive(Default)]
struct Kept {
    hash: ContentHash,
    count: u64,
    labels: Vec<u32>,
    skipped: Skipped,
    first_bad: Option<(String, Defect)>,
}

impl Kept {
    fn add(&mut self, record: Record, pixels: &[u8]) -> Result<()> {
        self.hash.image(pixels);
        self.count += 1;
        self.labels.extend(record.label);
        if !self.labels.is_empty() && self.labels.len() as u64 != self.count {
            return Err(Error::MixedLabels(record.name));
        }
        Ok(())
    }

    fn leave_out(&mut self, record: Record, defect: Defect, policy: OnBadImage) -> Result<()> {
        if policy == OnBadImage::Refuse || matches!(defect, Defect::Failed(_)) {
            return Err(Error::BadImage { name: record.name, defect });
        }
        self.skipped.add(record.name.clone(), defect.to_string());
        self.first_bad.get_or_insert((record.name, defect));
        Ok(())
    }

    fn finish(self, spec: &Spec, input: &Input) -> Result<(Header, Option<Vec<u32>>)> {
        if self.count == 0 {
            let (source_name, count) = (spec.source.to_string(), self.skipped.count);
            return Err(match self.first_bad {
                Some((name, defect)) => Error::AllBad { source_name, count, name, defect },
                None => Error::NoRows(source_name),
            });
        }
        let labels = (!self.labels.is_empty()).then_some(self.labels);
        let header = Header {
            side: spec.side,
            channels: CHANNELS,
            count: self.count,
            labelled: labels.is_some(),
            classes: class_names(&input.classes(), labels.as_deref()),
            source: spec.name(),
            resize: spec.resize.to_string(),
            split: input.split().map(|split| split.to_string()),
            licence: (spec.source == ImageSource::Portraits).then(|| Portraits::LICENCE.to_owned()),
            sha256: self.hash.finish(labels.as_deref().unwrap_or_default(), spec.side, self.count),
            skipped: Skipped { notes: input.notes().to_vec(), ..self.skipped },
        };
        Ok((header, labels))
    }
}

/// The next records, as many as may be held at once.
fn next_chunk(records: &mut dyn Iterator<Item = Result<Record>>, decoded: usize) -> Result<Vec<Record>> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while chunk.len() < CHUNK && bytes < CHUNK_BYTES {
        let Some(record) = records.next().transpose()? else { break };
        bytes += record.size() + decoded;
        chunk.push(record);
    }
    Ok(chunk)
}

/// The names that are known, and numbers for the classes after them.
fn class_names(known: &[String], labels: Option<&[u32]>) -> Vec<String> {
    let classes = labels.and_then(|labels| labels.iter().max()).map_or(0, |&max| max as usize + 1);
    let numbers = (known.len()..classes).map(|class| class.to_string());
    let known = if labels.is_some() { known } else { &[] };
    known.iter().cloned().chain(numbers).collect()
}
