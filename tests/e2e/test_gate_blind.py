# SPDX-License-Identifier: ISC
"""The role `blind`: nothing comes back of what lies there. Each attack works through `push` (the control)."""

import os
import re
import subprocess

import pytest

from gate_fixture import UID, describe, gate  # noqa: F401

SECRET = b"SECRET-of-an-earlier-backup: 0123456789 abcdefghij"


def everything(result):
    return (result.stdout + result.stderr).decode(errors="surrogateescape")


def sums(text):
    """What the rolling sums of single bytes say: sum1 of a block of one byte b is b << 16 | b."""
    return bytes(int(m, 16) & 0xff for m in re.findall(r"sum1=([0-9a-f]{8})", text))


@pytest.fixture
def victim(gate):
    gate.own(gate.home / "report.txt").write_bytes(SECRET)
    gate.own(gate.home / "diary-of-monday", "private")
    (gate.src / "report.txt").write_text("x")
    return gate


ROLLING = ["-rI", "--no-W", "-B1", "--debug=deltasum4"]


def test_rolling_sums_give_every_byte_through_push(victim):
    victim.options = ["-wo"]
    assert SECRET in sums(everything(victim.rsync(*ROLLING, f"{victim.src}/report.txt", "host:")))


@pytest.mark.parametrize("words", [
    ROLLING, ["-rI", "--no-W", "--debug=deltasum4"], ["-rI", "--no-W", "--inplace", "--debug=deltasum4"],
    ["-r", "--no-W", "--checksum-seed=1", "--debug=deltasum4"], ["-rI", "--no-W", "--partial", "--debug=deltasum4"],
    ["-rI", "--no-W", "--debug=deltasum4", "-M--no-W"], ["-rI", "--no-W", "--protocol=29", "--debug=deltasum4"],
], ids=" ".join)
def test_no_sum_comes_back_through_blind(victim, words):
    victim.options = ["-blind"]
    result = victim.rsync(*words, f"{victim.src}/report.txt", "host:", check=False)
    assert not sums(everything(result)) and not re.search(r"count=[1-9]", everything(result))
    if "-B1" not in words:
        assert result.returncode == 0 and (victim.home / "report.txt").read_text() == "x"
    victim.own(victim.home / "report.txt").write_bytes(SECRET)
    victim.options = ["-wo"]
    control = everything(victim.rsync(*words, f"{victim.src}/report.txt", "host:"))
    assert sums(control) and re.search(r"count=[1-9]", control)


# ---- the same push onto two homes that differ in one thing: what comes back tells which of the two it was


def report(home, text, when):
    (home / "report.txt").write_bytes(text)
    os.utime(home / "report.txt", (when, when))


DIFFERENCE = {
    "content": lambda home: report(home, SECRET[::-1], 5),
    "size": lambda home: report(home, SECRET + b"more", 5),
    "date": lambda home: report(home, SECRET, 9),
    "name": lambda home: (home / "report.txt").unlink(),
    "another name": lambda home: (home / "diary-of-monday").rename(home / "diary-of-sunday"),
}
DELTA = "--debug=deltasum4"
# What is told, the options that tell it, the name and the content of what is pushed, and to where.
TELLING = [
    ("another name", ["-rv", "--delete"]),
    ("another name", ["-rvn", "--delete"]),
    ("content", ["-rn", "--delete", "--filter=: report.txt"], "other"),  # rules are read there
    ("content", ["-rnci"]),
    ("content", ["-rci", "--only-write-batch=/dev/null"]),  # -n by another name
    ("content", ["-rI", "--append-verify", DELTA], "report.txt", SECRET + b" and so on"),
    ("size", ["-rI", "--append", DELTA], "report.txt", SECRET + b" and so on"),
    ("content", ["-rI", "--no-W", "-B700", DELTA]),
    ("content", ["-rI", "--no-W", "--partial-dir=/", DELTA], "report.txt", SECRET, "elsewhere/"),
    ("name", ["-rvvy", DELTA], "report.txt2"),
    ("size", ["-rni", "--size-only"]),
    ("date", ["-rniuI"]),
    ("date", ["-rt", "-M--info=name2"]),
    ("name", ["-rvv", "--existing"]),
    ("size", ["-rti", "--compare-dest=/"], "report.txt", SECRET, "elsewhere/"),
    ("size", ["-rti", "--copy-dest=/"], "report.txt", SECRET, "elsewhere/"),
    ("size", ["-rti", "--link-dest=/"], "report.txt", SECRET, "elsewhere/"),
    ("content", ["-rIvvvv"]),
]


