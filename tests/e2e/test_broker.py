# SPDX-License-Identifier: ISC
"""The broker where things go wrong: workers taken over, system calls that fail, homes that hang."""

import contextlib
import json
import os
import pwd
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, SOCKET, call, run, wait_until

WORKER = Path("/usr/libexec/subuidd/worker")


def as_user(host, user, *argv):
    return host.subuid(*argv, user=user, check=False)


def faults():
    """What `check` finds of all accounts."""
    replies = call("io.subuidd.Accounts.Check", {"all": True}, more=True)
    return [reply["parameters"]["finding"] for reply in replies if "finding" in reply["parameters"]]


WIRE = [*(ROOT / f"subuidd/wire/{name}.c" for name in ("wire", "messages", "records", "request", "request_key")), *set((ROOT / "account").glob("*.c")) - {ROOT / "account/source.c"}]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def taken_over(host, tmp_path, source, *options):
    """The daemon with a worker that was taken over; the real one again afterwards."""
    binary = tmp_path / "evil"
    run("cc", "-O1", "-D_GNU_SOURCE", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-DLIBEXECDIR=\"/x\"", *options, f"-I{ROOT}", "-o", binary, ROOT / f"tests/e2e/{source}",
        *WIRE, "-lmd")
    real = tmp_path / "real"
    run("cp", "-a", WORKER, real)
    host.stop_daemon()
    run("install", "-m", "0711", binary, WORKER)
    log = open("/run/evil.log", "wb")
    daemon = subprocess.Popen(["/usr/sbin/subuidd", "--foreground"], stdout=log, stderr=log, cwd="/")
    try:
        wait_until(lambda: os.path.exists(SOCKET), "socket")
        yield daemon
    finally:
        daemon.terminate()
        daemon.wait(60)
        run("install", "-m", "0711", real, WORKER)
        host.start_daemon()


@pytest.fixture
def evil(host, tmp_path):
    with taken_over(host, tmp_path, "evil_worker.c") as daemon:
        yield daemon


def connect_as(uid, enough):
    """Connections of one uid, one after the other, until there are enough; in a child."""
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        while not enough():
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(0.05)
                try:
                    peer.connect(SOCKET)
                    peer.recv(100)
                except OSError:
                    pass
        os._exit(0)
    os.waitpid(pid, 0)


def test_a_worker_that_was_taken_over_is_killed_and_changes_only_what_its_caller_may(host, evil):
    bystander = host.new_user()
    caller = host.new_user()
    log = Path("/run/evil.log")
    end = time.monotonic() + 6

    def enough():
        killed = log.read_text(errors="replace").count("a worker was killed") > 50
        return time.monotonic() > end + 90 or killed and time.monotonic() > end

    connect_as(pwd.getpwnam(caller).pw_uid, enough)
    assert evil.poll() is None
    log = log.read_text(errors="replace")
    assert log.count("a worker was killed") > 50
    assert " bug: " not in log and " fatal: " not in log
    assert descriptors(evil.pid) < 64
    changes = [line for line in log.splitlines() if ": done" in line]
    assert changes and all(f": {caller} (uid" in line or ": subuidd (uid 0" in line for line in changes)
    assert all(bystander not in line for line in changes)


def test_a_value_that_the_mask_does_not_give_is_not_recorded(host, tmp_path):
    """Nothing has looked at it: an alarm beside the mask would be one of an account that shows none."""
    owner = host.new_user()
    with taken_over(host, tmp_path, "forged_worker.c", f'-DFORGED_OWNER="{owner}"'), socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(60)
        peer.connect(SOCKET)
        assert peer.recv(1) == b"", "it has ended, and said nothing"
    accounts = {entry["label"]: entry for entry in host.subuid_json("list", user=owner)}
    assert accounts["given"]["alarm"] == 3600 and "alarmSince" in accounts["given"]  # the control: the same, with its bit
    assert not {"alarm", "alarmSince"} & accounts["hidden"].keys(), accounts["hidden"]


def test_after_a_worker_that_was_taken_over_all_is_sound(host):
    wait_until(lambda: not [f for f in faults() if "neither active" in f["fault"]], "recovery")
    assert faults() == []


