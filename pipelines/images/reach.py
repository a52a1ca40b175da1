"""Whether a cluster gets the images that a package names."""

from components.image import BUILT, SETS, built_file, image, in_registry, unbuilt
from pipelines.profiles import KIND, Profile
from pipelines.refusal import Refusal


def unreachable(profile: Profile) -> str:
    """Why a cluster would not get the project's images, with a way out; empty where it would.

    Args:
        profile: That of `kind` is for a cluster on this machine, whose node is given what the
            engine here has. Nodes elsewhere pull.

    Raises:
        Refusal: If the file of built images cannot be used.
    """
    try:
        missing = unbuilt()
        images = {one: image(one) for one in SETS}
    except ValueError as error:
        raise Refusal(str(error)) from error
    if missing:
        return (
            f"no build of {', '.join(missing)} is on record in {built_file()}: no build gave the "
            f"names {', '.join(images[one] for one in missing)}, and what a cluster would find "
            "behind them, on Docker Hub where they name no registry, anybody may have put there. "
            "Build the images with `defectory images build`, or with infra/push for a registry "
            f"that nodes pull from; where that was done on another machine, let {BUILT} name the "
            "file that it wrote"
        )
    # What has a digest was pushed; Docker Hub is not named.
    local = [one for one in images.values() if "@" not in one and not in_registry(one)]
    if local and profile is not KIND:
        return (
            f"{', '.join(local)}: names without a registry, so the images are on this machine "
            f"only, and no node of a cluster for the profile {profile.name} can pull them. Set "
            "DEFECTORY_REGISTRY in infra/site.env and run infra/push, or run `defectory images "
            "build --registry HOST/FOLDER --push`"
        )
    return ""
