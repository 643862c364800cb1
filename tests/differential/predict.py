# SPDX-License-Identifier: GPL-2.0-or-later
"""portreeve's answer, and what it has to say about the kernel's."""

import json
import subprocess

import generate
import state
import wire

# What neither a state, however complete, nor a question tells: the walk has to go both ways, and one
# of them has to be the kernel's. An unknown fork for any other reason is a difference. Each with what
# must be in the case's rules for it to be tolerated.
_UNTOLD = (
    ("what a service answers", ""),  # depends on how its socket is bound
    ("which of them were there first", ""),  # chains of nft and of legacy at one hook
    ("'-m length'", "-m length"), ("ip length is not known", "ip length"),
    ("meta length is not known", "meta length"),
    ("'-m ttl'", "-m ttl"), ("ip ttl is not known", "ip ttl"),
    ("'-m hl'", "-m hl"), ("ip6 hoplimit is not known", "ip6 hoplimit"),
    ("'-m mac'", "-m mac"), ("ether saddr is not known", "ether saddr"),
    ("'-m tcpmss'", "-m tcpmss"), ("maxseg size is not known", "maxseg size"),
    ("who owns the socket", "-m owner"), ("meta skuid is not known", "meta skuid"),
    ("meta skgid is not known", "meta skgid"),
    # A port that the kernel picked at random, where a rule asks for it.
    ("is not known of the packet", "30000-31000"), ("port is not known", "30000-31000"),
    ("proto-dst is not known", "30000-31000"),
    # IPv6 picks one of several next hops by a hash that has a secret.
    ("packet's fib saddr", "nexthop"),
    # Entries of conntrack do not tell it.
    ("whether a helper expected", "-m helper"), ("was masqueraded as of", ""),
)
# What may be taken for granted, and decide: it is so in the cases as they are made.
_GRANTED = (
    "a service of this machine listens on", "the service answers from",
    "iptables-legacy's rules were there before",
)
PICKED = range(30000, 31001)  # ports of the rules that give a range
ANY_PORT = range(1, 1 << 16)  # where another connection has the port already
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

def _tolerated(case, why):
    """Why that fork may be open in this case, or None."""
    for words, rule in _UNTOLD:
        if words in why and (not rule or any(rule in line for name in generate.ALL
                                             for line in map(str, case.get(name, ())))):
            return words
    return None


def _granted(what):
    """What explain may take for granted here, since it is made so; or None."""
    return next((words for words in _GRANTED if words in what), None)


def compare(case, question, answer, fates, tolerated):
    """The Difference, or None. What was let pass is counted in `tolerated`."""
    if "error" in answer:
        return Difference("refused", answer["error"])
    if not answer["ways"]:
        return Difference("no way", "explain knows no way at all")
    first = None
    for way in answer["ways"]:
        found = _compare_way(question, way, fates, ANY_PORT if case.get("then") else PICKED)
        if found is None:
            break
        first = first or found
    else:
        return first
    open_forks = set()
    for way in answer["ways"]:
        for fork in way["forks"]:
            if fork["kind"] == "unknown":
                reason = _tolerated(case, fork["why"])
                if reason is None:
                    return Difference("unknown fork", f"not decided: {fork['why']}")
                open_forks.add(reason)
    tolerated.update(open_forks)
    if answer["verdict"] == "unknown" and len(answer["ways"]) == 1:
        granted = [_granted(a["what"]) for a in answer["assumed"] if a["decides"]]
        if None in granted or not granted:
            return Difference("unknown verdict", f"verdict unknown: {answer['why']}")
        tolerated.update(granted)
    return _compare_verdict(question, answer, fates)


def _compare_way(question, way, fates, picked):
    for name, fate in zip(LEGS, fates):
        leg = way[name]
        if fate is None:
            return None
        if leg is None:
            return Difference(f"{name} not walked", f"{name}: not walked; in reality {fate.describe()}")
        text = _compare_leg(question, leg, fate, picked)
        if text:
            return Difference(f"{name} {text[0]}", f"{name}: {text[1]}; in reality {fate.describe()}; "
                                                   f"predicted {_describe(leg)}")
    return None


def _describe(leg):
    last = leg["last"]
    mark = "?" if last["mark"] is None else f"{last['mark']:#x}"
    return (f"{leg['end']} {leg['out'] or '-'} {last['src']}:{last['sport']} > {last['dst']}:"
            f"{last['dport']} mark {mark} mss {last['mss']}")


def _compare_leg(question, leg, fate, picked):
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
        if last[name] is None and name.endswith("port") and value in picked:
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
    if answer["ways"][0]["verdict"] == "works" and not got_through:
        return Difference("verdict works", f"verdict works ({answer['why']}), in reality it does "
                                           "not: " + ", ".join(f.describe() for f in fates if f))
    return None
