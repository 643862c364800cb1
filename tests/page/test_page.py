# SPDX-License-Identifier: GPL-2.0-or-later
"""The page in a real browser, with a real daemon and real traffic.

PORTREEVE_SCREENSHOTS=docs writes the pictures of the documentation there.
"""

import gzip
import os
import pathlib
import threading
import time
import urllib.parse

import pytest

from api import Api
from browser import Browser
from daemon import Daemon
from gateway import Portreeve
from lab import Lab, wait_for
from topology import Machine, Site, lan
from traffic import ask, serve

URL = "http://127.0.0.1:9180/"
UPLINKS = """
    uplinks:
      telecom: {interface: eth0, gateway: 1.1.1.254, check: [{icmp: [1.1.1.254]}]}
      unicom:  {interface: eth1, gateway: 2.2.2.254, check: [{icmp: [2.2.2.254]}]}
    gateway:
      metrics: 9180
    maps:
    """
MAPS = """
      web:   {listen: [80/tcp, 443/tcp], to: [192.168.0.2, 192.168.0.3], check: tcp}
      mail:  {listen: 25/tcp, to: "192.168.0.3:2525"}
      dns:   {listen: 53/udp, to: 192.168.0.2}
      games: {listen: 27000-27030/udp, on: unicom, to: 192.168.0.4}
    """
CONFIG = UPLINKS.rstrip() + MAPS
LIMIT_BYTES = 150_000
MANY = 10_000
SCREENSHOTS = os.environ.get("PORTREEVE_SCREENSHOTS")


