# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages for users: configs are the files in examples/cookbook, word for word and right; links lead
somewhere; commands and pitfalls are those that there are; what is shown is what is printed."""

import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
DOCS = TOP / "docs"
RECIPES = sorted((TOP / "examples/cookbook").glob("*.yaml"))
PAGES = [DOCS / f"{name}.md" for name in
         ("README", "quickstart", "cookbook", "how-it-works", "troubleshooting", "comparison")]


def ids(paths):
    return [path.stem for path in paths]


def blocks(text, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.M | re.S)


# ---- the recipes ----

@pytest.mark.parametrize("file", RECIPES, ids=ids(RECIPES))
def test_recipe_is_right(run, file):
    answer = run("check", "--json", file)
    assert answer.code == 0, answer
    assert answer.json["diagnostics"] == []


def test_the_cookbook_has_the_files_word_for_word():
    text = (DOCS / "cookbook.md").read_text()
    shown = dict(re.findall(r"^\[examples/cookbook/([a-z0-9-]+)\.yaml\]\(\.\./examples/cookbook/\1\.yaml\):"
                            r"\n\n```yaml\n(.*?)^```$", text, re.M | re.S))
    assert shown == {file.stem: file.read_text() for file in RECIPES}
    assert len(blocks(text, "yaml")) == len(RECIPES)
    assert len(re.findall(r"^## \d+\. ", text, re.M)) == 12


def test_the_migrated_file_is_what_import_says(run):
    answer = run("import", "--state", "examples/broken-gateway", cwd=TOP)
    assert answer.out == (TOP / "examples/cookbook/migrated.yaml").read_text()


# ---- links, pitfalls, commands ----

def anchors(page):
    """The anchors that headings get where Markdown is shown."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.M)}


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(((?!https?:)[^)\s]+)\)", page.read_text())
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.fixture(scope="module")
def catalogue():
    rows = re.findall(r"^\| (\d+) \| .* \(`([a-z0-9-]+)`\) \|", (DOCS / "pitfalls.md").read_text(), re.M)
    assert len(rows) == 60
    return {int(number): name for number, name in rows}


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_pitfalls_are_of_the_catalogue(page, catalogue):
    text = page.read_text()
    for number in re.findall(r"\[(?:pitfall )?(\d+)\]\(pitfalls\.md\)", text):
        assert int(number) in catalogue
    for number, name in re.findall(r"\[(\d+) `([a-z0-9-]+)`\]\(pitfalls\.md\)", text):
        assert catalogue[int(number)] == name
    assert len(re.findall(r"\]\(pitfalls\.md\)", text)) == len(
        re.findall(r"\[(?:(?:pitfall )?\d+(?: `[a-z0-9-]+`)?|pitfalls(?:\.md)?)\]\(pitfalls\.md\)", text))


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_commands_are_there(run, page):
    """Each command and option in a shell block, or between backticks, is known to the program."""
    text = page.read_text()
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    lines += re.findall(r"`((?:sudo )?portreeve [^`]+)`", text)
    for line in lines:
        for words in re.findall(r"(?:^|\| |; )(?:\$ )?(?:sudo )?portreeve ([^|;#>]+)", line):
            verb, *rest = words.split()
            if verb.startswith("-"):
                continue
            told = run(verb, "--help")
            assert told.code == 0, line
            for option in re.findall(r"(?<!\S)--[a-z-]+", " ".join(rest)):
                assert option in told.out or option == "--json", line


def test_names_in_the_kernel_are_real(run, article):
    """The table of how-it-works.md against a plan; NAME stands for an uplink's."""
    rows = re.findall(r"^\| (`.*?) \|", (DOCS / "how-it-works.md").read_text(), re.M)
    plan = run("show", "--paper", article).out + run("show", "--paper", TOP / "examples/ipv6.yaml").out
    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert len(names) > 15
    for name in names:
        assert re.search(rf"\b{re.escape(name).replace('NAME', 'telecom')}\b", plan), name


# ---- what is shown ----

SHOWN = re.compile(r"^```(?:console)?\n\$ (portreeve [^\n]*examples/[^\n]*)\n(.*?)^```$", re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_what_is_shown_is_what_is_printed(run, page):
    """Of commands that need no machine: a line "..." stands for lines that are left out."""
    for command, shown in SHOWN.findall(page.read_text()):
        done = run(*command.split()[1:], cwd=TOP, env={"NO_COLOR": "1"})
        printed = done.out + done.err
        for part in re.split(r"^ *\.\.\.\n", shown, flags=re.M):
            assert part in printed, f"{command}\n{part}"


def test_the_index_has_all_pages():
    text = (DOCS / "README.md").read_text()
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in text
    assert "(docs/README.md)" in (TOP / "README.md").read_text()
