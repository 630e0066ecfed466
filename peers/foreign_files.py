"""Writes Parquet files as other writers do, and compares what is left of them after a rewrite.

write DIRECTORY: writes the files. compare BEFORE AFTER: prints what differs, as JSON.
"""

import datetime
import decimal
import json
import re
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

IDS = ["C1", "C7", None, "C9", "C77", "C7", "1420", "42"]


def base() -> dict[str, pa.Array]:
    return {"customer_id": pa.array(IDS, pa.string()), "n": pa.array(range(8), pa.int64())}


def tables() -> dict[str, tuple[pa.Table, dict]]:
    times = [datetime.datetime(2026, 1, 1, 12, 0, 0, 123000)] * 8
    plain = pa.table(base())
    files: dict[str, tuple[pa.Table, dict]] = {
        "snappy": (plain, {"compression": "snappy"}),
        "gzip": (plain, {"compression": "gzip"}),
        "zstd": (plain, {"compression": "zstd"}),
        "uncompressed": (plain, {"compression": "none"}),
        "groups": (plain, {"row_group_size": 3}),
    }
    files["int96"] = (
        pa.table({**base(), "t": pa.array(times, pa.timestamp("ns"))}),
        {"use_deprecated_int96_timestamps": True},
    )
    for unit in ("ms", "us", "ns"):
        files[f"timestamp_{unit}"] = (pa.table({**base(), "t": pa.array(times, pa.timestamp(unit))}), {})
    amounts = [decimal.Decimal("12.34")] * 8
    files["decimal"] = (pa.table({**base(), "d": pa.array(amounts, pa.decimal128(10, 2))}), {})
    files["wide_decimal"] = (pa.table({**base(), "d": pa.array(amounts, pa.decimal256(50, 5))}), {})
    files["nested"] = (
        pa.table({**base(), "l": pa.array([[1, None], [], None] + [[2]] * 5, pa.list_(pa.int64()))}),
        {},
    )
    files["struct"] = (
        pa.table({**base(), "s": pa.array([{"a": 1, "b": "x"}] * 8, pa.struct([("a", pa.int64()), ("b", pa.string())]))}),
        {},
    )
    files["required"] = (
        pa.table(
            {**base(), "r": pa.array(range(8), pa.int64())},
            schema=pa.schema([("customer_id", pa.string()), ("n", pa.int64()), pa.field("r", pa.int64(), nullable=False)]),
        ),
        {},
    )
    files["metadata"] = (plain.replace_schema_metadata({"owner": "finance", "quote": "O'Brien"}), {})
    files["field_ids"] = (
        plain.cast(
            pa.schema(
                [
                    pa.field("customer_id", pa.string(), metadata={"PARQUET:field_id": "11"}),
                    pa.field("n", pa.int64(), metadata={"PARQUET:field_id": "12"}),
                ]
            )
        ),
        {},
    )
    files["unsigned"] = (pa.table({**base(), "u": pa.array(range(8), pa.uint8())}), {})
    files["date_time"] = (
        pa.table({**base(), "d": pa.array([datetime.date(2026, 1, 1)] * 8), "t": pa.array([datetime.time(1, 2, 3)] * 8)}),
        {},
    )
    files["sorted"] = (plain, {"sorting_columns": [pq.SortingColumn(1)]})
    files["bool_float"] = (
        pa.table({**base(), "b": pa.array([True, None] * 4), "f": pa.array([1.5, float("nan")] * 4, pa.float32())}),
        {},
    )
    return files


def write(directory: Path) -> None:
    for name, (table, options) in tables().items():
        pq.write_table(table, directory / f"{name}.parquet", **options)
    print(json.dumps(sorted(tables())))


def codecs(path: Path) -> list[str]:
    metadata = pq.read_metadata(path)
    return sorted({metadata.row_group(0).column(i).compression for i in range(metadata.num_columns)})


def fields(metadata: pq.FileMetaData) -> list[str]:
    """Without the root's name and without annotations that only repeat the physical type."""
    lines = str(metadata.schema).split("\n")[2:]
    return [re.sub(r" \(Int\(bitWidth=(32|64), isSigned=true\)\)", "", line) for line in lines]


def compare(before: Path, after: Path) -> list[str]:
    old, new = pq.read_table(before), pq.read_table(after)
    problems = []
    if not old.schema.equals(new.schema, check_metadata=True):
        problems.append(f"schema: {old.schema} != {new.schema}")
    ids = old["customer_id"]
    wanted = old.filter(pc.or_kleene(pc.not_equal(ids, "C7"), pc.is_null(ids)))
    if wanted.to_pylist().__repr__() != new.to_pylist().__repr__():
        problems.append("rows differ")
    if codecs(before) != codecs(after):
        problems.append(f"codec: {codecs(before)} != {codecs(after)}")
    old_meta, new_meta = pq.read_metadata(before), pq.read_metadata(after)
    if fields(old_meta) != fields(new_meta):
        problems.append(f"parquet schema: {old_meta.schema} != {new_meta.schema}")
    if old_meta.row_group(0).sorting_columns != new_meta.row_group(0).sorting_columns:
        problems.append("sorting columns")
    return problems


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        directory, rewritten = Path(sys.argv[2]), Path(sys.argv[3])
        found = {path.stem: compare(directory / path.name, path) for path in sorted(rewritten.glob("*.parquet"))}
        print(json.dumps(found))
