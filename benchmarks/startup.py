"""How long it takes to start: `import statemachine` over bare Python, and `perdure --help`.

    python -m benchmarks.startup [runs]

With bytecode written, as an install has it. Whole processes, in turn, so that a slow moment of the machine meets all of
them; medians and spread in milliseconds.
Targets: the import at most 120 ms over bare Python, the help at most 150 ms.
"""

import os
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": "pass",
    "import attrs, apsw, transitions": "import attrs, apsw, transitions.extensions.nesting",
    "import statemachine": "import statemachine",
    "import recovery": "import recovery",
    "perdure --help": "import sys; sys.argv = ['perdure', '--help']; from perdure.cli import main; main()",
}

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def milliseconds(program: str) -> float:
    """Return the wall time of one process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Print a table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    for program in COMMANDS.values():
        milliseconds(program)
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, program in COMMANDS.items():
            found[name].append(milliseconds(program))
    bare = statistics.median(found["python -c pass"])
    print(f"{'ms, ' + str(runs) + ' runs':<42}{'median':>8}{'min':>8}{'max':>8}{'over bare':>11}")
    for name, times in found.items():
        median = statistics.median(times)
        print(f"{name:<42}{median:>8.0f}{min(times):>8.0f}{max(times):>8.0f}{median - bare:>11.0f}")


if __name__ == "__main__":
    main()
