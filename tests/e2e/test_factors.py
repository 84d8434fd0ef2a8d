# SPDX-License-Identifier: ISC
"""Accounts of which a login needs a key and a password, through real sshd and PAM: `subuid set NAME --factors both`."""

import os
import pwd
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import call, expiry_after, run, wait_until
from test_passwords import OPTIONS, WRONG, logs_in, passwords, typed, web  # noqa: F401

DROP_IN = Path("/etc/ssh/sshd_config.d/50-subuidd.conf")


def both_options(key, methods="publickey,password"):
    options = ["PubkeyAuthentication=yes" if word == "PubkeyAuthentication=no" else word for word in OPTIONS]
    return [*options, "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", f"PreferredAuthentications={methods}"]


def with_both(key, password, program, *words, methods="publickey,password", input=""):
    """A client that has a key, and is given the password as a person would type it."""
    return run(program, *both_options(key, methods), *words, env=typed(password), input=input, check=False, timeout=60)


def comes_in(key, password, name, methods="publickey,password"):
    return with_both(key, password, "sftp", f"{name}@127.0.0.1", input="ls /\n", methods=methods).returncode == 0


def sshd_is(host, text):
    DROP_IN.write_text(text)
    listening = host.sshd_log().count("Server listening on 0.0.0.0")
    host.sshd.send_signal(signal.SIGHUP)
    wait_until(lambda: host.sshd_log().count("Server listening on 0.0.0.0") > listening, "sshd listens again")


@pytest.fixture
def without_block(passwords):  # noqa: F811
    """A host on which sshd does not ask for both: the drop-in is one of before."""
    before = DROP_IN.read_text()
    start, end = before.index("Match Group subuids-both"), before.index("Match Group subuids-passwords")
    sshd_is(passwords, before[:start] + before[end:])
    yield
    sshd_is(passwords, before)


def test_one_of_both_does_not_let_in(passwords, web, tmp_path):  # noqa: F811
    password, other = web("--role", "sftp"), passwords.new_key(tmp_path, "other")
    # the control: one of them is enough, where nobody has said otherwise
    assert comes_in(web.key, "", web.name, "publickey") and logs_in(web(), web.name)
    passwords.subuid("set", "web1", "--factors", "both", user=web.owner)
    assert "subuids-both" in run("id", "-Gn", web.name).stdout.split()
    for methods in ("publickey,password", "publickey,keyboard-interactive"):
        assert comes_in(web.key, password, web.name, methods), methods
    refused = passwords.ssh_options(web.key)
    assert run("sftp", *refused, f"{web.name}@127.0.0.1", input="ls /\n", check=False).returncode != 0
    assert not comes_in(web.key, "", web.name, "publickey")
    for method in ("password", "keyboard-interactive"):
        assert not logs_in(password, web.name, method=method), method
    assert not comes_in(web.key, WRONG, web.name) and not comes_in(other, password, web.name)
    # nor the other way round, nor what is somebody else's
    owner, name, key = passwords.account(tmp_path, "sync,sftp", "web1")
    assert not comes_in(key, password, web.name) and not comes_in(web.key, password, name)
    passwords.subuid("set", "web1", "--factors", "any", user=web.owner)
    assert comes_in(web.key, "", web.name, "publickey") and "subuids-both" not in run("id", "-Gn", web.name).stdout.split()


def test_it_may_do_what_the_key_may(passwords, web):  # noqa: F811
    password = web("--role", "shell", "--tty")
    passwords.subuid("set", "web1", "--factors", "both", user=web.owner)
    ran = with_both(web.key, password, "ssh", f"{web.name}@127.0.0.1", "echo $((1 + 1))")
    assert ran.returncode != 0 and "2" not in ran.stdout
    refused = with_both(web.key, password, "ssh", "-tt", f"{web.name}@127.0.0.1", "tty")
    assert refused.returncode != 0 and "/dev/" not in refused.stdout
    assert comes_in(web.key, password, web.name)
    forwarded = with_both(web.key, password, "ssh", "-W", "127.0.0.1:22", f"{web.name}@127.0.0.1")
    assert forwarded.returncode != 0 and "SSH-2.0" not in forwarded.stdout
    # the client names nothing
    home = Path(pwd.getpwnam(web.name).pw_dir) / "home"
    for words in ("granted", "sync key=1 fp=SHA256:" + "A" * 43, "touch made"):
        assert with_both(web.key, password, "ssh", f"{web.name}@127.0.0.1", words).returncode != 0, words
    assert not list(home.iterdir())


def test_pam_refuses_one_of_both_where_sshd_does_not_ask(passwords, web, without_block):  # noqa: F811
    password = web("--role", "sftp")
    assert comes_in(web.key, "", web.name, "publickey") and logs_in(web(), web.name), "the control"
    passwords.subuid("set", "web1", "--factors", "both", user=web.owner)
    asked = with_both(web.key, "", "ssh", f"{web.name}@127.0.0.1", "true", methods="publickey")
    assert asked.returncode != 0 and "a key and a password" in asked.stderr + asked.stdout, asked
    assert not comes_in(web.key, "", web.name, "publickey") and not logs_in(password, web.name)
    said = run("/usr/bin/subuid", "doctor", check=False).stdout
    if f"for {web.name} " in said:  # doctor looks at one account
        assert "`authenticationmethods` is" in said, said


def test_the_session_ends_with_the_first_of_both(passwords, web):  # noqa: F811
    control = web("--role", "sftp")
    soon = expiry_after(lambda: logs_in(control, web.name))
    reply = call("io.subuidd.Accounts.KeyAdd", {"owner": web.owner, "label": "web1", "key": {
        "password": True, "role": "sftp", "expires": soon}})
    password = reply["parameters"]["password"]
    passwords.subuid("set", "web1", "--factors", "both", user=web.owner)
    process = subprocess.Popen(["ssh", *both_options(web.key), "-s", f"{web.name}@127.0.0.1", "sftp"],
                               env={**os.environ, **typed(password)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdin.write(b"\0\0\0\5\1\0\0\0\3")  # SSH_FXP_INIT, version 3
        process.stdin.flush()
        assert process.stdout.read(5)[4:] == b"\2" and time.time() < soon, "SSH_FXP_VERSION: it is connected"
        process.wait(60)
        assert time.time() >= soon
    finally:
        process.kill()
        process.communicate()
    assert not comes_in(web.key, password, web.name), "it has expired"


def test_nobody_comes_in_where_the_host_takes_no_passwords(passwords, web):  # noqa: F811
    password = web("--role", "sftp")
    passwords.subuid("set", "web1", "--factors", "both", user=web.owner)
    conf = Path("/etc/subuidd.conf.d/40-passwords.conf")
    before = conf.read_text()
    conf.write_text("[passwords]\nenabled = no\n")
    passwords.daemon.send_signal(signal.SIGHUP)
    try:
        wait_until(lambda: not comes_in(web.key, password, web.name), "the setting counts")
        assert not comes_in(web.key, "", web.name, "publickey")
    finally:
        conf.write_text(before)
        passwords.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: comes_in(web.key, password, web.name), "the control: with passwords it is let in")
