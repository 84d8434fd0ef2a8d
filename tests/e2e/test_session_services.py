# SPDX-License-Identifier: ISC
"""Sessions with mounts of their own by each service, beside other modules, and when a step of it fails."""

import contextlib
import os
import pwd
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, run, wait_until
from session_fixture import RULES, SESSION_STACKS, inside, mounts, namespaces, second_sshd, services, settings, text_of

LINE = "session required pam_subuid.so\n"


@contextlib.contextmanager
def service(name, text):
    """A service of PAM of this name."""
    path = Path("/etc/pam.d", name)
    before = path.read_text() if path.exists() else None
    path.write_text(text)
    try:
        yield
    finally:
        path.unlink() if before is None else path.write_text(before)


def test_setup_puts_the_line_into_both_stacks_and_pam_auth_update_keeps_it(host):
    for stack in SESSION_STACKS:
        assert "pam_subuid.so" in stack.read_text()
    run("pam-auth-update", "--package", "--force", env={"DEBIAN_FRONTEND": "noninteractive"})
    for stack in SESSION_STACKS:
        assert "pam_subuid.so" in stack.read_text()


def held(host, key, name):
    """A connection by sshd whose command waits; the process of the account that does."""
    client = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "rsync", "--server", "-logDtpre.iLsfxC",
                               ".", "."], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    uid = pwd.getpwnam(name).pw_uid
    return client, int(wait_until(lambda: run("pgrep", "-u", str(uid), "-x", "login", check=False).stdout.strip(), "it runs"))


