# SPDX-License-Identifier: ISC
"""Removals that are taken back within the grace period, with a real sshd: the same uid, files, keys, ranges, settings, runs."""

import json
import os
import pwd
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from store_digest import store

from conftest import SLOW, call, call_as, run, wait_until

API = "io.subuidd.Accounts."
DAY = 86400


def push(host, key, name, source, to="data/"):
    return host.rsync(key, "-a", f"{source}/", f"{name}@127.0.0.1:{to}", check=False)


def everything(host, owner, label="web1"):
    """All that is told of an account; when it was used last grows with each login. Its files are counted now and then."""
    shown = host.subuid_json("show", label, user=owner)
    for counted in ("usedBytes", "usedFiles"):
        shown["account"].pop(counted, None)
    runs = host.subuid_json("log", label, user=owner)
    return shown, runs


@pytest.fixture
def whole(host, tmp_path):
    """An account with all that one can have, used: (owner, name, key, source, uid)."""
    owner, name, key = host.account(tmp_path, "push", "web1", None, "--no-delete", "--range", "65536", "--quota", "1G", "--alarm",
                                    "3d", "--comment", "the shop", "--expires", "2999-01-01")
    host.subuid("set", "web1", "--contact", "ops@example.org", user=owner)
    second = host.new_key(tmp_path, "second")
    host.subuid("key", "add", "web1", "--role", "pull", "--from", "127.0.0.0/8", "--expires", "+30d", user=owner,
                input=Path(f"{second}.pub").read_text())
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("x")
    assert push(host, key, name, source).returncode == 0
    assert host.rsync(second, f"{name}@127.0.0.1:data/file", f"{tmp_path}/back").returncode == 0
    wait_until(lambda: len(host.subuid_json("log", name)) == 2, "the runs are recorded")
    return owner, name, key, source, pwd.getpwnam(name).pw_uid


def test_it_comes_back_as_it_was(host, whole):
    owner, name, key, source, uid = whole
    before = everything(host, owner)
    said = host.subuid("remove", "web1", user=owner).stdout
    until = re.search(r"kept aside until (\d{4}-\d\d-\d\d)", said).group(1)
    assert abs(time.mktime(time.strptime(until, "%Y-%m-%d")) - time.time() - 30 * DAY) < 2 * DAY
    assert push(host, key, name, source).returncode != 0
    assert run("getent", "passwd", name, check=False).returncode == 2
    shown = host.subuid("show", "web1", user=owner, check=False)
    assert shown.returncode == 3 and "it was removed" in shown.stderr and "subuid restore web1" in shown.stderr
    row = host.subuid("list", "--removed", user=owner).stdout
    assert name in row and str(uid) in row and until in row
    assert [account["name"] for account in host.subuid_json("list", user=owner)] == []
    assert host.subuid("check", "--all").returncode == 0
    command = said.splitlines()[-1].split()
    assert command == ["subuid", "restore", "web1"]
    back = host.subuid(*command[1:], user=owner).stdout
    assert f"{name} is back, with uid {uid}" in back
    after = everything(host, owner)
    assert after == before
    assert Path(f"/home/{owner}/subuid/web1/data/file").read_text() == "x"
    assert os.stat(f"/srv/subuid/{owner}/web1/home/data/file").st_uid == uid
    assert push(host, key, name, source, "data2/").returncode == 0
    assert host.subuid("list", "--removed", user=owner).stdout.count(name) == 0
    trail = host.subuid("audit", "--owner", owner).stdout
    assert "account.restore" in trail and "tombstone.release" not in trail
    host.restart_daemon()
    assert push(host, key, name, source, "data3/").returncode == 0
    assert host.subuid("check", "--all").returncode == 0


def test_nobody_else_is_given_its_ids_and_nobody_else_gets_it_back(host, whole):
    owner, name, key, source, uid = whole
    first = host.subuid_json("range", "list", user=owner)[0]["first"]
    host.subuid("remove", "web1", user=owner)
    other = host.new_user()
    for label in ("a", "b", "c"):
        account = host.subuid_json("add", label, "--range", "65536", user=other)["account"]
        assert account["uid"] != uid
    assert first not in [row["first"] for row in host.subuid_json("range", "list", user=other)]
    assert host.subuid_json("list", "--removed", user=other) == []
    for parameters, error in (({"label": "web1"}, "NotFound"), ({"label": "web1", "uid": uid}, "NotFound"),
                              ({"owner": owner, "label": "web1"}, "NotPermitted")):
        assert call_as(other, API + "Restore", parameters)["error"] == API + error
    assert call_as(other, API + "RemovedList", {"owner": owner}).get("error") in (
        API + "NotPermitted", "org.varlink.service.ExpectedMore")
    refused = host.subuid("release", str(uid), check=False)
    assert refused.returncode != 0, "its id is not released while it can come back"
    assert host.subuid_json("restore", name)["uid"] == uid, "root may"
    assert push(host, key, name, source).returncode == 0


