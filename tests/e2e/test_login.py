# SPDX-License-Identifier: ISC
"""Who gets in, through real sshd, PAM and NSS."""

import datetime
import os
import pwd
import subprocess
import time
from pathlib import Path

import pytest

from conftest import call, expiry_after, run, wait_until

API = "io.subuidd.Accounts."


def pushes(host, key, name, source):
    return host.rsync(key, "-a", f"{source}/", f"{name}@127.0.0.1:data/", check=False)


@pytest.fixture
def push(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    source = tmp_path / "data"
    source.mkdir()
    (source / "file").write_text("x")
    assert pushes(host, key, name, source).returncode == 0

    def attempt():
        return pushes(host, key, name, source).returncode == 0

    attempt.owner, attempt.name, attempt.key, attempt.source = owner, name, key, source
    return attempt


def test_nss_knows_the_account(host, push):
    entry = pwd.getpwnam(push.name)
    assert entry.pw_uid == entry.pw_gid and pwd.getpwuid(entry.pw_uid).pw_name == push.name
    assert entry.pw_dir == f"/srv/subuid/{push.owner}/web1"  # root's: no dot file there is the account's
    assert entry.pw_shell == "/usr/libexec/subuidd/login"
    groups = run("id", "-Gn", push.name).stdout.split()
    assert sorted(groups) == sorted([push.name, "subuids"])
    assert run("getent", "group", push.name).stdout.split(":")[2] == str(entry.pw_uid)
    shadow = run("getent", "shadow", push.name).stdout.strip().split(":")
    assert shadow[1] == "*"
    assert run("getent", "shadow", push.name, user=push.owner, check=False).returncode == 2
    assert push.name not in run("getent", "passwd").stdout


def test_sshd_reads_back_what_the_drop_in_says(host, push):
    said = run("sshd", "-T", "-C", f"user={push.name},host=h,addr=127.0.0.1").stdout.lower().splitlines()
    for line in ("authorizedkeysfile none", "permituserrc no", "permittty yes", "disableforwarding yes",
                 "permittunnel no", "allowstreamlocalforwarding no", "passwordauthentication no",
                 "kbdinteractiveauthentication no", "permituserenvironment no", "exposeauthinfo yes",
                 "authorizedkeyscommand /usr/libexec/subuidd/authorized-keys %u %t %k",
                 "authorizedkeyscommanduser subuidd-keys"):
        assert line in said, line


def test_the_drop_in_changes_nothing_for_anybody_else(host, push, tmp_path):
    with_it = run("sshd", "-T", "-C", f"user={push.owner},host=h,addr=127.0.0.1").stdout
    drop_in = Path("/etc/ssh/sshd_config.d/50-subuidd.conf")
    text = drop_in.read_text()
    drop_in.write_text("")
    try:
        assert run("sshd", "-T", "-C", f"user={push.owner},host=h,addr=127.0.0.1").stdout == with_it
    finally:
        drop_in.write_text(text)
    # Ordinary users log in as ever.
    _, key = host.ordinary_login(tmp_path, push.owner)
    assert host.ssh(key, push.owner, "echo in").stdout == "in\n"


COMMANDS = ["sh", "/bin/sh -i", "cat /etc/passwd", "rsync --daemon", "scp -t .", "rsync --server . .; id",
            "rsync --server . . && id", "rsync --server --sender . .; id", "$(id)", "`id`", "internal-sftp"]


@pytest.mark.parametrize("role", ["push", "blind", "pull", "sync"])
def test_no_shell_no_command_no_tty_no_subsystem(host, tmp_path, role):
    _, name, key = host.account(tmp_path, role)
    # rrsync answers `ssh host true`, for those who try whether they get in; it does nothing.
    assert host.ssh(key, name, "true").stdout == ""
    for words in ([], *([command] for command in COMMANDS)):
        result = host.ssh(key, name, *words, input="id\n")
        said = result.stdout + result.stderr
        assert result.returncode != 0 and "uid=" not in said and "root:" not in said, (words, result)
        assert result.stderr.strip(), words
    assert host.ssh(key, name, "-s", "sftp").returncode != 0
    assert run("sftp", *host.ssh_options(key), f"{name}@127.0.0.1", check=False, input="ls\n").returncode != 0
    tty = host.ssh(key, name, options=["-tt"])
    assert tty.returncode != 0


def test_an_ordinary_login_has_all_that_a_sub_account_has_not(host, tmp_path):
    """The control of the test before this one: the same words, where nothing stands in their way."""
    user, key = host.ordinary_login(tmp_path)
    for words in ([], ["sh"], ["/bin/sh -i"], ["rsync --server . .; id"], ["rsync --server --sender . .; id"], ["$(id)"], ["`id`"]):
        result = host.ssh(key, user, *words, input="id\n")
        assert "uid=" in result.stdout + result.stderr, (words, result)
    assert "root:" in host.ssh(key, user, "cat /etc/passwd").stdout
    assert run("sftp", *host.ssh_options(key), f"{user}@127.0.0.1", input="ls\n").returncode == 0
    assert "uid=" in host.ssh(key, user, options=["-tt"], input="id; exit\n").stdout


def test_a_locked_account_is_refused_at_once_and_let_in_again(host, push):
    host.subuid("lock", "web1", user=push.owner)
    assert not push()
    host.subuid("unlock", "web1", user=push.owner)
    assert push()


def test_lock_ends_running_sessions(host, push, tmp_path):
    (push.source / "big").write_bytes(os.urandom(4 << 20))
    running = subprocess.Popen(["rsync", "-a", "--bwlimit=100", "-e", " ".join(["ssh", *host.ssh_options(push.key)]),
                                f"{push.source}/", f"{push.name}@127.0.0.1:slow/"], stderr=subprocess.PIPE)
    uid = str(pwd.getpwnam(push.name).pw_uid)
    wait_until(lambda: run("pgrep", "-u", uid, "rsync", check=False).returncode == 0, "the push runs")
    host.subuid("lock", "web1", user=push.owner)
    assert running.wait(20) != 0  # before a look that comes by itself
    wait_until(lambda: run("pgrep", "-u", uid, check=False).returncode == 1, "no process is left")


def test_an_expired_account_is_refused(host, push):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    call(API + "Modify", {"owner": push.owner, "label": "web1", "expires": str(today + datetime.timedelta(days=2))})
    assert push()
    reply = call(API + "Modify", {"owner": push.owner, "label": "web1", "expires": str(today)})
    assert "error" not in reply, reply
    assert not push()
    call(API + "Modify", {"owner": push.owner, "label": "web1", "expires": ""})
    assert push()


@pytest.mark.parametrize("how,undo", [
    (["usermod", "-L"], ["usermod", "-U"]), (["passwd", "-l"], ["passwd", "-u"]), (["usermod", "-e", "1"],
                                                                                  ["usermod", "-e", ""]),
])
def test_an_owner_locked_or_expired_takes_his_accounts_with_him(host, push, how, undo):
    run("chpasswd", input=f"{push.owner}:correct horse\n")
    assert push()
    run(*how, push.owner)
    assert not push()
    run(*undo, push.owner)
    assert push()


def test_an_owner_without_a_password_is_not_locked(host, push):
    assert run("getent", "shadow", push.owner).stdout.split(":")[1] in ("!", "*")
    assert push()


def test_an_owner_who_is_gone(host, push):
    run("userdel", push.owner)
    assert not push()
    # Another person of the same name is not the owner.
    run("useradd", "-M", "-u", "54321", push.owner)
    assert not push()
    refused = host.subuid("show", "web1", user=push.owner, check=False)
    assert refused.returncode != 0
    run("userdel", push.owner)
    # Root can still tidy up.
    assert host.subuid("check", "--all", check=False).returncode == 1
    host.subuid("remove", "--purge", push.name)
    assert host.subuid("check", "--all").returncode == 0


def test_other_services_are_refused(host, push):
    result = run("pamtester", "su", push.name, "acct_mgmt", check=False)
    assert result.returncode != 0
    assert run("pamtester", "sshd", push.name, "acct_mgmt", check=False).returncode == 0
    assert run("pamtester", "su", push.owner, "acct_mgmt", check=False).returncode == 0


def test_a_removed_key_is_gone_from_the_next_login_on(host, push, tmp_path):
    second = host.new_key(tmp_path, "second")
    host.subuid("key", "add", "web1", "-", user=push.owner, input=Path(f"{second}.pub").read_text())
    keys = host.subuid_json("key", "list", "web1", user=push.owner)
    assert len(keys) == 2
    first = run("ssh-keygen", "-lf", push.key).stdout.split()[1]
    host.subuid("key", "remove", "web1", first, user=push.owner)
    assert not push()
    assert pushes(host, second, push.name, push.source).returncode == 0
    host.subuid("key", "remove", "web1", str(keys[1]["id"] if keys[1]["fingerprint"] != first else keys[0]["id"]),
                user=push.owner)
    assert pushes(host, second, push.name, push.source).returncode != 0


def test_from_and_expiry_of_a_key(host, push, tmp_path):
    elsewhere, here, old = (host.new_key(tmp_path, name) for name in ("elsewhere", "here", "old"))
    host.subuid("key", "add", "web1", "-", "--from", "192.0.2.0/24,198.51.100.7", user=push.owner,
                input=Path(f"{elsewhere}.pub").read_text())
    host.subuid("key", "add", "web1", "-", "--from", "127.0.0.0/8", user=push.owner,
                input=Path(f"{here}.pub").read_text())
    assert pushes(host, elsewhere, push.name, push.source).returncode != 0
    assert pushes(host, here, push.name, push.source).returncode == 0
    soon = expiry_after(lambda: pushes(host, here, push.name, push.source))
    reply = call(API + "KeyAdd", {"owner": push.owner, "label": "web1", "key": {
        "key": Path(f"{old}.pub").read_text(), "expires": soon}})
    assert "error" not in reply, reply
    assert pushes(host, old, push.name, push.source).returncode == 0
    wait_until(lambda: time.time() > soon, "the key's time is over")
    assert pushes(host, old, push.name, push.source).returncode != 0


def test_a_removed_account_is_gone_and_its_data_is_kept_aside(host, push):
    uid = pwd.getpwnam(push.name).pw_uid
    host.subuid("remove", "web1", user=push.owner)
    assert not push()
    assert run("getent", "passwd", push.name, check=False).returncode == 2
    assert not os.path.lexists(f"/home/{push.owner}/subuid/web1")
    assert Path(f"/srv/subuid/.removed/{uid}/home/data/file").read_text() == "x"
    assert host.subuid("check", "--all").returncode == 0


def test_a_purged_account_leaves_nothing(host, push):
    uid = pwd.getpwnam(push.name).pw_uid
    run("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "sh", "-c",
        f"cd /srv/subuid/{push.owner}/web1/home && mkdir -p a/b/c && ln -s /etc/passwd a/l && chmod 0 a/b && chmod 0 data")
    host.subuid("remove", "web1", "--purge", user=push.owner)
    wait_until(lambda: not Path(f"/srv/subuid/.removed/{uid}").exists(), "the data is deleted")
    assert Path("/etc/passwd").exists()


def test_login_shell_refuses_everything_else(host, push):
    uid = pwd.getpwnam(push.name).pw_uid
    shell = "/usr/libexec/subuidd/login"
    for words in ([], ["-c", "sh"], ["-c", "push; sh"], ["-c", "shell key=1"], ["-i"], ["-c", "push", "more"],
                  ["-c", "push key=1 fp=SHA256:x extra"]):
        result = run("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", shell, *words, check=False,
                     env={"SSH_ORIGINAL_COMMAND": "sh"})
        assert result.returncode != 0 and result.stderr, words
    # Another user's login shell does nothing for this one.
    assert run(shell, "-c", "push key=1 fp=SHA256:x", check=False).returncode != 0


def test_the_gate_is_refused_by_a_kernel_that_cannot_enforce(host, push):
    """Without the system calls of Landlock (as on an old kernel) nothing runs."""
    uid = pwd.getpwnam(push.name).pw_uid
    home = pwd.getpwnam(push.name).pw_dir
    for syscall in ("landlock_create_ruleset", "seccomp", "openat2"):
        result = run("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e",
                     f"inject={syscall}:error=ENOSYS", "setpriv", "--reuid", str(uid), "--regid", str(uid),
                     "--clear-groups", "/usr/bin/subuid-rrsync", "-wo", home, check=False,
                     env={"SSH_ORIGINAL_COMMAND": "rsync --server -logDtpre.iLsfxCIvu . ."})
        assert result.returncode != 0 and "subuid-rrsync: " in result.stderr, (syscall, result)
