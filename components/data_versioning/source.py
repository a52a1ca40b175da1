"""Where data comes from: a folder as it is, or a version of one that DVC keeps.

This module and the two beside it, `tracked` and `download`, are the only ones that know DVC.
Importing all of DVC takes a second, so that happens only where the working copy is not the
recorded version already.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from components.data_versioning.address import Address
from components.data_versioning.download import downloaded
from components.data_versioning.tracked import digest, parse
from components.progress import say

DEFAULT = "data.dvc"
"""Name of the file that versions the project's own data."""


def locate_default() -> Path:
    """The project's own `data.dvc`.

    It is looked for in the current folder and those above it, then beside the project's packages.

    Raises:
        ValueError: If there is none.
    """
    here = Path.cwd()
    beside = Path(__file__).resolve().parents[2]
    for folder in (here, *here.parents, beside):
        if (folder / DEFAULT).is_file():
            return folder / DEFAULT
    raise ValueError(
        f"no {DEFAULT} in {here}, in a folder above it, or in {beside}: "
        "run inside a clone of the project, or name your photos with --data FOLDER"
    )


@contextmanager
def fetched(data: str, revision: str) -> Iterator[Path]:
    """Give a folder with the data, verified, for as long as the context lasts.

    Args:
        data: A folder, taken as it is; or a `.dvc` file in a DVC repository here; or a `.dvc`
            file of a git repository elsewhere, `https://host/owner/repo.git:path/data.dvc`.
        revision: Git revision of the `.dvc` file: a branch, a tag or a commit. When empty, the
            working copy of a repository here, or the default branch of one elsewhere.

    Yields:
        The folder. For a `.dvc` file here without a revision that is the working copy, if it is
        exactly what the file records; otherwise a temporary folder, filled from DVC's cache and
        remote.

    Raises:
        ValueError: If there is no such data or revision, if it cannot be fetched, or if what was
            fetched is not what the `.dvc` file records.
    """
    path = Path(data)
    if path.is_dir():
        if revision:
            raise ValueError(
                f"revision {revision!r} given for the folder {data}, which has none: "
                "give its .dvc file instead, or no revision"
            )
        yield path
        return
    if path.suffix != ".dvc":
        raise ValueError(f"{data!r} is neither a folder nor a .dvc file: check the path")
    if address := Address.parse(data):
        source = downloaded(address.repository, address.file, revision)
    else:
        file = path.resolve()
        root = _root(file)
        if not revision and (working := _working_copy(file)):
            yield working
            return
        source = downloaded(str(root), PurePosixPath(file.relative_to(root)), revision)
    with source as folder:
        yield folder


def _root(file: Path) -> Path:
    """The DVC repository that a file is in."""
    for folder in file.parents:
        if (folder / ".dvc").is_dir():
            return folder
    raise ValueError(
        f"{file} is not in a DVC repository (no .dvc folder beside or above it): "
        "give the folder of photos itself, or the .dvc file where its repository is"
    )


def _working_copy(file: Path) -> Path | None:
    """The folder that a `.dvc` file tracks, if it is exactly what the file records."""
    if not file.is_file():
        raise ValueError(f"{file} does not exist: check the path, or name a revision that has it")
    tracked = parse(file.read_text(encoding="utf-8"), file.name)
    folder = file.parent / tracked.folder
    if not folder.is_dir():
        return None
    if digest(folder, tracked.algorithm) == tracked.md5:
        return folder
    say(f"{folder.name}/ is not what {file.name} records; reading the recorded version")
    return None
