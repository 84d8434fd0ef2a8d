# SPDX-License-Identifier: ISC
"""One test (or more) for each invariant of docs/design.md, named after it."""

import json
import os
import pwd
import re
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, call, call_as, run, wait_until

API = "io.subuidd.Accounts."


def add(owner, label, **more):
    reply = call(API + "Add", {"owner": owner, "label": label, **more})
    assert "error" not in reply, reply
    return reply["parameters"]["account"]


def remove(owner, label, **more):
    reply = call(API + "Remove", {"owner": owner, "label": label, **more})
    assert "error" not in reply, reply


def check_is_sound(host):
    result = host.subuid("check", "--all", check=False)
    assert result.returncode == 0, result.stdout + result.stderr


# 1 ---------------------------------------------------------------------------------


def test_invariant_01_no_id_is_ever_given_out_twice(host):
    owner = host.new_user()
    seen = set()
    for round_ in range(12):
        account = add(owner, "again")
        assert account["uid"] not in seen
        seen.add(account["uid"])
        remove(owner, "again", purge=round_ % 2 == 0)
        if round_ == 4:
            host.restart_daemon()
        if round_ == 8:
            host.restart_daemon(signal.SIGKILL)
    check_is_sound(host)


def test_invariant_01_a_tombstone_is_released_by_root_alone_and_logged(host):
    owner = host.new_user()
    uid = add(owner, "gone")["uid"]
    remove(owner, "gone", purge=True)
    refused = call_as(owner, API + "Release", {"first": uid})
    assert refused["error"] == API + "NotPermitted"
    # While the data is being deleted the id is not free.
    wait_until(lambda: "error" not in call(API + "Release", {"first": uid}), "it is released")
    entries = [reply["parameters"]["entry"] for reply in call(API + "Audit", {"all": True}, more=True)[:40]
               if "entry" in reply["parameters"]]
    releases = [entry for entry in entries if "release" in entry["action"]]
    assert {entry["result"] for entry in releases} >= {"done", "NotPermitted"}


# 2 ---------------------------------------------------------------------------------


def test_invariant_02_nothing_given_out_overlaps_what_others_hold(host):
    owner = host.new_user()
    uid = add(owner, "first")["uid"]
    run("useradd", "-M", "-N", "-g", "nogroup", "-u", str(uid + 1), f"foreign{uid + 1}")
    run("groupadd", "-g", str(uid + 2), f"foreign{uid + 2}")
    with open("/etc/subuid", "a") as file:
        file.write(f"someone:{uid + 3}:3\n")
    with open("/etc/subgid", "a") as file:
        file.write(f"someone:{uid + 6}:2\n")
    assert add(owner, "second")["uid"] == uid + 8
    check_is_sound(host)


def test_invariant_02_ranges_keep_clear_of_the_subid_files(host):
    owner = host.new_user()
    reply = call(API + "RangeAdd", {"owner": owner, "count": 1})
    first = reply["parameters"]["range"]["first"]
    assert reply["parameters"]["range"]["count"] == 65536 and first % 65536 == 0
    with open("/etc/subuid", "a") as file:
        file.write(f"{owner}:{first + 65536 + 65000}:2\n")
    second = call(API + "RangeAdd", {"owner": owner, "count": 65536})["parameters"]["range"]["first"]
    assert second == first + 2 * 65536


# 3 ---------------------------------------------------------------------------------

KILL_POINTS = [
    ("fdatasync", (1, 2, 3, 4)), ("fsync", (1, 2, 3, 4, 5)), ("mkdirat", (1, 2, 3, 4)), ("fchown", (1, 2)),
    ("pwrite64", (1, 2, 4, 7, 10)), ("renameat", (1,)), ("renameat2", (1,)), ("symlinkat", (1,)), ("fsetxattr", (1,)),
    ("mount_setattr", (1,)), ("move_mount", (1,)), ("sendmsg", (1, 2)), ("clone", (1, 2)), ("pidfd_open", (1,)),
]


