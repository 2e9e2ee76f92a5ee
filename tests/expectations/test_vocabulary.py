"""Frictionless' words mean what they mean there, and the same as ours."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upload_client.expectations.content import judge as judge_content
from upload_client.expectations.document import InvalidExpectations, load

frictionless = pytest.importorskip("frictionless")


def document(content: dict) -> bytes:
    types = [{"name": "table", "files": "*.csv", "content": {"format": "csv", **content}}]
    return yaml.safe_dump({"version": 1, "types": types}, allow_unicode=True).encode()


def understood(content: dict):
    return load(document(content), "agreed.yaml").types[0].content


def says(content: dict) -> str:
    with pytest.raises(InvalidExpectations) as caught:
        understood(content)
    return str(caught.value)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"constraints": {"required": True}}, {"nulls": False}),
        ({"constraints": {"unique": True}}, {"unique": True}),
        ({"constraints": {"minimum": 1, "maximum": 2}}, {"min": 1, "max": 2}),
        ({"constraints": {"exclusiveMinimum": 1, "exclusiveMaximum": 2}}, {"above": 1, "below": 2}),
        ({"constraints": {"minLength": 1, "maxLength": 2}}, {"min_length": 1, "max_length": 2}),
        ({"constraints": {"enum": ["a", "b"]}}, {"values": ["a", "b"]}),
        ({"constraints": {"pattern": "a+"}}, {"pattern": "a+"}),
        ({"type": "boolean"}, {"type": "bool"}),
        ({"type": "datetime"}, {"type": "timestamp"}),
    ],
    ids=str,
)
def test_a_word_of_frictionless_means_the_same_as_ours(theirs, ours):
    assert understood({"fields": [{"name": "a", **theirs}]}) == understood(
        {"columns": [{"name": "a", **ours}]}
    )


def test_a_table_schema_is_taken_as_it_is():
    schema = {
        "fields": [{"name": "id", "type": "integer", "title": "No."}, {"name": "b", "type": "string"}],
        "missingValues": ["", "NA"],
        "primaryKey": "id",
    }
    ours = {
        "columns": [
            {"name": "id", "type": "integer", "title": "No.", "unique": True, "nulls": False},
            {"name": "b", "type": "string"},
        ],
        "missing": ["", "NA"],
        "order": True,
    }
    assert understood({"schema": schema}) == understood(ours)
    wider = understood({"schema": schema | {"fieldsMatch": "subset"}})
    assert (wider.order, wider.others) == (False, "allow")
    fewer = understood({"schema": schema | {"fieldsMatch": "superset"}})
    assert not any(column.required for column in fewer.columns)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"columns": [], "fields": []}, "two names of one thing"),
        ({"missing": [""], "missingValues": []}, "two names of one thing"),
        ({"fields": [{"name": "a", "min": 1, "constraints": {"minimum": 1}}]}, "'min' is given twice"),
        (
            {"fields": [{"name": "a", "constraints": {"minimum": 3, "maximum": 2}}]},
            "min (3) is above max (2)",
        ),
        (
            {"fields": [{"name": "a", "constraints": {"minLength": 3, "maxLength": 2}}]},
            "min_length (3) is above",
        ),
        (
            {"fields": [{"name": "a", "constraints": {"minimun": 3}}]},
            "constraints.minimun: there is no such key",
        ),
        ({"fields": [{"name": "a", "trueValues": ["x"]}]}, "fields[0].trueValues: there is no such key"),
        ({"fields": [{"name": "a", "type": "geopoint"}]}, "'geopoint' is no type"),
        ({"schema": {"fields": []}, "order": True}, "'order' is given twice"),
        ({"schema": {"fields": [{"name": "a"}], "primaryKey": "b"}}, "'b' is none of the fields"),
        (
            {"schema": {"fields": [{"name": "a"}, {"name": "b"}], "primaryKey": ["a", "b"]}},
            "a primary key of several columns is not judged here",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_judged_is_refused_with_its_place(content, where):
    assert where in says(content)


def test_unique_is_a_rule_for_columns_alone():
    text = """
