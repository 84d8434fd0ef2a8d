# SPDX-License-Identifier: ISC
"""Long lists and checks: what they tell while accounts come and go, and that a list counts what `show` shows."""

import contextlib
import json
import os
import pty
import random
import re
import select
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import call, wait_until

API = "io.subuidd.Accounts."
LIMITS = Path("/etc/subuidd.conf.d/lists.conf")


@pytest.fixture(scope="module", autouse=True)
def room(host):
    LIMITS.parent.mkdir(exist_ok=True)
    LIMITS.write_text("[limits]\naccounts = 10000\n")
    host.restart_daemon()


def imported(host, tmp_path, owners, each, label="l"):
    path = tmp_path / "rows.jsonl"
    rows = [(owner, f"{label}{i}") for i in range(each) for owner in owners]  # the uids of an owner's are apart
    path.write_text("".join(json.dumps({"owner": owner, "label": name}) + "\n" for owner, name in rows))
    host.subuid("import", path)
    return {f"{owner}+{name}" for owner, name in rows}


def removed(names):
    for name in names:
        owner, label = name.split("+")
        assert "error" not in call(API + "Remove", {"owner": owner, "label": label, "purge": True})


@contextlib.contextmanager
def churn(owner):
    """Accounts that come and go meanwhile, at the end of the list and in its middle; counts the rounds."""
    stop, rounds, wrong = threading.Event(), [0], []

    def work():
        choose = random.Random(7)
        there = []
        while not stop.is_set():
            label = f"churn{rounds[0]}"
            reply = call(API + "Add", {"owner": owner, "label": label})
            if "error" in reply:
                wrong.append(reply)
                return
            there.append(f"{owner}+{label}")
            if len(there) > 5:
                removed([there.pop(choose.randrange(len(there)))])
            rounds[0] += 1
        removed(there)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield rounds
    finally:
        stop.set()
        thread.join()
        assert wrong == []


def test_a_list_loses_nothing_while_accounts_come_and_go(host, tmp_path):
    owners = [host.new_user() for _ in range(3)]
    always = imported(host, tmp_path, owners, 40)
    gone = imported(host, tmp_path, owners[:1], 30, "gone")
    with churn(owners[1]) as rounds:
        removed(sorted(gone)[::2])
        for _ in range(8):
            before = rounds[0]
            replies = call(API + "List", {"all": True}, more=True, timeout=60)
            names = [reply["parameters"]["account"]["name"] for reply in replies[:-1]]
            assert len(names) == len(set(names)), "a row came twice"
            assert always <= set(names), always - set(names)
            assert set(sorted(gone)[1::2]) <= set(names)
            assert not set(sorted(gone)[::2]) & set(names), "what had been removed before"
            while rounds[0] < before + 2:
                assert threading.active_count() > 1
    removed(always | set(sorted(gone)[1::2]))


def test_a_list_counts_what_show_shows(host, tmp_path):
    owner = host.new_user()
    for i in range(4):
        host.subuid("add", f"w{i}", *(["--range", "65536"] if i % 2 else []), user=owner)
    for i, label in enumerate(["w1", "w2", "w2", "w2"]):
        host.subuid("key", "add", label, host.new_key(tmp_path, f"k{i}").with_suffix(".pub"), user=owner)
    host.subuid("range", "add", "65536", "w3", user=owner)
    host.subuid("set", "w0", "--alarm", "7d", "--comment", 'quotes " and \\ and ü', user=owner)
    host.subuid("lock", "w3", user=owner)
    listed = {row["label"]: row for row in host.subuid_json("list", user=owner)}
    counts = {label: (row["keys"], row["ranges"]) for label, row in listed.items()}
    assert counts == {"w0": (0, 0), "w1": (1, 1), "w2": (3, 0), "w3": (0, 2)}
    for label, row in listed.items():
        shown = host.subuid_json("show", label, user=owner)
        assert row == shown["account"] and row["keys"] == len(shown["keys"])
        assert row["ranges"] == len(shown["ranges"])
        assert row == call(API + "Get", {"owner": owner, "label": label})["parameters"]["account"]
    assert listed["w0"]["comment"] == 'quotes " and \\ and ü' and listed["w3"]["locked"]
    # as print_json() has always printed it
    text = host.subuid("list", "--json", user=owner).stdout
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
    table = host.subuid("list", user=owner).stdout.splitlines()
    assert [line.split()[3:5] for line in table[1:5]] == [["0", "0"], ["1", "1"], ["3", "0"], ["0", "2"]]
    assert {row["name"] for row in host.subuid_json("list", "--all")} >= {row["name"] for row in listed.values()}
    removed(row["name"] for row in listed.values())
    assert host.subuid("list", "--json", user=owner).stdout == "[]\n" and host.subuid("list", user=owner).stdout == ""


