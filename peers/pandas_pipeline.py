"""The pipeline as it is commonly written in Python: pandas, SQLAlchemy, pyarrow.

Does the same job as `reviewops pipeline run` with its default settings, on the same tables: every
table is read with pandas.read_sql and kept as Parquet (bronze), reviews are judged, cleaned and
joined with pandas (silver), scored with numpy (gold), and written with DataFrame.to_sql. What works
on whole columns in pandas does; texts are cleaned one by one, as pandas has no other way to.

Reads PEERS_DATABASE_URL and PEERS_PSEUDONYM_KEY; arguments: LAKE BATCH_ID AS_OF TARGET_TABLE.
Prints one JSON document.
"""

import hashlib
import hmac
import html
import json
import os
import re
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import create_engine, make_url, text

SCHEMA = "amazon"
TABLES = [
    "customer", "buyer", "category", "product", "product_images", "review", "review_images",
    "product_reviews", "orders", "order_items", "carrier",
]
WEIGHTS = {
    "length": 0.2, "image": 0.15, "verified": 0.15, "extremity": 0.05, "freshness": 0.15,
    "votes": 0.2, "buyer": 0.1,
}
PLACEHOLDERS = {"", "NONE", "NA", "N/A", "NULL", "NAN"}
GOLD_COLUMNS = [
    "review_id", "product_id", "buyer_id", "product_name", "category", "title", "body", "rating",
    "text_length", "has_image", "image_url", "verified_purchase", "helpful_votes", "order_count",
    "reviewed_at", "score", "is_relevant", "score_length", "score_image", "score_verified",
    "score_extremity", "score_freshness", "score_votes", "score_buyer", "score_sentiment", "batch_id",
    "ingested_at", "pipeline_version",
]
CHUNK = 10_000

VIDEO = re.compile(r"\[\[(?:VIDEOID|ASIN):[^\]]*\]\]")
LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def clean(value):
    if not isinstance(value, str):
        return None
    if "[[" in value:
        value = VIDEO.sub("", value)
    if "<" in value:
        value = TAG.sub("", LINE_BREAK.sub("\n", value))
    if "&" in value:
        value = html.unescape(value)
    return CONTROL.sub("", value).strip()


def without_placeholder(value):
    return None if value is None or value.upper() in PLACEHOLDERS else value


def clean_name(value):
    return without_placeholder(clean(value))


class Layer:
    """A layer of a batch: `<layer>/batch=<id>/<table>.parquet` and a manifest."""

    def __init__(self, lake, layer, batch_id):
        self.directory = Path(lake) / layer / f"batch={batch_id}"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.tables = {}

    def write(self, name, frame):
        path = self.directory / f"{name}.parquet"
        frame.to_parquet(path, engine="pyarrow", compression="zstd", index=False)
        self.tables[name] = {"rows": len(frame), "bytes": path.stat().st_size}

    def read(self, name):
        return pd.read_parquet(self.directory / f"{name}.parquet", engine="pyarrow")

    def publish(self):
        (self.directory / "manifest.json").write_text(json.dumps(self.tables, indent=2))


def extract(engine, bronze):
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        for table in TABLES:
            bronze.write(table, pd.read_sql(text(f"SELECT * FROM {SCHEMA}.{table}"), connection))
    bronze.publish()


def reject_reasons(review):
    """The first rule that each review breaks; missing where it breaks none."""
    rating = review["rating"]
    rules = [
        ("duplicate_review_id", review["review_id"].duplicated() & review["review_id"].notna()),
        ("review_id_missing", review["review_id"].isna()),
        ("rating_missing", rating.isna()),
        ("rating_out_of_range", ~rating.between(1, 5)),
        ("body_blank", review["clean_body"].fillna("") == ""),
    ]
    return pd.Series(
        np.select([broken for _, broken in rules], [name for name, _ in rules], default=""),
        index=review.index,
    ).replace("", None)


def rejected_rows(review, reasons, now):
    bad = review[reasons.notna()]
    return pd.DataFrame({
        "review_id": bad["review_id"],
        "reason": reasons[reasons.notna()],
        "rejected_at": now,
        "original_data": [
            json.dumps(row, default=str)
            for row in bad.drop(columns=["clean_body", "customer_id"]).to_dict("records")
        ],
    })


