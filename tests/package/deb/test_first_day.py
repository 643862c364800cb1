# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway with the article's rules, one of whose lines is dead: the package, `init`, `apply`, the page."""

import os
import subprocess
import time

from lab import wait_for
from test_article import STAGES
from traffic import ask, together

LISTEN = "127.0.0.1:9160"


def both(machine):
    return together(*(lambda a=a: bool(ask(machine.site.world, a, 80, timeout=1))
                      for a in ("1.1.1.1", "2.2.2.2")))


def page(machine, path="/"):
    return machine.run("curl", "-s", "--max-time", "2", f"http://{LISTEN}{path}", check=False).stdout


def test_from_naive_rules_to_the_page(machine, package):
    for command in STAGES["dnat, snat"].commands:
        machine.site.gw.run(command)
    assert both(machine) == [True, False]
    machine.install(package)

    told = machine.run("portreeve", "init").stdout
    assert "portreeve apply" in told
    machine.run("portreeve", "check")
    machine.run("portreeve", "apply")
    assert both(machine) == [True, True]

    proposed = machine.read("/etc/portreeve/gateway.yaml")
    machine.write("/etc/portreeve/gateway.yaml", f"{proposed}\ngateway: {{metrics: '{LISTEN}'}}\n")
    daemon = machine.site.gw.popen([*machine.enter, "portreeve", "run"], stderr=subprocess.DEVNULL)
    wait_for(lambda: "<title>" in page(machine), "the page")
    assert '"well"' in page(machine, "/v1/status")
    assert both(machine) == [True, True]
    if where := os.environ.get("PORTREEVE_SCREENSHOTS"):
        time.sleep(5)  # until the daemon has measured how replies return
        machine.site.gw.run(["chromium", "--headless", "--no-sandbox", "--window-size=1280,860",
                             "--virtual-time-budget=6000", f"--screenshot={where}/first-day.png",
                             f"http://{LISTEN}/"], timeout=60)
    daemon.terminate()
    assert daemon.wait(20) == 0
    assert both(machine) == [True, True]