def said(gate, role, difference, words, name="report.txt", text=SECRET, to=""):
    """All that the client hears, but for amounts of traffic, numbers of processes, which of rsync's own ended the other
    and whether it wrote or read when it met the end of a server that had sent nothing; and whether the home has changed."""
    subprocess.run(["rm", "-rf", gate.home / "elsewhere", *gate.home.iterdir()], check=True)
    gate.own(gate.home / "diary-of-monday", "private")
    report(gate.home, SECRET, 5)
    os.chown(gate.home / "report.txt", UID, UID)
    if difference is not None:
        DIFFERENCE[difference](gate.home)
    (gate.src / name).write_bytes(text)
    for path in (gate.src / name, gate.src):
        os.utime(path, (5, 5))
    before = describe(gate.home)
    gate.options = [role]
    result = gate.rsync(*words, f"{gate.src}/", f"host:{to}", check=False)
    lines = re.sub(r"(?m)^(sent|total size is) .*$|(?<=pid=)\d+|(?<=waiting on )\d+|(?m:^.*received SIGUSR1 .*\n)"
                   r"|(?m:^rsync: \[sender\] .*Broken pipe .*\n)| at io\.c\(\d+\)"
                   r"|(?m:^rsync: connection unexpectedly closed \(0 bytes received so far\) \[sender\]\n)", "", result.text).splitlines()
    return (result.returncode, sorted(lines)), describe(gate.home) == before


@pytest.mark.parametrize("case", TELLING, ids=lambda case: f"{case[0]} by {' '.join(case[1])}")
def test_what_tells_through_push_tells_nothing_through_blind(gate, case):
    difference, words, *pushed = case
    one, same = said(gate, "-blind", None, words, *pushed)
    assert said(gate, "-blind", difference, words, *pushed)[0] == one
    assert one[0] != 0 and "has been disabled on this server" in "\n".join(one[1]) and same, one
    one = said(gate, "-wo", None, words, *pushed)[0]
    assert "disabled" not in "\n".join(one[1]) and said(gate, "-wo", None, words, *pushed)[0] == one
    assert said(gate, "-wo", difference, words, *pushed)[0] != one


@pytest.mark.parametrize("words", [
    ["-rC"], ["-rm"], ["-r", "-M--list-only"], ["-r", "-M--log-file=diary-of-monday"], ["-r", "-M--log-format=%C %n"],
    ["-r", "-M--info=all9"],
], ids=" ".join)
def test_what_no_push_needs_is_refused_before_it_tells(victim, words):
    """Of these no way to learn from them is known; each looks at what is there, or writes of it where others could look."""
    victim.options = ["-blind"]
    before = describe(victim.home)
    refused = victim.rsync(*words, f"{victim.src}/", "host:", check=False)
    assert refused.returncode != 0 and "has been disabled on this server" in refused.text
    assert describe(victim.home) == before
    victim.options = ["-wo"]
    victim.rsync(*words, f"{victim.src}/", "host:")  # the control


def test_equality_of_content_is_told_through_push_and_not_through_blind(victim):
    (victim.src / "report.txt").write_bytes(SECRET)
    os.utime(victim.src / "report.txt", (1, 1))
    victim.options = ["-wo"]
    assert b"report.txt" not in victim.rsync("-rnci", f"{victim.src}/", "host:").stdout  # equal: nothing to send
    (victim.src / "report.txt").write_bytes(SECRET[::-1])
    assert b"report.txt" in victim.rsync("-rnci", f"{victim.src}/", "host:").stdout
    victim.options = ["-blind"]
    answers = set()
    for text in (SECRET, SECRET[::-1]):
        victim.own(victim.home / "report.txt").write_bytes(SECRET)
        os.utime(victim.home / "report.txt", (5, 5))
        (victim.src / "report.txt").write_bytes(text)
        os.utime(victim.src / "report.txt", (1, 1))
        result = victim.rsync("-ri", f"{victim.src}/", "host:")
        answers.add(result.stdout)
    assert len(answers) == 1  # sent whole either way


def test_a_backup_is_still_a_backup_and_the_next_one_small(victim):
    victim.options = ["-blind", "-fake-super"]
    (victim.src / "big").write_bytes(os.urandom(1 << 20))
    for sent in (True, False):
        result = victim.rsync("-aHAXS", "--numeric-ids", "--stats", f"{victim.src}/", "host:srv")
        total = int(re.search(r"Total bytes sent: ([\d,]+)", result.text).group(1).replace(",", ""))
        assert (total > 1 << 20) == sent
    assert (victim.home / "srv/big").read_bytes() == (victim.src / "big").read_bytes()
    assert victim.rsync("-a", "host:", f"{victim.base}/back/", check=False).returncode != 0
    listing = victim.rsync("host:", check=False)
    assert listing.returncode != 0 and "reading: not allowed" in listing.text
    victim.options = ["-fake-super"]  # the control: a key that may read
    assert "report.txt" in victim.rsync("host:").text
