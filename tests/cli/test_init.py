# SPDX-License-Identifier: GPL-2.0-or-later
"""init: the file that it writes, or does not; and its questions."""

import os
import stat

import pytest
import yaml

from conftest import GATEWAY, NOBODY

ADDRESSES = """\
2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP
    inet 1.1.1.1/24 scope global eth0
3: eth1: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP
    inet 2.2.2.2/24 scope global eth1
4: eth2: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP
    inet 192.168.0.1/24 scope global eth2
5: eth3: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP
    inet 10.0.0.2/24 scope global eth3
"""
ROUTES = """\
default via 1.1.1.254 dev eth0
default via 10.0.0.1 dev eth3 table 5
192.168.0.0/24 dev eth2 scope link
"""


@pytest.fixture
def dumps(tmp_path):
    directory = tmp_path / "dumps"
    directory.mkdir()
    (directory / "ip-addr.txt").write_text(ADDRESSES)
    (directory / "ip-route.txt").write_text(ROUTES)
    return directory


def test_writes_a_file_that_check_takes(run, dumps, tmp_path):
    file = tmp_path / "etc" / "gateway.yaml"
    got = run("init", file, "--state", dumps)
    assert got.code == 0, got
    assert got.out.startswith(f"written: {file}\n") and got.err == ""
    assert got.out.endswith(f"Next:\n  portreeve check {file}\n  portreeve rehearse {file}\n"
                            f"  portreeve apply --confirm 60 {file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644 & ~os.umask(os.umask(0o022))
    assert os.listdir(file.parent) == ["gateway.yaml"]
    assert run("check", file).code == 0


def test_does_not_write_over_a_file(run, dumps, tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text("mine\n")
    got = run("init", file, "--state", dumps)
    assert got.code == 2 and "there is a file" in got.err and "--force" in got.err
    assert file.read_text() == "mine\n"
    assert run("init", file, "--state", dumps, "--force").code == 0
    assert file.read_text().startswith("# A proposal")


def test_a_link_stays_one(run, dumps, tmp_path):
    (tmp_path / "real").write_text("")
    (tmp_path / "gateway.yaml").symlink_to("real")
    assert run("init", tmp_path / "gateway.yaml", "--state", dumps, "--force").code == 0
    assert (tmp_path / "gateway.yaml").is_symlink()
    assert (tmp_path / "real").read_text().startswith("# A proposal")


def test_what_is_no_file_is_left_alone(run, dumps, tmp_path):
    got = run("init", tmp_path, "--state", dumps, "--force")
    assert got.code == 2 and "is not a file" in got.err


def test_cannot_write(run, dumps, tmp_path):
    got = run("init", tmp_path / "no" / "such" / "gateway.yaml", "--state", dumps)
    assert got.code == 3 and "cannot write" in got.err


def test_standard_output(run, dumps):
    got = run("init", "-", "--state", dumps)
    assert got.code == 0
    assert set(yaml.safe_load(got.out)["uplinks"]) == {"eth0", "eth3"}
    assert "portreeve check FILE" in got.err


def test_names_of_files_are_quoted(run, dumps, tmp_path):
    got = run("init", tmp_path / "it's mine.yaml", "--state", dumps)
    assert f"portreeve check '{tmp_path}/it'\\''s mine.yaml'\n" in got.out


def test_json(run, dumps, tmp_path):
    file = tmp_path / "gateway.yaml"
    answer = run("init", file, "--state", dumps, "--json").json
    assert answer["written"] and answer["yaml"] == file.read_text()
    assert [(u["name"], u["found"]) for u in answer["uplinks"]] == \
        [("eth0", True), ("eth3", True), ("eth1", False)]
    assert answer["next"][0] == f"portreeve check {file}"
    assert any("Which ports lead where?" in q for q in answer["questions"])
    assert answer["left"] == [] and answer["maps"] == 0 and answer["diagnostics"] == []


def test_nothing_found(run, tmp_path):
    (tmp_path / "ip-route.txt").write_text("192.168.0.0/24 dev eth2 scope link\n")
    got = run("init", tmp_path / "new.yaml", "--state", tmp_path / "ip-route.txt", "--json")
    assert got.code == 1
    assert got.json["yaml"] is None and not got.json["written"] and got.json["next"] == []
    assert "no line to the Internet" in got.json["diagnostics"][0]["message"]
    assert not (tmp_path / "new.yaml").exists()


def test_the_only_line_is_none_that_a_file_takes(run, dumps, tmp_path):
    (dumps / "ip-route.txt").write_text("default via 0.3.3.254 dev eth0 onlink\n")
    got = run("init", tmp_path / "new.yaml", "--state", dumps)
    assert got.code == 1 and "no line to the Internet" in got.err
    assert "its router 0.3.3.254 is in 0.0.0.0/8" in got.err
    assert not (tmp_path / "new.yaml").exists()


def test_asks_nobody_unless_told_to(run, dumps):
    got = run("init", "-", "--state", dumps, text="no\n" * 9)
    assert "[yes]" not in got.err
    assert set(yaml.safe_load(got.out)["uplinks"]) == {"eth0", "eth3"}


def test_enter_and_the_end_take_what_was_found(run, dumps):
    plain = run("init", "-", "--state", dumps).out
    for text in ("", "\n" * 30, "\n\n"):
        got = run("init", "-", "--state", dumps, "--interactive", text=text)
        assert got.code == 0 and got.out == plain
    assert "Is eth0 (1.1.1.1) a line to the Internet? [yes]: " in got.err
    assert "Is eth1 (2.2.2.2) a line to the Internet? [no]: " in got.err


def test_answers(run, dumps):
    answers = ["maybe", "y", "two words", "telecom",  # eth0
               "y", "dsl", "203.0.113.300", "203.0.113.3",  # eth3, behind a modem
               "yes", "telecom", "unicom", "2.2.2.254",  # eth1
               "443/tcp", "192.168.0.2",
               "443/tcp", "192.168.0.3",  # taken
               "80/tpc", "192.168.0.3", "8000-8009/udp", "192.168.0.3:9000", "5/tcp", "", ""]
    got = run("init", "-", "--state", dumps, "--interactive", text="\n".join(answers))
    assert got.code == 0, got
    assert yaml.safe_load(got.out) == {
        "uplinks": {"telecom": {"interface": "eth0", "gateway": "1.1.1.254", "number": 1},
                    "dsl": {"interface": "eth3", "gateway": "10.0.0.1",
                            "public": "203.0.113.3", "number": 2},
                    "unicom": {"interface": "eth1", "gateway": "2.2.2.254", "number": 3}},
        "maps": {"https": {"listen": "443/tcp", "to": "192.168.0.2"},
                 "8000-8009-udp": {"listen": "8000-8009/udp", "to": "192.168.0.3:9000"}}}
    for said in ("yes or no?", "no other line's name", "an address, please", "already mapped",
                 "'tpc'"):
        assert said in got.err
    # All is answered.
    assert "  # ?" not in got.out and "Open," not in got.err


def test_one_line_denied(run, dumps):
    got = run("init", "-", "--state", dumps, "--interactive", text="y\ntelecom\nno\nno\n")
    assert got.code == 0 and set(yaml.safe_load(got.out)["uplinks"]) == {"telecom"}
    assert "eth3 was said to be no line to the Internet" in got.out
    # One that was a question stays one.
    assert "# ? Is eth1 a line to the Internet?" in got.out


def test_a_router_of_the_other_family(run, dumps):
    answers = ["y", "", "n", "y", "", "2001:db8::1", "2.2.2.254"]
    got = run("init", "-", "--state", dumps, "--interactive", text="\n".join(answers))
    assert "an address, please" in got.err
    assert yaml.safe_load(got.out)["uplinks"]["eth1"]["gateway"] == "2.2.2.254"


def test_all_lines_denied(run, dumps):
    got = run("init", "-", "--state", dumps, "--interactive", text="no\n" * 5)
    assert got.code == 1 and "no line to the Internet" in got.err and got.out == ""


def test_live(own_network, tmp_path):
    file = tmp_path / "live.yaml"
    got = own_network(GATEWAY + f"$0 init {file}; $0 check --live {file}")
    assert got.code == 0, got
    assert f"portreeve check --live {file}\n" in got.out
    assert list(yaml.safe_load(file.read_text())["uplinks"]) == ["eth0"]
    # eth1 has no more than an address, so it is a question.
    assert "# ? Is eth1 a line to the Internet?" in file.read_text()


def test_needs_root_to_look_here(run):
    got = run("init", "-", through=NOBODY if os.geteuid() == 0 else ())
    assert got.code == 3 and "needs root" in got.err and "--state DIR" in got.err
