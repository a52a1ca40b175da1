"""KFP component of the gate."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def gate(
    run: str,
    data: str,
    revision: str,
    digest: str,
    noun: str,
    token: str,
    changes: str,
    switches: str,
    skip_unchanged: bool,
    config: str,
    schema: str,
    package: str,
    photos: dsl.OutputPath(str),  # type: ignore[valid-type]
    fractions: dsl.OutputPath(str),  # type: ignore[valid-type]
    whole: dsl.OutputPath(str),  # type: ignore[valid-type]
    model: dsl.OutputPath(str),  # type: ignore[valid-type]
    start: dsl.OutputPath(str),  # type: ignore[valid-type]
    inception: dsl.OutputPath(str),  # type: ignore[valid-type]
    decision: dsl.Output[dsl.Markdown],
) -> bool:
    """Say what the run is about, and end it at once where it would repeat the last one.

    Checks all parameters before any work, and finds out which photos the address holds now. It is
    never taken from a cache, so everything after it may be.

    Args:
        run: Id of the run in KFP.
        data: Folder of photos, or a `.dvc` file, optionally of a remote git repository.
        revision: Git revision of the `.dvc` file; the working tree when empty.
        digest: Content digest that the photos must have; whatever is found when empty.
        noun: Class noun of the domain.
        token: Rare word that names the concept.
        changes: Other settings that parameters replace, `step.field=value` separated by `;`.
        switches: Fractions of the real data, `0.1=true` separated by `;`.
        skip_unchanged: Whether to end here when nothing changed since the last successful run.
        config: The configuration that the pipeline was compiled for, as JSON.
        schema: Its class, `module:name`.
        package: Digest of the pipeline's code and images.
        photos: Content digest of the photos.
        fractions: The fractions that are on, separated by commas.
        whole: The run's whole configuration as JSON.
        model: Content digest of the base model's folder; empty for a pinned one.
        start: Content digest of the file that segmenters start from; empty without one.
        inception: Content digest of the Inception weights; empty where there are none.
        decision: What was decided and why.

    Returns:
        Whether the run goes ahead.
    """
    from components.gate.edge import open_run

    return open_run(
        run=run,
        data=data,
        revision=revision,
        digest=digest,
        texts={"run.noun": noun, "run.token": token},
        changes=changes,
        switches=switches,
        skip_unchanged=skip_unchanged,
        config=config,
        schema=schema,
        package=package,
        outputs={
            "photos": photos,
            "fractions": fractions,
            "whole": whole,
            "base_model": model,
            "mask_rcnn": start,
            "fid_evaluation": inception,
        },
        page=decision.path,
    )