version: 1
types:
  - name: images
    files: "*.fits"
    content: {format: fits, hdus: [{name: 0, header: [{card: A, constraints: {unique: true}}]}]}
"""
    with pytest.raises(InvalidExpectations, match="'unique' is a rule for columns"):
        load(text.encode(), "agreed.yaml")


V2 = "https://datapackage.org/profiles/2.0/tableschema.json"
FIELDS = {
    "integer": (
        ["1", "7", "-3", "12"],
        st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys(
                    ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), st.integers(-4, 13)
                ),
                "enum": st.lists(st.sampled_from([1, 7, -3, 12]), min_size=1, unique=True),
            },
        ),
    ),
    "number": (
        ["1.5", "7", "-3.25", "1e2"],
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
                st.sampled_from([-3.25, 1.5, 7.0, 8.5]),
            ),
        ),
    ),
    "string": (
        ["a", "bc", "bcd", "ß", "NA"],
        st.fixed_dictionaries(
            {},
            optional={
                "minLength": st.integers(0, 4),
                "maxLength": st.integers(0, 4),
                "enum": st.lists(st.sampled_from(["a", "bc", "ß"]), min_size=1, unique=True),
                "pattern": st.sampled_from(["[a-c]+", "b.*", "..?"]),
            },
        ),
    ),
    "boolean": (["true", "false", "1", "0"], st.just({})),
    "date": (
        ["2024-02-29", "2023-01-01", "1969-12-31"],
        st.fixed_dictionaries(
            {},
            optional={
                "minimum": st.sampled_from(["2023-01-01", "2024-01-01"]),
                "maximum": st.just("2024-02-29"),
            },
        ),
    ),
}


@st.composite
def tables(draw) -> tuple[dict, bytes]:
    """A Table Schema, and a table of values that may break it: of its types, of others, missing ones."""
    fields, columns = [], []
    n_rows = draw(st.integers(1, 4))
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(sorted(FIELDS)))
        texts, constraints = FIELDS[kind]
        given = draw(constraints)
        for name in ("required", "unique"):
            if draw(st.integers(0, 3)) == 0:
                given[name] = True
        fields.append({"name": f"c{number}", "type": kind, **({"constraints": given} if given else {})})
        columns.append(
            draw(st.lists(st.sampled_from([*texts, *texts, "", "x"]), min_size=n_rows, max_size=n_rows))
        )
    if draw(st.integers(0, 5)) == 0:
        fields.reverse()
    rows = [[f"c{number}" for number in range(len(columns))], *zip(*columns, strict=True)]
    schema = {"$schema": V2, "fields": fields, "missingValues": draw(st.sampled_from([[""], ["", "NA"]]))}
    # A row in which nothing is there is none to most programs, and an error to Frictionless.
    return schema, "".join(",".join(row) + "\r\n" for row in rows if {*row} - {"", "NA"}).encode()


def ours_finds(schema: dict, data: bytes) -> str:
    content = understood({"schema": schema})
    return str(judge_content(content, io.BytesIO(data), len(data), max_unpacked=10**8))


def theirs_find(schema: dict, path: Path, data: bytes) -> list[str]:
    (path / "table.csv").write_bytes(data)
    described = {
        "$schema": "https://datapackage.org/profiles/2.0/dataresource.json",
        "name": "table",
        "type": "table",
        "path": "table.csv",
        "schema": schema,
    }
    resource = frictionless.Resource.from_descriptor(described, basepath=str(path))
    return [error.message for task in resource.validate().tasks for error in task.errors]


def in_order(constraints: dict) -> bool:
    pairs = (("minimum", "maximum"), ("minLength", "maxLength"))
    return all(
        low not in constraints or high not in constraints or constraints[low] <= constraints[high]
        for low, high in pairs
    )


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=tables())
def test_a_table_is_judged_as_frictionless_judges_it(made, tmp_path):
    schema, data = made
    if not all(in_order(field.get("constraints", {})) for field in schema["fields"]):
        return  # such a document is refused
    theirs = theirs_find(schema, tmp_path, data)
    assert bool(ours_finds(schema, data)) == bool(theirs), (theirs, ours_finds(schema, data))
