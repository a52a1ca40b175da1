import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from components.store import RECORD, Store, digest_code, digest_tree, key, place


def _tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_tree_s_digest_is_its_content_not_its_place_or_its_record(tmp_path: Path) -> None:
    one = _tree(tmp_path / "one", {"a": "1", "b/c": "2", RECORD: "x"})
    two = _tree(tmp_path / "elsewhere" / "two", {"b/c": "2", "a": "1", RECORD: "y"})
    renamed = _tree(tmp_path / "three", {"a2": "1", "b/c": "2"})
    changed = _tree(tmp_path / "four", {"a": "1", "b/c": "3"})

    assert digest_tree(one) == digest_tree(two)
    assert len({digest_tree(one), digest_tree(renamed), digest_tree(changed)}) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"code": "other"},
        {"settings": '{"steps": 3}'},
        {"scalars": {"fraction": 0.2}},
        {"inputs": {"dataset": "d2"}},
        {"inputs": {"dataset": "d1", "more": ["d1"]}},
    ],
)
def test_a_key_changes_with_everything_a_result_depends_on(change: dict[str, object]) -> None:
    content = {
        "code": "c",
        "settings": '{"steps": 2}',
        "scalars": {"fraction": 0.1},
        "inputs": {"dataset": "d1"},
    }

    assert key(**content) == key(**content)
    assert key(**content) != key(**{**content, **change})


def test_code_is_the_module_and_all_that_it_imports_of_the_project(tmp_path: Path) -> None:
    package = _tree(
        tmp_path / "components",
        {
            "__init__.py": "",
            **{
                f"{name}.py": Path(str(find_spec(f"components.{name}").origin)).read_text()
                for name in ("store", "retry", "progress")
            },
            "one.py": "def f():\n    from components.two import g\n",
            "two.py": "g = 1\n",
            "three.py": "h = 1\n",
        },
    )

    def digest() -> str:
        command = "from components.store import digest_code; print(digest_code('components.one'))"
        done = subprocess.run(
            [sys.executable, "-c", command], cwd=tmp_path, capture_output=True, check=True
        )
        return done.stdout.decode()

    before = digest()
    (package / "three.py").write_text("h = 2\n")
    unrelated = digest()
    (package / "two.py").write_text("g = 2\n")
    imported = digest()

    assert unrelated == before
    assert imported != before


def test_a_result_appears_whole_and_read_only(tmp_path: Path) -> None:
    slot = Store(tmp_path).slot("step", "k" * 64)
    (slot.work / "half").write_text("written")
    assert not slot.finished

    slot.finish({"digest": "d"})

    assert slot.finished
    assert not slot.work.exists()
    assert (slot.result / "half").stat().st_mode & 0o222 == 0
    assert Store(tmp_path).slot("step", "k" * 64).finished


def test_placing_replaces_what_was_there(tmp_path: Path) -> None:
    source = _tree(tmp_path / "source", {"a": "1", "b/c": "2"})
    target = _tree(tmp_path / "target", {"old": "x"})

    place(source, target)

    assert digest_tree(target) == digest_tree(source)


def test_code_digest_is_stable_within_a_process() -> None:
    assert digest_code("components.instances") == digest_code("components.instances")
    assert digest_code("components.instances") != digest_code("components.dataset")