def test_a_connection_by_sshd_has_mounts_of_its_own(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    host.account(tmp_path, "push", "other", owner)
    client, pid = held(host, key, name)
    try:
        table = Path(f"/proc/{pid}/mountinfo").read_text()
        seen = {line.split()[4]: line.split()[5].split(",") for line in table.splitlines()}
        home = f"/srv/subuid/{owner}/web1/home"
        assert "other" not in table and "/view" not in table
        for path in (home, f"/home/{name}", "/tmp"):
            assert {"rw", "nosuid", "nodev", "noexec"} <= set(seen[path]), path
        assert {"ro", "nosuid", "nodev"} <= set(seen["/"])
        assert all("nosuid" in options for options in seen.values())
        assert [path for path, options in seen.items() if "nodev" not in options] == [
            path for path in seen if path == "/dev" or path in ("/dev/pts", "/dev/ptmx")]
        assert "hidepid=invisible" in next(line for line in table.splitlines() if " /proc " in line)
        # the process of sshd that stays root is in there, too, and so are those that it starts
        assert len({space for space, who in namespaces().items() if "login" in who}) == 1
    finally:
        client.kill()
        client.wait()
    wait_until(lambda: all("login" not in who for who in namespaces().values()), "nothing is left of it")


def test_a_push_is_recorded_from_inside(host, tmp_path):
    _, name, key = host.account(tmp_path)
    source = tmp_path / "file"
    source.write_text("pushed")
    host.rsync(key, "-a", source, f"{name}@127.0.0.1:")
    wait_until(lambda: host.subuid("log", name).stdout.count("backup") == 1, "the run is in the log")


@pytest.mark.parametrize("command", [
    ["su", "-s", "/bin/sh", "{name}", "-c", "{script}"],
    ["su", "-l", "-s", "/bin/sh", "{name}", "-c", "{script}"],
    ["runuser", "-l", "-s", "/bin/sh", "{name}", "-c", "{script}"],
])
def test_su_and_runuser(host, tmp_path, command):
    owner, name, _ = host.account(tmp_path)
    script = f"ls /home; ls /srv/subuid; grep -c . /etc/passwd- || :; test -e /proc/{os.getpid()} && echo seen"
    command = [word.format(name=name, script=script) for word in command]
    with services("sshd,su,su-l,runuser-l"):
        run("touch", "/etc/passwd-")
        if command[0] == "runuser":  # Debian's file includes no common one
            control = run(*command, check=False, cwd="/").stdout
            assert owner in control and "seen" in control
            path = Path("/etc/pam.d/runuser-l")
            with text_of(path, lambda text: text + LINE):
                said = run(*command, check=False, cwd="/").stdout
        else:
            said = run(*command, check=False, cwd="/").stdout
    assert said.split() == [name, owner, "0"]


@pytest.mark.parametrize("name_of_service", ["cron", "atd", "login"])
def test_services_that_open_sessions_by_themselves(host, tmp_path, name_of_service):
    """With the lines of Debian's packages, by what opens a session of them and leaves it."""
    _, name, _ = host.account(tmp_path)
    stack = "common-session" if name_of_service == "login" else "common-session-noninteractive"
    text = f"account required pam_permit.so\n@include common-account\nsession required pam_loginuid.so\n@include {stack}\n"
    before = mounts()
    with service(name_of_service, text), services(f"sshd,{name_of_service}"):
        assert run("pamtester", name_of_service, name, "acct_mgmt", "open_session", "close_session").returncode == 0
        probe = service_probe(name_of_service, name, "ls /home")
    assert probe.split() == [name]
    assert mounts() == before
    refused = run("pamtester", name_of_service, name, "acct_mgmt", check=False)
    assert refused.returncode != 0


def service_probe(name_of_service, name, command):
    """The output of a command that is run between open_session and close_session of that service."""
    program = Path("/run/session_probe")
    run("gcc", "-o", program, ROOT / "tests/e2e/session_probe.c", "-lpam")
    return run(program, name_of_service, name, "/bin/sh", "-c", command).stdout


def test_the_session_line_alone_can_keep_services_out(host, tmp_path):
    _, name, _ = host.account(tmp_path)
    with service("tried", "session required pam_subuid.so services=sshd\n"):
        refused = run("pamtester", "tried", name, "open_session", check=False)
        assert refused.returncode != 0 and "may not use this service" in refused.stdout + refused.stderr
    with service("tried", "session required pam_subuid.so services=sshd,tried\n"):
        assert run("pamtester", "tried", name, "open_session", check=False).returncode == 0
    with service("tried", "session required pam_subuid.so servces=sshd\n"):
        assert run("pamtester", "tried", name, "open_session", check=False).returncode != 0


@pytest.mark.parametrize("first", [True, False])
def test_beside_pam_namespace_pam_limits_and_pam_loginuid(host, tmp_path, first):
    """Whichever comes first; what pam_namespace has to write to after us is opened to it."""
    _, name, _ = host.account(tmp_path)
    Path("/opt/instances").mkdir(mode=0o000, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(text_of("/etc/security/namespace.conf",
                                    lambda text: text + "/tmp /opt/instances/ user root\n"))
        stack.enter_context(text_of("/etc/security/limits.conf", lambda text: text + "* hard nofile 777\n"))
        other = "session required pam_namespace.so\nsession required pam_limits.so\n"
        stack.enter_context(service("tried", "session required pam_loginuid.so\n" +
                                    (LINE + other if first else other + LINE)))
        if first:
            assert run("pamtester", "tried", name, "open_session", check=False).returncode != 0
            stack.enter_context(settings(host, bind="/opt/instances rw"))
        said = service_probe("tried", name, "ulimit -n; ls /home; touch /tmp/own && ls /tmp")
        assert said.split() == ["777", name, "own"]
    assert not Path("/tmp/own").exists()


CALLS = ["unshare", "open_tree", "mount_setattr", "move_mount", "fsopen", "fsconfig", "fsmount", "pivot_root", "umount2",
         "mkdirat", "openat2", "fchown"]


@pytest.mark.parametrize("call", CALLS)
def test_a_step_that_fails_refuses_the_session_and_leaves_nothing(host, tmp_path, call):
    """Each call that builds it, the first time and each time after that, until there is none to fail."""
    _, name, _ = host.account(tmp_path)
    before, failed, traced = mounts(), 0, tmp_path / "traced"
    with service("tried", LINE):
        for when in range(1, 200):
            error = ("EPERM", "ENOMEM", "ENOSPC")[when % 3]
            result = run("strace", "-f", "-o", traced, "-e", f"trace={call}", "-e",
                         f"inject={call}:error={error}:when={when}", "pamtester", "tried", name, "open_session", check=False)
            said = result.stdout + result.stderr
            if "INJECTED" not in traced.read_text():
                assert result.returncode == 0, said
                break
            assert mounts() == before
            if call == "fchown" and result.returncode == 0:  # the turn of refused commands is not part of it
                continue
            failed += 1
            assert result.returncode != 0
            assert re.search(rf"{re.escape(name)}: refused: no file systems of its own: .*: {error}; see", said), said
        else:
            raise AssertionError("there is no end of it")
    assert failed > 0


def test_nobody_is_told_what_pam_motd_cannot_write(host, tmp_path):
    """It comes after us in sshd's file, and would make /run/motd.dynamic anew."""
    _, name, key = host.account(tmp_path, "shell", "web1", None, "--tty")
    journal, dynamic = tmp_path / "journal", Path("/run/motd.dynamic")
    dynamic.write_text("what there is today\n")

    def said(option):
        result = run("ssh", option, "-p", "2200", *host.ssh_options(key), f"{name}@127.0.0.1", "echo in", check=False)
        return result.stdout + result.stderr

    with journal.open("wb") as output, second_sshd("-e", output=output):  # the control: for somebody who looks for faults
        assert said("-T") == "in\n"
    assert "cannot create /run/motd.dynamic.new" in journal.read_text()
    with journal.open("wb") as output, second_sshd(output=output):
        assert said("-T") == "in\n" and said("-tt") == "in\n"
    assert journal.read_text() == ""
    assert dynamic.read_text() == "what there is today\n"


def test_the_process_is_back_where_it_was(host, tmp_path):
    """After a step that fails, what the service goes on to do is seen by the host."""
    _, name, _ = host.account(tmp_path)
    seen, script = Path("/run/seen"), Path("/usr/local/bin/where")
    script.write_text("#!/bin/sh\nreadlink /proc/self/ns/mnt > /run/seen\n")
    script.chmod(0o755)
    tracer = ["strace", "-f", "-o", "/dev/null", "-e", "inject=pivot_root:error=EPERM"]
    with service("tried", f"{LINE.replace('required', 'optional')}session required pam_exec.so {script}\n"):
        run(*tracer, "pamtester", "tried", name, "open_session", check=False)
        assert seen.read_text().strip() == os.readlink("/proc/self/ns/mnt")
        seen.unlink()
        run("pamtester", "tried", name, "open_session", check=False)  # the control: there it cannot even write
    assert not seen.exists()


def test_rules_that_are_not_understood_refuse_and_none_are_the_defaults(host, tmp_path):
    _, name, key = host.account(tmp_path)
    good = RULES.read_bytes()
    try:
        for bad in (good.replace(b"private yes", b"private perhaps"), good[:-1], good + b"more\n", b"", b"\0" * 100,
                    good.replace(b"hide /home", b"hide ../home")):
            RULES.write_bytes(bad)
            result = inside(name, "true", check=False)
            assert result.returncode != 0 and "no file systems of its own" in result.stdout + result.stderr
        RULES.write_bytes(good)
        RULES.chmod(0o666)
        assert inside(name, "true", check=False).returncode != 0
        RULES.unlink()
        assert inside(name, "ls /home").split() == [name]
    finally:
        RULES.write_bytes(good)
        RULES.chmod(0o644)
    # by sshd: said in the log, nothing is run, and the connection ends
    RULES.write_bytes(b"x")
    try:
        result = host.ssh(key, name, "rsync", "--server", ".", ".", options=["-o", "ServerAliveInterval=1"])
        assert result.returncode == 254 and "no file systems of its own" in result.stdout
    finally:
        RULES.write_bytes(good)
