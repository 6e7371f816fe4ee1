"""JSON with places: what is read, where it says it stands, and what it says of mistakes."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.cli.positions import MAX_DEPTH, parse
from guards.engine.errors import Unreadable

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=15,
)
CONTAINERS = JSON.map(lambda value: [value]) | JSON.map(lambda value: {"a": value})

TEMPLATE = """{
  // who may read it
  "resources": [
    { "type": "Microsoft.Compute/disks" },
    /* a block
       of two lines */ {
      "properties": {"size": 4,
        "network": "DenyAll"}
    }
  ]
}
"""


@settings(max_examples=40)
@given(JSON, st.sampled_from([None, 1, 4]), st.booleans())
def test_json_is_read_as_the_standard_library_does(value: Any, indent: Any, ascii_: bool) -> None:
    """However it is laid out."""
    assert value == parse(json.dumps(value, indent=indent, ensure_ascii=ascii_)).value


@settings(max_examples=40)
@given(JSON, st.sampled_from([None, 1, 4]))
def test_every_value_stands_where_it_is_said_to(value: Any, indent: Any) -> None:
    """A member at its key, an element at its first character."""
    text = json.dumps(value, indent=indent)
    located = parse(text)
    assert set(located.lines) == set(located.columns)
    rows = text.split("\n")
    for path, line in located.lines.items():
        found: Any = value
        for key in path:
            found = found[key]
        is_member = bool(path) and isinstance(path[-1], str)
        shown = json.dumps(path[-1]) if is_member else json.dumps(found)[:1]
        assert rows[line - 1].startswith(shown, located.columns[path] - 1)


def test_lines_and_columns_count_from_one_through_comments() -> None:
    """As an editor shows them."""
    located = parse(TEMPLATE)
    places = {path: (line, located.columns[path]) for path, line in located.lines.items()}
    assert places == {
        (): (1, 1),
        ("resources",): (3, 3),
        ("resources", 0): (4, 5),
        ("resources", 0, "type"): (4, 7),
        ("resources", 1): (6, 24),
        ("resources", 1, "properties"): (7, 7),
        ("resources", 1, "properties", "size"): (7, 22),
        ("resources", 1, "properties", "network"): (8, 9),
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\ufeff{}", {}),
        ("// first\n[1] // last", [1]),
        ("/**/[/* * / */]/***/", []),
        ('{"a"/**/:/**/1/**/,/**/"b":2}', {"a": 1, "b": 2}),
        ('["// none", "/* none */"]', ["// none", "/* none */"]),
        ('["\\u00e9\\n\\ud83d\\ude00"]', ["é\n😀"]),
        ("[\"[concat(\n  'a')]\"]", ["[concat(\n  'a')]"]),
        ("[1.5e3, -0, true, false, null]", [1500.0, 0, True, False, None]),
        ('{"a": 1, "A": 2}', {"a": 1, "A": 2}),
        (" 5\r\n", 5),
    ],
)
def test_what_templates_have_beyond_json_is_read(text: str, value: Any) -> None:
    """Comments, a byte order mark, line breaks within strings."""
    assert value == parse(text).value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: not JSON: there is nothing in it"),
        ("\n // \n", "line 3, column 1: not JSON: there is nothing in it"),
        ("[1,\n 2,]", "line 2, column 3: not JSON: a comma stands before ]"),
        ('{"a": 1,\n}', "line 1, column 8: not JSON: a comma stands before }"),
        ("[1\n 2]", "line 2, column 2: not JSON: a comma or ] is needed"),
        ('{"a": 1 "b": 2}', "line 1, column 9: not JSON: a comma or } is needed"),
        ("{a: 1}", "line 1, column 2: not JSON: a key in double quotes is needed"),
        ("{'a': 1}", "line 1, column 2: not JSON: a key in double quotes is needed"),
        ('{"a" 1}', "line 1, column 6: not JSON: a colon is needed after the key"),
        ("[,]", "line 1, column 2: not JSON: Expecting value"),
        ("[01]", "line 1, column 3: not JSON: a comma or ] is needed"),
        ("[1] [2]", "line 1, column 5: not JSON: something follows after the end"),
        ('["\\q" ]', "line 1, column 3: not JSON: Invalid \\escape"),
        ("[NaN ]", "line 1, column 2: not JSON: NaN is no number of JSON"),
        ("[-Infinity ]", "line 1, column 2: not JSON: -Infinity is no number of JSON"),
        ("[# no comment\n]", "line 1, column 2: not JSON: Expecting value"),
        ("[/ no comment\n]", "line 1, column 2: not JSON: Expecting value"),
        (f"[{'9' * 5000} ]", "line 1, column 2: not JSON: Exceeds the limit"),
    ],
)
def test_what_is_not_json_is_told_with_its_place(text: str, message: str) -> None:
    """A person finds it without searching."""
    with pytest.raises(Unreadable) as raised:
        parse(text)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (TEMPLATE[:40], "array that begins at line 3, column 16"),
        (TEMPLATE[:-3], "object that begins at line 1, column 1"),
        ('{\n "a": [\n  "b', "string that begins at line 3, column 3"),
        ('{\n "a": tru', "object that begins at line 1, column 1"),
        ('{"a": {\n"b": -', "object that begins at line 1, column 7"),
        ('{"a": ["\\u12', "array that begins at line 1, column 7"),
        ('{"a": 1 /* and\nso on', "comment that begins at line 1, column 9"),
        ('{"a"', "object that begins at line 1, column 1"),
        ("[1,", "array that begins at line 1, column 1"),
    ],
)
def test_a_truncated_file_says_what_was_left_open(text: str, what: str) -> None:
    """Half a download is told apart from a typing mistake."""
    with pytest.raises(Unreadable) as raised:
        parse(text)
    assert str(raised.value).endswith(f"not JSON: ends in the middle of the {what}")


@settings(max_examples=40)
@given(CONTAINERS, st.data())
def test_a_file_cut_anywhere_is_told_to_end_too_early(value: Any, data: st.DataObject) -> None:
    """Wherever the cut lies, within a number, a word or an escape too."""
    text = json.dumps(value)
    end = data.draw(st.integers(1, len(text) - 1))
    with pytest.raises(Unreadable, match="ends in the middle of the"):
        parse(text[:end])


@pytest.mark.parametrize("text", ['{"a": 1,\n "b": 2,\n "a": 1}', '{"\\u0061": 1,\n\n "a": 2}'])
def test_a_key_that_stands_there_twice_is_refused_with_both_lines(text: str) -> None:
    """The guard never judges one value while Azure takes the other."""
    with pytest.raises(Unreadable, match=r"^line 3, column 2: 'a' stands there twice, first in"):
        parse(text)


@pytest.mark.parametrize("pair", ["[]", "{}"])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000, 200_000])
def test_depth_is_bounded(pair: str, depth: int) -> None:
    """No nesting brings the reader down."""
    start = "[" if pair == "[]" else '{"a":'
    assert parse(start * MAX_DEPTH + "1" + pair[1] * MAX_DEPTH).value
    with pytest.raises(Unreadable, match="nested deeper than 100 levels"):
        parse(start * depth + "1" + pair[1] * depth)


@settings(max_examples=50)
@given(st.text(alphabet='{}[]",:/*\\ \n019.eE+-truefalsn\ufeff', max_size=60) | st.text())
def test_any_text_is_a_document_or_unreadable(text: str) -> None:
    """Nothing else is raised, and the place is always told."""
    try:
        located = parse(text)
    except Unreadable as e:
        place = re.match(r"line \d+, column \d+: ", str(e)) is not None
    else:
        place = located.lines[()] > 0
    assert place


@pytest.mark.parametrize("piece", ["/**/", "// x\n", " ", "/*" + "*" * 50 + "/"])
def test_a_megabyte_of_comments_is_read_at_once(piece: str) -> None:
    """Time grows with the text, not with its square."""
    assert parse(piece * 100_000 + "5").value == 5
