"""Settings of data versioning."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings import Settings

Unmarked = Literal["refused", "defect_free", "left_out"]
"""What becomes of photos without a mask or an annotation."""


class DataSettings(Settings):
    """How photos are read, split and cut into frames."""

    classes: tuple[str, ...] = ()
    """Defect classes to use, in the order of their labels; all that are found when empty."""

    one_class: str = ""
    """Name of the one class that all annotated defects are, whatever folders and files call them;
    for folders named by piece or product."""

    unmarked: Unmarked = "refused"
    """Photos without a mask or an annotation, in no folder of defect-free ones: they may be such,
    or may be waiting to be annotated. `refused` asks; with `defect_free` they show no defect, with
    `left_out` they are not used."""

    resolution: Annotated[int, Field(ge=32, le=1024, multiple_of=8)] = 512
    """Side of the square frames that all models see, pixels."""

    framing: Literal["auto", "photo", "window"] = "auto"
    """`photo` scales whole photos, `window` cuts native-scale squares around defects; `auto`
    takes windows where the median photo's shorter side exceeds 1.5 times the resolution."""

    clean_windows: Annotated[int, Field(ge=1, le=16)] = 1
    """Windows cut from a defect-free photo."""

    clean_ratio: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Defect-free frames in the validation and test parts for every annotated one, at most. They
    show false alarms; plants have so many that they would take nearly all of the time."""

    val_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    """Share of each class's photos in the validation part."""

    test_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.25
    """Share of each class's photos in the test part."""

    group_column: str = ""
    """Column of the data's `groups.csv` that names the physical piece, beside the column file;
    where there is such a table, `piece` by default."""

    group_pattern: str = ""
    """Regular expression over the file's path whose first group names the piece, instead of a
    table. With neither table nor pattern, groups are found from the pixels."""

    smallest_defect: Annotated[int, Field(ge=1)] = 4
    """Connected components of fewer pixels are not instances."""

    @model_validator(mode="after")
    def _one_way(self) -> "DataSettings":
        if self.group_column and self.group_pattern:
            raise ValueError("give group_column or group_pattern, not both")
        if self.one_class and self.classes:
            raise ValueError("give one_class or classes, not both")
        return self
