# SPDX-License-Identifier: ISC
"""Bad input gets a clear error, and nothing half-made."""

import json
import os
import pwd
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import SOCKET, call, call_as, run, wait_until

API = "io.subuidd.Accounts."
GOOD_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq9IvEGUyWCpTLb1kKzGDmLyOqO1bLB1s9hOEhFqcSo comment"


def nothing_made(host, owner, label=None):
    assert json.loads(host.subuid("list", "--json", user=owner).stdout) == []
    assert not Path(f"/srv/subuid/{owner}").exists() or os.listdir(f"/srv/subuid/{owner}") == []
    assert not Path(f"/home/{owner}/subuid").is_dir() or os.listdir(f"/home/{owner}/subuid") == []


@pytest.mark.parametrize("label", [
    "", "A", "web.1", "web/1", "..", ".", "-web", "_web", "web 1", "web\n1", "wéb", "a" * 32, "web+1", "we\0b", "a:b",
])
def test_labels_of_every_wrong_shape(host, label):
    owner = host.new_user()
    if "\0" not in label:
        result = host.subuid("add", "--", label, user=owner, check=False)
        assert result.returncode == 2, result
        assert result.stderr.startswith("subuid: ")
    reply = call_as(owner, API + "Add", {"label": label}) if "\0" not in label else None
    if reply is not None:
        assert reply["error"] in (API + "Invalid", "org.varlink.service.InvalidParameter")
    nothing_made(host, owner)


@pytest.mark.parametrize("owner", ["", "nobody-like-that", "a/b", "..", "al ice", "x" * 33, "0", "root\n"])
def test_owners_of_every_wrong_shape(host, owner):
    reply = call(API + "Add", {"owner": owner, "label": "web1"})
    assert "error" in reply and not reply["error"].endswith("Failed"), reply


@pytest.mark.parametrize("kind,status", [("none", 4), ("missing", 4), ("foreign", 4), ("link-occupied", 4),
                                         ("file", 4), ("other-link", 4)])
def test_homes_that_cannot_take_the_link(host, kind, status):
    owner = host.new_user()
    entry = pwd.getpwnam(owner)
    home = Path(entry.pw_dir)
    if kind == "none":
        run("usermod", "-d", "/nonexistent", owner)
    elif kind == "missing":
        run("rm", "-rf", home)
    elif kind == "foreign":
        os.chown(home, 0, 0)
    else:
        (home / "subuid").mkdir()
        os.chown(home / "subuid", entry.pw_uid, entry.pw_gid)
        if kind == "link-occupied":
            (home / "subuid/web1").mkdir()
        elif kind == "file":
            (home / "subuid/web1").write_text("mine")
        else:
            (home / "subuid/web1").symlink_to("/etc")
    result = host.subuid("add", "web1", user=owner, check=False)
    assert result.returncode in (1, 4), result
    assert re.match(r"subuid: .+: .+", result.stderr)
    assert "home" in result.stderr or "subuid" in result.stderr
    assert json.loads(host.subuid("list", "--json", user=owner).stdout) == []
    assert not Path(f"/srv/subuid/{owner}/web1").exists()
    if kind == "file":
        assert (home / "subuid/web1").read_text() == "mine"
    host.subuid("check", "--all")


def keys_that_are_none(tmp_path):
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "good")
    run("ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", tmp_path / "weak", check=False)
    good = (tmp_path / "good.pub").read_text()
    found = {
        "private": (tmp_path / "good").read_text(),
        "two lines": good + good,
        "options": 'command="/bin/sh" ' + good,
        "options before": "no-pty," + good,
        "carriage return": good.strip() + "\r\n",
        "CR in the middle": good.replace(" ", " \r", 1),
        "newline smuggled": good.strip() + "\nssh-ed25519 AAAA\n",
        "one megabyte": good.strip() + "A" * (1 << 20),
        "cut": good[:40],
        "empty": "",
        "prose": "please let me in\n",
        "dss": "ssh-dss AAAAB3NzaC1kc3MAAACBAP",
        "certificate": good.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"),
        "other type": good.replace("ssh-ed25519", "ssh-rsa"),
        "ESC in the comment": good.strip() + " \x1b[31m\n",
        "trailing bytes": good.split()[0] + " " + good.split()[1] + "AAAA x\n",
    }
    if (tmp_path / "weak.pub").exists():
        found["weak"] = (tmp_path / "weak.pub").read_text()
    return found


