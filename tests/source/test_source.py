"""Data versions: what is taken as it is, what is fetched, what is refused."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from components.data_versioning import source
from components.data_versioning.source import fetched, locate_default

ROOT = Path(__file__).resolve().parents[2]
FIRST = {"images/a.jpg": b"first a", "notes.txt": b"windows\r\nlines\n"}
SECOND = {"images/a.jpg": b"second a", "images/b.jpg": b"b", "notes.txt": b"windows\r\nlines\n"}


def git(folder: Path, *arguments: str) -> None:
    who = [
        "-c",
        "user.name=Test",
        "-c",
        "user.email=test@example.org",
        "-c",
        "commit.gpgsign=false",
    ]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def fill(folder: Path, content: dict[str, bytes]) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    for name, value in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(value)


def read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def version(folder: Path, content: dict[str, bytes], place: str = "data") -> None:
    """Add and push a version of the data through DVC."""
    from dvc.repo import Repo

    fill(folder / place, content)
    with Repo(str(folder)) as repo:
        repo.add(str(folder / place))
        repo.push()


def prepare(folder: Path) -> None:
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").write_text(
        "[core]\n    remote = embedded\n    analytics = false\n"
        "['remote \"embedded\"']\n    url = remote\n"
    )
    (folder / ".dvc" / ".gitignore").write_text("/cache\n/tmp\n")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with two versions of its data, tag v1 and branch main."""
    folder = tmp_path_factory.mktemp("original") / "repo"
    prepare(folder)
    git(folder, "init", "-q", "-b", "main")
    version(folder, FIRST)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "tag", "v1")
    git(folder, "branch", "side")
    version(folder, SECOND)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "second")
    return folder


