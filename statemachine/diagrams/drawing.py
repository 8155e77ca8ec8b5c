"""`diagram`: a workflow, or where one of its instances stands, as the text of a diagram."""

import json
from collections.abc import Callable
from typing import Literal, Protocol, cast

from attrs import asdict

from statemachine.chart import Configuration
from statemachine.definition import Definition
from statemachine.diagrams.picture import Picture, picture
from statemachine.errors import DefinitionError

__all__ = ["FORMATS", "diagram"]

Format = Literal["mermaid", "dot", "json"]


class Placed(Protocol):
    """What stands somewhere in a workflow: an `Instance` or a `Cursor`."""

    @property
    def workflow(self) -> type:
        """The class."""
        ...

    @property
    def configuration(self) -> Configuration:
        """The active leaves."""
        ...


def diagram(of: "type | Placed", /, *, format: Format = "mermaid", configuration: Configuration | None = None) -> str:
    """Return a diagram of a workflow as text; of an `Instance` or a `Cursor`, with its active states highlighted.

    `mermaid` is a stateDiagram-v2, `dot` is for Graphviz, `json` is what both are written from (docs/diagrams.md). The
    text depends on nothing but the workflow and the configuration. `configuration` highlights another one than that of
    the handle: `diagram(Order, configuration=transition.after)`. Raises DefinitionError (PD145 to PD147); of an
    instance, what its properties raise. Pure of a class.
    """
    write = FORMATS.get(format) if isinstance(cast("object", format), str) else None
    if write is None:
        raise DefinitionError(
            "PD145", f"diagram has no format {format!r}. Use {', '.join(repr(one) for one in FORMATS)}."
        )
    workflow = of if isinstance(of, type) else getattr(of, "workflow", None)
    definition: Definition | None = getattr(workflow, "__definition__", None)
    if definition is None:
        raise DefinitionError(
            "PD146",
            f"diagram cannot draw {of!r}. Give it a workflow class that is not abstract, an Instance or a Cursor.",
        )
    if configuration is None and not isinstance(of, type):
        configuration = of.configuration
    reason = None if configuration is None else definition.chart.legal(configuration)
    if reason is not None:
        raise DefinitionError(
            "PD147", f"{definition.name}: configuration={configuration!r} cannot be: {reason}. Give all active leaves."
        )
    return write(picture(definition, configuration))


def _mermaid(drawn: Picture) -> str:
    from statemachine.diagrams.mermaid import mermaid  # one format is asked for at a time

    return mermaid(drawn)


def _dot(drawn: Picture) -> str:
    from statemachine.diagrams.dot import dot  # as above

    return dot(drawn)


def _json(drawn: Picture) -> str:
    return json.dumps({"format": 1, **asdict(drawn)}, ensure_ascii=True, indent=2) + "\n"


FORMATS: dict[str, Callable[[Picture], str]] = {"mermaid": _mermaid, "dot": _dot, "json": _json}
"""How each format is written, by its name."""
