"""Durable state machines: a workflow is a class of states, and each event is one transition in one transaction."""

from statemachine.admission import HeadFacts, Judgement, Verdict
from statemachine.chart import Chart, Configuration
from statemachine.codec import CustomType
from statemachine.cursor import Cursor
from statemachine.diagrams.drawing import diagram
from statemachine.door import Outcome
from statemachine.engine import Engine
from statemachine.errors import (
    ChartFinding,
    DataError,
    DefinitionError,
    FrameError,
    InvariantBroken,
    ReentrantCall,
    Refused,
)
from statemachine.failing import Failed
from statemachine.instance import Instance
from statemachine.limits import Limits
from statemachine.listing import Listing
from statemachine.moment import Moment
from statemachine.offers import Offer, PlainState, Reason, ShortOffer
from statemachine.rules import always, done, enter, invariant, leave, on, on_error
from statemachine.snapshot import Snapshot
from statemachine.states import ANY, Compound, Final, History, Parallel, State
from statemachine.subscribing import Subscription
from statemachine.tasks import Retry, after, task
from statemachine.transition import Transition
from statemachine.workflow import Workflow, check, events_of

__all__ = [
    "ANY",
    "Chart",
    "ChartFinding",
    "Compound",
    "Configuration",
    "Cursor",
    "CustomType",
    "DataError",
    "DefinitionError",
    "Engine",
    "Failed",
    "Final",
    "FrameError",
    "HeadFacts",
    "History",
    "Instance",
    "InvariantBroken",
    "Judgement",
    "Limits",
    "Listing",
    "Moment",
    "Offer",
    "Outcome",
    "Parallel",
    "PlainState",
    "Reason",
    "ReentrantCall",
    "Refused",
    "Retry",
    "ShortOffer",
    "Snapshot",
    "State",
    "Subscription",
    "Transition",
    "Verdict",
    "Workflow",
    "after",
    "always",
    "check",
    "diagram",
    "done",
    "enter",
    "events_of",
    "invariant",
    "leave",
    "on",
    "on_error",
    "task",
]
