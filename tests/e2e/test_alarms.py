# SPDX-License-Identifier: ISC
"""Alarms beside silence: a backup that deletes or changes a large share; and the hooks that are shipped."""

import contextlib
import http.server
import json
import os
import struct
import threading
from pathlib import Path

from conftest import wait_until
from test_runs import SPOOL, hook, logged, push  # noqa: F401: fixtures

SETTINGS = Path("/etc/subuidd.conf.d/hook.conf")


def many_files(push, count):
    for number in range(count):
        (push.source / f"file{number}").write_text(f"{number}")


def events(hook):  # noqa: F811
    return [line[1:4] for line in hook() if line[2] not in ("silent", "well")]


def test_a_backup_that_deletes_much_is_told(host, push, hook):  # noqa: F811
    many_files(push, 60)
    assert push("--delete").returncode == 0
    logged(host, push.name, 1)
    for number in range(20):
        (push.source / f"file{number}").unlink()
    assert push("--delete").returncode == 0
    entry = logged(host, push.name, 2)[0]
    assert (entry["files"], entry["deleted"]) == (0, 20)  # a third of them
    for number in range(20, 60):
        (push.source / f"file{number}").unlink()
    assert push("--delete").returncode == 0
    entry = logged(host, push.name, 3)[0]
    assert entry["deleted"] == 40 and entry["status"] == 0
    assert wait_until(lambda: events(hook), "the hook is told") == [[push.name, "deleted", "40"]]
    assert f"{push.name}: a backup deleted 40 files; the largest one so far had 61" in Path("/run/subuidd.log").read_text()
    assert [line.split()[6] for line in host.subuid("log", push.name).stdout.splitlines()[1:]] == ["40", "20", "0"]


def test_a_backup_that_changes_much_is_told_where_that_is_asked_for(host, push, hook):  # noqa: F811
    many_files(push, 40)
    assert push().returncode == 0
    assert push("--ignore-times").returncode == 0
    assert len(logged(host, push.name, 2)) == 2
    assert events(hook) == []
    SETTINGS.write_text(SETTINGS.read_text() + "changed_percent = 90\ndeleted_percent = 0\n")
    host.restart_daemon()
    assert push("--ignore-times").returncode == 0
    assert wait_until(lambda: events(hook), "the hook is told") == [[push.name, "changed", "41"]]
    for path in push.source.iterdir():
        path.unlink()
    assert push("--delete").returncode == 0
    assert logged(host, push.name, 4)[0]["deleted"] == 41
    assert len(events(hook)) == 1


class Forged:
    """Records of runs that an account puts into the spool by itself, made of one of a real run."""

    def __init__(self, host, push):  # noqa: F811
        self.host, self.push = host, push
        host.stop_daemon()
        assert push().returncode == 0
        (self.record,) = [path.read_bytes() for path in SPOOL.iterdir()]
        host.start_daemon()
        logged(host, push.name, 1)

    def put(self, count, files, deleted):
        for number in range(count):
            record = bytearray(self.record)
            record[40:56] = struct.pack("<QQ", files, deleted)
            made = SPOOL.parent / "forged"
            made.write_bytes(record)
            os.chown(made, self.push.uid, self.push.uid)
            made.rename(SPOOL / f"{number:032x}")
        wait_until(lambda: not list(SPOOL.iterdir()), "they are taken")


def test_deletions_of_one_account_lose_no_other_owners_event(host, push, hook, tmp_path):  # noqa: F811
    """Whoever has a key can make as many as they like. An owner has eight at once; of those that wait there is one."""
    forged = Forged(host, push)
    forged.put(1, 1000, 0)
    for number in range(8):
        forged.put(1, 0, 1000 + number)
        wait_until(lambda told=number + 1: len(events(hook)) == told, "it is told")
    forged.put(100, 0, 2000)
    assert len(events(hook)) == 8  # the control: these wait
    _, name, key = host.account(tmp_path, label="other")
    many_files(push, 60)
    for files in (60, 0):
        for path in [] if files else push.source.iterdir():
            path.unlink()
        host.rsync(key, "-a", "--delete", f"{push.source}/", f"{name}@127.0.0.1:data/")
    wait_until(lambda: [name, "deleted", "61"] in events(hook), "another owner's is told")


@contextlib.contextmanager
def shipped(host, name):
    SETTINGS.parent.mkdir(exist_ok=True)
    SETTINGS.write_text(f"[alarm]\nhook = /usr/share/subuidd/hooks/{name}\n")
    host.restart_daemon()
    try:
        yield
    finally:
        SETTINGS.unlink()
        host.restart_daemon()


def test_the_shipped_hook_mails(host, push):
    mails = Path("/run/mails")
    mails.write_text("")
    mails.chmod(0o666)
    sendmail = Path("/usr/sbin/sendmail")
    with contextlib.suppress(FileNotFoundError):
        sendmail.unlink()
    sendmail.write_text(f'#!/bin/sh\n[ "$*" = "-i -t" ] && cat >>{mails}\n')
    sendmail.chmod(0o755)
    with shipped(host, "mail"):
        host.subuid("set", push.name, "--alarm", "1s", "--contact", "ops@example.org")
        text = wait_until(lambda: "subuid status" in mails.read_text() and mails.read_text(), "a mail is sent")
    assert text.startswith(f"To: ops@example.org\nSubject: subuid: {push.name}: silent\n")
    assert f"\n\n{push.name}: no good backup for 0 hours.\n" in text


def test_the_shipped_hook_posts(host, push):
    posted = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append((self.headers["Content-Type"], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = Path("/etc/subuidd/hook-url")
    url.parent.mkdir(exist_ok=True)
    url.write_text(f"http://127.0.0.1:{server.server_port}/alarm")  # without an end of the line
    many_files(push, 60)
    with shipped(host, "post"):
        assert push().returncode == 0
        for path in push.source.iterdir():
            path.unlink()
        assert push("--delete").returncode == 0
        wait_until(lambda: posted, "it is posted")
    server.shutdown()
    kind, body = posted[0]
    assert kind == "application/json"
    assert body == {"account": push.name, "event": "deleted", "number": 61, "others": 0, "contact": "",
                    "detail": "a backup deleted 61 files; the largest one so far had 61"}
