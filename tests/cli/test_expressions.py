"""Template expressions: what is certain is computed, everything else is Unresolved."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards.cli.expression_syntax import MAX_DEPTH, MAX_LENGTH
from guards.cli.expressions import MAX_STEPS, Budget, Scope, Unresolved, evaluated_again, folded

PARAMETERS = {
    "env": {"type": "string", "defaultValue": "Prod"},
    "open": {"type": "bool", "defaultValue": False},
    "size": {"type": "int", "defaultValue": 4},
    "given": {"type": "string", "defaultValue": "default"},
    "required": {"type": "string"},
    "optional": {"type": "string", "nullable": True},
    "name": {"type": "string", "defaultValue": "[concat('disk-', parameters('env'))]"},
    "nobody": {"type": "string", "defaultValue": "[newGuid()]"},
    "settings": {"type": "object", "defaultValue": {"Net": "Disabled", "ips": ["a", "b"]}},
    "password": {"type": "secureString", "defaultValue": "hunter2"},
    "vault": {"type": "SECUREOBJECT", "defaultValue": {"pw": "[concat('hunter2', newGuid())]"}},
    "strange": "no declaration",
}
VARIABLES = {
    "policy": "[if(parameters('open'), 'AllowAll', 'DenyAll')]",
    "mixed": {"known": "yes", "unknown": "[resourceGroup().location]", "deep": ["[true()]"]},
    "escaped": "[[parameters('env')]",
    "one": "[variables('other')]",
    "other": "[variables('one')]",
    "itself": ["[variables('itself')]"],
    "copy": [{"name": "looped", "count": 3, "input": "x"}],
    "nested": {"copy": [{"name": "list", "count": 2, "input": 1}], "plain": "p"},
    "twice": 1,
    "TWICE": 2,
}
GIVEN = {"GIVEN": "from file"}


def scope(
    parameters: Any = PARAMETERS,
    variables: Any = VARIABLES,
    given: Any = GIVEN,
    steps: int = MAX_STEPS,
) -> Scope:
    """The parameters and variables above, unless told otherwise."""
    return Scope(parameters, variables, given, Budget(steps))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("[not closed", "[not closed"),
        ("[test] value", "[test] value"),
        ("[[test value]", "[test value]"),
        ("[[", "[["),
        ("['text']", "text"),
        ("['it''s']", "it's"),
        ("['''']", "'"),
        ("[ 'a' ]", "a"),
        ("[concat(\n 'a',\r\n\t'b')]", "ab"),
        ("[5]", 5),
        ("[-5]", -5),
        ("[true()]", True),
        ("[FALSE()]", False),
        ("[null()]", None),
        ("[parameters('env')]", "Prod"),
        ("[Parameters('ENV')]", "Prod"),
        ("[parameters('given')]", "from file"),
        ("[parameters('optional')]", None),
        ("[parameters('name')]", "disk-Prod"),
        ("[variables('policy')]", "DenyAll"),
        ("[VARIABLES('Policy')]", "DenyAll"),
        ("[variables('escaped')]", "[parameters('env')]"),
        ("[parameters('settings').Net]", "Disabled"),
        ("[parameters('settings').net]", "Disabled"),
        ("[parameters('settings')['NET']]", "Disabled"),
        ("[parameters('settings').ips[1]]", "b"),
        ("[variables('mixed').known]", "yes"),
        ("[variables('mixed').deep[0]]", True),
        ("[variables('nested').plain]", "p"),
        ("[concat('a')]", "a"),
        ("[concat('a', parameters('env'), 'b')]", "aProdb"),
        ("[format('{0}-{1}{0}', 'a', 5)]", "a-5a"),
        ("[format('plain')]", "plain"),
        ("[toLower('ABC')]", "abc"),
        ("[toUpper(parameters('env'))]", "PROD"),
        ("[if(equals(parameters('env'), 'Prod'), 'a', 'b')]", "a"),
        ("[if(equals(toLower(parameters('env')), 'PROD'), 'a', 'b')]", "b"),
        ("[if(true(), 'a', reference('x'))]", "a"),
        ("[if(false(), newGuid(), 'b')]", "b"),
        ("[not(parameters('open'))]", True),
        ("[and(true(), parameters('open'))]", False),
        ("[and(reference('x').open, false())]", False),
        ("[and(true(), true(), true())]", True),
        ("[or(reference('x').open, true())]", True),
        ("[or(false(), false())]", False),
        ("[equals(4, parameters('size'))]", True),
        ("[equals(true(), false())]", False),
        ("[equals(null(), 'a')]", False),
        ("[equals(parameters('optional'), null())]", True),
        ("[empty('')]", True),
        ("[empty(parameters('settings'))]", False),
        ("[empty(null())]", True),
        ("[empty(createArray())]", True),
        ("[length('abc')]", 3),
        ("[length(parameters('settings').ips)]", 2),
        ("[length(createObject('a', 1))]", 1),
        ("[coalesce(null(), parameters('optional'), 'c', newGuid())]", "c"),
        ("[coalesce(null())]", None),
        ("[createArray('a', 1, null())]", ["a", 1, None]),
        ("[createObject('a', createObject('b', 'c'))]", {"a": {"b": "c"}}),
        ("[createObject()]", {}),
        ("[createObject('a', 'x', 'b', newGuid()).a]", "x"),
    ],
)  # fmt: skip
def test_what_is_certain_is_computed(text: str, value: Any) -> None:
    """The documented grammar, names in any casing, and functions with one possible answer."""
    found = scope().resolve(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[ ]",
        "[']",
        "['a]",
        "[concat('a']",
        "[concat('a'))]",
        "[concat('a',)]",
        "[concat(,'a')]",
        "[concat('a' 'b')]",
        "[concat('a')x]",
        "[concat]",
        "[parameters]",
        "[parameters('env').]",
        "[parameters('env')[]]",
        "[parameters('env')[0]]",
        "[parameters()]",
        "[parameters(5)]",
        "[parameters('env', 'x')]",
        "[parameters('nowhere')]",
        "[parameters('required')]",
        "[parameters('strange')]",
        "[parameters('nobody')]",
        "[parameters('password')]",
        "[parameters('vault').pw]",
        "[concat(parameters('password'))]",
        "[parameters('settings').nothing]",
        "[parameters('settings').ips[2]]",
        "[parameters('settings').ips[sub]]",
        "[parameters('settings').ips[-1]]",
        "[parameters('settings').ips[true()]]",
        "[parameters('settings')[0]]",
        "[null().a]",
        "[variables('nowhere')]",
        "[variables('one')]",
        "[variables('itself')[0]]",
        "[variables('looped')]",
        "[variables('copy')]",
        "[variables('nested').list]",
        "[variables('twice')]",
        "[variables('mixed').unknown]",
        "[99999999999999999999]",
        "[1.5]",
        '["a"]',
        "[{}]",
        "[concat()]",
        "[concat('a', 1)]",
        "[concat(createArray('a'))]",
        "[format('{0}', true())]",
        "[format('{1}', 'a')]",
        "[format('{0,5}', 'a')]",
        "[format('{{0}}', 'a')]",
        "[format('{0', 'a')]",
        "[format(5)]",
        "[toLower('É')]",
        "[toUpper('ß')]",
        "[toLower(5)]",
        "[if('true', 'a', 'b')]",
        "[if(reference('x').open, 'a', 'a')]",
        "[if(true(), 'a')]",
        "[not('true')]",
        "[not(true(), false())]",
        "[and()]",
        "[and(reference('x').open, true())]",
        "[or(false(), reference('x').open)]",
        "[equals(1, '1')]",
        "[equals(1, true())]",
        "[equals(createArray(), createArray())]",
        "[equals('a')]",
        "[empty(5)]",
        "[length(5)]",
        "[length('é')]",
        "[coalesce(newGuid(), 'a')]",
        "[createObject('a')]",
        "[createObject(1, 2)]",
        "[createObject('a', 1, 'A', 2)]",
        "[true('x')]",
        "[copyIndex()]",
        "[reference('x').y[0].z]",
        "[resourceGroup().location]",
        "[subscription().id]",
        "[deployment().name]",
        "[environment().name]",
        "[utcNow()]",
        "[newGuid()]",
        "[uniqueString('a')]",
        "[resourceId('Microsoft.Compute/disks', 'a')]",
        "[listKeys('x', '2020-01-01').keys[0]]",
        "[contoso.greet('x')]",
        "[contoso.concat('x')]",
        "[whatever(('a'))]",
        "[concat('é', 'a', whatever())]",
        f"[concat('{'a' * MAX_LENGTH}')]",
        "[" + "not(" * 5_000 + "true()" + ")" * 5_000 + "]",
        "[ " + "[" * 5_000 + "]" * 5_000 + "]",
        "[parameters('settings')" + ".a" * 8_000 + "]",
    ],
)  # fmt: skip
def test_what_is_not_certain_is_unresolved_with_its_text(text: str) -> None:
    """Mistakes, functions of a deployment and types that do not fit: never a guess or a failure."""
    assert scope().resolve(text) == Unresolved(text)


def test_values_are_resolved_in_their_place() -> None:
    """What is known of an object stays known beside what is not."""
    found = scope().resolve(
        {
            "a": ["[parameters('env')]", "[newGuid()]", 5],
            "[concat('b', '1')]": "[variables('mixed')]",
            "c": "[createObject('x', newGuid(), 'y', 'z')]",
        }
    )
    assert found == {
        "a": ["Prod", Unresolved("[newGuid()]"), 5],
        "b1": {
            "known": "yes",
            "unknown": Unresolved("[resourceGroup().location]"),
            "deep": [True],
        },
        "c": {"x": Unresolved("[createObject('x', newGuid(), 'y', 'z')]"), "y": "z"},
    }


@pytest.mark.parametrize(
    "value",
    [
        {"[newGuid()]": 1, "a": 2},
        {"a": 1, "[concat('a')]": 2},
        {"[concat('a')]": 1, "a": 2},
        {"[if(true(), null(), 'a')]": 1},
        {"copy": ["a"], "b": 1},
        {"copy": [{"count": 1}]},
        {"copy": [{"name": "[variables('policy')]"}]},
    ],
)
def test_an_object_whose_members_are_not_certain_is_unresolved(value: Any) -> None:
    """An unknown key may be any key."""
    assert isinstance(scope().resolve(value), Unresolved)


def test_loops_of_properties_make_what_they_name_unknown() -> None:
    """`copy` is an array of name, count and input; it is no property itself."""
    loops = [{"name": "a", "count": 2, "input": 1}, {"NAME": "b", "count": 0, "input": 1}]
    found = scope().resolve({"copy": loops, "a": "x", "c": {"Copy": []}, "d": {"copy": "text"}})
    assert found == {
        "a": Unresolved("copy of a"),
        "b": Unresolved("copy of b"),
        "c": {},
        "d": {"copy": "text"},
    }


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"p": "x"}, "x"),
        ({"P": "x"}, "x"),
        ({}, "default"),
        ({"p": None}, "default"),
        ({"p": "[newGuid()]"}, Unresolved("[parameters('p')]")),
        ({"p": Unresolved("elsewhere")}, Unresolved("[parameters('p')]")),
        ({"p": "x", "P": "y"}, Unresolved("[parameters('p')]")),
        ({"p": {"a": ["[x]", 1]}}, {"a": [Unresolved("[parameters('p')]"), 1]}),
        (None, Unresolved("[parameters('p')]")),
    ],
)
def test_a_parameter_has_its_given_value_or_its_default(given: Any, value: Any) -> None:
    """Null counts as not given; brackets in a given value are not interpreted."""
    declared = {"p": {"Type": "string", "DefaultValue": "default"}}
    assert scope(declared, {}, given).resolve("[parameters('p')]") == value


@pytest.mark.parametrize("type_", ["secureString", "securestring", "SecureObject"])
@pytest.mark.parametrize("value", ["hunter2", "[hunter2]", {"a": "[concat('hunter2', newGuid())]"}])
@pytest.mark.parametrize("given", [True, False])
def test_a_secret_comes_out_nowhere(type_: str, value: Any, given: bool) -> None:
    """Neither as a value nor within the text of an unknown one."""
    declared = {"p": {"type": type_, "defaultValue": value}}
    found = scope(declared, {"v": "[parameters('p')]"}, {"p": value} if given else {}).resolve(
        ["[parameters('p')]", "[variables('v')]", "[createObject('a', parameters('p'))]"]
    )
    assert "hunter2" not in repr(found)
    assert found[0] == Unresolved("[parameters('p')]")


@pytest.mark.parametrize("count", [10, 1_000])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "form",
    [
        "[concat(variables('V'), variables('V'))]",
        "[createArray(variables('V'), variables('V'))]",
        "[createObject('a', variables('V'), 'b', variables('V'))]",
        ["[variables('V')]", "[variables('V')]"],
        {"a": "[variables('V')]", "b": "[variables('V')]"},
        "[format('{0}{0}{0}{0}', variables('V'))]",
        "[if(equals(variables('V'), 'x'), variables('V'), variables('V'))]",
        "[createArray(variables('V'))]",
        "[variables('V')]",
    ],
    ids=str,
)
def test_values_that_grow_without_end_are_given_up(form: Any, order: int, count: int) -> None:
    """Doubling, nesting and long chains end soon, whichever is asked for first.

    With a tenth of the steps that a template has: a tenth of the time, and of what comes out.
    """
    variables: dict[str, Any] = {"v0": "x" * 100}
    for i in range(1, count):
        variables[f"v{i}"] = _with(form, f"v{i - 1}")
    asked = [f"[variables('v{i}')]" for i in range(count)][::order]
    found = scope({}, variables, steps=MAX_STEPS // 10).resolve(asked)
    assert len(repr(found)) < 10_000_000
    assert order < 0 or found[0] == "x" * 100


def _with(form: Any, name: str) -> Any:
    if isinstance(form, dict):
        return {key: _with(item, name) for key, item in form.items()}
    if isinstance(form, list):
        return [_with(item, name) for item in form]
    return form.replace("'V'", f"'{name}'")


def test_work_is_bounded_for_all_expressions_together() -> None:
    """What is left when the budget ends is unknown, and it is told that it ended."""
    budget = Budget(steps=20)
    found = Scope({}, {}, {}, budget).resolve(["[concat('a', 'b')]"] * 10)
    assert found == ["ab"] * 5 + [Unresolved("[concat('a', 'b')]")] * 5
    assert budget.exhausted


@pytest.mark.parametrize(
    ("depth", "bottom"), [(90, "a"), (MAX_DEPTH, Unresolved("[toLower('A')]"))]
)
def test_a_deep_value_is_resolved_down_to_its_bottom(depth: int, bottom: Any) -> None:
    """As deep as a document can be; at the very end nothing is computed any more."""
    value: Any = "[toLower('A')]"
    for _ in range(depth):
        value = [value]
    found = scope().resolve(value)
    for _ in range(depth):
        (found,) = found
    assert found == bottom


def test_evaluated_again_leaves_nothing_that_azure_would_evaluate() -> None:
    """Brackets that are left after the first evaluation are unknown."""
    value = {"a": ["[x()]", "x", 5, None], "b": {"[y()]": 1}, "c": Unresolved("[z()]")}
    assert evaluated_again(value) == {
        "a": [Unresolved("[x()]"), "x", 5, None],
        "b": Unresolved("[y()]"),
        "c": Unresolved("[z()]"),
    }


def test_names_that_differ_in_casing_only_are_one_unknown() -> None:
    """Nobody can say which Azure takes."""
    found = folded({"Type": 1, "type": 2, "Name": 3})
    assert found == {"type": Unresolved("type stands there twice"), "name": 3}


_WORDS = st.sampled_from(
    ["concat", "parameters", "variables", "if", "and", "createObject", "format", "'env'",
     "'policy'", "'mixed'", "'{0}'", "true()", "null()", "5", "-1", "(", ")", "(", ")", ",",
     ".", "[", "]", "'", "''", " ", "\n", "a", "é", "{", "copyIndex()", "ns.fn("]
)  # fmt: skip


@settings(max_examples=75)
@given(st.text() | st.lists(_WORDS, max_size=25).map("".join))
@example("[parameters('env')[parameters('env')]]")
@example("['\ud800']")
def test_any_text_is_a_value_or_unresolved(text: str) -> None:
    """No expression raises, and what is no expression stays as it is."""
    expression = f"[{text}]"
    found = scope().resolve([text, expression])
    if not (text.startswith("[") and text.endswith("]")):
        assert found[0] == text
    if isinstance(found[1], Unresolved):
        assert found[1].text == expression


_CALLS = st.recursive(
    st.sampled_from(["'a'", "''", "5", "true()", "null()", "parameters('env')", "newGuid()",
                     "variables('mixed')", "parameters('settings')", "variables('one')"]),
    lambda inner: st.builds(
        lambda name, arguments, tail: f"{name}({', '.join(arguments)}){tail}",
        st.sampled_from(["concat", "format", "if", "and", "or", "not", "equals", "empty", "length",
                         "coalesce", "createArray", "createObject", "toLower", "whatever"]),
        st.lists(inner, max_size=4),
        st.sampled_from(["", "", ".a", "[0]", "['known']"]),
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=75)
@given(_CALLS)
def test_any_call_is_a_value_or_unresolved(call: str) -> None:
    """Whatever functions are given, the answer is the same in a text, a list and a variable."""
    text = f"[{call}]"
    found = scope().resolve(text)
    assert found == scope().resolve([text])[0]
    if not isinstance(found, Unresolved):
        assert found == scope(variables={**VARIABLES, "v": text}).resolve("[variables('v')]")