def test_a_key_that_is_not_one(host, tmp_path):
    owner = host.new_user()
    for what, text in keys_that_are_none(tmp_path).items():
        result = host.subuid("add", "web1", "--key", "-", "--role", "push", user=owner, input=text, check=False)
        assert result.returncode == 2, (what, result)
        assert re.match(r"subuid: .+: .+", result.stderr), (what, result.stderr)
        assert len(result.stderr) < 2000
        # The daemon says the same to those who do not use our command.
        reply = call_as(owner, API + "Add", {"label": "web1", "key": {"key": text[:60000]}})
        assert reply["error"] in (API + "Invalid", "org.varlink.service.InvalidParameter"), (what, reply)
    nothing_made(host, owner)


def test_every_key_type_that_ssh_keygen_makes_and_we_accept(host, tmp_path):
    owner = host.new_user()
    host.subuid("add", "web1", user=owner)
    for kind, bits in (("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 2048), ("rsa", 4096)):
        path = tmp_path / f"{kind}{bits}"
        run("ssh-keygen", "-q", "-t", kind, *(["-b", bits] if bits else []), "-N", "", "-f", path)
        added = json.loads(host.subuid("key", "add", "web1", "-", "--json", user=owner,
                                       input=Path(f"{path}.pub").read_text()).stdout)
        assert added["fingerprint"] == run("ssh-keygen", "-lf", path).stdout.split()[1]


def test_second_add_is_idempotent_when_equal_and_a_conflict_when_not(host, tmp_path):
    owner = host.new_user()
    key = Path(f"{host.new_key(tmp_path)}.pub").read_text()
    first = call_as(owner, API + "Add", {"label": "web1", "key": {"key": key, "role": "push"}})["parameters"]
    assert first["created"] is True
    second = call_as(owner, API + "Add", {"label": "web1", "key": {"key": key, "role": "push"}})["parameters"]
    assert second["created"] is False and second["account"]["uid"] == first["account"]["uid"]
    other = call_as(owner, API + "Add", {"label": "web1", "key": {"key": key, "role": "pull"}})
    assert other["error"] == API + "Exists" and "key" in other["parameters"]["why"]
    host.subuid("add", "web1", user=owner)
    assert len(host.subuid_json("key", "list", "web1", user=owner)) == 1


def test_a_limit_reached(host):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "2")
    host.subuid("add", "one", user=owner)
    host.subuid("add", "two", user=owner)
    result = host.subuid("add", "three", user=owner, check=False)
    assert result.returncode == 6 and "limit" in result.stderr
    assert [row["label"] for row in host.subuid_json("list", user=owner)] == ["one", "two"]
    host.subuid("remove", "one", "--purge", user=owner)
    host.subuid("add", "three", user=owner)


def test_limits_hold_when_many_ask_at_once(host):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "3")
    uid = pwd.getpwnam(owner)
    clients = [subprocess.Popen(["/usr/bin/subuid", "add", f"web{n}"], user=uid.pw_uid, group=uid.pw_gid,
                                extra_groups=[], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for n in range(10)]
    statuses = sorted(client.wait(60) for client in clients)
    assert statuses == [0] * 3 + [6] * 7
    assert len(host.subuid_json("list", user=owner)) == 3


def test_an_exhausted_pool(host):
    """A pool of ids that others hold: every candidate is refused, and that is said."""
    owner = host.new_user()
    drop_in = Path("/etc/subuidd.conf.d/pool.conf")
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text("[ids]\naccounts = 2140000000-2140000003\n")
    with open("/etc/subuid", "a") as file:
        file.write("someone:2140000001:3\n")
    try:
        host.restart_daemon()
        host.subuid("add", "one", user=owner)
        assert pwd.getpwnam(f"{owner}+one").pw_uid == 2140000000
        result = host.subuid("add", "two", user=owner, check=False)
        assert result.returncode == 6 and "no uid is left" in result.stderr
    finally:
        drop_in.unlink()
        host.restart_daemon()
    assert len(host.subuid_json("list", user=owner)) == 1


def test_a_full_disk(host, tmp_path):
    """The file system of the homes is full: a clear error, nothing half-made, and all is well when there is space."""
    owner = host.new_user()
    host.subuid("add", "before", user=owner)
    filler = Path("/srv/filler")
    run("sh", "-c", "fallocate -l 100G /srv/filler 2>/dev/null; cat /dev/zero >>/srv/filler 2>/dev/null; i=0; "
        "while : >/srv/filler.$i 2>/dev/null && [ $i -lt 100 ]; do i=$((i+1)); done; true")
    try:
        free = os.statvfs("/srv")
        assert free.f_bavail * free.f_frsize < 1 << 20, "the disk is not full"
        statuses = [host.subuid("add", f"full{n}", user=owner, check=False) for n in range(8)]
        for result in statuses:
            if result.returncode != 0:
                assert "space" in result.stderr, result.stderr
    finally:
        run("sh", "-c", "rm -f /srv/filler /srv/filler.*")
    host.subuid("check", "--all")
    host.subuid("add", "after", user=owner)


def test_a_read_only_disk(host):
    owner = host.new_user()
    host.subuid("add", "before", user=owner)
    run("mount", "-o", "remount,ro", "/srv")
    try:
        result = host.subuid("add", "ro", user=owner, check=False)
        assert result.returncode == 1 and "read-only" in result.stderr.lower(), result
        assert host.subuid("list", user=owner).returncode == 0
    finally:
        run("mount", "-o", "remount,rw", "/srv")
    host.subuid("check", "--all")
    host.subuid("add", "ro", user=owner)


# -- the socket -----------------------------------------------------------------------


def raw(data, shut=True, timeout=60):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(timeout)
        peer.connect(SOCKET)
        try:
            peer.sendall(data)
            if shut:
                peer.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while chunk := peer.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


@pytest.mark.parametrize("data", [
    b"\0", b"{}\0", b"[]\0", b"null\0", b"{\0", b'{"method":1}\0', b'{"method":"x"}\0', b'{"method":""}\0',
    b'{"method":"io.subuidd.Accounts.Add","parameters":[]}\0', b'{"method":"io.subuidd.Accounts.Nothing"}\0',
    b'{"method":"io.subuidd.Accounts.Status","method":"x"}\0', b"\xff\xfe\0", b"[" * 1000 + b"\0",
    b'{"method":"io.subuidd.Accounts.Add","parameters":{"label":"a","quota":1e400}}\0',
    b'{"method":"io.subuidd.Accounts.Add","parameters":{"label":"a","quota":-1}}\0',
    b'{"method":"io.subuidd.Accounts.Add","parameters":{"label":"a\\u0000b"}}\0',
    b'{"method":"io.subuidd.Accounts.RangeAdd","parameters":{"count":99999999999999999999}}\0',
    b'{"method":"io.subuidd.Accounts.Release","parameters":{"first":4294967296}}\0',
    b'{"method":"io.subuidd.Accounts.Status"', b"A" * 70000 + b"\0", os.urandom(4096),
])
def test_malformed_json_gets_an_error_or_the_end_and_the_daemon_lives(host, data):
    answer = raw(data)
    if answer:
        reply = json.loads(answer.split(b"\0")[0])
        assert "error" in reply
    assert "error" not in call(API + "Status")


def test_a_message_in_many_pieces_and_many_in_one(host):
    one = b'{"method":"io.subuidd.Accounts.Status"}\0'
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(60)
        peer.connect(SOCKET)
        for byte in one:
            peer.sendall(bytes([byte]))
        assert b"version" in peer.recv(65536)
        peer.sendall(one * 3)
        data = b""
        while data.count(b"\0") < 3:
            data += peer.recv(65536)


def test_a_peer_that_never_reads(host):
    """It asks and asks and never takes an answer: its worker waits, nobody else does."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(SOCKET)
        peer.setblocking(False)
        sent = 0
        try:
            while sent < 8 << 20:
                sent += peer.send(b'{"method":"io.subuidd.Accounts.List","more":true}\0' * 100)
        except BlockingIOError:
            pass
        assert "error" not in call(API + "Status")  # or it is not answered at all


def test_a_thousand_peers_that_never_write(host):
    owner = host.new_user()
    script = ("import socket, sys\nheld = []\n"
              "for n in range(1000):\n"
              "    peer = socket.socket(socket.AF_UNIX)\n"
              "    peer.settimeout(60)\n"
              "    peer.connect(%r)\n"
              "    held.append(peer)\n"
              "print('connected', flush=True)\nsys.stdin.read()\n" % SOCKET)
    entry = pwd.getpwnam(owner)
    silent = subprocess.Popen(["/usr/bin/python3", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              user=entry.pw_uid, group=entry.pw_gid, extra_groups=[])
    try:
        assert silent.stdout.readline() == b"connected\n"
        other = host.new_user()
        started = time.monotonic()
        assert "error" not in call_as(other, API + "Status")
        assert "error" not in call(API + "Status")
        assert time.monotonic() - started < 9  # a worker has ten seconds to seal itself
        refused = call_as_or_end(owner)
        assert refused is None or refused.get("error") == API + "LimitReached"
    finally:
        silent.stdin.close()
        silent.wait(60)
    wait_until(lambda: (call_as_or_end(owner) or {"error": 1}).get("error") is None, "his connections are given back")


def call_as_or_end(owner):
    result = run("/usr/bin/python3", "-c", __import__("conftest").CALL_AS,
                 json.dumps({"method": API + "Status"}), user=owner, check=False)
    if result.returncode != 0 or not result.stdout:
        return None
    return json.loads(result.stdout)
