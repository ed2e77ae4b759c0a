"""Images of every form that common tools write, and their pixels as other decoders see them.

    apt install libjpeg-turbo-progs webp imagemagick && pip install pillow numpy
    python forms.py

writes forms.tar.gz beside this script: of each form the file, and its pixels as `NAME.rgb`, width and height in two bytes each,
then rows from the top, red, green and blue; transparent ones lie on white, and an Exif orientation is applied. Jpegs are
decoded by djpeg (libjpeg-turbo), the others by ImageMagick and libwebp.
"""
import io
import itertools
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import numpy as np
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
WORK = pathlib.Path(tempfile.mkdtemp())
FILES = {}
CONVERT = shutil.which("convert-im6") or "convert"  # ImageMagick's


def picture(width, height, channels=3):
    """Smooth, so that decoders which interpolate otherwise are close, and of every colour, so that a mix-up is far."""
    y, x = np.mgrid[0:height, 0:width]
    u, v = x / max(width - 1, 1), y / max(height - 1, 1)
    planes = [40 + 180 * u, 220 - 170 * v, 60 + 120 * (u + v) / 2, 255 - 160 * u * v]
    return np.stack(planes[:channels], -1).round().astype(np.uint8)


def run(*words, data=None):
    return subprocess.run([str(word) for word in words], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


def keep(name, file, pixels):
    height, width, _ = pixels.shape
    FILES[name] = file
    FILES[name + ".rgb"] = bytes([width >> 8, width & 255, height >> 8, height & 255]) + pixels.astype(np.uint8).tobytes()


def pnm(data):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return np.asarray(image)


def jpegs():
    scripts = {
        "one": None,
        "y_cb_cr": "0;\n1;\n2;\n",
        "y_cbcr": "0;\n1,2;\n",
        "ycb_cr": "0,1;\n2;\n",
    }
    samplings = ["1x1", "2x1", "2x2", "1x2", "4x1", "1x4", "4x2", "3x1", "2x1,1x2,1x1"]
    for (width, height), sampling in itertools.product([(17, 13), (48, 33)], samplings):
        source = run(CONVERT, "-size", f"{width}x{height}", "-depth", 8, "rgb:-", "ppm:-", data=picture(width, height).tobytes())
        for (form, script), restart, mode in itertools.product(scripts.items(), ["", "1", "2B"], ["", "-progressive", "-arithmetic"]):
            if (mode == "-progressive" and script) or (mode == "-arithmetic" and (restart or script)):
                continue
            words = ["cjpeg", "-quality", 90, "-sample", sampling] + ([mode] if mode else [])
            words += ["-restart", restart] if restart else []
            if script:
                (WORK / "scans").write_text(script)
                words += ["-scans", WORK / "scans"]
            try:
                file = run(*words, data=source)
            except subprocess.CalledProcessError:
                continue  # a sampling that cannot be interleaved so
            name = f"jpeg-{width}x{height}-{sampling.replace(',', '_')}-{form}{'-r' + restart if restart else ''}{mode}.jpg"
            keep(name, file, pnm(run("djpeg", "-pnm", data=file)))
        for colour, words in {"rgb": ["-rgb"], "grey": ["-grayscale"], "optimised": ["-optimize"]}.items():
            file = run("cjpeg", "-quality", 90, *words, data=source)
            keep(f"jpeg-{width}x{height}-{sampling.replace(',', '_')}-{colour}.jpg", file, pnm(run("djpeg", "-pnm", data=file)))


def pngs():
    for width, height in [(17, 13), (32, 8)]:
        rgba = picture(width, height, 4)
        (WORK / "in.png").write_bytes(run(CONVERT, "-size", f"{width}x{height}", "-depth", 8, "rgba:-", "png:-", data=rgba.tobytes()))
        forms = [(0, d) for d in (1, 2, 4, 8, 16)] + [(3, d) for d in (1, 2, 4, 8)] + [(c, d) for c in (2, 4, 6) for d in (8, 16)]
        for (kind, depth), interlace in itertools.product(forms, ["None", "PNG"]):
            words = [CONVERT, WORK / "in.png"] + (["-alpha", "off"] if kind in (0, 2) else [])
            words += ["-colors", 2**depth] if kind == 3 else []
            words += ["-colorspace", "Gray"] if kind in (0, 4) else []
            words += ["-depth", depth, "-define", f"png:color-type={kind}", "-define", f"png:bit-depth={depth}"]
            try:
                file = run(*words, "-interlace", interlace, "png:-")
            except subprocess.CalledProcessError:
                continue
            on_white = run(CONVERT, "png:-", "-background", "white", "-alpha", "remove", "-depth", 8, "rgb:-", data=file)
            keep(f"png-{width}x{height}-{kind}-{depth}-{interlace}.png", file, np.frombuffer(on_white, np.uint8).reshape(height, width, 3))
        for mode in ("L", "RGB", "P"):  # a transparent colour (tRNS)
            image = Image.fromarray(picture(width, height)).convert(mode)
            transparent = image.getpixel((3, 4))
            out = io.BytesIO()
            image.save(out, "PNG", transparency=transparent)
            opaque = np.asarray(image.convert("RGB")).copy()
            same = np.asarray(image) == np.asarray(transparent)
            opaque[same.all(-1) if same.ndim == 3 else same] = 255
            keep(f"png-{width}x{height}-{mode}-trns.png", out.getvalue(), opaque)


def webps():
    for width, height in [(17, 13), (40, 31)]:
        for channels, words in itertools.product((3, 4), ([], ["-lossless"])):
            Image.fromarray(picture(width, height, channels)).save(WORK / "in.png")
            run("cwebp", "-quiet", *words, WORK / "in.png", "-o", WORK / "out.webp")
            file = (WORK / "out.webp").read_bytes()
            image = Image.open(io.BytesIO(file)).convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            keep(f"webp-{width}x{height}-{channels}{''.join(words)}.webp", file, np.asarray(Image.alpha_composite(white, image).convert("RGB")))
        frames = [Image.fromarray(np.roll(picture(width, height), turn, 0)) for turn in (0, 5)]
        out = io.BytesIO()
        frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
        keep(f"webp-{width}x{height}-animated.webp", out.getvalue(), np.asarray(frames[0]))


def turned():
    for orientation, (ending, form) in itertools.product(range(1, 9), {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}.items()):
        image = Image.fromarray(picture(24, 16))
        exif = Image.Exif()
        exif[0x0112] = orientation
        out = io.BytesIO()
        image.save(out, form, exif=exif, **({"lossless": True} if ending == "webp" else {}))
        seen = ImageOps.exif_transpose(Image.open(io.BytesIO(out.getvalue()))).convert("RGB")
        keep(f"exif-{orientation}.{ending}", out.getvalue(), np.asarray(seen))


def inks():
    for size in [(17, 13), (48, 33)]:
        image = Image.fromarray(picture(*size)).convert("CMYK")
        out = io.BytesIO()
        image.save(out, "JPEG", quality=90)
        seen = Image.open(io.BytesIO(out.getvalue())).convert("RGB")
        keep(f"cmyk-{size[0]}x{size[1]}.jpg", out.getvalue(), np.asarray(seen))


if __name__ == "__main__":
    jpegs(), pngs(), webps(), turned(), inks()
    with tarfile.open(HERE / "forms.tar.gz", "w:gz", compresslevel=9) as tar:
        for name, content in sorted(FILES.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    print(len(FILES) // 2, "forms,", (HERE / "forms.tar.gz").stat().st_size, "bytes")
