# SPDX-License-Identifier: ISC
"""What a run says about the backups of its account: only a backup says anything. Real clients, real tools."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import run, wait_until
from test_run_ends import files_vanish, some_unreadable
from test_runs import SPOOL, account, check, log, logged, push  # noqa: F401: push is a fixture


@pytest.fixture
def pull(host, push, tmp_path):
    key = host.new_key(tmp_path, "pull")
    host.subuid("key", "add", push.name, "-", "--role", "pull", input=Path(f"{key}.pub").read_text())
    return lambda source: host.rsync(key, "-a", f"{push.name}@127.0.0.1:{source}", f"{tmp_path}/out/", check=False)


def backups(host, push):
    """What is told of them."""
    found = account(host, push.name)
    return [found.get(name) for name in ("lastRun", "lastStatus", "lastGood")] + [check(host, push.name).returncode]


def recorded(host, push, act, kind):
    """The newest run after act, which has to be of this kind."""
    before = len(log(host, push.name))
    act()
    entry = logged(host, push.name, before + 1)[0]
    assert entry["kind"] == kind
    return entry


def test_a_read_neither_hides_nor_spoils_a_backup(host, push, pull):
    recorded(host, push, push, "backup")
    assert recorded(host, push, lambda: pull("not-there/"), "read")["status"] == 23
    good = backups(host, push)
    assert good[1] == 0 and good[3] == 0
    wait_until(lambda: time.time() > good[0] + 1, "the next second")
    assert recorded(host, push, lambda: some_unreadable(host, push), "backup")["status"] == 23
    failed = backups(host, push)
    assert failed[1] == 23 and failed[2] == good[2] and failed[3] == 1
    wait_until(lambda: time.time() > failed[0] + 1, "the next second")
    assert recorded(host, push, lambda: pull("data/"), "read")["status"] == 0
    assert recorded(host, push, lambda: push("-n"), "read")["status"] == 0
    assert recorded(host, push, lambda: push("-n", "-s"), "read")["status"] == 0
    assert recorded(host, push, lambda: host.ssh(push.key, push.name, "true"), "probe")["status"] == 0
    assert backups(host, push) == failed


def test_where_no_gate_has_read_the_words_a_look_is_still_no_backup(host, push):
    """It does not start: what is recorded goes by a guess."""
    recorded(host, push, push, "backup")
    good = backups(host, push)
    gate = Path("/usr/bin/subuid-rrsync")
    away = gate.rename("/usr/bin/subuid-rrsync.away")
    try:
        assert recorded(host, push, lambda: push("-n"), "read")["status"] != 0
        assert backups(host, push) == good
        assert recorded(host, push, push, "backup")["status"] != 0
        assert backups(host, push) != good
    finally:
        away.rename(gate)


@pytest.mark.parametrize("words", ["cat /etc/passwd", "test -d data", "/usr/lib/openssh/sftp-server", "rsync --version", "borg serve"])
def test_what_is_refused_says_nothing_about_backups(host, push, words):
    recorded(host, push, push, "backup")
    good = backups(host, push)
    entry = recorded(host, push, lambda: host.ssh(push.key, push.name, words), "refused")
    assert entry["status"] == 1 and entry["error"]
    assert backups(host, push) == good


# A client of its own making, whose words are not those of rsync's: {} is the rest of what rsync says.
WORDS = [("rsync '--server' {}", "backup"), ("rsync \\--server {}", "backup"), ("rsync --server --suffix --dry-run {}", "backup"),
         ("rsync --server --log-format '-n' {}", "backup"), ("rsync '--server' -n {}", "read"), ("rsync --server '-n' {}", "read")]


@pytest.mark.parametrize("words,kind", WORDS)
def test_the_gate_says_whether_a_run_writes(host, push, tmp_path, words, kind):
    """It alone reads the client's words: no quote makes a backup a look, or a look a backup."""
    script = tmp_path / "ssh"
    script.write_text(f"#!/bin/sh\nshift 4\nexec ssh {' '.join(host.ssh_options(push.key))} {push.name}@127.0.0.1 \"$(cat {tmp_path}/words)\"\n")
    script.chmod(0o755)
    (tmp_path / "new").write_text("new")
    options = "-vlogDtpre.iLsfxCIvu . data/"
    (tmp_path / "words").write_text(words.format(options))
    client = ["-vlogDtpr", *(["-n"] if kind == "read" else [])]
    before = len(log(host, push.name))
    result = run("rsync", *client, "-e", f"{script} a b", tmp_path / "new", f"{push.name}@127.0.0.1:data/", check=False)
    entry = logged(host, push.name, before + 1)[0]
    assert (entry["kind"], entry["status"]) == (kind, 0), (entry, result.stderr)
    assert (Path(account(host, push.name)["home"]) / "data/new").exists() == (kind == "backup")


