"""Reads every Parquet file of a batch with pyarrow, and hashes it. Arguments: LAKE BATCH_ID.

Prints, for each layer and table that lie in the directories (whatever the manifest says): columns
with type, nulls and codec, rows, and each file's bytes and SHA-256.
"""

import hashlib
import json
import sys
from pathlib import Path

import pyarrow.parquet as parquet


def describe(layer, path):
    file = parquet.ParquetFile(path)
    content = file.read()
    codecs = {
        file.metadata.row_group(group).column(column).compression
        for group in range(file.metadata.num_row_groups)
        for column in range(file.metadata.num_columns)
    }
    return {
        "key": f"{layer.parent.name}/{layer.name}/{path.relative_to(layer).as_posix()}",
        "rows": content.num_rows,
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "codecs": sorted(codecs),
        "columns": {field.name: str(field.type) for field in content.schema},
        "nulls": {name: content.column(name).null_count for name in content.column_names},
    }


def main():
    lake, batch_id = Path(sys.argv[1]), sys.argv[2]
    layers = [lake / layer / f"batch={batch_id}" for layer in ("bronze", "silver", "gold")]
    files = [
        describe(layer, path) for layer in layers for path in sorted(layer.rglob("*.parquet"))
    ]
    print(json.dumps(files))


if __name__ == "__main__":
    main()
