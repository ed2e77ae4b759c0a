"""Writes small sets in the formats of their owners, by the owners' kind of library, and what their pixels are.

    pip install lmdb numpy pillow scipy
    python formats.py

lsun/ (LMDB of webp images, as LSUN), digits/ (MATLAB, as SVHN), cifar-python/ and cifar-binary/, the same of cifar100,
photos.tar and photos.tgz;
formats.json holds SHA-256 of the RGB bytes of every image.
"""

import hashlib
import io
import json
import pathlib
import pickle
import shutil
import struct
import tarfile

import lmdb
import numpy as np
import scipy.io
from PIL import Image

HERE = pathlib.Path(__file__).parent


def image(seed, side):
    """Smooth enough to be small, no two alike."""
    y, x = np.mgrid[0:side, 0:side]
    return np.stack([(x * 5 + seed * 3) % 256, (y * 7 + seed * 11) % 256, (x + y + seed) % 256], 2).astype(np.uint8)


def encoded(pixels, kind, **options):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def sha(pixels):
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def lsun():
    folder = HERE / "lsun"
    shutil.rmtree(folder, ignore_errors=True)
    keys, found = [f"{(7919 * i) % 1000:040x}" for i in range(70)], {}
    with lmdb.open(str(folder), map_size=1 << 22) as environment:
        with environment.begin(write=True) as transaction:
            for i, key in enumerate(keys):
                # Every tenth lies on pages of its own.
                pixels = image(i, 16) if i % 10 else np.random.default_rng(i).integers(0, 256, (48, 48, 3), np.uint8)
                found[key] = pixels
                transaction.put(key.encode(), encoded(pixels, "webp", lossless=True))
        # A second transaction, so that one of the meta pages is old.
        with environment.begin(write=True) as transaction:
            transaction.put(keys[0].encode(), encoded(found[keys[0]], "png"))
    (folder / "lock.mdb").unlink()
    return [[key, sha(found[key])] for key in sorted(found)]


def digits():
    folder = HERE / "digits"
    folder.mkdir(exist_ok=True)
    found = {}
    for name, count, compressed in (("train", 12, True), ("test", 3, False)):
        images = np.stack([image(100 + i, 32) for i in range(count)], 3)
        labels = np.array([[1 + i % 10] for i in range(count)], np.uint8)
        scipy.io.savemat(folder / f"{name}_32x32.mat", {"X": images, "y": labels}, do_compression=compressed)
        found[name] = [[int(label) % 10, sha(images[..., i])] for i, label in enumerate(labels[:, 0])]
    return found


def python2(rows, labels, key=b"labels"):
    """A batch as Python 2 and numpy of 2009 pickled it."""
    def short(text):
        return b"U" + bytes([len(text)]) + text

    data = rows.tobytes()
    dtype = b"cnumpy\ndtype\nq\x0c" + short(b"u1") + b"K\x00K\x01\x87q\x0dRq\x0e(K\x03" + short(b"|")
    dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85" + short(b"b") + b"\x87Rq\x09"
    array += b"(K\x01K" + bytes([len(rows)]) + b"M" + struct.pack("<H", 3072) + b"\x86" + dtype
    array += b"\x89T" + struct.pack("<i", len(data)) + data + b"tb"
    batch = b"\x80\x02}q\x01(" + short(b"batch_label") + short(b"training batch 1 of 5") + short(key) + b"]q\x02("
    batch += b"".join(b"K" + bytes([label]) for label in labels) + b"e" + short(b"data") + array
    batch += short(b"filenames") + b"]q\x03(" + b"".join(short(b"a.png") for _ in labels) + b"eu."
    loaded = pickle.loads(batch, encoding="bytes")
    assert (loaded[b"data"] == rows).all() and loaded[key] == list(labels)
    return batch


