"""Tables in files."""

from __future__ import annotations

import pandas as pd
import pytest

from tuner.errors import DataError
from tuner.registry.tables import read_table, write_table

TABLE = pd.DataFrame({"a": [1, 2], "b": ["x", None]})


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.CSV.bz2", "t.parquet", "t.pq"])
def test_what_is_written_is_read_back(tmp_path, name):
    write_table(TABLE, tmp_path / name)
    assert (
        read_table(tmp_path / name)
        .astype(object)
        .where(TABLE.notna(), None)
        .equals(TABLE.astype(object).where(TABLE.notna(), None))
    )


def test_words_for_missing_and_separators_are_the_callers(tmp_path):
    (tmp_path / "t.csv").write_text("a; b\n?; x\n2; n/k\n")
    table = read_table(tmp_path / "t.csv", separator=";", missing=["?", "n/k"])
    assert list(table) == ["a", "b"]
    assert table.isna().to_numpy().tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "PATH is empty"),
        (
            "t.csv",
            b"a,b\n1,2\n1,2,3\n",
            "PATH cannot be read as a text table: Error tokenizing data. C error: Expected 2 fields in line 3, saw 3",
        ),
        ("t.parquet", b"no", "PATH cannot be read as Parquet: "),
        ("t.csv", b"\xff\xfe\x00", "PATH is not UTF-8 text: "),
        ("t.xlsx", b"", "PATH: tables are read and written as .csv, .csv.gz, .tsv, .parquet"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / name)
    assert caught.value.message.replace(str(tmp_path / name), "PATH").startswith(message)


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(DataError, match="is a folder, not a table"):
        read_table(tmp_path)


def test_a_table_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        write_table(TABLE, tmp_path / "there" / "t.csv")
    with pytest.raises(DataError, match="tables are read and written as"):
        write_table(TABLE, tmp_path / "t.json")
