"""The second judge of a story: an interpreter that shares no code with `statemachine`.

It is SCXML's appendix D as it stands there, slow and plain, with the dialect that `statemachine.step` names in its
docstring:

  - a rule whose targets lie inside its own compound source is internal, unless it says `reenter`;
  - a parallel that becomes done makes a parallel that holds it directly done too, however deep the nesting;
  - a history adds no ancestors of its own: those of its states, up to the transition's domain, are added with the
    effective targets. Appendix D adds them up to the history's parent, which enters states that were never left where
    the domain lies inside of that;
  - a transition's domain is found once, before states are left: Appendix D finds it again for entry, when what is
    remembered may lead deeper, and then does not enter what was left;
  - a state that defers an event from outside hides the rules of the states around it (UML 2.5.1, 14.2.3);
  - exit and rule actions see the configuration before, entry actions the one after;
  - the number of microsteps of one macrostep is bounded.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from attrs import frozen

from statemachine.chart import ALWAYS, Configuration, done_event
from statemachine.specs import StateSpec
from tests.charts import MICROSTEPS_MAX, Entry, Story, Told


@frozen(eq=False)
class RefRule:
    """A transition of the reference: one rule at one source."""

    source: str
    targets: tuple[str, ...]
    guard: str | None
    action: str
    reenter: bool


class Reference:
    """The interpreter of SCXML, appendix D; its procedures under their names. States are names, the root is ""."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.kind = {"": "scxml"}
        self.parent: dict[str, str | None] = {"": None}
        self.kids: dict[str, list[str]] = {"": []}
        self.histories: dict[str, list[str]] = {"": []}
        self.spec: dict[str, StateSpec] = {}
        self.order: list[str] = [""]
        self._add(story.states, "")
        self.initial = {path: f"{path}.{spec.initial}" for path, spec in self.spec.items() if spec.kind == "compound"}
        self.initial[""] = story.initial
        self.configuration: set[str] = {""}
        self.internal: deque[tuple[str, object]] = deque()
        self.ran: list[Entry] = []
        self.running = True
        self.outcome: str | None = None
        self.holding: frozenset[str] = frozenset()
        self.history_value: dict[str, set[str]] = {}
        self.domain: dict[RefRule, str] = {}
        for leaf in story.start:
            self.configuration |= {leaf, *self.ancestors(leaf, "")}

    def _add(self, states: Sequence[StateSpec], above: str) -> None:
        for spec in states:
            path = f"{above}.{spec.name}" if above else spec.name
            self.kind[path], self.parent[path], self.spec[path] = spec.kind, above, spec
            self.kids[path], self.histories[path] = [], []
            if spec.kind == "history":
                self.histories[above].append(path)
            else:
                self.kids[above].append(path)
                self.order.append(path)
                self._add(spec.children, path)

    # -- the loop

    def tell(self) -> Iterator[Told]:
        """Run the story, as `tell` does."""
        start = RefRule("", (self.story.initial,), None, "", reenter=False)
        for sent in self.story.sends if self.story.start else (None, *self.story.sends):
            self.ran = []
            self.holding = frozenset() if sent is None else sent.holding
            before, remembered = set(self.configuration), dict(self.history_value)
            first = [start] if sent is None else self.select_transitions(sent.event, is_external=True)
            if not first:
                defers = sent is not None and any(sent.event in self.defers(state) for state in self.configuration)
                yield Told("deferred" if defers else "unhandled", self.leaves(), ())
                continue
            if not self.macrostep(first, None if sent is None else "sent"):
                self.configuration, self.history_value = before, remembered
                self.internal.clear()
                yield Told("loop", self.leaves(), tuple(self.ran))
                if sent is None:
                    return
                continue
            yield Told(self.outcome or "rest", self.leaves(), tuple(self.ran))
            if not self.running:
                return

    def macrostep(self, enabled: list[RefRule], value: object) -> bool:
        """Run to rest; whether it came to rest within the bound."""
        self.microstep(enabled, value)
        count = 1
        while self.running:
            value = None
            enabled = self.select_transitions(ALWAYS)
            if not enabled:
                if not self.internal:
                    break
                name, value = self.internal.popleft()
                enabled = self.select_transitions(name)
            if enabled:
                if count == MICROSTEPS_MAX:
                    return False
                self.microstep(enabled, value)
                count += 1
        self.internal.clear()
        return True

    def microstep(self, enabled: list[RefRule], value: object) -> None:
        self.domain = {rule: self.transition_domain(rule) for rule in enabled if rule.targets}
        self.exit_states(enabled)
        for rule in enabled:
            if rule.action:
                self.execute(rule.action, value)
        self.enter_states(enabled)

    def execute(self, action: str, value: object) -> None:
        self.ran.append((action, value))
        if action in self.story.raises:
            self.internal.append((self.story.raises[action], f"raised by {action}"))

    # -- selection

    def rules(self, state: str, event: str) -> list[RefRule]:
        return [
            RefRule(state, rule.targets, rule.guard, rule.action, rule.reenter)
            for rule in self.story.rules
            if state in rule.sources and rule.event == event
        ]

    def defers(self, state: str) -> tuple[str, ...]:
        return self.spec[state].defer if state else ()

    def select_transitions(self, event: str, *, is_external: bool = False) -> list[RefRule]:
        enabled: list[RefRule] = []
        found: dict[tuple[str, str], RefRule] = {}
        for leaf in self.leaves():
            for state in [leaf, *self.ancestors(leaf, "")]:
                holding = [one for one in self.rules(state, event) if one.guard is None or one.guard in self.holding]
                if holding:
                    rule = found.setdefault((state, event), holding[0])
                    if rule not in enabled:
                        enabled.append(rule)
                    break
                if is_external and event in self.defers(state):
                    break
        return self.remove_conflicting_transitions(enabled)

    def remove_conflicting_transitions(self, enabled: list[RefRule]) -> list[RefRule]:
        filtered: list[RefRule] = []
        for t1 in enabled:
            preempted = False
            to_remove: list[RefRule] = []
            for t2 in filtered:
                if self.compute_exit_set([t1]) & self.compute_exit_set([t2]):
                    if self.is_descendant(t1.source, t2.source):
                        to_remove.append(t2)
                    else:
                        preempted = True
                        break
            if not preempted:
                filtered = [one for one in filtered if one not in to_remove]
                filtered.append(t1)
        return filtered

    # -- leaving and entering

    def compute_exit_set(self, rules: list[RefRule]) -> set[str]:
        to_exit: set[str] = set()
        for rule in rules:
            if rule.targets:
                domain = self.transition_domain(rule)
                to_exit |= {state for state in self.configuration if self.is_descendant(state, domain)}
        return to_exit

    def exit_states(self, enabled: list[RefRule]) -> None:
        to_exit = self.compute_exit_set(enabled)
        for state in (one for one in self.order if one in to_exit):
            for history in self.histories[state]:
                self.history_value[history] = {one for one in self.configuration if self.is_recorded(one, history)}
        for state in reversed([one for one in self.order if one in to_exit]):
            for action in self.spec[state].leave:
                self.execute(action, None)
            self.configuration.discard(state)

    def is_recorded(self, state: str, history: str) -> bool:
        region = self.parent[history]
        assert region is not None
        if self.spec[history].deep:
            return not self.kids[state] and self.is_descendant(state, region)
        return self.parent[state] == region

    def compute_entry_set(self, enabled: list[RefRule]) -> set[str]:
        to_enter: set[str] = set()
        for rule in enabled:
            for state in rule.targets:
                self.add_descendants(state, to_enter)
            if rule.targets:
                ancestor = self.domain[rule]
                for state in self.effective_targets(rule):
                    self.add_ancestors(state, ancestor, to_enter)
        return to_enter

    def enter_states(self, enabled: list[RefRule]) -> None:
        to_enter = self.compute_entry_set(enabled)
        assert not to_enter & self.configuration, "a state that is active is entered"
        assert all(self.parent[one] in self.configuration | to_enter for one in to_enter), "a parent is not entered"
        self.ran.append((self.leaves(self.configuration | to_enter),))
        for state in [one for one in self.order if one in to_enter]:
            self.configuration.add(state)
            for action in self.spec[state].enter:
                self.execute(action, None)
            if self.kind[state] == "final":
                self.end(state)

    def end(self, final: str) -> None:
        parent = self.parent[final]
        assert parent is not None
        if parent == "":
            self.running = False
            self.outcome = self.spec[final].outcome or self.spec[final].name
            return
        self.internal.append((done_event(parent), None))
        above = self.parent[parent]
        while above and self.kind[above] == "parallel" and all(map(self.is_in_final_state, self.kids[above])):
            self.internal.append((done_event(above), None))
            above = self.parent[above]

    def add_descendants(self, state: str, to_enter: set[str]) -> None:
        if self.kind[state] == "history":
            for one in self.meaning(state):
                self.add_descendants(one, to_enter)
            return
        to_enter.add(state)
        if self.kind[state] == "compound":
            self.add_descendants(self.initial[state], to_enter)
            self.add_ancestors(self.initial[state], state, to_enter)
        elif self.kind[state] == "parallel":
            self.add_regions(state, to_enter)

    def add_ancestors(self, state: str, ancestor: str, to_enter: set[str]) -> None:
        for above in self.ancestors(state, ancestor):
            to_enter.add(above)
            if self.kind[above] == "parallel":
                self.add_regions(above, to_enter)

    def add_regions(self, parallel: str, to_enter: set[str]) -> None:
        for child in self.kids[parallel]:
            if not any(one == child or self.is_descendant(one, child) for one in to_enter):
                self.add_descendants(child, to_enter)

    # -- small ones

    def meaning(self, history: str) -> list[str]:
        value = self.history_value.get(history)
        if value is not None:
            return [one for one in self.order if one in value]
        return [f"{self.parent[history]}.{name}" for name in self.spec[history].fallback]

    def effective_targets(self, rule: RefRule) -> list[str]:
        found: list[str] = []
        for state in rule.targets:
            found += self.meaning(state) if self.kind[state] == "history" else [state]
        return found

    def transition_domain(self, rule: RefRule) -> str:
        states = self.effective_targets(rule)
        is_compound = self.kind[rule.source] == "compound"
        if not rule.reenter and is_compound and all(self.is_descendant(one, rule.source) for one in states):
            return rule.source
        for above in [*self.ancestors(rule.source, ""), ""]:
            if self.kind[above] in {"compound", "scxml"} and all(self.is_descendant(one, above) for one in states):
                return above
        return ""

    def ancestors(self, state: str, below: str) -> list[str]:
        """Proper ancestors, innermost first, up to but not including one of them; never the root."""
        found: list[str] = []
        above = self.parent[state]
        while above and above != below:
            found.append(above)
            above = self.parent[above]
        return found

    def is_descendant(self, state: str, other: str) -> bool:
        return state != other and (other == "" or other in self.ancestors(state, ""))

    def is_in_final_state(self, state: str) -> bool:
        if self.kind[state] == "compound":
            return any(self.kind[kid] == "final" and kid in self.configuration for kid in self.kids[state])
        return self.kind[state] == "parallel" and all(map(self.is_in_final_state, self.kids[state]))

    def leaves(self, active: set[str] | None = None) -> Configuration:
        """The active leaves, in document order."""
        here = self.configuration if active is None else active
        return tuple(state for state in self.order if state in here and state and not self.kids[state])