def cifar():
    names = ["airplane", "automobile", "bird"]
    python, binary = HERE / "cifar-python", HERE / "cifar-binary"
    for folder in (python, binary):
        folder.mkdir(exist_ok=True)
    found = {"train": [], "test": []}
    for file, split, first, count in (("data_batch_1", "train", 0, 4), ("data_batch_2", "train", 4, 3), ("test_batch", "test", 7, 2)):
        pixels = [image(200 + i, 32) for i in range(first, first + count)]
        labels = [i % 3 for i in range(first, first + count)]
        rows = np.stack([p.transpose(2, 0, 1).reshape(-1) for p in pixels])
        (python / file).write_bytes(python2(rows, labels))
        with (binary / f"{file}.bin").open("wb") as out:
            for label, row in zip(labels, rows):
                out.write(bytes([label]) + row.tobytes())
        found[split] += [[label, sha(p)] for label, p in zip(labels, pixels)]
    (python / "batches.meta").write_bytes(pickle.dumps({"label_names": names, "num_vis": 3072}, protocol=2))
    (binary / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    return found


def hundred():
    python, binary = HERE / "cifar100-python", HERE / "cifar100-binary"
    for folder in (python, binary):
        folder.mkdir(exist_ok=True)
    found = {}
    for split, first, count in (("train", 0, 3), ("test", 3, 2)):
        pixels = [image(400 + i, 32) for i in range(first, first + count)]
        fine, coarse = [i % 3 for i in range(first, first + count)], [1] * count
        rows = np.stack([p.transpose(2, 0, 1).reshape(-1) for p in pixels])
        (python / split).write_bytes(python2(rows, fine, b"fine_labels"))
        (binary / f"{split}.bin").write_bytes(b"".join(bytes([c, f]) + row.tobytes() for c, f, row in zip(coarse, fine, rows)))
        found[split] = [[label, sha(p)] for label, p in zip(fine, pixels)]
    names = ["apple", "baby", "bear"]
    (python / "meta").write_bytes(pickle.dumps({"fine_label_names": names, "coarse_label_names": ["food", "people"]}, protocol=2))
    (binary / "fine_label_names.txt").write_text("\n".join(names) + "\n")
    (binary / "coarse_label_names.txt").write_text("food\npeople\n")
    return found


def arrays():
    folder = HERE / "numpy"
    folder.mkdir(exist_ok=True)
    pixels = np.stack([image(500 + i, 12) for i in range(5)])
    grey, found = pixels[..., 0], {}
    labels = np.array([2, 0, 1, 2, 0])
    np.savez_compressed(folder / "keras.npz", x_train=grey[:3], y_train=labels[:3].astype(np.uint8), x_test=grey[3:], y_test=labels[3:].astype(np.uint8))
    np.savez(folder / "medical.npz", train_images=pixels[:3], train_labels=labels[:3, None], val_images=pixels[3:4], val_labels=labels[3:4, None], weights=np.ones(3, np.float32))
    np.save(folder / "planar.npy", pixels.transpose(0, 3, 1, 2))
    same = lambda rows: [[None, sha(np.stack([g] * 3, 2))] for g in rows]
    found["keras"] = [[int(label), pair[1]] for label, pair in zip(labels[:3], same(grey[:3]))]
    found["keras test"] = [[int(label), pair[1]] for label, pair in zip(labels[3:], same(grey[3:]))]
    found["medical"] = [[int(label), sha(p)] for label, p in zip(labels[:3], pixels[:3])]
    found["planar"] = [[None, sha(p)] for p in pixels]
    return found


def photos():
    found = []
    for name in ("photos.tar", "photos.tgz"):
        with tarfile.open(HERE / name, "w:gz" if name.endswith("tgz") else "w", format=tarfile.PAX_FORMAT) as archive:
            for i, path in enumerate(("photos/zoo/" + "long" * 40 + ".png", "photos/bar/b.png", "photos/bar/a.png")):
                data = encoded(image(300 + i, 20), "png")
                info = tarfile.TarInfo(path)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            note = tarfile.TarInfo("photos/readme.txt")
            note.size = 5
            archive.addfile(note, io.BytesIO(b"hello"))
    return [[label, sha(image(300 + i, 20))] for i, label in enumerate((1, 0, 0))]


if __name__ == "__main__":
    sets = {"lsun": lsun(), "digits": digits(), "cifar": cifar(), "hundred": hundred(), "numpy": arrays(), "photos": photos()}
    json.dump(sets, (HERE / "formats.json").open("w"), indent=0)
