# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian of its own for the package: this machine's files under an overlay, the lab's gateway for a
network, and a service manager that knows one unit. `make deb` first, or PORTREEVE_DEB names the package."""

import os
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[3]
sys.path.append(str(TOP / "tests/lab"))

import lab as lab_module  # noqa: E402
from lab import Lab  # noqa: E402
from topology import Site  # noqa: E402
from traffic import serve  # noqa: E402

SYSTEMCTL = pathlib.Path(__file__).parent / "systemctl"

MOUNT = """
mount --make-rprivate /
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for i in run tmp; do mount -t tmpfs none "$1/root/$i"; done
for i in proc sys dev; do mount --rbind "/$i" "$1/root/$i"; done
mount -t sysfs none "$1/root/sys"
rm -rf "$1/root/etc/portreeve" "$1/root/var/lib/portreeve" "$1/root/usr/sbin/policy-rc.d"
mkdir -p "$1/root/run/systemd/system"
echo ready
exec sleep infinity
"""


class Machine:
    """The gateway of the article's network, on which packages can be installed."""

    def __init__(self, site):
        self.site = site
        where = site.lab.path("machine")
        os.makedirs(where)
        holder = site.gw.popen(["unshare", "--mount", "sh", "-ec", MOUNT, "sh", where],
                               stdout=subprocess.PIPE)
        assert holder.stdout.readline() == "ready\n"
        self.enter = ["nsenter", f"--target={holder.pid}", "--mount", "chroot", where + "/root"]
        self.write("/usr/bin/systemctl", SYSTEMCTL.read_text(), mode="755")

    def run(self, *words, check=True, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SSH_", "PORTREEVE"))}
        return self.site.gw.run([*self.enter, *map(str, words)], check=check, timeout=120,
                                env={**clean, "DEBIAN_FRONTEND": "noninteractive", **environment})

    def sh(self, script, **options):
        return self.run("sh", "-ec", script, **options)

    def write(self, path, text, mode="644"):
        self.site.gw.run([*self.enter, "install", "-D", "-m", mode, "/dev/stdin", path], input=text)

    def read(self, path):
        return self.run("cat", path).stdout

    def has(self, path):
        return self.run("test", "-e", path, check=False).returncode == 0

    def calls(self):
        """What was asked of the service manager since the last time."""
        return [line for line in self.sh("touch /run/calls; cat /run/calls; : >/run/calls").stdout.splitlines()
                if "portreeve.service" in line]

    def install(self, package):
        # The package lies outside: /tmp is the machine's own.
        with open(package, "rb") as file:
            subprocess.run(["nsenter", *self.enter[1:], "sh", "-c", "cat >/tmp/package.deb"],
                           stdin=file, check=True)
        return self.run("dpkg", "-i", "/tmp/package.deb")


def pytest_sessionstart(session):
    if os.geteuid() != 0:
        pytest.exit("packages are installed, if below an overlay: run it as root", returncode=2)


def pytest_sessionfinish(session, exitstatus):
    lab_module.close_all()


@pytest.fixture(scope="session")
def package():
    named = os.environ.get("PORTREEVE_DEB")
    found = [pathlib.Path(named)] if named else sorted((TOP / "build/deb").glob("portreeve_*.deb"))
    if not found:
        pytest.exit("there is no package: `make deb` builds it", returncode=2)
    return found[-1]


@pytest.fixture(scope="session")
def newer(package, tmp_path_factory):
    """The same package as the next version of it."""
    work = tmp_path_factory.mktemp("newer")
    subprocess.run(["dpkg-deb", "--raw-extract", package, work / "tree"], check=True)
    control = work / "tree/DEBIAN/control"
    lines = control.read_text().splitlines()
    control.write_text("".join(
        f"{line}.1\n" if line.startswith("Version:") else f"{line}\n" for line in lines))
    subprocess.run(["dpkg-deb", "-Zgzip", "--root-owner-group", "--build", work / "tree",
                    work / "newer.deb"], check=True, capture_output=True)
    return work / "newer.deb"


@pytest.fixture
def machine():
    with Lab() as made:
        site = Site(made)
        serve(site.backend, tcp=[80])
        site.gw.sysctl("net.ipv4.ip_forward", 1)
        site.gw.sysctl("net.ipv4.conf.eth1.rp_filter", 1)
        yield Machine(site)
