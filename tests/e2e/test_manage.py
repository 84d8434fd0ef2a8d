# SPDX-License-Identifier: ISC
"""subuid over ssh: keys of the role manage, of an owner for their accounts and of a sub-account for itself."""

import io
import json
import os
import pwd
import re
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from conftest import call, call_as, run, wait_until
from test_costs import syslog  # noqa: F401

LOGIN = "/usr/libexec/subuidd/login"
MANAGE = "/usr/libexec/subuidd/manage"
GROUP = "subuid-owners"
NOT_PERMITTED = 5


@pytest.fixture(autouse=True)
def no_keys_are_left(host):
    """The doctor looks at all owners who have such keys."""
    yield
    for row in host.subuid_json("manage-key", "list", "--all"):
        host.subuid("manage-key", "remove", str(row["id"]), "--owner", row["owner"], check=False)


@pytest.fixture
def owner(host, tmp_path):
    """An owner without a shell, with an account and a manage key: (owner, private key)."""
    return make_owner(host, tmp_path, LOGIN)


def make_owner(host, tmp_path, shell="/bin/bash", *options):
    name = host.new_user()
    key = host.new_key(tmp_path, f"manage-{name}")
    host.subuid("add", "web1", user=name)
    host.subuid("manage-key", "add", "-", *options, user=name, input=Path(f"{key}.pub").read_text())
    run("usermod", "-a", "-G", GROUP, "-s", shell, name)
    return name, key


@pytest.fixture
def account(host, tmp_path):
    """(owner, full name, private key) of a sub-account that may ask about itself."""
    return host.account(tmp_path, role="manage")


def number(host, owner):
    return str(host.subuid_json("manage-key", "list", user=owner)[0]["id"])


# ---- an owner


def test_each_command_that_an_owner_may_give(host, owner, tmp_path):
    name, key = owner
    other = host.new_key(tmp_path, "server")
    public = Path(f"{other}.pub").read_text()

    def manage(*words, **more):
        result = host.ssh(key, name, "subuid", *words, **more)
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert "web2" in manage("add", "web2", "--key", "-", "--role", "push", input=public)
    assert {f"{name}+web1", f"{name}+web2"} <= set(manage("list").split())
    assert json.loads(manage("show", "web2", "--json"))["account"]["owner"] == name
    manage("set", "web2", "--comment", "'two words'")
    assert host.subuid_json("show", "web2", user=name)["account"]["comment"] == "two words"
    added = json.loads(manage("key", "add", "web1", "-", "--json", input=public))
    manage("key", "change", "web1", str(added["id"]), "--role", "pull")
    manage("key", "list", "web1")
    third = Path(f"{host.new_key(tmp_path, 'third')}.pub").read_text()
    manage("key", "rotate", "web1", str(added["id"]), input=third)
    manage("key", "remove", "web1", str(added["id"]))
    passwords = Path("/etc/subuidd.conf.d/40-passwords.conf")
    passwords.write_text("[passwords]\nenabled = yes\n")
    host.restart_daemon()
    try:
        made = json.loads(manage("passwd", "add", "web1", "--role", "sftp", "--title", "nas", "--json"))
        assert made["password"] and made["password"] not in manage("passwd", "list", "web1")
        manage("passwd", "remove", "web1", str(made["key"]["id"]))
    finally:
        passwords.unlink()
        host.restart_daemon()
    first = json.loads(manage("range", "add", "65536", "--json"))["first"]
    assert str(first) in manage("range", "list")
    assert str(first) in manage("idmap")
    manage("range", "remove", str(first))
    manage("lock", "web2")
    manage("unlock", "web2")
    manage("rename", "web2", "web3")
    manage("remove", "web3")
    manage("restore", "web3")
    assert "accounts" in manage("limit", "--json")
    manage("status")
    manage("log", "web1")
    assert "subuid_up 1" in manage("metrics")
    assert "account.rename" in manage("audit", "--number", "50")
    manage("check")
    assert host.ssh(key, name, "list").returncode == 0, "the word subuid may be left out"
    assert "usage: subuid" in manage("help")
    assert name in manage("manage-key", "list")
    assert host.subuid_json("show", "web1", user=name)["account"].get("lastRun", 0) == 0, "managing is no backup"
    assert host.subuid_json("log", "web1", user=name) == []


