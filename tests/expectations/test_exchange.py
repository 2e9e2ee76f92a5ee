"""Documents and other programs' schemas, one made of the other: judged alike, and what is lost is said."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import re

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from upload_client.expectations.content import judge as judge_content
from upload_client.expectations.document import InvalidExpectations, load
from upload_client.expectations.exchange import WRITTEN, read, write

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

MOMENT = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - as tables have them
VALUES = {
    "int8": ([1, 2, -3, 127], pa.int8()),
    "int64": ([1, 2, -3, 10**12], pa.int64()),
    "float64": ([0.5, 1.0, -2.25], pa.float64()),
    "string": (["a", "bc", "ß"], pa.string()),
    "bool": ([True, False], pa.bool_()),
    "timestamp[us]": ([MOMENT, MOMENT.replace(year=2030)], pa.timestamp("us")),
    "date": ([MOMENT.date(), dt.date(1999, 1, 1)], pa.date32()),
}


DUPLICATES = "unique with missing values: to pandera two of them are duplicates, here they are none"


def rules_of(kind: str) -> st.SearchStrategy[dict]:
    values = VALUES[kind][0]
    optional: dict = {"nulls": st.booleans(), "unique": st.booleans(), "title": st.just("T")}
    if kind == "string":
        optional |= {"min_length": st.integers(0, 1), "max_length": st.integers(1, 3)}
        optional |= {"pattern": st.sampled_from(["[a-z]+", "(?i)B?C|.", r"[[:alpha:]]+"])}
    elif kind != "bool":
        for limit in ("min", "above"):
            optional[limit] = st.sampled_from(sorted(values)[:2])
        for limit in ("max", "below"):
            optional[limit] = st.sampled_from(sorted(values)[-2:])
    if kind in ("int8", "int64", "string"):
        optional["values"] = st.lists(st.sampled_from(values), min_size=1, unique=True)
    return st.fixed_dictionaries({}, optional=optional).filter(
        lambda one: one.get("min", 0) == 0 or one.get("max", 0) == 0 or one["min"] <= one["max"]
    )


@st.composite
def deliveries(draw):
    """The content of a type, and a table that may break it."""
    columns, data = [], {}
    n_rows = draw(st.integers(0, 3))
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(sorted(VALUES)))
        name = f"c{number}"
        columns.append(
            {"name": name, "type": kind, "required": draw(st.integers(0, 4)) > 0, **draw(rules_of(kind))}
        )
        if draw(st.integers(0, 9)) == 0:
            continue
        stored = kind if draw(st.integers(0, 5)) else draw(st.sampled_from(sorted(VALUES)))
        values, arrow = VALUES[stored]
        values = draw(st.lists(st.sampled_from([*values, *values, None]), min_size=n_rows, max_size=n_rows))
        data[name] = pa.array(values, arrow)
    if draw(st.integers(0, 9)) == 0:
        data["extra"] = pa.array([1] * n_rows)
    names = list(data)
    if draw(st.integers(0, 9)) == 0:
        names.reverse()
    content = {"format": "parquet", "columns": columns, "order": draw(st.booleans())}
    content["others"] = draw(st.sampled_from(["refuse", "allow"]))
    return content, pa.table({name: data[name] for name in names})


def document(content: dict):
    types = [{"name": "table", "files": "*", "content": content}]
    return load(yaml.safe_dump({"version": 1, "types": types}).encode(), "agreed.yaml")


def finds(expectations, table) -> str:
    out = io.BytesIO()
    pq.write_table(table, out)
    content = expectations.types[0].content
    return str(judge_content(content, out, len(out.getvalue()), max_unpacked=10**8))


@pytest.mark.parametrize("form", WRITTEN)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=deliveries())
def test_a_document_judges_as_before_once_it_was_written_and_read_but_for_what_was_said_to_be_lost(
    form, made
):
    content, table = made
    before = document(content)
    text, lost = write(before, "table", form)
    after_text, lost_again = read(text.encode(), "schema", None, kind="parquet")
    after = load(after_text.encode(), "agreed.yaml")
    assert [one for one in lost_again if DUPLICATES not in one] == []
    first, second = finds(before, table), finds(after, table)
    if bool(first) != bool(second):
        columns = {f"column {name!r}" for name in re.findall(r"column '(\w+)'", first or second)}
        assert any(one.startswith((*columns, "order", "others")) for one in lost), (first, second, text, lost)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=deliveries())
def test_pandera_judges_by_its_schema_as_we_do_by_the_document(made):
    pandera = pytest.importorskip("pandera.pandas")
    pd = pytest.importorskip("pandas")
    from pandera.io.pandas_io import from_yaml

    content, table = made
    text, lost = write(document(content), "table", "pandera")
    if lost:
        return
    # To pandas dates are objects: of a column in which none is, it does not know that they would be dates.
    assume(not any(pa.types.is_date(each.type) and each.null_count == len(each) for each in table.columns))
    by_name = {one["name"]: one for one in content["columns"]}
    nullable = {pa.int8(): pd.Int8Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}

    def series(name: str):
        column = table.column(name)
        if pa.types.is_string(column.type):
            return pd.Series(column.to_pylist(), dtype="str")
        mapped = nullable.get if by_name.get(name, {}).get("nulls", True) else None
        return column.to_pandas(types_mapper=mapped)

    frame = pd.DataFrame({name: series(name) for name in table.column_names})
    try:
        from_yaml(text).validate(frame, lazy=True)
        theirs = ""
    except pandera.errors.SchemaErrors as error:
        theirs = str(error)
    assert bool(theirs) == bool(finds(document(content), table)), (
        text,
        theirs,
        finds(document(content), table),
    )


@pytest.mark.parametrize(("nulls", "refused"), [(True, True), (False, False)])
def test_two_missing_values_of_a_unique_column_are_duplicates_to_pandera_and_that_is_said(nulls, refused):
    pandera = pytest.importorskip("pandera.pandas")
    pd = pytest.importorskip("pandas")
    from pandera.io.pandas_io import from_yaml

    column = {"name": "a", "type": "string", "unique": True, "nulls": nulls}
    ours = document({"format": "parquet", "columns": [column]})
    text, lost = write(ours, "table", "pandera")
    said = [f"column 'a': {DUPLICATES}"] * nulls
    assert lost == said
    assert read(text.encode(), "schema", None)[1] == said
    together = "schema_type: dataframe\ncolumns: {a: {dtype: str, nullable: true}}\nunique: [a]\n"
    assert read(together.encode(), "schema", None)[1] == [f"column 'a': {DUPLICATES}"]
    values = ["x", None, None] if nulls else ["x", "y", "z"]
    assert not finds(ours, pa.table({"a": pa.array(values, pa.string())}))
    frame = pd.DataFrame({"a": pd.Series(values, dtype="str")})
    with pytest.raises(pandera.errors.SchemaErrors) if refused else contextlib.nullcontext():
        from_yaml(text).validate(frame, lazy=True)
    # Those of the other forms are of one mind with us, or do not say it.
    assert write(ours, "table", "frictionless")[1] == []
    assert write(ours, "table", "jsonschema")[1] == ["column 'a': unique"]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=deliveries())
def test_no_row_is_refused_by_the_json_schema_of_a_document_that_takes_the_table(made):
    jsonschema = pytest.importorskip("jsonschema")
    content, table = made
    text, _ = write(document(content), "table", "jsonschema")
    rows = [
        {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in row.items()}
        for row in table.to_pylist()
    ]
    check = jsonschema.Draft202012Validator(json.loads(text))
    if not finds(document(content), table):
        assert [error.message for row in rows for error in check.iter_errors(row)] == []


def test_a_schema_that_pandera_writes_is_read_whatever_it_has_besides():
    pandera = pytest.importorskip("pandera.pandas")
    from pandera.io.pandas_io import to_yaml

    schema = pandera.DataFrameSchema(
        {
            "a": pandera.Column("int64", [pandera.Check.in_range(0, 10, include_max=False)], unique=True),
            "b": pandera.Column("str", pandera.Check.str_matches("a+"), nullable=True, required=False),
            "c": pandera.Column("float64", [pandera.Check.gt(0), pandera.Check.notin([3])], coerce=True),
            "d": pandera.Column("datetime64[us, UTC]"),
            "x.*": pandera.Column("float32", regex=True),
        },
        strict="filter",
        unique=["a", "b"],
    )
    text, lost = read(to_yaml(schema).encode(), "schema.yaml", None)
    columns = {one.name: one for one in load(text.encode(), "x").types[0].content.columns}
    assert (columns["a"].min, columns["a"].below, columns["a"].unique, columns["a"].nulls) == (
        0,
        10,
        True,
        False,
    )
    assert (columns["b"].nulls, columns["b"].required, columns["b"].pattern) == (True, False, "(?:a+)(?s:.*)")
    assert columns["d"].type == "timestamp[us, tz=UTC]"
    assert lost == [
        "column 'c': the check 'notin'",
        "column 'c': coerce",
        "column 'x.*': a pattern of columns' names",
        "strict: that other columns are left out: they may be there",
        "unique: of several columns together",
    ]


def test_a_data_package_becomes_a_type_for_each_of_its_resources():
    package = {
        "name": "survey",
        "resources": [
            {
                "name": "stars",
                "path": "stars.csv",
                "bytes": 12,
                "hash": "sha256:00",
                "dialect": {"delimiter": ";", "quoteChar": "'"},
                "schema": {"fields": [{"name": "id", "type": "integer"}, {"name": "at", "type": "geopoint"}]},
            },
            {"name": "images", "path": ["a.fits", "b.fits"]},
        ],
    }
    text, lost = read(json.dumps(package).encode(), "datapackage.json", None)
    stars, images = load(text.encode(), "x").types
    assert (stars.files, stars.bytes.min, stars.content.delimiter) == (("stars.csv",), 12, ";")
    assert (images.files, images.content) == (("a.fits", "b.fits"), None)
    assert lost == [
        "column 'at': the type 'geopoint'",
        "resource 'stars': quoteChar of its dialect",
        "resource 'stars': hash, which no document says",
    ]
    assert text.startswith("# Not judged here: column 'at'")


def test_a_json_schema_is_that_of_the_file_or_of_a_row():
    schema = {
        "type": "object",
        "properties": {"a": {"type": ["integer", "null"], "multipleOf": 2}, "b": {"const": "x"}},
        "required": ["a", "z"],
        "additionalProperties": False,
    }
    whole, lost = read(json.dumps(schema).encode(), "s.json", None)
    assert load(whole.encode(), "x").types[0].content.json_schema == schema
    assert lost == []
    rows, lost = read(json.dumps(schema).encode(), "s.json", "jsonschema", kind="csv", files=["x/*.csv"])
    (table,) = load(rows.encode(), "x").types
    assert table.files == ("x/*.csv",)
    assert [(one.name, one.required, one.nulls, one.values) for one in table.content.columns] == [
        ("a", True, True, None),
        ("b", False, False, ("x",)),
        ("z", True, True, None),
    ]
    assert lost == ["column 'a': multipleOf"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[1]", "it is not recognised as one of frictionless, pandera"),
        (b"a: [", "it is no YAML"),
        (b'{"fields": 3}', "it is nothing that frictionless knows"),
        (
            b'{"fields": [{"name": "a", "type": "date", "constraints": {"minimum": "x"}}]}',
            "Invalid isoformat",
        ),
        (
            b"schema_type: dataframe\ncolumns: {a: {dtype: int64, in_range: 3}}",
            "it is nothing that pandera knows",
        ),
        (b" " * 300_000, "more than 262,144 bytes"),
    ],
    ids=["list", "yaml", "fields", "date", "range", "size"],
)
def test_what_is_no_schema_is_refused(data, says):
    with pytest.raises(InvalidExpectations, match=re.escape(says)):
        read(data, "schema", None)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (b'{"properties":{"a":' * 400 + b"{}" + b"}}" * 400, "nested too deeply"),
        (b'{"\\ud800": 1, "properties": {"a": {}}}', "half a character"),
    ],
)
def test_a_schema_that_no_document_can_hold_is_refused_in_our_words(schema, said):
    with pytest.raises(InvalidExpectations, match=said):
        read(schema, "a.json", "jsonschema", kind="csv" if b"ud800" in schema else None)


def test_times_and_durations_of_a_table_schema_are_judged(judge):
    schema = '{"fields": [{"name": "t", "type": "time"}, {"name": "d", "type": "duration"}]}'
    text, lost = read(schema.encode(), "tableschema.json", "frictionless", kind="csv")
    assert lost == []
    rules = yaml.safe_load(text)["types"][0]["content"]
    assert judge(rules, b"t,d\n10:00:00,P1DT2H\n,\n") == ""
    assert judge(rules, b"t,d\n10:00:00,1 day\n") == "column 'd': '1 day' in row 1 is no duration"
    assert judge(rules, b"t,d\nnoon,P1D\n") == "column 't': 'noon' in row 1 is no time"
