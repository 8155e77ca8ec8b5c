"""Each mistake in a document is refused where it stands: code, line, column, name and repair."""

from pathlib import Path

import pytest

from statemachine import DefinitionError, Workflow
from statemachine.scxml.grammar import GRAMMAR, UNSUPPORTED
from statemachine.scxml.reading import BYTES_MAX

MISTAKES = [
    (
        "<scxml><state></scxml>",
        "PD160 document, line 1, column 17: this is no XML: mismatched tag. Repair the document.",
    ),
    ("", "PD160 document, line 1, column 1: this is no XML: no element found. Repair the document."),
    ("<html/>", "PD163 document, line 1, column 1: there is no element <html> in SCXML. Correct its name, or drop it."),
    (
        "<scxml>\n  <stat id='a'/></scxml>",
        "PD163 document, line 2, column 3: there is no element <stat> in SCXML. Correct its name, or drop it.",
    ),
    (
        "<scxml><state><raise event='go'/></state></scxml>",
        (
            "PD163 document, line 1, column 15: <raise> cannot stand in "
            "<state>. There can be: final, initial, datamodel, "
            "history, onentry, onexit, parallel, state, transition."
        ),
    ),
    (
        "<scxml><state xmlns:q='urn:q'><q:editor/></state></scxml>",
        (
            "PD163 document, line 1, column 31: element 'editor' is of the namespace 'urn:q'. Only "
            "SCXML's own are read: drop it."
        ),
    ),
    (
        "<scxml><state name='a'/></scxml>",
        "PD164 document, line 1, column 8: <state> has no attribute 'name'. There are: id, initial.",
    ),
    (
        "<scxml><state><onentry><raise/></onentry></state></scxml>",
        "PD164 document, line 1, column 24: <raise> has no event, or an empty one. Write event=….",
    ),
    (
        "<scxml version='2.0'><state/></scxml>",
        "PD165 document, line 1, column 1: version='2.0'. Documents are of version 1.0.",
    ),
    (
        "<scxml><state><onentry><send event='e' delay='99999999999d'/></onentry></state></scxml>",
        "PD165 document, line 1, column 24: delay='99999999999d' is no duration. Write '10ms', '2s', '1.5h'.",
    ),
    (
        "<scxml><state id='a b'/></scxml>",
        "PD165 document, line 1, column 8: id='a b' is no id. Use letters, digits, _, - and dots.",
    ),
    (
        "<scxml><state><transition event='a..b'/></state></scxml>",
        (
            "PD165 document, line 1, column 15: event='a..b' names no event. Write 'order', "
            "'order.paid', 'order.*' or '*'."
        ),
    ),
    (
        "<scxml><state><onentry><send event='a' delay='soon'/></onentry></state></scxml>",
        "PD165 document, line 1, column 24: delay='soon' is no duration. Write '10ms', '2s', '1.5h'.",
    ),
    (
        "<scxml datamodel='xpath'><state/></scxml>",
        "PD166 document, line 1, column 1: datamodel='xpath' is not supported. Use 'ecmascript' or 'null'.",
    ),
    (
        "<scxml><state><invoke/></state></scxml>",
        f"PD166 document, line 1, column 15: element <invoke> is not supported: {UNSUPPORTED['invoke']}",
    ),
    (
        "<scxml><script src='a.js'/><state/></scxml>",
        (
            "PD166 document, line 1, column 8: script 'a.js' is not fetched. Write it here, or give "
            "from_scxml read_script=…."
        ),
    ),
    (
        "<scxml><state><onentry><send event='a' target='#_parent'/></onentry></state></scxml>",
        "PD166 document, line 1, column 24: target='#_parent': events are sent to this instance only. Drop it.",
    ),
    (
        "<scxml><state id='a'><transition event='go' target='b'/></state></scxml>",
        "PD167 document, line 1, column 22: there is no state 'b'. Correct the name, or declare the state.",
    ),
    (
        "<scxml><state id='a' initial='c'><state id='b'/></state><state id='c'/></scxml>",
        "PD167 document, line 1, column 8: initial state 'c' does not lie in 'a'. Name one that does.",
    ),
    (
        "<scxml><state id='a'/>\n<state id='a'/></scxml>",
        "PD168 document, line 2, column 1: id 'a' is taken in line 1. Choose another one.",
    ),
    (
        "<scxml><datamodel><data id='x'/><data id='x'/></datamodel><state/></scxml>",
        "PD168 document, line 1, column 33: data 'x' is declared twice. Drop one.",
    ),
    (
        "<scxml><state><transition cond='a +'/></state></scxml>",
        (
            "PD169 document, line 1, column 15: cond='a +', character 4: unexpected the end: a value is "
            "missing before it. "
            "See docs/scxml.md."
        ),
    ),
    (
        "<scxml><state><onentry><script>\nx = 1;\ny = new X();</script></onentry></state></scxml>",
        (
            "PD169 document, line 3, column 5: script: unexpected 'new': a name is missing before it; it "
            "is not in the subset, "
            "or not here. See docs/scxml.md."
        ),
    ),
    (
        "<scxml>hello<state/></scxml>",
        "PD170 document, line 1, column 8: text stands in <scxml>, which has none. Drop it, or write a comment.",
    ),
    ("<scxml/>", "PD170 document, line 1, column 1: the document has no states. Write <state id=…/>."),
    (
        "<scxml><state><history id='h'/><state/></state></scxml>",
        "PD170 document, line 1, column 15: history 'h' leads nowhere. Write one <transition target=…/> in it.",
    ),
    (
        "<scxml><state initial='b'><initial><transition target='b'/></initial><state id='b'/></state></scxml>",
        "PD170 document, line 1, column 27: the state says twice which state is its initial one. Keep one.",
    ),
    (
        "<scxml><state/></scxml>",
        "PD171 document, line 1, column 1: the workflow has no name. Write <scxml name=…>, or from_scxml(…, name=…).",
    ),
]