REFUSED = ["exec web1 id", "shell web1", "ls web1", "copy web1 x", "socket web1 x", "mount web1", "import -", "export", "adopt", "release 1",
           "owner a b", "state save -", "state verify -", "state load -", "setup", "doctor", "manage-key add -"]


@pytest.mark.parametrize("command", REFUSED)
def test_each_command_that_is_refused_says_what_to_do_instead(host, owner, command):
    name, key = owner
    result = host.ssh(key, name, f"subuid {command}")
    assert (result.returncode, result.stdout) == (NOT_PERMITTED, "")
    assert re.fullmatch(r"subuid: [a-z -]+: not over ssh; \S.*\n", result.stderr), result.stderr


def test_the_two_lists_above_are_all_commands(host, owner):
    """A new command is refused until somebody says otherwise; this says that the table and the tests agree."""
    name, key = owner
    names = {line.split()[0] for line in host.subuid("help").stdout.splitlines() if re.match(r"  [a-z-]+ +\S", line)}
    names -= {"--json", "--socket", "--version"}
    refused = {command.split()[0] for command in REFUSED} - {"manage-key"}
    allowed = {"add", "list", "show", "set", "lock", "unlock", "freeze", "thaw", "kill", "remove", "rename", "restore", "key", "passwd", "range", "limit", "idmap",
               "status", "top", "log", "metrics", "audit", "check", "manage-key"}
    assert names == refused | allowed
    for word in allowed:
        result = host.ssh(key, name, f"{word} --help")
        assert result.returncode == 0 and f"subuid {word}" in result.stdout, word


def test_exit_statuses_and_json_are_those_of_subuid(host, owner):
    name, key = owner
    assert host.ssh(key, name, "subuid show nosuch").returncode == 3
    assert host.ssh(key, name, "subuid key").returncode == 2
    assert host.ssh(key, name, "subuid add WEB").returncode == 2
    assert host.ssh(key, name, "subuid limit", name, "--accounts", "5").returncode == NOT_PERMITTED
    assert host.ssh(key, name, "subuid --json list").stdout == host.subuid("--json", "list", user=name).stdout


def test_nothing_is_expanded_and_nothing_else_is_run(host, owner):
    name, key = owner
    mark = Path(f"/home/{name}/mark")
    attacks = [f"list; touch {mark}", f"list $(touch {mark})", f"list `touch {mark}`", f"list | tee {mark}", f"list > {mark}",
               f"list & touch {mark}", f"list || touch {mark}", f"'list' ';' touch {mark}", f"touch {mark}", "bash", "sh -c id",
               "/bin/sh", f"subuid;touch {mark}", "subuid --socket /tmp/x list", "subuid --over-ssh list", "../subuid list", "/usr/bin/subuid list"]
    for attack in attacks:
        result = host.ssh(key, name, attack)
        assert result.returncode in (2, NOT_PERMITTED) and result.stdout == "", attack
        assert not mark.exists(), attack
    # the control: an ordinary shell does it
    user, own = host.ordinary_login(key.parent)
    host.ssh(own, user, f"true; touch /home/{user}/mark")
    assert Path(f"/home/{user}/mark").exists()


def test_line_breaks_long_commands_and_open_quotes_are_refused(host, owner):
    name, key = owner
    for command, why in (("list\nid", "line break"), ("list\rid", "line break"), ("list \x1b[2J", "control"),
                         ("list '", "no end"), ('list "a', "no end"), ("list \\", "no end"), ("x " * 70, "too many"),
                         ("list " + "a" * 9000, "too long")):
        result = host.ssh(key, name, command)
        assert (result.returncode, result.stdout) == (2, "") and why in result.stderr, (command[:20], result.stderr)
        assert "\x1b" not in result.stderr
    assert host.ssh(key, name, "show 'web1'").returncode == 0
    assert host.ssh(key, name, 'sh""ow "web1"').returncode == 0
    assert host.ssh(key, name, "show w\\eb1").returncode == 0
    assert "unknown command" in host.ssh(key, name, "'show web1'").stderr, "one word"


