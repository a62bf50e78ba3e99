"""Rendered pictures as files: JPEG (quality, subsampling), PNG (8 bit) and TIFF (16 bit) without loss."""

from __future__ import annotations

import base64
import io
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from invisp_deploy.errors import ImageFileError, RequestError
from invisp_deploy.files import whole_file
from invisp_deploy.formats import jpeg, png
from invisp_deploy.formats.first_page import append_directories, first_page_tags
from invisp_deploy.formats.gain_map import (
    GAIN_MAP_LAYER,
    GainMap,
    gain_map_of,
    packet_with_gain_map,
    packet_without_gain_map,
    second_image,
    with_gain_map,
)
from invisp_deploy.formats.layers import Layers, to_packets
from invisp_deploy.formats.limits import MAX_PIXELS
from invisp_deploy.formats.metadata import NONE, ORIENTATION, Metadata, read_tiff
from invisp_deploy.formats.multi_picture import with_index
from invisp_deploy.formats.orientation import ORIENTATIONS, WORDS, one_after
from invisp_deploy.formats.picture_header import (
    ICC_TAG,
    TIFF_TAG,
    PictureHeader,
    check_segments,
    header_of,
    opened_picture,
    packed_for_tiff,
    read_picture_header,
)
from invisp_deploy.formats.picture_tags import fitting_jpeg, of_picture, of_tiff
from invisp_deploy.formats.pixels import Pixels, Rows, pixels_of, rows_of_image
from invisp_deploy.formats.record import LAYER, Record, damaged_record
from invisp_deploy.formats.untouched import samples_digest, untouched_jpeg, untouched_samples
from invisp_deploy.formats.walk import PICTURE_SUFFIXES

_PNG_XMP: Final = b"XML:com.adobe.xmp"
_MOST_TIFF: Final = 1 << 30


@dataclass(frozen=True)
class JpegForm:
    """How a JPEG is coded. quality: 1 to 100. subsampling: of `SUBSAMPLINGS`.

    small: progressive, 6 to 10 % smaller with the same pixels, for twice the time and memory of coding. web: layers
    larger than a segment stand behind the picture.
    """

    quality: int = 90
    subsampling: str = "4:2:2"
    small: bool = False
    web: bool = False


@dataclass(frozen=True)
class Picture:
    """(H, W, 3) uint8 or uint16 sRGB in sensor order, the way back (None if it carries none), the metadata.

    layers: what it carries beside the record and the gain map. orientation: EXIF's, of a file without a record; a
    record has its own. notes: sentences about what was read and is not as it was rendered. fault: why the way back that
    the file carries is not of these pixels or was left out; empty unless that was forced. gain_map: None where it
    carries none, or one that is not as it was written. layers_of: makes, when a file is written, those layers that are
    of its very pixels; it is called with these and the record's digest.
    """

    pixels: Pixels
    record: Record | None
    metadata: Metadata = NONE
    layers: Layers = field(default_factory=dict)
    orientation: int = 1
    notes: tuple[str, ...] = ()
    fault: str = ""
    gain_map: GainMap | None = None
    layers_of: Callable[[Rows, str], Layers] | None = None

    def save(
        self,
        path: str | Path,
        *,
        quality: int = 90,
        subsampling: str = "4:2:2",
        small: bool = False,
        web: bool = False,
        overwrite: bool = True,
    ) -> tuple[str, ...]:
        """Write it as .jpg, .png (8 bit) or .tif (16 bit), whole or not at all; as `write_picture`."""
        how = JpegForm(quality, subsampling, small, web)
        return write_picture(Path(path), self, how, overwrite=overwrite)


def bit_depth(path: Path) -> int:
    """Bits per colour that a file of that name stores; RequestError for an ending that is no picture's."""
    suffix = path.suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        raise RequestError(
            f"A rendered picture is written as {', '.join(PICTURE_SUFFIXES)}, got the name {path.name}: choose one."
        )
    return 16 if suffix in (".tif", ".tiff") else 8


