"""The catalog: one row for each image, rebuilt from the shards at any time, asked in SQL."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from numpy.typing import NDArray

from exitwave.core import DatasetError, cores
from exitwave.core.files import write_whole
from exitwave.dataset.shards import Shard, shard_number

__all__ = ["CATALOG_NAME", "Catalog", "plausible", "rows_of_shard", "write_catalog"]

CATALOG_NAME = "catalog.parquet"
_FORMAT = b"exitwave catalog 1"
# columns that every catalog has, whatever the recipe
FIXED: dict[str, pa.DataType] = {
    "row": pa.int64(),
    "id": pa.string(),
    "shard": pa.int32(),
    "structure": pa.int64(),
    "structure_id": pa.string(),
    "image": pa.int32(),
    "position": pa.int32(),
}
_RESERVED = set(FIXED)


def rows_of_shard(shard: Shard, number: int) -> list[dict[str, Any]]:
    """Return the catalog's rows for one shard, in the order of its images."""
    rows = []
    for entry in shard.entries:
        common = _plain(entry.get("columns", {}))
        for position, image in enumerate(entry.get("images", ())):
            rows.append(
                common
                | _plain(image.get("columns", {}))
                | {
                    "id": str(image["id"]),
                    "shard": number,
                    "structure": int(entry["index"]),
                    "structure_id": str(entry["id"]),
                    "image": int(image["index"]),
                    "position": position,
                }
            )
    return rows


class Catalog:
    """The index of a folder's images.

    Parameters
    ----------
    folder
        The data set. A catalog that is missing or older than the shards is built again, and written where possible.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._table: pa.Table | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._path = folder / CATALOG_NAME
        present, recorded = _present(folder), self._recorded()
        if recorded != present or not self._path.is_file():
            self._table = self._rebuilt(present, recorded)
            try:
                write_catalog(self._path, self._table, present)
            except DatasetError:
                pass  # a read-only folder: the table in memory serves
            else:
                self._table = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self._schema().names)

    def __len__(self) -> int:
        return int(self._table.num_rows if self._table is not None else pq.read_metadata(self._path).num_rows)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows, or some of their columns, as an Arrow table."""
        for name in columns or ():
            self._known(name)
        if self._table is not None:
            return self._table.select(list(columns)) if columns is not None else self._table
        with _readable(self._path):
            return pq.read_table(self._path, columns=None if columns is None else list(columns))

    def numbers(self, name: str) -> NDArray[Any]:
        """Return one column as a numpy array."""
        return self.table([name]).column(name).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]

    def where(self, condition: str) -> NDArray[np.int64]:
        """Return the rows for which a boolean SQL expression over the columns is true.

        Raises
        ------
        DatasetError
            If the expression is not one, or names an unknown column.
        """
        relation = self._relation()
        try:
            found = relation.filter(condition).project("row").fetchnumpy()["row"]
        except duckdb.Error as error:
            raise self._refusal(condition, error) from None
        return np.sort(np.asarray(found, np.int64))

    def query(self, sql: str) -> Any:
        """Return the answer to a SELECT over the table ``images`` as a pandas DataFrame."""
        relation = self._relation()
        try:
            answer = relation.query("images", sql)
            if answer is None:
                raise DatasetError(f"{sql!r} asks nothing; give a SELECT over the table images.")
            return answer.df()
        except duckdb.Error as error:
            raise self._refusal(sql, error) from None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _relation(self) -> duckdb.DuckDBPyRelation:
        if self._connection is None:
            self._connection = duckdb.connect(":memory:", config={"threads": min(cores(), 4)})
            if self._table is not None:
                self._connection.register("source", self._table)
            else:
                # DuckDB reads this one file and nothing else: no other files, no network, no Python variables
                self._connection.execute("SET allowed_paths = [?]", [str(self._path)])
            for setting in ("enable_external_access", "python_enable_replacements"):
                self._connection.execute(f"SET {setting} = false")
            self._connection.execute("SET lock_configuration = true")
        if self._table is not None:
            return self._connection.table("source")
        return self._connection.read_parquet(str(self._path))

    def _schema(self) -> pa.Schema:
        return self._table.schema if self._table is not None else pq.read_schema(self._path)

    def _known(self, name: str) -> None:
        if name not in self.names:
            raise DatasetError(f"{name} is not a column; {_hint(name, self.names)}")

    def _refusal(self, sql: str, error: duckdb.Error) -> DatasetError:
        text = str(error).split("\n")[0]
        unknown = re.search(r'column "?([^"\s]+)"? (?:not found|cannot)', text)
        if unknown:
            return DatasetError(f"{unknown[1]} in {sql!r} is not a column; {_hint(unknown[1], self.names)}")
        return DatasetError(f"{sql!r} is not an SQL expression over the columns ({text}).")

    def _recorded(self) -> dict[str, list[int]]:
        """Return the shards that the catalog on disk was made from; none where it cannot be read."""
        try:
            footer = pq.read_metadata(self._path)
            metadata = footer.metadata or {}
            ours = metadata.get(b"format") == _FORMAT and plausible(footer, self._path)
            shards = json.loads(metadata.get(b"shards", b"{}")) if ours else {}
        except (OSError, ValueError, pa.ArrowException):
            return {}
        return shards if isinstance(shards, dict) else {}

    def _rebuilt(self, present: Mapping[str, list[int]], recorded: Mapping[str, list[int]]) -> pa.Table:
        """Return the table: the old catalog's rows for shards that did not change, and fresh ones for the rest."""
        same = [name for name in present if recorded.get(name) == present[name]]
        tables = [_table([])]
        if same:
            try:
                old = pq.read_table(self._path).replace_schema_metadata(None)
                numbers = pa.array([shard_number(name) for name in same], old["shard"].type)
                tables.append(old.filter(pyarrow.compute.is_in(old["shard"], numbers)))
            except (OSError, KeyError, pa.ArrowException):  # damaged
                same = []
        for name in sorted(set(present) - set(same)):
            with Shard(self.folder / "shards" / name) as shard:
                tables.append(_table(rows_of_shard(shard, shard_number(name) or 0)))
        return _joined(tables)


