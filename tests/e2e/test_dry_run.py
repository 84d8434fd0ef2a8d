# SPDX-License-Identifier: ISC
"""A dry run of every operation that changes something: the same checks and the same answer, and nothing is changed.

The operations are those of subuidd/wire/operations.h and the commands those of cli/usage.c, so that a new one is in a
table here or fails. Each case is run dry (over the socket and by the command), and then really: this must give the
answer of the dry run, and change what the dry run left.
"""

import json
import os
import pwd
import re
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, SOCKET, call, call_as, exchange, run, wait_until

API = "io.subuidd.Accounts."
STATE, HOMES = Path("/var/lib/subuidd"), Path("/srv/subuid")
ROWS = re.findall(r'X\((OP_\w+), "(\w+)",(.*?)(?=\\\n\tX\(|\n/\*)', (ROOT / "subuidd/wire/operations.h").read_text(), re.S)
READS = {"Status", "Get", "List", "KeyList", "RangeList", "LimitGet", "Audit", "Check", "LimitList", "TombstoneList", "RunList",
         "FormerList", "RemovedList", "CounterList", "ManageKeyList"}
WITHOUT = {"Mount", "Enter", "Become", "StateSave", "PasswordRehash"}  # docs/design.md says why
VOLATILE = {"created", "alarmSince", "until",  # times: those of the two calls
            "processes"}  # that are counted as they end


class World:
    """An owner with one account that has a key, a range and a link; a process of it runs."""

    def __init__(self, host, tmp_path):
        self.host, self.tmp_path = host, tmp_path
        self.owner, self.name, self.key = host.account(tmp_path)
        self.label = {"owner": self.owner, "label": "web1"}
        self.uid = pwd.getpwnam(self.name).pw_uid
        host.subuid("range", "add", "65536", self.name)
        self.range = host.subuid_json("range", "list", "--owner", self.owner)[0]["first"]
        self.public = Path(f"{host.new_key(tmp_path, f'{self.owner}-new')}.pub")
        self.process = subprocess.Popen(["sleep", "600"], user=self.uid, group=self.uid, extra_groups=[])

    def end(self):
        self.process.kill()
        self.process.wait()

    def new_key(self):
        return {"key": self.public.read_text().strip()}


def add(world):
    return ({"owner": world.owner, "label": "web2", "key": world.new_key(), "range": 65536, "comment": "the second"},
            ["add", "web2", "--owner", world.owner, "--key", world.public, "--range", "65536", "--comment", "the second"])


def add_again(world):
    """An equal account whose link is gone."""
    os.unlink(f"/home/{world.owner}/subuid/web1")
    return dict(world.label), ["add", "web1", "--owner", world.owner]


def modify(world):
    return ({**world.label, "expires": "2031-01-31", "quota": 1 << 30, "view": "owner", "alarm": 3600},
            ["set", world.name, "--expires", "2031-01-31", "--quota", "1G", "--view", "owner", "--alarm", "1h"])


def lock(world):
    return dict(world.label), ["lock", world.name]


def unlock(world):
    world.host.subuid("lock", world.name)
    return dict(world.label), ["unlock", world.name]


def freeze(world):
    return dict(world.label), ["freeze", world.name]


def thaw(world):
    world.host.subuid("freeze", world.name)
    return dict(world.label), ["thaw", world.name]


def kill(world):
    return {**world.label, "now": True}, ["kill", world.name, "--now"]


def remove(world):
    return dict(world.label), ["remove", world.name]


def rename(world):
    return {**world.label, "to": "db1"}, ["rename", world.name, "db1"]


def owner(world):
    new = world.host.new_user()
    return {"from": world.owner, "to": new, "handOver": True}, ["owner", world.owner, new, "--hand-over"]


def purge(world):
    return {**world.label, "purge": True}, ["remove", world.name, "--purge"]


def restore(world):
    world.host.subuid("remove", world.name)
    return dict(world.label), ["restore", world.name]


def key_add(world):
    return {**world.label, "key": world.new_key()}, ["key", "add", world.name, world.public]


def key_change(world):
    number = world.host.subuid_json("key", "list", world.name)[0]["id"]
    return ({**world.label, "id": number, "key": {"role": "pull"}}, ["key", "change", world.name, str(number), "--role", "pull"])


def key_rotate(world):
    number = world.host.subuid_json("key", "list", world.name)[0]["id"]
    return {**world.label, "id": number, "key": world.new_key()}, ["key", "rotate", world.name, str(number), world.public]


