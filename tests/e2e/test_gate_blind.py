# SPDX-License-Identifier: ISC
"""The role `blind`: nothing comes back of what lies there. Each attack works through `push` (the control)."""

import os
import re
import subprocess

import pytest

from gate_fixture import UID, gate  # noqa: F401

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


# What tells names, sums or contents of what is there, through push
TELLING = {
    "--delete": ["-rv", "--delete"],
    "--delete -n": ["-rvn", "--delete"],
    "checksum": ["-rnci"],
    "append": ["-r", "--append-verify", "--debug=deltasum4"],
    "fuzzy": ["-rvvy"],
    "size": ["-rni", "--size-only"],
    "update": ["-rniu"],
    "compare-dest": ["-ri", "--compare-dest=/"],
    "copy-dest": ["-ri", "--copy-dest=/"],
    "link-dest": ["-ri", "--link-dest=/"],
    "cvs": ["-rvC", "-m"],
    "prune": ["-rvm", "--filter=:- report.txt"],
    "list": ["-r", "-M--list-only"],
    "log": ["-r", "-M--log-file=diary-of-monday"],
    "log-format": ["-r", "-M--log-format=%C %n"],
    "info": ["-r", "-M--info=all9"],
    "partial-dir": ["-r", "--partial-dir=/"],
    "existing": ["-rvv", "--existing"],
    "batch": ["-r", "--only-write-batch=/dev/null"],
    "blocks": ["-r", "-B700"],
    "existing names by -vvvv": ["-rvvvv"],
}


@pytest.mark.parametrize("name", TELLING)
def test_what_tells_is_refused_or_tells_nothing(victim, name):
    victim.options = ["-blind"]
    before = {p.name: p.read_bytes() for p in victim.home.iterdir()}
    (victim.src / "new").write_text("new")
    result = victim.rsync(*TELLING[name], f"{victim.src}/", "host:", check=False)
    text = everything(result)
    assert "diary" not in text.replace("--log-file=diary-of-monday", "") and "SECRET" not in text and not sums(text)
    if "-vvvv" not in name:
        assert result.returncode != 0 and "has been disabled on this server" in text, text
        assert {p.name: p.read_bytes() for p in victim.home.iterdir()} == before


@pytest.mark.parametrize("name, tells", [("--delete -n", "diary-of-monday"), ("--delete", "diary-of-monday")])
def test_names_are_listed_through_push(victim, name, tells):
    victim.options = ["-wo"]
    assert tells in everything(victim.rsync(*TELLING[name], f"{victim.src}/", "host:"))


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
