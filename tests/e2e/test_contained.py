# SPDX-License-Identifier: ISC
"""From inside a container: who is there has its owner's uid for the kernel, and may ask about itself and change nothing."""

import json
import os
import pwd
import re
import socket
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path

from conftest import ROOT, SOCKET, call, call_as, exchange, run, wait_until

API = "io.subuidd.Accounts."
KEY = {"key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq9IvEGUyWCpTLb1kKzGDmLyOqO1bLB1s9hOEhFqcSo"}
CONTAINER = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--")
ABOUT_ITSELF = {"Status", "RangeList", "LimitGet"}

# As somebody: calls that are given as JSON, one connection each; prints the first reply of each.
MANY = """
import json, socket, sys
for message in json.load(sys.stdin):
    peer = socket.socket(socket.AF_UNIX); peer.settimeout(60); peer.connect(%r)
    peer.sendall(json.dumps(message).encode() + b"\\0")
    data = b""
    while b"\\0" not in data:
        chunk = peer.recv(65536)
        if not chunk: break
        data += chunk
    peer.close()
    print(data.split(b"\\0")[0].decode() or "{}")
""" % SOCKET


def many(messages, user=None, inside=()):
    lines = run(*inside, "/usr/bin/python3", "-c", MANY, user=user, input=json.dumps(messages)).stdout.splitlines()
    return [json.loads(line) for line in lines]


def requests(owner):
    """Each method of the interface with something that its owner, or root, could ask for."""
    one = {"owner": owner, "label": "web1"}
    key = {**one, "key": KEY}
    asked = {
        "Status": {}, "Add": {"label": "web2"}, "Get": one, "List": {}, "Modify": {**one, "comment": "x"}, "Lock": one, "Unlock": one,
        "Remove": one, "Mount": one, "KeyAdd": key, "KeyList": one, "KeyRemove": {**one, "id": 1},
        "KeyChange": {**one, "id": 1, "key": {"role": "sync"}}, "RangeAdd": {"count": 65536}, "RangeList": {},
        "RangeRemove": {"first": 1073741824}, "LimitGet": {}, "LimitSet": {"owner": owner, "accounts": 99}, "Audit": {}, "Check": {},
        "Release": {"first": 2100000000}, "LimitList": {}, "TombstoneList": {}, "RunList": one, "StateSave": {},
        "Repair": {"repair": "account", **one}, "Rename": {**one, "to": "web3"}, "OwnerChange": {"from": owner, "to": "root"},
        "FormerList": {}, "CounterList": {}, "Restore": one, "RemovedList": {}, "ManageKeyAdd": {"key": {**KEY, "role": "manage"}}, "ManageKeyList": {},
        "ManageKeyRemove": {"id": 1}, "Freeze": one, "Thaw": one, "Kill": one,
        "PasswordRehash": {**one, "password": "bbbb-bbbbb-bbbbb-bbbbb-bbbbb"}, "Enter": one, "Become": one,
    }
    text = call("org.varlink.service.GetInterfaceDescription", {"interface": API[:-1]})["parameters"]["description"]
    methods = set(re.findall(r"^method (\w+)\(", text, re.M))
    assert methods - set(asked) == {"Import"}, "a method that is not tried here"  # it wants a stream; below
    return [{"method": API + name, "parameters": parameters, "more": name.endswith("List") or name in ("Audit", "Check")}
            for name, parameters in asked.items()]


def refused(reply):
    return reply.get("error") == API + "NotPermitted" and "container" in reply["parameters"]["why"]


def test_a_container_asks_about_itself_and_changes_nothing(host):
    owner = host.new_user()
    host.subuid("add", "web1", user=owner)
    host.subuid("range", "add", "65536", user=owner)
    host.subuid("range", "add", "65536", "web1", user=owner)
    before = host.subuid("export").stdout
    asked = requests(owner)
    replies = dict(zip((message["method"][len(API):] for message in asked), many(asked, owner, CONTAINER)))
    assert {name for name, reply in replies.items() if "error" not in reply} == ABOUT_ITSELF
    assert [name for name, reply in replies.items() if name not in ABOUT_ITSELF and not refused(reply)] == [], replies
    status = replies["Status"]["parameters"]
    assert status["callerIsContained"] and status["caller"] == owner and not status["callerIsAdmin"]
    ranges = run(*CONTAINER, "subuid", "range", "list", "--json", user=owner).stdout
    assert ["label" in row for row in json.loads(ranges)] == [False], "its own, and none of its accounts"
    assert host.subuid("export").stdout == before
    # the control: outside the same user may, and so does its root
    outside = many([m for m in asked if m["method"][len(API):] in ("List", "Get", "RangeList")], owner)
    assert all("error" not in reply for reply in outside) and not call_as(owner, API + "Status")["parameters"]["callerIsContained"]
    added = host.subuid_json("range", "add", "65536", user=owner)
    inside = run(*CONTAINER, "subuid", "range", "remove", str(added["first"]), "--yes", user=owner, check=False)
    assert inside.returncode == 5 and "container" in inside.stderr, inside
    host.subuid("range", "remove", str(added["first"]), user=owner)


