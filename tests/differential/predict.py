# SPDX-License-Identifier: GPL-2.0-or-later
"""portreeve's answer, and what it has to say about the kernel's."""

import json
import subprocess

import state
import wire

# What cannot be told from a state, however complete: the walk has to go both ways.
_UNTOLD = (
    "what a service answers",  # depends on how its socket is bound
    "which of them were there first",  # chains of nft and of legacy at one hook
    "depends on its version",  # the next hop of the gateway's own packets, with several
)
PICKED = range(30000, 31001)  # ports of the rules that give a range
_PATIENCE_S = 60
LEGS = ("request", "reply", "later")
_ICMP_ERRORS = {wire.ICMP: 3, wire.ICMPV6: 1}
# What an ICMP error says about who made it: no route, or a rule. Where both may, it is in both.
_BY_ROUTING = {(wire.ICMP, 0), (wire.ICMP, 1), (wire.ICMP, 13),
               (wire.ICMPV6, 0), (wire.ICMPV6, 1), (wire.ICMPV6, 3)}
_BY_RULE = {(wire.ICMP, code) for code in (0, 1, 2, 3, 9, 10, 13)} | \
    {(wire.ICMPV6, code) for code in (0, 1, 3, 4)}


class Difference:
    """One question whose answers differ. `where` is a short name, the same for like ones."""

    def __init__(self, where, text):
        self.where, self.text = where, text


def predict(portreeve, case, directory):
    """A list of answers, one per question; called within the gateway."""
    argv = [portreeve, "explain", "--batch", "--return", "through"]
    if case["dumps"] == "live":
        argv.append("--live")
    else:
        state.dump(case, directory)
        argv += ["--state", directory]
    lines = "".join(_line(q) + "\n" for q in case["questions"])
    done = subprocess.run(argv, input=lines, capture_output=True, text=True, check=False,
                          timeout=_PATIENCE_S)
    answers = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    if len(answers) != len(case["questions"]):
        raise RuntimeError(f"{' '.join(argv)}: exit status {done.returncode}, {len(answers)} answers: "
                           f"{done.stderr[-1000:]}")
    return answers


def _line(q):
    def end(addr, port):
        if q["proto"] == "icmp":
            return addr
        return f"[{addr}]:{port}" if wire.is_v6(addr) else f"{addr}:{port}"

    if q["src"] == "self":
        return f"{q['proto']} self {end(q['dst'], q['dport'])}"
    return f"{q['proto']} {end(q['src'], q['sport'])} {end(q['dst'], q['dport'])} {q['in']}"


# ---- comparing ----

def compare(question, answer, fates):
    """The Difference, or None."""
    if "error" in answer:
        return Difference("refused", answer["error"])
    if not answer["ways"]:
        return Difference("no way", "explain knows no way at all")
    first = None
    for way in answer["ways"]:
        found = _compare_way(question, way, fates)
        if found is None:
            break
        first = first or found
    else:
        return first
    own = fates[0].end == "local"  # what services here do is not for dumps to tell
    for way in answer["ways"]:
        for fork in way["forks"]:
            if fork["kind"] == "unknown" and not any(u in fork["why"] for u in _UNTOLD):
                return Difference("unknown fork", f"not decided: {fork['why']}")
    if answer["verdict"] == "unknown" and not own and len(answer["ways"]) == 1:
        return Difference("unknown verdict", f"verdict unknown: {answer['why']}")
    return _compare_verdict(question, answer, fates)


def _compare_way(question, way, fates):
    for name, fate in zip(LEGS, fates):
        leg = way[name]
        if fate is None:
            return None
        if leg is None:
            return Difference(f"{name} not walked", f"{name}: not walked; in reality {fate.describe()}")
        text = _compare_leg(question, leg, fate)
        if text:
            return Difference(f"{name} {text[0]}", f"{name}: {text[1]}; in reality {fate.describe()}; "
                                                   f"predicted {_describe(leg)}")
    return None


def _describe(leg):
    last = leg["last"]
    mark = "?" if last["mark"] is None else f"{last['mark']:#x}"
    return (f"{leg['end']} {leg['out'] or '-'} {last['src']}:{last['sport']} > {last['dst']}:"
            f"{last['dport']} mark {mark} mss {last['mss']}")


def _compare_leg(question, leg, fate):
    """None, or a short name and words."""
    end, seen = leg["end"], fate.seen
    if fate.end == "nothing":
        # What a rejection says may itself be dropped by a rule, or find no route.
        good = end in ("dropped", "unroutable", "rejected")
        return None if good else (f"{end} for nothing", "nothing came of it")
    if fate.end == "refused":
        return _compare_refusal(leg, seen)
    if end != fate.end:
        return f"{end} for {fate.end}", "another end"
    if fate.end == "forwarded" and leg["out"] != fate.out:
        return "out", "another interface"
    last = leg["last"]
    fields = [("src", seen.src), ("dst", seen.dst), ("mark", seen.mark)]
    if question["proto"] != "icmp":
        fields += [("sport", seen.sport), ("dport", seen.dport)]
    if seen.mss is not None and last["mss"] is not None:
        fields.append(("mss", seen.mss))
    for name, value in fields:
        if last[name] is None and name.endswith("port") and value in PICKED:
            continue  # the kernel's choice, at random
        if last[name] is None:
            return f"{name} unknown", f"{name} is not known"
        if last[name] != value:
            return name, f"another {name}"
    return None


def _compare_refusal(leg, seen):
    if seen.kind == "reset":
        good = leg["end"] == "rejected"
    elif seen.error[0] != _ICMP_ERRORS[seen.proto]:
        good = leg["end"] == "dropped"
    else:
        what = (seen.proto, seen.error[1])
        good = (leg["end"] == "unroutable" and what in _BY_ROUTING) or \
            (leg["end"] == "rejected" and what in _BY_RULE)
    return None if good else (f"{leg['end']} for refused", "it was refused")


def _compare_verdict(question, answer, fates):
    """Only one way round: why something that gets through is broken still, the kernel cannot know."""
    request, reply, later = fates
    if reply is None or question["src"] == "self" or len(answer["ways"]) > 1:
        return None
    if answer["home"] is not None and reply.end == "forwarded":
        if answer["home"] != (reply.out == question["in"]):
            return Difference("home", f"home is {answer['home']}, in reality the reply left by "
                                      f"{reply.out}, the request came by {question['in']}")
    got_through = reply.end in ("forwarded", "local") and (later is None or later.end == request.end)
    if answer["verdict"] == "works" and not got_through:
        return Difference("verdict works", f"verdict works ({answer['why']}), in reality it does "
                                           "not: " + ", ".join(f.describe() for f in fates if f))
    return None