def test_a_login_without_a_command_is_recorded(host, push):
    assert host.ssh(push.key, push.name).returncode == 1
    (entry,) = logged(host, push.name, 1)
    assert entry["kind"] == "refused" and "no shell here" in entry["error"]


def test_a_backup_that_is_not_allowed_is_one_that_failed(host, push):
    recorded(host, push, push, "backup")
    assert push(target="../../elsewhere/").returncode != 0
    entry = logged(host, push.name, 2)[0]
    assert entry["kind"] == "backup" and entry["status"] == 1
    assert check(host, push.name).returncode == 1
    assert push("--rsync-path=rsync --no-such-option").returncode != 0
    assert logged(host, push.name, 3)[0]["kind"] == "backup"


@pytest.mark.parametrize("words,kind", [("echo $HOME", "refused"), ("borg --version", "refused"), ("borg serve --no-such", "backup"),
                                        ("sftp-server", "refused")])
def test_what_a_key_for_tools_is_not_for_is_refused(host, tmp_path, words, kind):
    _, name, key = host.account(tmp_path, role="borg")
    assert host.ssh(key, name, words).returncode == 1
    (entry,) = logged(host, name, 1)
    assert (entry["kind"], entry["status"]) == (kind, 1)


def test_whether_vanished_files_are_good_is_a_setting(host, push):
    settings = Path("/etc/subuidd.conf.d/vanished.conf")
    settings.parent.mkdir(exist_ok=True)
    files_vanish(host, push)
    (entry,) = logged(host, push.name, 1)
    assert entry["status"] == 24 and backups(host, push)[3] == 0
    assert "24 some files vanished" in host.subuid("log", push.name).stdout
    settings.write_text("[alarm]\nvanished_is_good = no\n")
    host.restart_daemon()
    try:
        good = backups(host, push)[2]
        wait_until(lambda: time.time() > good + 1, "the next second")
        files_vanish(host, push)
        logged(host, push.name, 2)
        assert backups(host, push)[1:] == [24, good, 1]
    finally:
        settings.unlink()
        host.restart_daemon()


# -- tools: to look is no backup


BORG = {"BORG_PASSPHRASE": "x", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}


@pytest.fixture
def borg(host, tmp_path):
    _, name, key = host.account(tmp_path, role="borg")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("x" * 100_000)
    env = BORG | {"BORG_RSH": " ".join(["ssh", *host.ssh_options(key)]), "HOME": str(tmp_path)}

    def act(*words, check=True):
        count = len(log(host, name))
        words = [f"ssh://{name}@127.0.0.1/./repository{word[2:]}" if word.startswith("::") else word for word in words]
        result = run("borg", *words, env=env, cwd=tmp_path, check=check)
        return result, logged(host, name, count + 1)[0]

    act.name, act.env, act.data, act.key = name, env, tmp_path / "data", key
    return act


def test_to_look_with_borg_is_no_backup(host, borg):
    borg("init", "-e", "repokey", "::")
    assert borg("create", "::::one", "data")[1]["kind"] == "backup"
    good = account(host, borg.name)["lastGood"]
    for words in (["list", "::"], ["info", "::::one"], ["check", "::"], ["extract", "--dry-run", "::::one"]):
        entry = borg(*words)[1]
        assert (entry["kind"], entry["status"]) == ("read", 0), words
    assert account(host, borg.name)["lastGood"] == good
    # nothing has changed, and it is a backup all the same: an archive is added
    assert borg("create", "::::two", "data")[1]["kind"] == "backup"