def transform(bronze, silver, key, now):
    review = bronze.read("review")
    review["clean_body"] = review["body"].map(clean)
    link = bronze.read("product_reviews")
    reasons = reject_reasons(review)
    unlinked = reasons.isna() & ~review["review_id"].isin(link["review_id"])
    reasons[unlinked] = "product_unknown"
    rejected = rejected_rows(review, reasons, now)
    silver.write("rejected", rejected)

    product = bronze.read("product")[["product_id", "name", "category_id"]]
    product["product_name"] = product["name"].map(clean_name)
    category = bronze.read("category")[["category_id", "name"]].rename(columns={"name": "category"})
    category["category"] = category["category"].map(clean_name)
    product = product.merge(category, on="category_id", how="left")
    image = bronze.read("review_images")
    image = image[image["image_url"].notna() & (image["image_url"].str.strip() != "")]
    image = image.groupby("review_id", as_index=False)["image_url"].min()
    orders = bronze.read("orders").drop_duplicates("order_id")
    orders = orders.groupby("buyer_id").size().rename("order_count").reset_index()
    customer = bronze.read("customer")[["customer_id", "created_at"]]
    customer = customer.rename(columns={"created_at": "buyer_since"})

    merged = (
        review[reasons.isna()]
        .merge(link, on="review_id", how="inner")
        .merge(product[["product_id", "product_name", "category"]], on="product_id", how="left")
        .merge(image, on="review_id", how="left")
        .merge(orders, left_on="customer_id", right_on="buyer_id", how="left")
        .merge(customer, on="customer_id", how="left")
    )
    pseudonyms = {
        person: hmac.new(key, person.encode(), hashlib.sha256).hexdigest()[:32]
        for person in merged["customer_id"].dropna().unique()
    }
    order_count = merged["order_count"].fillna(0).astype("int32")
    verified = merged["verified_purchase"]
    frame = pd.DataFrame({
        "review_id": merged["review_id"],
        "product_id": merged["product_id"],
        "buyer_id": merged["customer_id"].map(pseudonyms),
        "product_name": merged["product_name"],
        "category": merged["category"].fillna("Unknown"),
        "title": merged["title"].map(clean_name),
        "body": merged["clean_body"],
        "rating": merged["rating"].astype("int16"),
        "text_length": merged["clean_body"].str.len().astype("int32"),
        "has_image": merged["image_url"].notna(),
        "image_url": merged["image_url"],
        "verified_purchase": verified.where(verified.notna(), order_count > 0).astype(bool),
        "helpful_votes": merged["helpful_votes"].fillna(0).astype("int32"),
        "order_count": order_count,
        "buyer_since": merged["buyer_since"],
        "reviewed_at": merged["created_at"],
    })
    silver.write("review", frame)
    silver.publish()
    return len(rejected)


def days_until(moments, as_of):
    return ((as_of - moments).dt.total_seconds() / 86400).clip(lower=0)


def model(silver, gold, batch_id, as_of, now):
    frame = silver.read("review")
    length = frame["text_length"]
    frame["score_length"] = np.exp(-0.5 * ((length - 300) / 200) ** 2)
    frame["score_image"] = frame["has_image"].astype(float)
    frame["score_verified"] = frame["verified_purchase"].astype(float)
    frame["score_extremity"] = frame["rating"].isin([1, 5]).astype(float)
    frame["score_freshness"] = (0.5 ** (days_until(frame["reviewed_at"], as_of) / 365)).fillna(0.0)
    frame["score_votes"] = (np.log1p(frame["helpful_votes"]) / np.log1p(50)).clip(upper=1)
    bought = (np.log1p(frame["order_count"]) / np.log1p(10)).clip(upper=1)
    known = (days_until(frame["buyer_since"], as_of) / 730).clip(upper=1).fillna(0.0)
    frame["score_buyer"] = 0.5 * bought + 0.5 * known
    frame["score_sentiment"] = np.nan
    frame["score"] = 100 * sum(
        weight * frame[f"score_{name}"] for name, weight in WEIGHTS.items()
    )
    frame["is_relevant"] = frame["score"] >= 80
    frame["batch_id"] = batch_id
    frame["ingested_at"] = now
    frame["pipeline_version"] = "pandas"
    gold.write("fact_reviews", frame[GOLD_COLUMNS])
    gold.publish()


def load(engine, bronze, gold, target):
    frame = gold.read("fact_reviews")
    owner = bronze.read("review")[["review_id", "customer_id"]]
    frame = frame.drop(columns="buyer_id").merge(owner, on="review_id", how="inner")
    schema, table = target.split(".")
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {target}"))
        frame.to_sql(
            table, connection, schema=schema, if_exists="append", index=False, chunksize=CHUNK
        )
    return len(frame)


def main():
    lake, batch_id, as_of_text, target = sys.argv[1:5]
    key = os.environ["PEERS_PSEUDONYM_KEY"].encode()
    url = make_url(os.environ["PEERS_DATABASE_URL"]).set(drivername="postgresql+psycopg2")
    engine = create_engine(url)
    now = datetime.now(timezone.utc)
    as_of = pd.Timestamp(as_of_text)
    bronze, silver, gold = (Layer(lake, name, batch_id) for name in ("bronze", "silver", "gold"))
    stages = {}

    def timed(name, work):
        started = time.perf_counter()
        result = work()
        stages[name] = time.perf_counter() - started
        return result

    timed("extract", lambda: extract(engine, bronze))
    rejected = timed("transform", lambda: transform(bronze, silver, key, now))
    timed("model", lambda: model(silver, gold, batch_id, as_of, now))
    loaded = timed("load", lambda: load(engine, bronze, gold, target))
    print(json.dumps({"stages": stages, "loaded": loaded, "rejected": rejected}))


if __name__ == "__main__":
    main()
