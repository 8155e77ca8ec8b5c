"""Workflows from SCXML documents (W3C Recommendation, September 2015), by `Workflow.from_scxml`.

`reading` makes elements of XML, `building` a document of elements, `compiling` a workflow class of a document;
`running` is what its methods do, with the evaluator of `lexing`, `parsing` and `evaluating`. Imported only by those who
use it. docs/scxml.md says what is read.
"""

from statemachine.scxml.data import DocumentData, DocumentEvent, Pending
from statemachine.scxml.using import due, make_event, state_ids

__all__ = ["DocumentData", "DocumentEvent", "Pending", "due", "make_event", "state_ids"]