def test_no_file_of_the_host_is_read_or_written(host, owner):
    name, key = owner
    secret = Path(f"/home/{name}/id.pub")
    secret.write_text(Path(f"{key}.pub").read_text())
    os.chown(secret, pwd.getpwnam(name).pw_uid, -1)
    for command in (f"key add web1 {secret}", f"add web2 --key {secret}", f"add web2 --key={secret}", f"add web2 --ke {secret}",
                    f"key rotate web1 1 {secret}", f"metrics --textfile /home/{name}/x", f"metrics --text=/home/{name}/x"):
        result = host.ssh(key, name, command)
        assert result.returncode == 2 and "over ssh" in result.stderr, (command, result.stderr)
    assert host.subuid_json("show", "web1", user=name)["keys"] == []
    assert not Path(f"/home/{name}/x").exists()
    # the control: at the host it is read
    host.subuid("key", "add", "web1", secret, user=name)


def test_the_kernel_keeps_the_files_of_the_owner_from_it(host, owner):
    """Whatever subuid did with a name: nothing but the system can be read, and nothing written."""
    name, key = owner
    mark = f"/home/{name}/written"
    probe = f"""
import os, sys
for path in ("/home/{name}/.profile", "/etc/passwd"):
    try: open(path).close(); print("read", path)
    except OSError as error: print(error.errno)
try: open({mark!r}, "w"); print("written")
except OSError as error: print(error.errno)
"""
    real = Path("/usr/bin/subuid")
    kept = Path("/usr/bin/subuid.kept")
    os.rename(real, kept)
    try:
        real.write_text(f"#!/usr/bin/python3\n{probe}")
        real.chmod(0o755)
        assert host.ssh(key, name, "list").stdout.split("\n")[:3] == ["13", "read /etc/passwd", "13"]
        assert run("/usr/bin/subuid", "list", user=name).stdout.split("\n")[0].startswith("read /home"), "the control"
    finally:
        os.rename(kept, real)


def test_what_would_let_pushed_files_act_as_the_owner_is_set_at_the_host_alone(host, owner):
    name, key = owner
    for command in ("set web1 --view owner", "set web1 --view=owner", "add web9 --view owner"):
        result = host.ssh(key, name, command)
        assert result.returncode == 2 and "not over ssh" in result.stderr
    assert host.ssh(key, name, "set web1 --view theirs").returncode == 0
    host.subuid("set", "web1", "--view", "owner", user=name)


def test_a_manage_key_gives_nothing_else(host, owner):
    name, key = owner
    options = host.ssh_options(key)
    at = f"{name}@127.0.0.1"
    assert "no shell here" in host.ssh(key, name).stderr
    assert run("sftp", *options, at, check=False, input="ls\n").returncode != 0
    assert run("scp", "-O", *options, f"{at}:/etc/passwd", "/tmp/stolen", check=False).returncode != 0
    assert run("scp", *options, f"{at}:/etc/passwd", "/tmp/stolen", check=False).returncode != 0
    assert run("rsync", "-e", " ".join(["ssh", *options]), f"{at}:/etc/passwd", "/tmp/stolen", check=False).returncode != 0
    assert not Path("/tmp/stolen").exists()
    tty = run("ssh", "-tt", *options, at, "list", check=False)
    assert "PTY allocation request failed" in tty.stdout + tty.stderr
    assert host.ssh(key, name, "list", options=["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22"]).returncode != 0
    forward = subprocess.Popen(["ssh", *options, "-N", "-L", "4711:127.0.0.1:22", at], stderr=subprocess.PIPE)
    try:
        def refused():
            with socket.socket() as peer:
                if peer.connect_ex(("127.0.0.1", 4711)) != 0:
                    return False
                peer.settimeout(60)
                return peer.recv(16) == b""

        assert wait_until(refused, "the forward opens and nothing comes through")
    finally:
        forward.kill()
        forward.wait()


def test_an_owner_acts_for_their_own_accounts_alone(host, owner, tmp_path):
    name, key = owner
    other, full, _ = host.account(tmp_path, label="web7")
    for command in (f"show {full}", f"lock {full}", f"list --owner {other}", "list --all", f"key list {full}",
                    f"manage-key list --owner {other}", "manage-key list --all", f"add x --owner {other}"):
        result = host.ssh(key, name, command)
        assert result.returncode in (3, NOT_PERMITTED) and result.stdout == "", command
    assert not host.subuid_json("show", "web7", user=other)["account"]["locked"]


