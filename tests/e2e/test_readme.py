# SPDX-License-Identifier: ISC
"""The console examples of README.md, run as they stand, each as the person at its prompt."""

import html
import re
from pathlib import Path

from conftest import ROOT, run

MACHINES = ("server", "newhost")
UNINSTALL = ("subuid setup --undo --keep-data", "make uninstall")


def examples():
    text = (ROOT / "README.md").read_text()
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        for line in block.splitlines():
            who, command = re.match(r"(\w+)[#$] (.*)", line).groups()
            yield who, command


def on_machine(base, machine, command):
    """root of another machine: its own /root and /etc; it reaches the host over loopback."""
    script = (f"mount --bind {base}/{machine}/root /root && mount --bind {base}/{machine}/etc /etc && umount -l /srv && "
              f"cd /root && {command}")
    return run("unshare", "--mount", "--propagation", "private", "bash", "-c", script, env={"HOME": "/root"})


def test_the_examples_of_the_readme(host, tmp_path):
    if "alice" not in Path("/etc/passwd").read_text():
        run("useradd", "-m", "-s", "/bin/bash", "alice")
    run("sh", "-c", "grep -q backup.example /etc/hosts || echo 127.0.0.1 backup.example >>/etc/hosts")
    for machine in MACHINES:
        home = tmp_path / machine / "root/.ssh"
        home.mkdir(parents=True, mode=0o700)
        run("cp", "-a", "/etc", tmp_path / machine / "etc")
        keys = run("ssh-keyscan", "127.0.0.1").stdout.replace("127.0.0.1", "backup.example")
        (home / "known_hosts").write_text(keys)
    (tmp_path / "newhost/etc/shadow").unlink()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "newhost/root/.ssh/restore")
    run("install", "-m", "0644", tmp_path / "newhost/root/.ssh/restore.pub", "/home/alice/restore.pub")
    seen = []
    last = [command for _, command in examples() if command in UNINSTALL]
    assert last == list(UNINSTALL)
    for who, command in examples():
        seen.append(who)
        if command in UNINSTALL:
            continue  # below, after everything else
        if who == "root":
            if command in ("subuidd", "make install-deps", "apt-get install -y make"):
                continue  # the host fixture's runs already; there is no network, and all is installed
            if command == "make install":
                command = f"make -C {ROOT} install"
            run("bash", "-c", command)
        elif who == "alice":
            result = run("bash", "-c", command, user="alice", cwd="/home/alice")
            if "cat etc/shadow" in command:
                assert result.stdout == (tmp_path / "server/etc/shadow").read_text()
        else:
            on_machine(tmp_path, who, command)
        if command.startswith("ssh-keygen"):
            run("install", "-m", "0644", tmp_path / "server/root/.ssh/web1.pub", "/home/alice/web1.pub")
    assert set(seen) == {"root", "alice", "server", "newhost"}
    for part in ("shadow", "passwd", "ssh/sshd_config"):
        one, other = tmp_path / "server/etc" / part, tmp_path / "newhost/etc" / part
        assert one.read_bytes() == other.read_bytes()
        assert (one.stat().st_mode, one.stat().st_uid, one.stat().st_gid) == (
            other.stat().st_mode, other.stat().st_uid, other.stat().st_gid)
    assert host.ssh(tmp_path / "server/root/.ssh/web1", "alice+web1", "rsync --server . .").returncode == 255
    host.stop_daemon()
    for command in UNINSTALL:
        run("bash", "-c", command.replace("make", f"make -C {ROOT}"))
    assert run("getent", "passwd", "alice+web1", check=False).returncode == 2
    assert not [path for path in ("/usr/bin/subuid", "/usr/sbin/subuidd", "/usr/libexec/subuidd") if Path(path).exists()]
    assert Path("/srv/subuid/alice/web1/home").is_dir() and Path("/var/lib/subuidd/state.db").exists()


def test_the_recording_shows_the_demo():
    """docs/demo.svg is what the demo of today does: its chapters in order, each command that alice gives, and no failure."""
    story = (ROOT / "tests/demo/story").read_text()
    lines = [html.unescape("".join(re.findall(r">([^<]*)<", line))) for line in (ROOT / "docs/demo.svg").read_text().splitlines()]
    chapters = re.findall(r"^chapter '(.*)'$", story, re.M)
    assert chapters and [line for line in lines if re.match(r"\d\. ", line)] == chapters
    commands = re.findall(r"(?:^|; )(?:lines=\d+ )?works alice ([a-z][^'$\n]*)$", story, re.M)
    assert len(commands) > 4 and [f"  alice$ {command}" for command in commands if f"  alice$ {command}" not in lines] == []
    assert not [line for line in lines if "FAILED" in line] and "steps held, 0 failed" in " ".join(lines)
