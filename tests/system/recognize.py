#!/usr/bin/env python3
"""The kind `auto` over the corpus: each payload is left to its own vendor, or to nobody; never to another.

Payloads whose format two products share, and bodies that their users make, are known; anything else that is taken for
another vendor's, and too many that nobody knows, fail.

    recognize.py
"""
import collections, concurrent.futures, json, os, pathlib, subprocess, sys

from lib import BINARY, ROOT

CORPUS = pathlib.Path(os.environ.get("ALERTBRIDGE_CORPUS", ROOT.parent / "shared/corpus"))
# Folders of the corpus that are read by a kind of another name, and formats that one product took from another.
SAME = {
    "azure-monitor-legacy": {"azure-monitor"},
    "grafana-legacy": {"grafana"},
    "aws-cloudwatch": {"aws-sns", "aws-eventbridge"},
    "aws-eventbridge": {"aws-sns", "aws-cloudwatch"},
    "aws-sns": {"aws-cloudwatch", "aws-eventbridge"},
    "elastalert": {"pagertree-webhook"},
}
KNOWN_AT_LEAST = 0.9


def explain(row):
    path = CORPUS / row["file"]
    call = [str(BINARY), "explain", "--json", "--kind", "auto"]
    for flag, value in [("--method", row.get("method")), ("--content-type", row.get("content_type")), ("--path", row.get("path"))]:
        call += [flag, value] if value else []
    if row.get("headers"):
        call += ["--headers", str(CORPUS / row["headers"])]
    if row.get("query"):
        call += ["--query", (CORPUS / row["query"]).read_text().strip()]
    if path.suffix == ".query":
        call += ["--query", path.read_text().strip()]
        path = "/dev/null"
    done = subprocess.run([*call, str(path)], capture_output=True, text=True, timeout=60)
    try:
        return row, json.loads(done.stdout).get("kind"), done.stderr
    except json.JSONDecodeError:
        return row, None, done.stderr


def main():
    manifests = sorted(CORPUS.glob("manifest-*.jsonl"))
    if not manifests:
        print(f"skipped: no corpus at {CORPUS}")
        sys.exit(1 if os.environ.get("CI") else 0)
    rows = [json.loads(line) for manifest in manifests for line in manifest.read_text().splitlines()]
    tally, wrong = collections.Counter(), []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for row, kind, error in pool.map(explain, rows):
            if kind in {row["source"], *SAME.get(row["source"], ())}:
                tally["known"] += 1
            elif kind == "generic":
                tally["left to generic"] += 1
                print(f"left to generic: {row['file']}")
            elif kind is None:
                tally["refused"] += 1
                print(f"refused: {row['file']}: {error.strip()[-160:]}")
            else:
                wrong.append(f"{row['file']} was taken for {kind}")
    print(*wrong, sep="\n")
    print(f"auto: {dict(tally)}, taken for another: {len(wrong)}")
    sys.exit(1 if wrong or tally["known"] < KNOWN_AT_LEAST * len(rows) else 0)


main()
