# SPDX-License-Identifier: ISC
"""What only knows how to work with a shell at the other end: the real programs, with a key of the role shell."""

import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import run, wait_until


@pytest.fixture
def tree(tmp_path):
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "file").write_text("first\n")
    (source / "deep/other").write_text("second\n")
    return source


def ssh_command(host, key):
    return " ".join(["ssh", *host.ssh_options(key)])


def home_of(name):
    return Path("/srv/subuid") / name.replace("+", "/") / "home"


@pytest.fixture
def known(host, tmp_path):
    """A function that makes an account and tells root's ssh about it, as people do for tools that run ssh by themselves."""
    directory = Path("/root/.ssh")
    directory.mkdir(mode=0o700, exist_ok=True)
    config = directory / "config"

    def account(roles):
        _, name, key = host.account(tmp_path, roles)
        key = key.rename(tmp_path / "id")  # backintime gives the name to sshfs, in a list with commas
        hosts = tmp_path / "known_hosts"
        hosts.write_text(run("ssh-keyscan", "-t", "ed25519", "127.0.0.1").stdout)
        config.write_text(f"Host 127.0.0.1\nUser {name}\nIdentityFile {key}\nIdentitiesOnly yes\nBatchMode yes\n"
                          f"UserKnownHostsFile {hosts}\nLogLevel ERROR\n")
        config.chmod(0o600)
        (directory / "known_hosts").write_text(hosts.read_text())
        return name, key

    yield account
    config.unlink(missing_ok=True)
    (directory / "known_hosts").unlink(missing_ok=True)


def test_rsync_time_backup(host, known, tree):
    """What rsync_tmbackup.sh (c0b2ccd) sends in two runs, one ssh for each: its quotes do not get here. It asks the shell
    where the last backup is, and rsync to link to that path."""
    name, _ = known("shell,sync")
    home, at = home_of(name), f"{name}@127.0.0.1"
    find = 'find b/ -maxdepth 1 -type d -name "????-??-??-??????" -prune | sort -r'

    def remote(command, code=0):
        result = run("ssh", "-p", "22", at, command, check=False)
        assert result.returncode == code and (code or not result.stderr), (command, result)
        return result.stdout

    remote("mkdir -p -- b ; touch b/backup.marker")
    for day in ("2026-11-01-000000", "2026-11-02-000000"):
        assert remote("find b/backup.marker") == "b/backup.marker\n"
        assert "%" in remote("df -T b")
        last = remote(find).split()
        remote("find b/backup.inprogress", 1)
        before = remote(f"cd {last[0]};pwd").strip() if last else ""
        remote(f"find b/{day} -type d", 1)
        remote(f"mkdir -p -- b/{day}")
        remote("echo 4711 > b/backup.inprogress")
        run("rsync", "-e", "ssh -p 22", *"-D --numeric-ids --links --hard-links --one-file-system --itemize-changes --times "
            "--recursive --perms --owner --group --stats --human-readable --compress".split(),
            *([f"--link-dest={before}"] if before else []), "--", f"{tree}/", f"{at}:b/{day}/")
        for command in ("rm -f -- b/latest", f"ln -s -- {day} b/latest", "rm -f -- b/backup.inprogress"):
            remote(command)
    assert (home / "b/latest/deep/other").read_text() == "second\n"
    assert (home / "b/2026-11-01-000000/file").stat().st_ino == (home / "b/2026-11-02-000000/file").stat().st_ino
    remote("rm -rf -- b/2026-11-01-000000")
    assert remote(find).split() == ["b/2026-11-02-000000"]


def test_linux_timemachine(host, known, tree):
    """What the script timemachine (bc947eb) sends in two runs: an ssh for each test, move and link."""
    name, _ = known("shell,sync")
    home, at = home_of(name), f"{name}@127.0.0.1"
    ssh = ["ssh", "-oStrictHostKeyChecking=no", "-oLogLevel=QUIET", "-q"]

    def remote(command, code=0):
        result = run(*ssh, at, *command.split(), check=False)
        assert result.returncode == code and result.stdout == result.stderr == "", (command, result)

    (home / "b").mkdir()
    shutil.chown(home / "b", name, name)
    remote("test -d 'c'", 1)
    for day, first in (("2026-11-01__00-00-00", True), ("2026-11-02__00-00-00", False)):
        remote("test -d 'b'")
        remote("test -L 'b/current'", int(first))
        run("rsync", "-e", " ".join(ssh[:-1]), *"--recursive --perms --owner --group --times --links --delete --delete-excluded "
            "--partial-dir=.partial".split(), *([] if first else ["--link-dest=../current"]), f"{tree}/", f"{at}:b/.inprogress")
        remote(f"mv 'b/.inprogress' 'b/{day}'")
        remote(f"ln -sfn '{day}' 'b/current'")
        remote("test -L 'b/current'")
    assert (home / "b/current/deep/other").read_text() == "second\n"
    assert (home / "b/2026-11-01__00-00-00/file").stat().st_ino == (home / "b/current/file").stat().st_ino