def test_a_key_that_is_removed_is_refused_at_once(host, owner):
    name, key = owner
    assert host.ssh(key, name, "list").returncode == 0
    assert host.ssh(key, name, "manage-key", "remove", number(host, name)).returncode == 0
    assert host.ssh(key, name, "list").returncode == 255
    assert host.subuid_json("manage-key", "list", user=name) == []
    host.restart_daemon()
    assert host.ssh(key, name, "list").returncode == 255


def test_keys_are_those_of_the_store_after_the_index_is_made_again(host, owner):
    name, key = owner
    host.stop_daemon()
    for file in ("index", "keys"):
        Path(f"/var/lib/subuidd/{file}").unlink()
    host.start_daemon()
    assert host.ssh(key, name, "list").returncode == 0
    assert not [row for row in host.subuid_json("check")["findings"] if "key" in row["subject"]]


def test_from_and_expires_count(host, tmp_path):
    near, key = make_owner(host, tmp_path, LOGIN, "--from", "127.0.0.1", "--expires", "+30d")
    assert host.ssh(key, near, "list").returncode == 0
    far, key = make_owner(host, tmp_path, LOGIN, "--from", "192.0.2.1")
    assert host.ssh(key, far, "list").returncode == 255
    # a key of yesterday, as time makes it: the store is not asked at a login
    gone, key = make_owner(host, tmp_path, LOGIN)
    public = Path(f"{key}.pub").read_text().strip()
    call_as(gone, "io.subuidd.Accounts.ManageKeyRemove", {"id": int(number(host, gone))})
    reply = call_as(gone, "io.subuidd.Accounts.ManageKeyAdd", {"key": {"key": public, "role": "manage", "expires": 86400}})
    assert "error" not in reply, reply
    assert host.ssh(key, gone, "list").returncode == 255


def test_an_owner_who_has_expired_is_refused(host, owner):
    name, key = owner
    assert host.ssh(key, name, "list").returncode == 0
    run("usermod", "-e", "1970-01-02", name)
    assert host.ssh(key, name, "list").returncode != 0
    assert host.ssh(key, name, "list").stdout == ""


def test_neither_another_user_of_the_name_nor_of_the_uid_is_let_in(host, owner, tmp_path):
    name, key = owner
    uid = pwd.getpwnam(name).pw_uid
    run("usermod", "-l", f"{name}x", name)
    assert host.ssh(key, f"{name}x", "list").returncode == 255
    run("usermod", "-l", name, f"{name}x")
    assert host.ssh(key, name, "list").returncode == 0
    run("usermod", "-u", str(uid + 5000), name)
    assert host.ssh(key, name, "list").returncode == 255
    host.subuid("owner", name, name)
    assert host.ssh(key, name, "list").returncode == 0, "the same person"


def another_of_the_name(owner):
    """The owner is called otherwise from now on, and somebody else, who is in the group too, has the name: the other name."""
    run("usermod", "-l", f"{owner}x", owner)
    run("useradd", "--create-home", "-N", "-G", GROUP, "-s", LOGIN, owner)
    return f"{owner}x"


def test_another_user_of_the_name_sees_and_removes_nothing_of_the_former_one(host, owner, tmp_path):
    name, key = owner
    former = number(host, name)
    host.subuid("limit", name, "--keys", "1")
    another_of_the_name(name)
    assert host.subuid_json("manage-key", "list", user=name) == []
    fingerprint = run("ssh-keygen", "-lf", f"{key}.pub").stdout.split()[1]
    for which in (former, fingerprint):
        assert host.subuid("manage-key", "remove", which, user=name, check=False).returncode == 3
    assert host.ssh(key, name, "list").returncode == 255
    own = host.new_key(tmp_path, "own")
    host.subuid("manage-key", "add", f"{own}.pub", "--owner", name)  # of one, what another one left does not count
    assert [str(row["id"]) for row in host.subuid_json("manage-key", "list", user=name)] != [former]
    told = host.subuid("manage-key", "list", "--owner", name).stdout
    assert f"{name} (changed)" in told and len(told.splitlines()) == 3, told
    host.subuid("manage-key", "remove", former, "--owner", name)  # root may
    assert [row["comment"] for row in host.subuid_json("manage-key", "list", "--owner", name)] == [Path(f"{own}.pub").read_text().split(None, 2)[2].strip()]
    assert host.ssh(own, name, "list").returncode == 0


