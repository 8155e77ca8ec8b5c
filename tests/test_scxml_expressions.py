"""The evaluator: it computes what ECMAScript does, what it keeps are copies, and what it has not got it names."""

import math
from collections.abc import Mapping
from typing import Any

import pytest

from statemachine.scxml.budget import Budget, EvaluationError
from statemachine.scxml.evaluating import Evaluator
from statemachine.scxml.lexing import ScriptSyntaxError
from statemachine.scxml.parsing import parse_expression, parse_script
from statemachine.scxml.places import World
from statemachine.scxml.syntax import Function
from statemachine.scxml.values import UNDEFINED, as_json, text_of

# Each answer is what Node.js says.
ANSWERS = [
    ("1 + 2 * 3", "7"),
    ("(1 + 2) * 3", "9"),
    ("7 % 3", "1"),
    ("-7 % 3", "-1"),
    ("7 / 2", "3.5"),
    ("1 / 0", "Infinity"),
    ("-1 / 0", "-Infinity"),
    ("0 / 0", "NaN"),
    ("0.1 + 0.2", "0.30000000000000004"),
    ("1e21 + 1", "1e+21"),
    ("123456789012345680000 + ''", '"123456789012345680000"'),
    ("1e-7 + ''", '"1e-7"'),
    ("0.000001 + ''", '"0.000001"'),
    ("1.5e300 + ''", '"1.5e+300"'),
    ("100 + ''", '"100"'),
    ("'a' + 1", '"a1"'),
    ("1 + '2'", '"12"'),
    ("'3' * '4'", "12"),
    ("'x' * 2", "NaN"),
    ("true + 1", "2"),
    ("null + 1", "1"),
    ("undefined + 1", "NaN"),
    ("'b' > 'a'", "true"),
    ("'10' < '9'", "true"),
    ("10 < '9'", "false"),
    ("null == undefined", "true"),
    ("null === undefined", "false"),
    ("0 == ''", "true"),
    ("0 == '0'", "true"),
    ("'' == '0'", "false"),
    ("false == 'false'", "false"),
    ("1 === 1.0", "true"),
    ("NaN === NaN", "false"),
    ("!'' ", "true"),
    ("!'0'", "false"),
    ("!!NaN", "false"),
    ("1 && 0", "0"),
    ("0 || 'x'", '"x"'),
    ("null || undefined", "undefined"),
    ("1 ? 'y' : 'n'", '"y"'),
    ("typeof 1", '"number"'),
    ("typeof 'a'", '"string"'),
    ("typeof null", '"object"'),
    ("typeof undefined", '"undefined"'),
    ("typeof nothing", '"undefined"'),
    ("typeof {}", '"object"'),
    ("typeof Math.pow", '"function"'),
    ("[1, 2, 3].length", "3"),
    ("'abc'.length", "3"),
    ("[1, 2, 3][1]", "2"),
    ("'abc'[1]", '"b"'),
    ("[1][5]", "undefined"),
    ("({a: {b: 2}}).a.b", "2"),
    ("({a: 1})['a']", "1"),
    ("({a: 1}).b", "undefined"),
    ("'a' in {a: 1}", "true"),
    ("'abc'.indexOf('c')", "2"),
    ("1 in [5, 6]", "true"),
    ("2 in [5, 6]", "false"),
    ("[NaN].includes(NaN)", "true"),
    ("[NaN].indexOf(NaN)", "-1"),
    ("Math.round(0.49999999999999994)", "0"),
    ("Math.round(4503599627370497)", "4503599627370497"),
    ("Math.round(-2.5)", "-2"),
    ("Math.round(-0.4)", "-0"),
    ("Math.ceil(-0.5)", "-0"),
    ("Math.sign(-1 / 0)", "-1"),
    ("Math.sign(-0)", "-0"),
    ("Math.abs(-1 / 0)", "Infinity"),
    ("Math.pow(1, NaN)", "NaN"),
    ("Math.pow(-1, 1 / 0)", "NaN"),
    ("Math.pow(NaN, 0)", "1"),
    ("+'\u0663'", "NaN"),
    ("parseFloat('\u0663')", "NaN"),
    ("'\0'.length", "1"),
    ("'abc'.slice(-2)", '"bc"'),
    ("'abc'.slice(1, 2)", '"b"'),
    ("'abc'.substring(2, 0)", '"ab"'),
    ("'a,b,c'.split(',')", '["a","b","c"]'),
    ("'abc'.split('')", '["a","b","c"]'),
    ("'aBc'.toUpperCase()", '"ABC"'),
    ("' a '.trim()", '"a"'),
    ("'abc'.charAt(1)", '"b"'),
    ("'abc'.includes('bc')", "true"),
    ("[1, 2].concat([3], 4)", "[1,2,3,4]"),
    ("[1, [2, 3]] + ''", '"1,2,3"'),
    ("[1, 2, 3].join('-')", '"1-2-3"'),
    ("[1, 2, 3].indexOf(3)", "2"),
    ("[null, undefined, 1].join()", '",,1"'),
    ("Math.pow(2, 10)", "1024"),
    ("Math.pow(2, -1)", "0.5"),
    ("Math.max(1, 5, 3)", "5"),
    ("Math.max()", "-Infinity"),
    ("Math.min('2', 1)", "1"),
    ("Math.floor(-1.5)", "-2"),
    ("Math.round(2.5)", "3"),
    ("Math.round(-2.5)", "-2"),
    ("Math.ceil(1.2)", "2"),
    ("Math.trunc(-1.7)", "-1"),
    ("Math.sqrt(-1)", "NaN"),
    ("Math.abs(-3)", "3"),
    ("parseInt('12px')", "12"),
    ("parseInt('0x1f')", "31"),
    ("parseInt('x')", "NaN"),
    ("parseInt('101', 10)", "101"),
    ("parseInt('ff', 16)", "255"),
    ("parseFloat('1.5e3abc')", "1500"),
    ("Number('')", "0"),
    ("Number(' 12 ')", "12"),
    ("Number('0x10')", "16"),
    ("Number('1x')", "NaN"),
    ("Number(null)", "0"),
    ("Number(true)", "1"),
    ("String(1.0)", '"1"'),
    ("String(null)", '"null"'),
    ("Boolean('false')", "true"),
    ("isNaN('x')", "true"),
    ("isFinite(1 / 0)", "false"),
    (
        "JSON.stringify({a: [1, 'x', null, undefined], b: undefined, c: 1.5})",
        '"{\\"a\\":[1,\\"x\\",null,null],\\"c\\":1.5}"',
    ),
    ("JSON.parse('{\"a\": [1, 2.5, null]}').a[1]", "2.5"),
    ("Object.keys({b: 1, a: 2})", '["b","a"]'),
    ("Array.isArray([])", "true"),
    ("1 < 2 === true", "true"),
    ("'\\u0041\\x42\\n'.length", "3"),
    (".5 + 5.", "5.5"),
    ("0xff", "255"),
    ("1 - -1", "2"),
    ("+'5'", "5"),
    ("-'5'", "-5"),
    ("2 - 1 - 1", "0"),
    ("8 / 4 / 2", "1"),
    ("true ? false ? 1 : 2 : 3", "2"),
    ("1 || 2 && 3", "1"),
    ("!true === false", "true"),
    ("9007199254740993", "9007199254740992"),
    ("0.1 * 3", "0.30000000000000004"),
    ("5e-324", "5e-324"),
    ("123.456 + ''", '"123.456"'),
    ("-0.0000015 + ''", '"-0.0000015"'),
    ("1e100 + ''", '"1e+100"'),
]


