"""Bring the base model, wherever it comes from, into one checked folder."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.base_model import folder
from components.base_model.settings import EMBEDDED, BaseModelSettings
from components.certificates import untrusted
from components.outcome import Outcome
from components.progress import Transfer, say
from components.store import digest_tree

_HERE = Path(__file__).parent
_GRID = "samples.png"


def resolve(out: Path, settings: BaseModelSettings) -> Outcome:
    """Put a Stable Diffusion folder, safetensors only, into `out`.

    Args:
        out: Receives model_index.json and the five parts; for the embedded model also
            `preview/` with a grid of its samples.
        settings: Which model.

    Returns:
        The number of parameters of every part and the size in bytes.

    Raises:
        ValueError: If the model lacks something, has weights in pickles only, or needs code of
            its own (the message lists all problems), or if the folder has changed since the run
            was prepared.
    """
    with _source(settings) as source:
        folder.check(source)
        _unchanged(source, settings)
        folder.copy(source, out)
        if settings.source == EMBEDDED and (source / _GRID).is_file():
            (out / "preview").mkdir(exist_ok=True)
            shutil.copyfile(source / _GRID, out / "preview" / _GRID)
    counts = folder.parameters(out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    say(f"base model: {sum(counts.values()) / 1e6:.1f} M parameters, {size / 1e6:.1f} MB")
    return Outcome(
        metrics={f"parameters_{part}": float(count) for part, count in counts.items()}
        | {"bytes": float(size)}
    )


@contextmanager
def embedded() -> Iterator[Path]:
    """The folder of the embedded model, for as long as it is needed."""
    from components.data_versioning.source import fetched

    with fetched(str(_HERE / "weights.dvc"), "") as found:
        yield found


@contextmanager
def _source(settings: BaseModelSettings) -> Iterator[Path]:
    """The folder that the settings name, for as long as it is needed."""
    if settings.source == EMBEDDED:
        with embedded() as found:
            yield found
    elif settings.folder is not None:
        yield settings.folder
    else:
        yield _downloaded(settings.source, settings.revision)


def _unchanged(source: Path, settings: BaseModelSettings) -> None:
    if settings.digest and digest_tree(source) != settings.digest:
        raise ValueError(
            f"{settings.source} has changed since the run was prepared (its content digest is no "
            f"longer {settings.digest[:12]}...); start the run anew"
        )


def _downloaded(name: str, revision: str) -> Path:
    """A hub model's folder in the hub's own cache, fetched at one commit.

    Raises:
        ValueError: If the hub does not give it; an error that may pass is the cause.
    """
    from huggingface_hub import constants, errors, snapshot_download

    say(f"fetching {name} at {revision[:12]} from the hub")
    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=folder.patterns(),
                ignore_patterns=["*.fp16.*", "*.bf16.*", "*.non_ema.*"],
                tqdm_class=Transfer,  # type: ignore[arg-type]
            )
        )
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError) as error:
        offline = constants.HF_HUB_OFFLINE
        reason = (
            "HF_HUB_OFFLINE is set, and it is not in the hub's cache"
            if offline
            else " ".join(str(error).split())
        )
        raise ValueError(
            f"the hub at {constants.ENDPOINT} does not give {name} at {revision} "
            f"({reason}{untrusted(reason)}): check name and commit, name a mirror in HF_ENDPOINT, "
            "give a token in HF_TOKEN to a model that asks for one, or give the model's folder"
        ) from (None if offline else error)
