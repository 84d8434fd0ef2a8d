# SPDX-License-Identifier: ISC
"""subuid socket: whoever connects there is one account, whatever their uid, and asks about it and nothing else."""

import json
import os
import pwd
import signal
import socket
import stat
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from conftest import SOCKET, call_as, exchange, run, wait_until
from test_contained import CONTAINER, requests

API = "io.subuidd.Accounts."
ABOUT_ITSELF = {"Status", "Get", "List", "KeyList", "RangeList", "RunList"}


@contextmanager
def listening(user, directory, name="web1"):
    """subuid socket, as this user; ends it."""
    with subprocess.Popen(["subuid", "socket", name, str(directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          user=user, group=user, extra_groups=[]) as relay:
        line = relay.stdout.readline()
        assert line.startswith(f"{directory}/socket: "), (line, relay.stderr.read())
        try:
            yield relay
        finally:
            relay.terminate()


@pytest.fixture
def place(host):
    """(owner, a directory of the owner's that everybody may enter); the owner has web1 with a range, and web2."""
    owner = host.new_user()
    host.subuid("add", "web1", "--quota", "10M", user=owner)
    host.subuid("add", "web2", user=owner)
    host.subuid("range", "add", "65536", "web1", user=owner)
    directory = Path(f"/tmp/socket-{owner}")
    run("install", "-d", "-m", "755", "-o", owner, directory)
    return owner, directory


def asked(path, message):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(60)
        peer.connect(str(path))
        reply = exchange(peer, message)
    return reply[0] if isinstance(reply, list) else reply


def test_who_connects_there_is_the_account_and_nothing_else(host, place):
    owner, directory = place
    before = host.subuid("export").stdout
    with listening(owner, directory):
        path = directory / "socket"
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        # this process is root
        replies = {message["method"][len(API):]: asked(path, message) for message in requests(owner)}
        assert {name for name, reply in replies.items() if "error" not in reply} == ABOUT_ITSELF, replies
        assert {reply["error"] for reply in replies.values() if "error" in reply} == {API + "NotPermitted"}, replies
        uid = pwd.getpwnam(f"{owner}+web1").pw_uid
        status = replies["Status"]["parameters"]
        assert status["caller"] == f"{owner}+web1" and status["callerUid"] == uid and not status["callerIsAdmin"]
        assert replies["Get"]["parameters"]["account"]["quota"] == 10 << 20
        assert replies["RangeList"]["parameters"]["range"]["label"] == replies["List"]["parameters"]["account"]["label"] == "web1"
        other = asked(path, {"method": API + "Get", "parameters": {"owner": owner, "label": "web2"}})
        assert other["error"] == API + "NotPermitted"
        for everybody in ("List", "RangeList", "RunList", "KeyList"):
            reply = asked(path, {"method": API + everybody, "parameters": {"all": True}, "more": True})
            assert reply["error"] == API + "NotPermitted", everybody
        # somebody else, and root of a container of the owner's, by the command
        stranger = host.new_user()
        for user, inside in ((stranger, ()), (owner, CONTAINER), (owner, ())):
            rows = json.loads(run(*inside, "subuid", "--socket", path, "list", "--json", user=user).stdout)
            assert [row["name"] for row in rows] == [f"{owner}+web1"]
            lock = run(*inside, "subuid", "--socket", path, "lock", "web1", user=user, check=False)
            assert lock.returncode == 5 and "made for one account" in lock.stderr, lock
    assert host.subuid("export").stdout == before
    # the control: on the daemon's own socket root does that
    host.subuid("--socket", SOCKET, "lock", f"{owner}+web1")


def test_there_is_no_way_back_and_only_an_owner_makes_one(host, place):
    owner, directory = place
    one, two = ({"method": API + "Become", "parameters": {"owner": owner, "label": label}} for label in ("web1", "web2"))
    modify = {"method": API + "Modify", "parameters": {"owner": owner, "label": "web1", "comment": "x"}}
    with socket.socket(socket.AF_UNIX) as peer:  # root's
        peer.settimeout(60)
        peer.connect(SOCKET)
        assert "error" not in exchange(peer, modify), "the control"
        assert exchange(peer, one)["parameters"] == {"uid": pwd.getpwnam(f"{owner}+web1").pw_uid}
        for message in (two, one, modify):
            assert exchange(peer, message)["error"] == API + "NotPermitted"
    assert call_as(host.new_user(), one["method"], one["parameters"])["error"] == API + "NotPermitted"
    refused = run("subuid", "socket", f"{owner}+web1", directory, user=host.new_user(), check=False)
    assert refused.returncode in (3, 5) and not (directory / "socket").exists()


def test_it_ends_when_it_is_told_to_and_with_the_account(host, place):
    owner, directory = place
    path = directory / "socket"
    for how in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with listening(owner, directory) as relay:
            relay.send_signal(how)
            assert relay.wait(60) == 0 and not path.exists()
    with listening(owner, directory) as relay:
        relay.kill()
        relay.wait(60)
        assert path.exists(), "the control: a left-over"
    with listening(owner, directory) as relay:
        second = run("subuid", "socket", "web1", directory, user=owner, check=False)
        assert second.returncode == 1 and "listens there already" in second.stderr
        assert asked(path, {"method": API + "Status"})["parameters"]["caller"] == f"{owner}+web1"
        # another account of that name is another account
        host.subuid("remove", "web1", "--purge", user=owner)
        host.subuid("add", "web1", user=owner)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            asked(path, {"method": API + "Status"})
        assert relay.wait(60) == 1 and "no such account" in relay.stderr.read() and not path.exists()
    path.write_text("mine")
    taken = run("subuid", "socket", "web1", directory, user=owner, check=False)
    assert taken.returncode == 1 and path.read_text() == "mine"


def test_it_outlives_the_daemon(host, place):
    owner, directory = place
    status = {"method": API + "Status"}
    with listening(owner, directory):
        assert "error" not in asked(directory / "socket", status)
        host.stop_daemon()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            asked(directory / "socket", status)
        host.start_daemon()
        assert asked(directory / "socket", status)["parameters"]["caller"] == f"{owner}+web1"


def test_what_a_container_sends_holds_up_itself_alone(host, place):
    owner, directory = place
    path, status = directory / "socket", {"method": API + "Status"}
    with listening(owner, directory) as relay, ExitStack() as stack:
        def connected():
            peer = stack.enter_context(socket.socket(socket.AF_UNIX))
            peer.settimeout(120)
            peer.connect(str(path))
            return peer

        # nonsense, one byte short of a message for ever, descriptors, and a peer that never reads its answers
        for junk in (b"\0" * 70000, b"{" * 200000, b"\xff" * 10):
            peer = connected()
            try:
                peer.sendall(junk)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass
            except (ConnectionResetError, BrokenPipeError):
                pass
            peer.close()
        peer = connected()
        socket.send_fds(peer, [json.dumps(status).encode() + b"\0"], [0, 1, 2])
        assert b"callerUid" in peer.recv(65536)
        peer.close()
        deaf = connected()
        deaf.setblocking(False)
        try:
            while True:
                deaf.send((json.dumps(status).encode() + b"\0") * 100)
        except (BlockingIOError, ConnectionResetError, BrokenPipeError):
            pass
        assert "error" not in asked(path, status), "others go on"
        # eight at a time: the owner has some left, and who waits is served when one ends
        silent = [connected() for _ in range(20)]
        for peer in silent:
            peer.sendall(json.dumps(status).encode()[:-1])
        assert "error" not in call_as(owner, API + "Status")
        assert host.subuid("list", user=owner).returncode == 0
        for peer in silent[:-1]:
            peer.close()
        silent[-1].sendall(b"}\0")
        assert b"callerUid" in silent[-1].recv(65536)
        descriptors = Path(f"/proc/{relay.pid}/fd")
        silent[-1].close()
        deaf.close()
        wait_until(lambda: len(os.listdir(descriptors)) <= 7, "nothing is left of them")
