# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's API: what it answers, whom it obeys, how a change on trial ends, and that nobody who
connects can harm it. (Over 700 lines since each path of the API has its own cases.)"""

import contextlib
import gzip
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import termios
import time

import pytest

from api import check, description, site_with_api
from daemon import Daemon
from gateway import ARTICLE, BINARY, REPO
from lab import wait_for
from traffic import ask, dead

METRICS = ARTICLE.rstrip() + """
    gateway:
      metrics: 9180
    """
PAGE = ("/", "/page.js", "/page.css", "/icon.svg")
SECOND = ARTICLE.rstrip() + """
      more: {listen: 81/tcp, to: 192.168.0.2}
    """
WRONG = ARTICLE.replace("192.168.0.2", "nowhere")


@pytest.fixture
def site(lab):
    return site_with_api(lab, tcp=[80, 81])


def dedent(config):
    lines = config.strip("\n").splitlines()
    return "\n".join(line[4:] for line in lines) + "\n"


def answers(site, port):
    return ask(site.world, "2.2.2.2", port, timeout=1) is not None


def cli(site, *words, check=True):
    return site.portreeve.run(*words, check=check)


# ---- what it answers ----

def events_once(api, **query):
    """The head of the stream and its first event."""
    sock = api.raw()
    path = "/v1/events" + ("?since=%d" % query["since"] if query else "")
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    got = b""
    while b"\n\n" not in got.partition(b"\r\n\r\n")[2]:
        got += sock.recv(65536)
    sock.close()
    head, _, body = got.partition(b"\r\n\r\n")
    return head.decode(), body.decode().partition("\n\n")[0]


def streamed(api, path):
    """The events of a stream up to the one named `end`."""
    sock = api.raw()
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    got = b""
    while b"event: end" not in got or not got.endswith(b"\n\n"):
        got += sock.recv(65536)
    sock.close()
    blocks = got.partition(b"\r\n\r\n")[2].decode().strip().split("\n\n")
    fields = [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
              for block in blocks]
    return [(one["event"], json.loads(one["data"])) for one in fields if "event" in one]


def test_every_path_is_as_described(site):
    """Each path of docs/openapi.yaml is asked for, and each answer is one that is described."""
    site.gw.sysctl("net.netfilter.nf_conntrack_acct", 1)
    site.gw.sysctl("net.netfilter.nf_conntrack_timestamp", 1)
    Daemon(site.portreeve, METRICS)
    assert answers(site, 80)
    asked = set()

    def called(method, path, body="", status=200, **query):
        got = site.api.post(path, body, **query) if method == "POST" else \
            site.api.get(path, **query)
        assert got.status == status, (path, got)
        check(method, path, got)
        asked.add(path)
        return got

    status = called("GET", "/v1/status").json
    assert status["in_force"] is True and status["problems"] == [], status
    assert {u["name"]: u["state"] for u in status["uplinks"]} == {"telecom": "up", "unicom": "up"}
    assert [u["misrouted"] for u in called("GET", "/v1/uplinks").json["uplinks"]] == [0, 0]
    assert called("GET", "/v1/maps").json["maps"][0]["name"] == "web"
    assert called("GET", "/v1/maps", name="mail").json == {"maps": [], "total": 0}
    called("GET", "/v1/maps", status=400, limit=-1)
    flow = called("GET", "/v1/flows").json["flows"][0]
    assert flow["map"] == "web" and flow["home"] == "unicom" and flow["return"] == "snat"
    assert flow["bytes"]["request"] > 0 and flow["age_s"] is not None
    assert called("GET", "/v1/traffic").json["maps"][0]["map"] == "web"
    for path in PAGE:
        called("GET", path, status=200 if status["page"] else 404)
    called("GET", "/v1/probe")
    assert "table inet portreeve" in called("GET", "/v1/plan").json["nft"]
    called("GET", "/v1/findings")
    told = called("GET", "/v1/explain", proto="tcp", src="100.100.100.100", dst="2.2.2.2:80").json
    assert told["verdict"] == "works" and told["home"] is True and told["in"] == "eth1", told
    called("GET", "/v1/explain", status=400, proto="tcp", src="nobody", dst="2.2.2.2:80")
    called("GET", "/v1/explain", status=400, proto="tcp")
    assert "portreeve_in_force 1" in called("GET", "/metrics").body.decode()
    assert called("GET", "/healthz").body == b"ok\n"
    head, event = events_once(site.api, since=0)
    assert "200 OK" in head and "text/event-stream" in head
    assert json.loads(event.partition("data: ")[2])["id"] == 1
    asked.add("/v1/events")
    last = streamed(site.api, "/v1/measure?map=web")[-1]
    assert last == ("end", {"error": None})
    asked.add("/v1/measure")
    text = called("GET", "/v1/explain", proto="tcp", src="100.100.100.100", dst="2.2.2.2:80",
                  text="plain", all=1).json["text"]
    assert "works: " in text and "\033" not in text
    for bad in ({"text": "html"}, {"return": "never"}, {"size": 70000}, {"in": "eth9"}):
        called("GET", "/v1/explain", status=400, proto="tcp", src="100.100.100.100",
               dst="2.2.2.2:80", **bad)
    called("GET", "/v1/flows", status=400, limit="many")
    called("POST", "/v1/apply", dedent(WRONG), status=422)
    assert called("POST", "/v1/apply", dedent(SECOND), confirm=60).json["confirm_within"] == 60
    called("POST", "/v1/apply", dedent(SECOND), status=409)
    called("POST", "/v1/reload", status=409)
    called("POST", "/v1/confirm")
    called("POST", "/v1/confirm", status=409)
    called("POST", "/v1/rollback")
    called("POST", "/v1/reload")
    assert called("GET", "/v1/fastpath").json["wanted"] is False
    called("POST", "/v1/fastpath", status=400)
    assert called("POST", "/v1/fastpath", switch="off").json["switched_off"] is True
    called("POST", "/v1/remove")
    assert asked == set(description()["paths"])


def test_what_there_is_not(site):
    Daemon(site.portreeve, ARTICLE)
    assert site.api.get("/v1/nothing").status == 404
    assert site.api.get("/v1/apply").status == 405
    assert site.api.post("/v1/status").status == 405
    head = site.api.ask("HEAD", "/v1/status")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 100


def test_flows_by_what_is_asked_for(site):
    Daemon(site.portreeve, ARTICLE)
    assert ask(site.world, "1.1.1.1", 80) and ask(site.world, "2.2.2.2", 80)
    flows = site.api.get("/v1/flows").json
    assert flows["total"] == 2 and {f["home"] for f in flows["flows"]} == {"telecom", "unicom"}
    assert flows["flows"][0]["bytes"] is None and "nf_conntrack_acct" in flows["conntrack"]["hint"]
    one = site.api.get("/v1/flows", uplink="unicom").json
    assert one["total"] == 1 and one["flows"][0]["address"] == "2.2.2.2"
    assert site.api.get("/v1/flows", map="mail").json["total"] == 0
    assert site.api.get("/v1/flows", client="100.100.100.0/24", limit=1).json["total"] == 2
    assert len(site.api.get("/v1/flows", client="100.100.100.0/24", limit=1).json["flows"]) == 1
    assert site.api.get("/v1/flows", client="9.9.9.9").json["total"] == 0


def test_backends_that_are_not_up(site):
    """One that answers, and one that refuses; one has a port of its own."""
    daemon = Daemon(site.portreeve, ARTICLE.replace(
        "to: 192.168.0.2", 'to: [192.168.0.2, "192.168.0.1:9"], '
                           'check: {tcp: true, every: 1s, timeout: 500ms}'))
    daemon.wait_event("backend-down")
    wait_for(lambda: len([b for b in site.api.get("/v1/maps").json["maps"][0]["backends"]
                          if b["state"] in ("up", "down")]) == 2, "both to be known")
    backends = wait_for(lambda: [b for b in [site.api.get("/v1/maps").json["maps"][0]["backends"]]
                                 if b[1]["down"]], "the plan to do without it")[0]
    assert [b["state"] for b in backends] == ["up", "down"] and backends[0]["down"] is False
    status = site.api.status()
    assert status["well"] is False and status["backends_watched"] == 2
    assert [b["address"] for b in status["backends"]] == ["192.168.0.1"]
    assert "refused" in status["problems"][0]
    text = site.api.get("/metrics").body.decode()
    assert 'portreeve_backend_up{map="web",backend="192.168.0.1:9"} 0' in text
    assert re.search(r'probe_failures_total\{map="web",backend="192.168.0.1:9",check="1",'
                     r'kind="tcp"\} [1-9]', text)
    shown = cli(site, "status", check=False)
    assert shown.returncode == 1 and shown.stdout.startswith("Not all is well."), shown


def test_metrics(site):
    """As Prometheus takes them, with its own judge; over TCP, and nothing but looking there."""
    site.gw.sysctl("net.netfilter.nf_conntrack_acct", 1)
    Daemon(site.portreeve, METRICS)
    assert answers(site, 80)
    text = site.api.get("/metrics").body.decode()
    assert re.search(r'^portreeve_connections\{map="web",uplink="unicom"\} 1$', text, re.M), text
    assert re.search(r'^portreeve_misrouted_replies_total\{uplink="unicom"\} 0$', text, re.M)
    assert re.search(r'^portreeve_snat_ports_used\{backend="192.168.0.2",port="80",'
                     r'protocol="tcp",source="192.168.0.1"\} 1$', text, re.M)
    assert re.search(r'^portreeve_connections\{map="web",uplink="telecom"\} 0$', text, re.M), text
    assert re.search(r'^portreeve_bytes_total\{map="web",uplink="unicom",direction="reply"\} '
                     r'[1-9]', text, re.M)
    assert 'portreeve_packets_total{map="web",uplink="telecom",direction="request"} 0\n' in text
    with open(REPO / "man" / "portreeve.8", encoding="utf-8") as page:
        documented = set(re.findall(r"\w+", page.read().partition(".Sh METRICS")[2]))
    assert set(re.findall(r"^# TYPE portreeve_(\w+)", text, re.M)) <= documented
    if not shutil.which("promtool"):
        pytest.skip("no promtool (Debian: prometheus)")
    judged = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                            capture_output=True)
    assert judged.returncode == 0 and not judged.stderr, judged.stdout + judged.stderr


def test_what_was_carried_never_sinks(site):
    """Counters, though the kernel's counts end with the connection."""
    site.gw.sysctl("net.netfilter.nf_conntrack_acct", 1)
    Daemon(site.portreeve, METRICS)

    def amounts(uplink):
        text = site.api.get("/metrics").body.decode()
        return [int(re.search(rf'^portreeve_{what}{{map="web",uplink="{uplink}"{direction}}} (\d+)$',
                              text, re.M)[1])
                for what, direction in (("connections", ""),
                                        ("packets_total", ',direction="request"'),
                                        ("bytes_total", ',direction="reply"'))]

    assert amounts("unicom") == [0, 0, 0]
    assert answers(site, 80)
    # Once the last packet is through: looked at twice, counted once.
    wait_for(lambda: amounts("unicom") == amounts("unicom"), "the counts to stay")
    open_ones, packets, size = amounts("unicom")
    assert open_ones == 1 and 3 <= packets < 20 and size > 100
    site.gw.run("conntrack -F")
    assert amounts("unicom") == [0, packets, size]
    assert answers(site, 80)
    assert amounts("unicom")[1] >= packets + 3
    assert amounts("telecom") == [0, 0, 0]
    # Another config keeps what went through the maps that stay.
    cli(site, "apply", site.portreeve.write(SECOND))
    assert amounts("unicom")[1] >= packets + 3