def test_backintime(host, known, tree, tmp_path):
    """It tries folder and hard links by a shell, mounts the folder by sftp, and backs up by rsync."""
    name, key = known("shell,sync,sftp")
    config = tmp_path / "config"
    settings = {"snapshots.mode": "ssh", "snapshots.ssh.host": "127.0.0.1", "snapshots.ssh.user": name, "snapshots.ssh.path": "b",
                "snapshots.ssh.private_key_file": key, "snapshots.path.host": "h", "snapshots.path.user": "u",
                "snapshots.path.profile": "1", "snapshots.include.1.type": "0", "snapshots.include.1.value": tree,
                "snapshots.include.size": "1", "snapshots.ssh.check_ping": "false", "snapshots.notify.enabled": "false"}
    config.write_text("config.version=6\nprofile1.name=Main\n" + "".join(f"profile1.{k}={v}\n" for k, v in settings.items()))
    run("ssh-agent", "sh", "-ec", 'backintime --config "$1" check-config --no-crontab; exec backintime --config "$1" backup',
        "sh", config, env={"HOME": str(tmp_path)})
    found = home_of(name) / "b/backintime/h/u/1/last_snapshot/backup"
    assert (found / str(tree)[1:] / "deep/other").read_text() == "second\n"


def test_lsyncd_rsyncssh(host, known, tree, tmp_path):
    """It copies by rsync, first and later, and moves by a command."""
    name, _ = known("shell,sync")
    config, log = tmp_path / "lsyncd.lua", tmp_path / "log"
    config.write_text(f'sync {{ default.rsyncssh, source="{tree}", host="{name}@127.0.0.1", targetdir="l", delay=1 }}\n')
    home = home_of(name)
    with log.open("w") as output, subprocess.Popen(["/usr/bin/lsyncd", "-nodaemon", "-log", "all", str(config)], stdout=output,
                                                   stderr=subprocess.STDOUT) as lsyncd:
        try:
            wait_until(lambda: "finished: 0" in log.read_text(), "the first copy is there")
            (tree / "file").rename(tree / "moved")
            wait_until((home / "l/moved").exists, "it has moved there")
            (tree / "deep/other").unlink()
            (tree / "new").write_text("third\n")
            wait_until(lambda: not (home / "l/deep/other").exists() and (home / "l/new").exists(), "all is as here")
        finally:
            lsyncd.terminate()
    said = log.read_text()
    assert "Finished Move" in said and not (home / "l/file").exists() and "Error" not in said, said


def test_ansible(host, known, tmp_path):
    """Modules are programs that it puts into the home and runs; with the shell alone it sends them by dd."""
    known("shell")
    try:
        said = run("/usr/bin/ansible", "-m", "ping", "-i", "127.0.0.1,", "all", env={"HOME": str(tmp_path)})
    finally:
        for master in (tmp_path / ".ansible/cp").glob("*"):  # would stay for a minute
            run("ssh", "-o", f"ControlPath={master}", "-O", "exit", "127.0.0.1", check=False)
    assert '"ping": "pong"' in said.stdout


def test_git_pushes_to_a_repository_that_the_shell_made(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "shell,git-receive-pack,git-upload-pack")
    host.ssh(key, name, "git init -q --bare r.git", check=True)
    environment = {"GIT_SSH_COMMAND": ssh_command(host, key), "HOME": str(tmp_path)}
    for words in (["init", "-q", "-b", "main"], ["add", "."],
                  ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "first"],
                  ["push", "-q", f"{name}@127.0.0.1:r.git", "main"]):
        run("git", *words, cwd=tree, env=environment)
    assert "first" in host.ssh(key, name, "git --git-dir r.git log --oneline main").stdout
    run("git", "clone", "-q", "-b", "main", f"{name}@127.0.0.1:r.git", tmp_path / "clone", env=environment)
    assert (tmp_path / "clone/deep/other").read_text() == "second\n"


def test_unison(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "shell")
    run("unison", "-batch", "-ui", "text", "-sshargs", " ".join([*host.ssh_options(key), "-l", name]), tree,
        "ssh://127.0.0.1/u", env={"HOME": str(tmp_path)})
    assert (home_of(name) / "u/deep/other").read_text() == "second\n"


def test_what_moves_and_deletes_beside_rsync(host, tmp_path, tree):
    """As lsyncd does with rsyncssh: renames and removals as commands, whose names come by the input."""
    _, name, key = host.account(tmp_path, "shell,sync")
    host.rsync(key, "-a", f"{tree}/", f"{name}@127.0.0.1:l/")
    assert host.ssh(key, name, "mv '~/l/file' 'l/none' || mv 'l/file' 'l/moved'").returncode == 0
    assert host.ssh(key, name, "xargs -0 rm -rf", input="l/deep\0l/none\0").returncode == 0
    assert host.ssh(key, name, "ls l").stdout == "moved\n"


def test_a_script_that_sets_itself_up(host, tmp_path):
    """As editors do: a shell reads a script, which unpacks a program, starts it in the background, and talks to it over a
    socket in the home and by lines that begin with a mark."""
    _, name, key = host.account(tmp_path, "shell")
    script = """
set -e
mkdir -p ~/.server/bin && cd ~/.server
cat >bin/server <<'EOF'
#!/usr/bin/python3
import os, socket
s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(); print('listening', flush=True)
c, _ = s.accept(); c.sendall(b'hello ' + c.recv(100)); c.close()
EOF
chmod +x bin/server
uname -s; test -w "$HOME" && printf 'mark-%s\\n' writable
bin/server >log 2>&1 </dev/null &
while ! grep -q listening log; do sleep 0.1; done
python3 -c "import socket; c = socket.socket(socket.AF_UNIX); c.connect('s'); c.sendall(b'you'); print(c.recv(100).decode())"
wait
"""
    for shell in ("sh", "bash -s", "bash --noprofile --norc"):
        host.ssh(key, name, "rm -rf .server")
        result = host.ssh(key, name, *shell.split(), input=script, options=["-T"])
        assert result.stdout == "Linux\nmark-writable\nhello you\n", (shell, result)
