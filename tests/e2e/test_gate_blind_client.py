# SPDX-License-Identifier: ISC
"""The role `blind` against a client that is no stock rsync, and against names that rsync tells by the way."""

import os
import subprocess

import pytest

from gate_fixture import gate  # noqa: F401

SECRET = b"pin=4711"

# Between rsync and the gate: what the client sends as data becomes "the same as there already", with the sum of what it
# guesses. Protocol 29 has no frames in this direction, so that bytes can be put in the place of others.
FORGER = '''
import os, struct, subprocess, sys, threading
guess = bytes.fromhex(sys.argv[1])
sent = bytes(16) + struct.pack("<i", len(guess)) + guess + bytes(4)
forged = struct.pack("<5i", 1, len(guess), 2, 0, -1) + bytes(4)
server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, bufsize=0)

def pump():
    while data := os.read(0, 65536):
        if sent in data:
            print("forged", file=sys.stderr, flush=True)
        server.stdin.write(data.replace(sent, forged))

threading.Thread(target=pump, daemon=True).start()
os._exit(server.wait())
'''


@pytest.fixture
def forge(gate):
    (gate.base / "forger.py").write_text(FORGER)

    def push(guess, *words):
        """Whether the server says that what lies there is this."""
        victim = gate.own(gate.home / "report.txt")
        victim.write_bytes(SECRET)
        (gate.src / "report.txt").write_bytes(guess)
        result = subprocess.run(
            ["rsync", "-I", "-W", "--protocol=29", *words, "-e", f"/usr/bin/python3 {gate.base}/forger.py {guess.hex()} {gate.server()}",
             gate.src / "report.txt", "host:"], capture_output=True, timeout=60)
        assert b"forged" in result.stderr, result.stderr
        assert victim.read_bytes() in (SECRET, guess)
        return result.returncode == 0

    return push


def test_a_client_that_forges_finds_the_content_by_guessing_through_push(gate, forge):
    gate.options = ["-wo"]
    assert forge(SECRET) and not forge(b"pin=4712")


@pytest.mark.parametrize("words", [[], ["--inplace"], ["--partial"], ["-b", "--suffix=.old"]], ids=" ".join)
def test_a_client_that_forges_learns_nothing_through_blind(gate, forge, words):
    gate.options = ["-blind"]
    assert forge(SECRET, *words) == forge(b"pin=4712", *words)


def names(gate, *words):
    """What is told when a file comes where a directory is."""
    gate.own(gate.home / "etc" / "passwords" / "diary-of-monday", "private")
    (gate.src / "etc").write_text("no directory")
    result = gate.rsync("-r", *words, f"{gate.src}/", "host:", check=False)
    assert (gate.home / "etc/passwords/diary-of-monday").read_text() == "private"
    return result.text


@pytest.mark.parametrize("words", [["-vvv"], ["-vvvv"], ["-vv", "-v"], ["-v", "--verbose", "-v"]], ids=" ".join)
def test_a_file_in_the_place_of_a_directory_tells_its_names_through_push_and_not_through_blind(gate, words):
    gate.options = ["-wo"]
    assert "passwords" in names(gate, *words)
    gate.options = ["-blind"]
    text = names(gate, *words)
    assert "passwords" not in text and "-v" in text and "has been disabled on this server" in text, text


def test_three_times_verbose_tells_the_size_of_a_file_through_push_and_not_through_blind(gate):
    gate.own(gate.home / "report.txt").write_bytes(SECRET * 1111)
    (gate.src / "report.txt").write_text("x")
    said = {}
    for option in ("-wo", "-blind"):
        gate.options = [option]
        said[option] = gate.rsync("-rI", "-vvv", f"{gate.src}/report.txt", "host:", check=False).text
        gate.own(gate.home / "report.txt").write_bytes(SECRET * 1111)
    assert str(len(SECRET) * 1111) in said["-wo"] and str(len(SECRET) * 1111) not in said["-blind"]


def test_twice_verbose_is_not_too_much(gate):
    gate.options = ["-blind"]
    text = names(gate, "-vv")
    assert "passwords" not in text and "disabled on this server" not in text
    (gate.src / "etc").unlink()
    (gate.src / "new").write_text("new")
    gate.rsync("-rvv", f"{gate.src}/", "host:")
    assert (gate.home / "new").read_text() == "new"


@pytest.mark.parametrize("words", [
    ["-aHAX"], ["-a", "--inplace"], ["-a", "--delay-updates"], ["-aS"], ["-ab", "--backup-dir=old"], ["-ab"], ["-a", "--fsync"],
    ["-a", "--partial"], ["-a", "--temp-dir=tmp"], ["-a", "--preallocate"],
], ids=" ".join)
@pytest.mark.parametrize("more", [[], ["-fake-super"], ["-no-private"]], ids=" ".join)
def test_every_way_to_write_works_without_reading(gate, words, more):
    """Also over what is there, and hard links in other directories."""
    gate.options = ["-blind", *more]
    gate.own(gate.home / "tmp/x")
    (gate.src / "dir").mkdir()
    for text in ("first", "second, longer"):
        (gate.src / "file").write_text(text)
        (gate.src / "file").chmod(0o640)
        (gate.src / "big").write_bytes(os.urandom(300000))
        (gate.src / "dir/hard").unlink(missing_ok=True)
        os.link(gate.src / "file", gate.src / "dir/hard")
        result = gate.rsync(*words, "-I", f"{gate.src}/", "host:")
        assert "denied" not in result.text and "failed" not in result.text, result.text
        for name in ("file", "big", "dir/hard"):
            assert (gate.home / name).read_bytes() == (gate.src / name).read_bytes()
    if "-b" in words[0]:
        assert (gate.home / ("old/file" if len(words) > 1 else "file~")).read_text() == "first"
