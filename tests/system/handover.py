#!/usr/bin/env python3
"""A real Alertmanager takes the bridge for PagerDuty, Opsgenie and Splunk On-Call at once, by its `url` options alone.

Shows that each of its three notifiers opens an incident and resolves it. Needs `prometheus-alertmanager` (Debian has it).

    handover.py [--seconds 60]
"""
import argparse, os, pathlib, shutil, sys, tempfile, time

from lib import Bridge, Process, call, demand, free_port, until

PAGERDUTY_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
KINDS = {"pagerduty": "pagerduty-events-v2", "opsgenie": "opsgenie-alert-api", "oncall": "splunk-oncall-rest"}
ROUTES = "\n".join(
    f'[sources.{name}]\nkind = "{kind}"\nauth = {{ token = "{PAGERDUTY_KEY}" }}' for name, kind in KINDS.items()
) + '\n[defaults]\nreceivers = ["inbox"]\n'

CONFIG = """
route: {{ receiver: bridge, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }}
receivers:
  - name: bridge
    pagerduty_configs:
      - {{ routing_key: {key}, url: "{url}/v2/enqueue", severity: error }}
    opsgenie_configs:
      - {{ api_key: {key}, api_url: "{url}/", priority: P2, update_alerts: true }}
    victorops_configs:
      - {{ api_key: {key}, api_url: "{url}/integrations/generic/20131114/alert/", routing_key: database }}
"""


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seconds", type=float, default=60)
    ask = ask.parse_args()
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if not program:
        print("skipped: no alertmanager")
        sys.exit(1 if os.environ.get("CI") else 0)
    with tempfile.TemporaryDirectory(prefix="alertbridge-handover-") as folder:
        run(pathlib.Path(folder), program, ask.seconds)


def run(folder, program, seconds):
    bridge = Bridge(folder, ROUTES).ready()
    (folder / "alertmanager.yml").write_text(CONFIG.format(key=PAGERDUTY_KEY, url=f"http://127.0.0.1:{bridge.port}"))
    port = free_port()
    sender = Process([program, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
                      f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="], folder / "alertmanager.log")
    alert = {"labels": {"alertname": "DiskFull", "instance": "db-7.example.com", "severity": "critical"},
             "annotations": {"summary": "Disk of db-7 is full"}}

    def send(ends):
        try:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + ends))
            return call(port, "POST", "/api/v2/alerts", [{**alert, "endsAt": stamp}])[0] == 200
        except OSError:
            return False

    def states():
        members = [call(bridge.port, "GET", f"/api/v1/incidents/{one['number']}")[1] for one in bridge.incidents()]
        return sorted((one["members"][0]["source"], one["incident"]["state"]) for one in members)

    expected = lambda state: sorted((name, state) for name in KINDS)
    until("alertmanager starts", lambda: send(600), seconds)
    until("three incidents open", lambda: states() == expected("open"), seconds)
    demand(send(0), "alertmanager takes the end")
    until("three incidents resolve", lambda: states() == expected("resolved"), seconds)
    demand(bridge.metric("alertbridge_rejected_total") == 0, "nothing was refused")
    for one in bridge.incidents():
        print(f"handover: {one['state']} {one['severity']}: {one['title']}")
    sender.stop()
    demand(bridge.stop() == 0, "SIGTERM ends with exit code 0")
    print("3 passed, 0 failed")


if __name__ == "__main__":
    main()