@pytest.fixture
def clone(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh clone: no cache, no working copy of the data; the current folder is elsewhere."""
    git(tmp_path, "clone", "-q", str(original), "clone")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert not (tmp_path / "clone" / "data").exists()
    return tmp_path / "clone"


def test_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    fill(tmp_path / "photos", FIRST)
    with fetched(str(tmp_path / "photos"), "") as folder:
        assert folder == tmp_path / "photos"
    with pytest.raises(ValueError, match="revision 'v1' given for the folder"):
        fetched(str(tmp_path / "photos"), "v1").__enter__()


def test_fresh_clone_is_served_by_the_remote_inside_it(clone: Path) -> None:
    with fetched(str(clone / "data.dvc"), "") as folder:
        assert folder.name == "data"
        assert folder.parent != clone
        assert read(folder) == SECOND
    assert not folder.exists()
    assert not (clone / "data").exists()


def test_the_machines_own_index_is_neither_read_nor_written(clone: Path) -> None:
    # Two processes that began it at once left it wrong, and every later fetch failed.
    with Repo(str(clone)) as repo:
        index = Path(repo.site_cache_dir) / "index"
    assert not index.exists()
    with fetched(str(clone / "data.dvc"), "") as folder:
        assert folder.is_dir()
    assert not index.exists()
    (index / "data").mkdir(parents=True)
    (index / "data" / "cache.db").write_text("not a data base")
    with fetched(str(clone / "data.dvc"), "") as folder:
        assert folder.is_dir()


def test_earlier_revision(clone: Path) -> None:
    with fetched(str(clone / "data.dvc"), "v1") as folder:
        assert read(folder) == FIRST


def test_working_copy_is_used_where_it_is_the_recorded_one(clone: Path) -> None:
    fill(clone / "data", SECOND)
    with fetched(str(clone / "data.dvc"), "") as folder:
        assert folder == clone / "data"


def test_working_copy_needs_no_import_of_dvc(clone: Path) -> None:
    fill(clone / "data", SECOND)
    code = (
        "import sys; from components.data_versioning.source import fetched\n"
        f"with fetched({str(clone / 'data.dvc')!r}, '') as folder: pass\n"
        "sys.exit('dvc.repo' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize(
    "change",
    [
        {"images/a.jpg": b"retouched"},
        {"images/new.jpg": b"not recorded"},
    ],
)
def test_changed_working_copy_is_not_passed_off_as_the_recorded_version(
    clone: Path, change: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(clone / "data", {**SECOND, **change})
    with fetched(str(clone / "data.dvc"), "") as folder:
        assert read(folder) == SECOND
    assert "data/ is not what data.dvc records" in capsys.readouterr().out
    assert read(clone / "data") == {**SECOND, **change}


def test_repository_elsewhere(original: Path, clone: Path) -> None:
    with fetched(f"file://{original}:data.dvc", "v1") as folder:
        assert read(folder) == FIRST
    with fetched(f"file://{original}:data.dvc", "") as folder:
        assert read(folder) == SECOND
    with fetched(f"file://{original}:data.dvc", "side") as folder:
        assert read(folder) == FIRST
    with fetched(f"{original}:data.dvc", "v1") as folder:
        assert read(folder) == FIRST


def test_repository_without_git_in_a_subfolder(tmp_path: Path) -> None:
    prepare(tmp_path)
    config = tmp_path / ".dvc" / "config"
    config.write_text(config.read_text().replace("[core]\n", "[core]\n    no_scm = true\n"))
    version(tmp_path, FIRST, "parts/blades")
    shutil.rmtree(tmp_path / "parts" / "blades")
    shutil.rmtree(tmp_path / ".dvc" / "cache")
    with fetched(str(tmp_path / "parts" / "blades.dvc"), "") as folder:
        assert folder.name == "blades"
        assert read(folder) == FIRST
    with pytest.raises(ValueError, match="is not a git repository"):
        fetched(str(tmp_path / "parts" / "blades.dvc"), "v1").__enter__()


def stored(repository: Path, value: bytes) -> Path:
    """Where the remote keeps the file with some content."""
    (found,) = [
        path
        for path in (repository / ".dvc" / "remote").rglob("*")
        if path.is_file() and path.read_bytes() == value
    ]
    return found


def refused(data: object, revision: str = "") -> str:
    with pytest.raises(ValueError) as caught:
        fetched(str(data), revision).__enter__()
    return str(caught.value)


def test_damaged_file_is_named_with_both_digests(clone: Path) -> None:
    path = stored(clone, b"second a")
    path.chmod(0o644)
    path.write_bytes(b"second b")
    said = refused(clone / "data.dvc")
    found = hashlib.md5(b"second b", usedforsecurity=False).hexdigest()
    assert f"images/a.jpg of data.dvc has md5 {found}" in said
    assert f"recorded is {path.parent.name}{path.name}" in said
    assert f"files/md5/{path.parent.name}/{path.name}" in said
    assert "dvc push" in said


def test_missing_file_is_named(clone: Path) -> None:
    path = stored(clone, b"second a")
    path.unlink()
    said = refused(clone / "data.dvc")
    assert "cannot fetch images/a.jpg" in said
    assert path.parent.name + path.name in said
    assert "dvc push" in said


def test_unreachable_remote(clone: Path) -> None:
    config = clone / ".dvc" / "config"
    config.write_text(config.read_text().replace("url = remote", "url = /nowhere/at/all"))
    said = refused(clone / "data.dvc")
    assert "manifest" in said
    assert "check the remote 'embedded'" in said


def test_what_is_not_there(clone: Path, tmp_path: Path) -> None:
    assert "no revision 'v9'" in refused(clone / "data.dvc", "v9")
    assert "does not exist" in refused(clone / "other.dvc")
    assert "has no other.dvc at revision 'v1'" in refused(clone / "other.dvc", "v1")
    assert "neither a folder nor a .dvc file" in refused(tmp_path / "nothing")
    (tmp_path / "lonely.dvc").write_text((clone / "data.dvc").read_text())
    assert "not in a DVC repository" in refused(tmp_path / "lonely.dvc")
    assert "cannot clone" in refused(f"file://{tmp_path}/no-such-repo:data.dvc")


def test_dvc_file_of_another_kind(clone: Path) -> None:
    (clone / "one.dvc").write_text("outs:\n- {md5: 0123, hash: md5, path: photo.jpg}\n")
    assert "tracks the single file 'photo.jpg'" in refused(clone / "one.dvc")
    (clone / "none.dvc").write_text("nonsense")
    assert "does not record one folder" in refused(clone / "none.dvc")


def test_default_is_found_upwards_and_beside_the_packages(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / "notes" / "deep").mkdir(parents=True)
    monkeypatch.chdir(clone / "notes" / "deep")
    assert locate_default() == clone / "data.dvc"
    monkeypatch.chdir(clone.parent / "elsewhere")
    assert locate_default() == ROOT / "data.dvc"
    monkeypatch.setattr(source, "DEFAULT", "no-such-file.dvc")
    with pytest.raises(ValueError, match="--data FOLDER"):
        locate_default()


@pytest.mark.parametrize("evil", ["{outside}/evil.txt", "../evil.txt", "a/../../evil.txt"])
def test_a_manifest_that_leads_out_of_the_folder(clone: Path, evil: str) -> None:
    """Whoever can write the remote can write such a list; nothing is written where it points."""
    photo = stored(clone, b"second a")
    md5 = photo.parent.name + photo.name
    name = evil.format(outside=clone.parent)
    manifest = json.dumps([{"md5": md5, "relpath": name}]).encode()
    digest = hashlib.md5(manifest, usedforsecurity=False).hexdigest()
    place = photo.parents[1] / digest[:2] / f"{digest[2:]}.dir"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(manifest)
    (clone / "data.dvc").write_text(
        f"outs:\n- md5: {digest}.dir\n  size: 8\n  nfiles: 1\n  hash: md5\n  path: data\n"
    )
    said = refused(clone / "data.dvc")
    assert f"{digest}.dir" in said
    assert not any(path.name.endswith("evil.txt") for path in clone.parent.rglob("*"))
