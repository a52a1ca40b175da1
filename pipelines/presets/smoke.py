"""Two steps of everything: shows that the DAG is whole, and nothing about its results."""

from components.data_versioning.settings import DataSettings
from components.iou_evaluation.settings import IoUSettings
from components.mask_rcnn.settings import MaskRCNNSettings
from components.report.settings import ReportSettings
from components.valvano.dreambooth.settings import DreamBoothSettings, PriorSettings
from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.synthesis.settings import PlanSettings, SetSettings, SynthesisSettings
from pipelines.config import Config, RunSettings

CONFIG = Config(
    # One fraction: a second one would double the time and run the same code.
    run=RunSettings(fractions=(1.0,), repeats=1, shards=2),
    data_versioning=DataSettings(resolution=64),
    prior=PriorSettings(images=2, steps=2, guidance=1.0, batch=2),
    dreambooth=DreamBoothSettings(
        steps=2, batch=2, learning_rate=1e-4, decoder_steps=2, checkpoint_every=1
    ),
    hypernetwork=HyperNetworkSettings(
        start="embedded", unlock=True, steps=2, batch=2, learning_rate=1e-3, checkpoint_every=1
    ),
    plan=PlanSettings(images=4, samples=2, augmentations=2),
    synthesis=SynthesisSettings(background="photo", strength=0.5, steps=4, guidance=1.0, batch=2),
    synthetic_set=SetSettings(reject=True),
    mask_rcnn=MaskRCNNSettings(
        backbone="resnet18",
        size="small",
        weights="embedded",
        steps=2,
        batch=2,
        validations=1,
        checkpoint_every=1,
    ),
    iou_evaluation=IoUSettings(bootstrap=50),
    report=ReportSettings(samples=4),
)
