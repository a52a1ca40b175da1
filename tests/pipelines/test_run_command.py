"""`defectory run` as a whole: which data and folders it takes, and what it says at the end.

The DAG is the real one, with its tasks' processes; only the steps' work is left out.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stand_in import StandIn, keep_environment

from components.accelerator import CHOICE, gpus
from components.task import WARM
from pipelines import run

Said = tuple[int, str, str]
Run = Callable[..., Said]


@pytest.fixture
def defectory_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process; what it puts into the environment is taken out again."""
    from pipelines.cli import main

    keep_environment(monkeypatch)

    def act(*words: str) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["run", "--preset", "smoke", *words])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return act


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Takes the calls of the DAG's steps."""
    stand_in = StandIn(tmp_path / "socket")

    @contextlib.contextmanager
    def warm(log: Path) -> Iterator[None]:
        monkeypatch.setenv(WARM, str(stand_in.address))
        yield

    monkeypatch.setattr(run, "_warm_server", warm)
    return stand_in


@pytest.fixture(scope="module")
def repository(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with photos that DVC keeps in it, all of them at the tag v1."""
    from dvc.repo import Repo

    folder = tmp_path_factory.mktemp("elsewhere") / "photos.git"
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").write_text(
        "[core]\n    remote = own\n    analytics = false\n['remote \"own\"']\n    url = remote\n"
    )
    (folder / ".dvc" / ".gitignore").write_text("/cache\n/tmp\n")
    shutil.copytree(photo_folder, folder / "data")
    _git(folder, "init", "-q", "-b", "main")
    with Repo(str(folder)) as repo:
        repo.add(str(folder / "data"))
        repo.push()
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "all")
    _git(folder, "tag", "v1")
    _git(folder, "rm", "-q", "data.dvc")
    _git(folder, "commit", "-q", "-m", "none")
    return folder


def _git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "tag.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_photos_of_a_repository_elsewhere_reach_the_data_step(
    repository: Path, photo_folder: Path, defectory_run: Run, steps: StandIn, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    code, said, error = defectory_run(
        "--data", f"file://{repository}:data.dvc", "--revision", "v1", "--out", str(out)
    )

    assert code == 0, error
    (call,) = steps.of("version")
    assert call.given["source"] == sorted(path.name for path in photo_folder.iterdir())
    assert f"mlflow ui --backend-store-uri sqlite:///{out}" in said


def test_a_revision_that_is_not_there_is_told_at_once(
    repository: Path, defectory_run: Run, tmp_path: Path
) -> None:
    code, _, error = defectory_run(
        "--data", f"file://{repository}:data.dvc", "--revision", "v9", "--out", str(tmp_path / "o")
    )

    assert code == 2
    assert "no revision 'v9'" in error
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "data",
    [
        "https://ada:hunter22@git.example/photos.git:data.dvc",
        "ada:hunter22@git.example/photos.git:data.dvc",
        "https://ada:hunter22@git.example/photos",
    ],
)
def test_a_password_in_the_datas_address_is_refused_and_not_repeated(
    data: str, defectory_run: Run
) -> None:
    code, said, error = defectory_run("--data", data)

    assert code == 2
    assert "password" in error
    assert "hunter22" not in said + error


def test_an_address_of_something_else_is_refused_with_the_form(defectory_run: Run) -> None:
    code, _, error = defectory_run("--data", "https://host.example/photos")

    assert code == 2
    assert "https://HOST/REPOSITORY.git:PATH/data.dvc" in error


def test_a_server_of_mlflow_is_not_offered_as_a_store(
    photo_folder: Path, defectory_run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:hunter22@127.0.0.1:9")
    monkeypatch.setattr(run, "execute", lambda request: [])

    code, said, error = defectory_run("--data", str(photo_folder), "--out", str(tmp_path / "out"))

    assert code == 0, error
    assert "report.html" in said
    assert "mlflow ui" not in said
    assert "hunter22" not in said + error


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_results_that_cannot_be_written_are_told_before_anything_is_done(
    photo_folder: Path, defectory_run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    more: list[str],
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("no folder")
    words = ("--data", str(photo_folder), *more, "--out")
    below = defectory_run(*words, str(tmp_path / "file" / "deep" / "out"))
    itself = defectory_run(*words, str(tmp_path / "file"))
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK and allowed(path, mode))
    closed = defectory_run(*words, str(tmp_path / "deep" / "out"))

    assert [code for code, _, _ in (below, itself, closed)] == [2, 2, 2]
    assert f"{tmp_path / 'file'} is a file" in below[2]
    assert f"{tmp_path / 'file'} is a file" in itself[2]
    assert f"you may not write to {tmp_path}" in closed[2]
    assert [said for _, said, _ in (below, itself, closed)] == ["", "", ""]


def test_results_do_not_go_among_the_photos(photo_folder: Path, defectory_run: Run) -> None:
    for out in (photo_folder, photo_folder / "images" / ".." / "runs" / "mine"):
        code, said, error = defectory_run("--data", str(photo_folder), "--out", str(out))

        assert code == 2
        assert said == ""
        assert "lies among the photos" in error
    assert sorted(path.name for path in photo_folder.iterdir()) == ["images", "masks"]


def test_what_looks_like_markup_is_shown_as_it_is(
    photo_folder: Path, defectory_run: Run, tmp_path: Path
) -> None:
    photos = tmp_path / "photos [of] [/mine]"
    shutil.copytree(photo_folder, photos)
    for kind in ("images", "masks"):
        (photos / kind / "pit").rename(photos / kind / "[bold]pit")
    pattern = r"/([a-z0-9]+)[.]png"

    code, said, error = defectory_run(
        "--data", str(photos), "--out", str(tmp_path / "out"), "--dry-run",
        "--set", f"data_versioning.group_pattern={pattern}",
    )  # fmt: skip

    assert code == 0, error
    whole = "".join(said.split())
    assert "photos[of][/mine]" in whole
    assert "[bold]pit12" in whole
    assert pattern in whole


def test_a_base_model_that_is_none_is_told_before_anything_is_done(
    photo_folder: Path, defectory_run: Run, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')

    code, said, error = defectory_run(
        "--data", str(photo_folder), "--out", str(tmp_path / "out"),
        "--base-model", str(tmp_path / "model"),
    )  # fmt: skip

    assert (code, said) == (2, "")
    assert "names the class 'FluxPipeline'" in error
    assert "vae/ is missing" in error
    assert not (tmp_path / "out").exists()


def test_memory_that_is_not_there_is_told(
    photo_folder: Path, defectory_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--data", str(photo_folder), "--out", str(tmp_path / "out"), "--dry-run")
    _, enough, _ = defectory_run(*words)
    monkeypatch.setattr("pipelines.commands.announcement.room", lambda: 500_000_000)
    _, little, _ = defectory_run(*words)

    assert "memory, and this machine has" not in " ".join(enough.split())
    assert "this machine has 500 MB" in " ".join(little.split())


def test_a_gpu_that_torch_cannot_use_is_told_and_left_alone(
    photo_folder: Path, defectory_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch can use the GPU of this machine")
    monkeypatch.setenv(CHOICE, "what the run says is taken out again")
    monkeypatch.delenv(CHOICE)
    devices = tmp_path / "dev"
    devices.mkdir()
    (devices / "nvidia0").touch()
    # Another process, which asks torch, has no such file.
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "GPU-8932f937")
    for module in ("commands.announcement", "machine", "memory"):
        monkeypatch.setattr(f"pipelines.{module}.gpus", lambda: gpus(devices))

    _, said, _ = defectory_run(
        "--data", str(photo_folder), "--out", str(tmp_path / "out"), "--dry-run"
    )

    assert said.startswith("GPU       not used, all is computed on the CPU: there is an ")
    assert "NVIDIA driver" in said.splitlines()[0]
    assert gpus(devices) == []


@pytest.mark.parametrize(
    ("there", "told"), [(500_000_000, True), (80_000_000_000, False), (None, False)]
)
def test_memory_that_the_gpu_has_not_is_told(
    there: int | None, told: bool, photo_folder: Path, defectory_run: Run, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for module in ("commands.announcement", "machine", "memory"):
        monkeypatch.setattr(f"pipelines.{module}.gpus", lambda: ["0"])
    monkeypatch.setattr("pipelines.machine.against_gpus", lambda: "")
    monkeypatch.setattr("pipelines.commands.announcement.gpu_room", lambda: there)
    # What it leaves to a GPU no longer counts.
    monkeypatch.setattr("pipelines.commands.announcement.room", lambda: 500_000_000)

    _, said, _ = defectory_run(
        "--data", str(photo_folder), "--out", str(tmp_path / "out"), "--dry-run"
    )

    assert ("and this GPU has 500 MB" in " ".join(said.split())) == told
    assert "this machine has" not in said
