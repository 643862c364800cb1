# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line itself: help, mistakes in it, colour, output that cannot be written."""

import os
import re
import subprocess

import pytest

from conftest import NOBODY, PROGRAM

COMMANDS = ["init", "check", "show", "diff", "apply", "confirm", "rollback", "remove", "run",
            "rehearse", "status", "top", "flows", "events", "reload", "snapshot", "explain", "trace",
            "import", "doctor", "probe", "fastpath"]


def test_help_lists_every_command(run):
    r = run("--help")
    assert r.code == 0 and r.err == ""
    listed = re.findall(r"^  ([a-z]+) ", r.out.split("Commands:\n")[1].split("\n\n")[0], re.M)
    assert listed == COMMANDS


def test_no_command_is_wrong_use(run):
    r = run()
    assert r.code == 2 and r.out == "" and "Usage:" in r.err


@pytest.mark.parametrize("command", COMMANDS)
def test_command_help(run, command):
    r = run(command, "--help")
    assert r.code == 0 and r.err == ""
    assert r.out.startswith(f"portreeve {command}: ")
    assert f"Usage: portreeve {command} " in r.out and "--json" in r.out
    assert run("help", command).out == r.out == run(command, "-h").out


def test_help_fits_a_terminal(run):
    for r in [run("--help"), *(run(c, "--help") for c in COMMANDS)]:
        assert max(map(len, r.out.splitlines())) <= 100


def test_version(run):
    for words in (["--version"], ["-V"], ["check", "--version"]):
        r = run(*words)
        assert r.code == 0 and r.err == ""
        assert re.fullmatch(r"portreeve \d+\.\d+\.\d+(\+[0-9a-z.]+)?", r.out.split("\n")[0])
        assert max(map(len, r.out.splitlines())) <= 100


def test_version_says_how_it_was_built_and_what_the_kernel_offers(run):
    answer = run("--version", "--json").json
    lines = run("--version").out.splitlines()
    assert lines[0] == f"portreeve {answer['version']}"
    build, kernel = answer["build"], answer["kernel"]
    assert re.match(r"(gcc|clang) \d", build["compiler"])
    assert f"  compiler       {build['compiler']}" in lines
    assert f"  page           {'yes' if build['page'] else 'no'}" in lines
    for name, version in build["libraries"].items():
        assert re.match(r"\d+\.\d", version) and f"  {name:14} {version}" in lines
    assert kernel["release"] == os.uname().release
    words = {True: "yes", False: "no", None: "unknown"}
    for feature in kernel["features"]:
        why = f": {feature['why']}" if feature["why"] else ""
        assert f"  {feature['text']:56} {words[feature['has']]}{why}" in lines
        assert feature["has"] is True or feature["why"]
    names = [feature["name"] for feature in kernel["features"]]
    assert len(names) == len(set(names)) and {"nftables", "held-table", "fastpath"} <= set(names)


def test_anybody_may_ask_for_the_version(run):
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody with fewer rights")
    r = run("--version", through=NOBODY)
    assert r.code == 0 and r.err == "" and r.out == run("--version").out


@pytest.mark.parametrize("words,says", [
    (["chekc"], "there is no command 'chekc'; did you mean 'check'?"),
    (["xyzzy"], "there is no command 'xyzzy'\n"),
    (["help", "aply"], "there is no command 'aply'; did you mean 'apply'?"),
    (["check", "--lvie"], "portreeve check: unknown option '--lvie'; did you mean '--live'?"),
    (["--jsno", "check"], "portreeve: unknown option '--jsno'; did you mean '--json'?"),
    (["check", "--xyzzy=3"], "portreeve check: unknown option '--xyzzy'\n"),
    (["check", "-x"], "portreeve check: unknown option '-x'"),
    (["check", "--live=yes"], "portreeve check: option '--live' takes no argument"),
    (["show", "--as"], "portreeve show: option '--as' needs an argument"),
    (["check", "a", "b"], "portreeve check: unexpected argument 'b'"),
    (["remove", "a"], "portreeve remove: unexpected argument 'a'"),
    (["check", "--color", "pink"], "--color is auto, always or never, not 'pink'"),
])
def test_wrong_use(run, words, says):
    r = run(*words)
    assert r.code == 2 and r.out == ""
    assert says in r.err and r.err.endswith("--help'.\n")


def test_options_stand_anywhere(run, article):
    for words in (["--json", "check", article], ["check", "--json", article],
                  ["check", article, "--json"]):
        assert run(*words).json["ok"] is True


def test_colour(run, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("uplinks: 3\n")
    assert "\x1b[" not in run("check", bad).err  # not a terminal
    assert "\x1b[" in run("check", bad, "--color", "always").err
    assert "\x1b[" in run("check", bad, "--color", "always", env={"NO_COLOR": "1"}).err
    assert "\x1b[" not in run("check", bad, "--color=never").err


def test_colour_on_a_terminal_obeys_no_color(run, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("uplinks: 3\n")

    def on_terminal(**env):
        clean = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        return subprocess.run(["script", "-qec", f"{PROGRAM} check {bad}", "/dev/null"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**clean, "TERM": "xterm", **env}, timeout=60).stdout

    assert "\x1b[" in on_terminal()
    assert "\x1b[" not in on_terminal(NO_COLOR="1")
    assert "\x1b[" in on_terminal(NO_COLOR="")
    assert "\x1b[" not in on_terminal(TERM="dumb")


def test_full_disk_is_no_success(run, article):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([PROGRAM, "check", "--json", str(article)], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 3
    assert "cannot write the output: No space left on device" in done.stderr
