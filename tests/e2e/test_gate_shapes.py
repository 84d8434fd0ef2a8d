# SPDX-License-Identifier: ISC
"""What is pushed where: every shape of arguments gives the tree that plain rsync gives; directories of the receiver;
options that travel in other ways than one letter; locks."""

import os
import re
import shutil
import subprocess
import time

import pytest

from gate_fixture import UID, describe, fill, gate  # noqa: F401

SHAPES = {
    "file to nothing": (["src/one"], "new"),
    "file to file": (["src/one"], "file"),
    "file to file in dir": (["src/one"], "dir/inner"),
    "file to dir": (["src/one"], "dir"),
    "file to dir/": (["src/one"], "dir/"),
    "file to new/": (["src/one"], "new/"),
    "file to root": (["src/one"], ""),
    "file to /": (["src/one"], "/"),
    "file to link to dir": (["src/one"], "link"),
    "file to link to file": (["src/one"], "flink"),
    "dir to dir": (["src/tree"], "dir"),
    "dir to new": (["src/tree"], "new"),
    "dir/ to dir": (["src/tree/"], "dir"),
    "dir/ to new": (["src/tree/"], "new"),
    "dir/ to root": (["src/tree/"], "."),
    "dir/ to file": (["src/tree/"], "file"),
    "several to dir": (["src/one", "src/two", "src/tree"], "dir"),
    "several to new": (["src/one", "src/two"], "new"),
    "several to file": (["src/one", "src/two"], "file"),
    "dir/. to new": (["src/tree/."], "new"),
    "-R": (["-R", "src/./tree/deep/f"], "dir"),
    "-R to new": (["-R", "src/./tree/deep/f"], "new"),
    "-R no-implied": (["-R", "--no-implied-dirs", "src/./tree/deep"], "dir"),
    "missing parents": (["src/one"], "a/b/c"),
    "missing parents of dir": (["src/tree/"], "a/b/c"),
    "mkpath file": (["--mkpath", "src/one"], "a/b/c"),
    "mkpath file to dir": (["--mkpath", "src/one"], "a/b/c/"),
    "mkpath dir": (["--mkpath", "src/tree/"], "a/b/c"),
    "mkpath several": (["--mkpath", "src/one", "src/two"], "a/b"),
    "delete": (["--delete", "src/tree/"], "dir"),
    "force": (["--force", "src/tree/"], "dir"),
    "file over dir": (["src/over/"], "."),
    "inplace": (["--inplace", "src/one"], "file"),
    "backup": (["-b", "src/one"], "file"),
    "backup-dir": (["-b", "--backup-dir=old", "src/tree/"], "dir"),
    "nested backup-dir": (["-b", "--backup-dir=old/2026/07", "src/tree/"], "dir"),
    "absolute backup-dir": (["-b", "--backup-dir={top}/old/x", "src/tree/"], "dir"),
    "backup of deleted": (["-b", "--backup-dir=old", "--delete", "src/tree/"], "dir"),
    "backup-dir of a file": (["-b", "--backup-dir=old", "src/one"], "file"),
    "partial-dir": (["--partial-dir=.part", "src/tree/"], "dir"),
    "absolute partial-dir": (["--partial-dir={top}/part", "src/tree/"], "dir"),
    "temp-dir": (["--temp-dir={top}/tmp", "src/tree/"], "dir"),
    "missing temp-dir": (["--temp-dir=nowhere", "src/tree/"], "dir"),
    "delay-updates": (["--delay-updates", "src/tree/"], "dir"),
    "link-dest": (["--link-dest=../dir", "src/tree/"], "new"),
    "link-dest of nothing": (["--link-dest=../none", "src/tree/"], "new"),
    "copy-dest": (["--copy-dest=../dir", "src/tree/"], "new"),
    "compare-dest": (["--compare-dest=../dir", "src/tree/"], "new"),
    "absolute link-dest": (["--link-dest={top}/dir", "src/tree/"], "new"),
    "suffix": (["-b", "--suffix=.old", "src/tree/"], "dir"),
    "suffix apart": (["-ab", "--suffix", ".old", "--backup-dir", "kept", "src/tree/"], "dir"),
    "repeated": (["-a", "-a", "-vv", "-vv", "--delete", "--delete", "--max-delete=1", "--max-delete=5", "src/tree/"], "dir"),
    "merge file": (["--filter=dir-merge .rules", "--delete", "src/tree/"], "dir"),
    "merge file outside": (["--filter=dir-merge ../../outside/rules", "--delete", "src/tree/"], "dir"),
    "safe-links": (["--safe-links", "src/tree/"], "new"),
}


