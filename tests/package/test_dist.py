# SPDX-License-Identifier: GPL-2.0-or-later
"""The version that git says, and the release tarball."""

import os
import pathlib
import shlex
import shutil
import subprocess
import tarfile

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PORTREEVE", TOP / "build/portreeve")).parent
WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
       "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": "/dev/null"}


def run(*words, env=None, **more):
    done = subprocess.run([str(word) for word in words], env={**os.environ, **(env or {})},
                          capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Tree:
    """A source tree with nothing but tools/version in it."""

    def __init__(self, path):
        self.path = path
        (path / "tools").mkdir(parents=True)
        shutil.copy(TOP / "tools/version", path / "tools/version")

    def git(self, *words):
        return run("git", "-C", self.path, *words, env=WHO)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "--short=7", "HEAD")

    @property
    def version(self):
        return run(self.path / "tools/version")


@pytest.fixture
def tree(tmp_path):
    made = Tree(tmp_path / "tree")
    made.git("init", "-q")
    return made


def test_version_of_a_tree_without_git(tmp_path):
    tree = Tree(tmp_path / "tree")
    assert tree.version == "0.0.0+unknown"
    (tree.path / "VERSION").write_text("1.2.3\n")
    assert tree.version == "1.2.3"


def test_version_is_not_taken_from_a_repository_around(tmp_path):
    around = Tree(tmp_path / "around")
    around.git("init", "-q")
    around.commit()
    around.git("tag", "v9.9.9")
    assert Tree(around.path / "inner").version == "0.0.0+unknown"


def test_version_by_tag(tree):
    first = tree.commit()
    assert tree.version == f"0.0.0+1.g{first}"
    tree.git("tag", "not-a-version")
    assert tree.version == f"0.0.0+1.g{first}"
    tree.git("tag", "v0.2.0")
    assert tree.version == "0.2.0"
    second = tree.commit()
    assert tree.version == f"0.2.0+1.g{second}"
    tree.git("tag", "-a", "-m", "x", "v0.10.0")
    assert tree.version == "0.10.0"


def test_version_says_what_is_not_committed(tree):
    commit = tree.commit()
    (tree.path / "new").write_text("not known to git\n")
    assert tree.version == f"0.0.0+1.g{commit}"
    with open(tree.path / "tools/version", "a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert tree.version == f"0.0.0+1.g{commit}.dirty"
    tree.git("tag", "v1.0.0")
    assert tree.version == "1.0.0+dirty"


def test_version_is_the_same_for_root(tree):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    commit = tree.commit()
    for path in [tree.path, *tree.path.rglob("*")]:
        os.chown(path, 65534, 65534)
    assert tree.version == f"0.0.0+1.g{commit}"


def test_each_build_asks_for_the_version():
    # Meson runs it from elsewhere, and takes the version of its own setup where that fails.
    asks = run("ninja", "-C", BUILD, "-t", "commands", "src/base/version.h")
    assert run(shlex.split(asks)[-1], cwd=TOP / "src/base") == run(TOP / "tools/version")


def test_versions_sort():
    versions = ["0.0.0+9.gffffff0", "0.2.0", "0.2.0+1.gfffffff", "0.2.0+12.g0000000",
                "0.10.0", "0.10.0+dirty"]
    for older, newer in zip(versions, versions[1:]):
        run("dpkg", "--compare-versions", f"{older}-1", "lt", f"{newer}-1")


@pytest.fixture(scope="module")
def tarball(tmp_path_factory):
    if not (TOP / ".git").exists():
        pytest.skip("a release is made from a git checkout")
    return pathlib.Path(run(TOP / "tools/dist", "--without-page", tmp_path_factory.mktemp("dist")))


def test_twice_the_same_bytes(tarball, tmp_path):
    again = run("sh", "-c", 'umask 077; exec "$0" "$@"', TOP / "tools/dist", "--without-page",
                tmp_path / "dist", cwd="/", env={"TZ": "Asia/Tokyo", "LC_ALL": "C"})
    assert pathlib.Path(again).name == tarball.name
    assert pathlib.Path(again).read_bytes() == tarball.read_bytes()


def test_tarball_is_what_is_committed(tarball, tmp_path):
    with tarfile.open(tarball) as tar:
        members = tar.getmembers()
        tar.extractall(tmp_path)
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {
        (0, 0, "", "", int(run("git", "-C", TOP, "log", "-1", "--format=%ct")))}
    top = tmp_path / tarball.name.removesuffix(".tar.gz")
    files = {m.name.removeprefix(f"{top.name}/") for m in members if not m.isdir()}
    assert files == {*run("git", "-C", TOP, "ls-tree", "-r", "--name-only", "HEAD").splitlines(),
                     "VERSION"}
    assert top.name == "portreeve-" + (top / "VERSION").read_text().strip()


def test_tarball_knows_its_version(tarball, tmp_path):
    with tarfile.open(tarball) as tar:
        tar.extractall(tmp_path)
    top = tmp_path / tarball.name.removesuffix(".tar.gz")
    assert f"portreeve-{run(top / 'tools/version')}" == top.name