def test_root_and_administrators_are_nothing_more_in_a_container(host):
    owner, admin = host.new_user(), host.new_user()
    limit = {"method": API + "LimitSet", "parameters": {"owner": owner, "accounts": 3}}
    assert refused(many([limit], None, CONTAINER)[0])
    everybody = {"method": API + "List", "parameters": {"all": True}, "more": True}
    assert refused(many([everybody], None, CONTAINER)[0])
    run("usermod", "-aG", "games", admin)
    conf = Path("/etc/subuidd.conf.d/zz-admins.conf")
    conf.write_text("[access]\nadmin_group = games\n")
    host.restart_daemon()
    try:
        assert refused(many([limit], admin, ("unshare", "--user", "--map-current-user", "--"))[0])
        assert "error" not in many([limit], admin)[0], "the control"
    finally:
        conf.unlink()
        host.restart_daemon()
    assert "error" not in many([limit])[0], "the control"


def as_uid(uid, messages):
    return many(messages, inside=("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--"))


def test_an_id_of_a_range_speaks_for_its_holder_alone(host):
    owner, other = host.new_user(), host.new_user()
    for user in (owner, other):
        host.subuid("add", "web1", user=user)
        host.subuid("range", "add", "65536", user=user)
    host.subuid("range", "add", "65536", "web1", user=owner)
    rows = {row.get("label", ""): row["first"] for row in host.subuid_json("range", "list", user=owner)}
    uid = pwd.getpwnam(f"{owner}+web1").pw_uid
    lists = {"method": API + "RangeList", "parameters": {}, "more": True}
    get = {"method": API + "Get", "parameters": {"owner": owner, "label": "web1"}}
    add = {"method": API + "RangeAdd", "parameters": {"owner": owner, "count": 65536}}
    foreign = {"method": API + "RangeList", "parameters": {"owner": other}, "more": True}
    # of the owner's range
    mine, account, more, others = as_uid(rows[""] + 7, [lists, get, add, foreign])
    assert mine["parameters"]["range"]["first"] == rows[""] and all(map(refused, (account, more, others))), (account, more, others)
    # of the account's
    mine, account, more, others = as_uid(rows["web1"] + 7, [lists, get, add, foreign])
    assert mine["parameters"]["range"]["first"] == rows["web1"] and account["parameters"]["account"]["uid"] == uid
    assert refused(more) and refused(others)
    # the same from the account itself, in a container and out of it: what a sub-account may ask anyway
    for inside in ((), CONTAINER):
        mine, account, more, others = many([lists, get, add, foreign], f"{owner}+web1", inside)
        assert mine["parameters"]["range"]["first"] == rows["web1"] and account["parameters"]["account"]["uid"] == uid
        assert more["error"] == others["error"] == API + "NotPermitted"
    assert len(host.subuid_json("range", "list", user=owner)) == 2


# Becomes a user, makes a container, connects from it and ends; its socket goes on to the process outside, which has its
# number: --number writes what the kernel gives out next (root, before that).
LEAVES = """
import ctypes, os, socket, sys
uid, back = int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
peer = socket.socket(socket.AF_UNIX)
peer.connect(%r)
socket.send_fds(back, [b"x"], [peer.fileno()])
back.recv(1)
""" % SOCKET


class Leaver:
    """A process in a container that has connected, and the descriptor of that, outside."""

    def __init__(self, uid):
        self.end, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(["/usr/bin/python3", "-c", LEAVES, str(uid), str(theirs.fileno())],
                                            pass_fds=[theirs.fileno()])
        _, descriptors, _, _ = socket.recv_fds(self.end, 1, 1)
        self.peer = socket.socket(fileno=descriptors[0])
        self.peer.settimeout(60)

    def ends(self):
        self.end.close()
        assert self.process.wait(60) == 0


def process_with(pid, uid):
    """One of this user's, on the host, with just this number."""
    for _ in range(200):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        process = subprocess.Popen(["sleep", "600"], preexec_fn=lambda: (os.setresgid(uid, uid, uid), os.setresuid(uid, uid, uid)))
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    raise AssertionError("another process was quicker each time")