def test_a_borg_client_that_is_killed_has_made_no_backup(host, borg):
    borg("init", "-e", "none", "::")
    (borg.data / "big").write_bytes(os.urandom(64 << 20))
    home = Path(account(host, borg.name)["home"])
    count = len(log(host, borg.name))
    running = subprocess.Popen(
        ["borg", "create", "--compression", "none", "--upload-ratelimit", "4000", f"ssh://{borg.name}@127.0.0.1/./repository::one", "data"],
        env={"PATH": "/usr/bin:/bin", **borg.env}, cwd=borg.data.parent)
    wait_until(lambda: sum(path.stat().st_size for path in home.glob("repository/data/*/*")) > 1 << 20, "it uploads")
    running.kill()
    running.wait(60)
    run("pkill", "-KILL", "-f", f"{borg.name}@127.0.0.1", check=False)
    entry = logged(host, borg.name, count + 1)[0]
    assert entry["kind"] == "backup" and entry["status"] != 0
    assert check(host, borg.name).returncode == 1


@pytest.fixture
def sftp(host, tmp_path):
    _, name, key = host.account(tmp_path, role="sftp")
    (tmp_path / "file").write_text("x" * 100_000)

    def act(*lines, check=True):
        count = len(log(host, name))
        result = run("sftp", "-q", *host.ssh_options(key), "-b", "-", f"{name}@127.0.0.1", input="\n".join(lines) + "\n",
                     cwd=tmp_path, check=check)
        return result, logged(host, name, count + 1)[0]

    act.name, act.key = name, key
    return act


def test_to_look_by_sftp_is_no_backup(host, sftp):
    result, entry = sftp("put file", "mkdir d", "put file d/other")
    assert (entry["kind"], entry["status"], entry["files"]) == ("backup", 0, 2)
    assert result.stderr == "" and "error" not in entry  # its log is not for the client's user
    good = account(host, sftp.name)["lastGood"]
    for lines in (["ls"], ["get file got"], ["rename file renamed", "rm d/other"], ["put file lock", "rm lock"]):
        result, entry = sftp(*lines)
        assert (entry["kind"], entry["status"], result.stderr) == ("read", 0, ""), lines
    assert account(host, sftp.name)["lastGood"] == good
    entry = sftp("put file file.part", "rename file.part file")[1]
    assert entry["kind"] == "backup"


LONG = "/".join(["d" * 250] * 5)  # more than a line of sftp-server's log has room for, so that it ends before the numbers


@pytest.mark.parametrize("directory", ["d", LONG], ids=["short", "long"])
def test_an_upload_by_sftp_that_is_killed_is_no_good_backup(host, sftp, tmp_path, directory):
    (tmp_path / "big").write_bytes(bytes(64 << 20))
    running = subprocess.Popen(["sftp", "-q", "-l", "2000", *host.ssh_options(sftp.key), f"{sftp.name}@127.0.0.1"],
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=tmp_path, text=True)
    parts = directory.split("/")
    for depth in range(len(parts)):
        running.stdin.write(f"mkdir {'/'.join(parts[:depth + 1])}\n")
    running.stdin.write(f"put big {directory}/big\n")
    running.stdin.flush()
    big = Path(account(host, sftp.name)["home"], directory, "big")
    wait_until(lambda: big.exists() and big.stat().st_size > 0, "it uploads")
    running.kill()
    running.wait(60)
    run("pkill", "-KILL", "-f", f"{sftp.name}@127.0.0.1", check=False)
    (entry,) = logged(host, sftp.name, 1)
    assert entry["kind"] == "backup" and entry["status"] == 1000
    assert check(host, sftp.name).returncode == 1


FORGED = 'close "new" bytes read 0 written 7'


