"""The audit as DuckDB views, wherever it is stored: what verification and the report count with, without loading the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from pipeline import audit
from pipeline.storage import Store, local_path
from transforms.errors import ConfigError

SHAREABLE = ("audit/instances", "audit/entities")
"""The tables that hold no PHI."""


def connect(store: Store, output: str, tables: Sequence[str]) -> duckdb.DuckDBPyConnection:
    """A connection with one view per table, named by its last part: ``instances``, ``entities``, ``crosswalk``.

    DuckDB reads the Parquet files through fsspec, column by column; a table of which there is no file yet is empty.

    Raises:
        ConfigError: there is no audit below ``output``.
    """
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    if local_path(output) is None:
        connection.register_filesystem(store.filesystem(output))
    found = {table: audit.files(store, output, table) if store.is_folder(store.join(output, *table.split("/"))) else [] for table in tables}
    if not any(found.values()):
        raise ConfigError("the output holds no audit; expected a folder or URI that 'dicom-deid run' wrote")
    for table, uris in found.items():
        name = table.rpartition("/")[2]
        if uris:
            connection.read_parquet([local_path(uri) or uri for uri in uris]).create_view(name)
        else:
            connection.from_arrow(audit.TABLES[table].empty_table()).create(name)
    return connection


def rows(connection: duckdb.DuckDBPyConnection, query: str, *values: Any) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries."""
    cursor = connection.execute(query, list(values))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def value(connection: duckdb.DuckDBPyConnection, query: str, *values: Any) -> Any:
    """The only value of a query of one row."""
    found = connection.execute(query, list(values)).fetchone()
    assert found is not None
    return found[0]
