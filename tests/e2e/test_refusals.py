# SPDX-License-Identifier: ISC
"""The words that a person reads whose client was refused, with the real clients; and commands that are not refused."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, run, wait_until
from test_runs import SPOOL
from test_tools import borg, home_of, sftp, ssh_command, sshfs  # noqa: F401


def runs(host, owner, label="web1"):
    return host.subuid_json("log", label, user=owner)


@pytest.mark.parametrize("role", ["push", "pull", "sftp", "borg,restic", "sync,sftp", "forward"])
def test_a_probe_gets_the_answer_of_a_shell_and_is_no_backup(host, tmp_path, role):
    owner, name, key = host.account(tmp_path, role, "web1", None, *(["--forward", "127.0.0.1:80"] if role == "forward" else []))
    for command, answer in [("true", ""), (":", ""), ("exit", ""), ("exit 0", ""), ("echo", "\n"), ("echo ok", "ok\n"),
                            ("echo 'is it up' now", "is it up now\n")]:
        result = host.ssh(key, name, command)
        assert (result.returncode, result.stdout) == (0, answer), (command, result.stderr)
        assert ("this key takes" in result.stderr) == bool(answer), command  # a person has typed it
    found = wait_until(lambda: (found := runs(host, owner)) and len(found) == 7 and found, "the probes are recorded")
    assert {row["kind"] for row in found} == {"probe"}
    # The control: what only looks like one runs nothing.
    for command in ("echo ok; id", "echo $HOME", "exit 1", "echo `id`", "echo *"):
        result = host.ssh(key, name, command)
        assert result.returncode == 1 and result.stdout == "" and "subuid" in result.stderr, command


# All that a key allows is said, whatever was asked for.
TAKES = [("push", [], "rsync to write"), ("pull", [], "rsync to read"), ("sync,sftp", [], "rsync and sftp"),
         ("push,sftp,borg", [], "rsync to write, sftp and borg"), ("borg", [], "borg"),
         ("forward", ["--forward", "127.0.0.1:80"], "forwarding (ssh -N -L PORT:HOST:PORT)"),
         ("sync,borg,forward", ["--forward", "127.0.0.1:80"], "rsync, borg and forwarding (ssh -N -L PORT:HOST:PORT)")]


@pytest.mark.parametrize("role, options, takes", TAKES, ids=[role for role, _, _ in TAKES])
def test_all_that_a_key_allows_is_said(host, tmp_path, role, options, takes):
    owner, name, key = host.account(tmp_path, role, "web1", None, *options)
    for command in ("id -u", "test -d /etc", "unison -server", "scp -t x"):
        result = host.ssh(key, name, command)
        assert result.returncode == 1 and result.stdout == "", command
        assert f"this key takes {takes} only" in result.stderr, (command, result.stderr)
        assert "borg: this key is not for it" not in result.stderr
    assert f"this key takes {takes}" in host.ssh(key, name).stderr  # no command at all
    wait_until(lambda: not list(SPOOL.iterdir()), "all of them are recorded")
    found = runs(host, owner)
    assert len(found) == 5 and all((row["kind"], row["status"]) == ("refused", 1) for row in found), found
    assert all(f"this key takes {takes} only" in row["error"] for row in found), found


def test_a_tool_is_not_refused_for_itself(host, tmp_path):
    _, name, key = host.account(tmp_path, "borg,restic")
    for command, tool in (("borg --version", "borg"), ("rclone version", "restic"), ("/usr/bin/borg list", "borg")):
        said = host.ssh(key, name, command).stderr
        assert re.search(rf"{command.split('/')[-1]}: not what the client of {tool} sends; this key takes borg and restic$", said, re.M), said


def test_a_refused_sftp_client_is_told_why(host, tmp_path, sshfs):
    """sshd drops what a subsystem writes to standard error: it is said by the protocol."""
    source = tmp_path / "tree"
    source.mkdir()
    (source / "a").write_text("a\n")
    why = "sftp, scp and sshfs need a key with the role sftp; this key takes "
    for role, takes, options in (("push", "rsync to write only", []), ("borg", "borg only", []),
                                 ("forward", "forwarding (ssh -N -L PORT:HOST:PORT) only", ["--forward", "127.0.0.1:80"])):
        owner, name, key = host.account(tmp_path, role, "web1", None, *options)
        said = sftp(host, key, name, "ls")
        assert said.returncode != 0 and f"{why}{takes}" in said.stderr, said
        said = run("scp", "-s", "-r", *host.ssh_options(key), source, f"{name}@127.0.0.1:", check=False)
        assert said.returncode != 0 and why in said.stderr, said
        # OpenSSH's scp of one file shows no server's words, only the status: the line that the manual has.
        said = run("scp", "-s", *host.ssh_options(key), source / "a", f"{name}@127.0.0.1:", check=False)
        assert said.returncode != 0 and "Connection closed" not in said.stderr, said
        line = re.search(r'^scp: dest open "[^"]*": Permission denied$', said.stderr.replace("\r", ""), re.M)
        assert line and re.sub(r'"[^"]*"', '"FILE"', line[0]) in (ROOT / "man/subuid-tools.5").read_text(), said
        mount = tmp_path / f"mnt-{role}"
        mount.mkdir()
        said = run("sshfs", f"{name}@127.0.0.1:", mount, "-o", f"ssh_command={ssh_command(host, key)}", check=False)
        assert said.returncode != 0 and "Permission denied" in said.stderr and not mount.is_mount(), said
        said = run("restic", "-o", f"sftp.command={ssh_command(host, key)} {name}@127.0.0.1 -s sftp", "-r",
                   f"sftp:{name}@127.0.0.1:repo", "init", env={"RESTIC_PASSWORD": "x"}, check=False)
        assert said.returncode != 0 and why in said.stderr, said
        assert list(home_of(name).iterdir()) == []
        found = wait_until(lambda: (found := runs(host, owner)) and len(found) >= 5 and found, "the refusals are recorded")
        assert all(why in row["error"] and (row["kind"], row["status"]) == ("refused", 1) for row in found), found


def test_the_old_scp_is_told_the_way_out(host, tmp_path):
    (tmp_path / "a").write_text("a\n")
    for role, words in (("sync,sftp", "leave out -O"), ("push", "scp needs a key with the role sftp")):
        _, name, key = host.account(tmp_path, role)
        said = run("scp", "-O", *host.ssh_options(key), tmp_path / "a", f"{name}@127.0.0.1:", check=False)
        assert said.returncode != 0 and words in said.stderr, said
    _, name, key = host.account(tmp_path, "sync,sftp")
    run("scp", "-s", *host.ssh_options(key), tmp_path / "a", f"{name}@127.0.0.1:")  # the way out
    assert (home_of(name) / "a").read_text() == "a\n"


def test_what_stands_in_rsync_path_is_named(host, tmp_path):
    _, name, key = host.account(tmp_path, "push")
    source = tmp_path / "tree"
    source.mkdir()
    for path, words in (("rsync --fake-super", "leave --fake-super out of --rsync-path: it is always on here"),
                        ("rsync --super", "leave --super out of --rsync-path"),
                        ("sudo rsync", "sudo: leave it out of --rsync-path"),
                        ("nice -n 19 rsync", "nice: leave it out of --rsync-path")):
        said = host.rsync(key, "-a", f"--rsync-path={path}", f"{source}/", f"{name}@127.0.0.1:d/", check=False)
        assert said.returncode != 0 and words in said.stderr, said
    host.rsync(key, "-a", f"{source}/", f"{name}@127.0.0.1:d/")


def test_changing_the_owner_over_sftp_is_denied(host, tmp_path):
    _, name, key = host.account(tmp_path, "sftp")
    (tmp_path / "a").write_text("a\n")
    sftp(host, key, name, f"put {tmp_path}/a a", check=True)
    for line in ("chown 0 a", "chgrp 0 a", "chown 12345 a", f"chown {os.getuid()} a"):
        said = sftp(host, key, name, line)
        assert said.returncode != 0 and "Permission denied" in said.stderr, (line, said.stderr)


@pytest.mark.parametrize("program", ["borg1", "borg-1", "borg-1.2", "borg-1.4", "borg1.2", "borg14", "borg12", "/opt/bin/borg1"])
def test_the_names_of_other_providers_mean_borg(host, tmp_path, program):
    _, name, key = host.account(tmp_path, "borg")
    borg(host, key, name, "--remote-path", program, "init", "-e", "none")
    assert (home_of(name) / "repo/config").exists()


@pytest.mark.parametrize("role", ["borg", "push", "sync,sftp"])
def test_borg_shows_why_the_name_of_the_program_is_wrong(host, tmp_path, role):
    """It looks for words only until the channel ends; so that is not at once."""
    _, name, key = host.account(tmp_path, role)
    for program in ("borg2", "my-borg") if role == "borg" else ("borg",):
        for _ in range(2):
            said = borg(host, key, name, "--remote-path", program, "list", check=False)
            assert said.returncode != 0 and f"{program}" in said.stderr and "this key takes" in said.stderr, said.stderr


def test_five_sessions_of_one_connection_are_quiet(host, tmp_path):
    """ControlMaster: what sshd refuses of it a client says with each run, and goes another way."""
    _, name, key = host.account(tmp_path)
    (tmp_path / "big").write_bytes(os.urandom(600_000))
    control = tmp_path / "control"
    master = subprocess.Popen(["ssh", *host.ssh_options(key), "-M", "-S", control, "-N", f"{name}@127.0.0.1"])
    try:
        wait_until(control.exists, "the connection is open")
        clients = [subprocess.Popen(["rsync", "--bwlimit=200", "-e", f"ssh -F none -o ControlMaster=no -S {control}", tmp_path / "big",
                                     f"{name}@127.0.0.1:d{i}/"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for i in range(5)]
        for client in clients:
            assert client.communicate(timeout=100) == ("", "") and client.returncode == 0
    finally:
        master.kill()
        master.wait()
    assert all((home_of(name) / f"d{i}/big").exists() for i in range(5))


PASTED = [("push", []), ("push", ["--no-fake-super"]), ("pull", []), ("blind", []), ("sync", ["--no-overwrite"]), ("sftp", []),
          ("sync,sftp,borg,restic", []), ("borg,restic", ["--read-only"]), ("rdiff-backup", []), ("rdiff-backup", ["--read-only"]),
          ("git-receive-pack,git-upload-pack", []), ("git-receive-pack", ["--append-only"]), ("unison,rclone-sftp", []),
          ("sync,sftp,borg,restic", ["--append-only"]), ("shell", []), ("shell", ["--tty"]), ("command", ["--command", "ls -l"]),
          ("forward", ["--forward", "127.0.0.1:22"]), ("sftp,forward", ["--forward", "127.0.0.1:22"]), ("manage", [])]


def goes_through(command):
    """One of a forward goes on until it is ended."""
    port = int(re.search(r" -N -L (\d+):127\.0\.0\.1:22 ", command)[1])

    def answers():
        with socket.socket() as peer:
            return peer.connect_ex(("127.0.0.1", port)) == 0 and peer.recv(4) == b"SSH-"

    assert not answers()
    with subprocess.Popen(["sh", "-c", f"exec {command}"]) as client:
        try:
            wait_until(answers, "it forwards")
        finally:
            client.terminate()


@pytest.mark.parametrize("pasted", [PASTED[:11], PASTED[11:]], ids=["first", "rest"])
def test_what_is_to_be_pasted_works_for_every_role_and_tool(host, tmp_path, pasted):
    """Each command that is printed, as it is, and by the block for ~/.ssh/config, of which each key has its own."""
    ssh = Path("/root/.ssh")
    ssh.mkdir(mode=0o700, exist_ok=True)
    owner, label = host.new_user(), "web1"
    hosts, config = [], "Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  BatchMode yes\n"
    host.subuid("add", label, user=owner)
    home = home_of(f"{owner}+{label}")
    host.subuid("exec", "--as-account", label, "git", "init", "-q", "--bare", "repository.git", user=owner)  # as subuid-tools(5) says
    run("sh", "-c", "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x", cwd=tmp_path)
    for number, (role, options) in enumerate(pasted):
        key = host.new_key(tmp_path, f"key{number}")
        for suffix in ("", ".pub"):
            shutil.copy(f"{key}{suffix}", ssh / f"key{number}{suffix}")
        said = host.subuid("key", "add", label, Path(f"{key}.pub"), "--role", role, *options, user=owner).stdout
        said = re.sub(r"(HostName |@)[\w.-]+", r"\g<1>127.0.0.1", said)
        said = said.replace(f" ssh://{os.uname().nodename}/", " ssh://127.0.0.1/")
        plain, block = said.split("\nor put this into its ~/.ssh/config:\n")
        block, short = re.match(r"\n(  Host .*?)\n\n(.*)", block, re.S).groups()
        hosts += re.findall(r"Host (\S+)\n", block)
        config += block + "\n"
        (ssh / "config").write_text(config)
        if role == "pull":
            assert host.ssh(ssh / "key0", f"{owner}+{label}", "true").returncode == 0
        for commands in (plain, short):
            commands = [line.strip() for line in commands.splitlines() if line.startswith("  ")]
            first = 0 if "--read-only" in options else sum(tool in role for tool in ("borg", "restic"))
            assert len(commands) == len(role.split(",")) + first, commands
            for command in commands:
                if "the first time" in command and (home / ("borg" if "borg init" in command else "restic") / "config").exists():
                    continue
                if " -N " in command:
                    goes_through(command)
                    continue
                run("rm", "-rf", tmp_path / "repository", tmp_path / "rdiff-backup.restored")
                result = run("sh", "-c", command, cwd=tmp_path, input="ls\n", check=False, timeout=200,
                             env={"BORG_PASSPHRASE": "x", "RESTIC_PASSWORD": "x", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"})
                warned = "rdiff-backup" in command and "restore" in command and "Read-only file system" in result.stderr
                assert result.returncode == 0 or warned, (command, result.stderr[-2000:])
    assert len(hosts) == len(set(hosts)) == len(pasted), hosts
    assert (home / "etc/passwd").exists()
    assert (tmp_path / "etc.restored/passwd").exists() == ("pull" in [role for role, _ in pasted])
