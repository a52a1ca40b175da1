"""KFP component of the base model."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def base_model(
    settings: str,
    digest: str,
    code: str,
    model: dsl.Output[dsl.Model],
    page: dsl.Output[dsl.HTML],
):
    """Fetch the diffusion model that everything starts from.

    Args:
        settings: The step's settings as JSON.
        digest: Content digest of the folder that the settings name; empty where they name none.
        code: Digest of the step's code.
        model: A folder in the diffusers format, safetensors only.
        page: Its size, and its samples where it has some, for the UI.
    """
    from components.base_model.settings import BaseModelSettings
    from components.task import run

    run(
        "components.base_model.resolve:resolve",
        name="base_model",
        settings=BaseModelSettings.read(settings, digest=digest),
        inputs={},
        output=model,
        page=page,
        alone=True,
        code=code,
    )
