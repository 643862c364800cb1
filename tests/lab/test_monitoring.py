# SPDX-License-Identifier: GPL-2.0-or-later
"""Alert rules and dashboard: right by Prometheus' own judge, and about metrics that a daemon has."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field

import jsonschema
import pytest
import yaml

from api import site_with_api
from daemon import Daemon
from gateway import REPO
from lab import wait_for
from traffic import ask

RULES = REPO / "share" / "prometheus" / "portreeve.rules.yml"
DASHBOARD = REPO / "share" / "grafana" / "portreeve.json"
TESTS = REPO / "tests" / "monitoring"

# Everything that has metrics: checks of both kinds, several backends, SNAT, and the fast path.
CONFIG = """
    uplinks:
      telecom: {interface: eth0, gateway: 1.1.1.254, check: {icmp: [1.1.1.254], every: 1s}}
      unicom:  {interface: eth1, gateway: 2.2.2.254, check: {icmp: [2.2.2.254], every: 1s}}
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2, return: snat, check: {tcp: true, every: 1s}}
    gateway: {fastpath: tc}
    """
# Of Prometheus itself: labels that it adds to what it reads, and the series that it makes.
ADDED = {"instance", "job", "alertname", "severity"}


def rules():
    with open(RULES, encoding="utf-8") as file:
        return [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]


def dashboard():
    with open(DASHBOARD, encoding="utf-8") as file:
        return json.load(file)


def filled_in(expression):
    """An expression of the dashboard as Prometheus gets it from Grafana."""
    for interval in ("$__rate_interval", "$__range", "$__interval"):
        expression = expression.replace(interval, "5m")
    return re.sub(r"\$\w+", ".+", expression)


def questions(board):
    """All expressions of the dashboard, each with the text that names labels of its answer."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield filled_in(target["expr"]), target.get("legendFormat", "")
    for one in board["annotations"]["list"]:
        yield filled_in(one["expr"]), one["textFormat"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)",
                                         variable["query"]["query"]).groups()
            yield f"count by ({label}) ({filled_in(series)})", ""


def promtool(*words, **more):
    if not shutil.which("promtool"):
        pytest.skip("no promtool (Debian: prometheus)")
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_are_right():
    assert f"{len(rules())} rules found" in promtool("check", "rules", str(RULES))
    promtool("test", "rules", str(TESTS / "portreeve.rules.test.yml"))


def test_each_alert_fires_and_is_quiet_in_the_tests():
    with open(TESTS / "portreeve.rules.test.yml", encoding="utf-8") as file:
        cases = [case for test in yaml.safe_load(file)["tests"]
                 for case in test.get("alert_rule_test", [])]
    names = {rule["alert"] for rule in rules()}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == names
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == names


def test_each_alert_says_what_to_do():
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_dashboard_is_one_for_grafana():
    board = dashboard()
    with open(TESTS / "dashboard.schema.json", encoding="utf-8") as file:
        jsonschema.validate(board, json.load(file))
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))
    taken = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
        refs = [target["refId"] for target in panel.get("targets", [])]
        assert len(refs) == len(set(refs)), panel["title"]
    known = {variable["name"] for variable in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(board))) - known == {
        "__rate_interval", "__range", "__all"}


def test_expressions_of_the_dashboard_are_right(tmp_path):
    made = [{"record": f"question:{i}", "expr": expression}
            for i, (expression, _) in enumerate(questions(dashboard()))]
    assert len(made) > 30
    file = tmp_path / "questions.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": made}]}))
    assert f"{len(made)} rules found" in promtool("check", "rules", str(file))


@dataclass
class Exported:
    """What a daemon's page has: each metric's labels, as far as it has a value."""
    labels: dict = field(default_factory=dict)

    @classmethod
    def of(cls, text):
        made = cls()
        for line in text.splitlines():
            found = re.match(r"(portreeve_\w+)(?:\{(.*)\})? ", line)
            if found:
                made.labels.setdefault(found[1], set()).update(
                    re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', found[2] or ""))
        return made

    def judge(self, expression, more=""):
        """Fails unless the metrics and labels that are asked for are there."""
        metrics = set(re.findall(r"\bportreeve_\w+", expression))
        assert metrics <= set(self.labels), expression
        asked = set(re.findall(r"(\w+)(?==~?\")", expression))
        for words in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            asked |= set(words.split(", "))
        asked |= set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)", more)) - {"value"}
        had = set().union(ADDED, *(self.labels[metric] for metric in metrics))
        assert asked <= had, (expression, more, asked - had)


def test_metrics_are_those_of_a_daemon(lab):
    """A metric or label that is renamed must be renamed in the rules and the dashboard, too."""
    site = site_with_api(lab, tcp=[80])
    site.gw.sysctl("net.netfilter.nf_conntrack_acct", 1)
    daemon = Daemon(site.portreeve, CONFIG)
    assert ask(site.world, "1.1.1.1", 80)

    def page():
        text = site.api.get("/metrics").body.decode()
        return text if 'backend_up{map="web"' in text and "probe_rtt_seconds{map" in text and \
            'uplink_up{uplink="unicom"' in text else None

    text = wait_for(page, "all to be known", timeout=20)
    expressions = list(questions(dashboard()))
    if not re.search(r"^portreeve_fastpath_passed_packets_total\{", text, re.M):
        # A kernel without it: why is among the events, and what is asked of it cannot be judged.
        assert daemon.events("fastpath-refused")
        expressions = [pair for pair in expressions if "_fastpath_" not in pair[0]]
    exported = Exported.of(text)
    for rule in rules():
        exported.judge(rule["expr"], " ".join(rule["annotations"].values()))
    for expression, legend in expressions:
        exported.judge(expression, legend)


def test_a_refused_file_is_told(lab):
    site = site_with_api(lab)
    daemon = Daemon(site.portreeve, CONFIG)

    def refused(config):
        daemon.write(config)
        site.portreeve.run("reload", check=False)
        return re.search(r"^portreeve_config_refused (\d)$",
                         site.api.get("/metrics").body.decode(), re.M)[1]

    assert refused(CONFIG) == "0"
    assert refused(CONFIG.replace("192.168.0.2", "nowhere")) == "1"
    assert refused(CONFIG) == "0"
