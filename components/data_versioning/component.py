"""KFP component of data versioning."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def data_versioning(
    data: str,
    revision: str,
    digest: str,
    fractions: str,
    seed: int,
    settings: str,
    dataset: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
):
    """Fetch one revision of the photos, verify it, and turn it into the dataset artifact.

    Args:
        data: Folder of photos, or a `.dvc` file, optionally of a remote git repository.
        revision: Git revision of the `.dvc` file; the working tree when empty.
        digest: Content digest that the photos must have.
        fractions: Fractions of the real data to draw subsets for, separated by commas.
        seed: Seed of the splits and of the frames.
        settings: The step's settings as JSON.
        dataset: The dataset artifact.
        metrics: Numbers of photos, frames and groups.
    """
    from components.data_versioning.settings import DataSettings
    from components.data_versioning.source import fetched
    from components.task import run

    with fetched(data, revision) as folder:
        run(
            "components.data_versioning.version:version",
            name="data_versioning",
            settings=DataSettings.model_validate_json(settings),
            inputs={},
            output=dataset,
            metrics=metrics,
            scalars={"fractions": fractions, "seed": seed, "digest": digest},
            places={"source": folder},
        )