def populate(top):
    for name, text in (("file", "old"), ("dir/inner", "old"), ("dir/f", "older"), ("dir/deep/f", "deep"), ("dir/gone", "gone"),
                       ("tmp/x", ""), ("over", "")):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (10**9, 10**9))
    (top / "over").unlink()
    (top / "over").mkdir()
    (top / "over/full").write_text("x")
    os.symlink("dir", top / "link")
    os.symlink("file", top / "flink")
    for path in (top, *top.rglob("*")):
        os.lchown(path, UID, UID)


def source(src):
    (src / "one").write_text("one, longer")
    (src / "two").write_text("two")
    (src / "tree/deep").mkdir(parents=True)
    (src / "tree/f").write_text("newer")
    (src / "tree/deep/f").write_text("deep")
    (src / "tree/.rules").write_text("- gone\n")
    os.symlink("../../etc", src / "tree/unsafe")
    (src / "over").mkdir()
    (src / "over/over").write_text("now a file")
    for path in sorted(src.rglob("*"), reverse=True):
        os.utime(path, (10**9, 10**9), follow_symlinks=False)


def shown(top):
    """What a person sees of a tree; inodes as groups."""
    return {name: what for name, what in describe(top).items() if not name.endswith("~tmp~")}


def without_times(tree):
    """Directories that rsync makes by itself bear the time of the run."""
    return {name: [w for i, w in enumerate(what) if i != 4] for name, what in tree.items()}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_push_gives_the_tree_of_plain_rsync(gate, shape):
    words, destination = SHAPES[shape]
    source(gate.src)
    (gate.outside / "rules").write_text("- gone\n")
    trees, codes = {}, {}
    gate.options = []
    for gated in (True, False):
        populate(gate.home)
        if not gated and destination.startswith("/"):
            destination = f"{gate.home}{destination}"
        top = "" if gated else str(gate.home)
        made = [word.replace("{top}", top).replace("src/", f"{gate.src}/", 1) if "src/" in word else word.replace("{top}", top)
                for word in words]
        result = gate.rsync("-rlptgo", *made, f"host:{destination}", gated=gated, check=False)
        trees[gated], codes[gated] = without_times(shown(gate.home)), (result.returncode, result.text)
        for path in gate.home.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    assert trees[True] == trees[False], codes
    assert (codes[True][0] == 0) == (codes[False][0] == 0), codes


def test_a_missing_temporary_directory_is_named(gate):
    (gate.src / "f").write_text("x")
    result = gate.rsync("-r", "--temp-dir=no-such-tmp", f"{gate.src}/", "host:", check=False)
    assert result.returncode != 0 and "temp-dir does not exist: no-such-tmp" in result.text


def test_a_link_planted_in_the_run_leads_nowhere(gate):
    """What rsync's own rrsync-backup-dir-inband-pivot does, and what it would do behind its last refusal."""
    gate.options = ["-wo"]
    gate.own(gate.outside / "keys", "ADMIN")
    (gate.src / "keys").write_text("NEXT")
    os.symlink("../outside", gate.src / "a")
    for gated, expected in ((True, "ADMIN"), (False, "THIEF")):
        for path in gate.home.iterdir():
            path.unlink()
        gate.own(gate.home / "keys", "THIEF")
        result = gate.rsync("-rlbI", "--backup-dir=a", "--no-implied-dirs", f"{gate.src}/", "host:", gated=gated, check=False)
        if gated:
            assert result.returncode != 0 and os.readlink(gate.home / "a") == "../outside"
            assert (gate.outside / "keys").read_text() == expected
    (gate.home / "a").unlink(missing_ok=True)
    (gate.src / "a").unlink()
    for path, option in (("old/1/2/keys", "--backup-dir=old/1/2"), ("keys", "--partial-dir=.part"), ("keys", "--link-dest=none")):
        gate.own(gate.home / "keys", "THIEF")
        gate.rsync("-rlbI", option, f"{gate.src}/keys", "host:")
        assert (gate.home / path).exists()
        assert not list(gate.home.glob("none")) and not list(gate.home.glob(".rrsync*"))
        (gate.home / "keys").unlink()