def test_traffic(site):
    """What rates are made of: of what had a connection; one look for all who ask within a second."""
    Daemon(site.portreeve, METRICS)
    empty = site.api.get("/v1/traffic").json
    assert empty["maps"] == [] and empty["uplinks"][0] == {
        "uplink": "telecom", "connections": 0, "connections_total": 0, "bytes": None,
        "packets": None, "misrouted": 0}
    site.gw.sysctl("net.netfilter.nf_conntrack_acct", 1)
    assert answers(site, 80)
    again = [site.api.get("/v1/traffic").json for _ in range(5)]
    assert again[-1]["now_ms"] - empty["now_ms"] in range(0, 1500)
    time.sleep(1.1)
    first = site.api.get("/v1/traffic").json
    assert first["now_ms"] >= empty["now_ms"] + 1000
    [web] = first["maps"]
    assert web["map"] == "web" and web["uplink"] == "unicom"
    assert web["connections"] == web["connections_total"] == 1
    assert web["bytes"]["reply"] > 100 and web["packets"]["request"] >= 3
    rows = {row["uplink"]: row for row in first["uplinks"]}
    assert rows["unicom"]["bytes"] == web["bytes"] and rows["telecom"]["bytes"]["reply"] == 0
    site.gw.run("conntrack -F")
    assert answers(site, 80)
    site.api.get("/metrics")  # a look like any other
    second = site.api.get("/v1/traffic").json
    assert second["now_ms"] > first["now_ms"]
    assert [(m["connections"], m["connections_total"]) for m in second["maps"]] == [(1, 2)]
    assert second["maps"][0]["bytes"]["reply"] > web["bytes"]["reply"]


