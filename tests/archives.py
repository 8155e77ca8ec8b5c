"""Look into the built wheel and sdist: the four packages, their type markers, and nothing beside them."""

import sys
import tarfile
import zipfile

PACKAGES = {"statemachine", "persistence", "recovery", "perdure"}
MARKERS = {f"{package}/py.typed" for package in PACKAGES}
# A type checker or a test that a user runs from the sdist needs these.
SDIST = MARKERS | {"LICENSE", "README.md", "Makefile", "constraints.txt", "pyproject.toml", "tests/__init__.py"}


def problems_of_wheel(names: set[str]) -> list[str]:
    """What is missing from, or too much in, the names of a wheel's files. Pure."""
    tops = {name.split("/")[0] for name in names}
    foreign = {top for top in tops - PACKAGES if not top.endswith(".dist-info")}
    return [f"wheel lacks {name}" for name in sorted(MARKERS - names)] + [
        f"wheel holds {top}, which is none of our packages" for top in sorted(foreign)
    ]


def problems_of_sdist(names: set[str]) -> list[str]:
    """What is missing from the names of an sdist's files, without their first folder. Pure."""
    return [f"sdist lacks {name}" for name in sorted(SDIST - names)]


def main(wheel: str, sdist: str) -> int:
    """Print what is wrong with the two archives; 0 if nothing is."""
    with zipfile.ZipFile(wheel) as archive:
        problems = problems_of_wheel(set(archive.namelist()))
    with tarfile.open(sdist) as archive:
        problems += problems_of_sdist({name.partition("/")[2] for name in archive.getnames()})
    for problem in problems:
        print(f"archives: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
