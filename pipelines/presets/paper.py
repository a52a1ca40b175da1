"""Stable Diffusion 1.5 at 512 px on a GPU: the paper's method with the field's public defaults.

The paper leaves most numbers open; where it does, the authors of the parts it is built from give
theirs (DreamBooth's and ControlNet's training guides).
"""

from components.base_model.settings import BaseModelSettings
from components.data_versioning.settings import DataSettings
from components.mask_rcnn.settings import MaskRCNNSettings
from components.valvano.dreambooth.settings import DreamBoothSettings, PriorSettings
from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.synthesis.settings import PlanSettings, SynthesisSettings
from pipelines.config import Config, RunSettings

CONFIG = Config(
    run=RunSettings(fractions=(0.01, 0.1, 1.0), repeats=3, shards=8),
    data_versioning=DataSettings(resolution=512),
    base_model=BaseModelSettings(
        source="stable-diffusion-v1-5/stable-diffusion-v1-5",
        revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
    ),
    prior=PriorSettings(images=200, steps=50, guidance=7.5, batch=8, bf16=True),
    # DreamBooth's guide: 800 steps of one photo at 5e-6.
    dreambooth=DreamBoothSettings(
        steps=800, batch=1, learning_rate=5e-6, bf16=True, gradient_checkpointing=True
    ),
    # ControlNet converges suddenly after three to seven thousand steps of batch 4.
    hypernetwork=HyperNetworkSettings(steps=6000, batch=4, learning_rate=1e-5, bf16=True),
    plan=PlanSettings(images=3000, samples=15, augmentations=10),
    synthesis=SynthesisSettings(steps=30, guidance=5.0, batch=16, bf16=True),
    mask_rcnn=MaskRCNNSettings(
        backbone="resnet50", size="full", steps=6000, batch=4, validations=8, bf16=True
    ),
)
