"""docs/data.md says what is stored: every row of its table is run, and its programs too."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from statemachine.codec import Codec
from tests.codecs import deep, without_orjson
from tests.snippets import python_blocks

PAGE = (Path(__file__).parent.parent / "docs" / "data.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \|$", PAGE.partition("## What is refused")[0], re.MULTILINE)


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """What the page's programs define; in a module, because annotations are looked up there."""
    page = ModuleType("perdure_data_page")
    sys.modules[page.__name__] = page
    for block in python_blocks(PAGE):
        exec(block, vars(page))  # noqa: S102  # our own page
    yield vars(page)
    del sys.modules[page.__name__]


def test_the_table_is_found() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize(("kind", "value", "text"), ROWS, ids=[f"{place} {row[0]}" for place, row in enumerate(ROWS)])
def test_a_row_of_the_table(names: dict[str, Any], kind: str, value: str, text: str) -> None:
    wanted, given = (eval(one.replace("\\|", "|"), names) for one in (kind, value))  # noqa: S307  # our own page

    for codec in (Codec(wanted, path="x"), without_orjson(wanted)):
        assert codec.encode(given).decode() == text
        assert deep(codec.decode(text.encode())) == deep(given)


def test_every_listed_value_has_its_row_beside_the_others() -> None:
    beside = PAGE.partition("## The same job elsewhere")[2]

    assert re.findall(r"^\| `(.+?)` \| (?:the|`|raises)", beside, re.MULTILINE) == [value for _, value, _ in ROWS]