@pytest.mark.parametrize("syscall,when", [(name, k) for name, ks in KILL_POINTS for k in ks])
def test_invariant_03_what_was_acknowledged_survives_kill_9_at(host, syscall, when):
    """The daemon is killed at the k-th such call of an `add` and of a `remove`."""
    owner = host.new_user()
    kept = add(owner, "kept")
    for operation, parameters in (("Add", {"owner": owner, "label": "torn"}),
                                  ("Remove", {"owner": owner, "label": "kept2"})):
        add(owner, "kept2") if operation == "Remove" else None
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", *host.attached(), "-e", f"trace={syscall}", "-e",
             f"inject={syscall}:signal=KILL:when={when}"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: re.search(r"TracerPid:\t[1-9]", Path(f"/proc/{host.daemon.pid}/status").read_text()),
                   "strace attached")
        try:
            reply = call(API + operation, parameters)
        except OSError:
            reply = None
        tracer.send_signal(signal.SIGINT)
        tracer.wait(60)
        killed = host.daemon.poll() is not None
        if killed:
            host.daemon = None
            host.start_daemon()
        check_is_sound(host)
        present = "error" not in call(API + "Get", {"owner": owner, "label": parameters["label"]})
        if reply is not None and "error" not in reply:
            assert present == (operation == "Add"), "acknowledged, but not so"
        if not present:
            label = parameters["label"]
            assert not Path(f"/srv/subuid/{owner}/{label}").exists()
            assert not os.path.lexists(f"/home/{owner}/subuid/{label}")
        else:
            remove(owner, parameters["label"], purge=True)
    assert call(API + "Get", {"owner": owner, "label": "kept"})["parameters"]["account"]["uid"] == kept["uid"]


def test_invariant_03_the_tracer_of_these_tests_does_kill(host):
    """The control: with a call that each add makes, the daemon dies of it."""
    owner = host.new_user()
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", *host.attached(), "-e", "trace=mkdirat", "-e",
         "inject=mkdirat:signal=KILL:when=1"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: re.search(r"TracerPid:\t[1-9]", Path(f"/proc/{host.daemon.pid}/status").read_text()),
               "strace attached")
    with pytest.raises(OSError):
        call(API + "Add", {"owner": owner, "label": "torn"})
    tracer.wait(60)
    assert host.daemon.wait(60) == -signal.SIGKILL
    host.daemon = None
    host.start_daemon()
    check_is_sound(host)


# 4 ---------------------------------------------------------------------------------