# ---- options in other forms ---------------------------------------------------------------


def test_secluded_arguments_are_checked_as_the_plain_ones(gate, monkeypatch):
    """-s moves the arguments into the protocol: what is accepted of them does the same, what is not is refused by the same words."""
    fill(gate.src)
    names = gate.src / "names"
    names.mkdir()
    for name in ("a b", "star*", "b.c", "c.c", "$(id)", "new\nline", "-dash", "{x,y}", "quote'\"", "back\\slash", "~"):
        (names / name).write_text(name)
    where = {False: "plain", True: "secluded"}
    for secluded, top in where.items():
        monkeypatch.setenv("RSYNC_PROTECT_ARGS", "1" if secluded else "0")
        for words in ([f"{gate.src}/", f"host:{top}/1 2/{{x}} $(id)/"], [f"{gate.src}/", f"host:~/{top}/home/"],
                      ["--delete", "--link-dest=../home", f"{gate.src}/", f"host:/{top}/linked/"],
                      ["--backup-dir", "old ones", "-b", "--suffix=;id", f"{names}/", f"host:{top}/kept"]):
            gate.rsync("-aHAX", "--mkpath", *words)
        pulled = gate.base / f"pulled-{top}"
        for words in (["host:{}/home/names/*.c"], ["host:{}/home/names/a b", ":{}/home/names/$(id)"], [r"host:{}/home/names/star\*"],
                      ["-R", "host:{}/home/./names/"], ["--files-from=:{}/list", "host:{}/home"]):
            gate.own(gate.home / top / "list", "names/b.c\nplain\n")
            gate.rsync("-a", *(word.format(top) for word in words), f"{pulled}/")
    def dateless(top):  # some directories are made anew, and written to
        return {path: what[:4] + what[5:] for path, what in describe(top).items()}

    one, other = (dateless(gate.home / top) for top in where.values())
    assert one == other and len(one) > 100
    one, other = (dateless(gate.base / f"pulled-{top}") for top in where.values())
    assert one == other and "star*" in one and "a b" in one and "b.c" in one
    for words in ([f"{gate.src}/", "host:../x"], ["--temp-dir=../x", f"{gate.src}/", "host:x"],
                  ["-M--log-file=../x", f"{gate.src}/", "host:x"], ["-M--write-devices", f"{gate.src}/", "host:x"],
                  ["-k", "host:plain", f"{pulled}/"]):
        said = {option: gate.rsync("-r", option, *words, check=False) for option in ("--no-s", "-s")}
        assert all(result.returncode != 0 for result in said.values()), words
        refused = [re.findall(r"^subuid-rrsync: .*", result.text, re.M) for result in said.values()]
        assert refused[0] == refused[1] != [], (words, refused)


SECLUDED = {
    b"": "not those of an rsync client",
    b"rsync\0": "not those of an rsync client",
    b"rsync\0\0": 'no "." after the options',
    b"sh\0.\0x\0\0": "not those of an rsync client",
    b"--daemon\0.\0/etc\0\0": "not those of an rsync client",
    b"rsync\0--daemon\0.\0x\0\0": "not a daemon",
    b"rsync\0--server\0--daemon\0.\0x\0\0": "unknown option",
    b"rsync\0--sender\0.\0x\0\0": "unknown option",
    b"rsync\0--rsh=sh\0.\0x\0\0": "unknown option",
    b"rsync\0-s\0.\0x\0\0rsync\0.\0/etc\0\0": "option -s has been disabled",
    b"rsync\0--delete\0.\0x\0\0": "deleting is not allowed",
    b"rsync\0.\0../x\0\0": "do not use ..",
    b"rsync\0.\0a\0b\0\0": "one destination only",
    b"rsync\0.\0" + b"x" * 200000 + b"\0\0": "too many",
}


@pytest.mark.parametrize("stream", SECLUDED, ids=lambda stream: repr(stream)[2:40])
def test_what_a_hostile_client_says_inside_the_protocol(gate, stream):
    run = subprocess.run([gate.gate, "-no-del", gate.home], input=stream, capture_output=True, user=UID, group=UID, extra_groups=[],
                         env={"SSH_ORIGINAL_COMMAND": "rsync --server -sre.LsfxC"}, cwd="/", timeout=60)
    assert run.returncode == 1 and run.stdout == b"" and SECLUDED[stream] in run.stderr.decode(), run
    assert not list(gate.home.iterdir())


