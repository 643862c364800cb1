# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark works: what it says of speed is for those who run it, that it says it is tested here."""

import json
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest

from gateway import BINARY, REPO

FLOWS = 500


def bench(tmp_path, *arguments):
    for program in ("clang", "bpftool", "ethtool"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed (tools/setup bench)")
    if not pathlib.Path("/usr/include/bpf/libbpf.h").exists():
        pytest.skip("libbpf-dev is not installed (tools/setup bench)")
    figures = tmp_path / "figures.json"
    done = subprocess.run([REPO / "bench" / "run", BINARY, "--quick", "--only", "packets",
                           "--seconds", "0.3", "--flows", str(FLOWS), "--json", figures, *arguments],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(figures.read_text())["packets"], done.stdout


def test_packets_are_counted_and_a_page_is_written(tmp_path):
    """A packet that was not rightly translated, and a flow that did not get through, would have been
    a reason to skip."""
    page = tmp_path / "bench.md"
    part, text = bench(tmp_path, "--contenders", "redirect,nft,portreeve", "--doc", page)
    assert part["skipped"] == {}
    figures = part["flows"][str(FLOWS)]
    assert set(figures) == {"redirect", "nft", "portreeve"}
    for way in ("requests", "replies"):
        assert all(v[way]["median"] > 0 for v in figures.values())
        assert set(figures["portreeve"][f"{way}_latency_ns"]) == {"50", "90", "99", "99.9"}
    assert "portreeve, fast path off" in text
    plots = re.findall(r"!\[[^]]*\]\(([^)]*\.svg)\)", page.read_text())
    assert len(plots) == 3  # requests, replies, latency
    for plot in plots:
        assert xml.etree.ElementTree.parse(tmp_path / plot).getroot().tag.endswith("}svg")


@pytest.mark.parametrize("edit, reason", [
    # Without marks replies leave by the default route, and nothing comes where it is counted.
    ("s/meta mark set ct mark//", r"0 flows did not reach .*, 500 not their client"),
    # A header that is not what it must be.
    ("s/meta mark set ct mark/& ip ttl set 50/", r"(\d+) of \1 packets .* not right"),
])
def test_what_is_not_right_is_not_counted(tmp_path, monkeypatch, edit, reason):
    nft = tmp_path / "nft"
    nft.write_text(f"#!/bin/sh\nsed '{edit}' | exec {shutil.which('nft')} \"$@\"\n")
    nft.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin")
    part, text = bench(tmp_path, "--contenders", "nft")
    assert re.fullmatch(reason, part["skipped"]["nft"])
    assert "SKIP" in text
