"""KFP component of data versioning."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def data_versioning(
    data: str,
    revision: str,
    digest: str,
    fractions: str,
    chosen: str,
    seed: int,
    settings: str,
    code: str,
    dataset: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
) -> list[float]:
    """Fetch one revision of the photos, verify it, and turn it into the dataset artifact.

    Args:
        data: Folder of photos, or a `.dvc` file, optionally of a remote git repository.
        revision: Git revision of the `.dvc` file; the working tree when empty.
        digest: Content digest that the photos must have.
        fractions: Fractions of the real data to draw subsets for, separated by commas.
        chosen: Those of them that this run works with, separated by commas.
        seed: Seed of the splits and of the frames.
        settings: The step's settings as JSON.
        code: Digest of the step's code.
        dataset: The dataset artifact.
        metrics: Numbers of photos, frames and groups.
        page: The photos' frames, for the UI.

    Returns:
        The chosen fractions, to loop over.
    """
    from components.data_versioning.settings import DataSettings
    from components.data_versioning.source import fetched
    from components.retry import entered
    from components.task import run

    with entered(lambda: fetched(data, revision)) as folder:
        run(
            "components.data_versioning.version:version",
            name="data_versioning",
            settings=DataSettings.read(settings),
            inputs={},
            output=dataset,
            metrics=metrics,
            page=page,
            scalars={"fractions": fractions, "seed": seed, "digest": digest},
            places={"source": folder},
            code=code,
        )
    return [float(fraction) for fraction in chosen.split(",")]