def test_its_name_may_be_taken_by_then(host, whole):
    owner, name, key, source, uid = whole
    host.subuid("remove", "web1", user=owner)
    host.subuid("add", "web1", user=owner)
    refused = host.subuid("restore", "web1", user=owner, check=False)
    assert refused.returncode == 4 and "--as LABEL" in refused.stderr
    assert host.subuid_json("restore", "web1", "--as", "old1", user=owner)["uid"] == uid
    assert push(host, key, f"{owner}+old1", source).returncode == 0
    assert Path(f"/home/{owner}/subuid/old1/data/file").read_text() == "x"
    # of several by one name one has to be named
    second = host.subuid_json("show", "web1", user=owner)["account"]["uid"]
    host.subuid("remove", "web1", user=owner)
    third = host.subuid_json("add", "web1", user=owner)["account"]["uid"]
    host.subuid("remove", "web1", user=owner)
    refused = host.subuid("restore", "web1", user=owner, check=False)
    assert refused.returncode == 4 and str(second) in refused.stderr and str(third) in refused.stderr
    assert host.subuid_json("restore", "web1", "--uid", str(third), user=owner)["uid"] == third
    refused = host.subuid("restore", "web1", "--uid", str(third), user=owner, check=False)
    assert refused.returncode == 4 and "not removed" in refused.stderr
    assert host.subuid("check", "--all").returncode == 0


def test_a_former_name_is_no_way_in_by_a_restore(host, whole, tmp_path):
    """A server that still uses the name that db1 had does not write to an account that comes back by that name."""
    owner, name, key, source, uid = whole
    host.subuid("add", "other", "--key", f"{key}.pub", user=owner)
    host.subuid("remove", "other", user=owner)
    host.subuid("rename", "web1", "db1", user=owner)
    refused = host.subuid("restore", "other", "--as", "web1", user=owner, check=False)
    assert refused.returncode == 4 and "unnoticed" in refused.stderr, refused
    assert push(host, key, name, source).returncode != 0
    assert host.subuid_json("list", "--removed", user=owner)[0]["restorable"] is True
    host.subuid("restore", "other", user=owner)
    assert push(host, key, f"{owner}+other", source).returncode == 0
    assert host.subuid("check", "--all").returncode == 0