def traced(syscall, how, when):
    return ["strace", "-o", "/dev/null", "-e", f"trace={syscall}", "-e", f"inject={syscall}:{how}:when={when}",
            "/usr/sbin/subuidd", "--foreground"]


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "ENOMEM", "EMFILE"])
@pytest.mark.parametrize("syscall,when", [
    ("mkdirat", "6+"), ("fchown", "2+"), ("fsync", "2+"), ("pwrite64", "20+"), ("fdatasync", "2+"),
    ("mount_setattr", "2+"), ("clone", "7+"), ("pidfd_open", "7"), ("pidfd_open", "8"), ("socketpair", "6+"), ("unlinkat", "6+"), ("renameat2", "1+"),
])
def test_a_system_call_that_fails_is_an_error_and_not_a_half_made_account(host, syscall, when, error):
    """From some call on (when the daemon serves already) each fails; then the disk is well again."""
    owner = host.new_user()
    host.stop_daemon()
    log = open("/run/faults.log", "ab")
    tracer = subprocess.Popen(traced(syscall, f"error={error}", when), stdout=log, stderr=log, cwd="/")
    try:
        wait_until(lambda: os.path.exists(SOCKET) or tracer.poll() is not None, "socket")
        if tracer.poll() is None:
            for words in (["add", "a", "--range", "65536"], ["lock", "a"], ["remove", "a"]):
                result = as_user(host, owner, *words)
                assert result.returncode == 0 or result.stderr.startswith("subuid: "), result
            assert tracer.poll() is None, "it must not die of it"
    finally:
        for pid in run("pgrep", "-x", "subuidd", check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):  # its short-lived children have its name, too
                os.kill(int(pid), signal.SIGKILL)
        tracer.wait(60)
        host.start_daemon()
    wait_until(lambda: not [f for f in faults() if f["subject"].startswith(owner)], "recovery")
    assert as_user(host, owner, "add", "b").returncode == 0
    labels = {entry["label"] for entry in host.subuid_json("list", user=owner)}
    assert set(os.listdir(f"/srv/subuid/{owner}")) == labels


def test_what_an_owner_writes_before_the_end_of_an_add_is_set_aside(host):
    """The owner sees the view before the account is acknowledged. With something in it nothing can be taken back."""
    owner = host.new_user()
    view = Path(f"/srv/subuid/{owner}/early/view")
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", *host.attached(), "-e", "trace=move_mount", "-e",
         "inject=move_mount:signal=STOP:when=1"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "strace attached")
    adding = subprocess.Popen(["/usr/bin/subuid", "add", "early", "--view", "owner"], user=owner, cwd="/", stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: run("touch", view / "mine", user=owner, check=False).returncode == 0, "the view")
    finally:
        host.daemon.send_signal(signal.SIGKILL)
        adding.wait(60)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(60)
        host.daemon.wait(60)
        host.daemon = None
        host.start_daemon()
    wait_until(lambda: host.subuid_json("list", user=owner) == [], "recovery")
    assert not [fault for fault in faults() if fault["subject"].startswith(owner)]
    assert not view.parent.exists() and not os.path.lexists(f"/home/{owner}/subuid/early")
    assert [path for path in Path("/srv/subuid/.removed").glob("*/home/mine")], "his file is kept for a while"
    assert as_user(host, owner, "add", "early").returncode == 0
    assert "mine" not in os.listdir(view)