def write_picture(
    path: Path, picture: Picture, form: JpegForm = JpegForm(), *, overwrite: bool = True
) -> tuple[str, ...]:
    """Write a picture, whole or not at all, with its metadata, orientation, sRGB profile and the way back.

    Returns a sentence on each thing that the format does not hold.

    Pixels are uint8 for JPEG and PNG, uint16 for TIFF. form: of a JPEG. Raises RequestError for another depth or
    ending, a picture without a record, and a file that is there and not to be overwritten; ImageFileError for a gain
    map larger than the picture; OutputError.
    """
    from PIL import Image

    suffix = path.suffix.lower()
    pixels, record = picture.pixels, _record_of(picture)
    if pixels.dtype.itemsize * 8 != bit_depth(path):
        raise RequestError(f"{path} stores {bit_depth(path)} bits a colour, the picture has {pixels.dtype}.")
    if (gain_map := picture.gain_map) is not None:
        gain_map.check_size(*pixels.shape[:2])
    metadata = _metadata_of(picture, record)
    notes: tuple[str, ...] = ()
    with whole_file(path, overwrite=overwrite) as part:
        if suffix in (".jpg", ".jpeg"):
            pieces, notes = coded_jpeg(picture, form)
            with part.open("wb") as file:
                file.writelines(pieces)
        elif suffix == ".png":
            from PIL.PngImagePlugin import PngInfo

            text = PngInfo()
            record = replace(record, digest=samples_digest(pixels))
            picture = _finished(picture, record)
            for packet in to_packets(_carried(record, picture), png.MOST_PACKET):
                text.add_text(png.packet_key(packet), base64.b64encode(packet).decode(), zip=len(packet) > 4096)
            if metadata.xmp:
                text.add(b"iTXt", _PNG_XMP + bytes(5) + metadata.xmp)
            block = metadata.exif_block()
            Image.fromarray(pixels).save(part, "PNG", exif=block, icc_profile=srgb_profile(), pnginfo=text)
        else:
            record = replace(record, digest=samples_digest(pixels))
            picture = _finished(picture, record)
            _write_tiff(part, pixels, record, of_tiff(metadata), picture)
    return notes


def coded_jpeg(picture: Picture, form: JpegForm = JpegForm()) -> tuple[jpeg.Pieces, tuple[str, ...]]:
    """The bytes of a JPEG file in pieces, with all that `write_picture` writes, and its sentences.

    Raises RequestError for pixels other than uint8 and for a picture without a record, ImageFileError as
    `write_picture`.
    """
    from PIL import Image

    record = _record_of(picture)
    if picture.pixels.dtype.itemsize != 1:
        raise RequestError(f"A JPEG stores 8 bits a colour, the picture has {picture.pixels.dtype}.")
    if (gain_map := picture.gain_map) is not None:
        gain_map.check_size(*picture.pixels.shape[:2])
    metadata, notes = fitting_jpeg(_metadata_of(picture, record))
    image = Image.fromarray(picture.pixels)
    block = b"Exif\0\0" + metadata.exif_block()
    packet = metadata.xmp if gain_map is None and metadata.xmp else None
    how = {"quality": form.quality, "subsampling": form.subsampling, "exif": block, "xmp": packet}
    data = _coded(image, how, small=False)
    record = replace(record, quality=form.quality, subsampling=form.subsampling, digest=jpeg.pixels_digest(data))
    if form.small:
        data = _coded(image, how, small=True)
        record = replace(record, own_codes=jpeg.pixels_digest(data))
    del image
    pieces, more = _with_all(data, metadata.xmp, record, _finished(picture, record, data), web=form.web)
    return pieces, notes + more


def _record_of(picture: Picture) -> Record:
    if picture.record is None:
        raise RequestError("Only a picture that carries its way back is written: render one.")
    return picture.record


def _metadata_of(picture: Picture, record: Record) -> Metadata:
    height, width = picture.pixels.shape[:2]
    return of_picture(picture.metadata, record.facts.orientation, width, height)


