"""From a file to upright, bare sRGB JPEGs: check the header, decode once, prove each size.

Pillow's classes are opened directly, not through `Image.open`: no guessing of formats, and our
budgets in place of its process-wide bomb guard.
"""

from __future__ import annotations

import errno
import io
import math
import mmap
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, Final

import cykooz_resizer
import pillow_heif
from PIL import Image, ImageChops, ImageCms, JpegImagePlugin, PngImagePlugin

from images.media import exif, formats, jpeg, variants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from images.media.formats import Format
    from images.media.variants import Spec

Size = tuple[int, int]

MEGAPIXEL: Final = 1_000_000

# A baseline JPEG is decoded row by row and at a fraction of its size; everything else stands in
# memory as a whole, at 4 bytes a pixel and more.
MAX_PIXELS_BY_ROWS: Final = 250 * MEGAPIXEL
MAX_PIXELS_AS_A_WHOLE: Final = 64 * MEGAPIXEL

# Every scan of a progressive JPEG costs a pass over the picture; encoders write about ten.
MAX_SCANS: Final = 100

# pillow-heif must neither look at nor decode anything beside the picture itself.
pillow_heif.options.THUMBNAILS = False
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False


class BadPicture(Exception):
    """The file gives no picture, and trying again will not help. The text is for a person."""

    def __init__(self, reason: str, sentence: str) -> None:
        self.reason = reason
        super().__init__(sentence)


class NotBare(Exception):
    """A rendered file carries something other than pixels."""


@dataclass(frozen=True)
class Header:
    """What the beginning of a file says. Width and height are those of the upright picture."""

    format: Format
    width: int
    height: int


@dataclass(frozen=True)
class Rendered:
    """One variant, as a file."""

    name: str
    path: Path
    width: int
    height: int
    byte_size: int
    content_type: str


def inspect(path: Path) -> Header:
    """Read the header and hold it against the budgets. Decodes nothing."""
    try:
        format_ = formats.sniff(path)
    except formats.NotAnImage as error:
        raise BadPicture("not-an-image", str(error)) from error
    except formats.UnsupportedFormat as error:
        raise BadPicture("unsupported-format", str(error)) from error
    with _damage_made_plain():
        if format_ is formats.JPEG:
            (width, height), orientation = _inspect_jpeg(path)
        elif format_ is formats.PNG:
            (width, height), orientation = _inspect_png(path)
        else:
            # libheif applies irot and imir; the EXIF tag says the same thing once more.
            (width, height), orientation = pillow_heif.open_heif(path).size, None
            _check_pixels((width, height), MAX_PIXELS_AS_A_WHOLE)
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Header(format_, width, height)


def render(
    path: Path,
    *,
    header: Header,
    orientation: int | None,
    into: Path,
    specs: tuple[Spec, ...] = variants.ALL,
) -> list[Rendered]:
    """Write each variant as a JPEG into the folder `into`, proved to be bare.

    `header` is that of `inspect`. `orientation` is the EXIF tag; a HEIC's is ignored, because its
    pixels come turned. A truncated file is a bad picture: half a photo is not what a guest sent.
    """
    largest, *smaller = sorted(specs, key=lambda spec: spec.max_edge, reverse=True)
    with _damage_made_plain():
        loaded = _load(path, header.format, largest)
    image = _upright(loaded, header.format, orientation)
    rendered = [_write(image, largest, into)]
    for spec in smaller:
        image = _shrunk(image, target_size(image.size, spec))
        rendered.append(_write(image, spec, into))
    return rendered


