# SPDX-License-Identifier: ISC
"""Keys that change in place: what they may do, and the key itself, with a real sshd."""

import json
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import call, call_as, run, wait_until

API = "io.subuidd.Accounts."
AUTHORIZED_KEYS = "/usr/libexec/subuidd/authorized-keys"


@pytest.fixture
def account(host, tmp_path):
    owner, name, key = host.account(tmp_path, "push", "web1", None, "--no-delete", "--from", "127.0.0.1")
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("x")
    yield Account(host, owner, name, key, source)
    host.subuid("remove", name, "--purge")


class Account:
    def __init__(self, host, owner, name, key, source):
        self.host, self.owner, self.name, self.key, self.source = host, owner, name, key, source

    def keys(self):
        return self.host.subuid_json("key", "list", "web1", user=self.owner)

    @property
    def id(self):
        return str(self.keys()[0]["id"])

    def change(self, *options, check=True):
        return self.host.subuid("key", "change", "web1", self.id, *options, user=self.owner, check=check)

    def push(self, key=None):
        return self.host.rsync(key or self.key, "-a", f"{self.source}/", f"{self.name}@127.0.0.1:data/", check=False)

    def pull(self, to, key=None):
        return self.host.rsync(key or self.key, "-a", f"{self.name}@127.0.0.1:data/", f"{to}/", check=False)