class Traffic(threading.Thread):
    """Clients that keep asking, and two long connections, until it is closed."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site = site
        self.ending = threading.Event()
        self.long = [site.world.tcp_connect(address, 80) for address in ("1.1.1.1", "2.2.2.2")]
        self.start()

    def run(self):
        beat = 0
        while not self.ending.wait(0.1):
            beat += 1
            for i, sock in enumerate(self.long):
                try:
                    sock.sendall(b"x" * (4000 * (3 - 2 * i) + 900 * (beat % 7)))
                    sock.recv(65536)
                except OSError:
                    continue  # while the line is down
            if beat % 5 == 0:
                ask(self.site.world, "1.1.1.1", 25, timeout=0.5)
                ask(self.site.world, "1.1.1.1", 53, "udp", timeout=0.5)

    def close(self):
        self.ending.set()
        self.join()


@pytest.fixture(scope="module")
def site():
    with Lab() as lab:
        made = Site(lab, inside=[lan(Machine("backend", ["192.168.0.2/24"], gateway=True),
                                     Machine("second", ["192.168.0.3/24"]),
                                     Machine("third", ["192.168.0.4/24"], gateway=True))])
        for key in ("acct", "timestamp"):
            made.gw.sysctl(f"net.netfilter.nf_conntrack_{key}", 1)
        serve(made.backend, tcp=[80, 443], udp=[53])
        serve(made.second, tcp=[80, 443, 2525])
        made.portreeve = Portreeve(made.gw)
        made.daemon = Daemon(made.portreeve, CONFIG)
        made.api = Api(made.portreeve)
        if made.api.get("/").status == 404:
            pytest.skip("this build has no page")
        wait_for(lambda: made.api.status()["well"], "all to be well", timeout=20)
        traffic = Traffic(made)
        yield made
        traffic.close()


@pytest.fixture(scope="module")
def browser(site):
    return Browser(site.gw, URL)


@pytest.fixture
def page(site, browser):
    """The page, open, and without a fault at the end; nothing but the daemon was ever asked."""
    browser.open()
    browser.wait("h1", "All is well.")
    yield browser
    seen = browser.call("faults")
    assert seen["faults"] == []
    assert seen["origins"] == [URL.rstrip("/")]


def in_force(site, config):
    before = len(site.daemon.events("configured"))
    site.daemon.write(config)
    site.daemon.reload()
    site.daemon.wait_event("configured", after=before)


def test_it_is_small(site):
    answers = [site.api.get(path, {"Accept-Encoding": "gzip"})
               for path in ("/", "/page.js", "/page.css", "/icon.svg")]
    assert all(gzip.decompress(a.body) for a in answers
               if a.headers.get("Content-Encoding") == "gzip")
    assert 10_000 < sum(len(a.body) for a in answers) < LIMIT_BYTES


def test_the_network_as_it_is(page):
    page.wait(".uplink", "in ")
    telecom, unicom = page.texts(".uplink")
    assert "telecom" in telecom and "1.1.1.1" in telecom and "eth0" in telecom and "up" in telecom
    assert "unicom" in unicom and "2.2.2.2" in unicom
    page.wait(".node.backend", "direct")  # measured
    backend, second, third = page.texts(".node.backend")
    assert "192.168.0.2" in backend and "up" in backend and "direct" in backend
    assert "192.168.0.3" in second and "up" in second and "snat" in second
    assert "192.168.0.4" in third and "not checked" in third
    names = page.texts(".maps .body .name")
    assert sorted(names) == ["dns", "games", "mail", "web"]


def test_traffic_has_a_rate(page):
    page.wait(".maps .body .row:first-child .rate", "bit/s")
    page.call("wait", selector=".maps .body .row:first-child .name", text="web")
    row = page.texts(".maps .body .row:first-child [role=cell]")
    assert int(row[3]) >= 2, row  # open connections
    assert "bit/s" in row[4] and row[5].endswith("B") and row[7] == "0"
    assert ":" in row[6], row  # some by each line
    page.wait(".uplink .rate", "kbit/s")
    widths = page.evaluate("[...document.querySelectorAll('.wires > .wire')].map((w) => "
                           "Number(w.getAttribute('stroke-width')))")
    assert max(widths) > 2 * min(widths), widths


def test_an_uplink_goes_and_comes(site, page):
    page.evaluate("window.loadedOnce = true")
    site.isp["unicom"].ip("link set customer down")
    try:
        page.wait(".problems", "uplink unicom is down")
        assert page.text("h1") == "Not all is well."
        page.wait(".uplink.down", "unicom")
        page.wait(".events li", "uplink-down")
        assert page.count(".wire.cut") == 1
    finally:
        site.isp["unicom"].ip("link set customer up")
    page.wait("h1", "All is well.")
    page.gone(".uplink.down", "unicom")
    page.wait(".events li", "uplink-up")
    assert page.evaluate("window.loadedOnce")


def test_a_map_is_added(site, page):
    page.evaluate("window.loadedOnce = true")
    in_force(site, CONFIG.rstrip() + """
      shop: {listen: 8443/tcp, on: telecom, to: "192.168.0.5:443"}
    """)
    page.wait(".maps .body .row", "shop")
    page.wait(".node.backend", "192.168.0.5")
    page.wait(".gateway", "5 maps")
    assert page.evaluate("window.loadedOnce")
    in_force(site, CONFIG)
    page.gone(".maps .body .row", "shop")


def test_who_changed_something_is_said(site, page):
    site.gw.run("ip rule del pref 502")
    page.wait(".events li", "drift")
    said = page.text(".events li:has-text('drift')")
    assert "by " in said and "502" in said, said


def test_a_click_narrows(page):
    page.wait(".maps .body .row", "games")
    page.click(".uplink:has-text('telecom')")
    page.gone(".maps .body .row", "games")
    assert sorted(page.texts(".maps .body .name")) == ["dns", "mail", "web"]
    page.wait(".flows td", "telecom")
    assert "unicom" not in page.texts(".flows tbody td")
    assert page.evaluate("location.hash") == "#uplink=telecom"
    page.press("Escape")
    page.wait(".maps .body .row", "games")
    page.click(".node.backend:has-text('192.168.0.3')")
    page.gone(".maps .body .row", "dns")
    assert sorted(page.texts(".maps .body .name")) == ["mail", "web"]
    page.press("Escape")
    page.click(".maps .body .row:has-text('games')")
    page.wait(".narrowed", "map games")
    assert page.evaluate("[...document.querySelectorAll('.wires .wire.lit')].length") > 0
    page.press_button("show all Esc")
    page.gone(".narrowed", "games")


def test_maps_are_sorted_and_searched(page):
    page.wait(".maps .body .row", "web")
    page.press_button("Map")
    assert page.texts(".maps .body .name") == ["dns", "games", "mail", "web"]
    page.press_button("Map")
    assert page.texts(".maps .body .name") == ["web", "mail", "games", "dns"]
    page.fill("Search maps", "udp 192.168.0.4")
    page.gone(".maps .body .row", "web")
    assert page.texts(".maps .body .name") == ["games"]
    page.fill("Search maps", "no such map")
    page.wait(".maps .empty", "No map fits.")


def ask_why(page):
    page.fill("From", "100.100.100.100")
    page.fill("To", "2.2.2.2:80")
    page.choose("Comes in by", "eth1")
    page.press_button("Explain")
    page.wait(".answer.works", "eth1")


def courier(page):
    """What the packet's label says."""
    return page.evaluate("document.querySelector('.courier text').textContent")


