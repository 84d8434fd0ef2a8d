# SPDX-License-Identifier: ISC
"""The work of a password's hash rises with the setting when somebody comes in with it, and in no other way."""

import concurrent.futures
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import tempfile
import threading
from pathlib import Path

import pytest

from conftest import call, call_as, run, wait_until
from test_passwords import PASSWORD, QUESTION, WRONG, ask, logs_in, passwords, verifiers, web  # noqa: F401

CONF = Path("/etc/subuidd.conf.d/40-passwords.conf")
API = "io.subuidd.Accounts."
METHOD = f"{API}PasswordRehash"
RIGHT, RIGHT_OLD = 2, 4


def cost_is(host, cost):
    CONF.write_text(f"[passwords]\nenabled = yes\ntries = 1000\ncost = {cost}\n")
    before = Path("/run/subuidd.log").read_text().count("settings read again")
    host.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: Path("/run/subuidd.log").read_text().count("settings read again") > before, "the settings are read again")


@pytest.fixture
def cost(passwords):  # noqa: F811
    before = CONF.read_text()
    cost_is(passwords, 3)
    yield lambda number: cost_is(passwords, number)
    cost_is(passwords, 5)
    CONF.write_text(before)


def hashes_of(name):
    """By the first group of each password: what the store has."""
    with tempfile.TemporaryDirectory() as copy:  # the daemon alone opens the store itself
        for file in ("state.db", "state.db-wal"):
            shutil.copy(f"/var/lib/subuidd/{file}", copy)
        store = sqlite3.connect(f"{copy}/state.db")
        rows = store.execute("SELECT blob, hash FROM keys WHERE uid = ? AND hash <> ''", [pwd.getpwnam(name).pw_uid]).fetchall()
        store.close()
        return dict(rows)


def work_of(name, password):
    return re.match(r"\$y\$j(.)T\$", hashes_of(name)[password[:4]]).group(1)


def rehash(web, password):  # noqa: F811
    return call(METHOD, {"owner": web.owner, "label": "web1", "password": password})


def audited(host, web):  # noqa: F811
    return [entry["result"] for entry in host.subuid_json("audit", "--all", "-n", "100")
            if entry["action"] == "password.rehash" and entry["target"] == web.name]


def nearly(password):
    return password[:-1] + ("a" if password[-1] != "a" else "b")


def test_the_work_of_a_hash_rises_with_a_login(passwords, web, cost):  # noqa: F811
    password, other = web(), web()
    before = hashes_of(web.name)
    assert work_of(web.name, password) == "7" and ask(web.name, password) == RIGHT
    cost(4)
    assert ask(web.name, password) == RIGHT_OLD and not logs_in(nearly(password), web.name)
    assert hashes_of(web.name) == before
    assert logs_in(password, web.name)
    wait_until(lambda: work_of(web.name, password) == "8", "it is hashed once more")
    assert hashes_of(web.name)[other[:4]] == before[other[:4]], "the other password keeps its hash"
    wait_until(lambda: ask(web.name, password) == RIGHT, "the verifier has the new one")
    hashed = hashes_of(web.name)
    assert logs_in(password, web.name) and not logs_in(nearly(password), web.name)
    assert audited(passwords, web) == ["done"]
    # less work is no reason, and a login does not wait for the daemon
    cost(3)
    assert logs_in(password, web.name) and hashes_of(web.name) == hashed
    cost(5)
    passwords.stop_daemon()
    try:
        assert logs_in(password, web.name)
    finally:
        passwords.start_daemon()
    assert hashes_of(web.name) == hashed and logs_in(password, web.name)
    wait_until(lambda: work_of(web.name, password) == "9", "the next login does it")
    assert passwords.subuid("check").returncode == 0


class Liar:
    """A verifier that was taken over: it answers each question as it likes, and does what its user may."""

    def __init__(self, verdict):
        self.verdict, self.asked = verdict, []
        self.path, self.aside = Path("/run/subuidd/passwords"), Path("/run/subuidd/passwords.aside")
        self.path.rename(self.aside)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(str(self.path))
        self.socket.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                self.asked.append(QUESTION.unpack(peer.recv(1024))[2].rstrip(b"\0").decode())
                peer.send(self.verdict.to_bytes(4, "little"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.aside.rename(self.path)
        self.thread.join(10)


def test_a_verifier_that_was_taken_over_changes_no_hash(passwords, web, cost):  # noqa: F811
    password = web()
    before = hashes_of(web.name)
    cost(4)
    # it lets in whom it likes, as long as it is what answers, but the hash is that of the password
    with Liar(RIGHT_OLD) as liar:
        assert logs_in(nearly(password), web.name), "the lie is believed by PAM"
        assert not logs_in(WRONG, web.name), "it begins like no password, so there is nothing that it may do"
        assert liar.asked == [nearly(password), WRONG]
        wait_until(lambda: "NotPermitted" in audited(passwords, web), "the daemon says that it was wrong")
        assert hashes_of(web.name) == before
    # what its user may: nothing of it; nor may the owner, nor anybody else
    for user in ("subuidd-verify", "subuidd", web.owner, passwords.new_user()):
        for typed in (password, nearly(password)):
            reply = call_as(user, METHOD, {"owner": web.owner, "label": "web1", "password": typed})
            assert reply["error"] == f"{API}NotPermitted", (user, reply)
    # nor by what would be a hash
    assert rehash(web, "x" * 29)["error"] == "org.varlink.service.InvalidParameter" or hashes_of(web.name) == before
    for more in ("was", "hash"):
        reply = call(METHOD, {"owner": web.owner, "label": "web1", "password": password, more: before[password[:4]]})
        assert reply["error"] == "org.varlink.service.InvalidParameter"
    for typed, error in ((nearly(password), "NotPermitted"), ("bbbb" + password[4:], "NotFound"), ("hunter2", "Invalid")):
        assert rehash(web, typed).get("error") == API + error, typed
    assert hashes_of(web.name) == before and not logs_in(nearly(password), web.name)
    # the control: with the right password the same lie, and the same call, do change it
    with Liar(RIGHT_OLD):
        assert logs_in(password, web.name)
        wait_until(lambda: hashes_of(web.name) != before, "it is hashed once more")
    cost(5)
    assert "error" not in rehash(web, password) and work_of(web.name, password) == "9"
    reply = rehash(web, password)
    assert "error" not in reply and "$y$" not in str(reply), "the hash is told to nobody"
    assert logs_in(password, web.name)


def test_one_is_hashed_at_a_time(passwords, web, cost):  # noqa: F811
    made = [web() for _ in range(8)]
    before = hashes_of(web.name)
    cost(6)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda password: rehash(web, password), made))
    assert all("error" not in reply for reply in replies), replies
    changed = [one for one in made if hashes_of(web.name)[one[:4]] != before[one[:4]]]
    assert 1 <= len(changed) < 8
    for one in made:  # and one after the other all of them
        assert "error" not in rehash(web, one) and work_of(web.name, one) != "7"
    assert len(verifiers()) >= 3 and os.path.exists("/run/subuidd/passwords")
