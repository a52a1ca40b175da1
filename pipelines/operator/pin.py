"""Which data a run gets: an address that the cluster can reach, and a commit."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipelines.elsewhere import elsewhere, refuse_secrets
from pipelines.refusal import Refusal

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SECONDS = 60


@dataclass(frozen=True)
class Pinned:
    """Data for a run.

    Attributes:
        data: Address of the `.dvc` file.
        revision: What was asked for.
        commit: The commit that it is now.
    """

    data: str
    revision: str
    commit: str


def address(data: str, revision: str) -> str:
    """The address by which a cluster finds a `.dvc` file.

    Args:
        data: A `.dvc` file here, or an address already.
        revision: Its git revision; the commit checked out, when empty.

    Raises:
        Refusal: If there is no such file, or its repository has no address that others can reach.
    """
    if address := elsewhere(data):
        refuse_secrets(address.repository)
        return data
    return _local(Path(data), revision).data


def pin(data: str, revision: str) -> Pinned:
    """Find the commit that a revision is now, so that a run means the same for ever.

    Args:
        data: A `.dvc` file here whose repository others can reach, or
            `https://host/owner/repo.git:path/data.dvc`.
        revision: A branch, a tag or a commit; when empty, what is checked out here, or the default
            branch of a repository elsewhere.

    Raises:
        Refusal: If there is no such file, repository or revision, or others could not reach it.
    """
    if address := elsewhere(data):
        refuse_secrets(address.repository)
        return Pinned(data, revision, _remote_commit(address.repository, revision))
    return _local(Path(data), revision)


def _local(file: Path, revision: str) -> Pinned:
    if not file.is_file():
        raise Refusal(
            f"--data {file}: there is no such file; give a .dvc file here, or "
            "https://HOST/REPOSITORY.git:PATH/data.dvc"
        )
    if file.suffix != ".dvc":
        raise Refusal(
            f"--data {file}: pods cannot read folders of this machine; version it with "
            "`dvc add`, push, and give the .dvc file"
        )
    file = file.resolve()
    top = _git("rev-parse", "--show-toplevel", folder=file.parent)
    if not top:
        raise Refusal(f"--data {file}: is in no git repository, so it has no versions")
    root = Path(top)
    inside = file.relative_to(root).as_posix()
    commit = _git("rev-parse", "--verify", f"{revision or 'HEAD'}^{{commit}}", folder=root)
    if not commit:
        raise Refusal(
            f"--revision {revision}: {root} has no such revision; `git log`, `git tag` and "
            "`git branch -a` list what it has"
        )
    if not revision and _git("status", "--porcelain", "--", inside, folder=root):
        raise Refusal(
            f"--data {file}: differs from what is committed; commit and push it, or name a "
            "--revision"
        )
    if not _git("cat-file", "-t", f"{commit}:{inside}", folder=root):
        raise Refusal(f"--revision {revision}: has no {inside}; choose one that does")
    # As written, not as this machine rewrites it (insteadOf).
    url = _git("config", "--get", "remote.origin.url", folder=root)
    if not url or ("://" not in url and "@" not in url) or url.startswith("file://"):
        raise Refusal(
            f"--data {file}: its repository has no origin that a cluster can reach; push it to a "
            "server, or give https://HOST/REPOSITORY.git:PATH/data.dvc"
        )
    if not _git("branch", "--remotes", "--contains", commit, "--format=%(refname)", folder=root):
        raise Refusal(
            f"--data {file}: commit {commit[:12]} is on no branch of origin, so the cluster "
            "cannot get it: git push (and dvc push)"
        )
    refuse_secrets(url)
    return Pinned(f"{url}:{inside}", revision, commit)


def _remote_commit(url: str, revision: str) -> str:
    if _COMMIT.fullmatch(revision):
        return revision
    wanted = revision or "HEAD"
    environment = os.environ | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    }
    try:
        done = subprocess.run(
            ["git", "ls-remote", "--", url, wanted, f"{wanted}^{{}}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise Refusal(
            f"--data {url}: did not answer within {_SECONDS} s; check the address, or give the "
            "full commit as --revision"
        ) from error
    except OSError as error:
        raise Refusal("git is not installed: install it, or give the full commit") from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [""])[-1]
        raise Refusal(
            f"--data {url}: cannot be read from here ({said}); check the address and your "
            "rights, or give the full commit as --revision"
        )
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        commit, _, name = line.partition("\t")
        found[name] = commit
    for name in (f"refs/tags/{wanted}^{{}}", f"refs/tags/{wanted}", f"refs/heads/{wanted}", wanted):
        if name in found:
            return found[name]
    raise Refusal(
        f"--revision {revision}: {url} has no branch or tag of this name (a commit is given with "
        "all its 40 digits)"
    )


def _git(*words: str, folder: Path) -> str:
    """What git says; empty when it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise Refusal("git is not installed: install it") from error
    return done.stdout.strip() if done.returncode == 0 else ""