def test_keys_do_not_follow_accounts_to_another_person_of_the_name(host, owner):
    name, key = owner
    former = another_of_the_name(name)
    host.subuid("owner", name, name, "--hand-over")
    assert host.subuid_json("manage-key", "list", "--owner", name) == []
    for user in (name, former):
        assert host.ssh(key, user, "list").returncode == 255


def test_keys_do_not_follow_accounts_to_another_person(host, owner):
    name, key = owner
    heir = host.new_user()
    run("usermod", "-a", "-G", GROUP, heir)
    host.subuid("owner", name, heir, "--hand-over")
    assert host.subuid_json("manage-key", "list", "--all") == [
        row for row in host.subuid_json("manage-key", "list", "--all") if row["owner"] not in (name, heir)]
    assert host.ssh(key, heir, "list").returncode == 255
    assert host.ssh(key, name, "list").returncode == 255


def test_an_owner_with_nologin_is_told_what_to_do(host, tmp_path):
    name = host.new_user()
    run("usermod", "-s", "/usr/sbin/nologin", name)
    key = host.new_key(tmp_path, "nologin")
    said = host.subuid("manage-key", "add", f"{key}.pub", "--owner", name).stdout
    assert f"usermod -a -G {GROUP} {name}" in said and f"usermod -s {LOGIN} {name}" in said
    run("usermod", "-a", "-G", GROUP, name)
    assert host.ssh(key, name, "list").returncode != 0
    report = host.subuid("doctor", check=False).stdout
    assert f"the login shell of {name} is /usr/sbin/nologin" in report and f"usermod -s {LOGIN} {name}" in report
    run("usermod", "-s", LOGIN, name)
    assert host.ssh(key, name, "list").returncode == 0


def test_our_login_as_the_shell_manages_whatever_the_owner_logged_in_with(host, tmp_path):
    name, key = make_owner(host, tmp_path, LOGIN)
    _, own = host.ordinary_login(tmp_path, name)
    assert "web1" in host.ssh(own, name, "subuid list").stdout
    assert host.ssh(own, name, "id").returncode == 2
    assert "no shell here" in host.ssh(own, name).stderr
    result = run("su", "-", name, "-c", "list", check=False)
    assert "web1" in result.stdout
    assert run("su", "-", name, "-c", "id", check=False).returncode == 2


def test_beside_an_ordinary_shell_own_keys_go_on_working(host, tmp_path):
    name, key = make_owner(host, tmp_path, "/bin/bash")
    _, own = host.ordinary_login(tmp_path, name)
    assert host.ssh(own, name, "id -un").stdout == f"{name}\n"
    assert "web1" in host.ssh(key, name, "list").stdout
    assert host.ssh(key, name, "id -un").returncode == 2
    assert run("sftp", *host.ssh_options(own), f"{name}@127.0.0.1", input="pwd\n").returncode == 0


def test_an_sshd_that_ignores_what_the_key_says_gives_a_managing_shell_alone(host, tmp_path):
    """The attack: something of the host's configuration takes the place of the forced command."""
    name, key = make_owner(host, tmp_path, LOGIN)
    with_bash, bash_key = make_owner(host, tmp_path, "/bin/bash")
    ahead = Path("/etc/ssh/sshd_config.d/10-ahead.conf")
    ahead.write_text(f"Match User {name},{with_bash}\n\tForceCommand id\nMatch all\n")
    try:
        host.sshd.send_signal(1)
        wait_until(lambda: host.ssh(bash_key, with_bash, "list").stdout.startswith("uid="), "bash runs it: the control")
        result = host.ssh(key, name, "list")
        assert result.returncode == 2 and "uid=" not in result.stdout
        report = host.subuid("doctor", check=False).stdout
        assert f"for {with_bash} sshd's `forcecommand` is `id`" in report
    finally:
        ahead.unlink()
        host.sshd.send_signal(1)
        wait_until(lambda: "web1" in host.ssh(key, name, "list").stdout, "sshd is as it was")


