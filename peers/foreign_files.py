"""Writes Parquet files as other writers do, and compares what is left of them after a rewrite.

write DIRECTORY: writes the files. compare|emptied BEFORE AFTER: prints what differs, as JSON, from
files without the rows of one person, or with the person's id emptied.
"""

import datetime
import decimal
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

OTHERS = [("customer_id", "==", "C9")]
IDS = ["C1", "C7", None, "C9", "C77", "C7", "1420", "42"]


def base() -> dict[str, pa.Array]:
    return {"customer_id": pa.array(IDS, pa.string()), "n": pa.array(range(8), pa.int64())}


def tables() -> dict[str, tuple[pa.Table, dict]]:
    """By name: what is in the file, and how it is written."""
    plain = pa.table(base())
    files: dict[str, tuple[pa.Table, dict]] = {
        "snappy": (plain, {"compression": "snappy"}),
        "gzip": (plain, {"compression": "gzip"}),
        "zstd": (plain, {"compression": "zstd"}),
        "brotli": (plain, {"compression": "brotli"}),
        "lz4": (plain, {"compression": "lz4"}),
        "uncompressed": (plain, {"compression": "none"}),
        "mixed_codecs": (plain, {"compression": {"customer_id": "gzip", "n": "snappy"}}),
        "groups": (plain, {"row_group_size": 3}),
    }
    times = [datetime.datetime(2026, 1, 1, 12, 0, 0, 123000)] * 8
    files["int96"] = (
        pa.table({**base(), "t": pa.array([1767268800123456789 + i for i in range(8)], pa.timestamp("ns"))}),
        {"use_deprecated_int96_timestamps": True},
    )
    for unit in ("ms", "us", "ns"):
        files[f"timestamp_{unit}"] = (pa.table({**base(), "t": pa.array(times, pa.timestamp(unit))}), {})
    amounts = [decimal.Decimal(f"{i}.34") for i in range(8)]
    files["decimal"] = (pa.table({**base(), "d": pa.array(amounts, pa.decimal128(10, 2))}), {})
    files["decimal_of_numbers"] = (
        pa.table({**base(), "d": pa.array(amounts, pa.decimal128(8, 2)), "e": pa.array(amounts, pa.decimal128(16, 2))}),
        {"store_decimal_as_integer": True},
    )
    files["wide_decimal"] = (pa.table({**base(), "d": pa.array(amounts, pa.decimal256(50, 5))}), {})
    lists = [[1, None], [], None, [3, 4, 5]] + [[2]] * 4
    files["nested"] = (pa.table({**base(), "l": pa.array(lists, pa.list_(pa.int64()))}), {})
    deep = [[["a"], [], None], [], None, [["b", "c"], ["d"]], [[None]], [["e"]], [["f"] * 20], [["g"], ["h"]]]
    maps = [[("k", 1), ("j", None)], [], None] + [[("k", i)] for i in range(5)]
    structs = [{"a": i, "b": {"c": f"x{i}"}} if i % 3 else None for i in range(8)]
    files["deep"] = (
        pa.table(
            {
                **base(),
                "l": pa.array(deep, pa.list_(pa.list_(pa.string()))),
                "m": pa.array(maps, pa.map_(pa.string(), pa.int32())),
                "s": pa.array(structs, pa.struct([("a", pa.int64()), ("b", pa.struct([("c", pa.string())]))])),
            }
        ),
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
    files["spark"] = (
        plain.replace_schema_metadata({"org.apache.spark.sql.parquet.row.metadata": '{"type":"struct","fields":[]}'}),
        {"compression": "snappy", "store_schema": False, "use_dictionary": ["customer_id"]},
    )
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
    files["unsigned"] = (pa.table({**base(), "u": pa.array(range(8), pa.uint8()), "v": pa.array([2**64 - 1] * 8, pa.uint64())}), {})
    files["date_time"] = (
        pa.table({**base(), "d": pa.array([datetime.date(2026, 1, 1)] * 8), "t": pa.array([datetime.time(1, 2, 3)] * 8)}),
        {},
    )
    files["sorted"] = (plain, {"sorting_columns": [pq.SortingColumn(1)]})
    files["bool_float"] = (
        pa.table({**base(), "b": pa.array([True, None] * 4), "f": pa.array([1.5, float("nan")] * 4, pa.float32()), "h": pa.array([1.5] * 8, pa.float16())}),
        {},
    )
    files["fixed"] = (pa.table({**base(), "x": pa.array([b"0123456789", None] * 4, pa.binary(10)), "y": pa.array([b"\xff\x00"] * 8)}), {})
    files["categories"] = (plain.set_column(0, "customer_id", plain["customer_id"].dictionary_encode()), {})
    files["page_index"] = (plain, {"write_page_index": True, "write_page_checksum": True, "row_group_size": 3})
    files["bloom"] = (plain, {"bloom_filter_options": {"customer_id": True}, "row_group_size": 3})
    files["only_the_person"] = (pa.table({"customer_id": pa.array(["C7", "C7"]), "n": pa.array([1, 2], pa.int64())}), {})
    files["encrypted"] = (plain, {})
    files.update(large_tables())
    return files


def large_tables() -> dict[str, tuple[pa.Table, dict]]:
    """Several pages a column, and every encoding."""
    rows = 20_000
    ids = pa.array([None if i % 97 == 0 else f"C{i * 7919 % 4001}" for i in range(rows)], pa.string())
    large = pa.table(
        {
            "customer_id": ids,
            "n": pa.array([i * i * 1_000_003 - 5 * i for i in range(rows)], pa.int64()),
            "i": pa.array([(i * 37 % 1000) - 500 for i in range(rows)], pa.int32()),
            "f": pa.array([i / 7 for i in range(rows)], pa.float64()),
            "b": pa.array([i % 5 == 0 for i in range(rows)]),
            "t": pa.array([f"text {i // 3} of {i % 11}" * (i % 4) for i in range(rows)]),
            "k": pa.array([f"fixed{i % 1000:05d}".encode() for i in range(rows)], pa.binary(10)),
            "l": pa.array([None if i % 13 == 0 else [f"e{j}" for j in range(i % 5)] for i in range(rows)], pa.list_(pa.string())),
        }
    )
    small = {"data_page_size": 4096, "row_group_size": 7000, "compression": "snappy"}
    encodings = {
        "n": "DELTA_BINARY_PACKED",
        "i": "DELTA_BINARY_PACKED",
        "f": "BYTE_STREAM_SPLIT",
        "b": "RLE",
        "t": "DELTA_BYTE_ARRAY",
        "k": "DELTA_BYTE_ARRAY",
        "customer_id": "DELTA_LENGTH_BYTE_ARRAY",
    }
    plain = {"use_dictionary": False, "compression": "zstd", "write_page_checksum": True}
    return {
        "large": (large, small),
        "large_v2": (large, {**small, "data_page_version": "2.0", "compression": "lz4"}),
        "large_plain": (large, {**small, **plain}),
        "large_encodings": (large, {**small, "use_dictionary": False, "column_encoding": encodings}),
        "large_encodings_v2": (
            large,
            {**small, "use_dictionary": False, "column_encoding": encodings, "data_page_version": "2.0", "compression": "brotli"},
        ),
        "split": (large, {"use_dictionary": False, "column_encoding": {"k": "BYTE_STREAM_SPLIT"}}),
        "large_overflow": (large, {**small, "dictionary_pagesize_limit": 6000, "write_page_index": True}),
    }


def encryption() -> pq.FileEncryptionProperties:
    import pyarrow.parquet.encryption as pe

    class Keys(pe.KmsClient):
        def __init__(self, config):
            super().__init__()

        def wrap_key(self, key_bytes, master_key_identifier):
            return key_bytes.hex()

        def unwrap_key(self, wrapped_key, master_key_identifier):
            return bytes.fromhex(wrapped_key)

    factory = pe.CryptoFactory(lambda config: Keys(config))
    # The footer is left readable, as those writers do whose readers shall go on without a key.
    configuration = pe.EncryptionConfiguration(footer_key="f", column_keys={"c": ["n"]}, plaintext_footer=True)
    return factory.file_encryption_properties(pe.KmsConnectionConfig(), configuration)


def write(directory: Path) -> None:
    for name, (table, options) in tables().items():
        if name == "encrypted":
            options = {"encryption_properties": encryption()}
        pq.write_table(table, directory / f"{name}.parquet", **options)
    print(json.dumps(sorted(tables())))


def columns(metadata: pq.FileMetaData) -> list[tuple]:
    groups = range(metadata.num_row_groups)
    return [
        (column.path_in_schema, column.compression, column.physical_type)
        for group in groups[:1]
        for column in (metadata.row_group(group).column(i) for i in range(metadata.num_columns))
    ]


def schema_of(metadata: pq.FileMetaData) -> list[str]:
    """Without the first line, which says where the object lies in memory."""
    return str(metadata.schema).split("\n")[1:]


def told(path: Path) -> str:
    """Every bound that the footer notes."""
    metadata = pq.read_metadata(path)
    found = []
    for group in range(metadata.num_row_groups):
        for i in range(metadata.num_columns):
            statistics = metadata.row_group(group).column(i).statistics
            if statistics is not None and statistics.has_min_max:
                found.append((statistics.min, statistics.max))
    return repr(found)


def compare(before: Path, after: Path, emptied: bool) -> list[str]:
    old, new = pq.read_table(before), pq.read_table(after)
    problems = []
    if not old.schema.equals(new.schema, check_metadata=True):
        problems.append(f"schema: {old.schema} != {new.schema}")
    ids = old["customer_id"].cast(pa.string())
    gone = pc.fill_null(pc.equal(ids, "C7"), False)
    if emptied:
        place = old.schema.get_field_index("customer_id")
        wanted = old.set_column(place, old.schema.field(place), pc.if_else(gone, None, old["customer_id"]))
    else:
        wanted = old.filter(pc.invert(gone))
    for name in wanted.column_names:
        # repr tells NaN equal to itself.
        if repr(wanted[name].to_pylist()) != repr(new[name].to_pylist()):
            problems.append(f"values of {name} differ")
    old_meta, new_meta = pq.read_metadata(before), pq.read_metadata(after)
    if new_meta.num_rows != wanted.num_rows:
        problems.append(f"rows: {new_meta.num_rows} != {wanted.num_rows}")
    if schema_of(old_meta) != schema_of(new_meta):
        problems.append(f"parquet schema: {old_meta.schema} != {new_meta.schema}")
    if old_meta.metadata != new_meta.metadata or old_meta.created_by != new_meta.created_by:
        problems.append("key-value metadata or writer")
    if new_meta.num_row_groups > 0:
        if columns(old_meta) != columns(new_meta):
            problems.append(f"columns: {columns(old_meta)} != {columns(new_meta)}")
        if old_meta.row_group(0).sorting_columns != new_meta.row_group(0).sorting_columns:
            problems.append("sorting columns")
    if "'C7'" in told(after):
        problems.append("statistics tell of the person")
    # Pages in which the person was are compressed again: only small ones can hide nothing.
    if b"C7" in after.read_bytes().replace(b"C77", b"") and "uncompressed" in after.stem:
        problems.append("the bytes tell of the person")
    if not emptied and pq.read_table(after, filters=OTHERS).num_rows != pq.read_table(before, filters=OTHERS).num_rows:
        problems.append("what the footer says lets rows be skipped")
    # Reading with checksums, and by row group.
    pq.read_table(after, page_checksum_verification=True)
    for group in range(new_meta.num_row_groups):
        pq.ParquetFile(after).read_row_group(group)
    return problems


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        how, directory, rewritten = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
        paths = sorted(rewritten.glob("*.parquet"))
        print(json.dumps({path.stem: compare(directory / path.name, path, how == "emptied") for path in paths}))