def test_explain_travels(page):
    ask_why(page)
    stages = page.texts(".steps .stage")
    assert stages[0] == "arrive" and stages[-1] == "leave" and stages.count("conntrack") == 2
    assert any("dnat" in rule for rule in page.texts(".steps code"))
    # Without motion it stands at the end, and its whole way is drawn.
    assert page.count(".trail.request") == 1 and page.count(".trail.reply") == 1
    assert courier(page) == "leave"
    home = page.evaluate("document.querySelector('.head .body').cx.baseVal.value")
    page.focus(".controls .play")
    for _ in stages[1:]:
        page.press("ArrowLeft")
    assert courier(page) == "arrive" and page.count(".trail.reply") == 0
    assert page.evaluate("document.querySelector('.head .body').cx.baseVal.value") > home
    page.press("ArrowRight")
    assert courier(page) == stages[1]
    assert page.text(".steps .current .stage") == stages[1]

    shared = page.evaluate("location.hash")
    asked = urllib.parse.parse_qs(shared[1:])
    assert asked["dst"] == ["2.2.2.2:80"] and asked["in"] == ["eth1"]
    page.open(shared, still=False)
    page.wait(".answer.works", "eth1")
    page.wait(".steps .current .stage", stages[3])  # it plays by itself
    page.press_button("close")
    page.gone(".answer", "eth1")
    assert page.evaluate("location.hash") == ""


def test_explain_says_what_is_wrong_with_a_question(page):
    page.call("allowFailures", allowed=True)
    page.fill("To", "nonsense")
    page.press_button("Explain")
    page.wait(".explain [aria-live] .answer")
    page.call("allowFailures", allowed=False)


def test_explain_asked_too_often_waits(page):
    page.call("allowFailures", allowed=True)
    page.evaluate("Promise.all(Array.from({length: 12}, () => fetch('/v1/findings')))")
    ask_why(page)
    page.call("allowFailures", allowed=False)


def test_findings_have_evidence_and_remedy(site, page):
    assert page.count(".finding") == 0
    site.gw.nft("""table inet site {
        chain forward { type filter hook forward priority 0; policy drop; }
    }""")
    try:
        page.call("reload")
        page.wait(".findings .finding.error")
        said = page.text(".findings .finding.error")
        assert "remedy" in said and "seen" in said, said
        assert page.text(".findings pre")
        page.fill("To", "1.1.1.1:80")
        page.press_button("Explain")
        page.wait(".answer.broken")
        # The packet ends where the rule is, and nothing comes back.
        assert page.count(".head.stops") == 1 and page.count(".trail.reply") == 0
        assert "drop" in page.text(".steps .stops .what")
    finally:
        site.gw.nft("delete table inet site")


