"""What the system tests share: the lab of receivers, the bridge as a process, posting alerts. Standard library only."""
import http.client, json, os, pathlib, signal, socket, subprocess, sys, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("ALERTBRIDGE_BIN", ROOT / "target/release/alertbridge"))


def lab_program():
    """The stand-in for the receivers' services: (python, lab.py), or exit with a printed word where it is missing."""
    lab = pathlib.Path(os.environ.get("ALERTBRIDGE_LAB_PROGRAM", ROOT.parent / "shared/lab/lab.py"))
    python = os.environ.get("ALERTBRIDGE_LAB_PYTHON", sys.executable)
    if not lab.exists():
        print(f"skipped: no lab at {lab}")
        sys.exit(1 if os.environ.get("CI") else 0)
    return [python, str(lab)]


def call(port, method, path, body=None, headers=None, timeout=30):
    """One HTTP call to loopback: (status, parsed JSON or bytes)."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
        link.request(method, path, data, {"content-type": "application/json", **(headers or {})})
        answer = link.getresponse()
        raw = answer.read()
        try:
            return answer.status, json.loads(raw)
        except ValueError:
            return answer.status, raw
    finally:
        link.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A child whose output goes to a file; `wait_for` reads the line that holds a word."""

    def __init__(self, command, log, env=None):
        self.log = pathlib.Path(log)
        self.file = open(log, "ab")
        self.start = self.file.tell()
        self.child = subprocess.Popen(command, stdout=self.file, stderr=self.file, env={**os.environ, **(env or {})})

    def wait_for(self, word, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with open(self.log, "rb") as file:
                file.seek(self.start)
                for line in file.read().decode(errors="replace").splitlines():
                    if word in line:
                        return line
            if self.child.poll() is not None:
                break
            time.sleep(0.01)
        tail = self.log.read_text(errors="replace")[-3000:]
        raise SystemExit(f"{word!r} did not appear (exit {self.child.poll()}):\n{tail}")

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        self.file.close()

    def stop(self, seconds=30):
        self.child.send_signal(signal.SIGTERM)
        code = self.child.wait(seconds)
        self.file.close()
        return code


class Lab(Process):
    def __init__(self, folder, *options):
        super().__init__([*lab_program(), "--port", "0", *options], folder / "lab.log")
        self.port = int(self.wait_for("listening on 127.0.0.1:").rsplit(":", 1)[1])

    def requests(self, **filters):
        query = "&".join(f"{key}={value}" for key, value in filters.items())
        return call(self.port, "GET", f"/_lab/requests?{query}", timeout=120)[1]

    def state(self, destination):
        return call(self.port, "GET", f"/_lab/state/{destination}")[1]

    def fault(self, *rules):
        status, answer = call(self.port, "POST", "/_lab/faults", list(rules))
        assert status < 300, answer

    def heal(self):
        call(self.port, "DELETE", "/_lab/faults")


class Bridge(Process):
    """The real binary on `folder`, with `routes` written to its routes.toml."""

    def __init__(self, folder, routes=None, port=None):
        self.port = port or free_port()
        if routes is not None:
            (folder / "routes.toml").write_text(routes)
        command = [str(BINARY), "serve", "--listen", f"127.0.0.1:{self.port}", "--routes", str(folder / "routes.toml"),
                   "--data", str(folder / "data")]
        super().__init__(command, folder / "bridge.log")

    def ready(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if call(self.port, "GET", "/-/ready", timeout=2)[0] == 200:
                    return self
            except OSError:
                pass
            if self.child.poll() is not None:
                break
            time.sleep(0.01)
        raise SystemExit(f"not ready (exit {self.child.poll()}):\n" + self.log.read_text(errors="replace")[-3000:])

    def incidents(self):
        """Every incident, newest first."""
        found, before = [], ""
        while True:
            status, page = call(self.port, "GET", f"/api/v1/incidents?limit=500{before}")
            assert status == 200, (status, page)
            page = page["incidents"]
            found += page
            if not page:
                return found
            before = f"&before={page[-1]['number']}"

    def metric(self, name):
        """The sum of the samples of a metric."""
        text = call(self.port, "GET", "/metrics")[1].decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith(name) and line[len(name)] in " {")


def alert(name, status, severity="critical", second=0):
    """An Alertmanager webhook with one alert."""
    stamp = lambda s: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_790_000_000 + s))
    return {
        "version": "4", "groupKey": "{}", "status": status, "receiver": "bridge", "groupLabels": {},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager.example",
        "alerts": [{
            "status": status, "fingerprint": name, "startsAt": stamp(0),
            "endsAt": stamp(second + 1) if status == "resolved" else "0001-01-01T00:00:00Z",
            "labels": {"alertname": name, "severity": severity, "instance": f"{name}.example:9100"},
            "annotations": {"summary": f"{name} is down"}, "generatorURL": "http://prometheus.example/graph",
        }],
    }


def in_threads(count, work):
    """Runs `work(n)` in `count` threads and raises what one of them raised."""
    failed = []

    def guarded(n):
        try:
            work(n)
        except BaseException as error:  # noqa: the thread's end is not the test's end
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def until(what, check, seconds=120, every=0.2):
    """Polls `check` until it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(every)
    raise SystemExit(f"{what}: not within {seconds} s")


def demand(condition, message):
    if not condition:
        raise SystemExit(f"FAILED: {message}")


def idle(bridge):
    """Nothing is due, nothing waits for another attempt."""
    return bridge.metric("alertbridge_queue_depth") == 0 and bridge.metric("alertbridge_failing") == 0
