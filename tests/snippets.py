"""The Python programs inside a Markdown text: what the documentation shows is what the tests and CI run."""

import sys
from pathlib import Path
from textwrap import dedent

FENCE_LENGTH_MIN = 3  # CommonMark: three backticks open a block, and at least as many close it


def python_blocks(text: str) -> list[str]:
    """Each block fenced as ```python, in order, without its fences and its common indentation. Pure.

    A fence inside a longer fence is text. A block that is never closed ends with the text.
    """
    blocks: list[str] = []
    lines: list[str] = []
    fence, language = "", ""
    for line in text.splitlines():
        stripped = line.strip()
        ticks = stripped[: len(stripped) - len(stripped.lstrip("`"))]
        info = stripped[len(ticks) :].strip()
        if not fence and len(ticks) >= FENCE_LENGTH_MIN and "`" not in info:
            fence, language, lines = ticks, info.partition(" ")[0], []
        elif fence and len(ticks) >= len(fence) and not info:
            blocks += [_program(lines)] if language == "python" else []
            fence = ""
        else:
            lines.append(line)
    if fence and language == "python":
        blocks.append(_program(lines))
    return blocks


def _program(lines: list[str]) -> str:
    return dedent("\n".join(lines)) + "\n"


def main(path: str) -> int:
    """Print the first program of a Markdown file, for .ci/fresh-install."""
    blocks = python_blocks(Path(path).read_text(encoding="utf-8"))
    if not blocks:
        sys.exit(f"{path}: no block fenced as ```python. The first one is the program that a newcomer runs: add it.")
    sys.stdout.write(blocks[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
