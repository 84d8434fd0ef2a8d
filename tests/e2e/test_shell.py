# SPDX-License-Identifier: ISC
"""The roles shell and command: what such a key can do, what only a grant gives, and how it ends."""

import contextlib
import json
import os
import pty
import pwd
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import run, wait_until


def home_of(name):
    owner, label = name.split("+")
    return Path(f"/srv/subuid/{owner}/{label}/home")


def key_add(host, tmp_path, owner, what, *options, check=True):
    key = host.new_key(tmp_path, f"{owner}-{what}")
    result = host.subuid("key", "add", "web1", "-", *options, user=owner, check=check,
                         input=Path(f"{key}.pub").read_text())
    return key if check else result


def processes_of(name):
    return run("pgrep", "-U", str(pwd.getpwnam(name).pw_uid), check=False).stdout.split()


def on_terminal(host, key, name, lines, options=("-tt",), environment=None):
    """What the terminal shows of a session in which these lines are typed."""
    main, side = pty.openpty()
    session = subprocess.Popen(["ssh", *options, *host.ssh_options(key), f"{name}@127.0.0.1"], stdin=side, stdout=side,
                               stderr=side, start_new_session=True, env={**os.environ, "TERM": "xterm", **(environment or {})})
    os.close(side)
    shown = bytearray()

    def read():
        while True:
            try:
                data = os.read(main, 65536)
            except OSError:
                return
            if not data:
                return
            shown.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    for line, wanted in lines:
        before = len(shown)
        os.write(main, line.encode())
        wait_until(lambda: re.search(wanted, bytes(shown[before:]).decode(errors="replace")), f"{wanted!r} after {line!r}")
    code = session.wait(60)
    os.close(main) if not reader.is_alive() else None
    reader.join(10)
    return code, bytes(shown).decode(errors="replace")


@pytest.fixture
def shell(host, tmp_path):
    owner, name, key = host.account(tmp_path, "shell")
    return owner, name, key


def test_commands_and_scripts(host, shell):
    _, name, key = shell
    home = home_of(name)
    assert host.ssh(key, name, "echo", "in").stdout == "in\n"
    assert host.ssh(key, name, "pwd; cd /; ls -d ~; exit 7").stdout == f"{home}\n{home}\n"
    assert host.ssh(key, name, "exit 7").returncode == 7
    assert host.ssh(key, name, "kill -9 $$").returncode == 137
    assert host.ssh(key, name, "mkdir -p a/b && echo x >a/b/f && test -d a && cat a/b/f").stdout == "x\n"
    assert (home / "a/b/f").read_text() == "x\n"
    # a script that comes, as VS Code and many others send one
    for command in (["sh", "-s"], ["bash"], []):
        result = host.ssh(key, name, *command, input="echo \"one $((1 + 1))\"; exit 3\n", options=["-T"])
        assert (result.stdout, result.returncode) == ("one 2\n", 3), result
    # what of a shell's means works: substitution, pipes, background, fifos
    assert host.ssh(key, name, "cat <(echo sub) | tr a-z A-Z; mkfifo p; echo f >p & cat p; wait").stdout == "SUB\nf\n"
    # an open quote, which no tool's client sends, is the shell's to complain about
    assert "unexpected EOF" in host.ssh(key, name, "echo 'x").stderr
    assert host.ssh(key, name, "id -un; echo $USER $LOGNAME; getent passwd $USER").stdout.splitlines()[:2] == [
        name, f"{name} {name}"]


def test_the_home_is_executable_and_tmp_is_of_one_session(host, shell):
    _, name, key = shell
    host.ssh(key, name, "printf '#!/bin/sh\\necho ran\\n' >prog; chmod +x prog", check=True)
    assert host.ssh(key, name, "./prog").stdout == "ran\n"
    assert host.ssh(key, name, "echo x >/tmp/mine; ls /tmp").stdout == "mine\n"
    assert host.ssh(key, name, "ls /tmp /var/tmp /dev/shm").stdout.count("mine") == 0
    assert not Path("/tmp/mine").exists()


