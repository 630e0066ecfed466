"""Computes pseudonyms and scores of a batch again and compares them with what the lake holds.

Arguments: LAKE BATCH_ID PRESET. Reads the key of the pseudonyms from REVIEWOPS_PSEUDONYM_KEY.
Prints the largest differences, and how often VADER's Python package gives another compound value
than the one in gold.
"""

import hashlib
import hmac
import json
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow.dataset as dataset
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

WEIGHTS = {
    "default": {
        "length": 0.2, "image": 0.15, "verified": 0.15, "extremity": 0.05, "freshness": 0.15,
        "votes": 0.2, "buyer": 0.1, "sentiment": 0.0,
    },
    "original": {
        "length": 0.3, "image": 0.2, "verified": 0.1, "extremity": 0.15, "freshness": 0.0,
        "votes": 0.0, "buyer": 0.0, "sentiment": 0.25,
    },
}


def read(lake, layer, batch_id, table):
    """A table of a batch as a pandas frame, from the files its manifest names."""
    manifest = json.loads((lake / layer / f"batch={batch_id}" / "manifest.json").read_text())
    [entry] = [entry for entry in manifest["tables"] if entry["name"] == table]
    files = [str(lake / file["key"]) for file in entry["files"]]
    return dataset.dataset(files, format="parquet").to_table().to_pandas(), manifest


def days_until(moments, as_of):
    return np.maximum(0, (as_of - moments).dt.total_seconds() / 86400)


def components(silver, as_of):
    def full_marks(values, enough):
        return np.minimum(1, np.log(1 + values) / np.log(1 + enough))

    age = days_until(silver["reviewed_at"], as_of)
    account = days_until(silver["buyer_since"], as_of)
    return {
        "length": np.exp(-((silver["body"].str.len() - 300) ** 2) / (2 * 200**2)),
        "image": silver["image_url"].notna() * 1.0,
        "verified": silver["verified_purchase"] * 1.0,
        "extremity": silver["rating"].isin([1, 5]) * 1.0,
        "freshness": (0.5 ** (age / 365)).fillna(0),
        "votes": full_marks(silver["helpful_votes"], 50),
        "buyer": 0.5 * full_marks(silver["order_count"], 10)
        + 0.5 * np.minimum(1, account / 730).fillna(0),
    }


def compare_sentiment(merged):
    analyzer = SentimentIntensityAnalyzer()
    theirs = merged["body"].map(lambda body: analyzer.polarity_scores(body)["compound"])
    difference = (theirs - (2 * merged["score_sentiment"] - 1)).abs()
    return {
        "rows": len(merged),
        "different": int((difference > 0.05).sum()),
        "largest": float(difference.max()),
    }


def compare_pseudonyms(lake, batch_id, silver, key):
    review, _ = read(lake, "bronze", batch_id, "review")
    joined = silver.merge(review[["review_id", "customer_id"]], on="review_id", how="left")
    expected = joined["customer_id"].map(
        lambda person: hmac.new(key, person.encode(), hashlib.sha256).hexdigest()[:32],
        na_action="ignore",
    )
    same = (expected == joined["buyer_id"]) | (expected.isna() & joined["buyer_id"].isna())
    return {"rows": len(joined), "different": int((~same).sum()), "people": int(expected.nunique())}


def main():
    lake, batch_id, preset = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    key = os.environ["REVIEWOPS_PSEUDONYM_KEY"].encode()
    weights = WEIGHTS[preset]
    silver, silver_manifest = read(lake, "silver", batch_id, "review")
    gold, gold_manifest = read(lake, "gold", batch_id, "fact_reviews")
    as_of = np.datetime64(silver_manifest["source"]["snapshotAt"].rstrip("Z"), "us")
    silver["reviewed_at"] = silver["reviewed_at"].dt.tz_localize(None)
    silver["buyer_since"] = silver["buyer_since"].dt.tz_localize(None)
    for name, value in components(silver, as_of).items():
        silver[f"expected_{name}"] = value
    keep = ["review_id", "product_id", *(f"expected_{name}" for name in weights if name != "sentiment")]
    merged = gold.merge(silver[keep], on=["review_id", "product_id"], how="outer", indicator=True)
    matched = merged[merged["_merge"] == "both"].copy()
    # The word lists are compared apart: a score is checked with the sentiment it was made from.
    matched["expected_sentiment"] = matched["score_sentiment"].astype(float).fillna(0)
    score = 100 * sum(weight * matched[f"expected_{name}"] for name, weight in weights.items())
    result = {
        "silver": len(silver),
        "gold": len(gold),
        "matched": len(matched),
        "settings": gold_manifest["settings"],
        "weights": weights,
        "components": {
            name: float((matched[f"expected_{name}"] - matched[f"score_{name}"]).abs().max())
            for name in weights
            if name != "sentiment"
        },
        "score": float((score - matched["score"]).abs().max()),
        "relevanceDifferent": int(((score >= 80) != matched["is_relevant"]).sum()),
        "spread": float(matched["score"].max() - matched["score"].min()),
        "pseudonyms": compare_pseudonyms(lake, batch_id, silver, key),
        "sentiment": compare_sentiment(matched) if weights["sentiment"] > 0 else None,
        "withoutSentiment": int(matched["score_sentiment"].isna().sum()),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
