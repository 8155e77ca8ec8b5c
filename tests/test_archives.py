"""Controls for tests/archives.py, which .ci/fresh-install runs on what was built."""

from tests.archives import MARKERS, SDIST, problems_of_sdist, problems_of_wheel


def test_sound_archives_pass() -> None:
    assert problems_of_wheel(MARKERS | {"recovery/a.py", "perdure-1.dist-info/METADATA"}) == []
    assert problems_of_sdist(SDIST | {"docs/index.md"}) == []


def test_missing_type_marker_is_found() -> None:
    assert problems_of_wheel(MARKERS - {"recovery/py.typed"}) == ["wheel lacks recovery/py.typed"]
    assert problems_of_sdist(SDIST - {"recovery/py.typed"}) == ["sdist lacks recovery/py.typed"]


def test_foreign_package_in_the_wheel_is_found() -> None:
    assert problems_of_wheel(MARKERS | {"tests/__init__.py"}) == ["wheel holds tests, which is none of our packages"]