def key_remove(world):
    number = world.host.subuid_json("key", "list", world.name)[0]["id"]
    return {**world.label, "id": number}, ["key", "remove", world.name, str(number)]


def manage_key_add(world):
    return ({"owner": world.owner, "key": {**world.new_key(), "role": "manage"}},
            ["manage-key", "add", world.public, "--owner", world.owner])


def manage_key_remove(world):
    world.host.subuid("manage-key", "add", world.public, "--owner", world.owner)
    number = world.host.subuid_json("manage-key", "list", "--owner", world.owner)[0]["id"]
    return {"owner": world.owner, "id": number}, ["manage-key", "remove", str(number), "--owner", world.owner]


def range_add(world):
    return {"owner": world.owner, "count": 65536}, ["range", "add", "65536", "--owner", world.owner]


def range_remove(world):
    return {"owner": world.owner, "first": world.range}, ["range", "remove", str(world.range), "--owner", world.owner]


def limit_set(world):
    return {"owner": world.owner, "accounts": 7}, ["limit", world.owner, "--accounts", "7"]


def limit_reset(world):
    world.host.subuid("limit", world.owner, "--accounts", "9")
    return {"owner": world.owner, "reset": True}, ["limit", world.owner, "--reset"]


def release(world):
    world.host.subuid("range", "remove", str(world.range), "--owner", world.owner)
    return {"first": world.range}, ["release", str(world.range)]


def import_rows(world):
    row = {"line": 1, "owner": world.owner}
    rows = [{**row, "kind": "limit", "accounts": 5, "keys": 5, "ranges": 5}, {**row, "kind": "account", "label": "web3"},
            {**row, "kind": "key", "label": "web3", "key": world.new_key()},
            {**row, "kind": "range", "label": "web3", "count": 65536}]
    file = world.tmp_path / "import.json"
    file.write_text(json.dumps({"owner": world.owner, "label": "web3", "limits": "accounts=5 keys=5 ranges=5",
                                "key": world.public.read_text().strip(), "ranges": "65536"}) + "\n")
    return {"rows": rows}, ["import", file]


def adopt(world):
    """Ids that both files give to the owner."""
    first = 3000000000 + world.uid % 1000 * 65536
    for name in ("subuid", "subgid"):
        with open(f"/etc/{name}", "a", encoding="ascii") as file:
            file.write(f"{world.owner}:{first}:65536\n")
    row = {"line": 1, "kind": "range", "owner": world.owner, "first": first, "count": 65536, "adopt": True}
    return {"rows": [row]}, ["adopt", "--owner", world.owner, "--remove"]


def repair_account(world):
    os.unlink(f"/home/{world.owner}/subuid/web1")
    return {**world.label, "repair": "account"}, ["check", "--owner", world.owner, "--repair"]


def repair_leftover(world):
    (HOMES / "nobody-of-them").mkdir()  # a check of the whole host would find it: one that puts the store's log in order
    return {"repair": "leftover", "place": "owner", "owner": "nobody-of-them"}, None


def repair_link(world):
    os.symlink(HOMES / world.owner / "gone/home", f"/home/{world.owner}/subuid/gone")
    os.lchown(f"/home/{world.owner}/subuid/gone", *pwd.getpwnam(world.owner)[2:4])
    return {"owner": world.owner, "label": "gone", "repair": "leftover", "place": "link"}, None


CASES = [
    ("Add", add), ("Add", add_again), ("Modify", modify), ("Lock", lock), ("Unlock", unlock), ("Freeze", freeze), ("Thaw", thaw), ("Kill", kill), ("Remove", remove),
    ("Remove", purge), ("Restore", restore), ("Rename", rename), ("OwnerChange", owner), ("KeyAdd", key_add), ("KeyRemove", key_remove),
    ("KeyChange", key_change), ("KeyChange", key_rotate), ("RangeAdd", range_add), ("RangeRemove", range_remove),
    ("LimitSet", limit_set), ("LimitSet", limit_reset), ("Release", release), ("Import", import_rows), ("Import", adopt),
    ("Repair", repair_account), ("Repair", repair_leftover), ("Repair", repair_link),
    ("ManageKeyAdd", manage_key_add), ("ManageKeyRemove", manage_key_remove),
]


def test_the_table_has_every_operation_that_changes_something():
    methods = {method for _op, method, _rest in ROWS}
    assert methods == READS | WITHOUT | {method for method, _case in CASES}
    assert len(ROWS) == (ROOT / "subuidd/wire/operations.h").read_text().count("X(OP_")
    dry = {method for _op, method, rest in ROWS if re.search(r"\bCHANGE(_NAMED|_ROWS)?\(", rest)}
    assert dry == methods - READS - WITHOUT
    design = (ROOT / "docs/design.md").read_text()
    assert all(f"`{method}`" in design for method in WITHOUT), "why it has none"


