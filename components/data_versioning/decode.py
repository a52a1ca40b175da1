"""Picture and mask files to arrays: upright, 8-bit, RGB.

Rules that a reader of the numbers should know:

- The EXIF orientation is applied. A mask, or an annotation, with the size of the unturned photo is
  turned with it; one that has the upright size already is left alone.
- Pictures with more than 8 bits are scaled by their own white level, which is the smallest of
  255, 1023, 4095, 16383 and 65535 that no pixel exceeds.
- Transparency is dropped, grey pictures become RGB with three equal channels.
- A mask has the values 0 and 255, or 0 and 1. Soft edges, as drawing programs make them, are cut
  at half; grey anywhere else is an error, as it may be a class index or a probability. Of a JPEG
  what is within a quarter of black or white is taken for that.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from components.dataset import Image
from components.instances import Mask

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
"""File name endings that are taken for pictures, lower case."""

_WHITE = (255, 1023, 4095, 16383, 65535)
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
_MOST_PIXELS = 200_000_000
_SOFT_EDGE = 2
_JPEG, _RIPPLE = b"\xff\xd8", 64
_TURNS = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""What makes a picture upright, by its EXIF orientation."""


Values = TypeVar("Values", np.bool_, np.uint8)
Colour = tuple[int, int, int]
"""Red, green and blue, 0 .. 255."""


@dataclass(frozen=True)
class Legend:
    """What label maps mean.

    Attributes:
        file: Path of the file that says it.
        names: Classes of the values 1, 2, ...
        colours: Theirs, where label maps are coloured; empty where they hold the values.
        ground: Colours beside black that stand for no class.
    """

    file: str
    names: tuple[str, ...]
    colours: tuple[Colour, ...] = ()
    ground: frozenset[Colour] = frozenset()


class Unusable(Exception):
    """A file that cannot be used as it is.

    Attributes:
        problem: What is wrong with it.
        remedy: What the user can do.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem, self.remedy = problem, remedy


@dataclass(frozen=True)
class Upright:
    """A picture as it is to be looked at.

    Attributes:
        picture: (height, width, 3).
        orientation: Its EXIF orientation, 1 .. 8; 1 when it needed no turn.
        raw: (height, width) of the file before turning.
    """

    picture: Image
    orientation: int
    raw: tuple[int, int]

    def turn(self, mask: NDArray[Values]) -> NDArray[Values]:
        """A mask of this picture, turned upright if it has the size of the unturned file.

        Raises:
            Unusable: If it has neither the file's size nor the upright picture's.
        """
        if mask.shape == self.raw and self.orientation in _TURNS:
            mask = np.ascontiguousarray(_TURNS[self.orientation](mask))
        if mask.shape != self.picture.shape[:2]:
            height, width = self.picture.shape[:2]
            raise Unusable(
                f"mask is {mask.shape[1]} x {mask.shape[0]} pixels, its image {width} x {height}",
                "export the mask at the size of its image, without scaling or cropping",
            )
        return mask


def decode_picture(content: bytes) -> Upright:
    """The picture in a file's bytes.

    Raises:
        Unusable: If it is no picture of a known format, truncated, or huge.
    """
    pixels, orientation = _decode(content)
    raw = pixels.shape[0], pixels.shape[1]
    if pixels.ndim == 3:
        pixels = pixels[:, :, :3] if pixels.shape[2] >= 3 else pixels[:, :, 0]
    grey = _to_8_bit(pixels)
    if orientation in _TURNS:
        grey = _TURNS[orientation](grey)
    picture = np.repeat(grey[:, :, None], 3, axis=2) if grey.ndim == 2 else grey
    return Upright(np.ascontiguousarray(picture), orientation, raw)


def decode_mask(content: bytes) -> Mask:
    """The mask in a file's bytes, (height, width), True on the defect.

    A mask's own EXIF orientation is applied.

    Raises:
        Unusable: If the file is no picture, is coloured, or has grey values off the edges.
    """
    values = _of_jpeg(content) if content.startswith(_JPEG) else _one_channel(content)
    top = int(values.max(initial=0))
    if top <= 1:
        return np.ascontiguousarray(values > 0)
    white = 255 if top <= 255 else 65535
    marked = values >= (white + 1) // 2
    _reject_grey(values, marked, white)
    return np.ascontiguousarray(marked)


def _of_jpeg(content: bytes) -> NDArray[np.uint8]:
    """A mask's values without the ripples that JPEG leaves beside edges."""
    pixels, orientation = _decode(content)
    channels = pixels.reshape(*pixels.shape[:2], -1)
    if int(np.ptp(channels, axis=2).max(initial=0)) > _RIPPLE:
        raise _coloured()
    values = np.rint(channels.mean(2)).astype(np.uint8)
    # Without white there is nothing to ripple: low values may be numbers of classes.
    if int(values.max(initial=0)) >= 255 - _RIPPLE:
        values[values <= _RIPPLE] = 0
        values[values >= 255 - _RIPPLE] = 255
    return _TURNS[orientation](values) if orientation in _TURNS else values


def decode_labels(content: bytes, legend: Legend) -> NDArray[np.uint8]:
    """The label map in a file's bytes, (height, width): 0, or the number of a class from 1.

    Args:
        content: The file.
        legend: What its values, or its colours, mean.

    Raises:
        Unusable: If the file is no picture, or has a value or a colour without a name.
    """
    if legend.colours:
        return _by_colour(content, legend)
    values = _one_channel(content)
    nameless = sorted(set(np.unique(values).tolist()) - set(range(len(legend.names) + 1)))
    if nameless:
        raise Unusable(
            f"label map with the values {_some(nameless)}; {legend.file} names 1 to "
            f"{len(legend.names)}",
            f"name them in {legend.file}, one a line, or export it anew",
        )
    return np.ascontiguousarray(values.astype(np.uint8))


