# SPDX-License-Identifier: ISC
"""Alarms of what soon comes to an end: quotas, keys that nobody uses, keys and accounts that expire."""

import json
import os
import time
from pathlib import Path

import pytest

from conftest import wait_until
from test_alarms import events, shipped
from test_runs import logged, push  # noqa: F401: a fixture

SETTINGS = Path("/etc/subuidd.conf.d/hook.conf")
DAY = 86400
MIB = 1 << 20


@pytest.fixture
def hook(host):
    """Its user and all that it is told, of each alarm."""
    seen = Path("/run/hook-seen")
    seen.write_text("")
    seen.chmod(0o666)
    program = Path("/usr/local/sbin/subuid-hook")
    program.write_text(f'#!/bin/sh\nprintf "%s\\t%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n" "$(id -un)" "$@" >>{seen}\n')
    program.chmod(0o755)
    SETTINGS.parent.mkdir(exist_ok=True)
    SETTINGS.write_text(f"[alarm]\nhook = {program}\n")
    host.restart_daemon()
    yield lambda: [line.split("\t") for line in seen.read_text().splitlines()]
    SETTINGS.unlink()
    host.restart_daemon()


def set_more(host, text):
    SETTINGS.write_text(SETTINGS.read_text() + text)
    host.restart_daemon()


def day(days):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * DAY))


def used(host, name):
    return host.subuid_json("show", name)["account"].get("usedBytes", 0)


