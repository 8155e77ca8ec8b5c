"""What the commands need from outside: a user's class by its name, and the versions that run here."""

import importlib
import os
import platform
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import click

from statemachine import DefinitionError, Workflow

__all__ = ["versions", "workflow_class"]


def workflow_class(name: str) -> type[Workflow[Any]]:
    """Return the workflow class `module:Class`, looked up from the current folder too. Raises click.UsageError."""
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise click.UsageError(f"{name!r} names no class. Write module:Class, for example shop.orders:Order.")
    if os.getcwd() not in sys.path:  # noqa: PTH109  # sys.path holds texts
        sys.path.insert(0, os.getcwd())  # noqa: PTH109  # as above
    try:
        found: object = _imported(name, module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        raise click.UsageError(f"{name!r}: there is no module {error.name!r} here or on the path.") from error
    except AttributeError as error:
        raise click.UsageError(f"{name!r}: {error}.") from error
    if not _is_workflow(found):
        raise click.UsageError(f"{name!r} is no workflow class. Name a subclass of statemachine.Workflow.")
    return cast("type[Workflow[Any]]", found)


def _imported(name: str, module: str) -> object:
    """Import a module. What its own code raises is told with its place, as an error of use and no finding."""
    if module.startswith("."):
        raise click.UsageError(f"{name!r} names no class. Write the whole name of the module: shop.orders:Order.")
    try:
        return importlib.import_module(module)
    except (DefinitionError, ImportError):
        raise
    except (Exception, SystemExit) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (place.filename, place.lineno)
        raise click.UsageError(
            f"{name!r}: importing {module} failed in {where[0]}, line {where[1]}: {type(error).__name__}: {error}."
        ) from error


def _is_workflow(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Workflow)


def versions() -> dict[str, str]:
    """Return the versions of everything that takes part, by name."""
    from persistence.sqlite import sqlite_version

    found = {"python": platform.python_version(), "SQLite": sqlite_version()}
    for name in ("perdure", "transitions", "apsw", "attrs", "orjson", "click", "python-statemachine"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
