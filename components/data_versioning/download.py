"""Fetches a recorded version of a folder from DVC's cache or remote, and verifies it."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from components.certificates import untrusted
from components.data_versioning.tracked import THREADS, Tracked, digest, md5s, parse
from components.progress import track

if TYPE_CHECKING:
    from dvc.repo import Repo


@contextmanager
def downloaded(url: str, file: PurePosixPath, revision: str) -> Iterator[Path]:
    """Give a temporary folder with the version that a `.dvc` file records.

    Args:
        url: A DVC repository: its folder here, or its git address.
        file: The `.dvc` file below it.
        revision: Git revision of that file; when empty, the working copy of a repository here,
            the default branch of one elsewhere.

    Raises:
        ValueError: If there is no such repository, revision or file, if something cannot be
            fetched, or if what was fetched is not what the file records.
    """
    with tempfile.TemporaryDirectory(prefix="defectory-") as temporary:
        whole = Path(temporary) / "fetched"
        with _opened(url, revision, Path(temporary) / "index") as repo:
            tracked = _tracked(repo, url, file, revision)
            folder = whole / PurePosixPath(tracked.folder).name
            _Fetch(repo, file, tracked, folder).run()
        yield folder


@contextmanager
def _opened(url: str, revision: str, index: Path) -> Iterator["Repo"]:
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import RevError, SCMError

    with _here(url) as folder:
        try:
            # DVC's file system prefers a changed working copy to what is recorded; its
            # repository and the index in it do not. That index is one a machine by default, and
            # two processes that begin it at once leave it wrong for good: here it is one a fetch.
            repo = Repo.open(
                str(folder),
                rev=revision or None,
                config={"core": {"site_cache_dir": str(index)}},
            )
        except NotDvcRepoError as error:
            raise ValueError(f"{url} is not a DVC repository: run `dvc init` there") from error
        except RevError as error:
            raise ValueError(
                f"{url} has no revision {revision!r}: `git tag`, `git branch -a` and `git log` "
                "list what it has; a shallow clone may lack it (`git fetch --unshallow`)"
            ) from error
        except (DvcException, SCMError) as error:
            raise ValueError(f"cannot open {url}: {_reason(error)}") from error
        with repo:
            yield repo


@contextmanager
def _here(url: str) -> Iterator[Path]:
    """The repository's folder, or a temporary clone of a repository elsewhere."""
    from dvc.scm import SCMError as Wrapped
    from dvc.scm import clone
    from scmrepo.exceptions import SCMError

    if Path(url).is_dir():
        yield Path(url)
        return
    # DVC can open an address too, but then does not find a remote inside the repository.
    with tempfile.TemporaryDirectory(prefix="defectory-") as folder:
        # DVC's git reads the small names alone; everything else here knows both.
        for name in ("https_proxy", "no_proxy"):
            if value := os.environ.get(name.upper()):
                os.environ.setdefault(name, value)
        try:
            clone(url, folder).close()
        except (Wrapped, SCMError) as error:  # DVC wraps some of them
            raise ValueError(
                f"cannot clone {url} ({_reason(error)}): check the address, the network and "
                "your rights"
            ) from error
        yield Path(folder)


def _tracked(repo: "Repo", url: str, file: PurePosixPath, revision: str) -> Tracked:
    at = f" at revision {revision!r}" if revision else ""
    try:
        text = repo.fs.read_text(repo.fs.join(repo.root_dir, *file.parts), encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{url} has no {file}{at}: check the path and the revision") from error
    return parse(text, f"{file}{at}")


class _Fetch:
    """One folder's way out of a repository."""

    def __init__(self, repo: "Repo", file: PurePosixPath, tracked: Tracked, folder: Path) -> None:
        self.repo = repo
        self.file = file
        self.tracked = tracked
        self.folder = folder
        remote = repo.config["core"].get("remote")
        self.advice = (
            f"check the remote {remote!r} (`dvc remote list`, network, credentials), or run "
            "`dvc push` where the data is whole"
            if remote
            else "the repository has no default remote, `dvc remote add --default NAME URL`"
        )

    def run(self) -> None:
        """Copy every file of the manifest into the folder, and verify them."""
        from dvc_data.fs import DataFileSystem

        place = "/".join((self.file.parent / self.tracked.folder).parts)
        try:
            source = DataFileSystem(index=self.repo.index.data["repo"])
            listed: dict[str, Any] = source.find(place, detail=True)
        except Exception as error:  # each kind of remote has errors of its own
            raise self._failure(f"cannot read {self._manifest}: {_reason(error)}") from error
        if not listed:
            raise self._failure(f"{self._manifest} is neither in DVC's cache nor in its remote")
        strange = [name for name, info in listed.items() if info["entry"].hash_info is None]
        if strange:
            raise self._failure(f"{self._manifest} lists {strange[0]!r}, no file of the folder")
        recorded = {
            PurePosixPath(name.lstrip("/")).relative_to(place): (name, info)
            for name, info in listed.items()
        }

        def get(one: PurePosixPath) -> None:
            name, info = recorded[one]
            target = self.folder / one
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                source.get_file(name, str(target), info=info)
            except Exception as error:
                raise self._failure(
                    f"cannot fetch {one} of {self.file}, md5 {_md5(info)}: {_reason(error)}"
                ) from error

        with ThreadPoolExecutor(THREADS) as pool:
            copies = pool.map(get, recorded)
            for _ in track(copies, f"fetching {self.file}", total=len(recorded), unit="files"):
                pass
        self._verify({one: _md5(info) for one, (_, info) in recorded.items()})

    def _verify(self, recorded: dict[PurePosixPath, str]) -> None:
        found = md5s([self.folder / one for one in recorded], self.tracked.algorithm)
        for (one, expected), real in zip(recorded.items(), found, strict=True):
            if real != expected:
                raise self._failure(
                    f"{one} of {self.file} has md5 {real}, recorded is {expected}: DVC's copy is "
                    f"damaged; delete files/md5/{expected[:2]}/{expected[2:]} in its cache and "
                    "in its remote"
                )
        if digest(self.folder, self.tracked.algorithm) != self.tracked.md5:
            raise self._failure(f"{self._manifest} is damaged in DVC's cache or remote")

    @property
    def _manifest(self) -> str:
        return f"the manifest {self.tracked.md5} of {self.file}"

    def _failure(self, problem: str) -> ValueError:
        return ValueError(f"{problem}; {self.advice}")


def _md5(info: dict[str, Any]) -> str:
    return str(info["entry"].hash_info.value)


def _reason(error: BaseException) -> str:
    """What an error was about at its root; DVC wraps them."""
    while error.__cause__ is not None and not isinstance(error.__cause__, ImportError):
        error = error.__cause__
    return f"{error}{untrusted(str(error))}"
