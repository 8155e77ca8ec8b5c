"""The run of others' suites notices what is wrong with it; the run itself is `make conformance`."""

import tarfile
from pathlib import Path

import pytest

from tests.conformance import transitions_suite
from tests.conformance.__main__ import main
from tests.conformance.transitions_suite import WITH_DOT, WITHOUT_DOT, judge

RIGHT = {"passed": 2855, "failed": 0, "error": 0, "skipped": 288, "machines": 1312, "selections": 1297}


def test_a_right_run_is_right() -> None:
    assert judge(RIGHT, has_dot=True) == []
    assert judge(RIGHT | {"passed": 1383, "skipped": 1760, "machines": 953, "selections": 971}, has_dot=False) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"failed": 1}, "1 failed"),
        ({"error": 2}, "2 error"),
        ({"passed": 2854}, "2854 passed, and 2855 did"),
        ({"skipped": 289}, "289 skipped, and 288 were"),
        ({"machines": 0}, "wired wrongly"),
        ({"selections": 0}, "wired wrongly"),
        ({"passed": WITHOUT_DOT.passed, "skipped": WITHOUT_DOT.skipped}, "1760 skipped, and 288 were"),
    ],
)
def test_a_run_that_shrinks_or_misses_our_engine_is_wrong(change: dict[str, int], words: str) -> None:
    assert words in "; ".join(judge(RIGHT | change, has_dot=True))


def test_more_tests_than_are_known_are_no_fault() -> None:
    assert judge(RIGHT | {"passed": WITH_DOT.passed + 5}, has_dot=True) == []


def test_another_archive_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions_suite, "CACHE", tmp_path)
    archive = tmp_path / f"{transitions_suite.NAME}.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(__file__, "tests/test_core.py")

    with pytest.raises(SystemExit, match=r"has sha256 .*, expected 881fb75b.*Delete it and fetch again"):
        transitions_suite.fetch()

    assert list(tmp_path.iterdir()) == [archive]


def test_an_unknown_suite_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "no suite nothing; there are transitions" in capsys.readouterr().err