def session(account):
    """A push that waits for its client: the pid of the account's gate."""
    client = subprocess.Popen(["ssh", *account.host.ssh_options(account.key), f"{account.name}@127.0.0.1", "rsync", "--server",
                               "-logDtpre.iLsfxCIvu", ".", "."], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    uid = str(account.host.subuid_json("show", account.name)["account"]["uid"])
    wait_until(lambda: "rsync" in run("ps", "-o", "comm=", "-U", uid, check=False).stdout, "the session runs")
    return client


def test_what_a_key_may_do_is_changed_and_the_rest_stays(host, account, tmp_path):
    before = account.keys()[0]
    assert account.push().returncode == 0
    assert account.pull(tmp_path / "nothing").returncode != 0
    said = account.change("--role", "pull", "--expires", "+30d", "--comment", "restores").stdout
    assert f"key {before['id']} of {account.name} is changed: pull" in said, said
    after = account.keys()[0]
    same = ("id", "key", "fingerprint", "created", "from", "options")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert (after["role"], after["comment"], after["expires"] > 0, after["lastUsed"] > 0) == ("pull", "restores", True, True)
    assert account.push().returncode != 0
    assert account.pull(tmp_path / "back").returncode == 0 and (tmp_path / "back/file").read_text() == "x"
    account.change("--expires", "never", "--from", "")
    after = account.keys()[0]
    assert "expires" not in after and "from" not in after
    trail = host.subuid("audit", "--owner", account.owner).stdout
    assert "key.change" in trail and "role pull" in trail and "expires never" in trail, trail


@pytest.mark.parametrize("what", ["+90m", "+2h", "T"])
def test_a_key_expires_at_a_minute(host, account, tmp_path, what):
    """As long as a job of CI, say, and not until midnight."""
    now = int(time.time())
    soon = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(now + 7200))
    account.change("--expires", soon if what == "T" else what)
    expires = account.keys()[0]["expires"]
    wanted = {"+90m": now + 5400, "+2h": now + 7200, "T": (now + 7200) // 60 * 60}[what]
    assert wanted <= expires <= wanted + (0 if what == "T" else 60)
    shown = time.strftime("%Y-%m-%d %H:%M", time.gmtime(expires))
    assert f"expires {shown.removesuffix(' 00:00')}" in host.subuid("audit", "--owner", account.owner).stdout
    assert account.push().returncode == 0
    refused = account.change("--expires", time.strftime("%Y-%m-%dT%H:%M", time.gmtime(now)), check=False)
    assert refused.returncode == 2 and "not a future day or minute" in refused.stderr and account.keys()[0]["expires"] == expires


def test_options_are_added_unless_they_are_cleared(account):
    account.change("--no-overwrite")
    assert sorted(account.keys()[0]["options"]) == ["no-delete", "no-overwrite"]
    account.change("--clear-options", "--no-fake-super")
    assert account.keys()[0]["options"] == ["no-fake-super"]
    account.change("--clear-options")
    assert account.keys()[0]["options"] == []


def test_what_makes_no_key_is_refused_and_changes_nothing(host, account):
    before = account.keys()
    for options, word in ((("--role", "push,pull"), "role"), (("--role", "nothing-such"), "tool"), (("--role", "forward"), "forward"),
                          (("--read-only",), "read-only"), (("--from", "a b"), "from"), ((), "nothing to change"),
                          (("--expires", "2001-01-01"), "future")):
        refused = account.change(*options, check=False)
        assert refused.returncode != 0 and word in refused.stderr, (options, refused.stderr)
    assert account.keys() == before
    assert "already" not in account.change("--role", "push").stderr, "as it is: nothing happens"
    other = host.new_user()
    refused = call_as(other, API + "KeyChange", {"owner": account.owner, "label": "web1", "id": before[0]["id"],
                                                 "key": {"role": "sync"}})
    assert refused["error"] == API + "NotPermitted"
    host.subuid("add", "web2", user=other)
    refused = call_as(other, API + "KeyChange", {"label": "web2", "id": before[0]["id"], "key": {"role": "sync"}})
    assert refused["error"] == API + "NotFound", "the key of another account is as one that does not exist"
    assert account.keys() == before


def test_sessions_end_if_the_key_may_do_less(account):
    runs = session(account)
    account.change("--clear-options", "--from", "", "--comment", "more")
    account.change("--role", "sync")
    assert runs.poll() is None, "it may do more, and goes on"
    account.change("--no-delete")
    assert runs.wait(20) != 0
    runs = session(account)
    account.change("--role", "pull")
    assert runs.wait(20) != 0


def test_a_key_is_rotated(host, account, tmp_path):
    before = account.keys()[0]
    assert account.push().returncode == 0
    runs = session(account)
    new = host.new_key(tmp_path, "new")
    said = host.subuid("key", "rotate", "web1", account.id, "-", user=account.owner, input=Path(f"{new}.pub").read_text()).stdout
    assert f"key {before['id']} of {account.name} is rotated" in said
    after = account.keys()[0]
    assert len(account.keys()) == 1 and after["fingerprint"] != before["fingerprint"]
    same = ("id", "role", "options", "from", "comment", "created")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert runs.wait(20) != 0, "sessions on the old key end"
    assert account.push().returncode != 0 and account.push(new).returncode == 0
    trail = host.subuid("audit", "--owner", account.owner).stdout
    assert after["fingerprint"] in trail and f"before {before['fingerprint']}" in trail
    host.restart_daemon()
    assert account.push().returncode != 0 and account.push(new).returncode == 0
    assert host.subuid("check", "--all").returncode == 0


def test_a_key_of_the_account_takes_no_other_ones_place(host, account, tmp_path):
    second = host.new_key(tmp_path, "second")
    host.subuid("key", "add", "web1", f"{second}.pub", user=account.owner)
    refused = host.subuid("key", "rotate", "web1", account.id, f"{second}.pub", user=account.owner, check=False)
    assert refused.returncode == 4 and f"as key {account.keys()[1]['id']}" in refused.stderr
    private = host.subuid("key", "rotate", account.name, account.id, second, check=False)
    assert private.returncode != 0 and "private" in private.stderr
    assert account.push().returncode == 0


def test_there_is_no_moment_without_a_valid_key(host, account, tmp_path):
    """A reader who finds the old key gone finds the new one."""
    lines = [Path(f"{account.key}.pub").read_text()]
    lines += [Path(f"{host.new_key(tmp_path, f'k{i}')}.pub").read_text() for i in range(12)]

    def admitted(line):
        kind, blob = line.split()[:2]
        return run(AUTHORIZED_KEYS, account.name, kind, blob, check=False).stdout != ""

    def rotate(line):
        reply = call(API + "KeyChange", {"owner": account.owner, "label": "web1", "id": int(account.id), "key": {"key": line}})
        assert "error" not in reply, json.dumps(reply)

    for old, new in zip(lines, lines[1:]):
        assert admitted(old) and not admitted(new)
        rotating = threading.Thread(target=rotate, args=[new])
        rotating.start()
        while admitted(old):
            pass
        assert admitted(new)
        rotating.join()
