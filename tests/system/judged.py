#!/usr/bin/env python3
"""Every firing and resolved payload of the corpus goes through the real binary and every sender; the lab judges all.

Each corpus kind is a source, every alert goes to all receivers. Nothing may be refused, nothing may draw a warning.
"""
import json, os, pathlib, tempfile, urllib.parse

from lib import ROOT, Bridge, Lab, call, demand, idle, until

# Folders of the corpus that are read by a kind of another name; any other is the kind itself.
KINDS = {"azure-monitor-legacy": "azure-monitor", "grafana-legacy": "grafana"}

RECEIVERS = """
[receivers.slack]
kind = "slack"
url = "http://127.0.0.1:{lab}/slack/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
limit = {{ per_second = 1000, burst = 1000 }}
notices = true

[receivers.pager]
kind = "pagerduty"
routing_key = "0123456789abcdef0123456789abcdef"
url = "http://127.0.0.1:{lab}/pagerduty/v2/enqueue"
limit = {{ per_second = 1000, burst = 1000 }}
notices = true

[receivers.teams]
kind = "teams"
url = "http://127.0.0.1:{lab}/teams/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
limit = {{ per_second = 1000, burst = 1000 }}
notices = true

[receivers.sms]
kind = "twilio"
account_sid = "AC00000000000000000000000000000001"
auth_token = "0123456789abcdef0123456789abcdef"
from = "+15550100001"
to = "+15550100002"
url = "http://127.0.0.1:{lab}/twilio"
limit = {{ per_second = 1000, burst = 1000 }}
notices = true

[receivers.hook]
kind = "webhook"
url = "http://127.0.0.1:{lab}/hook/judged"
secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
limit = {{ per_second = 1000, burst = 1000 }}
notices = true

[defaults]
receivers = ["slack", "pager", "teams", "sms", "hook"]
group_interval = "1s"
"""


def main():
    corpus = pathlib.Path(os.environ["ALERTBRIDGE_LAB_PROGRAM"]).parents[1] / "corpus" if "ALERTBRIDGE_LAB_PROGRAM" in os.environ \
        else ROOT.parent / "shared/corpus"
    with tempfile.TemporaryDirectory(prefix="alertbridge-judged-") as folder:
        folder = pathlib.Path(folder)
        lab = Lab(folder, "--keep", "200000")
        call(lab.port, "POST", "/_lab/config", {"hooks": {"judged": {"secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}}})
        manifests = sorted(corpus.glob("manifest-*.jsonl"))
        rows = [json.loads(line) for manifest in manifests for line in manifest.read_text().splitlines()]
        sources = "".join(f'[sources.{kind}]\nkind = "{kind}"\nauth = "none"\nlimit = {{ per_second = 10000, burst = 10000 }}\n'
                          for kind in sorted({kind_of(row) for row in rows}))
        bridge = Bridge(folder, sources + RECEIVERS.format(lab=lab.port)).ready()
        posted = 0
        for row in rows:
            posted += post(bridge, corpus, row)
        until("all deliveries made", lambda: idle(bridge), 300)
        records = lab.requests(limit=1_000_000)["requests"]
        bad = [record for record in records if record["verdict"] != "ok" or record["warnings"]]
        for record in bad[:10]:
            print(record["destination"], record["verdict"], json.dumps(record.get("reasons"))[:500], json.dumps(record["warnings"])[:500],
                  json.dumps(record.get("json") or record.get("form"))[:700])
        demand(len(records) >= posted, f"{posted} payloads, only {len(records)} notifications")
        demand(not bad, f"{len(bad)} of {len(records)} notifications refused or warned about")
        demand(bridge.stop() == 0, "SIGTERM ends with exit code 0")
        lab.stop()
        print(f"judged: {posted} payloads, {len(records)} notifications, none refused, no warning")
        print("1 passed, 0 failed")


def kind_of(row):
    return KINDS.get(row["source"], row["source"])


def post(bridge, corpus, row):
    """Posts one payload as its sender did. Returns 1 if it was taken."""
    file = corpus / row["file"]
    headers = {"content-type": row.get("content_type") or "application/json"}
    if row.get("headers"):
        kept = json.loads((corpus / row["headers"]).read_text())
        headers.update({k.lower(): str(v) for k, v in kept.items() if k.lower() not in ("host", "content-length", "connection", "transfer-encoding", "accept-encoding")})
    query = "?" + (corpus / row["query"]).read_text().strip() if row.get("query") else ""
    body = file.read_bytes()
    if file.suffix == ".query":
        query, body = "?" + body.decode().strip(), None
    # Some vendors say in the path which alert it is about.
    path, _, more = (row.get("path") or "").partition("?")
    query = query or ("?" + more if more else "")
    address = urllib.parse.quote(f"/hooks/{kind_of(row)}{path}", safe="/%") + query
    status, answer = call(bridge.port, row.get("method", "POST"), address, body, headers)
    fine = status < 300 or row["expect"].get("or_reject") or row["expect"].get("handshake")
    demand(fine, f"{row['file']}: answer {status} {answer}")
    return int(status < 300 and bool(row["expect"].get("items")))


if __name__ == "__main__":
    main()
