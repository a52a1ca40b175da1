"""The paper's own figures, to stand beside this run's.

Source: Valvano et al., "Controllable Image Synthesis of Industrial Data Using Stable Diffusion",
WACV 2024, arXiv 2401.03152, section 4. The paper gives no intervals, no seeds and no definition
of how IoU and Hausdorff distance are matched; its data is private: 1470 borescope images with
five crack classes at 512 px. It prints IoU in percent; here it is a share, like this run's.
"""

from dataclasses import dataclass

SOURCE = "Valvano et al., WACV 2024, arXiv 2401.03152"

DATA = (
    "The paper's data is other data: 1470 private borescope images with five crack classes at"
    " 512 px, synthetic images of Stable Diffusion. It gives no intervals and no seeds, and leaves"
    " open how IoU and Hausdorff distance are matched. Its figures are an orientation, not a"
    " target."
)


@dataclass(frozen=True)
class Segmentation:
    """A row of the paper's segmentation tables.

    Attributes:
        fraction: Share of the real training data.
        regime: What Mask R-CNN was trained on, in this project's words.
        segm_map: Mean average precision of the masks, 0 .. 1.
        bbox_map: Mean average precision of the boxes, 0 .. 1.
        iou: Intersection over union, 0 .. 1.
        hausdorff: Hausdorff distance, 0 .. 1, lower is better.
    """

    fraction: float
    regime: str
    segm_map: float
    bbox_map: float
    iou: float
    hausdorff: float


SEGMENTATION = (
    Segmentation(1.0, "synthetic", 0.06, 0.12, 0.806, 0.29),
    Segmentation(1.0, "real", 0.12, 0.27, 0.807, 0.19),
    Segmentation(1.0, "synthetic_then_real", 0.15, 0.32, 0.809, 0.18),
    Segmentation(0.1, "synthetic", 0.02, 0.04, 0.7585, 0.42),
    Segmentation(0.1, "real", 0.00, 0.00, 0.00, 1.00),
    Segmentation(0.1, "synthetic_then_real", 0.07, 0.16, 0.797, 0.22),
)
"""At 10 % the real-only training collapsed at every learning rate and batch size tried."""


@dataclass(frozen=True)
class Distance:
    """A Fréchet distance of the paper, against its whole data.

    Attributes:
        fraction: Share of the real training data.
        variant: What was trained.
        fid: The distance, lower is better.
        full: Whether the variant is the complete method, the one that this run is.
    """

    fraction: float
    variant: str
    fid: float
    full: bool


FID = (
    Distance(1.0, "concept and condition", 96.57, True),
    Distance(0.1, "concept and condition", 102.79, True),
    Distance(0.1, "condition only", 106.17, False),
)


@dataclass(frozen=True)
class Diversity:
    """A row of the paper's comparison with inpainting: 10 drivers, 10 samples each.

    Attributes:
        method: What made the samples.
        l2: Mean L2 distance between samples of one driver, higher is more diverse.
        mutual_information: Mean mutual information between them, lower is more diverse.
        fid: Fréchet distance of these 100 images, lower is better.
    """

    method: str
    l2: float
    mutual_information: float
    fid: float


DIVERSITY = (
    Diversity("the method", 91.36, 0.70, 181.15),
    Diversity("inpainting", 64.17, 1.36, 203.83),
)


def segmentation(fraction: float, regime: str) -> Segmentation | None:
    """The paper's row for a fraction and a regime, if it has one; it has none at 1 %."""
    for row in SEGMENTATION:
        if abs(row.fraction - fraction) < 1e-9 and row.regime == regime:
            return row
    return None