def tree(top):
    """Everything below: names, kinds, modes, owners, sizes, dates, and what links lead to."""
    found = {}
    for directory, directories, files in os.walk(top):
        for path in [directory, *(os.path.join(directory, name) for name in directories + files)]:
            st = os.lstat(path)
            found[path] = (st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns,
                           os.readlink(path) if os.path.islink(path) else None)
    return found


def snapshot(world):
    """All that a call may change. The store is its files: nobody else may open it, and what is taken back is not written."""
    state = {path: path.read_bytes() for path in sorted(STATE.rglob("*")) if path.is_file()}
    return {
        "state": state, "state directory": tree(STATE), "homes": tree(HOMES), "owner's home": tree(f"/home/{world.owner}"),
        "files": [Path(f"/etc/{name}").read_bytes() for name in ("subuid", "subgid")],
        "mounts": Path("/proc/self/mountinfo").read_text(), "processes": world.process.poll(),
        "audit": call(API + "Audit", {"all": True}, more=True),
        "generation": call(API + "Status")["parameters"]["generation"],
    }


def changed(before, after):
    return sorted(part for part in before if before[part] != after[part])


def settled(world):
    """What earlier changes have left to do is done."""
    seen = [snapshot(world)]

    def same():
        seen.append(snapshot(world))
        return not changed(*seen[-2:])

    wait_until(same, "nothing is left to do")
    return seen[-1]


