"""Reads a batch from S3 with boto3 and pyarrow. Arguments: ENDPOINT REGION BUCKET_PATTERN BATCH_ID.

{layer} in the pattern stands for the layer; credentials come from AWS_*. Prints, for every file
that the manifests name, what boto3 finds (bytes, SHA-256) and what pyarrow reads (rows, columns).
"""

import hashlib
import json
import sys

import boto3
import pyarrow.fs
import pyarrow.parquet as parquet


def describe(s3, files, bucket, layer, file):
    key = file["key"].removeprefix(f"{layer}/")
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    table = parquet.read_table(f"{bucket}/{key}", filesystem=files)
    return {
        "key": file["key"],
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "rows": table.num_rows,
        "columns": table.schema.names,
    }


def main():
    endpoint, region, pattern, batch_id = sys.argv[1:5]
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name=region)
    files = pyarrow.fs.S3FileSystem(endpoint_override=endpoint, region=region)
    found = {}
    for layer in ("bronze", "silver", "gold"):
        bucket = pattern.replace("{layer}", layer)
        body = s3.get_object(Bucket=bucket, Key=f"batch={batch_id}/manifest.json")["Body"].read()
        manifest = json.loads(body)
        found[layer] = {
            "manifest": manifest,
            "sha256": hashlib.sha256(body).hexdigest(),
            "files": [
                describe(s3, files, bucket, layer, file)
                for table in manifest["tables"]
                for file in table["files"]
            ],
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
