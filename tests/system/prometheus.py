#!/usr/bin/env python3
"""A real Prometheus takes the bridge for an Alertmanager: a rule fires, then no more.

Shows that an incident opens, stays one while Prometheus repeats itself, and resolves. Needs `prometheus` (Debian has it).

    prometheus.py [--seconds 90]
"""
import argparse, os, pathlib, shutil, sys, tempfile, time

from lib import Bridge, Process, call, demand, free_port, until

ROUTES = """
[sources.ruler]
kind = "prometheus"
auth = {{ basic = {{ user = "prometheus", password = "file:{secret}" }} }}

[defaults]
receivers = ["inbox"]
group_wait = "0s"
"""

CONFIG = """
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [{folder}/rules.yml]
alerting:
  alertmanagers:
    - static_configs: [{{ targets: ["127.0.0.1:{bridge}"] }}]
      basic_auth: {{ username: prometheus, password_file: {secret} }}
"""

RULES = """
groups:
  - name: system-test
    rules:
      - alert: DiskFull
        expr: vector({value}) > 0
        labels: {{ severity: critical, team: db, instance: db-7.example.com }}
        annotations: {{ summary: "Disk of db-7 is full" }}
"""
TITLE = "DiskFull: Disk of db-7 is full (db-7.example.com)"


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seconds", type=float, default=90)
    ask = ask.parse_args()
    program = shutil.which("prometheus")
    if not program:
        print("skipped: no prometheus")
        sys.exit(1 if os.environ.get("CI") else 0)
    with tempfile.TemporaryDirectory(prefix="alertbridge-prometheus-") as folder:
        run(pathlib.Path(folder), program, ask.seconds)


def run(folder, program, seconds):
    secret = folder / "secret"
    secret.write_text("pass-word")
    bridge = Bridge(folder, ROUTES.format(secret=secret)).ready()
    rules = folder / "rules.yml"
    rule = lambda value: rules.write_text(RULES.format(value=value))
    rule(1)
    (folder / "prometheus.yml").write_text(CONFIG.format(folder=folder, bridge=bridge.port, secret=secret))
    port = free_port()
    prometheus = Process([program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
                          f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle",
                          "--rules.alert.resend-delay=2s"], folder / "prometheus.log")
    state = lambda: [(one["state"], one["title"]) for one in bridge.incidents()]
    until("the incident opens", lambda: state() == [("open", TITLE)], seconds)
    opened = time.time()
    before = bridge.metric("alertbridge_deduplicated_total")
    until("prometheus repeats itself", lambda: bridge.metric("alertbridge_deduplicated_total") > before + 1, seconds)
    demand(state() == [("open", TITLE)], state())
    rule(0)
    demand(call(port, "POST", "/-/reload")[0] == 200, "prometheus reloads")
    until("the incident resolves", lambda: state() == [("resolved", TITLE)], seconds)
    number = bridge.incidents()[0]["number"]
    one = call(bridge.port, "GET", f"/api/v1/incidents/{number}")[1]
    reasons = [entry["reason"] for entry in one["history"]]
    demand("resolved" in reasons and "expired" not in reasons, reasons)
    demand(one["members"][0]["labels"]["team"] == "db", one["members"][0])
    demand(bridge.metric("alertbridge_rejected_total") == 0, "nothing was refused")
    print(f"prometheus: open, repeated and resolved {time.time() - opened:.1f} s later: {', '.join(reasons)}")
    prometheus.stop()
    demand(bridge.stop() == 0, "SIGTERM ends with exit code 0")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
