"""Pictures of any depth and mode become 8-bit RGB, upright."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from components.data_versioning.decode import (
    Legend,
    Unusable,
    decode_labels,
    decode_mask,
    decode_picture,
)

GREY = np.linspace(0, 255, 6 * 8).round().astype(np.uint8).reshape(6, 8)


def encoded(picture: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


def pillow(picture: Pillow.Image, form: str = "PNG", **fields: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **fields)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".webp"])
def test_grey_becomes_three_equal_channels(suffix: str) -> None:
    content = encoded(GREY, suffix) if suffix != ".webp" else pillow(
        Pillow.fromarray(GREY).convert("RGB"), "WEBP", lossless=True
    )  # fmt: skip
    found = decode_picture(content).picture
    np.testing.assert_array_equal(found, np.repeat(GREY[:, :, None], 3, 2))


def test_colour_keeps_its_order_and_loses_transparency() -> None:
    colour = np.zeros((6, 8, 4), np.uint8)
    colour[:, :, 0], colour[:, :, 1], colour[:, :, 3] = 200, 100, GREY
    found = decode_picture(pillow(Pillow.fromarray(colour))).picture
    np.testing.assert_array_equal(found, colour[:, :, :3])


@pytest.mark.parametrize("white", [255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_pictures_are_scaled_by_their_white_level(
    white: int, suffix: str, channels: int
) -> None:
    deep = np.round(GREY * (white / 255.0)).astype(np.uint16)
    if channels == 3:
        deep = np.stack([deep // 2, deep, deep], 2)  # blue is half in OpenCV's order
    found = decode_picture(encoded(deep, suffix)).picture
    np.testing.assert_allclose(found[:, :, 0].astype(int), GREY, atol=1)
    if channels == 3:
        np.testing.assert_allclose(found[:, :, 2].astype(int), GREY // 2, atol=1)


@given(st.integers(1, 8))
def test_orientation_is_that_of_pillow(orientation: int) -> None:
    from PIL import ImageOps

    picture = np.random.default_rng(orientation).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    content = pillow(Pillow.fromarray(picture), exif=exif)
    upright = decode_picture(content)
    expected = np.asarray(ImageOps.exif_transpose(Pillow.open(io.BytesIO(content))))
    np.testing.assert_array_equal(upright.picture, expected)
    assert upright.raw == (6, 8)
    marked = picture[:, :, 0] > 128
    turned = upright.turn(marked)
    np.testing.assert_array_equal(turned, expected[:, :, 0] > 128)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95])
def test_truncated_files_are_told(suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = encoded(noise, suffix)
    with pytest.raises(Unusable, match="cannot be read"):
        decode_picture(content[: int(len(content) * share)])


def test_masks_of_all_depths() -> None:
    mask = GREY > 99
    forms = [
        encoded(mask.astype(np.uint8) * 255),
        encoded(mask.astype(np.uint8)),
        encoded(mask.astype(np.uint16) * 65535),
        encoded(np.repeat(mask[:, :, None], 3, 2).astype(np.uint8) * 255),
        pillow(Pillow.fromarray(mask)),
        pillow(Pillow.fromarray(mask.astype(np.uint8) * 255).convert("RGBA")),
    ]
    palette = Pillow.fromarray(mask.astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    for content in [*forms, pillow(palette)]:
        np.testing.assert_array_equal(decode_mask(content), mask)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [60, 75, 95])
def test_a_mask_saved_as_jpeg_loses_its_ripples(mode: str, quality: int) -> None:
    mask = np.zeros((64, 80), np.uint8)
    cv2.ellipse(mask, (40, 30), (22, 13), 20, 0, 360, 255, -1)
    found = decode_mask(pillow(Pillow.fromarray(mask).convert(mode), "JPEG", quality=quality))
    union = found | (mask > 0)
    assert (found & (mask > 0)).sum() / union.sum() > 0.98
    assert not decode_mask(pillow(Pillow.fromarray(np.zeros((64, 80), np.uint8)), "JPEG")).any()


@pytest.mark.parametrize("value", [3, 60, 128, 180])
def test_numbers_and_shades_in_a_jpeg_are_no_mask(value: int) -> None:
    mask = np.zeros((64, 80), np.uint8)
    mask[8:56, 8:72] = value
    with pytest.raises(Unusable, match="grey values"):
        decode_mask(pillow(Pillow.fromarray(mask), "JPEG", quality=95))
    colour = np.zeros((64, 80, 3), np.uint8)
    colour[8:56, 8:72, 0] = 255
    with pytest.raises(Unusable, match="coloured"):
        decode_mask(pillow(Pillow.fromarray(colour), "JPEG", quality=95))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1"])
def test_colours_name_classes_in_every_mode(mode: str) -> None:
    painted = np.zeros((6, 8, 3), np.uint8)
    painted[2:4, 1:5] = 255
    legend = Legend("labelmap.txt", ("crack",), ((255, 255, 255),))
    found = decode_labels(pillow(Pillow.fromarray(painted).convert(mode)), legend)
    np.testing.assert_array_equal(found, painted[:, :, 0] // 255)


def test_coloured_masks_are_refused() -> None:
    with pytest.raises(Unusable, match="coloured mask"):
        decode_mask(encoded(np.stack([GREY, GREY, 255 - GREY], 2)))
