"""Whatever a topology file holds, it is understood or refused with one line; nothing else ever comes out."""

from __future__ import annotations

import contextlib

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from lab import topology
from lab.errors import UserError

FIELDS = [*topology.Topology.model_fields, *topology.Machine.model_fields, *topology.Networks.model_fields]
WORDS = st.sampled_from(["10.1.0.5", "10.1.0.0/24", "a", "auto", "1s", "0", "", "nspawn", *FIELDS])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.text(max_size=8), WORDS
)
KEYS = st.one_of(st.sampled_from(FIELDS), st.text(max_size=4), st.integers(), st.none(), st.booleans())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


def _parse(text: str) -> None:
    said = ""
    try:
        topology.parse(text, "lab.yaml")
    except UserError as problem:
        said = str(problem)
    assert "\n" not in said
    assert not said or said.startswith("lab.yaml:")


@given(st.text())
@example('"a\\nb": 1')
def test_any_text_is_understood_or_refused_in_one_line(text: str) -> None:
    _parse(text)


@given(VALUES)
def test_any_document_is_understood_or_refused_in_one_line(document: object) -> None:
    with contextlib.suppress(yaml.YAMLError):  # some text cannot be written as YAML at all
        _parse(yaml.safe_dump(document))


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4))
def test_known_fields_with_any_value_are_understood_or_refused_in_one_line(
    document: dict[str, object],
) -> None:
    with contextlib.suppress(yaml.YAMLError):
        _parse(yaml.safe_dump(document))
