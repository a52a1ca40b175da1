"""Every image that an installation needs."""

from components.image import SETS, image
from pipelines.images.recipes import PROJECT, bases

OTHERS = PROJECT / "infra" / "images.txt"
"""Images of other projects that the installation runs: one a line, `#` starts a remark."""


def listing() -> list[str]:
    """All of them: ours first, then those that ours are built from, then other projects'.

    Raises:
        ValueError: As `components.image.image` does.
    """
    lines = OTHERS.read_text().splitlines() if OTHERS.is_file() else []
    others = [line.partition("#")[0].strip() for line in lines]
    return [*(image(one) for one in SETS), *bases(), *(one for one in others if one)]
