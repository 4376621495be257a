from __future__ import annotations

from pathlib import Path

import pytest

from tuner.database.url import mask_credentials, mask_urls, parse_url, sqlite_path
from tuner.errors import StoreUnreachable


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///tuner.db", "tuner.db"),
        ("sqlite:///.tuner/tuner.db", ".tuner/tuner.db"),
        ("sqlite:////data/tuner.db", "/data/tuner.db"),
        ("sqlite+pysqlite:///a b/100%.db", "a b/100%.db"),
        ("SQLITE:///tuner.db?synchronous=full", "tuner.db"),
        ("sqlite:///~/tuner.db", str(Path.home() / "tuner.db")),
    ],
)
def test_sqlite_urls_name_a_file(url, path):
    parsed = parse_url(url)
    assert parsed.dialect == "sqlite"
    assert parsed.address == str(Path(path).absolute())
    assert sqlite_path(url) == Path(path).absolute()
    assert parsed.shown == url


@pytest.mark.parametrize(
    ("query", "level"), [("", "NORMAL"), ("?synchronous=normal", "NORMAL"), ("?synchronous=FULL", "FULL")]
)
def test_durability_is_part_of_the_url(query, level):
    assert parse_url(f"sqlite:///tuner.db{query}").synchronous == level


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql", "postgres", "PostgreSQL"])
def test_postgresql_urls_go_to_psycopg_and_are_shown_without_password(scheme):
    parsed = parse_url(f"{scheme}://me:p%40ss@host:5432/db?sslmode=require")
    assert parsed.dialect == "postgresql"
    assert parsed.address == "postgresql+psycopg://me:p%40ss@host:5432/db?sslmode=require"
    assert parsed.shown == f"{scheme}://me:***@host:5432/db?sslmode=require"
    assert sqlite_path(f"{scheme}://me@host/db") is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is no store URL"),
        ("tuner.db", "sqlite:///tuner.db"),
        ("/data/tuner.db", "sqlite:////data/tuner.db"),
        ("sqlite:tuner.db", "is no store URL"),
        ("sqlite://tuner.db", "too few slashes"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite:///a.db?sync=full", "unknown option 'sync'"),
        ("sqlite:///a.db?synchronous=off", "expected normal or full"),
        ("mysql://me:hunter2@host/db", "'mysql' is not supported"),
        ("postgresq://me:hunter2@host/db", "did you mean postgresql://"),
        ("postgresql+psycopg2://me:hunter2@host/db", "did you mean postgresql+psycopg://"),
        ("sqllite:///a.db", "did you mean sqlite://"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url, said):
    with pytest.raises(StoreUnreachable) as caught:
        parse_url(url)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:se:cr@et@host/db", "postgresql://me:***@host/db"),
        ("postgresql://:secret@host/db", "postgresql://:***@host/db"),
        ("see https://a:b@c/d and s3://key:word@bucket/x.", "see https://a:***@c/d and s3://key:***@bucket/x."),
        ("postgresql://host/db?password=secret&sslmode=on", "postgresql://host/db?password=***&sslmode=on"),
        ("https://host/x?page=2&api_key=abc", "https://host/x?page=2&api_key=***"),
        ("https://host:8080/path@2", "https://host:8080/path@2"),
        ("sqlite:///tuner.db", "sqlite:///tuner.db"),
        ("pad_token=tokenizer.eos", "pad_token=tokenizer.eos"),
    ],
)
def test_passwords_in_urls_are_masked(text, masked):
    assert mask_urls(text) == masked


@pytest.mark.parametrize(
    "argument", ["--password=secret", "--hf-token=secret", "password=secret", "AWS_SECRET_KEY=secret"]
)
def test_passwords_in_arguments_are_masked(argument):
    assert mask_credentials(argument) == argument.replace("=secret", "=***")
