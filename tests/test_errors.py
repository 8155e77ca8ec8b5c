"""Every code that can be raised has its line in docs/errors.md, and the page names no code that cannot."""

import re
from pathlib import Path

from statemachine.errors import REFUSALS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")


def codes(text: str) -> set[str]:
    """Return the codes PDnnn, PFnnn and PSnnn that a text names."""
    return set(re.findall(r"\bP[DFS]\d{3}\b", text))


def test_every_code_of_the_source_is_explained_and_no_other() -> None:
    sources = [
        path for name in ("statemachine", "persistence", "recovery", "perdure") for path in (ROOT / name).rglob("*.py")
    ]
    raised = codes("\n".join(path.read_text(encoding="utf-8") for path in sources))
    assert raised == codes(PAGE)


def test_every_refusal_is_explained_and_no_other() -> None:
    section = PAGE.partition("## The chart")[2].partition("##")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)) == set(REFUSALS)


def test_a_code_that_is_missing_would_be_seen() -> None:
    assert codes("PD104, PF401 and PS301, not PD12 or XPD104") == {"PD104", "PF401", "PS301"}