def curl(host, *words):
    return host.run(["curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", *words],
                    check=False).stdout


def test_tcp_is_for_looking(site):
    Daemon(site.portreeve, METRICS)
    url = "http://127.0.0.1:9180"
    assert curl(site.gw, url + "/metrics") == "200"
    assert curl(site.gw, url + "/v1/status") == "200"
    assert curl(site.gw, url + "/v1/plan") == "403"
    assert curl(site.gw, "-d", "", url + "/v1/remove") == "403"
    # A stranger's page that had its name lead here, or to the end of a tunnel.
    assert curl(site.gw, "-H", "Host: evil.example:9180", url + "/v1/status") == "421"
    assert site.api.get("/v1/status", headers={"Host": "evil.example:9180"}).status == 421
    fetch = ["-H", "Sec-Fetch-Site: cross-site", "-H", "Sec-Fetch-Mode: no-cors"]
    assert curl(site.gw, *fetch, url + "/v1/findings") == "403"
    follow = ["-H", "Sec-Fetch-Site: cross-site", "-H", "Sec-Fetch-Mode: navigate"]
    assert curl(site.gw, *follow, url + "/v1/status") == "200"
    # One that asks without wanting to hear.
    asked = site.api.ask("POST", "/v1/remove", headers={"Origin": "http://evil.example"})
    assert asked.status == 403 and "web page" in asked.json["error"]
    # It goes and comes with the config.
    site.api.post("/v1/apply", dedent(ARTICLE))
    assert curl(site.gw, url + "/metrics") == "000"
    site.api.post("/v1/apply", dedent(METRICS))
    assert curl(site.gw, url + "/metrics") == "200"


def test_what_is_dear_is_rationed_over_tcp(site):
    """Several at once, and then about one a second, of all that is dear and for all together."""
    Daemon(site.portreeve, METRICS)
    url = "http://127.0.0.1:9180"
    question = url + "/v1/explain?proto=tcp&src=100.100.100.100&dst=2.2.2.2:80"
    codes = [curl(site.gw, question) for _ in range(20)]
    assert codes[0] == "200" and codes[-1] == "429", codes
    refused = site.gw.run(["curl", "-sS", "-i", "-m", "5", url + "/v1/findings"]).stdout
    assert " 429 " in refused.splitlines()[0] and re.search(r"^Retry-After: \d+\r?$", refused, re.M)
    assert "about once a second" in refused
    assert curl(site.gw, url + "/v1/status") == "200"
    assert site.api.get("/v1/findings").status == 200  # the socket is not rationed
    wait_for(lambda: curl(site.gw, url + "/v1/findings") == "200", "the next ration", timeout=30)