def test_a_client_that_stops_inside_its_arguments_ends(gate):
    with subprocess.Popen([gate.gate, "-timeout=1", gate.home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          user=UID, group=UID, extra_groups=[], env={"SSH_ORIGINAL_COMMAND": "rsync --server -s"}, cwd="/") as run:
        run.stdin.write(b"rsync\0.")
        run.stdin.flush()
        assert run.wait(60) == 1 and b"timed out" in run.stderr.read()


def test_devices_and_links_of_the_host_stay_what_they_are(gate):
    gate.own(gate.outside / "secret", "secret")
    os.symlink(gate.outside / "secret", gate.home / "way")
    os.mkfifo(gate.home / "fifo")
    for words in (["-M--write-devices"], ["--copy-devices"], ["--copy-unsafe-links"], ["-L"], ["-k"]):
        result = gate.rsync("-r", *words, "host:", f"{gate.base}/back/", check=False)
        assert result.returncode != 0 and "has been disabled on this server" in result.text, words
    gate.rsync("-rlD", "host:", f"{gate.base}/back/")
    assert os.readlink(gate.base / "back/way") == str(gate.outside / "secret") and (gate.base / "back/fifo").is_fifo()


def test_log_file_lies_inside(gate):
    gate.options = []
    (gate.src / "f").write_text("x")
    gate.rsync("-r", "-M--log-file=/run.log", f"{gate.src}/", "host:x")
    assert "recv" in (gate.home / "run.log").read_text() or (gate.home / "run.log").stat().st_size > 0
    for option in ("-M--log-file=../run.log", "-M--log-file=/../run.log"):
        assert gate.rsync("-r", option, f"{gate.src}/", "host:x", check=False).returncode != 0
    assert not (gate.base / "run.log").exists()


def test_braces_of_a_pull(gate):
    for name in ("a1", "a2", "b1", "c {x}"):
        gate.own(gate.home / name, name)
    gate.rsync("-r", "--old-args", "host:{a{1,2},b*}", f"{gate.base}/back/")
    assert sorted(p.name for p in (gate.base / "back").iterdir()) == ["a1", "a2", "b1"]
    gate.rsync("-r", "host:c {x}", f"{gate.base}/back2/")  # today's clients escape them
    assert [p.name for p in (gate.base / "back2").iterdir()] == ["c {x}"]


# ---- one writer at a time, each in his place ---------------------------------------------------


class Slow:
    """A push that takes long, begun."""

    def __init__(self, gate, destination):
        (gate.src / "big").write_bytes(os.urandom(1 << 20))
        self.process = subprocess.Popen(["rsync", "-a", "--mkpath", "--bwlimit=100", "-e", gate.server(), f"{gate.src}/",
                                         f"host:{destination}"], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not list(gate.home.rglob(".big.*")):
            assert time.monotonic() < end
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


@pytest.mark.parametrize("first, there, busy, free", [
    ("a", True, ["a", "a/b", "", "a/new"], ["c", "new", "c/d"]),
    ("new", False, ["new", "new/x", ""], ["other", "a", "c"]),
    ("a/b/c", False, ["a/b/c", "a/b", "a", ""], ["a/other", "c"]),
    ("", True, ["a", "new", ""], []),
])
def test_runs_into_different_directories_go_on_side_by_side(gate, first, there, busy, free):
    for name in ("a/x", "c/x"):
        gate.own(gate.home / name, "x")
    (gate.base / "small").mkdir()
    (gate.base / "small/s").write_text("s")
    with Slow(gate, first):
        for destination in busy:
            result = gate.rsync("-r", f"{gate.base}/small/", f"host:{destination}", check=False)
            assert result.returncode != 0, destination
            assert re.search(r"busy: another run is writing there \(process \d+, since 20[\d-]+ [\d:]+ UTC\)", result.text), (
                destination, result.text)
        for destination in free:
            gate.rsync("-r", "--mkpath", f"{gate.base}/small/", f"host:{destination}")
        gate.rsync("-r", "host:", f"{gate.base}/back/")
    end = time.monotonic() + 60
    while gate.rsync("-r", f"{gate.base}/small/", f"host:{busy[0]}", check=False).returncode != 0:
        assert time.monotonic() < end, "the lock did not end with its holder"
