# SPDX-License-Identifier: ISC
"""What only knows how to work with a shell at the other end: the real programs, with a key of the role shell."""

from pathlib import Path

import pytest

from conftest import run


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


def test_rsync_time_backup(host, tmp_path, tree):
    """Its own ssh commands, and rsync with --link-dest, as the script sends them: find the last one, make the next, turn the
    link over, delete the oldest."""
    _, name, key = host.account(tmp_path, "shell,sync")
    at = f"{name}@127.0.0.1"

    def remote(command):
        return host.ssh(key, name, command)

    assert remote("mkdir -p -- '/b' 'b'").returncode != 0  # "/" is not the account's
    assert remote("mkdir -p -- 'b' && touch 'b/backup.marker'").returncode == 0
    assert remote("find 'b/backup.marker' -print").stdout == "b/backup.marker\n"
    for day in ("2026-11-01-000000", "2026-11-02-000000", "2026-11-03-000000"):
        last = remote("find 'b/' -maxdepth 1 -type d -name '????-??-??-??????' -prune | sort -r | head -1").stdout.strip()
        assert remote(f"mkdir -p -- 'b/{day}'").returncode == 0
        link = ["--link-dest", f"../{Path(last).name}"] if last else []
        host.rsync(key, "-a", "--delete", *link, f"{tree}/", f"{at}:b/{day}/")
        assert remote(f"rm -f -- 'b/latest'; ln -s -- '{day}' 'b/latest'; rm -f -- 'b/backup.inprogress'").returncode == 0
    assert remote("readlink b/latest; cat b/latest/deep/other").stdout == "2026-11-03-000000\nsecond\n"
    assert (home_of(name) / "b/2026-11-02-000000/file").stat().st_ino == (home_of(name) / "b/2026-11-03-000000/file").stat().st_ino
    assert remote("rm -rf -- 'b/2026-11-01-000000'; ls b").stdout.count("-000000") == 2


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