def terminal(argv):
    """What the command says on a terminal that is its standard error, and on its standard output."""
    ours, theirs = pty.openpty()
    command = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=theirs, stdin=subprocess.DEVNULL, text=True)
    os.close(theirs)
    said, told = b"", []
    reader = threading.Thread(target=lambda: told.append(command.stdout.read()))
    reader.start()
    with contextlib.suppress(OSError):  # EIO: its last one has closed it
        while select.select([ours], [], [], 60)[0]:
            piece = os.read(ours, 4096)
            if not piece:
                break
            said += piece
    os.close(ours)
    reader.join()
    assert command.wait(60) == 0, told
    return said.decode(), told[0]


def test_a_check_says_how_far_it_is(host, tmp_path):
    owner = host.new_user()
    names = imported(host, tmp_path, [owner], 100)
    said, told = terminal(["/usr/bin/subuid", "check"])
    whole = int(re.search(r"checked (\d+) things: sound", told)[1])
    progress = [(int(done), int(total)) for done, total in re.findall(r"checked (\d+) of about (\d+) things", said)]
    assert progress and all(done <= total for done, total in progress)
    assert all(abs(total - whole) <= whole / 10 for _, total in progress), (progress, whole)
    assert said.endswith("\r\x1b[K"), "nothing of it stays"
    assert terminal(["/usr/bin/subuid", "check", "--json"])[0] == ""
    assert host.subuid("check").stderr == ""
    removed(names)


def test_much_that_is_wrong_is_told_in_full(host, tmp_path):
    """More than one answer holds, and all of it among accounts that are looked at together."""
    owners = [host.new_user() for _ in range(4)]
    names = imported(host, tmp_path, owners, 25)
    for owner in owners:
        for link in Path(f"/home/{owner}/subuid").iterdir():
            link.unlink()
    found = host.subuid("check", "--json", check=False)
    links = [f["subject"] for f in json.loads(found.stdout)["findings"] if "link" in f["fault"]]
    assert sorted(links) == sorted(names)
    assert not any("more is wrong" in f["fault"] for f in json.loads(found.stdout)["findings"])
    assert host.subuid("check", "--repair").returncode == 0
    removed(names)


PWRITE64 = {"x86_64": 18, "aarch64": 68}.get(os.uname().machine)


@contextlib.contextmanager
def delayed(pid, syscall):
    """Each such call of the process and its children waits a second, or until this ends."""
    strace = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e",
                               f"inject={syscall}:delay_enter=1s", "-p", str(pid)])
    try:
        wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text(), "strace attached")
        yield
    finally:
        strace.terminate()
        strace.wait()


@pytest.mark.parametrize("ends", [True, False], ids=["it ends", "the control"])
@pytest.mark.parametrize("place", [".removed/2100900001", ".making/2100900001", "{owner}/gone"])
def test_what_ends_between_walk_and_verdict_is_no_finding(host, tmp_path, place, ends):
    """The process that walks the homes has seen it, and is held before it says so."""
    left = Path("/srv/subuid", place.format(owner=host.account(tmp_path)[0]))
    host.restart_daemon()  # it has nothing left to write itself
    left.mkdir(mode=0o710)
    os.chown(left, 0, 2100900001)
    daemon = host.daemon.pid

    def says_it(pid):
        with contextlib.suppress(OSError):  # it has ended
            return Path(f"/proc/{pid}/syscall").read_text().startswith(f"{PWRITE64} ") and any(
                os.readlink(file).startswith("/memfd:check-disk") for file in Path(f"/proc/{pid}/fd").iterdir())

    def walked():
        return any(map(says_it, Path(f"/proc/{daemon}/task/{daemon}/children").read_text().split()))

    with delayed(daemon, "pwrite64"):
        while True:
            check = subprocess.Popen(["/usr/bin/subuid", "check", "--json"], stdout=subprocess.PIPE, text=True)
            if wait_until(lambda: walked() or check.poll() is not None, "the homes are walked", 120) and check.poll() is None:
                break
            check.communicate()  # on a busy machine that second may have been missed
        if ends:
            left.rmdir()
    found = [finding["subject"] for finding in json.loads(check.communicate()[0])["findings"]]
    if not ends:
        left.rmdir()
    assert (str(left) in found) == (not ends), found


def test_a_check_finds_nothing_while_accounts_come_and_go(host, tmp_path):
    owners = [host.new_user() for _ in range(3)]
    names = imported(host, tmp_path, owners, 30)
    with churn(owners[1]) as rounds:
        for _ in range(3):
            before = rounds[0]
            assert host.subuid_json("check")["findings"] == []
            while rounds[0] < before + 1:
                assert threading.active_count() > 1
    removed(names)
