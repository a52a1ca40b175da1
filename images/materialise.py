"""While an image is built: what DVC keeps for the project, and the project's own metadata."""

import shutil
import tomllib
from pathlib import Path

from components.data_versioning.source import fetched

# There is no git repository around it here.
Path(".dvc/config.local").write_text("[core]\n    no_scm = true\n")
kept = [path for path in sorted(Path().rglob("*.dvc")) if path.is_file()]
if not kept:
    raise SystemExit("no .dvc file reached the build: does .dockerignore let them pass?")
for file in kept:
    with fetched(str(file.resolve()), "") as folder:
        shutil.copytree(folder, file.with_suffix(""), dirs_exist_ok=True)
for left in ("cache", "remote", "tmp"):
    shutil.rmtree(Path(".dvc") / left, ignore_errors=True)

# The project runs from its source; this is what importlib.metadata looks for.
project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
metadata = Path(f"{project['name']}-{project['version']}.dist-info/METADATA")
metadata.parent.mkdir()
metadata.write_text(
    f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
)
