"""Show gain maps and AVIFs of ours in Chromium without a screen: python scripts/check_hdr.py

Chromium paints each picture on a canvas of half floats that is told how much more than white a screen shows
(`globalHDRHeadroom`), and the linear values are compared with the formula of docs/hdr.md, and with what an AVIF was
written from. This needs no HDR screen and says nothing of one: what is shown is that the browser finds the gain map and
computes with it as it should. One line for each picture; exit code 1 at the first that disagrees; a line and exit code
0 where there is no Chromium.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from invisp_deploy.formats.gain_map import OFFSET, GainMap
from invisp_deploy.formats.hdr import Linear, write_avif
from invisp_deploy.formats.metadata import Metadata
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.record import Record
from invisp_deploy.isp.frame import FrameFacts
from invisp_deploy.isp.recipe import Recipe

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-gpu-rasterization", "--ignore-gpu-blocklist"),
    *("--enable-experimental-web-platform-features", "--enable-blink-features=CanvasGlobalHDRHeadroom"),
    *("--virtual-time-budget=20000", "--dump-dom"),
)
SECONDS = 120
SHOWN = (1, 2, 4, 16)  # of white's luminance
PATCH, PATCHES = 32, 8
LARGEST_DIFFERENCE = {True: 0.001, False: 0.02}
"""Of the value. Grey: three digits; a half float has 11 bits. Colours: the browser's conversion from luma and chroma,
which is done while painting, may differ from libjpeg's by one code of either JPEG.
"""
LARGEST_DIFFERENCE_OF_AVIF = 0.02
"""Of the value: 10 bits of PQ are steps of 1 % where it is darkest."""
PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
)
PAGE = """<!doctype html><body><script>
const picture = new Image();
picture.onload = async () => {
  const found = [];
  await picture.decode();
  for (const shown of SHOWN) {
    const canvas = document.createElement("canvas");
    canvas.width = picture.width;
    canvas.height = picture.height;
    const context = canvas.getContext("2d", {colorSpace: "srgb-linear", colorType: "float16"});
    context.globalHDRHeadroom = Math.log2(shown);
    context.drawImage(picture, 0, 0);
    const whole = context.getImageData(0, 0, canvas.width, canvas.height, {pixelFormat: "rgba-float16"}).data;
    const row = [];
    for (let y = PATCH / 2; y < canvas.height; y += PATCH)
      for (let x = PATCH / 2; x < canvas.width; x += PATCH)
        row.push(Array.from(whole.slice((y * canvas.width + x) * 4, (y * canvas.width + x) * 4 + 3)));
    found.push(row);
  }
  const text = document.createElement("pre");
  text.textContent = JSON.stringify(found);
  document.body.append(text);
};
picture.src = "data:image/KIND;base64,DATA";
</script></body>"""

Values = npt.NDArray[np.float64]


def main() -> None:
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        print(f"not shown: there is none of {', '.join(NAMES)} here. On Debian: sudo apt-get install chromium")
        return
    said = subprocess.run([browser, "--version"], capture_output=True, text=True, check=True).stdout
    version = " ".join(said.split()[:2])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for words, grey, step, packet, behind in (
            ("grey, a gain map of its size", True, 1, b"", 0),
            ("grey, a gain map of a quarter of its sides, an XMP packet of its own", True, 4, PACKET, 0),
            ("grey, a gain map in which stands a layer of 5 MB", True, 2, b"", 5_000_000),
            ("colours, a gain map of half its sides", False, 2, b"", 0),
        ):
            path = written(folder / "a.jpeg", grey, step, packet, behind)
            compare(f"{version}: {words}", seen(browser, path, folder), expected(path), LARGEST_DIFFERENCE[grey])
        linear = brightening()
        write_avif(folder / "a.avif", linear, quality=100)
        shown = seen(browser, folder / "a.avif", folder)[-1]  # on darker screens the browser maps tones by its own rule
        compare(f"{version}: an AVIF", shown, middles(linear, PATCH), LARGEST_DIFFERENCE_OF_AVIF, SHOWN[-1:])


def compare(words: str, found: Values, wanted: Values, most: float, screens: tuple[int, ...] = SHOWN) -> None:
    difference = np.abs(found / wanted - 1).max()
    if not difference <= most:
        sys.exit(f"FAILED in {words}: {difference:.4f} of the value beside what it should be")
    times = ", ".join(map(str, screens))
    print(f"shown by {words}: within {difference:.4f} of the value, on screens of {times} times white")


def brightening() -> Linear:
    """Grey patches, from a sixteenth of white to eight times white."""
    stops = np.linspace(-4, 3, PATCHES * PATCHES, dtype=np.float16).reshape(PATCHES, PATCHES)
    return (2**stops).repeat(PATCH, 0).repeat(PATCH, 1)[..., None].repeat(3, 2)


def written(path: Path, grey: bool, step: int, packet: bytes, behind: int) -> Path:
    """Patches, each of other codes and gains, in each channel if not grey; the map's sides are a `step`-th. behind:
    bytes of a layer in the gain map.
    """
    rng = np.random.default_rng(1)
    codes, gains = rng.integers((64, 0), (255, 256), (3, PATCHES, PATCHES, 2)).astype(np.uint8).transpose(3, 1, 2, 0)
    if grey:
        codes, gains = codes[..., :1].repeat(3, -1), gains[..., :1].repeat(3, -1)
    gains[0, 0], gains[-1, -1] = 0, 255
    side = PATCH * PATCHES
    facts = FrameFacts("RGGB", (0.0,) * 4, 4095, (2.0, 1.0, 1.5), 1, None, "", "")
    record = Record("ab" * 32, "fp32", facts, Recipe("RGGB", (0.0,) * 4, 4095.0, (2.0, 1.0, 1.5), "bt709"), side, side)
    stream = io.BytesIO()
    Image.fromarray(enlarged(gains, PATCH // step)).save(stream, "JPEG", quality=98, subsampling=0)
    gain_map = GainMap(stream.getvalue(), 37)
    layers = {"large": rng.bytes(behind)} if behind else {}
    Picture(enlarged(codes, PATCH), record, Metadata(xmp=packet), layers, gain_map=gain_map).save(path, web=True)
    return path


def enlarged(patches: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    return patches.repeat(size, 0).repeat(size, 1)


def expected(path: Path) -> Values:
    """(screens, patches, 3): the formula of docs/hdr.md at the middle of each patch."""
    picture = read_picture(path)
    gain_map = picture.gain_map
    if gain_map is None:
        sys.exit(f"FAILED: we do not find the gain map of our own file: {picture.notes}")
    with Image.open(io.BytesIO(gain_map.image)) as image:
        stored = np.asarray(image)
    base, gains = (middles(pixels, pixels.shape[0] // PATCHES) / 255 for pixels in (picture.pixels, stored))
    linear = np.where(base <= 0.04045, base / 12.92, ((base + 0.055) / 1.055) ** 2.4)
    weights = [min(np.log2(shown) / gain_map.stops, 1) for shown in SHOWN]
    return np.array([(linear + 1 / OFFSET) * 2 ** (gains * gain_map.stops * weight) - 1 / OFFSET for weight in weights])


def middles(pixels: npt.NDArray[Any], patch: int) -> Values:
    return pixels[patch // 2 :: patch, patch // 2 :: patch].reshape(-1, 3).astype(np.float64)


def seen(browser: str, path: Path, folder: Path) -> Values:
    """(screens, patches, 3): the linear values that the browser paints."""
    page = PAGE.replace("SHOWN", str(list(SHOWN))).replace("PATCH", str(PATCH)).replace("KIND", path.suffix[1:])
    (folder / "page.html").write_text(page.replace("DATA", base64.b64encode(path.read_bytes()).decode()))
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", (folder / "page.html").as_uri()]
    if os.geteuid() == 0:
        command.insert(1, "--no-sandbox")  # which it does not start without as root
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    found = re.search("<pre>(.*)</pre>", done.stdout)
    if found is None:
        sys.exit(f"FAILED in {browser}, exit code {done.returncode}: it painted nothing: {done.stderr[-1000:]}")
    return np.array(json.loads(found[1]))


if __name__ == "__main__":
    main()
