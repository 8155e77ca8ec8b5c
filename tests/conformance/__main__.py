"""`python -m tests.conformance [SUITE …]`: run suites that others wrote; without names, all of them."""

import sys

from tests.conformance import scion_suite, transitions_suite

SUITES = {"transitions": transitions_suite.run, "scion": scion_suite.run}


def main(names: list[str]) -> int:
    """Run suites by name and return the worst exit code."""
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    return max([SUITES[name]() for name in names or SUITES])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
