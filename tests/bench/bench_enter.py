# SPDX-License-Identifier: ISC
"""How long a user namespace with an owner's ids takes: `subuid exec` (the daemon writes the map), and the same mapped by
newuidmap, which asks our plug-in or reads /etc/subuid; `unshare --map-auto`, which reads that itself; `podman unshare`, where
there is podman. Among ten and a hundred thousand entries. Run in a throwaway root: make bench-enter

The ways take turns, so that other work on the machine meets all of them. Of each the lower quartile counts."""

import os
import pwd
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZES, ROUNDS, EACH = (10, 100000), 15, 3
NSSWITCH = Path("/etc/nsswitch.conf")
OTHERS = 10000000  # uids of owners that have a line each


def run(*argv, **options):
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True, **options)


class Daemon:
    def __enter__(self):
        self.process = subprocess.Popen(["/usr/sbin/subuidd", "--foreground"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            if subprocess.run(["subuid", "list", "--owner", "alice"], capture_output=True).returncode == 0:
                return self
            time.sleep(0.1)
        raise RuntimeError("the daemon does not answer")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(120)


def files(lines):
    """So many lines in /etc/subuid and /etc/subgid, alice's in the middle; none of ours is asked for them."""
    text = [f"{OTHERS + i}:{(i % 15000 + 2000) * 65536}:65536\n" for i in range(lines - 1)]
    text.insert(len(text) // 2, f"alice:{1000 * 65536}:65536\n")
    return "".join(text)


def shown(plugin, text):
    """What newuidmap goes by: with the plug-in the files are empty."""
    NSSWITCH.write_text(plugin if text == "" else "".join(line for line in plugin.splitlines(True) if not line.startswith("subid:")))
    for name in ("subuid", "subgid"):
        Path(f"/etc/{name}").write_text(text)


def spent(words, user):
    began = time.perf_counter()
    subprocess.run(words, check=True, user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/", stdout=subprocess.DEVNULL,
                   env={"HOME": user.pw_dir, "USER": user.pw_name, "PATH": os.environ["PATH"]})
    return (time.perf_counter() - began) * 1000


def mapped(first):
    return ["unshare", "--user", f"--map-users={first},1,65536", f"--map-groups={first},1,65536", "--setuid", "1", "true"]


def measure(size, first, user, plugin):
    """Milliseconds of each way."""
    lines = files(size)
    ways = {
        "subuid exec": ("", ["subuid", "exec", "web1", "--", "true"]),
        "newuidmap, plug-in": ("", mapped(first)),
        "newuidmap, /etc/subuid": (lines, mapped(1000 * 65536)),
        "unshare --map-auto": (lines, ["unshare", "--map-root-user", "--map-auto", "true"]),
    }
    if subprocess.run(["which", "podman"], capture_output=True).returncode == 0:
        ways["podman unshare, plug-in"] = ("", ["podman", "unshare", "true"])
        ways["podman unshare, /etc/subuid"] = (lines, ["podman", "unshare", "true"])
    times = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (text, words) in ways.items():
            shown(plugin, text)
            times[name] += [spent(words, user) for _ in range(EACH)]
    shown(plugin, "")
    return {name: statistics.quantiles(values, n=4)[0] for name, values in times.items()}


def main():
    run("make", "-C", ROOT, "install")
    conf = Path("/etc/subuidd.conf.d/30-plugin.conf")
    conf.parent.mkdir(mode=0o755, exist_ok=True)
    conf.write_text("[subid]\npublish = plugin\n")
    run("subuid", "setup")
    run("useradd", "-m", "alice")
    user, plugin = pwd.getpwnam("alice"), NSSWITCH.read_text()
    assert "subuid" in [line for line in plugin.splitlines() if line.startswith("subid:")][0]
    print(f"{'milliseconds':30}" + "".join(f"{size:>12,}" for size in SIZES))
    results = {}
    for size in SIZES:
        if size != SIZES[0]:
            run(ROOT / "build/bench/fill", "/var/lib/subuidd", size, min(size, 10000))
        with Daemon():
            if size == SIZES[0]:
                for n in range(1, size + 1):
                    run("subuid", "add", f"web{n}", "--owner", "alice")
                run("subuid", "range", "add", "65536", "--owner", "alice")
            first = int(run("sh", "-c", "subuid range list --owner alice --json | sed -n 's/.*\"first\": *\\([0-9]*\\).*/\\1/p'").stdout)
            results[size] = measure(size, first, user, plugin)
    for name in results[SIZES[0]]:
        print(f"{name:30}" + "".join(f"{results[size][name]:12.2f}" for size in SIZES))
    for size in SIZES:
        ours, theirs = results[size]["newuidmap, plug-in"], results[size]["newuidmap, /etc/subuid"]
        print(f"{size:,} entries: the plug-in takes {ours / theirs:.3f} of the files' time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
