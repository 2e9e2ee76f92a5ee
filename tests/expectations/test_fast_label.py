"""A FAST label is taken as a document, or refused with the line of what cannot be judged here."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml

from upload_client.expectations.content import judge as judge_content
from upload_client.expectations.document import InvalidExpectations, load
from upload_client.expectations.expected import Expected

pytest.importorskip("re2")
pytest.importorskip("astropy")
pytest.importorskip("asdf")
pytest.importorskip("pyarrow")

COLUMNS = [{"name": "a", "dtype": "i4"}, {"name": "b_0", "dtype": "f8"}]
MORE = [*COLUMNS, {"name": "b_1", "dtype": "f8"}]


def filetypes(number: int, columns: list) -> dict:
    """What the files of that number have in them, one type for each format."""
    image = {"objtype": "primary", "name": "primary", "dtype": "f8", "ndim": 2}
    array = {"objtype": "ndarray", "name": ["data", "array"], "dtype": "f8", "ndim": 2}
    table = {"objtype": "astropy.table.table.Table", "name": "table", "schema": columns}
    return {
        f"fits_{number}": {
            "filename": rf".*data_{number}\.fits",
            "standard": "FITS",
            "objects": [
                image,
                {
                    "objtype": "bintable",
                    "name": "table",
                    "schema": columns,
                    "metadata": {
                        "TFIELDS": {"value": len(columns)},
                        "TTYPE1": {"value": "a", "value_regex": True},
                    },
                },
            ],
        },
        f"asdf_{number}": {
            "filename": rf"asdf/.*_{number}\.asdf",
            "standard": "asdf",
            "objects": [array, table],
        },
        f"parquet_{number}": {
            "filename": [r".*\.parquet", rf"(?!).*data_{1 - number}\.parquet"],
            "standard": "parquet",
            "objects": [{"schema": columns}],
        },
    }


def label(types: dict, **others) -> str:
    made = {
        "dataset": "toy",
        "delivery_id": 1,
        "filetypes": types,
        "time": {"delivery_start_date": "2026-11-14"},
        "delivery_meta": {"schema_version": "0.1.0"},
        "custom_metadata": {"anything": [1, {"a": None}]},
    }
    return yaml.safe_dump(made | others, sort_keys=False)


WHOLE = label({**filetypes(0, COLUMNS), **filetypes(1, MORE)})


def wrong(text: str, folder: Path) -> dict[str, str]:
    expected = Expected(load(text.encode(), "label.yml"))
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        refusal = expected.refusal(name, len(data))
        rules = expected.content(name)
        if refusal is None and rules is not None:
            refusal = str(judge_content(rules.content, io.BytesIO(data), len(data), max_unpacked=10**8))
        if refusal:
            found[name] = refusal
    return found


def says(text: str) -> str:
    with pytest.raises(InvalidExpectations) as caught:
        load(text.encode(), "label.yml")
    return str(caught.value)


def test_a_label_that_names_formats_alone_takes_each_file_that_opens_as_one(toy):
    text = (toy / "toy-1.yml").read_text()
    assert wrong(text, toy / "data") == wrong(text, toy / "bad_data") == {}


def test_a_label_that_says_what_is_in_the_files_refuses_each_bad_one_and_says_where(toy):
    assert wrong(WHOLE, toy / "data") == {}
    found = wrong(WHOLE, toy / "bad_data")
    assert sorted(found) == [
        f"{kind}/data_{n}.{kind}" for kind in ("asdf", "fits", "parquet") for n in (0, 1)
    ]
    assert found["parquet/data_0.parquet"] == "column 'a': int64 where int32 is expected"
    assert found["fits/data_1.fits"].startswith("HDU TABLE, column 'a': int64 where int32 is expected")
    assert found["asdf/data_1.asdf"].startswith("**.table.columns[0].data: int64 where int32 is expected")


def test_a_file_of_a_type_that_another_pattern_takes_out_is_none_of_it(toy, tmp_path):
    (tmp_path / "x.fits").write_bytes((toy / "data/fits/data_0.fits").read_bytes())
    types = {"a": {"filename": [r".*\.fits", r"(?!)x\..*"], "standard": "fits"}}
    assert wrong(label(types), tmp_path) == {
        "x.fits": "no type of files that is expected here has such a name"
    }
    allowed = {
        "delivery_meta": {
            "schema_version": "0.1",
            "global_validation_options": {"no_assigned_filetype_ok": True},
        }
    }
    assert wrong(label(types, **allowed), tmp_path) == {}


def test_each_type_of_files_has_to_be_there_unless_the_label_says_otherwise():
    from upload_client.core.expectations import Tally

    def problems(text: str) -> list[str]:
        return Tally(Expected(load(text.encode(), "label.yml")).rules).problems()

    assert problems(label({"a": {"filename": ".*"}})) == [
        "type 'a' has 0 files, where there should be 1 file at least"
    ]
    may = {
        "delivery_meta": {
            "schema_version": "0.1",
            "global_validation_options": {"missing_filetypes_ok": True},
        }
    }
    assert problems(label({"a": {"filename": ".*"}}, **may)) == []


def test_what_a_label_leaves_out_is_not_judged(toy):
    skipped = filetypes(0, COLUMNS) | filetypes(1, MORE)
    for one in skipped.values():
        one["validation_options"] = {"skip": ["all"]}
    assert wrong(label(skipped), toy / "bad_data") == {}
    for one in skipped.values():
        one["validation_options"] = {"skip": ["schema"]}
    assert wrong(label(skipped), toy / "bad_data") == {}


def test_the_metadata_of_parquet_is_judged():
    import pyarrow as pa
    import pyarrow.parquet as pq

    def judged(rules: dict, said: dict) -> str:
        types = {"a": {"filename": ".*", "standard": "parquet", "objects": [{"metadata": rules}]}}
        content = load(label(types).encode(), "label.yml").types[0].content
        out = io.BytesIO()
        pq.write_table(pa.table({"x": [1]}).replace_schema_metadata(said), out)
        return str(judge_content(content, out, len(out.getvalue()), max_unpacked=10**8))

    said = {"n": "3", "ok": "Yes", "name": "toy-1"}
    good = {"n": {"value": 3}, "ok": {"value": True}, "name": {"value": "toy", "value_regex": True}}
    assert judged(good, said) == ""
    assert judged({"n": {"value": 4}}, said) == "metadata 'n': 3 is none of 4"
    assert judged({"ok": {"value": 4}}, said) == "metadata 'ok': 'Yes' is no integer"
    assert judged({"name": {"value": "oy", "value_regex": True}}, said).startswith(
        "metadata 'name': 'toy-1' does not"
    )
    assert judged({"m": {}}, said) == "metadata 'm': it is missing"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (
            label({"a": {"filename": ".*", "standart": "fits"}}),
            "line 6, filetypes.a.standart: there is no such key here; did you mean 'standard'?",
        ),
        (
            label({"a": {"filename": "(?=a)b"}}),
            "line 5, filetypes.a.filename: '(?=a)b' is no regular expression",
        ),
        (
            label({"a": {"filename": "(?!)b"}}),
            "line 5, filetypes.a.filename: it has no pattern that files match",
        ),
        (label({}, delivery_meta={"schema_version": "0.2.0"}), "delivery_meta.schema_version"),
        (
            label({"a": {"filename": ".*", "validation_options": {"object_check_hook": "mine"}}}),
            "filetypes.a.validation_options.object_check_hook: a check of its own cannot be judged here",
        ),
        (
            label(
                {
                    "a": {
                        "filename": ".*",
                        "standard": "asdf",
                        "objects": [{"name": "x.*", "name_regex": True}],
                    }
                }
            ),
            "filetypes.a.objects[0].name: a name that is a pattern, or no plain text cannot be judged here",
        ),
        (
            label(
                {
                    "a": {
                        "filename": ".*",
                        "standard": "fits",
                        "objects": [{"name": "primary"}, {"optional": True}],
                    }
                }
            ),
            "filetypes.a.objects[1]: where HDUs stand",
        ),
    ],
    ids=str,
)
def test_what_a_label_asks_for_and_nobody_judges_is_refused_with_its_line(text, where):
    assert where in says(text)