def test_a_quota_is_told_of_once_for_each_crossing(host, push, hook):  # noqa: F811
    host.subuid("set", "web1", "--quota", "10M", "--files", "none", "--contact", "ops@example.org", user=push.owner)

    def fill(mib):
        (push.source / "file").write_bytes(os.urandom(mib * MIB))
        assert push("--delete", "--inplace").returncode == 0  # never two of it: a count in between would see both
        wait_until(lambda: abs(used(host, push.name) - mib * MIB) < MIB // 4, f"{mib} MiB are counted")

    fill(5)
    fill(7)
    assert events(hook) == []
    fill(9)
    wait_until(lambda: len(events(hook)) == 1, "80 % are told of")
    name, event, share = events(hook)[0]
    assert (name, event) == (push.name, "quota") and 85 <= int(share) < 95
    assert hook()[-1][4:] == ["0", "ops@example.org", f"{share} % of its quota is used"]
    assert f"QUOTA {share}%" in host.subuid("status", push.name).stdout
    (push.source / "file").write_bytes(os.urandom(9 * MIB))  # another 9
    assert push("--delete", "--inplace").returncode == 0
    host.restart_daemon()
    wait_until(lambda: used(host, push.name) > 0, "it is counted once more")
    assert len(events(hook)) == 1
    (push.source / "more").write_bytes(os.urandom(MIB * 3 // 4))
    assert push().returncode == 0
    wait_until(lambda: len(events(hook)) == 2, "95 % are told of")
    assert events(hook)[1][:2] == [push.name, "quota"] and int(events(hook)[1][2]) >= 95
    (push.source / "more").unlink()
    fill(5)
    fill(9)
    wait_until(lambda: len(events(hook)) == 3, "it came there again")
    assert 85 <= int(events(hook)[2][2]) < 95
    set_more(host, "quota_used = no\n")
    fill(5)
    fill(9)
    assert len(events(hook)) == 3


def test_a_quota_of_files_is_told_of_too(host, push, hook):  # noqa: F811
    host.subuid("set", "web1", "--quota", "100M", "--files", "100", user=push.owner)

    def files(count):
        for number in range(count):
            (push.source / f"file{number}").write_text("x")
        assert push().returncode == 0

    files(60)
    wait_until(lambda: host.subuid_json("show", push.name)["account"].get("usedFiles", 0) > 50, "they are counted")
    assert events(hook) == []
    files(85)
    wait_until(lambda: len(events(hook)) == 1, "80 % are told of")
    name, event, share = events(hook)[0]
    assert (name, event) == (push.name, "quota") and 85 <= int(share) < 95
    assert hook()[-1][-1] == f"{share} % of its files (names) are used"


def test_the_ends_of_keys_and_accounts_are_told_of_once(host, push, hook, tmp_path):  # noqa: F811
    for days in (5, 40):
        key = host.new_key(tmp_path, f"in{days}")
        host.subuid("key", "add", "web1", "-", "--expires", day(days), user=push.owner, input=Path(f"{key}.pub").read_text())
    host.subuid("set", "web1", "--expires", day(9), user=push.owner)
    host.restart_daemon()  # it looks at its start, and each hour
    wait_until(lambda: len(events(hook)) == 2, "both are told of")
    (fingerprint,) = [each["fingerprint"] for each in host.subuid_json("key", "list", push.name)
                      if 0 < each.get("expires", 0) < time.time() + 10 * DAY]
    told = {line[2]: line for line in hook()}
    assert told["key-expiring"][1:5] == [push.name, "key-expiring", "5", "0"] and fingerprint in told["key-expiring"][6]
    assert told["expiring"][1:5] == [push.name, "expiring", "9", "0"]
    assert told["expiring"][6] == f"the account expires on {day(9)}"
    assert f"EXPIRES {day(9)}" in host.subuid("status", push.name).stdout
    log = Path("/run/subuidd.log").read_text()
    assert f"{push.name}: the account expires on {day(9)}" in log
    host.restart_daemon()
    other = host.new_user()
    host.subuid("add", "x", "--expires", day(3), user=other)
    host.restart_daemon()
    wait_until(lambda: [f"{other}+x", "expiring", "3"] in events(hook), "the look is over: a new one is told of")
    assert len(events(hook)) == 3
    # another day is another alarm; a window of its own
    host.subuid("set", "web1", "--expires", day(11), user=push.owner)
    set_more(host, "account_expires_days = 10\n")
    host.subuid("set", "x", "--expires", day(10), user=other)
    host.restart_daemon()
    wait_until(lambda: [f"{other}+x", "expiring", "10"] in events(hook), "the new day is told of")
    assert len(events(hook)) == 4


def test_keys_that_nobody_uses_are_one_alarm_of_an_owner(host, push, hook, tmp_path):  # noqa: F811
    """A thousand of them are there on the day on which the setting is made."""
    then = int(time.time()) - 100 * DAY
    texts = [Path(f"{host.new_key(tmp_path, f'k{n}')}.pub").read_text().strip() for n in range(25)]
    rows = []
    for label in (f"u{i}" for i in range(40)):
        rows.append({"kind": "account", "owner": push.owner, "label": label})
        rows += [{"kind": "key", "owner": push.owner, "label": label, "key": {"key": text}, "created": then} for text in texts]
    # none of these: a key that only forwards has no runs; nobody can come in by one that is over, or to what is locked
    for label, more in (("forwards", {"role": "forward", "forward": "127.0.0.1:22"}), ("over", {"expires": then + DAY}), ("locked", {})):
        rows.append({"kind": "account", "owner": push.owner, "label": label})
        rows.append({"kind": "key", "owner": push.owner, "label": label, "key": {"key": texts[0], **more}, "created": then})
    limits = Path("/etc/subuidd.conf.d/many.conf")
    limits.write_text("[limits]\naccounts = 1000\nkeys = 100\n")
    host.restart_daemon()
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    host.subuid("import", file)
    host.subuid("lock", "locked", user=push.owner)
    before = len(hook())
    set_more(host, "key_unused_days = 90\n")

    def told():
        return [line for line in hook() if line[2] == "key-unused"]

    wait_until(told, "they are told of")
    assert [line[3:5] for line in told()] == [["100", "999"]] and "has not been used for 100 days" in told()[0][6]
    assert told()[0][1].startswith(f"{push.owner}+") and len(hook()) == before + 1
    # once
    host.restart_daemon()
    other = host.new_user()
    host.subuid("add", "x", "--expires", day(3), user=other)
    host.restart_daemon()
    wait_until(lambda: [f"{other}+x", "expiring", "3"] in events(hook), "the look is over")
    assert len(told()) == 1
    limits.unlink()


def test_a_key_that_is_used_again_is_told_of_again(host, push, hook, tmp_path):  # noqa: F811
    assert push().returncode == 0
    logged(host, push.name, 1)
    set_more(host, "key_unused_days = 30\n")

    def told():
        return [line[1:4] for line in hook() if line[1:3] == [push.name, "key-unused"]]

    with host.daemon_ahead(tmp_path, 40 * DAY):
        wait_until(lambda: told() == [[push.name, "key-unused", "40"]], "it is told of")
    first = logged(host, push.name, 1)[0]["started"]
    wait_until(lambda: int(time.time()) > first, "it is not the same second")
    assert push().returncode == 0
    logged(host, push.name, 2)
    with host.daemon_ahead(tmp_path, 35 * DAY):
        wait_until(lambda: len(told()) == 2, "and again")
    assert told()[1] == [push.name, "key-unused", "35"]


def test_the_shipped_hook_mails_the_contact_of_what_ends(host, push, tmp_path):  # noqa: F811
    mails, sendmail = Path("/run/mails"), Path("/usr/sbin/sendmail")
    mails.write_text("")
    mails.chmod(0o666)
    sendmail.unlink(missing_ok=True)
    sendmail.write_text(f"#!/bin/sh\ncat >>{mails}\n")
    sendmail.chmod(0o755)
    host.subuid("set", "web1", "--contact", "ops@example.org", user=push.owner)
    SETTINGS.write_text("[alarm]\nkey_expires_days = 0\n")  # until both are there
    host.restart_daemon()
    for name in ("a", "b"):
        key = host.new_key(tmp_path, name)
        host.subuid("key", "add", "web1", "-", "--expires", "+5d", user=push.owner, input=Path(f"{key}.pub").read_text())
    with shipped(host, "mail"):
        text = wait_until(lambda: "subuid status" in mails.read_text() and mails.read_text(), "a mail is sent")
    assert text.startswith(f"To: ops@example.org\nSubject: subuid: {push.name}: key-expiring\n")
    assert "expires in 5 days. The same is true of 1 more keys of the same owner.\n" in text