def read_picture(path: str | Path, *, force: bool = False, max_pixels: float = MAX_PIXELS) -> Picture:
    """Read a picture in sensor order (the EXIF orientation is not applied). Its bytes say what it is, not its name.

    A JPEG that was coded again without loss is as it was; a picture that was turned or mirrored without loss is turned
    back, and a note says so. What a viewer wrote as orientation is followed in the record's facts.

    force: a record or another layer that is damaged is left out, a way back of other pixels is taken, and a note says
    so. max_pixels: in
    megapixels. Raises MissingFileError if there is no such file, ImageFileError for anything that is no complete RGB
    picture, larger than `max_pixels`, a damaged way back, or pixels that are not those that were rendered.
    """
    path = Path(path)
    with opened_picture(path) as stream:
        header = header_of(stream, path, max_pixels)
        if header.colour != "RGB" or header.bits not in ((8, 16) if header.kind == "TIFF" else (8,)):
            raise ImageFileError(
                f"{path} is a {header.kind} of {header.colour} with {header.bits} bits, expected RGB as we render it: "
                "8 bits, in a TIFF 8 or 16."
            )
        faults: list[str] = []
        try:
            record = record_in(header, str(path), force=force)
        except ImageFileError as error:
            if not force:
                raise
            record = None
            faults.append(str(error))
        stream.seek(0)
        decoded = _decoded_jpeg if header.kind == "JPEG" else _decoded_samples
        pixels, metadata, stored, turned = decoded(stream, header, record, faults, force, str(path))
        gain_map, why = _gain_map(stream, header, pixels)
    notes = [f"forced: {fault}" for fault in faults]
    for name in header.damaged.keys() - {"", LAYER, GAIN_MAP_LAYER}:
        notes.append(f"forced: the layer {name} of {path} is left out: {header.damaged[name]}.")
    notes += [f"the gain map of {path} is left out: {why.rstrip('.')}."] if why else []
    if record is None or faults:
        notes += _notes_of_profile(header)
    if record is not None:
        if turned != 1:
            notes.append(f"{path} was {WORDS[turned]} since it was rendered: it is turned back.")
        shown = record.facts.orientation if stored not in ORIENTATIONS else one_after(turned, stored)
        record = replace(record, facts=replace(record.facts, orientation=shown), forced=record.forced or bool(faults))
    if GAIN_MAP_LAYER in {**header.layers, **header.damaged}:
        metadata = replace(metadata, xmp=packet_without_gain_map(metadata.xmp))
    layers = {name: data for name, data in header.layers.items() if name not in (LAYER, GAIN_MAP_LAYER)}
    own = stored if stored in ORIENTATIONS else 1
    return Picture(pixels, record, metadata, layers, own, tuple(notes), "".join(faults), gain_map)


def import_coder(path: Path) -> None:
    """Import what writes a file of that ending, DNGs included, ahead of the moment when it is needed."""
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile  # noqa: F401
    else:
        from PIL import Image

        Image.preinit()
        srgb_profile()


def carried_record(path: str | Path, max_pixels: float = MAX_PIXELS) -> Record | None:
    """The way back that a picture carries, None where it carries none; pixels are not decoded.

    Raises MissingFileError if there is no such file, ImageFileError for what is no picture or a damaged way back.
    """
    return record_in(read_picture_header(path, max_pixels), str(path))


def record_in(header: PictureHeader, source: str, *, force: bool = False) -> Record | None:
    """The same of a header; `source` names the file in the ImageFileError. force: other layers may be damaged."""
    for name, why in header.damaged.items():
        if name in ("", LAYER):
            raise damaged_record(source, f"{name or 'what it carries'}: {why}")
        if name != GAIN_MAP_LAYER and not force:
            raise ImageFileError(
                f"What {source} carries beside its record is damaged ({name}: {why}): use the file as it was rendered, "
                "or pass `force` to go on without."
            )
    return Record.from_bytes(header.layers[LAYER], source) if LAYER in header.layers else None