def test_the_daemon_is_away(site, page):
    page.evaluate("window.loadedOnce = true")
    page.call("allowFailures", allowed=True)
    site.daemon.stop()
    try:
        page.wait("h1", "The daemon does not answer.")
        assert "go on without it" in page.text(".away-note")
        assert page.count("main.stale .uplink") == 2  # what was known stays
    finally:
        site.daemon.start()
    page.wait("h1", "All is well.")
    page.call("allowFailures", allowed=False)
    page.wait(".events li", "started")
    assert page.count("main.stale") == 0 and page.evaluate("window.loadedOnce")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(browser, page, dark):
    browser.open(dark=dark)
    browser.wait(".maps .body .row", "web")
    ask_why(browser)
    browser.click(".uplink:has-text('unicom')")
    browser.wait(".flows td", "unicom")
    assert browser.call("axe") == []


def test_a_telephone(browser, page):
    browser.open(width=360, height=740)
    browser.wait(".maps .body .row", "web")
    browser.wait(".rate", "bit/s")
    wide = "document.documentElement.scrollWidth"
    assert browser.evaluate(wide) <= 360
    ask_why(browser)
    browser.click(".maps .body .row:has-text('web')")
    browser.wait(".flows td", "established")
    assert browser.evaluate(wide) <= 360


def test_colours_are_chosen(browser, page):
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = browser.evaluate(ground)
    browser.click(".theme label:has-text('dark')")
    dark = browser.evaluate(ground)
    assert dark != light
    browser.call("reload")
    browser.wait("h1", "All is well.")
    assert browser.evaluate(ground) == dark
    browser.click(".theme label:has-text('auto')")
    assert browser.evaluate(ground) == light


# How long each of 40 jumps through the list keeps the page from drawing.
SCROLL = """(async () => {
    const list = document.querySelector('.maps .scroll'), times = [];
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    for (let i = 1; i <= 40; i++) {
        await frame();
        const start = performance.now();
        list.scrollTop = list.scrollHeight * i / 40;
        await frame();
        times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b);
})()"""


def test_ten_thousand_maps_stay_fluid(site, page):
    in_force(site, UPLINKS.rstrip() + "".join(
        f'\n      many-{i}: {{listen: {10000 + i}/tcp, to: "192.168.0.{10 + i % 40}:80"}}'
        for i in range(MANY)) + "\n")
    try:
        page.wait(".maps h2", "10,000")
        page.wait(".node.more", "26 more backends")
        assert page.count(".maps .body .row") < 100
        times = page.evaluate(SCROLL)
        assert times[len(times) // 2] < 100, times
        assert page.count(".maps .body .row") < 100
        page.wait(".maps .body .row[aria-rowindex='10001']")
        page.focus(".maps .body .link")
        page.press("End")
        page.press("ArrowUp")
        wait_for(lambda: page.evaluate("document.activeElement.closest('[role=row]')"
                                       "?.getAttribute('aria-rowindex')") == "10000",
                 "the row before the last to have the focus")
        page.fill("Search maps", "many-4711")
        page.wait(".maps h2", "1 of 10,000")
        assert page.texts(".maps .body .name") == ["many-4711"]
    finally:
        in_force(site, CONFIG)


if SCREENSHOTS:
    def test_screenshots(browser, page):
        folder = pathlib.Path(SCREENSHOTS).resolve()
        for name, dark in (("page-light", False), ("page-dark", True)):
            browser.open(width=1280, height=860, dark=dark)
            browser.wait(".maps .body .row", "web")
            time.sleep(40)  # the rates get a history
            browser.call("shot", path=str(folder / f"{name}.png"))
        browser.open(width=1280, height=860)
        browser.wait(".rate", "bit/s")
        ask_why(browser)
        browser.focus(".controls .play")
        for _ in range(5):
            browser.press("ArrowLeft")
        time.sleep(4)
        browser.call("shot", path=str(folder / "page-explain.png"))
        for name in ("page-light", "page-dark", "page-explain"):
            assert 20_000 < (folder / f"{name}.png").stat().st_size < 200_000