def _by_colour(content: bytes, legend: Legend) -> NDArray[np.uint8]:
    pixels, orientation = _decode(content)
    channels = pixels.reshape(*pixels.shape[:2], -1)
    shown = channels[:, :, :3] if channels.shape[2] >= 3 else channels[:, :, [0, 0, 0]]
    colours = shown.astype(np.int64)
    there, at = np.unique(colours @ [1 << 16, 1 << 8, 1], return_inverse=True)
    numbers = {_code(colour): 0 for colour in {(0, 0, 0), *legend.ground}}
    numbers |= {_code(colour): number for number, colour in enumerate(legend.colours, 1)}
    nameless = [int(code) for code in there if int(code) not in numbers]
    if nameless:
        found = _some([f"{code >> 16},{code >> 8 & 255},{code & 255}" for code in nameless])
        raise Unusable(
            f"label map with the colours {found}, which {legend.file} does not name",
            "export it anew, as PNG and without smoothing",
        )
    values = np.array([numbers[int(code)] for code in there], np.uint8)[at]
    values = values.reshape(pixels.shape[:2])
    return np.ascontiguousarray(_TURNS[orientation](values) if orientation in _TURNS else values)


def _code(colour: Colour) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _some(values: Sequence[object]) -> str:
    return ", ".join(str(one) for one in values[:4]) + (", ..." if values[4:] else "")


def _one_channel(content: bytes) -> NDArray[Any]:
    """A mask's values as stored, upright, (height, width)."""
    values, orientation = _decode(content, indexed=True)
    if values.ndim == 3:
        colour = values[:, :, :3] if values.shape[2] >= 3 else values[:, :, :1]
        if (colour != colour[:, :, :1]).any():
            raise _coloured()
        values = colour[:, :, 0]
    return _TURNS[orientation](values) if orientation in _TURNS else values


def _coloured() -> Unusable:
    return Unusable(
        "coloured mask",
        "save one mask a class, black with white defects, or name the colours in labelmap.txt",
    )


def _reject_grey(values: NDArray[Any], marked: Mask, white: int) -> None:
    """Raise where grey is more than the soft edge that drawing programs leave."""
    grey = (values != 0) & (values != white)
    if not grey.any():
        return
    square = np.ones((2 * _SOFT_EDGE + 1, 2 * _SOFT_EDGE + 1), np.uint8)
    inside = marked.astype(np.uint8)
    edge = cv2.dilate(inside, square).astype(bool) & ~cv2.erode(inside, square).astype(bool)
    stray = int((grey & ~edge).sum())
    # A few stray pixels are the traces of a brush; real masks have them.
    if not marked.any() or stray > max(32, 0.1 * int((values != 0).sum())):
        found = np.unique(values[grey])
        shown = ", ".join(str(one) for one in found[:4]) + (", ..." if found.size > 4 else "")
        raise Unusable(
            f"{int(grey.sum())} pixels of the mask have grey values ({shown})",
            f"save it as PNG with 0 and {white} alone, one mask a class; if they are numbers of "
            "classes, name these in classes.txt, one a line",
        )


def _decode(content: bytes, indexed: bool = False) -> tuple[NDArray[Any], int]:
    """Pixels as stored, and the EXIF orientation; palettes as indices or as colours."""
    try:
        with Pillow.open(io.BytesIO(content), formats=_FORMATS) as file:
            if file.width * file.height > _MOST_PIXELS:
                raise Unusable(
                    f"{file.width} x {file.height} pixels",
                    "cut it into pieces below 200 megapixels",
                )
            orientation = int(file.getexif().get(0x0112, 1))
            deep = file.mode in ("RGB", "RGBA") and _bits(file, content) > 8
            file.load()
            if deep:
                # Pillow keeps the upper 8 bits of each channel only.
                return _decode_deep(content), orientation
            if file.mode == "1" or (file.mode in ("P", "PA") and indexed):
                return np.asarray(file.convert("L") if file.mode == "1" else file), orientation
            if file.mode.startswith("I") or file.mode in ("L", "RGB", "RGBA", "LA", "F"):
                return np.asarray(file), orientation
            return np.asarray(file.convert("RGB")), orientation
    except UnidentifiedImageError:
        # 16-bit colour TIFF, among others.
        return _decode_deep(content), 1
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise _unreadable(str(error)) from error


def _bits(file: Pillow.Image, content: bytes) -> int:
    """Bits of a channel, as the file's header says."""
    if file.format == "PNG":
        return content[24]
    bits = getattr(file, "tag_v2", {}).get(258, (8,))
    return max(bits) if isinstance(bits, tuple) else int(bits)


def _decode_deep(content: bytes) -> NDArray[Any]:
    flags = cv2.IMREAD_UNCHANGED
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if pixels is None:
        raise _unreadable("not a picture of a known format")
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        return pixels[:, :, [2, 1, 0]]
    return pixels


def _unreadable(why: str) -> Unusable:
    return Unusable(
        f"cannot be read ({why})", "copy it again from its source, or take it out of the folder"
    )


def _to_8_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    values = pixels.astype(np.float64)
    if not np.isfinite(values).all() or values.min(initial=0) < 0:
        raise Unusable("negative or infinite pixel values", "save it as 8-bit or 16-bit PNG")
    top = float(values.max(initial=0))
    if top > _WHITE[-1]:
        raise Unusable(f"pixel values up to {top:g}", "save it as 8-bit or 16-bit PNG")
    white = next(level for level in _WHITE if top <= level)
    return np.round(values * (255 / white)).astype(np.uint8)
