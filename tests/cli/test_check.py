# SPDX-License-Identifier: GPL-2.0-or-later
"""portreeve check: what it says of right and wrong files, as text and as JSON."""

import os

import pytest

TWO_MISTAKES = """\
uplinks:
  telecom: {interface: eth0, gatway: 1.1.1.254}
maps:
  web: {listen: 80/tcp, to: 192.168.0.2}
  shop: {listen: 80/tcp, to: 192.168.0.3}
"""


def test_right(run, article):
    r = run("check", article)
    assert r.code == 0 and r.err == ""
    assert r.out == f"{article}: fine: 2 uplinks, 1 map\n"


def test_right_json(run, article):
    r = run("check", "--json", article)
    assert r.code == 0 and r.err == ""
    assert r.json == {"ok": True, "errors": 0, "warnings": 0, "uplinks": 2, "maps": 1,
                      "diagnostics": []}


def test_every_mistake_at_once_with_its_place(run, tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text(TWO_MISTAKES)
    r = run("check", file)
    assert r.code == 1 and r.out == ""
    assert f"{file}:2:30: error: " in r.err and "gateway" in r.err
    assert "  telecom: {interface: eth0, gatway: 1.1.1.254}\n" in r.err
    assert "^~~~~~" in r.err
    assert f"{file}:5:18: error: " in r.err
    assert f"{file}:4:17: note: " in r.err or f"{file}:4:3: note: " in r.err
    assert r.err.endswith(f"{file}: 2 errors, 0 warnings\n")


def test_mistakes_json(run, tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text(TWO_MISTAKES)
    r = run("check", "--json", file)
    assert r.code == 1 and r.err == ""
    answer = r.json
    assert answer["ok"] is False and answer["errors"] == 2 and answer["maps"] is None
    first, second = sorted(answer["diagnostics"], key=lambda d: d["line"])
    assert set(first) == {"severity", "file", "line", "col", "message", "hint", "notes"}
    assert first["severity"] == "error" and first["file"] == str(file)
    assert (first["line"], first["col"]) == (2, 30)
    assert second["line"] == 5
    assert {n["line"] for n in second["notes"]} == {4}
    assert set(second["notes"][0]) == {"file", "line", "col", "message"}


def test_standard_input(run):
    r = run("check", "-", text=TWO_MISTAKES)
    assert r.code == 1 and "standard input:2:30: error: " in r.err


def test_bytes_that_are_no_text_make_valid_json(tmp_path, run):
    file = tmp_path / "gateway.yaml"
    file.write_bytes(b"uplinks: {\xff\xfe: {interface: e}}\nm\xe4ps: {}\n")
    r = run("check", "--json", file)
    assert r.code == 1 and r.json["errors"] >= 1


@pytest.mark.parametrize("make,says", [
    (lambda p: None, "No such file or directory"),
    (lambda p: p.mkdir(), "Is a directory"),
    (lambda p: os.truncate(os.open(p, os.O_CREAT | os.O_WRONLY), (64 << 20) + 1), "larger than 64 MiB"),
])
def test_no_file_to_have_an_opinion_on(run, tmp_path, make, says):
    file = tmp_path / "it"
    make(file)
    r = run("check", file)
    assert r.code == 2 and says in r.err and str(file) in r.err
    answer = run("check", "--json", file)
    assert answer.code == 2 and says in answer.json["diagnostics"][0]["message"]


def test_what_the_daemon_needs(run, tmp_path):
    """Checks, backends and the daemon's keys are checked like the rest, all in one run."""
    file = tmp_path / "gateway.yaml"
    file.write_text("""\
uplinks:
  telecom: {interface: eth0, check: {icmp: gatway, every: 5}}
maps:
  web: {listen: 80/tcp, to: [192.168.0.2, "fd00::2"], check: {http: /x, need: 1}}
gateway: {hook: notify, metrics: 99999}
""")
    r = run("check", file)
    assert r.code == 1
    for place, says in (("2:44", "'gatway' is neither an address nor 'gateway'"), ("2:59", "'every' must be a time"),
                        ("4:43", "an IPv6 backend beside an IPv4 one"),
                        ("4:73", "unknown key 'need' in 'check'"),
                        ("5:17", "'hook' must begin with the full path"),
                        ("5:34", "port 99999 is not between 1 and 65535")):
        assert f"{file}:{place}: error: {says}" in r.err, r.err


def test_fastpath(run, tmp_path):
    """Words, interfaces and sizes, all in one run."""
    file = tmp_path / "gateway.yaml"
    file.write_text("""\
uplinks:
  telecom: {interface: pr-none0}
maps:
  web: {listen: 80/tcp, to: 192.168.0.2}
gateway:
  fastpath: {pr-none0: dxp, "a/b": tc, lo: xdp}
  fastpath-flows: 0
""")
    r = run("check", file)
    assert r.code == 1
    for place, says in (("6:24", "'pr-none0' must be off, auto, xdp or tc, not 'dxp'"),
                        ("6:29", "interface name 'a/b' may not hold '/'"),
                        ("6:40", "no packet of a map passes through lo"),
                        ("7:19", "'fastpath-flows' must be from 1024 to 4194304")):
        assert f"{file}:{place}: error: {says}" in r.err, r.err
    assert "did you mean 'xdp'?" in r.err


def test_endless_input_is_refused(run):
    r = run("check", "/dev/zero")
    assert r.code == 2 and "larger than 64 MiB" in r.err


@pytest.mark.skipif(os.path.exists("/etc/portreeve/gateway.yaml"), reason="this machine has one")
def test_default_file(run):
    r = run("check")
    assert r.code == 2 and "cannot read /etc/portreeve/gateway.yaml" in r.err
    assert "portreeve check FILE" in r.err


def test_live_misses_the_interfaces(run, article):
    r = run("check", "--live", article)
    assert r.code == 1
    assert f"{article}:2:24: error: " in r.err and "pr-none0" in r.err
    assert run("check", article).code == 0