def test_outside_of_the_group_sshd_does_not_ask(host, tmp_path):
    name, key = make_owner(host, tmp_path, LOGIN)
    assert host.ssh(key, name, "list").returncode == 0
    run("gpasswd", "-d", name, GROUP)
    assert host.ssh(key, name, "list").returncode == 255
    assert f"sshd does not ask for those of {name}" in host.subuid("doctor", check=False).stdout


def test_adding_twice_changes_nothing_and_limits_count(host, tmp_path):
    name, key = make_owner(host, tmp_path)
    public = Path(f"{key}.pub").read_text()
    host.subuid("manage-key", "add", user=name, input=public)
    assert len(host.subuid_json("manage-key", "list", user=name)) == 1
    assert host.subuid("manage-key", "add", "--from", "10.0.0.0/8", user=name, input=public, check=False).returncode == 4
    host.subuid("limit", name, "--keys", "1")
    more = Path(f"{host.new_key(tmp_path, 'more')}.pub").read_text()
    assert host.subuid("manage-key", "add", user=name, input=more, check=False).returncode == 6
    dry = host.subuid("manage-key", "remove", number(host, name), "--dry-run", user=name).stdout
    assert "would be removed" in dry and len(host.subuid_json("manage-key", "list", user=name)) == 1
    audit = [row["action"] for row in host.subuid_json("audit", "-n", "5", user=name)]
    assert "manage-key.add" in audit


@pytest.mark.parametrize("key", [{"role": "push"}, {"role": "manage", "options": ["no-delete"]}, {"role": "manage", "storageQuota": 5},
                                 {"role": "manage,sftp"}, {"role": "manage,forward", "forward": "localhost:22"}])
def test_such_a_key_has_no_other_role_and_no_options(host, tmp_path, key):
    name = host.new_user()
    public = Path(f"{host.new_key(tmp_path)}.pub").read_text().strip()
    reply = call_as(name, "io.subuidd.Accounts.ManageKeyAdd", {"key": {"key": public, **key}})
    assert "error" in reply, reply


def test_the_log_names_the_key_and_the_pid_of_the_audit_trail(host, owner, syslog):  # noqa: F811
    name, key = owner
    assert host.ssh(key, name, "subuid lock web1").returncode == 0
    line = wait_until(lambda: next((line for line in syslog if "subuid-manage" in line), None), "it is told of")
    assert f"key={number(host, name)}" in line and "SHA256:" in line and "subuid lock web1" in line
    entry = next(row for row in host.subuid_json("audit", user=name) if row["action"] == "account.lock")
    assert f"subuid-manage[{entry['pid']}]" in line


# ---- a sub-account