_Decoded = tuple[Pixels, Metadata, int, int]
"""Pixels in sensor order, metadata, the orientation that the file states (0 if none), how its pixels were turned."""


def _decoded_jpeg(
    stream: BinaryIO, header: PictureHeader, record: Record | None, faults: list[str], force: bool, source: str
) -> _Decoded:
    from PIL.JpegImagePlugin import JpegImageFile  # of this format alone, and without Pillow's own limit

    data = stream.read(_most_bytes(header))
    turned = 1
    if record is not None and header.jpeg is not None:
        try:
            data_then, turned = untouched_jpeg(data, header.jpeg, record, source)
        except ImageFileError as error:
            _go_on(error, header, record, faults, force=force)
            data_then = data
    else:
        data_then = data
    image = JpegImageFile(io.BytesIO(data_then))
    metadata, stored = _metadata(image if data_then is data else JpegImageFile(io.BytesIO(data)))
    return pixels_of(image), metadata, stored, turned


def _decoded_samples(
    stream: BinaryIO, header: PictureHeader, record: Record | None, faults: list[str], force: bool, source: str
) -> _Decoded:
    pixels: Pixels
    if header.kind == "PNG":
        from PIL.PngImagePlugin import PngImageFile

        image = PngImageFile(stream)
        pixels = pixels_of(image)
        metadata, stored = _metadata(image)
    else:
        import tifffile

        with tifffile.TiffFile(stream) as tiff:
            page: Any = tiff.pages.first
            check_segments(stream, page)
            pixels = page.asarray()
            tag = page.tags.get(ORIENTATION)
            stored = int(tag.value) if tag is not None and isinstance(tag.value, int) else 0
        stream.seek(0)
        metadata = read_tiff(stream)
    turned = 1
    if record is not None:
        try:
            pixels, turned = untouched_samples(pixels, record, source)
        except ImageFileError as error:
            _go_on(error, header, record, faults, force=force)
    return pixels, metadata, stored, turned


def _gain_map(stream: BinaryIO, header: PictureHeader, pixels: Pixels) -> tuple[GainMap | None, str]:
    """The gain map of a picture with these pixels in sensor order; None and why, where it is not as it was written."""
    if GAIN_MAP_LAYER not in header.layers:
        return None, header.damaged.get(GAIN_MAP_LAYER, "")
    try:
        found = gain_map_of(header.layers[GAIN_MAP_LAYER], header.jpeg, stream)
        found.check_size(*pixels.shape[:2])
    except (ImageFileError, ValueError) as error:
        return None, str(error)
    return found, ""


def _go_on(error: ImageFileError, header: PictureHeader, record: Record, faults: list[str], *, force: bool) -> None:
    """Raise that error, unless it was asked to go on and the sizes allow it."""
    if not force or (header.height, header.width) != (record.height, record.width):
        raise error
    faults.append(str(error))