def test_a_home_that_hangs_holds_up_its_own_request_only(host):
    slow, other = host.new_user(), host.new_user()
    tracer = subprocess.Popen(
        ["strace", "-f", "-o", "/dev/null", *host.attached(), "-e", "trace=symlinkat", "-e",
         "inject=symlinkat:delay_enter=60s"], stderr=subprocess.PIPE, text=True)
    tracer.stderr.readline()  # attached
    try:
        begun = time.monotonic()
        hung = subprocess.Popen(["/usr/bin/subuid", "add", "a"], user=slow, cwd="/", stderr=subprocess.PIPE, text=True)
        wait_until(lambda: b"\0" in Path(f"/proc/{hung.pid}/cmdline").read_bytes(), "start")
        wait_until(lambda: "being" in as_user(host, slow, "lock", "a").stderr or
                   "under way" in as_user(host, slow, "lock", "a").stderr, "the add is under way")
        asked = time.monotonic()
        assert as_user(host, other, "list").returncode == 0
        assert time.monotonic() - asked < 4  # a link is waited for for five seconds
        assert hung.wait(60) == 1
        assert "did not answer in time" in hung.stderr.read()
        assert time.monotonic() - begun < 50
    finally:
        tracer.terminate()
        tracer.wait(60)
    assert as_user(host, slow, "add", "a").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_the_process_that_forks_for_the_links_accounts_are_made(host, number):
    """It is started again; one that is there and does not answer is given up, and its account undone."""
    owner = host.new_user()
    forker = int(host.attached()[1])
    descriptors = set(os.listdir(f"/proc/{forker}/fd"))
    assert {"0", "1", "2"} < descriptors and len(descriptors) == 4, "and the broker's socket"
    os.kill(forker, number)
    try:
        first = as_user(host, owner, "add", "a")
        assert (first.returncode == 0) == (number == signal.SIGKILL), first
        assert as_user(host, owner, "add", "b").returncode == 0
        assert int(host.attached()[-3]) != forker
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(forker, signal.SIGCONT)
    wait_until(lambda: not Path(f"/proc/{forker}").exists(), "it ends, and is reaped")
    wait_until(lambda: not [f for f in faults() if f["subject"].startswith(owner)], "recovery")
    labels = {entry["label"] for entry in host.subuid_json("list", user=owner)}
    assert labels == ({"a", "b"} if number == signal.SIGKILL else {"b"})
    assert set(os.listdir(f"/home/{owner}/subuid")) == labels


@contextlib.contextmanager
def stoppable_forkers(host, tmp_path, stop):
    """Each of them stops at the order that it gets while this file is there. Yields a count of all orders."""
    library = tmp_path / "stopped_forker.so"
    run("gcc", "-shared", "-fPIC", f'-DSTOP="{stop}"', "-o", library, ROOT / "tests/e2e/stopped_forker.c")
    log = Path("/run/subuidd.log")
    began = log.stat().st_size
    host.stop_daemon()
    os.environ["LD_PRELOAD"] = str(library)
    try:
        host.start_daemon()
    finally:
        del os.environ["LD_PRELOAD"]
    try:
        yield lambda: log.read_bytes()[began:].count(b" was asked\n")
    finally:
        host.restart_daemon()


def test_forkers_that_do_not_answer_are_asked_once_for_a_change(host, tmp_path):
    """Each question holds everybody up for seconds: an import of many owners asks none of those that are started for the rest."""
    owners = [host.new_user() for _ in range(3)]
    stop = tmp_path / "stop"

    def imported(label):
        file = tmp_path / label
        file.write_text("".join(json.dumps({"owner": owner, "label": label}) + "\n" for owner in owners))
        return host.subuid("import", file, "--keep-going", check=False).stdout

    with stoppable_forkers(host, tmp_path, stop) as asked:
        assert "made 3, there already 0, failed 0" in imported("a") and asked() == 3  # the control: once for each owner
        stop.touch()
        assert "made 0, there already 0, failed 3" in imported("b") and asked() == 3 + 1
        stop.unlink()
        assert "made 3, there already 0, failed 0" in imported("b") and asked() == 3 + 1 + 3


def test_nobody_uses_up_ids_by_giving_them_back(host):
    owner = host.new_user()
    for _ in range(200):
        added = as_user(host, owner, "range", "add", "65536")
        if added.returncode != 0:
            break
        first = host.subuid_json("range", "list", user=owner)[0]["first"]
        assert as_user(host, owner, "range", "remove", str(first)).returncode == 0
    assert added.returncode == 6 and "given back before" in added.stderr



def test_an_add_that_is_refused_uses_up_no_uid_of_the_day(host):
    """An owner of few accounts may have 64 uids taken in a day; the account of a refused range is undone together with it."""
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "1", "--ranges", "1")
    for _ in range(64 + 1):
        refused = as_user(host, owner, "add", "a", "--range", "131072")
        assert refused.returncode == 6 and "0 of 1 blocks" in refused.stderr, refused
    for _ in range(64):
        assert as_user(host, owner, "add", "a").returncode == 0
        assert as_user(host, owner, "remove", "a", "--purge").returncode == 0
    refused = as_user(host, owner, "add", "a")  # the control: those that were taken do count
    assert refused.returncode == 6 and "too many uids were taken today" in refused.stderr, refused