def test_what_has_a_role_of_its_own_needs_it(host, shell, tmp_path):
    owner, name, key = shell
    (tmp_path / "f").write_text("x")
    for command in ("scp -t .", "/usr/lib/openssh/sftp-server", "rsync --server . .", "git-receive-pack 'r'",
                    "git-upload-pack r"):
        result = host.ssh(key, name, command)
        assert result.returncode != 0 and "this key takes shell only" in result.stderr, (command, result)
    assert run("scp", *host.ssh_options(key), tmp_path / "f", f"{name}@127.0.0.1:f", check=False).returncode != 0
    assert not (home_of(name) / "f").exists()
    both = key_add(host, tmp_path, owner, "both", "--role", "shell,sync,sftp")
    run("scp", *host.ssh_options(both), tmp_path / "f", f"{name}@127.0.0.1:f")
    host.rsync(both, "-a", f"{tmp_path}/f", f"{name}@127.0.0.1:g")
    assert host.ssh(both, name, "cat f g").stdout == "xx"


def test_no_terminal_without_the_option(host, shell, tmp_path):
    owner, name, key = shell
    code, shown = on_terminal(host, key, name, [])
    assert "PTY allocation request failed" in shown, shown
    # a role beside it has no terminal either
    push = key_add(host, tmp_path, owner, "push")
    assert "PTY allocation request failed" in on_terminal(host, push, name, [])[1]


def test_a_terminal_has_job_control(host, shell, tmp_path):
    owner, name, _ = shell
    key = key_add(host, tmp_path, owner, "tty", "--role", "shell", "--tty")
    code, shown = on_terminal(host, key, name, [
        ("echo -n he; echo re\n", "[\r\n]here"),
        ("tty; echo $TERM; stty size; echo -n di; echo d\n", "[\r\n]did"),
        ("sleep 1000\n", "sleep"), ("\x1a", "Stopped"), ("jobs\n", r"\[1\]\+ +Stopped"),
        ("fg\n", r"fg[\r\n][\s\S]*sleep 1000"), ("\x03", r"\^C"), ("echo -n en; echo d\n", "[\r\n]end"),
        ("exit 9\n", "exit 9")])
    assert code == 9, shown
    assert "/dev/console" in shown and "xterm" in shown and "no job control" not in shown
    wait_until(lambda: not processes_of(name), "nothing stays")
    # a program that wants terminals of its own has them
    assert on_terminal(host, key, name, [("script -qc 'echo $((40 + 2)); tty' /dev/null; exit\n", "42")])[0] == 0


def test_a_terminal_that_is_closed_ends_all_of_it(host, shell, tmp_path):
    owner, name, _ = shell
    key = key_add(host, tmp_path, owner, "tty", "--role", "shell", "--tty")
    main, side = pty.openpty()
    session = subprocess.Popen(["ssh", "-tt", *host.ssh_options(key), f"{name}@127.0.0.1"], stdin=side, stdout=side,
                               stderr=side)
    os.write(main, b"nohup setsid sh -c 'trap \"\" HUP TERM; while :; do sleep 1000; done' >/dev/null 2>&1 & sleep 2000\n")
    wait_until(lambda: run("pgrep", "-fx", "sleep [12]000", check=False).stdout.count("\n") >= 2, "they run")
    session.kill()
    wait_until(lambda: not processes_of(name), "all of it ends")
    os.close(main), os.close(side)


def test_when_the_connection_ends_no_process_stays(host, shell):
    _, name, key = shell
    hostile = "trap '' HUP TERM INT; for i in 1 2 3; do setsid nohup sh -c 'trap \"\" HUP TERM; sleep 999' >/dev/null 2>&1 & done; sleep 998"
    session = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", hostile], stdin=subprocess.PIPE)
    wait_until(lambda: run("pgrep", "-fx", "sleep 99[89]", check=False).stdout.count("\n") >= 4, "they run")
    session.kill()
    wait_until(lambda: not processes_of(name), "all of it ends")
    # nor does one that is left behind by a command that ended
    host.ssh(key, name, "setsid sleep 997 >/dev/null 2>&1 </dev/null & exit 0")
    wait_until(lambda: not processes_of(name), "all of it ends")