def _metadata(image: Any) -> tuple[Metadata, int]:
    """Metadata and orientation of a picture of Pillow's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on damaged directories
        block = image.info.get("exif", b"")
        try:
            stored = image.getexif().get(ORIENTATION, 0)
        except Exception:  # a damaged directory says nothing
            stored = 0
    return Metadata.from_bytes(block, image.info.get("xmp", b"")), stored if isinstance(stored, int) else 0


def _most_bytes(header: PictureHeader) -> int:
    """Bytes that a JPEG of that size may take, layers and metadata included; what is behind is not read."""
    return 8 * header.height * header.width + sum(map(len, header.layers.values())) + (1 << 24)


def _notes_of_profile(header: PictureHeader) -> list[str]:
    """A note where a picture that is not as we rendered it says that its colours are others than sRGB."""
    if not header.profile or header.profile == srgb_profile():
        return []
    from PIL import ImageCms

    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(header.profile))).strip()
    except (ImageCms.PyCMSError, OSError):
        name = "that cannot be read"
    return [] if "srgb" in name.lower() else [f"its colours are of the profile {name} and were taken for sRGB."]


def _coded(image: Any, how: dict[str, Any], *, small: bool) -> bytes:
    """small: in scans with Huffman codes made for them, for which libjpeg keeps all coefficients."""
    stream = io.BytesIO()  # given a file, Pillow takes a short write on a full disk for a whole one
    image.save(stream, "JPEG", icc_profile=srgb_profile(), progressive=small, **how)
    return stream.getvalue()


def _finished(picture: Picture, record: Record, data: bytes = b"") -> Picture:
    """With the layers that are of its pixels as they are stored: those of a JPEG, or as they are."""
    if picture.layers_of is None:
        return picture
    if not data:
        return replace(picture, layers={**picture.layers, **picture.layers_of(_rows_of(picture.pixels), record.digest)})
    from PIL.JpegImagePlugin import JpegImageFile

    with JpegImageFile(io.BytesIO(data)) as image:
        image.load()
        rows = rows_of_image(image)
        return replace(picture, layers={**picture.layers, **picture.layers_of(rows, record.digest)})


def _rows_of(pixels: Pixels) -> Rows:
    return lambda top, bottom: pixels[top:bottom]


def _with_all(
    data: bytes, packet: bytes, record: Record, picture: Picture, *, web: bool
) -> tuple[jpeg.Pieces, tuple[str, ...]]:
    """A JPEG in pieces with all that the picture carries, and sentences on what had to be left out for it.

    packet: XMP, which the JPEG does not hold yet where the picture has a gain map. web: layers that one segment does
    not hold stand in the header of the second picture, the gain map or else one of 8x8 pixels.
    """
    carried = _carried(record, picture, in_jpeg=True)
    large = {name: layer for name, layer in carried.items() if web and len(layer) > jpeg.MOST_PACKET}
    front = to_packets({name: layer for name, layer in carried.items() if name not in large}, jpeg.MOST_PACKET)
    behind = to_packets(large, jpeg.MOST_PACKET)
    if picture.gain_map is not None:
        second = jpeg.with_packets(second_image(picture.gain_map), behind)
        packet, notes = packet_with_gain_map(packet, sum(map(len, second)))
        return with_gain_map(data, packet, front, second), notes
    if not large:
        return jpeg.with_packets(data, front), ()
    scan = jpeg.start_of_scan(data)
    head = jpeg.with_packets(memoryview(data)[:scan], front)
    second = jpeg.with_packets(jpeg.written_by_pillow(75, "4:2:0"), behind)
    return with_index([*head, memoryview(data)[scan:]], len(head), second), ()


def _carried(record: Record, picture: Picture, *, in_jpeg: bool = False) -> Layers:
    """All layers of a picture's file; a JPEG's gain map stands behind its pixels."""
    carried = {LAYER: record.to_bytes(), **picture.layers}
    if picture.gain_map is not None:
        carried[GAIN_MAP_LAYER] = picture.gain_map.to_layer(in_jpeg=in_jpeg)
    return carried


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """LittleCMS's sRGB profile with a fixed date, so that equal input gives equal bytes."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    return bytes(profile)


def _write_tiff(path: Path, pixels: Pixels, record: Record, metadata: Metadata, picture: Picture) -> None:
    import tifffile

    carried, profile = packed_for_tiff(to_packets(_carried(record, picture), _MOST_TIFF)), srgb_profile()
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb",
        byteorder="<",
        compression="zlib",
        predictor=True,
        rowsperstrip=64,
        metadata=None,
        resolution=(72, 72),
        resolutionunit="INCH",
        software="invisp-deploy",
        extratags=[
            (274, 3, 1, record.facts.orientation, True),
            (TIFF_TAG, 7, len(carried), carried, True),
            (ICC_TAG, 7, len(profile), profile, True),
            *first_page_tags(metadata),
        ],
    )
    append_directories(path, metadata)
