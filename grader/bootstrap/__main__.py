"""Entry of the scripts in `bin/`: `python3 -I grader/bootstrap/__main__.py ROOT run|setup [ARGUMENT ...]`."""

import sys
from pathlib import Path

# Isolated mode puts nothing of the caller's on the path: a submission's `typing.py` must never be imported here.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from grader.bootstrap.start import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