def test_a_lock_ends_it(host, shell):
    owner, name, key = shell
    session = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "trap '' TERM HUP; sleep 996"],
                               stdin=subprocess.PIPE)
    wait_until(lambda: run("pgrep", "-fx", "sleep 996", check=False).stdout, "it runs")
    host.subuid("lock", "web1", user=owner)
    assert session.wait(60) != 0 and not processes_of(name)
    assert host.ssh(key, name, "true").returncode != 0


def test_command_runs_its_line_and_nothing_of_the_clients(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    line = "echo \"ran: $SSH_ORIGINAL_COMMAND\"; echo 100% \"it's\" | tr a-z A-Z; cat; exit 4"
    key = key_add(host, tmp_path, owner, "command", "--command", line)
    [stored] = [k for k in host.subuid_json("key", "list", "web1", user=owner) if k["role"] == "command"]
    assert stored["command"] == line
    for asked in ([], ["touch evil; $(touch evil2)"], ["rsync --server . ."], ["/usr/lib/openssh/sftp-server"]):
        result = host.ssh(key, name, *asked, input="data", options=["-T"])
        assert result.returncode == 4, result
        assert result.stdout == f"ran: {' '.join(asked)}\n100% IT'S\ndata"
    assert run("sftp", "-b", "-", *host.ssh_options(key), f"{name}@127.0.0.1", input="ls\n", check=False).returncode != 0
    assert not [p for p in home_of(name).iterdir() if p.name.startswith("evil")]
    # no file of the account's decides about it
    for file in (".bashrc", ".profile", ".bash_profile", ".ssh/rc", ".ssh/environment", ".bash_logout"):
        path = home_of(name) / file
        path.parent.mkdir(exist_ok=True)
        path.write_text("echo FROM-RC >&2; touch ~/rc-ran\n")
        os.chown(path, pwd.getpwnam(name).pw_uid, -1)
        os.chown(path.parent, pwd.getpwnam(name).pw_uid, -1)
    assert host.ssh(key, name, "x", input="").stdout.startswith("ran: x\n")


REFUSED = [
    (("--role", "command"), "belong together"),
    (("--role", "shell", "--command", "ls"), "belong together"),
    (("--role", "command,sftp", "--command", "ls"), "no other role"),
    (("--role", "sync,command", "--command", "ls"), "no other role"),
    (("--role", "sftp", "--tty"), "for shell and command"),
    (("--role", "push", "--net", "443"), "for shell and command"),
    (("--role", "shell", "--append-only"), "can delete"),
    (("--role", "shell", "--net", "0"), "not a list of ports"),
    (("--role", "shell", "--net", "443,443"), "not a list of ports"),
    (("--role", "shell", "--net", "65536"), "not a list of ports"),
    (("--command", "two\nlines"), "not a command line"),
    (("--command", "x" * 256), "not a command line"),
]


@pytest.mark.parametrize("options, says", REFUSED)
def test_what_does_not_go_together_is_refused(host, shell, tmp_path, options, says):
    result = key_add(host, tmp_path, shell[0], "refused", *options, check=False)
    assert result.returncode != 0 and says in result.stderr, result


def test_a_key_is_told_changed_and_exported_with_all_of_it(host, shell, tmp_path):
    owner, name, _ = shell
    key_add(host, tmp_path, owner, "c", "--command", "tar -c .", "--net", "443,53", "--tty", "--from", "127.0.0.0/8")
    def found():
        return [k for k in host.subuid_json("key", "list", "web1", user=owner) if k["role"] != "shell"][0]
    assert (found()["command"], found()["net"], found()["options"]) == ("tar -c .", "443,53", ["tty"])
    assert "tar -c ." in host.subuid("key", "list", "web1", user=owner).stdout
    assert "command tar -c ." in host.subuid("audit", user=owner).stdout
    host.subuid("key", "change", "web1", str(found()["id"]), "--command", "tar -c a", user=owner)
    assert (found()["command"], found()["net"]) == ("tar -c a", "443,53")
    rows = [json.loads(line) for line in host.subuid("export").stdout.splitlines()]
    assert [r["key"]["net"] for r in rows if r["kind"] == "key" and r["label"] == "web1" and r["owner"] == owner and
            r["key"].get("command") == "tar -c a"] == ["443,53"]
    host.subuid("key", "change", "web1", str(found()["id"]), "--role", "push", user=owner, check=False)
    assert host.subuid("check", "--all", check=False).returncode == 0
    host.restart_daemon()
    assert host.subuid("check", "--all", check=False).returncode == 0


def test_a_read_only_shell_changes_nothing(host, tmp_path):
    owner, name, key = host.account(tmp_path, "shell", "web1", None, "--read-only")
    (home_of(name) / "f").write_text("kept")
    assert host.ssh(key, name, "cat f").stdout == "kept"
    for attack in ("echo x >f", "rm -f f", "touch new", "chmod 777 .", "mv f g", "touch -d @1 f"):
        assert host.ssh(key, name, attack).returncode != 0, attack
    assert [(p.name, p.read_text()) for p in home_of(name).iterdir()] == [("f", "kept")]
    assert host.ssh(key, name, "echo x >/tmp/f && cat /tmp/f").stdout == "x\n"


def accept_all(listener):
    """So that there is room for more."""
    with contextlib.suppress(OSError):
        while True:
            listener.accept()[0].close()


@pytest.fixture
def two_ports():
    """Something listens on each."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    threading.Thread(target=accept_all, args=[listeners[0]], daemon=True).start()
    yield [l.getsockname()[1] for l in listeners]
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize("which, said", [("dash", "dash"), ("busybox", "busybox")])
def test_the_shell_is_the_hosts_setting(host, shell, which, said):
    _, name, key = shell
    if which == "busybox" and not Path("/bin/busybox").exists():
        Path("/bin/busybox").symlink_to("dash")  # what is asked here is which file is run
    conf = Path("/etc/subuidd.conf.d/60-shell.conf")
    conf.write_text(f"[sessions]\nshell = {which}\n")
    try:
        host.restart_daemon()
        assert f"/bin/{said}" == host.ssh(key, name, "echo $SHELL").stdout.strip()
        assert "1\n" == host.ssh(key, name, "echo ${BASH_VERSION:-1}").stdout
    finally:
        conf.unlink()
        host.restart_daemon()
    assert host.ssh(key, name, "echo ${BASH_VERSION%%.*}").stdout == "5\n"


def test_a_shell_is_no_backup_and_is_not_slowed_down(host, shell):
    owner, name, key = shell
    for _ in range(45):  # 40 such commands a minute are free for other keys
        assert host.ssh(key, name, "false").returncode == 1
    runs = host.subuid_json("log", "web1", "-n", "60", user=owner)
    runs = runs["runs"] if isinstance(runs, dict) else runs
    assert {(r["tool"], r["kind"]) for r in runs} == {("shell", "read")}


@pytest.mark.parametrize("syscall", ["unshare", "landlock_create_ruleset", "landlock_restrict_self", "seccomp", "pivot_root"])
def test_a_kernel_that_does_not_isolate_gets_no_shell(host, shell, syscall):
    _, name, key = shell
    uid, home = str(pwd.getpwnam(name).pw_uid), str(home_of(name))
    tool = ("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "/usr/libexec/subuidd/tool", "-report", "-shell=bash",
            "-key=1", "-takes=shell", "--", "shell", home)
    with_report = ("sh", "-c", "exec 3</dev/null; exec \"$@\"", "sh")
    environment = {"SSH_ORIGINAL_COMMAND": "echo ran", "USER": name}
    assert run(*with_report, *tool, env=environment).stdout == "ran\n"
    result = run(*with_report, "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e",
                 f"inject={syscall}:error=ENOSYS", *tool, env=environment, check=False)
    assert (result.returncode, result.stdout) == (78, "") and "cannot confine" in result.stderr, result


def test_forwarding_only_with_its_role(host, shell, tmp_path, two_ports):
    owner, name, key = shell
    both = key_add(host, tmp_path, owner, "forward", "--role", "shell,forward", "--forward", f"127.0.0.1:{two_ports[0]}")
    assert host.ssh(both, name, "echo in").stdout == "in\n"
    for with_it in (key, both):
        session = host.ssh(with_it, name, "true", options=["-W", f"127.0.0.1:{two_ports[1]}"], input="")
        assert session.returncode != 0
