"""`python -m perdure.demo [SEED]`: the demo without the command line; `perdure demo --help` knows more."""

import sys

from perdure.demo.command import run

if __name__ == "__main__":
    sys.exit(run(seed=int(sys.argv[1]) if sys.argv[1:] else None))