def test_of_many_restores_at_once_one_is_done(host, whole):
    owner, name, key, source, uid = whole
    before = everything(host, owner)
    for _ in range(3):
        host.subuid("remove", "web1", user=owner)
        results = []
        threads = [threading.Thread(target=lambda words=words: results.append(
            host.subuid("restore", *words, user=owner, check=False).returncode))
            for words in (["web1"], ["web1", "--as", "web2"], ["web1"], ["web1", "--uid", str(uid)])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results.count(0) == 1, results
        rows = host.subuid_json("list", user=owner)
        assert [(row["uid"], row["state"]) for row in rows] == [(uid, "active")]
        if rows[0]["label"] != "web1":
            host.subuid("rename", rows[0]["label"], "web1", user=owner)
    assert everything(host, owner) == before
    assert host.subuid("check", "--all").returncode == 0


def test_what_holds_the_files_open_gets_nothing_into_it(host, whole, tmp_path):
    """A process of the owner keeps a directory of the view: it can change what it could, and nothing about the account."""
    owner, name, key, source, uid = whole
    host.subuid("set", "web1", "--view", "owner", user=owner)
    holder = subprocess.Popen(["runuser", "-u", owner, "--", "sh", "-c", "read go; mv data moved; ln -s /etc data; rm -rf ../home ../view;"
                               " chmod 0777 .; chmod -R a+w moved; echo done; read go"],
                              cwd=f"/srv/subuid/{owner}/web1/view", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True)
    host.subuid("remove", "web1", user=owner)
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "done\n"
    aside = Path(f"/srv/subuid/.removed/{uid}")
    assert (aside / "home/data").is_symlink(), "the control: it does reach the data"
    assert sorted(os.listdir(aside)) == ["home", "view"] and os.stat(aside).st_uid == 0
    host.subuid("restore", "web1", user=owner)
    home = Path(f"/srv/subuid/{owner}/web1/home")
    assert os.stat(home).st_uid == uid and os.stat(home.parent).st_mode & 0o7777 == 0o710
    before = sorted(os.listdir("/etc"))
    assert push(host, key, name, source, "data/").returncode != 0, "the link leads out of the home"
    assert sorted(os.listdir("/etc")) == before
    assert push(host, key, name, source, "other/").returncode == 0
    holder.kill()
    holder.wait()
    assert host.subuid("check", "--all").returncode == 0


def test_limits_are_not_exceeded(host, whole):
    owner, name, key, source, uid = whole
    host.subuid("limit", owner, "--accounts", "1", "--ranges", "1")
    host.subuid("remove", "web1", user=owner)
    host.subuid("add", "web2", user=owner)
    refused = host.subuid("restore", "web1", user=owner, check=False)
    assert refused.returncode == 6 and "1 of 1 sub-accounts" in refused.stderr
    host.subuid("remove", "web2", "--purge", user=owner)
    host.subuid("range", "add", "65536", user=owner)
    refused = host.subuid("restore", "web1", user=owner, check=False)
    assert refused.returncode == 6 and "1 of 1 blocks" in refused.stderr
    host.subuid("limit", owner, "--ranges", "2")
    assert host.subuid_json("restore", "web1", user=owner)["uid"] == uid
    assert push(host, key, name, source).returncode == 0


def test_after_its_time_it_is_refused(host, whole, tmp_path):
    owner, name, key, source, uid = whole
    host.subuid("remove", "web1", user=owner)
    # by the clock alone its time is not over: the host may have a wrong one (known_time.h)
    with host.daemon_ahead(tmp_path, 40 * DAY):
        assert host.subuid_json("list", "--removed", user=owner)[0]["restorable"] is True
    assert host.subuid_json("restore", "web1", user=owner)["uid"] == uid
    host.subuid("remove", "web1", "--purge", user=owner)
    refused = host.subuid("restore", "web1", user=owner, check=False)
    assert refused.returncode in (3, 4), refused
    assert "its files, which are being deleted" in refused.stderr or "its time is over" in refused.stderr
    wait_until(lambda: not Path(f"/srv/subuid/.removed/{uid}").exists(), "the data is deleted")
    wait_until(lambda: host.subuid_json("list", "--removed", user=owner) == [], "it is off the list")
    refused = host.subuid("restore", "web1", user=owner, check=False)
    assert refused.returncode == 3 and "its time is over" in refused.stderr and "list --removed" in refused.stderr


def test_a_time_that_is_over_is_said(host, whole, tmp_path):
    """While its data has not been deleted yet: it cannot be emptied."""
    owner, name, key, source, uid = whole
    host.subuid("remove", "web1", user=owner)
    run("chattr", "+i", f"/srv/subuid/.removed/{uid}/home/data/file")
    try:
        with host.daemon_ahead(tmp_path, 40 * DAY, 32 * DAY):
            wait_until(lambda: not host.subuid_json("list", "--removed", user=owner)[0]["restorable"], "its time is over")
            refused = host.subuid("restore", "web1", user=owner, check=False)
            assert refused.returncode == 4 and re.search(r"the time to take it back ended on \d{4}-\d\d-\d\d", refused.stderr), refused.stderr
    finally:
        run("chattr", "-i", f"/srv/subuid/.removed/{uid}/home/data/file", check=False)


def test_what_it_was_it_is_again(host, whole):
    """Locked stays locked, expired stays expired: only the restore changes, nothing else."""
    owner, name, key, source, uid = whole
    host.subuid("lock", "web1", user=owner)
    host.subuid("remove", "web1", "--keep-home", user=owner)
    assert "until" not in host.subuid_json("list", "--removed", user=owner)[0]
    host.subuid("restore", "web1", user=owner)
    assert push(host, key, name, source).returncode != 0
    host.subuid("unlock", "web1", user=owner)
    assert "error" not in call(API + "Modify", {"owner": owner, "label": "web1", "expires": "2020-01-01"})
    host.subuid("remove", "web1", user=owner)
    host.subuid("restore", "web1", user=owner)
    assert push(host, key, name, source).returncode != 0
    host.subuid("set", "web1", "--expires", "never", user=owner)
    assert push(host, key, name, source).returncode == 0


def killed_at(host, syscall, when, owner):
    """The daemon is killed as it enters that system call of a restore."""
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e",
                               f"inject={syscall}:signal=KILL:when={when}", *host.attached()], stderr=subprocess.DEVNULL)
    pid = str(host.daemon.pid)
    wait_until(lambda: re.search(r"^TracerPid:\t[1-9]", Path(f"/proc/{pid}/status").read_text(), re.M), "strace is attached")
    host.subuid("restore", "web1", user=owner, check=False)
    try:
        assert host.daemon.wait(60 * SLOW) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        tracer.send_signal(signal.SIGINT)
        raise
    finally:
        tracer.wait(60 * SLOW)
    host.daemon_log.close()
    host.daemon = None
    host.start_daemon()


