# SPDX-License-Identifier: ISC
"""The socket under many who hold it: everybody has a share, and the idle make way (threat 42)."""

import contextlib
import os
import pwd
import signal
import socket
import subprocess

import pytest

from conftest import SOCKET, call_as, run, wait_until

PLACES, EACH = 256, 32

HOLD = """
import json, os, socket, sys, time
mode, count, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
request = json.dumps({"method": "io.subuidd.Accounts.Status"}).encode() + b"\\0"
children = 0
for uid in map(int, sys.argv[4:]):
    if os.fork() == 0:
        os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
        held = []
        for i in range(count):
            peer = socket.socket(socket.AF_UNIX); peer.connect(path); held.append(peer)
            if mode == "asked":  # a whole call and its answer: these are known to be served
                peer.sendall(request)
                while b"\\0" not in peer.recv(65536):
                    pass
            elif mode == "slow":  # the beginning of one
                peer.sendall(request[:10])
        sys.stdout.write("x"); sys.stdout.flush()
        sys.stdin.read()
        # how many are still open
        alive = 0
        for peer in held:
            peer.setblocking(False)
            try:
                alive += peer.recv(1) != b""
            except BlockingIOError:
                alive += 1
            except OSError:
                pass
        os.write(1, b"%d\\n" % alive)
        os._exit(0)
    children += 1
for i in range(children):
    os.wait()
"""


class Holder:
    """Connections of some uids that stay open, each uid in a process of its own."""

    def __init__(self, uids, count=EACH, mode="slow"):
        self.process = subprocess.Popen(["/usr/bin/python3", "-c", HOLD, mode, str(count), SOCKET, *map(str, uids)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert len(self.process.stdout.read(len(uids))) == len(uids)

    def open_ones(self):
        """Ends it; how many of its connections were open still."""
        self.process.stdin.close()
        told = self.process.stdout.read().split()
        self.process.wait(60)
        return sum(map(int, told))

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)


@pytest.fixture
def users(host):
    return [host.new_user() for _ in range(PLACES // EACH)]


def uid_of(user):
    return pwd.getpwnam(user).pw_uid


def status(user):
    return call_as(user, "io.subuidd.Accounts.Status")


@pytest.fixture
def full(host, users):
    """Every place is held by eight users, each within their own bound."""
    holder = Holder([uid_of(user) for user in users])
    yield holder
    holder.kill()


def test_eight_users_with_all_places_shut_nobody_out(host, users, full):
    """With today's 256 places and 32 for each, eight uids closed the socket to all but root."""
    other = host.new_user()
    for _ in range(20):
        assert "error" not in status(other)
    run("/usr/bin/subuid", "list", user=other)


def test_who_holds_their_share_gets_no_more(host, users, full):
    """Control: the bound for one user stands, also for one who knocks again and again."""
    for _ in range(5):
        assert status(users[0])["error"] == "io.subuidd.Accounts.LimitReached"
    assert full.open_ones() == PLACES


def test_the_largest_share_makes_way_and_the_small_one_stays(host, users):
    """One with a single connection, however quiet, does not lose it to a newcomer while others have 32."""
    small, other = host.new_user(), host.new_user()
    quiet = Holder([uid_of(small)], count=1, mode="asked")
    holder = Holder([uid_of(user) for user in users])  # one more than there are places: it took one of their own
    try:
        for _ in range(3):
            assert "error" not in status(other)
        assert quiet.open_ones() == 1
        assert holder.open_ones() < PLACES
    finally:
        quiet.kill()
        holder.kill()


def test_a_call_under_way_makes_way_for_nobody(host, users):
    """A connection is ended only while it asks nothing: half an import is not lost to a newcomer."""
    other = host.new_user()
    lines = b"owner,label\n" + b"".join(b"%s,call%d\n" % (users[0].encode(), n) for n in range(12))
    holder = Holder([uid_of(user) for user in users])
    try:
        importer = subprocess.Popen(["/usr/bin/subuid", "import", "--dry-run", "-"], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while importer.poll() is None:
            assert "error" not in status(other)
            if importer.stdin and not importer.stdin.closed:
                importer.stdin.write(lines)
                importer.stdin.close()
        assert importer.returncode == 0, importer.stderr.read()
    finally:
        holder.kill()


def test_the_ids_of_one_range_are_one_share(host, users):
    """Ten uids of a range that hold what they can are one user: another one is served, and root too."""
    holder = Holder(range(100000, 100010), count=EACH)
    other = host.new_user()
    try:
        assert "error" not in status(other)
        assert "error" not in status("root")
    finally:
        holder.kill()


def test_places_come_back(host, users):
    """Nothing is counted twice or for ever: after many rounds all places can be had again."""
    for _ in range(3):
        holder = Holder([uid_of(user) for user in users])
        other = host.new_user()
        assert "error" not in status(other)
        holder.kill()
        wait_until(lambda: "error" not in status(users[0]), "places come back")
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(SOCKET)
