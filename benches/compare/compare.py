#!/usr/bin/env python3
"""Runs the bridge and Debian's prometheus-alertmanager side by side on the same machine and the same load.

Each of our answers comes after the alert is on disk; Alertmanager keeps alerts in memory. Both hold notifications back
(group_wait), so that taking alerts in is what is measured. Needs the Debian packages wrk and prometheus-alertmanager.

    cargo build --release && benches/compare/compare.py [--seconds 10] [--alerts 100000] [--json FILE]
"""
import argparse, http.server, json, os, pathlib, statistics, subprocess, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests/system"))
from lib import Bridge, Process, alert, call, demand, free_port, until  # noqa: E402

ROUTES = """
[sources.am]
kind = "alertmanager"
auth = "none"
limit = {{ per_second = 1000000, burst = 1000000 }}

[receivers.sink]
kind = "webhook"
url = "http://127.0.0.1:{sink}/"
limit = {{ per_second = 100000, burst = 100000 }}

[defaults]
receivers = ["sink"]
group_wait = "{wait}"
"""

AM_CONFIG = """
route: {{ receiver: sink, group_by: [{group}], group_wait: 1h, group_interval: 1h, repeat_interval: 4h }}
receivers: [ {{ name: sink, webhook_configs: [ {{ url: "http://127.0.0.1:9/", send_resolved: true }} ] }} ]
"""


def rss(pid):
    """Resident bytes of a process."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu(pid):
    """CPU seconds a process has used, of all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Alertmanager(Process):
    def __init__(self, folder, group):
        self.port = free_port()
        (folder / "am.yml").write_text(AM_CONFIG.format(group=group))
        super().__init__(["prometheus-alertmanager", f"--config.file={folder}/am.yml", f"--storage.path={folder}/am",
                          f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=", "--log.level=error"],
                         folder / "am.log")

    def ready(self):
        def up():
            try:
                return call(self.port, "GET", "/-/ready", timeout=2)[0] == 200
            except OSError:
                return False
        until("Alertmanager is ready", up, 30, 0.05)
        return self


def post(port, form, mode, size, run, seconds, connections=64):
    path = "/api/v2/alerts" if form == "am" else "/hooks/am"
    done = subprocess.run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "20s", "--latency", "-s", HERE / "post.lua",
                           f"http://127.0.0.1:{port}{path}", "--", form, mode, str(size), str(run)],
                          capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    requests, micros, failed, p50, p99 = map(int, line.split()[1:])
    demand(failed == 0, f"{failed} requests of {form} failed:\n{done.stdout}")
    return {"alerts": requests * size, "alerts_per_s": requests * size / (micros / 1e6), "p50_ms": p50 / 1e3, "p99_ms": p99 / 1e3}


def load(server, form, alerts, run="load"):
    """Opens exactly `alerts` distinct alerts in payloads of 100."""
    import http.client
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for first in range(0, alerts, 100):
        batch = []
        for number in range(first, min(first + 100, alerts)):
            one = alert(f"host-{run}-{number}", "firing")["alerts"][0]
            one["labels"].update(alertname="InstanceDown", cluster="eu-1", job="node", team="infra")
            one["annotations"]["description"] = f"host-{run}-{number} of job node has been unreachable for five minutes."
            one["annotations"]["runbook_url"] = "https://runbooks.example/InstanceDown"
            if form == "am":
                one = {key: one[key] for key in ("labels", "annotations", "startsAt", "generatorURL")}
            batch.append(one)
        body = batch if form == "am" else {**alert("x", "firing"), "alerts": batch}
        link.request("POST", "/api/v2/alerts" if form == "am" else "/hooks/am", json.dumps(body), {"content-type": "application/json"})
        answer = link.getresponse()
        text = answer.read()
        demand(answer.status < 300, (answer.status, text[:300]))
    link.close()


def throughput(make, form, seconds, rows):
    for size in (1, 100):
        for mode in ("unique", "repeat"):
            with tempfile.TemporaryDirectory(prefix="alertbridge-bench-") as folder:
                server = make(pathlib.Path(folder)).ready()
                post(server.port, form, "repeat", size, "warm", 2)
                before = cpu(server.child.pid)
                row = rows[f"{mode}/{size}"] = post(server.port, form, mode, size, "run", seconds)
                row["cpu_us_per_alert"] = (cpu(server.child.pid) - before) * 1e6 / row["alerts"]
                server.kill()


