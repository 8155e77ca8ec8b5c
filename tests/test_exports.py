"""The public face: what a package exports is listed in `__all__`, in order, and explained in docs/api.md."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.tidy import PACKAGES

API = Path(__file__).resolve().parent.parent / "docs" / "api.md"

# Names that a module needs to write itself down; nobody takes them for its own.
SCAFFOLDING = {"TYPE_CHECKING", "annotations"}


def listed(module: ModuleType) -> list[str]:
    """The names in `__all__`; none while a package has no face yet."""
    return list(getattr(module, "__all__", []))


def missing(module: ModuleType) -> list[str]:
    """Listed names that do not exist; a lazy export counts, and is loaded here."""
    return [name for name in listed(module) if not hasattr(module, name)]


def in_order(names: list[str]) -> list[str]:
    """CONSTANTS, then Classes, then functions, each by alphabet: the order that ruff's RUF022 writes."""
    return sorted(set(names), key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def undocumented(module: ModuleType, text: str) -> list[str]:
    """Listed names that open no code span of the text: `on`, `on(...)`, `statemachine.on`. Prose does not count."""
    spans = rf"`(?:{re.escape(module.__name__)}\.)?"
    return [name for name in listed(module) if not re.search(rf"{spans}{re.escape(name)}\b", text)]


def unlisted(module: ModuleType) -> list[str]:
    """Public names that a package has without listing them, its submodules apart."""
    return [
        name
        for name, value in sorted(vars(module).items())
        if not name.startswith("_") and name not in SCAFFOLDING | set(listed(module))
        if not isinstance(value, ModuleType)
    ]


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(str(request.param))


def test_every_listed_name_exists(package: ModuleType) -> None:
    assert missing(package) == []


def test_list_is_in_order_without_doubles(package: ModuleType) -> None:
    assert listed(package) == in_order(listed(package))


def test_every_listed_name_is_documented(package: ModuleType) -> None:
    text = API.read_text(encoding="utf-8") if API.exists() else ""
    assert undocumented(package, text) == [], f"explain each in docs/api.md, in a code span: `{package.__name__}.name`"


def test_nothing_is_exported_without_being_listed(package: ModuleType) -> None:
    assert unlisted(package) == [], "list it in __all__, or give it an underscore, or import its module instead"


def planted(**names: object) -> ModuleType:
    """A package with these names."""
    module = ModuleType("planted")
    vars(module).update(names)
    return module


def test_package_without_a_face_passes() -> None:
    assert listed(planted()) == missing(planted()) == unlisted(planted()) == []


def test_missing_name_is_found_and_a_lazy_one_is_not() -> None:
    def load(name: str) -> int:
        if name == "lazy":
            return 1
        raise AttributeError(name)

    assert missing(planted(__all__=["gone", "here", "lazy"], here=1, __getattr__=load)) == ["gone"]


def test_disorder_and_doubles_are_found() -> None:
    assert in_order(["on", "State", "ANY", "on"]) == ["ANY", "State", "on"]


def test_undocumented_name_is_found() -> None:
    module = planted(__all__=["Other", "State", "done", "on"])
    assert undocumented(module, "on and done: `done(x)`, `planted.State`, `Others`") == ["Other", "on"]


def test_unlisted_name_is_found() -> None:
    module = planted(__all__=["a"], a=1, b=2, _c=3, TYPE_CHECKING=False, sub=ModuleType("planted.sub"))
    assert unlisted(module) == ["b"]
