# SPDX-License-Identifier: GPL-2.0-or-later
"""portreeve as a test runs it on a gateway: its own directories, config as text."""

import json
import os
import pathlib
import textwrap

REPO = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PORTREEVE", str(REPO / "build" / "portreeve"))

# The article's gateway. Pieces of config are indented alike, so that they can be put together.
UPLINKS = """
    uplinks:
      telecom: {interface: eth0, gateway: 1.1.1.254}
      unicom:  {interface: eth1, gateway: 2.2.2.254}
    """
ARTICLE = UPLINKS + """
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
    """


class Portreeve:
    """The command on one host. Every call gives the CompletedProcess; with check (the default of
    the verbs) an exit other than 0 fails the test and shows the output."""

    def __init__(self, host):
        self.host = host
        self.file = host.lab.path(f"{host.name}.yaml")
        self.run_dir = host.lab.path(f"{host.name}-run")
        self.state_dir = host.lab.path(f"{host.name}-state")
        os.makedirs(self.run_dir)
        os.makedirs(self.state_dir)

    def environment(self, **more):
        # The test's own session must not look like the admin's of the gateway.
        ours = {key: value for key, value in os.environ.items() if not key.startswith("SSH_")}
        # A daemon that makes a system call which is not on its list dies of it.
        return {"PORTREEVE_SECCOMP": "kill", **ours, "NO_COLOR": "1", "PORTREEVE_RUN_DIR": self.run_dir,
                "PORTREEVE_STATE_DIR": self.state_dir, **more}

    def write(self, config):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(config).lstrip("\n"))
        return self.file

    def run(self, verb, *arguments, config=None, check=True, env=None):
        files = [self.write(config)] if config is not None else []
        return self.host.run([BINARY, verb, *arguments, *files], check=check,
                             env=self.environment(**(env or {})))

    def check(self, config, *arguments, **options):
        return self.run("check", *arguments, config=config, **options)

    def show(self, config, *arguments, **options):
        return self.run("show", *arguments, config=config, **options)

    def diff(self, config, *arguments, **options):
        return self.run("diff", *arguments, config=config, **options)

    def apply(self, config, *arguments, **options):
        return self.run("apply", *arguments, config=config, **options)

    def apply_json(self, config, *arguments, **options):
        return json.loads(self.apply(config, "--json", *arguments, **options).stdout)

    def remove(self, *arguments, **options):
        return self.run("remove", *arguments, **options)

    def rollback(self, *arguments, **options):
        return self.run("rollback", *arguments, **options)

    def confirm(self, *arguments, **options):
        return self.run("confirm", *arguments, **options)
