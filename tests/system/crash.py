#!/usr/bin/env python3
"""Durability: the bridge is killed at random moments while several connections post, and restarted on the same data.

Shows that every alert that got a 2xx is in the store, every incident reaches the receivers, resolved ones are closed
there, and no (incident, receiver, version) is sent twice except where the kill fell between send and record.

    crash.py [--kills 24] [--seed 1]
"""
import argparse, collections, http.client, json, pathlib, random, re, tempfile, time

from lib import Bridge, Lab, alert, call, demand, free_port, idle, in_threads, until

ROUTES = """
[sources.am]
kind = "alertmanager"
auth = "none"

[receivers.pager]
kind = "pagerduty"
routing_key = "0123456789abcdef0123456789abcdef"
url = "http://127.0.0.1:{lab}/pagerduty/v2/enqueue"
limit = {{ per_second = 100000, burst = 100000 }}
concurrency = 1

[receivers.hook]
kind = "webhook"
url = "http://127.0.0.1:{lab}/hook/crash"
secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
limit = {{ per_second = 100000, burst = 100000 }}
concurrency = 1

[defaults]
receivers = ["pager", "hook"]
group_interval = "1s"
"""


def post_until_killed(port, stop, poster, counter, accepted):
    """Posts firing alerts and resolves for some of them; remembers what was answered 2xx."""
    dice = random.Random(f"{poster}-{counter}")
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    mine = []
    n = 0
    while not stop.is_set():
        if mine and dice.random() < 0.45:
            name, status = mine.pop(dice.randrange(len(mine))), "resolved"
        else:
            name, status = f"k{counter:03}p{poster}n{n}", "firing"
        n += 1
        try:
            link.request("POST", "/hooks/am", json.dumps(alert(name, status)), {"content-type": "application/json"})
            answer = link.getresponse()
            answer.read()
        except OSError:
            return
        except http.client.HTTPException:
            return
        demand(answer.status < 500 or answer.status == 503, f"answer {answer.status} to {name}")
        if 200 <= answer.status < 300:
            accepted[name] = status
            if status == "firing":
                mine.append(name)
        time.sleep(0.002)


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--kills", type=int, default=24)
    ask.add_argument("--seed", type=int, default=1)
    ask = ask.parse_args()
    import threading
    dice = random.Random(ask.seed)
    with tempfile.TemporaryDirectory(prefix="alertbridge-crash-") as folder:
        folder = pathlib.Path(folder)
        lab = Lab(folder, "--keep", "500000")
        call(lab.port, "POST", "/_lab/config", {"hooks": {"crash": {"secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}}})
        routes, accepted, port = ROUTES.format(lab=lab.port), {}, free_port()
        for kill in range(ask.kills):
            bridge = Bridge(folder, routes, port).ready()
            stop = threading.Event()

            def posters(n, kill=kill, stop=stop):
                if n == 0:
                    time.sleep(dice.uniform(0.05, 0.9))
                    bridge.kill()
                    stop.set()
                else:
                    post_until_killed(port, stop, n, kill, accepted)

            in_threads(5, posters)
        # kills while the store opens, too
        for _ in range(4):
            bridge = Bridge(folder, routes, port)
            time.sleep(dice.uniform(0.0, 0.05))
            bridge.kill()
        bridge = Bridge(folder, routes, port).ready()
        check(bridge, lab, accepted, ask.kills + 4)
        demand(bridge.stop() == 0, "SIGTERM ends with exit code 0")
        lab.stop()


def check(bridge, lab, accepted, kills):
    settled = lambda: idle(bridge)
    until("all deliveries made", settled, 180)
    incidents = bridge.incidents()
    by_title = collections.defaultdict(list)
    for incident in incidents:
        by_title[re.search(r"k\d+p\d+n\d+", incident["title"])[0]].append(incident)
    wrong = []
    for name, status in accepted.items():
        found = by_title.get(name, [])
        if len(found) != 1:
            wrong.append(f"{name}: {len(found)} incidents")
        elif status == "resolved" and found[0]["state"] != "resolved":
            wrong.append(f"{name}: accepted as resolved, is {found[0]['state']}")
    demand(not wrong, f"{len(wrong)} accepted alerts are not in the store as accepted: {wrong[:5]}")

    instance = call(bridge.port, "GET", "/api/v1/incidents?limit=1")[1]["instance"]
    records = lab.requests(limit=1_000_000)["requests"]
    bad = [record for record in records if record["verdict"] != "ok"]
    demand(not bad, f"{len(bad)} requests refused by the lab, such as {json.dumps(bad[:1])[:600]}")
    events, sent = collections.defaultdict(list), collections.Counter()
    for record in records:
        if record["destination"] == "pagerduty":
            events[record["json"]["dedup_key"]].append(record["json"]["event_action"])
        else:
            sent[record["headers"]["webhook-id"]] += 1
    lost, unclosed = [], []
    for incident in incidents:
        told = events.get(f"ab-{instance}-{incident['number']}", [])
        if incident["state"] == "resolved":
            # one that was over before its turn came need not be told; one that was told is closed
            if told and told[-1] != "resolve":
                unclosed.append(incident["number"])
        elif "trigger" not in told:
            lost.append(incident["number"])
    demand(not lost, f"{len(lost)} open incidents never reached the pager: {lost[:5]}")
    demand(not unclosed, f"{len(unclosed)} resolved incidents are still open at the pager: {unclosed[:5]}")
    twice = sum(count - 1 for count in sent.values())
    pager_twice = sum(len(told) - len(set(told)) for told in events.values())
    demand(twice <= kills, f"{twice} hook notifications sent twice in {kills} kills")
    demand(pager_twice <= kills, f"{pager_twice} pager events sent twice in {kills} kills")
    print(f"crash: {kills} kills, {len(accepted)} alerts accepted, {len(incidents)} incidents, {len(records)} sends, "
          f"sent twice: hook {twice}, pager {pager_twice}")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
