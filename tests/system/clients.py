#!/usr/bin/env python3
"""Real client libraries of PagerDuty and Opsgenie, pointed at the bridge by their own option.

Shows that what they open they acknowledge and close, that they learn the keys they did not choose, and that they
understand the refusals. Needs the packages `pagerduty` and `opsgenie-sdk` (and takes `pdpyras`, the older one, too).

    clients.py
"""
import os, pathlib, socket, ssl, subprocess, sys, tempfile, threading, warnings

from lib import Bridge, demand

try:
    import opsgenie_sdk, pagerduty
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(1 if os.environ.get("CI") else 0)
try:
    warnings.simplefilter("ignore")  # it says that it is deprecated, every time
    import pdpyras
except ImportError:
    pdpyras = None

PAGERDUTY_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
OPSGENIE_KEY = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
ROUTES = f"""
[sources.pd]
kind = "pagerduty-events-v2"
auth = {{ token = "{PAGERDUTY_KEY}" }}

[sources.ops]
kind = "opsgenie-alert-api"
auth = {{ token = "{OPSGENIE_KEY}" }}

[defaults]
receivers = ["inbox"]
group_by = ["resource"]
"""


def state(bridge, title):
    """The states of the incidents called so."""
    return [one["state"] for one in bridge.incidents() if one["title"] == title]


def refused(kind, work):
    """The error that `work` ends with."""
    try:
        work()
    except kind as error:
        return error
    raise SystemExit(f"FAILED: no {kind.__name__}")


def pagerduty_events(bridge, client, name):
    title = f"Disk of {name} is full"
    trigger = lambda **more: client.trigger(title, name, severity="error", custom_details={"team": "db"}, **more)
    demand(trigger(dedup_key=f"{name}/disk") == f"{name}/disk", "the key comes back")
    demand(trigger(dedup_key=f"{name}/disk") == f"{name}/disk", "the key comes back again")
    demand(state(bridge, title) == ["open"], state(bridge, title))
    client.acknowledge(f"{name}/disk")
    demand(state(bridge, title) == ["acknowledged"], state(bridge, title))
    client.resolve(f"{name}/disk")
    demand(state(bridge, title) == ["resolved"], state(bridge, title))

    made = trigger()
    demand(made and made != trigger(), "every trigger without a key is its own")
    client.resolve(made)
    before = len(bridge.incidents())
    client.resolve("never opened")
    demand(len(bridge.incidents()) == before, "a resolve of nothing opens nothing")


def behind_tls(folder, port):
    """A TLS proxy before the bridge, as PagerDuty's client takes only https: (its URL, what clients trust)."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def accept():
        while True:
            link = server.wrap_socket(listener.accept()[0], server_side=True)
            onward = socket.create_connection(("127.0.0.1", port))
            for ends in ((link, onward), (onward, link)):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"https://localhost:{listener.getsockname()[1]}", ssl.create_default_context(cafile=certificate)


def pagerduty_rest(bridge, folder, url):
    https, trust = behind_tls(folder, bridge.port)
    client = pagerduty.EventsApiV2Client(PAGERDUTY_KEY, base_url=https, verify=trust)
    pagerduty_events(bridge, client, "db-7.example.com")
    client.submit("Deployed 4.2", source="ci.example.com", timestamp="2026-03-01T10:00:00Z",
                  links=[{"href": "https://ci.example.com/42", "text": "build 42"}])
    demand(state(bridge, "Deployed 4.2") == ["open"], "a change is a notice")
    error = refused(pagerduty.HttpError, lambda: client.trigger("x", "y", severity="page"))
    demand(error.response.status_code == 400 and "'payload.severity' is invalid" in error.response.text, error.response.text)
    stranger = pagerduty.EventsApiV2Client("f" * 32, base_url=https, verify=trust)
    error = refused(pagerduty.HttpError, lambda: stranger.trigger("x", "y"))
    demand(error.response.status_code == 400 and "Invalid routing key" in error.response.text, error.response.text)
    if pdpyras:
        old = pdpyras.EventsAPISession(PAGERDUTY_KEY)
        old.url = url
        pagerduty_events(bridge, old, "db-8.example.com")
    print(f"clients: pagerduty {'and pdpyras ' if pdpyras else ''}triggered, acknowledged, resolved")


def opsgenie(bridge, url):
    settings = opsgenie_sdk.configuration.Configuration()
    settings.host = url
    settings.api_key["Authorization"] = OPSGENIE_KEY
    settings.retry_count = 1
    settings.retry_delay = 0.1
    api = opsgenie_sdk.AlertApi(api_client=opsgenie_sdk.api_client.ApiClient(configuration=settings))
    title, alias = "CPU of web-3 is busy", "web-3.example.com/cpu: 97 %"
    payload = opsgenie_sdk.CreateAlertPayload(message=title, alias=alias, entity="web-3.example.com", priority="P2",
                                              tags=["team:web"], details={"region": "eu"}, description="97 % for 10 min")
    answer = api.create_alert(payload)
    demand(answer.result == "Request will be processed" and answer.request_id, answer)
    done = api.get_request_status(answer.request_id).data
    demand(done.is_success and done.alias == alias and done.alert_id, done)
    demand(state(bridge, title) == ["open"], state(bridge, title))
    api.add_note(alias, opsgenie_sdk.AddNoteToAlertPayload(note="looking", user="on call"), identifier_type="alias")
    api.acknowledge_alert(alias, identifier_type="alias")
    demand(state(bridge, title) == ["acknowledged"], state(bridge, title))
    api.close_alert(alias, identifier_type="alias", close_alert_payload=opsgenie_sdk.CloseAlertPayload(note="done"))
    demand(state(bridge, title) == ["resolved"], state(bridge, title))

    # An alert without an alias is closed by the id that its request names.
    title = "Queue of web-4 is long"
    answer = api.create_alert(opsgenie_sdk.CreateAlertPayload(message=title, entity="web-4.example.com"))
    alert = api.get_request_status(answer.request_id).data.alert_id
    demand(state(bridge, title) == ["open"], state(bridge, title))
    api.close_alert(alert, identifier_type="id")
    demand(state(bridge, title) == ["resolved"], state(bridge, title))
    settings.api_key["Authorization"] = "another key"
    error = refused(opsgenie_sdk.exceptions.AuthenticationException, lambda: api.create_alert(payload))
    demand(error.status == 401, error)
    print("clients: opsgenie-sdk created, noted, acknowledged, closed")


def main():
    with tempfile.TemporaryDirectory(prefix="alertbridge-clients-") as folder:
        folder = pathlib.Path(folder)
        bridge = Bridge(folder, ROUTES).ready()
        url = f"http://127.0.0.1:{bridge.port}"
        pagerduty_rest(bridge, folder, url)
        opsgenie(bridge, url)
        demand(bridge.stop() == 0, "SIGTERM ends with exit code 0")
    print("2 passed, 0 failed")


if __name__ == "__main__":
    main()
