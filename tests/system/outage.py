#!/usr/bin/env python3
"""Outage: the receivers answer 500, 429, nothing and resets for a while, as incidents open and half of them resolve.

Shows that after they heal each receiver's final state equals the incidents' state, Retry-After was obeyed, the order
held and no more was sent than needed.

    outage.py [--incidents 2000] [--seconds 60]
"""
import argparse, collections, datetime, json, pathlib, tempfile, time

from lib import Bridge, Lab, alert, call, demand, idle, in_threads, until

ROUTES = """
[sources.am]
kind = "alertmanager"
auth = "none"

[receivers.pager]
kind = "pagerduty"
routing_key = "0123456789abcdef0123456789abcdef"
url = "http://127.0.0.1:{lab}/pagerduty/v2/enqueue"
limit = {{ per_second = 2000, burst = 100 }}
timeout = "2s"

[receivers.hook]
kind = "webhook"
url = "http://127.0.0.1:{lab}/hook/outage"
limit = {{ per_second = 2000, burst = 100 }}
timeout = "2s"

[defaults]
receivers = ["pager", "hook"]
group_interval = "1s"
"""

RETRY_AFTER = 7


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--incidents", type=int, default=2000)
    ask.add_argument("--seconds", type=float, default=60)
    ask = ask.parse_args()
    with tempfile.TemporaryDirectory(prefix="alertbridge-outage-") as folder:
        folder = pathlib.Path(folder)
        lab = Lab(folder, "--keep", "500000")
        bridge = Bridge(folder, ROUTES.format(lab=lab.port)).ready()
        run(ask, lab, bridge)
        demand(bridge.stop() == 0, "SIGTERM ends with exit code 0")
        lab.stop()


def run(ask, lab, bridge):
    phases = [
        [{"destination": "*", "mode": "500"}],
        [{"destination": "*", "mode": "timeout", "delay_ms": 4000, "ratio": 0.2, "seed": 3}, {"destination": "*", "mode": "503"}],
        [{"destination": "*", "mode": "reset"}],
        [{"destination": "*", "mode": "429", "retry_after": RETRY_AFTER}],
    ]
    spans = []
    lab.fault(*phases[0])
    count = ask.incidents

    def post(n):
        for name in range(n, count, 8):
            status, answer = call(bridge.port, "POST", "/hooks/am", alert(f"o{name}", "firing"))
            demand(status < 300, (status, answer))

    in_threads(8, post)

    def resolve(n):
        for name in range(n * 2, count, 16):
            status, answer = call(bridge.port, "POST", "/hooks/am", alert(f"o{name}", "resolved", second=9))
            demand(status < 300, (status, answer))

    for phase in phases:
        lab.heal()
        lab.fault(*phase)
        begun = time.time()
        if phase is phases[1]:
            in_threads(8, resolve)
        time.sleep(max(0.0, ask.seconds / len(phases) - (time.time() - begun)))
        spans.append((begun, time.time()))
    lab.heal()
    healed = time.time()
    until("all deliveries made", lambda: idle(bridge), 600)
    print(f"outage: caught up {time.time() - healed:.1f} s after {healed - spans[0][0]:.0f} s of faults")
    judge(lab, bridge, spans, count)


def judge(lab, bridge, spans, count):
    instance = call(bridge.port, "GET", "/api/v1/incidents?limit=1")[1]["instance"]
    incidents = {f"ab-{instance}-{i['number']}": i for i in bridge.incidents()}
    demand(len(incidents) == count, f"{len(incidents)} incidents, expected {count}")
    records = lab.requests(limit=1_000_000)["requests"]
    demand(not [r for r in records if r["verdict"] == "rejected"], "the lab refused requests")
    pager = collections.defaultdict(list)
    paused = collections.defaultdict(list)
    for record in records:
        struck = record["verdict"] == "fault"
        if struck and record["status"] == 429:
            paused[record["destination"]].append(datetime.datetime.fromisoformat(record["received_at"]).timestamp())
        if record["destination"] == "pagerduty" and not struck:
            pager[record["json"]["dedup_key"]].append(record["json"]["event_action"])
    wrong = []
    for key, incident in incidents.items():
        told = pager.get(key, [])
        final = told[-1] if told else None
        fine = final in ("resolve", None) if incident["state"] == "resolved" else final == "trigger"
        if not fine or told not in ([], ["trigger"], ["trigger", "resolve"], ["resolve"]):
            wrong.append((key, incident["state"], told))
    demand(not wrong, f"{len(wrong)} incidents differ at the pager: {wrong[:5]}")
    for destination, moments in paused.items():
        moments.sort()
        # requests already in flight when the first 429 came may come back with one, too
        gaps = [b - a for a, b in zip(moments, moments[1:]) if b - a > 1.0]
        demand(all(gap >= RETRY_AFTER - 0.1 for gap in gaps), f"{destination}: asked again after {min(gaps)} s")
    taken = sum(len(told) for told in pager.values())
    tried = sum(1 for r in records if r["destination"] == "pagerduty")
    demand(tried <= 10 * count, f"{tried} attempts for {count} incidents are more than the backoff allows")
    print(f"outage: {count} incidents, {taken} pager events taken, {tried} tried, 429 asked {sum(map(len, paused.values()))} times")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
