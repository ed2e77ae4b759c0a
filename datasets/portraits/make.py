"""Makes the embedded portrait set from the npm package emoji-datasource-google 16.0.0.

    npm pack emoji-datasource-google@16.0.0
    python3 datasets/portraits/make.py emoji-datasource-google-16.0.0.tgz

Writes selection.txt beside this script and portraits.png into crates/mg-data/portraits, and checks both, and the
pixels, against the hashes below. `--check` compares and writes nothing. Needs pillow; nothing is downloaded.
"""

import argparse
import hashlib
import io
import json
import struct
import sys
import tarfile
import zlib
from pathlib import Path

from PIL import Image

PACKAGE = "emoji-datasource-google 16.0.0"
PACKAGE_SHA256 = "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438"
PIXELS_SHA256 = "3e0dc90eadaf1b6ecde4fe45c350f482d504ebfa79b40c9bde4deb93a35abde1"
SELECTION_SHA256 = "879fbc9d9deeb75c7ffcd7b9ee5d27dd277c82a722977decb5a7bbce9bb2acc3"

SIDE = 64
CLASSES = ["person", "smiley"]
PERSON = {"person", "person-role", "person-gesture"}
SMILEY_PREFIX = "face-"

# Not portraits: an ear and a hand at the border, half figures from the side with a small head, a skull.
# The costumes are masks, a ghost, a robot and the like, not faces of the smileys' kind.
LEFT_OUT_SUBCATEGORIES = {"face-costume"}
LEFT_OUT = {
    "deaf_person", "deaf_man", "deaf_woman",
    "pregnant_woman", "pregnant_man", "pregnant_person",
    "breast-feeding", "woman_feeding_baby", "man_feeding_baby", "person_feeding_baby",
    "skull", "skull_and_crossbones",
}

HERE = Path(__file__).resolve().parent
STRIP = HERE.parent.parent / "crates" / "mg-data" / "portraits" / "portraits.png"


def class_of(emoji):
    subcategory = emoji["subcategory"]
    if emoji["short_name"] in LEFT_OUT or subcategory in LEFT_OUT_SUBCATEGORIES:
        return None
    if subcategory in PERSON:
        return 0
    return 1 if subcategory.startswith(SMILEY_PREFIX) else None


def select(emoji):
    """Rows (class, subcategory, short name, skin, file), persons first, in Unicode's own order."""
    rows = []
    for e in sorted(emoji, key=lambda e: e["sort_order"]):
        if class_of(e) is None:
            continue
        tones = [("-", e)] + sorted(e.get("skin_variations", {}).items())
        for skin, image in tones:
            if not image["has_img_google"]:
                raise SystemExit(f"{image['image']} is not a Google image: the package has changed")
            rows.append((class_of(e), e["subcategory"], e["short_name"], skin, image["image"]))
    return sorted(rows, key=lambda row: row[0])


def on_white(png):
    """RGB bytes of one 64x64 image: (c a + 255 (255 - a)) / 255, rounded to nearest."""
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    if image.size != (SIDE, SIDE):
        raise SystemExit(f"an image is {image.size[0]} x {image.size[1]} pixels, not {SIDE} x {SIDE}")
    rgba = image.tobytes()
    out = bytearray()
    for i in range(0, len(rgba), 4):
        a = rgba[i + 3]
        out += bytes((2 * (c * a + 255 * (255 - a)) + 255) // 510 for c in rgba[i:i + 3])
    return bytes(out)


def png_of(pixels):
    """One PNG, 64 pixels wide, every image under the one before. Rows are unfiltered: skin variations then repeat
    their neighbour's bytes, and the file is a third smaller than one PNG for each image."""
    width = 3 * SIDE
    lines = b"".join(b"\0" + pixels[start:start + width] for start in range(0, len(pixels), width))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", SIDE, len(pixels) // width, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9)
    body = packer.compress(lines) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def check(what, data, expected):
    found = hashlib.sha256(data).hexdigest()
    print(f"{what}: {len(data):,} bytes, sha256 {found}")
    if found != expected:
        sys.exit(f"{what}: expected sha256 {expected}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help=f"the tarball of {PACKAGE}")
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    arguments = parser.parse_args()

    package = arguments.package.read_bytes()
    check("package", package, PACKAGE_SHA256)
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        emoji = json.load(tar.extractfile("package/emoji.json"))
        rows = select(emoji)
        wanted = {f"package/img/google/{SIDE}/{row[4]}" for row in rows}
        files = {m.name: tar.extractfile(m).read() for m in tar if m.name in wanted}
    images = [on_white(files[f"package/img/google/{SIDE}/{row[4]}"]) for row in rows]

    selection = "".join(f"{CLASSES[row[0]]}\t" + "\t".join(row[1:]) + "\n" for row in rows).encode()
    pixels = b"".join(images)
    for k, name in enumerate(CLASSES):
        print(f"class {k} {name}: {sum(row[0] == k for row in rows)} images")
    print(f"different images: {len(set(images))} of {len(images)}")
    check("selection.txt", selection, SELECTION_SHA256)
    check("pixels", pixels, PIXELS_SHA256)

    if arguments.check:
        kept = Image.open(STRIP)
        same = (HERE / "selection.txt").read_bytes() == selection and kept.tobytes() == pixels
        sys.exit(None if same else "the committed files differ")
    strip = png_of(pixels)
    (HERE / "selection.txt").write_bytes(selection)
    STRIP.write_bytes(strip)
    # The compressed bytes depend on the zlib at hand, the pixels do not.
    print(f"{STRIP.name}: {len(strip):,} bytes, sha256 {hashlib.sha256(strip).hexdigest()}")


if __name__ == "__main__":
    main()
