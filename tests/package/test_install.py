# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make install DESTDIR= PREFIX=` puts where, and whether systemd understands it."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PORTREEVE", TOP / "build/portreeve")).parent

# Below the prefix. Of folders, what has to be in them.
FILES = """
bin/portreeve
lib/systemd/system/portreeve.service
lib/systemd/system/portreeve-apply.service
lib/systemd/networkd.conf.d/portreeve.conf
lib/sysusers.d/portreeve.conf
share/man/man8/portreeve.8
share/man/man5/portreeve.yaml.5
share/portreeve/portreeve.schema.json
share/bash-completion/completions/portreeve
share/zsh/site-functions/_portreeve
share/fish/vendor_completions.d/portreeve.fish
share/doc/portreeve/README.md
share/doc/portreeve/docs/openapi.yaml
share/doc/portreeve/docs/pitfalls.md
share/doc/portreeve/examples/two-uplinks.yaml
""".split()


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """What an installation with the build's own prefix consists of."""
    destination = tmp_path_factory.mktemp("install")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet",
                    "--destdir", destination], check=True, capture_output=True)
    prefix = next(path.parent.parent for path in destination.rglob("bin/portreeve"))
    return prefix


def test_everything_is_there(tree):
    found = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    assert set(FILES) <= found
    # Nothing of the build, the tests or the sources slipped in.
    assert not [name for name in found if re.search(r"\.(a|o|h|c|py|in)$|test", name)]
    for name in found:
        mode = (tree / name).stat().st_mode & 0o777
        assert mode == 0o755 if os.access(tree / name, os.X_OK) else mode == 0o644, name


def test_links_of_the_readme_lead_somewhere(tree):
    doc = tree / "share/doc/portreeve"
    links = re.findall(r"\]\((?!http|#)([^)#]+)", (doc / "README.md").read_text())
    missing = [link for link in links if not (doc / link).exists()]
    # What is about the sources stays with them.
    assert set(missing) <= {"CONTRIBUTING.md", "SECURITY.md", "tools/packages",
                            "share/portreeve.schema.json"}


def test_units_name_the_program_where_it_is(tree):
    for unit in ("portreeve.service", "portreeve-apply.service"):
        text = (tree / "lib/systemd/system" / unit).read_text()
        programs = re.findall(r"^Exec\w+=(\S+)", text, re.M)
        assert programs and "@bindir@" not in text
        for program in programs:
            assert str(tree).endswith(str(pathlib.Path(program).parent.parent))


def test_systemd_understands_the_units(tree, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    for unit in ("portreeve.service", "portreeve-apply.service"):
        text = (tree / "lib/systemd/system" / unit).read_text()
        (tmp_path / unit).write_text(re.sub(r"(?m)^(Exec\w+=)\S+", r"\1/bin/true", text))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                           *tmp_path.glob("*.service")], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_group_is_made(tree, tmp_path):
    if not shutil.which("systemd-sysusers"):
        pytest.skip("no systemd-sysusers here")
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}",
                    tree / "lib/sysusers.d/portreeve.conf"], check=True, capture_output=True)
    assert re.search(r"^portreeve:", (tmp_path / "etc/group").read_text(), re.M)


def test_completions_load(tree):
    done = subprocess.run(["bash", "-ec", f"""
        . {tree}/share/bash-completion/completions/portreeve
        COMP_WORDS=(portreeve chec); COMP_CWORD=1; _portreeve; echo "${{COMPREPLY[@]}}" """],
                          capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["check"]
