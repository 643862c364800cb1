# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands that change the kernel, in a network of its own: answers and exit statuses."""

import json

import pytest

from conftest import GATEWAY


@pytest.fixture
def session(own_network, live):
    """Run portreeve once per list of words, one after another; [(exit status, stdout)]."""

    def call(*lines):
        script = GATEWAY + "".join(
            f'"$0" {line} && code=0 || code=$?; printf "\\0%s\\0" $code\n' for line in lines)
        r = own_network(script.replace("FILE", '"$1"').replace("OTHER", '"$2"'), live, other)
        assert r.code == 0, r
        parts = r.out.split("\0")
        return [(int(code), out) for out, code in zip(parts[::2], parts[1::2])]

    other = live.parent / "other.yaml"
    other.write_text(live.read_text().replace("80/tcp", "81/tcp"))
    return call


def test_apply_twice_then_remove(session):
    first, second, same, gone, again = session(
        "apply --json FILE", "apply FILE", "diff FILE", "remove --json", "remove")
    assert first[0] == 0 and json.loads(first[1])["changed"] is True
    assert second == (0, "nothing to do: the kernel already is as it should be\n")
    assert same == (0, "")
    assert gone[0] == 0 and json.loads(gone[1])["changed"] is True
    assert again == (0, "nothing to do: the kernel already is as it should be\n")


def test_one_step_back(session):
    out = session("apply FILE", "apply OTHER", "diff FILE", "rollback", "diff FILE", "rollback --json")
    assert [code for code, _ in out] == [0, 0, 1, 0, 0, 1]
    assert "81" in out[2][1]
    assert json.loads(out[5][1])["diagnostics"][0]["message"]


def test_trial(session):
    out = session("apply FILE", "apply --confirm 600 OTHER", "apply FILE", "confirm", "confirm",
                  "diff OTHER")
    assert [code for code, _ in out] == [0, 0, 1, 0, 1, 0]
    assert "portreeve confirm" in out[1][1] and "600 seconds" in out[1][1]


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "86401", "99999999999", ""])
def test_confirm_takes_seconds(run, article, seconds):
    r = run("apply", f"--confirm={seconds}", article)
    assert r.code == 2 and "--confirm needs a number from 1 to 86400" in r.err


@pytest.mark.parametrize("words", [["apply", "FILE"], ["confirm"], ["rollback"], ["remove"]])
def test_needs_root(run, article, unprivileged, words):
    words = [article if w == "FILE" else w for w in words]
    r = run(*words, through=unprivileged)
    assert r.code == 3 and "needs root" in r.err
    r = run(*words, "--json", through=unprivileged)
    assert r.code == 3 and "needs root" in r.json["diagnostics"][0]["message"]


def test_mistakes_change_nothing(session):
    (code, _), (after, out) = session("apply /dev/null", "remove")
    assert code == 2
    assert (after, out) == (0, "nothing to do: the kernel already is as it should be\n")
