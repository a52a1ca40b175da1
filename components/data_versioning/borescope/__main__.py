"""Command line: `python -m components.data_versioning.borescope --out data`."""

import argparse
import os
from pathlib import Path

from components.data_versioning.borescope.write import ANNOTATED, CLEAN, SEED, write


def main() -> None:
    """Render the sample data."""
    parser = argparse.ArgumentParser(
        prog="python -m components.data_versioning.borescope",
        description="Render borescope views of a combustor's liner, with their defects' masks.",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--seed", type=int, default=SEED, help="default: that of data.dvc")
    parser.add_argument("--annotated", type=int, default=ANNOTATED, help="photos with defects")
    parser.add_argument("--clean", type=int, default=CLEAN, help="photos without")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    try:
        write(
            options.out,
            seed=options.seed,
            annotated=options.annotated,
            clean=options.clean,
            processes=options.processes,
        )
    except ValueError as problem:
        parser.error(str(problem))


if __name__ == "__main__":
    main()
