# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures for the command line: the program itself, and files for it to read."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("PORTREEVE", str(TOP / "build" / "portreeve"))

ARTICLE = """\
uplinks:
  telecom: {interface: pr-none0, gateway: 1.1.1.254, address: 1.1.1.1}
  unicom:  {interface: pr-none1, gateway: 2.2.2.254, address: 2.2.2.2}
maps:
  web: {listen: 80/tcp, to: 192.168.0.2}
"""


# What the article's gateway has, as a script for a network of its own.
GATEWAY = """
ip link set lo up
ip link add eth0 type veth peer name isp0
ip link add eth1 type veth peer name isp1
ip link add eth2 type veth peer name lan0
for i in eth0 eth1 eth2 isp0 isp1 lan0; do ip link set $i up; done
ip addr add 1.1.1.1/24 dev eth0
ip addr add 2.2.2.2/24 dev eth1
ip addr add 192.168.0.1/24 dev eth2
ip route add default via 1.1.1.254
"""

LIVE = """\
uplinks:
  telecom: {interface: eth0, gateway: 1.1.1.254}
  unicom:  {interface: eth1, gateway: 2.2.2.254}
maps:
  web: {listen: 80/tcp, to: 192.168.0.2}
"""

# What root puts before a command so that it runs as an ordinary user.
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@pytest.fixture
def run():
    """Run portreeve with the given words; `through` is a command to run it through."""

    def call(*words, text=None, env=None, through=(), **more):
        clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
        return Result(subprocess.run(
            [*through, PROGRAM, *map(str, words)], input=text or "", env={**clean, **(env or {})},
            capture_output=True, text=True, timeout=60, **more))

    return call


@pytest.fixture
def article(tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text(ARTICLE)
    return file


@pytest.fixture
def live(tmp_path):
    file = tmp_path / "live.yaml"
    file.write_text(LIVE)
    return file


@pytest.fixture
def unprivileged():
    """A command that takes the right to administer the network away, also from root."""
    if os.geteuid() != 0:
        return ()
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv(1) to drop the right to administer the network")
    return ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")


@pytest.fixture
def own_network(tmp_path):
    """Run a shell script, with the program as $0, in a network of its own."""
    line = ("unshare", "-Urn", "sh", "-ec")
    if subprocess.run([*line, "true"], capture_output=True).returncode != 0:
        pytest.skip("this system does not let us make user namespaces")
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("SSH_")},
           "PORTREEVE_RUN_DIR": str(tmp_path / "run"),
           "PORTREEVE_STATE_DIR": str(tmp_path / "state")}

    def call(script, *words):
        return Result(subprocess.run([*line, script, PROGRAM, *map(str, words)], env=env,
                                     capture_output=True, text=True, timeout=60,
                                     stdin=subprocess.DEVNULL))

    return call
