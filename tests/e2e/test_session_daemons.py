# SPDX-License-Identifier: ISC
"""Sessions that cron, atd and login open: the real programs with Debian's files of PAM, where an administrator has let
sub-accounts use them."""

import contextlib
import os
import pty
import subprocess
from pathlib import Path

from conftest import run, wait_until
from session_fixture import mounts, namespaces, services, settings, text_of
from test_shell_clients import home_of

LOOK = "ls /home /srv/subuid; id -un; test -e /root/. && ls /root; grep -c . /proc/self/mountinfo; touch /etc/x && echo written"


@contextlib.contextmanager
def running(*program):
    """A daemon in the foreground; nothing of it stays."""
    before, spaces = mounts(), set(namespaces())
    with subprocess.Popen(program, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as daemon:
        try:
            yield daemon
            wait_until(lambda: not children(daemon), "its jobs have ended")
        finally:
            daemon.kill()
    assert mounts() == before
    wait_until(lambda: set(namespaces()) <= spaces, "no mount namespace stays")


def children(process):
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


@contextlib.contextmanager
def cron(tables):
    """Debian's cron as after a start of the host; tables: by the names of their users."""
    for name, table in tables.items():
        run("crontab", "-u", name, "-", input=table)
    Path("/run/crond.reboot").unlink(missing_ok=True)
    try:
        with running("/usr/sbin/cron", "-f") as daemon:
            yield daemon
    finally:
        for name in tables:
            run("crontab", "-u", name, "-r", check=False)


def own_alone(seen, owner, name):
    """What a session that sees its own home says of LOOK."""
    words = seen.split()
    return words[:-1] == ["/home:", name, "/srv/subuid:", owner, name] and words[-1].isdigit()


def test_a_job_of_cron_sees_its_own_home_alone(host, tmp_path):
    owner, name, _ = host.account(tmp_path, "sftp")
    host.account(tmp_path, "sftp", "other", owner)
    ours, theirs = home_of(name) / "seen", Path(f"/home/{owner}/seen")
    tables = {name: f"@reboot ({LOOK}) >{ours}.new 2>/dev/null; mv {ours}.new {ours}\n",
              owner: f"@reboot ls /home >{theirs}.new; mv {theirs}.new {theirs}\n"}
    with services("sshd,cron"), cron(tables):
        wait_until(lambda: ours.exists() and theirs.exists(), "both jobs have run")
    assert own_alone(ours.read_text(), owner, name)
    assert owner in theirs.read_text(), "the owner's own job sees the host"
    ours.unlink()
    theirs.unlink()
    with cron(tables):  # the default: sub-accounts may not use it
        wait_until(theirs.exists, "the owner's job has run")
    assert not ours.exists()


def at(name, home, script):
    run("at", "now", user=name, input=script, cwd=home)


def spooled():
    return {entry.name for entry in [*Path("/var/spool/cron/atjobs").iterdir(), *Path("/var/spool/cron/atspool").iterdir()]
            if entry.name[0] != "."}


def test_a_job_of_at_sees_its_own_home_alone(host, tmp_path):
    """Its daemon takes its files away from inside of the session, so that its directories have to be opened."""
    owner, name, _ = host.account(tmp_path, "sftp")
    home, theirs = home_of(name), Path(f"/home/{owner}/seen")
    with services("sshd,atd"), running("/usr/sbin/atd", "-f") as daemon:
        with settings(host, bind="/var/spool/cron/atjobs rw, /var/spool/cron/atspool rw"):
            at(name, home, f"({LOOK}; ls /var/spool/cron/atjobs) >seen.new 2>/dev/null; mv seen.new seen\n")
            wait_until((home / "seen").exists, "the job has run")
            wait_until(lambda: not children(daemon), "and what started it has ended")
        assert own_alone((home / "seen").read_text(), owner, name)
        assert spooled() == set()
    (home / "seen").unlink()
    with running("/usr/sbin/atd", "-f"):  # the default
        at(name, home, "touch seen\n")
        at(owner, f"/home/{owner}", "touch seen\n")
        wait_until(theirs.exists, "the owner's job has run")
    assert not (home / "seen").exists()


def logged_in(name):
    """Exit status and screen of login, by which a terminal's user comes in, after the password."""
    main, side = pty.openpty()
    with subprocess.Popen(["setsid", "--ctty", "--wait", "login", "-f", name], stdin=side, stdout=side, stderr=side, cwd="/") as session:
        os.close(side)
        shown = b""
        with contextlib.suppress(OSError):  # the other side is closed
            while data := os.read(main, 4096):
                shown += data
    os.close(main)
    return session.returncode, shown.decode()


def test_login_opens_one_and_the_shell_says_what_there_is(host, tmp_path):
    owner, name, _ = host.account(tmp_path, "sftp")
    look = Path("/usr/local/bin/look")
    look.write_text(f"#!/bin/sh\n[ $PAM_TYPE = open_session ] || exit 0\n{LOOK.replace('id -un', 'echo $PAM_USER')}\n")
    look.chmod(0o755)
    before, spaces = mounts(), set(namespaces())
    with text_of("/etc/pam.d/login", lambda text: f"{text}session optional pam_exec.so stdout {look}\n"):
        with services("sshd,login"):
            code, shown = logged_in(name)
        refused, said = logged_in(name)
    assert own_alone(shown[shown.index("/home:"):shown.index("touch:")], owner, name), shown
    assert code == 0 and "no shell here" in shown and "written" not in shown
    # pam_motd, which comes before, has made /run/motd.dynamic, and says nothing of that
    assert shown.startswith("Linux ") and "motd" not in shown
    assert refused != 0 and "sub-accounts may not use this service" in said and "/home:" not in said
    assert mounts() == before and set(namespaces()) <= spaces