def test_the_page(site):
    """Served as a browser wants it, on the socket and over TCP; status says where."""
    Daemon(site.portreeve, METRICS)
    url = site.api.status()["page"]
    if url is None:
        assert b"has no page" in site.api.get("/").body
        pytest.skip("this build has no page: npm, or what it would get, was not there")
    assert url == "http://127.0.0.1:9180/"
    assert url in cli(site, "status").stdout
    page = site.api.get("/")
    assert page.status == 200 and page.body.lstrip().lower().startswith(b"<!doctype html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    total = 0
    for path in PAGE:
        packed = site.api.get(path, headers={"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.body) == site.api.get(path).body
        total += len(packed.body)
        again = site.api.get(path, headers={"Accept-Encoding": "gzip",
                                            "If-None-Match": packed.headers["ETag"]})
        assert again.status == 304 and again.body == b""
        over_tcp = site.gw.run(["curl", "-sS", "-m", "5", url.rstrip("/") + path]).stdout
        assert over_tcp.encode() == site.api.get(path).body
    assert total < 150000
    assert site.api.post("/").status == 405
    # Nothing of it comes from elsewhere.
    assert not re.search(rb"""(src|href)\s*=\s*["']?(https?:)?//""", page.body)
    site.api.post("/v1/apply", dedent(ARTICLE))
    assert site.api.status()["page"] is None


# ---- changes ----

def test_who_asked_is_an_event(site):
    daemon = Daemon(site.portreeve, ARTICLE)
    cli(site, "apply", site.portreeve.write(SECOND))
    asked = daemon.wait_event("asked")
    assert asked["what"] == "apply"
    assert re.fullmatch(r"portreeve \(pid \d+\), uid 0", asked["by"]), asked
    kinds = [event["event"] for event in daemon.events()]
    assert kinds.index("asked") < kinds.index("configured", kinds.index("asked"))
    maps = site.api.get("/v1/maps").json["maps"]
    changed = {one["name"]: one["changed_ms"] for one in maps}
    assert changed["web"] is None and abs(changed["more"] - time.time() * 1000) < 10000



def test_apply_confirm_rollback_through_the_daemon(site):
    """The command line's, which leaves them to the daemon that holds the lock."""
    daemon = Daemon(site.portreeve, ARTICLE)
    file = site.portreeve.write(SECOND)
    assert "on trial" in cli(site, "apply", "--confirm", "30", file).stdout
    assert answers(site, 81)
    status = site.api.status()
    assert status["trial"]["left_ms"] <= 30000 and status["config"]["name"] == file
    assert cli(site, "apply", file, check=False).returncode == 1
    cli(site, "confirm")
    assert site.api.status()["trial"] is None and answers(site, 81)
    assert json.loads(cli(site, "apply", "--json", file).stdout)["changed"] is False
    cli(site, "rollback")
    assert dead(site.world, "2.2.2.2", 81) and answers(site, 80)
    assert cli(site, "rollback", check=False).returncode == 1
    cli(site, "reload")  # the file still has it
    assert answers(site, 81)
    assert [e["config"] for e in daemon.events("confirmed")] == [file]


def test_a_wrong_config_changes_nothing(site):
    Daemon(site.portreeve, ARTICLE)
    file = site.portreeve.write(WRONG)
    for words in (("apply", file), ("reload",)):
        done = cli(site, *words, check=False)
        assert done.returncode == 2 and "nowhere" in done.stderr, done
        assert f"{file}:6:29: error: " in done.stderr and "    6 | " in done.stderr, done
    assert answers(site, 80) and site.api.status()["in_force"] is True
    # What stands in the file would not start again: that is not well.
    status = site.api.status()
    assert not status["well"] and status["problems"][0].startswith(f"{file} was refused"), status
    site.portreeve.write(ARTICLE)
    done = cli(site, "reload")
    assert done.stdout == "read; nothing in the kernel had to change\n"
    assert site.api.status()["well"]


def test_unconfirmed_goes_back(site):
    daemon = Daemon(site.portreeve, ARTICLE)
    cli(site, "apply", "--confirm", "1", site.portreeve.write(SECOND))
    assert answers(site, 81)
    daemon.wait_event("rolled-back")
    assert dead(site.world, "2.2.2.2", 81) and answers(site, 80)
    # The file still holds what nobody confirmed: a start does not take it from there ...
    daemon.stop()
    daemon.start()
    daemon.wait_event("unconfirmed")
    assert answers(site, 80) and dead(site.world, "2.2.2.2", 81)
    # ... until somebody asks for it.
    cli(site, "reload")
    assert answers(site, 81)


def test_the_trial_outlives_the_daemon(site):
    daemon = Daemon(site.portreeve, ARTICLE)
    file = site.portreeve.write(SECOND)
    cli(site, "apply", "--confirm", "4", file)
    daemon.kill()
    assert answers(site, 81)
    daemon.start()
    assert 0 < site.api.status()["trial"]["left_ms"] < 4000 and answers(site, 81)
    daemon.wait_event("rolled-back")
    assert dead(site.world, "2.2.2.2", 81) and answers(site, 80)


def test_a_daemon_takes_over_a_trial(site):
    """One that the command line began when none ran; the guard that it left behind goes too."""
    site.portreeve.apply(ARTICLE)
    armed = site.gw.popen([BINARY, "apply", "--confirm", "3", site.portreeve.write(SECOND)],
                          env=site.portreeve.environment(), stdout=subprocess.DEVNULL)
    assert armed.wait(10) == 0
    daemon = Daemon(site.portreeve)
    assert 0 < site.api.status()["trial"]["left_ms"] < 3000 and answers(site, 81)
    daemon.wait_event("rolled-back")
    assert dead(site.world, "2.2.2.2", 81) and answers(site, 80)
    guards = ["pgrep", "-f", f"apply --confirm 3 {site.portreeve.file}"]
    wait_for(lambda: subprocess.run(guards, capture_output=True).returncode == 1,
             "the guard to go")


def test_the_time_is_up_while_no_daemon_runs(site):
    daemon = Daemon(site.portreeve, ARTICLE)
    cli(site, "apply", "--confirm", "1", site.portreeve.write(SECOND))
    daemon.kill()
    time.sleep(1.2)
    assert answers(site, 81)  # nobody was there to take it back
    daemon.start()
    assert dead(site.world, "2.2.2.2", 81) and answers(site, 80)
    assert site.api.status()["trial"] is None


def test_after_a_reboot_the_confirmed_config_is_back(site):
    """The trial of another boot is over, however much time it had."""
    daemon = Daemon(site.portreeve, ARTICLE)
    cli(site, "apply", "--confirm", "3600", site.portreeve.write(SECOND))
    daemon.kill()
    [trial] = [os.path.join(top, name) for top, _, names in os.walk(site.portreeve.state_dir)
               for name in names if name == "trial"]
    with open(trial, encoding="utf-8") as kept:
        text = kept.read()
    with open(trial, "w", encoding="utf-8") as kept:
        kept.write(re.sub(r"^(portreeve trial) \S+", r"\1 another-boot", text))
    daemon.start()
    assert answers(site, 80) and dead(site.world, "2.2.2.2", 81)
    assert site.api.status()["trial"] is None and not os.path.exists(trial)


def test_remove_ends_the_daemon(site):
    daemon = Daemon(site.portreeve, ARTICLE)
    cli(site, "remove")
    assert daemon.process.wait(5) == 0
    assert "nothing of it is left" in daemon.events("stopped")[0]["message"]
    # Or the service manager would start it again.
    assert "Restart=on-failure" in (REPO / "share/systemd/portreeve.service.in").read_text()
    assert "portreeve" not in site.gw.run("nft list tables").stdout
    assert "180" not in site.gw.run("ip rule show").stdout


def test_the_admins_own_session_is_not_cut(site):
    Daemon(site.portreeve, ARTICLE)
    config = ARTICLE.replace("80/tcp", "22/tcp")
    session = {"SSH_CONNECTION": "100.100.100.100 51234 2.2.2.2 22"}
    done = site.portreeve.apply(config, check=False, env=session)
    assert done.returncode == 1 and "--force" in done.stderr, done
    assert answers(site, 80)
    site.portreeve.apply(config, "--force", env=session)
    assert dead(site.world, "2.2.2.2", 80)


# ---- who may ask ----

def as_user(site, *words, group="nogroup"):
    """curl as a user without rights, who stands beside the socket."""
    line = " ".join(["cd", site.portreeve.run_dir, "&&", "exec", "setpriv", "--reuid=nobody",
                     f"--regid={group}", "--clear-groups", "curl", "-sS", "-m", "5",
                     "--unix-socket", "api.sock", *words])
    return site.gw.run(["sh", "-c", line], check=False)


def test_who_may_ask(site):
    """Without a group portreeve on this machine the socket is root's group's."""
    Daemon(site.portreeve, ARTICLE)
    socket_file = site.portreeve.run_dir + "/api.sock"
    group = str(os.stat(socket_file).st_gid)
    assert os.stat(socket_file).st_mode & 0o777 == 0o660
    os.chmod(site.portreeve.run_dir, 0o755)
    status = "http://localhost/v1/status"
    assert as_user(site, status).returncode == 7  # the socket's mode does not let him
    member = as_user(site, status, group=group)
    assert member.returncode == 0 and json.loads(member.stdout)["in_force"] is True, member
    denied = as_user(site, "-X", "POST", "-d", "x", "http://localhost/v1/remove", group=group)
    assert "may change things" in json.loads(denied.stdout)["error"]
    # Neither does it help that somebody opened the socket to all.
    os.chmod(socket_file, 0o666)
    assert "group portreeve" in json.loads(as_user(site, status).stdout)["error"]
    assert answers(site, 80)


def test_no_permission_is_said(site):
    Daemon(site.portreeve, ARTICLE)
    os.chmod(site.portreeve.run_dir, 0o755)
    # He need not be able to get to where the program is built, nor to the lab's directory.
    line = f"cd {site.portreeve.run_dir} && exec setpriv --reuid=nobody --regid=nogroup " \
           f"--clear-groups env PORTREEVE_RUN_DIR=. /proc/self/fd/9 status 9<{BINARY}"
    done = site.gw.run(["sh", "-c", line], check=False)
    assert done.returncode == 3 and "group portreeve" in done.stderr, done


def as_member(site, *words):
    """portreeve as a user without rights, who is in the socket's group."""
    os.chmod(site.portreeve.run_dir, 0o755)
    group = os.stat(site.api.path).st_gid
    line = f"cd {site.portreeve.run_dir} && exec setpriv --reuid=nobody --regid={group} " \
           "--clear-groups env PORTREEVE_RUN_DIR=. /proc/self/fd/9 " + " ".join(words) + \
           f" 9<{BINARY}"
    return site.gw.run(["sh", "-c", line], check=False)


def test_members_of_the_group_ask_why_and_measure(site):
    """No root, and no file: the daemon's own is another one than the default."""
    Daemon(site.portreeve, ARTICLE)
    question = ["explain", "tcp", "100.100.100.100", "2.2.2.2:80"]
    told = as_member(site, *question)
    assert told.returncode == 0 and not told.stderr, told
    # The same as from a look of one's own, where only the config has another name.
    own = cli(site, *question, "--live").stdout
    assert own.replace("the applied config", site.portreeve.file) == told.stdout
    told, own = (json.loads(done.stdout) for done in
                 (as_member(site, *question, "--json"), cli(site, *question, "--live", "--json")))
    assert sorted(told) == sorted(own) and told["why"] == own["why"]
    broken = as_member(site, "explain", "tcp", "100.100.100.100", "2.2.2.2:99")
    assert broken.returncode == 1, broken
    wrong = as_member(site, *question, "--in", "eth11")
    assert wrong.returncode == 2 and "did you mean 'eth1'" in wrong.stderr, wrong
    assert as_member(site, "explain", "tcp", "nobody", "2.2.2.2:80").returncode == 2

    measured = as_member(site, "probe")
    assert measured.returncode == 0, measured
    ours = cli(site, "probe", site.portreeve.file).stdout
    assert "snat: it has a way out of its own" in ours
    times = re.compile(r"[\d.]+ ms")
    assert times.sub("", measured.stdout) == times.sub("", ours)
    measured = json.loads(as_member(site, "probe", "--json", "--map", "web").stdout)
    assert [b["return"] for b in measured["backends"]] == ["snat"], measured
    assert "text" not in measured["backends"][0]
    none = as_member(site, "probe", "--map", "no")
    assert none.returncode == 2 and "no map 'no'" in none.stderr, none


def test_one_measurement_at_a_time(site):
    """And whoever goes away ends it."""
    Daemon(site.portreeve, ARTICLE)
    site.backend.nft("add table inet deaf")
    site.backend.nft("add chain inet deaf in { type filter hook input priority 0; policy drop; }")
    first = site.api.raw()
    first.sendall(b"GET /v1/measure HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200 OK" in first.recv(65536)
    done = cli(site, "probe", check=False)
    assert done.returncode == 1 and "somebody else has" in done.stderr, done
    first.close()
    wait_for(lambda: "somebody else" not in cli(site, "probe", check=False).stderr,
             "the first one to end", timeout=20)
    assert site.api.status()["in_force"] is True


def test_one_daemon_keeps_its_socket(site, lab):
    """Another one, of another namespace, with the same run directory."""
    Daemon(site.portreeve, ARTICLE)
    other = lab.host("other")
    done = other.run([BINARY, "run", site.portreeve.file], check=False, timeout=20,
                     env=site.portreeve.environment())
    assert done.returncode == 3 and "another daemon" in done.stderr, done
    assert site.api.status()["in_force"] is True


def test_a_stale_socket_is_replaced(site):
    daemon = Daemon(site.portreeve, ARTICLE)
    daemon.kill()
    assert os.path.exists(site.api.path)
    daemon.start()
    assert site.api.status()["in_force"] is True
    daemon.stop()
    assert not os.path.exists(site.api.path)


def test_it_is_not_asked_about_another_namespace(site, lab):
    """A socket file belongs to none: the command says which it means."""
    Daemon(site.portreeve, ARTICLE)
    other = lab.host("other")
    done = other.run([BINARY, "status"], check=False, env=site.portreeve.environment())
    assert "no daemon runs" in done.stdout + done.stderr, done
    done = other.run([BINARY, "reload"], check=False, env=site.portreeve.environment())
    assert done.returncode == 3 and "no daemon runs" in done.stderr


# ---- clients that mean harm, or do it ----

def quick(site):
    """Does it still answer, and at once?"""
    start = time.monotonic()
    assert site.api.status()["in_force"] is True
    return time.monotonic() - start < 1


def test_idle_connections(site):
    daemon = Daemon(site.portreeve, ARTICLE)
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(site.api.path)
        time.sleep(1.1)  # from then on the idlest make room
        assert quick(site)
        text = site.api.get("/metrics").body.decode()
        refused = int(re.search(r"^portreeve_api_refused_total (\d+)", text, re.M)[1])
        open_now = int(re.search(r"^portreeve_api_connections (\d+)", text, re.M)[1])
        assert refused >= 700 and open_now <= 256, (refused, open_now)
        assert len(os.listdir(f"/proc/{daemon.process.pid}/fd")) < 320
    assert answers(site, 80)


def test_slow_and_huge_requests(site):
    daemon = Daemon(site.portreeve, ARTICLE)
    slow = [site.api.raw() for _ in range(20)]
    for sock in slow:
        sock.sendall(b"GET /v1/status HTTP/1.1\r\nHost: ")
    assert quick(site)
    before = daemon.rss_kib()

    def refused(request):
        sock = site.api.raw()
        with contextlib.suppress(OSError):  # it need not be read to its end
            sock.sendall(request)
        return int(sock.recv(65536).split()[1])

    assert refused(b"GET / HTTP/1.1\r\nX: " + b"x" * 20000 + b"\r\n\r\n") == 431
    assert refused(b"POST /v1/apply HTTP/1.1\r\nContent-Length: 68157440\r\n\r\n") == 413
    assert refused(b"POST /v1/apply HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n") == 501
    assert refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n") == 400
    huge = site.api.raw()
    huge.sendall(b"POST /v1/apply HTTP/1.1\r\nContent-Length: 33554432\r\n\r\n" + b" " * 1000000)
    assert quick(site)
    huge.close()
    assert quick(site) and daemon.rss_kib() - before < 16384
    # Those who do not get to the point are let go.
    slow[0].settimeout(20)
    assert slow[0].recv(1) == b""


def test_a_follower_that_does_not_read(site):
    """It is dropped, and the others go on."""
    daemon = Daemon(site.portreeve, ARTICLE)
    deaf = site.api.raw()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(b"GET /v1/events?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: b"portreeve_api_connections 2" in site.api.get("/metrics").body,
             "the follower to be there")
    site.portreeve.write("maps: {" + "x" * 3000 + ": {}}\n")
    for _ in range(1000):  # each is an event, and tells the reasons
        assert site.api.post("/v1/reload").status == 422
        if b"portreeve_api_connections 1\n" in site.api.get("/metrics").body:
            break
    else:
        raise AssertionError("the follower is still there")
    assert daemon.process.poll() is None


# ---- the commands that show ----

def test_commands_with_a_daemon(site):
    site.gw.sysctl("net.netfilter.nf_conntrack_acct", 1)
    Daemon(site.portreeve, METRICS)
    assert answers(site, 80)
    status = cli(site, "status").stdout
    assert status.startswith("All is well.") and "telecom" in status
    assert len(status.splitlines()) <= 24 and max(map(len, status.splitlines())) <= 80 + 60
    flows = cli(site, "flows").stdout
    assert re.search(r"web +unicom +100\.100\.100\.100:\d+ +2\.2\.2\.2:80 +192\.168\.0\.2:80 +snat",
                     flows), flows
    top = json.loads(cli(site, "top", "--json", "--interval", "1").stdout)
    assert top["maps"]["web"]["connections"] == 1 and "100.100.100.100" in top["clients"]
    assert "BY UPLINK" in cli(site, "top", "--once", "--interval", "1").stdout
    with site.gw.popen([BINARY, "events", "--since", "0", "--json"], stdout=subprocess.PIPE,
                       env=site.portreeve.environment()) as follower:
        assert json.loads(follower.stdout.readline())["id"] == 1
        follower.terminate()


@pytest.mark.parametrize("words", (["top", "--interval", "1"], ["status", "--watch"]))
def test_pages_on_a_terminal(site, words):
    """They fit, and q ends them and leaves the terminal as it was."""
    Daemon(site.portreeve, ARTICLE)
    assert answers(site, 80)
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    before = termios.tcgetattr(slave)
    process = site.gw.popen([BINARY, *words], stdin=slave, stdout=slave,
                            env=site.portreeve.environment(TERM="xterm"))
    shown = b""
    while b"telecom" not in shown and b"unicom" not in shown:
        shown += os.read(master, 65536)
    assert termios.tcgetattr(slave)[3] & termios.ECHO == 0
    os.write(master, b"q")
    assert process.wait(5) == 0
    assert termios.tcgetattr(slave) == before
    shown += os.read(master, 65536)
    pages = shown.decode().split("\033[H")[1:]
    assert pages and all(len(page.splitlines()) <= 24 for page in pages)
    assert shown.endswith(b"\033[?25h\033[?1049l")  # the cursor, and the page before
    os.close(master)
    os.close(slave)


def on_terminal(site, columns, *words):
    """What a command prints where it fills a terminal of that width."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    process = site.gw.popen([BINARY, *words], stdin=slave, stdout=slave,
                            env=site.portreeve.environment(TERM="xterm"))
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while data := os.read(master, 65536):
            shown += data
    os.close(master)
    assert process.wait(5) == 0
    return shown.decode().splitlines()


def test_flows_fit_the_terminal(site):
    Daemon(site.portreeve, ARTICLE)
    assert answers(site, 80)
    wide = on_terminal(site, 200, "flows")
    assert len(wide[0].split()) == 11 and len(wide[0]) > 80, wide
    narrow = on_terminal(site, 80, "flows")
    assert max(map(len, narrow)) <= 80 and "STATE" in narrow[0], narrow
    assert narrow[1].split() == [one for one in wide[0].split()
                                 if one not in narrow[0].replace(",", " ").split()]
    assert "100.100.100.100" in narrow[2] and "192.168.0.2:80" in narrow[2]


def test_a_post_without_a_body(site):
    """As curl -X POST sends it: without a length."""
    Daemon(site.portreeve, ARTICLE)
    def post(path):
        return json.loads(site.gw.run(["curl", "-sS", "-m", "5", "-X", "POST", "--unix-socket",
                                       site.api.path, "http://localhost" + path]).stdout)
    assert "changed" in post("/v1/reload")
    assert post("/v1/apply")["diagnostics"]  # an empty config is wrong
    assert answers(site, 80)


def test_commands_without_a_daemon(site):
    done = cli(site, "status", check=False)
    assert done.returncode == 1 and "nothing was applied" in done.stdout, done
    site.portreeve.apply(ARTICLE)
    assert answers(site, 80)
    status = cli(site, "status")
    assert status.stdout.startswith("All is well.") and "no daemon runs" in status.stdout
    assert "web" in cli(site, "flows").stdout
    site.gw.run("nft flush ruleset")
    done = cli(site, "status", "--json", check=False)
    assert done.returncode == 1 and json.loads(done.stdout)["in_force"] is False
    assert cli(site, "reload", check=False).returncode == 3
    assert cli(site, "events", check=False).returncode == 3


def test_status_of_a_thousand_maps_is_quick(site):
    maps = "".join(f"      m{i}: {{listen: {10000 + i}/tcp, to: 192.168.0.2}}\n"
                   for i in range(1000))
    Daemon(site.portreeve, ARTICLE.rstrip() + "\n" + maps)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        assert site.api.get("/v1/status").status == 200
        times.append((time.perf_counter() - start) * 1000)
    assert site.api.status()["config"]["maps"] == 1001
    maps = site.api.get("/v1/maps", offset=999, limit=5).json
    assert maps["total"] == 1001 and [m["name"] for m in maps["maps"]] == ["m998", "m999"]
    print(f"status at 1,001 maps: median {statistics.median(times):.1f} ms")
    assert statistics.median(times) < 20, times


def ask_for(api, path):
    """A client that has read nothing but the head of the answer yet."""
    sock = api.raw(timeout=60)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    return sock, answer


def test_a_large_answer_is_read_while_others_are_heard(site):
    """It is made as it is read, and of the plan that was in force when it was asked for."""
    many = ARTICLE.rstrip() + "\n" + "".join(
        f"      m{i}: {{listen: {10000 + i}/tcp, to: 192.168.0.2}}\n" for i in range(20000))
    daemon = Daemon(site.portreeve, many)
    shown = json.loads(site.portreeve.show(many, "--as", "json").stdout)
    before = daemon.rss_kib()
    clients = [ask_for(site.api, path) for path in
               ("/v1/plan", "/v1/maps?limit=65535", "/v1/plan", "/v1/maps?limit=65535")]
    assert all(answer.status == 200 for _, answer in clients)
    assert clients[0][1].getheader("Transfer-Encoding") == "chunked"
    assert daemon.rss_kib() - before < 4096  # a plan is 10 MiB as JSON
    assert site.api.get("/v1/maps", limit=20000).status == 503
    assert site.api.get("/v1/maps", limit=20).status == 200

    # The plan goes, and its config with it; who reads goes on.
    beginnings = [answer.read(100000) for _, answer in clients]
    daemon.write(ARTICLE)
    daemon.reload()
    daemon.wait_event("configured", after=1)
    site.gw.run("ip rule del pref 501")
    daemon.wait_event("drift")
    assert site.api.status()["config"]["maps"] == 1
    for beginning, (sock, answer), name in zip(beginnings, clients, ("plan", "maps") * 2):
        whole = json.loads(beginning + answer.read())
        assert len(whole["maps"]) == 20001
        if name == "plan":
            assert all(whole[key] == shown[key] for key in whole if key != "nft")
        else:
            assert whole["total"] == 20001
        sock.close()
    assert len(site.api.get("/v1/plan").json["maps"]) == 1


def test_traffic_of_many_busy_maps(site, lab):
    """Its reader gets the rows of one look, and the others are heard in between."""
    Daemon(site.portreeve, ARTICLE.rstrip() + "\n" + "".join(
        f"      m{i}: {{listen: {10000 + i}/tcp, to: 192.168.0.2}}\n" for i in range(10000)))
    assert answers(site, 80)
    # Like this one, as if as many clients were here.
    [saved] = site.gw.run("conntrack -L -o save -p tcp -d 2.2.2.2 --dport 80").stdout.splitlines()
    mark = re.search(r"mark=(\d+)", site.gw.run("conntrack -L -d 2.2.2.2").stdout)[1]
    with open(lab.path("connections"), "w", encoding="ascii") as file:
        for port in range(10000, 20000):
            line = re.sub(r"(--dport|--reply-port-src) 80", rf"\1 {port}", saved)
            file.write(re.sub(r" -t \d+", " -t 600", line) + f" -m {mark}\n")
    site.gw.run(f"conntrack -R {file.name}")

    time.sleep(1.1)  # from then on another look is due
    sock, answer = ask_for(site.api, "/v1/traffic")
    assert answer.getheader("Transfer-Encoding") == "chunked"
    begun = answer.read(50000)
    assert quick(site)
    site.gw.run("conntrack -F")
    site.api.get("/metrics")  # looks again
    rows = json.loads(begun + answer.read())["maps"]
    assert len(rows) == 10001 and all(row["connections"] == 1 for row in rows)
    sock.close()
