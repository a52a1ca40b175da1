"""The whole method in one picture: a row a class, from the defect-free photo to the sample."""

from collections.abc import Sequence

import numpy as np

from components.dataset import Image
from components.report.gallery import Strip, outlined

_SIDE = 132
_GAP = 6
_LABEL = 84
_HEAD = 24
_TEXT = 13
_INK = (40, 40, 40)


def overview(strips: Sequence[Strip]) -> Image | None:
    """Draw strips of like shots as one picture with headings.

    Args:
        strips: One a row; their shots have the same captions in the same order, as
            `gallery.driven` makes them. Strips with fewer shots than the longest are left out.

    Returns:
        The picture, (height, width, 3), or None without strips.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    longest = max((len(one.shots) for one in strips), default=0)
    rows = [one for one in strips if len(one.shots) == longest]
    if not longest:
        return None
    width = _LABEL + longest * (_SIDE + _GAP)
    height = _HEAD + len(rows) * (_SIDE + _GAP)
    canvas = Pillow.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=_TEXT)
    for column, shot in enumerate(rows[0].shots):
        left = _LABEL + column * (_SIDE + _GAP)
        pen.text((left + _SIDE / 2, _HEAD / 2), shot.caption, _INK, font, anchor="mm")
    for number, strip in enumerate(rows):
        top = _HEAD + number * (_SIDE + _GAP)
        pen.text((0, top + _SIDE / 2), strip.title, _INK, font, anchor="lm")
        for column, shot in enumerate(strip.shots):
            picture = Pillow.fromarray(outlined(shot, _SIDE))
            canvas.paste(picture, (_LABEL + column * (_SIDE + _GAP), top))
    return np.asarray(canvas)