def memory(make, form, alerts):
    with tempfile.TemporaryDirectory(prefix="alertbridge-bench-") as folder:
        folder = pathlib.Path(folder)
        server = make(folder).ready()
        idle = rss(server.child.pid)
        load(server, form, alerts)
        time.sleep(2)
        full = rss(server.child.pid)
        found = {"idle_mib": idle / 2**20, "full_mib": full / 2**20, "bytes_per_alert": full / alerts}
        if form == "bridge":
            server.kill()
            begun = time.monotonic()
            server = make(folder)
            server.ready()
            found["restart_s"] = time.monotonic() - begun
            found["restarted_mib"] = rss(server.child.pid) / 2**20
        server.kill()
        return found


class Sink(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        arrived = self.arrived = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                now = time.perf_counter()
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                at = body.find("lat-")
                arrived[body[at:at + 8]] = now
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def latency(make, sink, count=300):
    """From the post to the receiver's door, one alert at a time on an idle bridge."""
    with tempfile.TemporaryDirectory(prefix="alertbridge-bench-") as folder:
        server = make(pathlib.Path(folder)).ready()
        took = []
        for number in range(count):
            name = f"lat-{number:04}"
            begun = time.perf_counter()
            call(server.port, "POST", "/hooks/am", alert(name, "firing"))
            until(name, lambda: name in sink.arrived, 10, 0.001)
            took.append(sink.arrived[name] - begun)
        server.kill()
    took.sort()
    return {"p50_ms": statistics.median(took) * 1e3, "p99_ms": took[int(len(took) * 0.99)] * 1e3}


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seconds", type=int, default=10)
    ask.add_argument("--alerts", type=int, default=100_000)
    ask.add_argument("--json", type=pathlib.Path)
    ask = ask.parse_args()
    sink = Sink()
    port = sink.server_address[1]
    held = lambda folder: Bridge(folder, ROUTES.format(sink=port, wait="1h"))
    prompt = lambda folder: Bridge(folder, ROUTES.format(sink=port, wait="0s"))
    grouped = lambda folder: Alertmanager(folder, "alertname")
    single = lambda folder: Alertmanager(folder, "'...'")
    found = {"bridge": {}, "alertmanager": {}}
    throughput(held, "bridge", ask.seconds, found["bridge"])
    throughput(grouped, "am", ask.seconds, found["alertmanager"])
    found["bridge"]["memory"] = memory(held, "bridge", ask.alerts)
    found["alertmanager"]["memory"] = memory(grouped, "am", ask.alerts)
    # Alertmanager runs a timer per group: at some 40 KB each, more of them would not fit the machine.
    few = min(ask.alerts, 20_000)
    found["bridge"]["memory_one_group_per_alert"] = memory(held, "bridge", few)
    found["alertmanager"]["memory_one_group_per_alert"] = memory(single, "am", few)
    found["bridge"]["latency"] = latency(prompt, sink)
    report(found)
    if ask.json:
        ask.json.write_text(json.dumps(found, indent=1))


def report(found):
    ours, theirs = found["bridge"], found["alertmanager"]
    print("| load (64 connections) | bridge alerts/s, p50/p99 ms | Alertmanager alerts/s, p50/p99 ms | ratio of rates | ratio of CPU per alert |\n|---|---|---|---|---|")
    for name in ("unique/1", "repeat/1", "unique/100", "repeat/100"):
        cells = [f"{r['alerts_per_s']:,.0f}, {r['p50_ms']:.1f}/{r['p99_ms']:.1f}" for r in (ours[name], theirs[name])]
        print(f"| {name} | {cells[0]} | {cells[1]} | {ours[name]['alerts_per_s'] / theirs[name]['alerts_per_s']:.2f} | "
              f"{ours[name]['cpu_us_per_alert'] / theirs[name]['cpu_us_per_alert']:.2f} |")
    for name, what in (("memory", "Alertmanager with one group"), ("memory_one_group_per_alert", "each alert its own group in both")):
        mine, other = ours[name]["bytes_per_alert"], theirs[name]["bytes_per_alert"]
        print(f"RSS per open alert, whole process, {what}: {mine:,.0f} B against {other:,.0f} B, ratio {mine / other:.2f}")
    print("memory:", json.dumps({"bridge": ours["memory"], "alertmanager": theirs["memory"]}))
    print(f"restart to ready: {ours['memory']['restart_s']:.2f} s; post to receiver, idle: p50 {ours['latency']['p50_ms']:.1f} ms, "
          f"p99 {ours['latency']['p99_ms']:.1f} ms")


if __name__ == "__main__":
    main()