@pytest.mark.parametrize(("document", "message"), MISTAKES, ids=lambda one: one[:40])
def test_a_mistake_is_named_with_its_place_and_its_repair(document: str, message: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        Workflow.from_scxml(document)
    assert str(raised.value) == message


def test_a_path_names_its_file_in_the_error(tmp_path: Path) -> None:
    path = tmp_path / "order.scxml"
    path.write_text("<scxml>\n\n <stat/></scxml>", encoding="utf-8")

    with pytest.raises(DefinitionError, match=r"^PD163 order\.scxml, line 3, column 2: "):
        Workflow.from_scxml(path)


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Workflow.from_scxml(tmp_path / "none.scxml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_a_file_is_read_in_the_encoding_that_it_names(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "order.scxml"
    path.write_bytes(f'<?xml version="1.0" encoding="{encoding}"?><scxml name="é"><state/></scxml>'.encode(encoding))

    assert Workflow.from_scxml(path).__name__ == "é"


def test_what_the_table_lists_as_a_child_is_an_element_of_the_table() -> None:
    assert {child for rule in GRAMMAR.values() for child in rule.children} | {"scxml"} == set(GRAMMAR)
    assert not set(UNSUPPORTED) & set(GRAMMAR)


def test_a_script_that_is_too_large_or_no_text_is_refused_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "large.js").write_bytes(b" " * (BYTES_MAX + 1))
    (tmp_path / "latin.js").write_bytes("x = 'é'".encode("latin-1"))

    for src, code in (("large.js", "PD162"), ("latin.js", "PD169")):
        with pytest.raises(DefinitionError, match=rf"^{code} document, line 1, column 8: script '{src}' "):
            Workflow.from_scxml(f"<scxml><script src='{src}'/><state/></scxml>", read_script=lambda src: tmp_path / src)
