"""What a `.dvc` file records of a folder, and whether a folder is that."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

THREADS = 16
"""Files that are hashed or fetched at the same time."""


@dataclass(frozen=True)
class Tracked:
    """What a `.dvc` file says.

    Attributes:
        folder: The tracked folder, relative to the `.dvc` file's.
        md5: Digest of the folder's manifest, 32 hex digits and `.dir`.
        algorithm: How its files are hashed: `md5`, or `md5-dos2unix` where DVC 2 wrote the file.
    """

    folder: str
    md5: str
    algorithm: str


def parse(text: str, name: str) -> Tracked:
    """Read the text of a `.dvc` file.

    Args:
        text: Its content.
        name: What to call it in errors.

    Raises:
        ValueError: If it does not record exactly one folder.
    """
    import yaml

    try:
        (out,) = yaml.safe_load(text)["outs"]
        path, md5 = str(out["path"]), str(out["md5"])
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(
            f"{name} does not record one folder with its md5: write it with `dvc add FOLDER`"
        ) from error
    if not md5.endswith(".dir"):
        raise ValueError(f"{name} tracks the single file {path!r}: track a folder instead")
    return Tracked(path, md5, str(out.get("hash", "md5-dos2unix")))


def digest(folder: Path, algorithm: str) -> str:
    """DVC's digest of a folder: that of the list of its files and their digests."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    files = [path for path in folder.rglob("*") if path.is_file()]
    tree = Tree()
    for path, md5 in zip(files, md5s(files, algorithm), strict=True):
        tree.add(path.relative_to(folder).parts, None, HashInfo(algorithm, md5))
    tree.digest()
    return str(tree.oid)


def md5s(files: list[Path], algorithm: str) -> list[str]:
    """DVC's digests of files."""
    from dvc_data.hashfile.hash import file_md5

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda path: file_md5(str(path), name=algorithm), files))