def world(variables: Mapping[str, Any] | None = None, *, functions: str = "", is_readonly: bool = False) -> World:
    known = {
        one.name: one for one in parse_script(functions, with_functions=True).statements if isinstance(one, Function)
    }
    return World(
        dict(variables or {}), frozenset({"x", "y"}), {"_event": {"name": "go"}}, known, {}, Budget(), is_readonly
    )


def answer(source: str, where: World | None = None) -> Any:
    return Evaluator(where or world()).guarded(parse_expression(source))


def after(script: str, where: World | None = None) -> dict[str, Any]:
    """The variables after a script."""
    known = where or world()
    Evaluator(known).run_script(parse_script(script))
    return known.variables


def shown(value: Any) -> str | None:
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "-0" if value == 0 and math.copysign(1, value) < 0 else text_of(value)
    return as_json(value)


@pytest.mark.parametrize(("source", "expected"), ANSWERS)
def test_an_expression_has_the_value_that_ecmascript_gives_it(source: str, expected: str) -> None:
    assert shown(answer(source)) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("x = 1; x += 2; x *= 5", {"x": 15}),
        ("x = 1; y = x++ + ++x", {"x": 3, "y": 4}),
        ("var z = 3", {"z": 3}),
        ("let z = 3; x = z", {"x": 3}),
        ("if (1 > 2) x = 1; else x = 2", {"x": 2}),
        ("x = 0; while (x < 10) { x++; if (x === 5) break }", {"x": 5}),
        ("x = 0; for (let i = 0; i < 10; i++) { if (i % 2) continue; x += i }", {"x": 20}),
        ("x = {a: 1}; x.b = 2; x['c'] = 3; delete x.a", {"x": {"b": 2, "c": 3}}),
        ("x = [1]; x.push(2, 3); x[4] = 5; y = x.shift()", {"x": [2, 3, None, 5], "y": 1}),
        ("x = 1 // a remark\n/* another\n one */ y = 2", {"x": 1, "y": 2}),
        ("x = 1; y = x = 3", {"x": 3, "y": 3}),
        ("x = {a: undefined, b: [undefined]}", {"x": {"b": [None]}}),
        ("x = 1; x = undefined", {}),
        ("var z; x = z === null", {"z": None, "x": True}),
        ("x = {a: 1}; x.a = undefined; x.b = undefined", {"x": {}}),
        ("x = [1]; x[0] = undefined; x.push(undefined)", {"x": [None, None]}),
    ],
)
def test_a_script_leaves_the_data_as_ecmascript_does(script: str, expected: dict[str, Any]) -> None:
    assert after(script) == expected


