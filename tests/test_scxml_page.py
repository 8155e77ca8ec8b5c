"""docs/scxml.md says what is read: its program runs, its tables, limits and counts are the real ones."""

import re
from pathlib import Path

from statemachine.scxml.budget import STEPS_MAX, TEXT_MAX
from statemachine.scxml.building import STATES_MAX
from statemachine.scxml.compiling import EVENTS_MAX, RULES_MAX
from statemachine.scxml.contents import NAME_LENGTH_MAX
from statemachine.scxml.grammar import CONTENT, GRAMMAR, UNSUPPORTED, Rule
from statemachine.scxml.reading import BYTES_MAX, DEPTH_MAX, ELEMENTS_MAX
from statemachine.scxml.running import PENDING_MAX
from tests.conformance.scion_suite import KNOWN, LEAST
from tests.snippets import python_blocks

PAGE = (Path(__file__).parent.parent / "docs" / "scxml.md").read_text(encoding="utf-8")


def has_content(rule: Rule) -> bool:
    return set(CONTENT) <= set(rule.children)


def listed(cell: str) -> list[str]:
    return re.findall(r"`(\S+?)`", cell)


def test_the_program_of_the_page_runs() -> None:
    for block in python_blocks(PAGE):
        exec(compile(block, "docs/scxml.md", "exec"), {"__name__": "page"})  # noqa: S102  # our own page


def test_the_table_of_elements_is_the_readers() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*?)\|(.*?)\|$", PAGE, re.MULTILINE)
    of_page = {
        tag: (
            tuple(listed(attributes)),
            tuple(listed(children)),
            "content" in children.replace("`content`", ""),
            "text" in children,
        )
        for tag, attributes, children in rows
    }
    of_reader = {
        tag: (
            rule.attributes,
            tuple(child for child in rule.children if not (has_content(rule) and child in CONTENT)),
            has_content(rule),
            rule.has_text,
        )
        for tag, rule in GRAMMAR.items()
    }

    assert of_page == of_reader


def test_content_and_what_is_refused_are_listed() -> None:
    refused = re.search(r"\| refused \|.*?\n\n", PAGE, re.DOTALL)
    content = re.search(r"^Content is (.*)\.$", PAGE, re.MULTILINE)

    assert refused is not None
    assert set(listed(refused[0])) == set(UNSUPPORTED)
    assert content is not None
    assert tuple(listed(content[1])) == CONTENT


def test_limits_and_counts_are_the_real_ones() -> None:
    assert BYTES_MAX == 1 << 20
    for limit in (
        DEPTH_MAX,
        ELEMENTS_MAX,
        STATES_MAX,
        EVENTS_MAX,
        RULES_MAX,
        NAME_LENGTH_MAX,
        STEPS_MAX,
        TEXT_MAX,
        PENDING_MAX,
    ):
        assert re.search(rf"\b{limit:,}\b", PAGE), limit
    counts = re.findall(r"^\| [^|]* \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert [int(passed) for passed, _ in counts] == list(LEAST.values())
    assert all(f"`{name}`" in PAGE for name in KNOWN)