def plain(value):
    """Without times."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items() if name not in VOLATILE or isinstance(member, bool)}
    return [plain(member) for member in value] if isinstance(value, list) else value


def answer(method, parameters, **more):
    return plain(call(API + method, {**parameters, **more}, more=method == "Import"))


def dry_by_command(world, words):
    wrong = int(words[0] == "check")  # its findings are still there
    told = world.host.subuid(*words, "--dry-run", check=False)
    assert told.returncode == wrong, told.stderr
    assert re.search(r"\bwould be\b", told.stdout, re.I), told.stdout
    shown = json.loads(world.host.subuid(*words, "--dry-run", "--json", check=False).stdout)
    assert all(entry["dryRun"] is True for entry in (shown if isinstance(shown, list) else [shown])), shown


@pytest.mark.parametrize("method, case", CASES, ids=[case.__name__ for _method, case in CASES])
def test_a_dry_run_changes_nothing_and_says_what_would_be(host, tmp_path, method, case):
    world = World(host, tmp_path)
    try:
        parameters, words = case(world)
        before = settled(world)
        dry = answer(method, parameters, dryRun=True)
        assert "error" not in str(dry), dry
        assert changed(before, snapshot(world)) == []
        if words is not None:
            dry_by_command(world, words)
            assert changed(before, snapshot(world)) == []
        assert answer(method, parameters) == dry
        # the control: this changes the store and the trail at the least, or the disk
        assert {"audit", "state"} <= set(changed(before, snapshot(world)))
        if case in (lock, remove, purge, rename, owner, key_change, key_rotate, key_remove):
            wait_until(lambda: world.process.poll() is not None, "its process has ended")
    finally:
        world.end()
        if case is adopt:
            host.subuid("adopt", "--owner", world.owner, "--remove", check=False)
    if case is not owner:  # the old owner is still a user, with the links in their home
        assert host.subuid("check", "--owner", world.owner, check=False).returncode == 0


# -- commands

COMMANDS = re.findall(r'\{ \.name = "([a-z -]+)",(.*?)(?=\n\t\{ \.name)', (ROOT / "cli/usage.c").read_text(), re.S)
ELSEWHERE = {"state load": "test_state.py", "setup": "test_setup.py", "passwd add": "test_passwords.py",
             "passwd remove": "test_passwords.py"}  # their dry runs are tested there
NO_DRY_RUN = {"mount", "exec", "shell", "ls", "copy", "socket", "idmap", "export", "state save"}  # docs/design.md says why of those that write


def test_each_command_that_changes_something_takes_dry_run(host):
    shown = {"list", "show", "metrics", "top", "key", "key list", "range", "range list", "status", "log", "audit", "state", "state verify", "doctor",
             "manage-key", "manage-key list", "passwd", "passwd list"}
    takes = {name for name, row in COMMANDS if ".changes = true" in row or "CHANGE_OF_" in row}
    assert {name for name, _row in COMMANDS} - takes == NO_DRY_RUN | shown
    tested = {" ".join(map(str, words)) for words in (
        ["add"], ["set"], ["lock"], ["unlock"], ["freeze"], ["thaw"], ["kill"], ["remove"], ["restore"], ["rename"], ["owner"], ["key add"], ["key change"], ["key rotate"],
        ["key remove"], ["range add"], ["range remove"], ["limit"], ["release"], ["import"], ["adopt"], ["check"],
        ["manage-key add"], ["manage-key remove"])}
    assert takes == tested | set(ELSEWHERE)
    for name, file in ELSEWHERE.items():
        assert "--dry-run" in (ROOT / "tests/e2e" / file).read_text(), name
    for name in sorted(takes):
        assert "--dry-run" in host.subuid("help", *name.split()).stdout
    for name in ("mount", "list", "status"):
        refused = host.subuid(name, "x", "--dry-run", check=False)
        assert refused.returncode == 2 and "unknown option" in refused.stderr


# -- refusals


def occupied(world):
    path = Path(f"/home/{world.owner}/subuid/web9")
    path.mkdir()
    return "Conflict", "Add", {"owner": world.owner, "label": "web9"}


def above_the_limit(world):
    world.host.subuid("limit", world.owner, "--accounts", "1")
    return "LimitReached", "Add", {"owner": world.owner, "label": "web2"}


REFUSALS = [
    occupied, above_the_limit,
    lambda world: ("Exists", "Add", {**world.label, "comment": "another"}),
    lambda world: ("Invalid", "Add", {"owner": world.owner, "label": "Web"}),
    lambda world: ("NotFound", "Modify", {"owner": world.owner, "label": "none", "comment": "x"}),
    lambda world: ("NotFound", "Remove", {"owner": world.owner, "label": "none"}),
    lambda world: ("NotFound", "KeyRemove", {**world.label, "id": 4000000}),
    lambda world: ("NotFound", "RangeRemove", {"owner": world.owner, "first": 65536}),
    lambda world: ("NotFound", "Release", {"first": 65536}),
    lambda world: ("Invalid", "LimitSet", {"owner": world.owner}),
]


@pytest.mark.parametrize("case", REFUSALS, ids=range(len(REFUSALS)))
def test_a_dry_run_is_refused_with_the_same_words(host, tmp_path, case):
    world = World(host, tmp_path)
    try:
        error, method, parameters = case(world)
        before = settled(world)
        dry = answer(method, parameters, dryRun=True)
        assert dry["error"].endswith(error), dry
        assert changed(before, snapshot(world)) == [], "a refusal of a dry run is not recorded"
        assert answer(method, parameters) == dry
    finally:
        world.end()


def test_a_dry_run_that_is_forbidden_is_recorded(host):
    owner, other = host.new_user(), host.new_user()
    dry = call_as(owner, API + "LimitSet", {"owner": owner, "accounts": 500, "dryRun": True})
    assert dry == call_as(owner, API + "LimitSet", {"owner": owner, "accounts": 500})
    assert call_as(owner, API + "Add", {"owner": other, "label": "x", "dryRun": True})["error"] == API + "NotPermitted"
    entries = [entry for entry in host.subuid_json("audit", "--all", "-n", "3") if entry["caller"] == owner]
    assert [entry["detail"].startswith("dry run: ") for entry in entries] == [True, False, True], entries


MANY = """
import json, socket, sys
peer = socket.socket(socket.AF_UNIX); peer.connect(%r)
for _ in range(int(sys.argv[1])):
    peer.sendall(sys.argv[2].encode() + b"\\0")
    data = b""
    while b"\\0" not in data:
        data += peer.recv(65536)
    print(data.split(b"\\0")[0].decode())
""" % SOCKET


def test_dry_runs_use_up_no_uids_of_the_day(host):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "1")
    message = json.dumps({"method": API + "Add", "parameters": {"label": "web1", "dryRun": True}})
    told = run("/usr/bin/python3", "-c", MANY, "70", message, user=owner).stdout.splitlines()  # 64 uids a day at the least
    uids = {json.loads(line)["parameters"]["account"]["uid"] for line in told}
    assert len(told) == 70 and len(uids) == 1
    assert call_as(owner, API + "Add", {"label": "web1"})["parameters"]["account"]["uid"] in uids


def test_a_worker_cannot_run_dry_what_knows_no_dry_run(host):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(SOCKET)
        refused = exchange(peer, {"method": API + "StateSave", "parameters": {"dryRun": True}})
    assert refused["error"] == "org.varlink.service.InvalidParameter"