@pytest.mark.parametrize("syscall", ["renameat2", "move_mount", "fsync"])
def test_a_restore_that_is_cut_off_takes_nothing(host, whole, syscall):
    """The next start finishes it or undoes it; then it can be taken back as before."""
    owner, name, key, source, uid = whole
    before = everything(host, owner)
    host.subuid("remove", "web1", user=owner)
    killed_at(host, syscall, 1, owner)

    def settled():
        states = [row["state"] for row in host.subuid_json("list", user=owner)]
        aside = [row["restorable"] for row in host.subuid_json("list", "--removed", user=owner)]
        return (states, aside) in ((["active"], []), ([], [True]))

    wait_until(settled, "finished or undone")
    assert host.subuid("check", "--all").returncode == 0
    if not host.subuid_json("list", user=owner):
        host.subuid("restore", "web1", user=owner)
    assert everything(host, owner) == before
    assert push(host, key, name, source).returncode == 0


def test_a_place_that_is_taken_leaves_it_removed(host, whole):
    owner, name, key, source, uid = whole
    before = everything(host, owner)
    host.subuid("remove", "web1", user=owner)
    run("sh", "-c", "mkdir -p ~/subuid && echo mine >~/subuid/web1", user=owner, env={"HOME": f"/home/{owner}"})
    refused = host.subuid("restore", "web1", user=owner, check=False)
    assert refused.returncode == 4, refused
    assert host.subuid_json("list", "--removed", user=owner)[0]["restorable"] is True
    Path(f"/home/{owner}/subuid/web1").unlink()
    host.subuid("restore", "web1", user=owner)
    assert everything(host, owner) == before


def test_a_saved_state_has_it(host, whole):
    owner, name, key, source, uid = whole
    before = everything(host, owner)
    host.subuid("remove", "web1", user=owner)
    host.subuid("state", "save", "/run/taken-back")
    host.stop_daemon()
    host.subuid("state", "load", "--yes", "/run/taken-back")
    host.start_daemon()
    host.subuid("restore", "web1", user=owner)
    assert everything(host, owner) == before
    assert push(host, key, name, source).returncode == 0


def test_an_owner_of_another_uid_does_not_get_it(host, whole):
    owner, name, key, source, uid = whole
    host.subuid("remove", "web1", user=owner)
    entry = pwd.getpwnam(owner)
    run("usermod", "-u", "54321", owner)
    try:
        assert host.subuid("restore", "web1", user=owner, check=False).returncode != 0
        refused = host.subuid("restore", name, check=False)
        assert refused.returncode == 4 and f"made for uid {entry.pw_uid}" in refused.stderr, refused.stderr
    finally:
        run("usermod", "-u", str(entry.pw_uid), owner)
    assert host.subuid_json("restore", name)["uid"] == uid


def test_it_is_refused_where_nothing_was_kept(host, whole):
    """As an older version removed it: its data alone is set aside."""
    owner, name, key, source, uid = whole
    host.subuid("add", "before", user=owner)
    host.subuid("remove", "before", user=owner)
    host.subuid("remove", "web1", user=owner)
    assert host.subuid("check", "--all").returncode == 0
    reply = call(API + "RemovedList", {"owner": owner}, more=True)[0]
    assert json.dumps(reply["parameters"]["removed"]["restorable"]) == "true"
    host.stop_daemon()
    with store("/var/lib/subuidd/state.db") as db:
        assert db.execute("DELETE FROM kept WHERE uid = ?", [uid]).rowcount > 5
    host.start_daemon()
    assert {row["label"]: row["restorable"] for row in host.subuid_json("list", "--removed", user=owner)} == {
        "before": True, "web1": False}
    refused = host.subuid("restore", "web1", user=owner, check=False)
    assert refused.returncode == 4 and f"uid {uid}" in refused.stderr
    rows = json.loads(host.subuid("check", "--json", check=False).stdout)["findings"]
    assert [row["subject"] for row in rows] == [name] and f"uid {uid}" in rows[0]["todo"], rows  # one before it was kept