@pytest.mark.parametrize("end", ["\n", "\r"], ids=["newline", "return"])
def test_a_name_makes_no_line_of_sftps_log(host, sftp, tmp_path, end):
    """A file that was pushed says by its name that another one was written: whoever only fetches it makes no backup."""
    sftp("mkdir names", "put file names/plain")
    good = account(host, sftp.name)["lastGood"]
    name = f"x{end}{FORGED}"
    home = Path(account(host, sftp.name)["home"])
    (home / "names" / name).write_text("")
    run("chown", "-R", "--reference", home, home / "names")
    result, entry = sftp("get -r names got")
    assert (tmp_path / "got" / name).exists()
    assert (entry["kind"], entry["status"], entry["files"], result.stderr) == ("read", 0, 1, "")
    assert account(host, sftp.name)["lastGood"] == good
    # the control: sftp-server by itself writes such a line
    log_of = run("sftp", "-q", "-D", "/usr/lib/openssh/sftp-server -e -l INFO", "-b", "-", input="get -r got again\n", cwd=tmp_path)
    assert any(line.startswith(FORGED) for line in log_of.stderr.replace("\r", "\n").split("\n"))


@pytest.mark.parametrize("role", ["restic", "sftp"])
def test_to_look_with_restic_is_no_backup(host, tmp_path, role):
    _, name, key = host.account(tmp_path, role=role)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("x" * 100_000)
    ssh = " ".join(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1"])
    words = (["-o", f"rclone.program={ssh} rclone", "-r", "rclone:repository"] if role == "restic" else
             ["-o", f"sftp.command={ssh} -s sftp", "-r", f"sftp:{name}@127.0.0.1:repository"])

    def act(*more):
        """Kind and status of all its sessions: some commands have two."""
        count = len(log(host, name))
        run("restic", *words, *more, env={"RESTIC_PASSWORD": "x", "HOME": str(tmp_path)})
        wait_until(lambda: not list(SPOOL.iterdir()), "all of them are recorded")
        entries = log(host, name)
        return {(entry["kind"], entry["status"]) for entry in entries[:len(entries) - count]}

    act("init")
    assert ("backup", 0) in act("backup", tmp_path / "data")
    good = account(host, name)["lastGood"]
    for more in (["snapshots"], ["check"], ["ls", "latest"]):
        assert act(*more) == {("read", 0)}, more
    assert account(host, name)["lastGood"] == good
    assert ("backup", 0) in act("backup", tmp_path / "data")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_a_restic_client_that_is_ended_has_made_no_backup(host, tmp_path, how):
    _, name, key = host.account(tmp_path, role="restic")
    (tmp_path / "data").mkdir()
    ssh = " ".join(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1"])
    words = ["restic", "-o", f"rclone.program={ssh} rclone", "-r", "rclone:repository"]
    env = {"PATH": "/usr/bin:/bin", "RESTIC_PASSWORD": "x", "HOME": str(tmp_path)}

    def act(*more):
        """What was recorded of it, which may be several sessions."""
        count = len(log(host, name))
        run(*words, *more, env=env)
        wait_until(lambda: not list(SPOOL.iterdir()), "all of them are recorded")
        entries = log(host, name)
        return {(entry["kind"], entry["status"]) for entry in entries[:len(entries) - count]}

    act("init")
    for number in range(2):
        (tmp_path / "data" / f"file{number}").write_bytes(os.urandom(1 << 20))
        assert ("backup", 0) in act("backup", tmp_path / "data")
    good = account(host, name)["lastGood"]
    # the control: prune takes data away, and is no backup that was cut off
    assert act("forget", "--keep-last", "1", "--prune") <= {("read", 0)}
    (tmp_path / "data" / "big").write_bytes(os.urandom(64 << 20))
    home, count = Path(account(host, name)["home"]), len(log(host, name))
    before = {path.name for path in home.glob("repository/data/*/*")}
    running = subprocess.Popen([*words, "--limit-upload", "4000", "backup", tmp_path / "data"], env=env, start_new_session=True)
    wait_until(lambda: {path.name for path in home.glob("repository/data/*/*")} - before, "it uploads")
    (os.killpg if how == signal.SIGKILL else os.kill)(running.pid, how)
    running.wait(60)
    entry = logged(host, name, count + 1)[0]
    # cut off, or the server's own word for a client that went away, whichever comes first; or it did not notice, and was ended
    assert entry["kind"] == "backup" and entry["status"] in (1, 1000, 256 + signal.SIGTERM)
    assert account(host, name)["lastGood"] == good and check(host, name).returncode == 1