def test_a_sub_account_asks_about_itself(host, account, tmp_path):
    owner, full, key = account
    host.subuid("add", "web2", user=owner)
    host.subuid("range", "add", "65536", "web1", user=owner)
    host.subuid("range", "add", "65536", user=owner)

    def asked(*words):
        result = host.ssh(key, full, "subuid", *words, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    assert [row["name"] for row in asked("list")] == [full] == [row["name"] for row in asked("status")]
    for words in (("show",), ("show", "web1"), ("show", full)):
        shown = asked(*words)
        assert shown["account"]["name"] == full
        assert [row["account"] for row in shown["ranges"]] == [full]
    assert [row["role"] for row in asked("key", "list")] == ["manage"] == [row["role"] for row in asked("key", "list", "web1")]
    assert asked("log") == [] == asked("log", "-n", "5")
    assert host.ssh(key, full, "help").returncode == 0


CHANGES = ["add x", "set web1 --comment x", "lock web1", "unlock web1", "remove web1 --yes", "rename web1 web9", "restore web1",
           "key add web1 -", "key remove web1 1", "key change web1 1 --role sync", "range add 65536 web1", "range list", "limit", "audit",
           "check", "metrics", "manage-key list", "manage-key add -", "exec web1 id", "shell web1", "ls web1", "idmap web1"]


@pytest.mark.parametrize("command", CHANGES)
def test_a_sub_account_changes_nothing(host, account, command):
    owner, full, key = account
    before = host.subuid_json("show", "web1", user=owner)
    result = host.ssh(key, full, command)
    assert (result.returncode, result.stdout) == (NOT_PERMITTED, ""), result.stderr
    after = host.subuid_json("show", "web1", user=owner)
    assert after["keys"][0]["fingerprint"] == before["keys"][0]["fingerprint"] and len(after["keys"]) == 1
    assert after["account"]["locked"] == before["account"]["locked"]


def test_the_daemon_itself_tells_a_sub_account_of_nobody_else_and_changes_nothing(host, tmp_path):
    """Not only the program between them: by kernel credentials, over the socket."""
    owner, full, _ = host.account(tmp_path, role="push")
    host.subuid("add", "web2", user=owner)
    stranger, _, _ = host.account(tmp_path, label="web3")
    uid = host.subuid_json("show", "web1", user=owner)["account"]["uid"]
    script = """
import json, os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
peer = socket.socket(socket.AF_UNIX); peer.connect("/run/subuidd/socket")
for line in sys.stdin:
    peer.sendall(line.strip().encode() + b"\\0")
    while True:
        data = b""
        while not data.endswith(b"\\0"): data += peer.recv(1)
        print(data[:-1].decode())
        if not json.loads(data[:-1]).get("continues"): break
"""

    def ask(method, more=False, **parameters):
        text = json.dumps({"method": f"io.subuidd.Accounts.{method}", "parameters": parameters, "more": more})
        replies = [json.loads(line) for line in run("python3", "-c", script, str(uid), input=text + "\n").stdout.splitlines()]
        return [reply for reply in replies if "error" in reply or reply["parameters"]] or replies

    own = {"label": "web1"}
    assert ask("Get", **own)[0]["parameters"]["account"]["name"] == full
    assert [row["parameters"]["account"]["name"] for row in ask("List", more=True)] == [full]
    for wrong in ({"label": "web2"}, {"label": "web3", "owner": stranger}, {"label": "web1", "owner": stranger}):
        for method in ("Get", "KeyList", "RunList"):
            replies = ask(method, more=method != "Get", **wrong)
            assert replies[0]["error"] == "io.subuidd.Accounts.NotPermitted", (method, wrong, replies)
    for method in ("List", "RangeList", "KeyList", "RunList"):
        assert ask(method, more=True, all=True)[0]["error"].endswith("NotPermitted"), method
        assert ask(method, more=True, owner=stranger)[0]["error"].endswith(("NotPermitted", "Invalid")), method
    changes = {"Modify": {"comment": "x"}, "Lock": {}, "Unlock": {}, "Freeze": {}, "Thaw": {}, "Kill": {}, "Enter": {}, "Become": {}, "Remove": {}, "Rename": {"to": "web9"}, "Mount": {},
               "KeyRemove": {"id": 1}, "Add": {}, "Restore": {}}
    for method, more in changes.items():
        assert ask(method, **own, **more)[0]["error"].endswith("NotPermitted"), method
    for method in ("Audit", "Check", "CounterList", "RemovedList", "ManageKeyList"):
        assert ask(method, more=True)[0]["error"].endswith("NotPermitted"), method
    assert ask("ManageKeyRemove", id=1)[0]["error"].endswith("NotPermitted")


def test_a_copy_comes_out_as_a_stream(host, tmp_path):
    owner, full, push = host.account(tmp_path, role="push")
    key = host.new_key(tmp_path, "manager")
    host.subuid("key", "add", "web1", f"{key}.pub", "--role", "manage", user=owner)
    tree = tmp_path / "tree"
    (tree / "sub dir").mkdir(parents=True)
    (tree / "sub dir" / "file").write_text("content\n")
    (tree / "top").write_text("top\n")
    host.rsync(push, "-a", f"{tree}/", f"{full}@127.0.0.1:data/")

    def copied(*words):
        result = run("ssh", *host.ssh_options(key), f"{full}@127.0.0.1", *words, text=False, input=b"")
        with tarfile.open(fileobj=io.BytesIO(result.stdout)) as tar:
            return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}

    assert copied("subuid", "copy")["./data/sub dir/file"] == b"content\n"
    assert copied("copy", "'web1:data/sub dir'") == {"./data/sub dir/file": b"content\n"}
    assert copied("copy", f"{full}:data/top") == {"./data/top": b"top\n"}
    for path in (":../../..", ":data/../../x", "web2:data", "web1:data extra"):
        result = host.ssh(key, full, f"copy {path}")
        assert result.returncode in (2, NOT_PERMITTED) and result.stdout == "", path
    # a link in the home leads nowhere, also where the session sees what is there: the kernel lets tar read the home alone
    secret = Path("/opt/secret")
    secret.mkdir(exist_ok=True)
    (secret / "file").write_text("secret\n")
    shown = host.subuid_json("show", "web1", user=owner)["account"]
    uid, home = shown["uid"], shown["home"]
    os.symlink("/opt/secret", f"{home}/data/out")
    os.lchown(f"{home}/data/out", uid, uid)
    result = host.ssh(key, full, "copy :data/out/file")
    assert "secret" not in result.stdout and result.returncode != 0
    control = run("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "cat", f"{home}/data/out/file")
    assert control.stdout == "secret\n", "the uid alone could read it"
    assert [row["tool"] for row in host.subuid_json("log", "web1", user=owner)] == ["rsync"], "no run of a backup"


def test_a_locked_or_expired_sub_account_is_refused(host, account):
    owner, full, key = account
    assert host.ssh(key, full, "show").returncode == 0
    host.subuid("lock", "web1", user=owner)
    assert host.ssh(key, full, "show").returncode == 255
    host.subuid("unlock", "web1", user=owner)
    run("usermod", "-e", "1970-01-02", owner)
    assert host.ssh(key, full, "show").returncode != 0
    assert host.ssh(key, full, "show").stdout == ""


def test_a_key_that_manages_pushes_nothing(host, account, tmp_path):
    owner, full, key = account
    (tmp_path / "file").write_text("x")
    assert run("rsync", "-e", " ".join(["ssh", *host.ssh_options(key)]), tmp_path / "file", f"{full}@127.0.0.1:", check=False).returncode != 0
    assert run("sftp", *host.ssh_options(key), f"{full}@127.0.0.1", check=False, input="ls\n").returncode != 0
    assert host.subuid_json("log", "web1", user=owner) == []


def test_run_by_hand_it_is_nothing_more(host, owner):
    """Anyone may execute it: with their own rights, and root not at all."""
    name, _ = owner
    bare = run(MANAGE, check=False)
    assert bare.returncode == NOT_PERMITTED
    result = run(MANAGE, user=name, env={"SSH_ORIGINAL_COMMAND": "exec web1 id"}, check=False)
    assert result.returncode == NOT_PERMITTED
    result = run("python3", "-c", f"""
import os
os.setgroups([]); os.setgid(2147000000); os.setuid(2147000000)
os.execve({MANAGE!r}, ["manage"], {{"SSH_ORIGINAL_COMMAND": "list"}})""", check=False)
    assert result.returncode == NOT_PERMITTED


def test_what_sshd_is_told_of_an_owners_key(host, owner, tmp_path):
    name, key = owner
    uid = str(pwd.getpwnam(name).pw_uid)
    kind, blob, *_ = Path(f"{key}.pub").read_text().split()
    ask = "/usr/libexec/subuidd/authorized-keys"

    def answer(*words):
        return run("setpriv", "--reuid", "subuidd-keys", "--regid", "subuidd-keys", "--init-groups", ask, *words).stdout

    line = answer(name, kind, blob, uid)
    assert re.fullmatch(rf'restrict,command="{MANAGE} key=\d+ fp=SHA256:[^"]+" {kind} {re.escape(blob)}\n', line)
    other = host.new_user()
    for words in ((other, kind, blob, uid), (name, kind, blob, str(pwd.getpwnam(other).pw_uid)), (name, "ssh-rsa", blob, uid),
                  (name, kind, blob, "0"), (name, kind, blob, "x"), ("", kind, blob, uid), (name, kind, blob)):
        assert answer(*words) == "", words
    _, full, account_key = host.account(tmp_path, label="web5", owner=other)
    kind, blob, *_ = Path(f"{account_key}.pub").read_text().split()
    account_uid = str(host.subuid_json("show", "web5", user=other)["account"]["uid"])
    assert answer(full, kind, blob) != "" and answer(full, kind, blob, account_uid) == "", "an account's key is not an owner's"