def target_size(size: Size, spec: Spec) -> Size:
    """The size of a variant: within `max_edge`, never enlarged, never thinner than a pixel."""
    long_edge = max(size)
    if long_edge <= spec.max_edge:
        return size
    for scale in (2, 4, 8):
        if spec.enough_edge and spec.enough_edge <= -(-long_edge // scale) <= spec.max_edge:
            return -(-size[0] // scale), -(-size[1] // scale)
    width, height = (max(1, round(edge * spec.max_edge / long_edge)) for edge in size)
    return width, height


# Headers

_SCAN_OR_END: Final = re.compile(rb"\xff[\xda\xd9]")  # SOS, EOI


def _inspect_jpeg(path: Path) -> tuple[Size, int | None]:
    with path.open("rb") as file:
        header = jpeg.read_header(file)
        size = header.width, header.height
        if not header.pixels_at or header.components not in {1, 3, 4}:
            raise _damaged()
        if header.bits != 8 or header.frame_marker not in {0xC0, 0xC1, 0xC2}:
            kind = "a JPEG of a rare kind (lossless, arithmetic or 12 bits)"
            raise BadPicture("unsupported-format", str(formats.UnsupportedFormat(kind)))
        if header.is_whole_in_memory:
            _check_pixels(size, MAX_PIXELS_AS_A_WHOLE)
            _check_scans(file, header.pixels_at)
        else:
            _check_pixels(size, MAX_PIXELS_BY_ROWS)
    return size, exif.parse(header.exif).orientation


def _check_scans(file: BinaryIO, pixels_at: int) -> None:
    """Count scans up to the end of the image; within coded data a marker cannot occur by chance."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for scan, found in enumerate(_SCAN_OR_END.finditer(data, pixels_at), start=1):
            if found[0] == bytes((0xFF, jpeg.EOI)):
                break
            if scan > MAX_SCANS:
                raise _damaged()


def _inspect_png(path: Path) -> tuple[Size, int | None]:
    with path.open("rb") as file:
        head = file.read(24)
    if head[12:16] != b"IHDR" or len(head) < 24:
        raise _damaged()
    size = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    _check_pixels(size, MAX_PIXELS_AS_A_WHOLE)
    return size, exif.read(path).orientation


def _check_pixels(size: Size, limit: int) -> None:
    pixels = math.prod(size)
    if min(size) < 1:
        raise _damaged()
    if pixels > limit:
        raise BadPicture(
            "too-many-pixels",
            f"This picture has {pixels / MEGAPIXEL:,.0f} megapixels; "
            f"we can take up to {limit // MEGAPIXEL} of its kind.",
        )


def _damaged() -> BadPicture:
    return BadPicture(
        "damaged", "This picture is damaged or not complete. Please send the original again."
    )


@contextmanager
def _damage_made_plain() -> Iterator[None]:
    """Turn whatever a decoder raises over hostile bytes into `BadPicture`.

    Memory and the disk are nobody's fault: a MemoryError and an error of the operating system pass.
    """
    try:
        yield
    except (BadPicture, MemoryError):
        raise
    except OSError as error:
        # Decoders raise OSError by hand, without a number, or seek where no file goes (EINVAL).
        if error.errno not in {None, errno.EINVAL}:
            raise
        raise _damaged() from error
    except Exception as error:
        # Over 11,000 broken files Pillow raised ValueError, IndexError, TypeError, SyntaxError and
        # KeyError; a list of classes would only ever be the list of those seen so far.
        raise _damaged() from error


# Pixels

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})

_LANCZOS: Final = cykooz_resizer.ResizeOptions(
    cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3)
)


@dataclass(frozen=True)
class _Loaded:
    image: Image.Image
    icc: bytes | None


def _load(path: Path, format_: Format, largest: Spec) -> _Loaded:
    """Decode, shrunk to the largest variant, as the file stores it."""
    if format_ is formats.JPEG:
        return _load_jpeg(path, largest)
    if format_ is formats.PNG:
        return _load_png(path, largest)
    return _load_heic(path, largest)


def _load_jpeg(path: Path, largest: Spec) -> _Loaded:
    with path.open("rb") as file:
        header = jpeg.read_header(file)
        source = io.BufferedReader(jpeg.Pixels(file, header), jpeg.Pixels.BLOCK_BYTES)
        with JpegImagePlugin.JpegImageFile(source) as image:
            target = max(target_size(image.size, largest))
            for scale in (8, 4, 2):
                if -(-max(image.size) // scale) >= target:
                    # The decoder takes the scale by which the picture still covers this size.
                    image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
                    break
            image.load()
            return _Loaded(
                _shrunk(image, target_size((header.width, header.height), largest)), header.icc
            )


def _load_png(path: Path, largest: Spec) -> _Loaded:
    with path.open("rb") as file, PngImagePlugin.PngImageFile(file) as image:
        icc = image.info.get("icc_profile")
        image.load()
        plain = _plain_mode(image)
        return _Loaded(_shrunk(plain, target_size(image.size, largest)), icc)


def _load_heic(path: Path, largest: Spec) -> _Loaded:
    heif = pillow_heif.open_heif(path, remove_stride=False)
    pixels = heif.data
    image = Image.frombytes(heif.mode, heif.size, pixels, "raw", heif.mode, heif.stride)
    plain = _plain_mode(image)
    return _Loaded(_shrunk(plain, target_size(heif.size, largest)), heif.info.get("icc_profile"))


def _plain_mode(image: Image.Image) -> Image.Image:
    """The picture in one of L, RGB, RGBA and CMYK."""
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.point(lambda value: value / 257).convert("L")
    if image.mode == "1":
        return image.convert("L")
    if image.mode in {"LA", "La", "RGBa", "PA"} or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB", "RGBA", "CMYK"} else image.convert("RGB")


def _upright(loaded: _Loaded, format_: Format, orientation: int | None) -> Image.Image:
    """Flattened onto white, in sRGB, and turned."""
    image = loaded.image
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A"))
        image = flat
    image = _in_srgb(image, loaded.icc)
    if format_ is not formats.HEIC and orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    # Pillow's writer repeats what it finds here, a comment for one.
    image.info = {}
    return image


def _shrunk(image: Image.Image, size: Size) -> Image.Image:
    """Lanczos in SIMD, 4 to 8 times faster than Pillow's own and the same to within a level."""
    if image.size == size:
        return image
    small = Image.new(image.mode, size)
    cykooz_resizer.Resizer().resize_pil(image, small, _LANCZOS)
    return small


# Colour

_MODES_BY_COLOUR_SPACE: Final = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}

# Differences of up to so many of 255 levels are those between two descriptions of sRGB.
_SAME_COLOUR: Final = 3


def _in_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert by the embedded profile, if it is one for these pixels and not sRGB itself.

    Without a profile pixels are sRGB already; a profile that cannot be used is as good as none.
    """
    transform = _to_srgb(icc, image.mode) if icc else None
    if transform is not None and image.mode == "RGB":
        return transform.apply_in_place(image)
    if transform is not None:
        return transform.apply(image)
    return image.convert("RGB") if image.mode == "CMYK" else image


# A phone embeds the same profile into every photo.
@lru_cache(maxsize=4)
def _to_srgb(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from this profile to sRGB; None if it is unusable or leads nowhere."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if _MODES_BY_COLOUR_SPACE.get(profile.profile.xcolor_space) != mode:
            return None
        transform = ImageCms.ImageCmsTransform(
            profile, _srgb(), mode, "RGB", ImageCms.Intent.PERCEPTUAL
        )
        sample = _colour_sample(mode)
        moved = ImageChops.difference(transform.apply(sample), sample.convert("RGB"))
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None
    is_elsewhere = max(moved.tobytes()) > _SAME_COLOUR
    return transform if mode == "CMYK" or is_elsewhere else None


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _colour_sample(mode: str) -> Image.Image:
    """Colours all over the space, one a pixel."""
    channels = len(mode) if mode != "L" else 1
    steps = range(0, 256, 51) if channels > 1 else range(256)
    values = [bytes((step,)) for step in steps]
    for _ in range(channels - 1):
        values = [value + bytes((step,)) for value in values for step in steps]
    return Image.frombytes(mode, (len(values), 1), b"".join(values))


# Files


def _write(image: Image.Image, spec: Spec, into: Path) -> Rendered:
    path = into / f"{spec.name}.jpg"
    image.save(path, "JPEG", quality=spec.quality, subsampling="4:2:0")
    prove_bare(path)
    return Rendered(
        name=spec.name,
        path=path,
        width=image.width,
        height=image.height,
        byte_size=path.stat().st_size,
        content_type=formats.JPEG.content_type,
    )


_LENGTHS_ALLOWED: Final = {
    jpeg.DRI: {4},
    jpeg.SOF0: {11, 17},  # one component or three
    jpeg.SOS: {8, 12},
}
_AFTER_CODED_DATA: Final = re.compile(rb"\xff[^\x00\xd0-\xd7]")


def prove_bare(path: Path) -> None:
    """Read a rendered JPEG again: a plain JFIF head, tables, one frame, one scan, and the end."""
    data = path.read_bytes()
    if data[:2] != b"\xff\xd8":
        raise NotBare("does not start like a JPEG")
    at = 2
    once: set[int] = set()
    while True:
        if data[at : at + 1] != b"\xff" or len(data) < at + 4:
            raise NotBare(f"no marker at byte {at}")
        marker = data[at + 1]
        length = int.from_bytes(data[at + 2 : at + 4])
        payload = data[at + 4 : at + 2 + length]
        if len(payload) != length - 2 or not _is_bare(marker, length, payload):
            raise NotBare(f"segment FF{marker:02X} at byte {at}")
        if marker in once:
            raise NotBare(f"a second FF{marker:02X} at byte {at}")
        if marker not in {jpeg.DQT, jpeg.DHT}:
            once.add(marker)
        at += 2 + length
        if marker == jpeg.SOS:
            break
    end = _AFTER_CODED_DATA.search(data, at)
    if end is None or end[0] != bytes((0xFF, jpeg.EOI)) or end.end() != len(data):
        raise NotBare("something behind the pixels")


def _is_bare(marker: int, length: int, payload: bytes) -> bool:
    """True if a segment belongs to the pixels and is filled by what it must hold."""
    if marker == jpeg.APP0:
        # JFIF 1.02: version, density, and a thumbnail of 0 by 0.
        return payload[:5] == b"JFIF\0" and length == 16 and payload[12:] == b"\0\0"
    if marker == jpeg.DQT:
        return length <= 2 + 4 * 65 and (length - 2) % 65 == 0
    if marker == jpeg.DHT:
        return _is_filled_by_tables(payload)
    return length in _LENGTHS_ALLOWED.get(marker, set())


def _is_filled_by_tables(payload: bytes) -> bool:
    """True if Huffman tables fill a DHT segment to its last byte."""
    at = 0
    while at + 17 <= len(payload):
        at += 17 + sum(payload[at + 1 : at + 17])
    return at == len(payload) > 0
