"""Reads a file of reviews plainly and says what importing and scoring it must give.

Arguments: FORMAT FILE AS_OF. Written from docs/import.md and the rules of the pipeline, with the
csv and json modules; shares nothing with the program it checks. Prints one JSON document: records
read, loaded, rejected and folded, rows a table, reviews accepted and rejected by rule, and for each
product its reviews, mean rating and best score.
"""

import csv
import gzip
import json
import math
import re
import sys
from collections import Counter, defaultdict
from datetime import datetime, timezone
from typing import NamedTuple, Optional

NOBODY = {"", "none", "na", "n/a", "nan", "null", "<na>"}


class Review(NamedTuple):
    # Everything the source says about the review: two records with the same are one review.
    identity: tuple
    product: Optional[str]
    customer: Optional[str]
    category: Optional[str]
    rating: Optional[int]
    body: Optional[str]
    votes: Optional[int]
    verified: Optional[bool]
    images: frozenset
    written: Optional[datetime]


class Unreadable(Exception):
    """A value that is there and is none of its kind."""


def whole(value):
    if value is None or value == "":
        return None
    try:
        number = float(str(value).replace(",", ""))
    except ValueError as error:
        raise Unreadable(value) from error
    if number != int(number):
        raise Unreadable(value)
    return int(number)


def moment(value):
    if value is None or value == "":
        return None
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, timezone.utc)
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        raise Unreadable(value) from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def open_text(path):
    opener = gzip.open if path.endswith(".gz") else open
    return opener(path, "rt", encoding="utf-8", newline="")


def rows_of_csv(path):
    csv.field_size_limit(1 << 30)
    with open_text(path) as file:
        yield from csv.DictReader(file)


def rows_of_tsv(path):
    with open_text(path) as file:
        # Only a line feed ends a line here: other characters that Python calls line ends are data.
        lines = [line.rstrip("\r") for line in file.read().split("\n")]
    header = lines[0].split("\t")
    for line in lines[1:]:
        if line != "":
            yield dict(zip(header, line.split("\t"), strict=True))


def rows_of_json_lines(path):
    with open_text(path) as file:
        for line in file:
            if line.strip() != "":
                yield json.loads(line)


def datafiniti(row):
    product = row["asins"].split(",")[0].strip() or row["id"] or None
    name = row["reviews.username"]
    said = [row[f"reviews.{part}"] for part in ("date", "rating", "title", "text")]
    return Review(
        identity=(product, name, *said),
        product=product,
        customer=None if name.strip().lower() in NOBODY else name.strip(),
        category=row["categories"].split(",")[0].strip().lower() or None,
        rating=whole(row["reviews.rating"]),
        body=row["reviews.text"] or None,
        votes=whole(row["reviews.numHelpful"]),
        verified={"true": True, "false": False}.get(row["reviews.didPurchase"].lower()),
        images=frozenset(),
        written=moment(row["reviews.date"]),
    )


def amazon_tsv(row):
    return Review(
        identity=(row["review_id"],),
        product=row["product_id"] or None,
        customer=row["customer_id"] or None,
        category=row["product_category"].strip().lower() or None,
        rating=whole(row["star_rating"]),
        body=row["review_body"] or None,
        votes=whole(row["helpful_votes"]),
        verified={"Y": True, "N": False}.get(row["verified_purchase"]),
        images=frozenset(),
        written=moment(row["review_date"]),
    )


def ucsd_2018(row):
    # The reviewer's name is not stored, so it does not make a review another one.
    said = {key: value for key, value in row.items() if key != "reviewerName"}
    return Review(
        identity=(json.dumps(said, sort_keys=True),),
        product=row.get("asin"),
        customer=row.get("reviewerID"),
        category=None,
        rating=whole(row.get("overall")),
        body=row.get("reviewText") or None,
        votes=whole(row.get("vote")),
        verified=row.get("verified"),
        images=frozenset(row.get("image") or ()),
        written=moment(row.get("unixReviewTime")),
    )


ENTITIES = {
    "&nbsp;": " ", "&#160;": " ", "&#34;": '"', "&quot;": '"', "&#39;": "'", "&#039;": "'",
    "&apos;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&",
}


def clean(text):
    text = re.sub(r"\[\[(VIDEOID|ASIN):[^\]]*\]\]", "", text)
    text = re.sub(r"(?i)<br\s*/?>", "\n", text)
    text = re.sub(r"</?[A-Za-z!][^<>]*>", "", text)
    for entity, character in ENTITIES.items():
        text = text.replace(entity, character)
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", text)
    return text.strip(" \t\n\x0b\x0c\r\u00a0\ufeff")


def broken_rule(review):
    if review.rating is None:
        return "rating_missing"
    if not 1 <= review.rating <= 5:
        return "rating_out_of_range"
    if clean(review.body or "") == "":
        return "body_blank"
    return None


def score(review, as_of):
    """The default preset: nobody in these files has orders or an account with a date."""
    length = math.exp(-0.5 * ((len(clean(review.body)) - 300) / 200) ** 2)
    age = (as_of - review.written).total_seconds() / 86400 if review.written else None
    return 100 * (
        0.2 * length
        + 0.15 * bool(review.images)
        + 0.15 * bool(review.verified)
        + 0.05 * (review.rating in (1, 5))
        + 0.15 * (0 if age is None else 0.5 ** (max(age, 0) / 365))
        + 0.2 * min(1, math.log(1 + (review.votes or 0)) / math.log(51))
    )


FORMATS = {
    "datafiniti": (rows_of_csv, datafiniti),
    "amazon-tsv": (rows_of_tsv, amazon_tsv),
    "ucsd-2018": (rows_of_json_lines, ucsd_2018),
}


def main():
    name, path = sys.argv[1:3]
    as_of = datetime.fromisoformat(sys.argv[3])
    read = rejected = 0
    reviews = {}
    rows, parse = FORMATS[name]
    for row in rows(path):
        read += 1
        try:
            review = parse(row)
        except Unreadable:
            rejected += 1
            continue
        if review.product is None:
            rejected += 1
            continue
        reviews.setdefault(review.identity, review)
    loaded = list(reviews.values())
    rules = Counter(filter(None, map(broken_rule, loaded)))
    accepted = [review for review in loaded if broken_rule(review) is None]
    products = defaultdict(list)
    for review in accepted:
        products[review.product].append(review)
    print(json.dumps({
        "read": read,
        "loaded": len(loaded),
        "rejected": rejected,
        "folded": read - rejected - len(loaded),
        "tables": {
            "customer": len({review.customer for review in loaded} - {None}),
            "buyer": len({review.customer for review in loaded if review.verified} - {None}),
            "category": len({review.category for review in loaded} - {None}),
            "product": len({review.product for review in loaded}),
            "review": len(loaded),
            "product_reviews": len(loaded),
            "review_images": sum(len(review.images) for review in loaded),
        },
        "accepted": len(accepted),
        "rejectedByRule": dict(rules),
        "products": {
            product: {
                "reviews": len(group),
                "averageRating": sum(review.rating for review in group) / len(group),
                "bestScore": max(score(review, as_of) for review in group),
            }
            for product, group in products.items()
        },
    }))


if __name__ == "__main__":
    main()