def plausible(footer: pq.FileMetaData, path: Path) -> bool:
    """Return whether a Parquet file can hold as many rows as it promises, each with an identity of its own."""
    return bool(footer.num_rows <= path.stat().st_size)


def _present(folder: Path) -> dict[str, list[int]]:
    """Return size and time of change of each shard."""
    try:
        files = [path for path in (folder / "shards").iterdir() if shard_number(path.name) is not None]
    except FileNotFoundError:
        return {}
    found = {}
    for path in files:
        status = path.stat()
        found[path.name] = [status.st_size, status.st_mtime_ns]
    return found


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return the rows of one shard; a column in which nothing is said has the type null."""
    columns: dict[str, pa.Array] = {"row": pa.array(np.arange(len(rows)), pa.int64())}
    for name, kind in FIXED.items():
        if name != "row":
            columns[name] = pa.array([row[name] for row in rows], kind)
    for name in sorted({name for row in rows for name in row} - set(FIXED)):
        columns[name] = _column([row.get(name) for row in rows])
    return pa.table(columns)


def _column(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {int}:
        return pa.array(values, pa.int64())
    if kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of many shards in the order of the shards, columns in a fixed order.

    Tables are joined by pieces, so that a million rows never are a million Python objects.
    """
    kinds: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for field in table.schema:
            kinds.setdefault(field.name, set()).add(field.type)
    types = {name: _common(found) for name, found in kinds.items()}
    names = [*FIXED, *sorted(set(types) - set(FIXED))]
    schema = pa.schema([(name, types[name]) for name in names])
    parts = []
    for table in tables:
        columns = [
            table[name].cast(types[name]) if name in table.column_names else pa.nulls(len(table), types[name])
            for name in names
        ]
        parts.append(pa.table(columns, schema=schema))
    whole = pa.concat_tables(parts)
    whole = whole.sort_by([(name, "ascending") for name in ("shard", "structure", "position")])
    return whole.set_column(0, "row", pa.array(np.arange(len(whole)), pa.int64())).combine_chunks()


def _common(kinds: set[pa.DataType]) -> pa.DataType:
    """Return the narrowest type that holds what columns of these types hold."""
    said = kinds - {pa.null()}
    if len(said) == 1:
        return said.pop()
    if not said:
        return pa.int64()
    return pa.float64() if said <= {pa.int64(), pa.float64()} else pa.string()


def write_catalog(path: Path, table: pa.Table, present: Mapping[str, list[int]]) -> None:
    """Write a catalog of the shards in ``present`` (name to size and time of change)."""
    sink = pa.BufferOutputStream()
    table = table.replace_schema_metadata({b"format": _FORMAT, b"shards": json.dumps(present).encode()})
    # drawn numbers hardly repeat: a dictionary of them would only cost time when they are read
    words = [field.name for field in table.schema if field.type == pa.string()]
    pq.write_table(table, sink, compression="snappy", use_dictionary=words, row_group_size=100_000)
    write_whole(path, memoryview(sink.getvalue()))


def _plain(columns: Any) -> dict[str, Any]:
    if not isinstance(columns, Mapping):
        return {}
    return {
        str(name): value
        for name, value in columns.items()
        if str(name) not in _RESERVED and isinstance(value, bool | int | float | str)
    }


def _hint(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"columns are {', '.join(names)}."


class _readable:  # noqa: N801
    """Turns a damaged catalog into one sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | pa.ArrowException) and not isinstance(error, DatasetError):
            raise DatasetError(
                f"{self._path} is damaged ({str(error).splitlines()[0]}); delete it, it is rebuilt from the shards."
            ) from None
