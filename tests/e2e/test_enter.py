# SPDX-License-Identifier: ISC
"""The daemon maps an account's ids in a namespace of its owner's: subuid exec without newuidmap, and whose namespaces it maps."""

import json
import pwd
from contextlib import contextmanager
from pathlib import Path

import pytest


from conftest import call, run

API = "io.subuidd.Accounts."
MAPPERS = [Path("/usr/bin/newuidmap"), Path("/usr/bin/newgidmap")]


@contextmanager
def without_mappers():
    for mapper in MAPPERS:
        mapper.rename(f"{mapper}.aside")
    try:
        yield
    finally:
        for mapper in MAPPERS:
            Path(f"{mapper}.aside").rename(mapper)


@contextmanager
def published(host, mode):
    settings = Path("/etc/subuidd.conf.d/zz-publish.conf")
    settings.parent.mkdir(exist_ok=True)
    before = settings.read_text() if settings.exists() else ""
    settings.write_text(f"[subid]\npublish = {mode}\n")
    host.restart_daemon()
    try:
        yield
    finally:
        settings.write_text(before)
        host.restart_daemon()


@pytest.mark.parametrize("mode", ["plugin", "both", "files"])
def test_exec_needs_no_newuidmap(host, tmp_path, mode):
    owner, name, _ = host.account(tmp_path)
    host.subuid("range", "add", "65536", name)
    first = host.subuid_json("range", "list", "--owner", owner)[0]["first"]
    uid, own = pwd.getpwnam(name).pw_uid, pwd.getpwnam(owner).pw_uid
    with published(host, mode), without_mappers():
        lines = host.subuid("exec", "web1", "--", "cat", "/proc/self/uid_map", "/proc/self/gid_map", user=owner).stdout.splitlines()
        maps = [f"0 {own} 1", f"{uid} {uid} 1", f"{first} {first} 65536"]
        assert [" ".join(line.split()) for line in lines] == maps + maps
        host.subuid("ls", "web1", user=owner)
        # the control: without the daemon it is newuidmap that has to grant them
        host.stop_daemon()
        result = host.subuid("exec", "web1", "--", "true", user=owner, check=False)
        host.start_daemon()
        assert result.returncode == 1 and "uidmap" in result.stderr


# As root: connects as one user, makes a namespace as another (a pid that has another process by now), and calls. A child
# keeps the namespace as it is until it has been looked at.
CALLS = """
import ctypes, json, os, socket, sys
caller, maker, unshares, message = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "unshares", sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
os.setgroups([])
os.setresgid(caller, caller, 0)
os.seteuid(caller)
peer = socket.socket(socket.AF_UNIX)
peer.connect("/run/subuidd/socket")
def calls(message):
    peer.sendall(message.encode() + b"\\0")
    data = b""
    while not data.endswith(b"\\0"):
        data += peer.recv(65536)
    return json.loads(data[:-1])
calls('{"method":"io.subuidd.Accounts.Status"}')  # the daemon has seen this process on the host
os.seteuid(0)
os.setresgid(maker, maker, maker)
os.setresuid(maker, maker, maker)
libc.prctl(4, 1, 0, 0, 0)  # as after an exec: dumpable
if unshares and libc.unshare(0x10000000) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print(json.dumps({"reply": calls(message), "map": open("/proc/self/uid_map").read().split()}))
"""


def enters(caller, maker, owner, label="web1", unshares="unshares", container=False):
    message = json.dumps({"method": API + "Enter", "parameters": {"owner": owner, "label": label, "container": container}})
    return json.loads(run("/usr/bin/python3", "-c", CALLS, caller, maker, unshares, message).stdout)


def test_only_a_namespace_of_the_callers_own_is_mapped(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    bob = pwd.getpwnam(host.new_user()).pw_uid
    own, uid = pwd.getpwnam(owner).pw_uid, pwd.getpwnam(name).pw_uid
    there = enters(own, own, owner)
    assert "error" not in there["reply"] and there["map"] == ["0", str(own), "1", str(uid), str(uid), "1"], "the control"
    stranger = enters(own, bob, owner)  # he would be root over alice's files
    assert stranger["reply"]["error"] == API + "Failed" and stranger["map"] == [], stranger
    plain = enters(own, own, owner, unshares="stays")
    assert plain["reply"]["error"] == API + "Failed" and plain["map"] == ["0", "0", "4294967295"], plain
    wrong = enters(bob, bob, owner)
    assert wrong["reply"]["error"] == API + "NotPermitted" and wrong["map"] == []
    absent = enters(own, own, owner, "none")
    assert absent["reply"]["error"] == API + "NotFound" and absent["map"] == []


def test_whoever_may_act_for_others_gets_none_of_their_ids(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    admin, settings = host.new_user(), Path("/etc/subuidd.conf.d/zz-admins.conf")
    run("groupadd", "-f", "keepers")
    run("usermod", "-aG", "keepers", admin)
    settings.write_text("[access]\nadmin_group = keepers\n")
    host.restart_daemon()
    try:
        assert host.subuid("show", name, user=admin).returncode == 0, "the control: an administrator"
        keeper = pwd.getpwnam(admin).pw_uid
        reply = enters(keeper, keeper, owner)
        assert reply["reply"]["error"] == API + "NotPermitted" and reply["map"] == [], reply
    finally:
        settings.unlink()
        host.restart_daemon()
    assert call(API + "Enter", {"owner": owner, "label": "web1"})["error"] == API + "NotPermitted"


def test_a_sub_account_is_not_its_owner(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    uid = pwd.getpwnam(name).pw_uid
    itself = enters(uid, uid, owner)
    assert itself["reply"]["error"] == API + "NotPermitted" and itself["map"] == []


def test_a_namespace_for_containers_is_mapped_for_its_owner_alone(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    bob = pwd.getpwnam(host.new_user()).pw_uid
    own, uid = pwd.getpwnam(owner).pw_uid, pwd.getpwnam(name).pw_uid
    none = enters(own, own, owner, container=True)
    assert none["reply"]["error"] == API + "Conflict" and none["map"] == [], "it has no range"
    host.subuid("range", "add", "65536", name)
    first = host.subuid_json("range", "list", "--owner", owner)[0]["first"]
    there = enters(own, own, owner, container=True)
    assert "error" not in there["reply"] and there["map"] == ["0", str(uid), "1", "1", str(first), "65536"], "the control"
    stranger = enters(own, bob, owner, container=True)
    assert stranger["reply"]["error"] == API + "Failed" and stranger["map"] == [], stranger
    for caller in (bob, uid):
        wrong = enters(caller, caller, owner, container=True)
        assert wrong["reply"]["error"] == API + "NotPermitted" and wrong["map"] == [], wrong
    host.subuid("lock", name)
    locked = enters(own, own, owner, container=True)
    assert locked["reply"]["error"] == API + "Conflict" and locked["map"] == [], locked
    assert "error" not in enters(own, own, owner)["reply"], "the owner looks at it all the same"
