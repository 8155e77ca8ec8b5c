"""The extraction of programs from Markdown, which decides what of the documentation is run."""

from tests.snippets import python_blocks


def test_blocks_come_in_order_and_other_languages_are_left_out() -> None:
    text = "a\n```python\nx = 1\n```\n```console\nls\n```\n```python title=b\ny = 2\n```\n"
    assert python_blocks(text) == ["x = 1\n", "y = 2\n"]


def test_block_in_a_list_loses_its_indentation() -> None:
    assert python_blocks("- a\n\n  ```python\n  if x:\n      y\n  ```\n") == ["if x:\n    y\n"]


def test_fence_inside_a_longer_fence_is_text() -> None:
    assert python_blocks("````markdown\n```python\nx\n```\n````\n") == []


def test_block_that_is_never_closed_is_still_run() -> None:
    assert python_blocks("```python\nx\n") == ["x\n"]