def test_invariant_04_lookups_logins_and_backups_go_on_while_the_daemon_is_down(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("kept while the daemon was away")
    host.stop_daemon()
    try:
        entry = pwd.getpwnam(name)
        assert run("id", name).returncode == 0
        host.rsync(key, "-a", f"{tmp_path}/data/", f"{name}@127.0.0.1:data/")
        assert Path(f"/srv/subuid/{owner}/web1/home/data/file").read_text() == "kept while the daemon was away"
        assert Path(f"/srv/subuid/{owner}/web1/home/data/file").stat().st_uid == entry.pw_uid
        refused = host.subuid("add", "web2", user=owner, check=False)
        assert refused.returncode == 7 and "subuidd" in refused.stderr
    finally:
        host.start_daemon()


# 5 ---------------------------------------------------------------------------------


def test_invariant_05_a_sub_account_cannot_change_what_its_keys_may_do(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    own = host.new_key(tmp_path, "thief")
    marker = tmp_path / "rc-ran"
    os.chmod(tmp_path, 0o777)
    trap = tmp_path / "trap"
    (trap / ".ssh").mkdir(parents=True)
    (trap / ".ssh/authorized_keys").write_text(Path(f"{own}.pub").read_text())
    (trap / ".ssh/authorized_keys2").write_text(Path(f"{own}.pub").read_text())
    for name_ in (".ssh/rc", ".bashrc", ".profile", ".bash_profile", ".zshenv"):
        (trap / name_).write_text(f"touch {marker}\n")
    (trap / ".ssh/environment").write_text("LD_PRELOAD=/evil.so\n")
    host.rsync(key, "-a", f"{trap}/", f"{name}@127.0.0.1:./")
    assert Path(f"/srv/subuid/{owner}/web1/home/.ssh/authorized_keys").exists()
    refused = host.ssh(own, name, "rsync --server -e.LsfxCIvu . .")
    assert refused.returncode == 255 and "Permission denied" in refused.stderr
    host.rsync(key, "-a", f"{trap}/", f"{name}@127.0.0.1:again/")
    assert not marker.exists()
    # And nothing above `home`, which root owns, can be changed by the account.
    for path in (f"/srv/subuid/{owner}/web1", f"/srv/subuid/{owner}", "/srv/subuid"):
        assert os.stat(path).st_uid == 0 and not os.stat(path).st_mode & 0o022


# 6: see also test_gate.py -------------------------------------------------------------


def test_invariant_06_a_push_session_runs_in_a_sandbox_of_the_kernel(host, tmp_path):
    """Reads the state of the real rsync of a real session from /proc."""
    owner, name, key = host.account(tmp_path)
    uid = pwd.getpwnam(name).pw_uid
    session = subprocess.Popen(
        ["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "rsync --server -logDtpre.iLsfxCIvu . ."],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        def rsync_of_session():
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    text = status.read_text()
                except OSError:
                    continue
                if text.startswith("Name:\trsync\n") and re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", text, re.M):
                    return text
            return None

        text = wait_until(rsync_of_session, "rsync of the session")
        assert re.search(r"^NoNewPrivs:\t1$", text, re.M)
        assert re.search(r"^Seccomp:\t2$", text, re.M)
        assert re.search(r"^CapEff:\t0000000000000000$", text, re.M)
        assert re.search(rf"^Gid:\t{uid}\t{uid}\t{uid}\t{uid}$", text, re.M)
    finally:
        session.kill()
        session.wait()


# 7 ---------------------------------------------------------------------------------


def test_invariant_07_root_follows_no_path_of_an_owner(host, tmp_path):
    """Traps where the link should go: nothing outside is made, each add is refused, nothing is left."""
    canary = tmp_path / "canary"
    canary.mkdir()
    before = canary.stat()
    for trap in ("symlink", "file", "dangling", "fifo"):
        owner = host.new_user()
        place = Path(f"/home/{owner}/subuid")
        uid = pwd.getpwnam(owner).pw_uid
        if trap == "symlink":
            place.symlink_to(canary)
        elif trap == "dangling":
            place.symlink_to(canary / "nothing")
        elif trap == "file":
            place.write_text("mine")
        else:
            os.mkfifo(place)
        os.chown(place, uid, uid, follow_symlinks=False)
        refused = host.subuid("add", "web1", user=owner, check=False)
        assert refused.returncode == 4 or refused.returncode == 1, refused.stderr
        assert re.match(r"subuid: .+: .+", refused.stderr)
        assert not Path(f"/srv/subuid/{owner}/web1").exists()
        assert host.subuid("list", "--json", user=owner).stdout.strip() == "[]"
    after = canary.stat()
    assert list(canary.iterdir()) == []
    assert (before.st_mtime_ns, before.st_uid, before.st_mode) == (after.st_mtime_ns, after.st_uid, after.st_mode)
    check_is_sound(host)


def test_invariant_07_privileged_source_has_no_call_by_path():
    run("tests/layers", cwd=ROOT)


# 8 ---------------------------------------------------------------------------------


def workers(host):
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if "worker" in text.split("\n", 1)[0] and f"\nPPid:\t{host.daemon.pid}\n" in text:
            found.append((status.parent, text))
    return found


def test_invariant_08_bytes_are_parsed_where_there_is_nothing_to_steal(host):
    ready = wait_until(lambda: [w for w in workers(host) if "Seccomp:\t2" in w[1]], "a worker is ready")
    uid = pwd.getpwnam("subuidd").pw_uid
    for directory, text in ready:
        assert re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", text, re.M) and uid != 0
        assert re.search(r"^Groups:\t *$", text, re.M)
        for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert re.search(rf"^{name}:\t0000000000000000$", text, re.M), name
        assert re.search(r"^NoNewPrivs:\t1$", text, re.M)
        descriptors = sorted(int(entry) for entry in os.listdir(directory / "fd"))
        assert [fd for fd in descriptors if fd > 2] == [3]
        for fd in (0, 1):
            if fd in descriptors:
                assert os.readlink(directory / f"fd/{fd}") == "/dev/null"
        assert os.readlink(directory / "ns/net") != os.readlink("/proc/self/ns/net")


def test_invariant_08_a_killed_worker_takes_nobody_with_it(host):
    for directory, _ in workers(host):
        os.kill(int(directory.name), signal.SIGSEGV)

    def answers():
        try:
            return call(API + "Status")
        except OSError:  # one was given to a worker on its way out
            return None

    assert "error" not in wait_until(answers, "the daemon answers")
    assert host.daemon.poll() is None


# 9 ---------------------------------------------------------------------------------


def test_invariant_09_who_calls_is_what_the_kernel_says(host):
    alice, bob = host.new_user(), host.new_user()
    add(alice, "web1")
    one = {"owner": alice, "label": "web1"}
    key = {"key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq9IvEGUyWCpTLb1kKzGDmLyOqO1bLB1s9hOEhFqcSo"}
    foreign = [
        ("Get", one), ("Modify", {**one, "comment": "x"}), ("Lock", one), ("Unlock", one), ("Remove", one),
        ("Freeze", one), ("Thaw", one), ("Kill", one), ("Enter", one), ("Become", one),
        ("KeyAdd", {**one, "key": key}), ("KeyRemove", {**one, "id": 1}), ("Mount", one),
        ("KeyChange", {**one, "id": 1, "key": {"role": "sync"}}),
        ("RangeAdd", {"owner": alice, "count": 65536}), ("LimitSet", {"owner": bob, "accounts": 1000}),
        ("Add", {"owner": alice, "label": "web2"}), ("Release", {"first": 2100000000}),
    ]
    for method, parameters in foreign:
        reply = call_as(bob, API + method, parameters)
        assert reply.get("error", "").startswith(API + "Not"), (method, reply)
    # A refusal does not tell whether the thing is there (lxc CVE-2018-6556).
    there = call_as(bob, API + "Get", one)
    absent = call_as(bob, API + "Get", {"owner": alice, "label": "nothing"})
    assert json.dumps(there).replace("web1", "nothing") == json.dumps(absent)
    # Members that claim to be somebody are refused, not believed.
    claimed = call_as(bob, API + "Get", {"label": "web1", "uid": 0})
    assert claimed["error"] == "org.varlink.service.InvalidParameter"
    # Root of a user namespace is still bob.
    script = "unshare --user --map-root-user /usr/bin/subuid --json show " + f"{alice}+web1"
    refused = run("sh", "-c", script, user=bob, check=False)
    assert refused.returncode in (3, 5), refused


def test_invariant_09_a_sub_account_owns_nothing(host):
    owner = host.new_user()
    name = add(owner, "web1")["name"]
    reply = call_as(name, API + "Add", {"label": "mine"})
    assert reply["error"] == API + "NotPermitted"


# 10 --------------------------------------------------------------------------------


@pytest.mark.parametrize("guest", ["libnss_subuid.so.2", "pam_subuid.so"])
def test_invariant_10_guests_export_and_need_only_what_they_may(host, guest):
    path = ROOT / "build/bin" / guest
    undefined = run("nm", "-D", "--undefined-only", path).stdout
    for forbidden in ("getenv", "secure_getenv", "printf", "puts", "exit", "abort", "syslog", "fork", "popen", "sleep"):
        pattern = rf"\b{forbidden}@" if guest.startswith("libnss") else rf"\b(getenv|exit|abort|fork|popen|sleep|puts)@"
        assert not re.search(pattern, undefined), forbidden
    exported = set(re.findall(r" T (\w+)", run("nm", "-D", "--defined-only", path).stdout))
    prefix = "_nss_subuid_" if guest.startswith("libnss") else "pam_sm_"
    assert exported and all(name.startswith(prefix) for name in exported), exported


# 11 --------------------------------------------------------------------------------


def test_invariant_11_every_refusal_says_what_and_why_and_is_logged_once(host):
    owner = host.new_user()
    add(owner, "taken", comment="one")
    refusals = [
        (["add", "Wrong"], 2), (["add", "a/b"], 2), (["add", ".."], 2), (["show", "nothing"], 3),
        (["add", "taken", "--comment", "two"], 4), (["show", "root+x"], (3, 5)), (["limit", owner, "--accounts", "9"], 5),
        (["remove", "nothing"], 3), (["key", "remove", "taken", "99999"], 3), (["add", "x", "--expires", "yesterday"], 2),
        (["add", "x", "--quota", "much"], 2), (["add", "x", "--role", "king"], 2), (["frobnicate"], 2),
    ]
    for words, status in refusals:
        result = host.subuid(*words, user=owner, check=False)
        expected = status if isinstance(status, tuple) else (status,)
        assert result.returncode in expected, (words, result)
        assert re.match(r"subuid: [^:]+: .+", result.stderr), (words, result.stderr)
        assert result.stdout == ""
    def entries():
        replies = call(API + "Audit", {"owner": owner}, more=True)
        return [reply["parameters"]["entry"] for reply in replies if "entry" in reply["parameters"]]

    conflicts = [entry for entry in entries() if entry["result"] == "Exists"]
    assert len(conflicts) == 1 and conflicts[0]["target"] == f"{owner}+taken"


# 12 --------------------------------------------------------------------------------


def test_invariant_12_every_change_is_in_the_audit_trail(host):
    owner = host.new_user()
    host.subuid("add", "web1", user=owner)
    host.subuid("lock", f"{owner}+web1")
    host.subuid("unlock", "web1", user=owner)
    host.subuid("remove", "web1", "--purge", user=owner)
    entries = [entry for entry in host.subuid_json("audit", user=owner) if entry["caller"] != "subuidd"]
    story = [(entry["action"], entry["caller"], entry["result"]) for entry in reversed(entries)]
    actions = [action for action, _, _ in story]
    for word in ("add", "lock", "unlock", "remove"):
        assert any(word in action for action in actions), story
    callers = {action.split(".")[-1]: caller for action, caller, _ in story}
    assert callers["add"] == owner and callers["lock"] == "root"
    assert all(entry["target"] == f"{owner}+web1" and entry["time"] > 0 and entry["pid"] > 0 for entry in entries)


def test_invariant_12_control_bytes_are_escaped(host):
    owner = host.new_user()
    reply = call_as(owner, API + "Get", {"label": "x\x1b[31mred\n"})
    assert "error" in reply
    assert "\x1b" not in json.dumps(reply, ensure_ascii=False)
    for line in Path("/run/subuidd.log").read_bytes().splitlines():
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", line)
    shown = host.subuid("audit", user=owner).stdout
    assert "\x1b" not in shown
