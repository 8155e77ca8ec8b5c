"""What each code means: the rule, an example that triggers it, and the repair. One source, `explanations.toml`.

The rules of refusals and of store errors stand where they are raised; what this file adds is their repair.
"""

import difflib
import textwrap
import tomllib
from importlib.resources import files

from attrs import frozen

__all__ = ["Explanation", "explanations", "near"]

NEAR_MAX = 3  # suggestions for a code that does not exist: more would be a list


@frozen
class Explanation:
    """One code."""

    code: str
    name: str  # the class that is raised, or Refused
    rule: str
    example: str  # empty where the cause is not in the program
    repair: str

    def __str__(self) -> str:
        """Return the entry as the command prints it."""
        example = f"\nExample:\n\n{textwrap.indent(self.example, chr(32) * 4)}\n" if self.example else ""
        return f"{self.code} ({self.name})\n\nRule:    {self.rule}\n{example}\nRepair:  {self.repair}"


def explanations() -> dict[str, Explanation]:
    """Return every code's explanation, in the order of the source."""
    known = _known_rules()
    text = files("perdure").joinpath("explanations.toml").read_text(encoding="utf-8")
    return {code: _explanation(code, entry, known) for code, entry in tomllib.loads(text).items()}


def near(code: str, codes: "list[str]") -> list[str]:
    """Return the codes that look like one that does not exist, the nearest first. Pure."""
    by_upper = {one.upper(): one for one in codes}
    found = difflib.get_close_matches(code.upper(), by_upper, n=NEAR_MAX, cutoff=0.5)
    return [by_upper[one] for one in found]


def _explanation(code: str, entry: dict[str, str], known: dict[str, tuple[str, str]]) -> Explanation:
    name, rule = known.get(code) or (_family(code), entry["rule"])
    return Explanation(code, name, rule, entry.get("example", "").strip("\n"), entry["repair"])


def _known_rules() -> dict[str, tuple[str, str]]:
    """Return class and rule of each code whose rule stands where it is raised."""
    import persistence
    from statemachine.errors import REFUSALS

    kinds = (getattr(persistence, name) for name in persistence.__all__)
    errors = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, persistence.StoreError)]
    stores = {kind.code: (kind.__name__, (kind.__doc__ or "").partition("\n")[0]) for kind in errors}
    return stores | {code: ("Refused", f"{rule[0].upper()}{rule[1:]}.") for code, rule in REFUSALS.items()}


def _family(code: str) -> str:
    families = {"PD": "DefinitionError", "PF": "FrameError", "PS": "ImportError"}
    return "ReentrantCall" if code == "PF408" else families[code[:2]]