@contextmanager
def waiting_connections(host):
    """No daemon runs, and who connects waits for one, as where systemd holds the socket."""
    host.stop_daemon()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        listener.listen()
        try:
            yield listener
        finally:
            Path(SOCKET).unlink()
            host.start_daemon()


@contextmanager
def started_for(listener, preload=""):
    script = f"exec 3<&{listener.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$ LD_PRELOAD={preload}; exec /usr/sbin/subuidd --foreground"
    with open("/run/subuidd.log", "ab") as log:
        daemon = subprocess.Popen(["bash", "-c", script], pass_fds=[listener.fileno()], stdout=log, stderr=log, cwd="/")
    try:
        yield
    finally:
        daemon.terminate()
        assert daemon.wait(60) == 0


def test_who_has_the_number_of_one_that_has_gone_does_not_speak_for_it(host):
    owner = host.new_user()
    uid = pwd.getpwnam(owner).pw_uid
    add = {"method": API + "RangeAdd", "parameters": {"count": 65536}}
    with waiting_connections(host) as listener:
        gone, stays = Leaver(uid), Leaver(uid)
        gone.ends()
        heir = process_with(gone.process.pid, uid)
        assert os.readlink(f"/proc/{heir.pid}/ns/user") == os.readlink("/proc/self/ns/user"), "the number is that of one outside"
        with closing(gone.peer), closing(stays.peer), started_for(listener):
            replies = exchange(stays.peer, add), exchange(gone.peer, add)
            assert all(map(refused, replies)), replies
        heir.kill()
        heir.wait()
        stays.ends()
    assert host.subuid_json("range", "list", "--owner", owner) == []
    assert "error" not in call_as(owner, API + "RangeAdd", {"count": 65536}), "the control"


def test_the_command_that_a_daemon_is_started_for_is_served(host, tmp_path):
    """Where the kernel does not say which process it was that connected: the first connection is in doubt, and the next is not."""
    old = tmp_path / "no_peerpidfd.so"
    run("gcc", "-shared", "-fPIC", "-o", old, ROOT / "tests/e2e/no_peerpidfd.c")
    tmp_path.chmod(0o755)
    owner = host.new_user()
    with waiting_connections(host) as listener:
        first, control = (subprocess.Popen(["runuser", "-u", owner, "--", "env", *words, "subuid", "range", "add", "65536"],
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                          for words in ([f"LD_PRELOAD={old}"], ["LD_PRELOAD="]))
        wait_until(lambda: Path("/proc/net/unix").read_text().count(f" {SOCKET}\n") >= 3, "both wait")
        with started_for(listener, old):
            assert first.wait(60) == 0, first.stderr.read()
            assert control.wait(60) != 0 and "it cannot be told whether you call from a container" in control.stderr.read()
    assert len(host.subuid_json("range", "list", "--owner", owner)) == 1


HOLDS = """
import socket, sys
peers = []
for _ in range(int(sys.argv[1])):
    peers.append(socket.socket(socket.AF_UNIX)); peers[-1].connect(%r)
    peers[-1].sendall(b'{"method":"io.subuidd.Accounts.Status"}\\0')
answers = [peer.recv(65536) for peer in peers]
print("held", sum(b"callerUid" in answer for answer in answers), sum(b"LimitReached" in answer for answer in answers), flush=True)
sys.stdin.read()
""" % SOCKET


def test_a_container_does_not_use_up_its_owners_connections(host):
    owner = host.new_user()
    with subprocess.Popen([*("setpriv", "--reuid", owner, "--regid", owner, "--init-groups", "--"), *CONTAINER, "/usr/bin/python3", "-c",
                           HOLDS, "40"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as container:
        word, held, more = container.stdout.readline().split()
        assert word == "held" and int(held) > 8 and int(more) > 0, "the control: its own are used up"
        host.subuid("range", "add", "65536", user=owner)
        container.stdin.close()
    assert len(host.subuid_json("range", "list", user=owner)) == 1


def test_refusals_of_a_container_are_logged_and_do_not_hide_the_owners(host):
    owner = host.new_user()
    lock = {"method": API + "Lock", "parameters": {"owner": "root", "label": "web1"}}
    replies = many([lock] * 70, owner, CONTAINER)
    assert all(map(refused, replies))
    assert many([lock], owner)[0]["error"] == API + "NotPermitted"
    rows = [row for row in host.subuid_json("audit", "--all", "-n", "300") if row["caller"] == owner]
    inside = ["container" in row["detail"] for row in rows]
    assert 60 <= sum(inside) <= 70 and inside[0] is False, "the owner's own, behind what its container did"