def test_what_is_assigned_is_a_copy() -> None:
    """Two variables are never one list: they would be two after the next event, when both were stored."""
    assert after("x = [1]; y = x; y.push(2)") == {"x": [1], "y": [1, 2]}


def test_functions_have_parameters_locals_and_a_value() -> None:
    functions = (
        "function sum(items) { var all = 0; for (let i = 0; i < items.length; i++) all += items[i]; return all; }"
    )

    assert after("x = sum([1, 2, 3]); y = sum([])", world(functions=functions)) == {"x": 6, "y": 0}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("z = 1", "z is not declared; add <data id='z'/>"),
        ("x = z", "z is not defined"),
        ("x = null.a", "null has no parts"),
        ("x = 0 / 0", "NaN cannot be kept in the data model"),
        ("x = 1 / 0", "Infinity cannot be kept in the data model"),
        ("x = Math.pow", "a function cannot be kept in the data model"),
        ("x = Math.random()", "Math has no 'random' here"),
        ("x = 'a'.repeat(3)", "'repeat' of a string cannot be called"),
        ("x = 1; x()", "a number cannot be called"),
        ("_event = 1", "_event cannot be assigned to"),
        ("_event.name = 1", "_event cannot be changed"),
        ("x = []; x[-1] = 1", "a list has no part '-1' that can be assigned to"),
        ("x = []; x[1000000] = 1", "a list has no part '1000000' that can be assigned to"),
        (
            "x = JSON.parse('{')",
            "JSON.parse: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        ("x = Object.keys(1)", "Object.keys takes an object"),
        ("x = 'a' in 1", "in asks an object or a list, not a number"),
        ("var _event = 1", "_event cannot be declared"),
        ("x = JSON.parse('\"\\\\ud800\"')", r"JSON.parse: '\ud800' holds half of a character"),
        ("x = JSON.parse('{\"\\\\ud800\": 1}')", r"JSON.parse: '\ud800' holds half of a character"),
        ("x = 'aba'.indexOf('a', 1)", "indexOf takes fewer arguments here, see docs/scxml.md"),
        ("x = [1].includes(1, 1)", "includes takes fewer arguments here, see docs/scxml.md"),
        ("x = 'a,b'.split(',', 1)", "split takes fewer arguments here, see docs/scxml.md"),
        ("x = (5).toString(2)", "toString takes fewer arguments here, see docs/scxml.md"),
        ("x = JSON.stringify(x, null, 2)", "JSON.stringify takes fewer arguments here, see docs/scxml.md"),
    ],
)
def test_what_fails_says_why(script: str, reason: str) -> None:
    with pytest.raises(EvaluationError) as raised:
        after(script)
    assert str(raised.value) == reason


@pytest.mark.parametrize("source", ["x = 1", "x++", "x.push(1)", "x.a = 1", "delete x.a"])
def test_a_condition_only_reads(source: str) -> None:
    with pytest.raises(EvaluationError, match=r"^a condition only reads$"):
        answer(source, world({"x": []}, is_readonly=True))


@pytest.mark.parametrize(
    "source",
    [
        "new X()", "this", "x => x", "function () {}", "`a`", "/a/", "a ?? b", "a?.b", "x ** 2",
        "x | 1", "x << 1", "~x",
        "...x", "{...x}", "1 2", "a b", "'\\ud800'", "'\\u{41}'", "'\\x4'", "'\\101'", "'\\01'", "'\\8'", "010", "08",
        "1 /*/",
        "'open", "0xg", "1a", "@", "x = ",
        "1 = 2", "1++", "[1", "(1", "f(1",
    ],
)  # fmt: skip
def test_what_is_not_in_the_subset_is_refused_when_it_is_parsed(source: str) -> None:
    with pytest.raises(ScriptSyntaxError):
        parse_expression(source)


def test_half_a_character_that_stands_in_a_source_is_pointed_at() -> None:
    """A script that `read_script` returns may hold one."""
    with pytest.raises(ScriptSyntaxError) as raised:
        parse_script("x = 'a\ud800'")

    assert raised.value.at == len("x = 'a")


def test_what_is_wrong_in_a_text_is_pointed_at_in_the_source() -> None:
    with pytest.raises(ScriptSyntaxError) as raised:
        parse_expression(r"x + 'ab\ud800'")

    assert raised.value.at == len("x + 'ab")


@pytest.mark.parametrize(
    "source",
    [
        "class A {}", "try {} catch (e) {}", "throw 1", "switch (x) {}", "do {} while (0)", "return 1", "break",
        "x = 1 y = 2",
        "function f() {}", "if (x)", "{", "for (x in y) {}", "import 'a'", "var 1",
    ],
)  # fmt: skip
def test_statements_outside_of_the_subset_are_refused(source: str) -> None:
    with pytest.raises(ScriptSyntaxError):
        parse_script(source)
