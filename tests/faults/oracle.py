# SPDX-License-Identifier: ISC
"""What must hold after every fault: what was acknowledged is there, nothing is half-made, `check` finds nothing, look-ups, files
and disk say what the store says, no id comes back, and the next change works."""

import os
import re
from pathlib import Path

from world import HOMES, call, demand, done, run, within

KEYS_ASKED = 6
RANGES_FROM = 1 << 30  # the pool of the default settings
SOUND_SECONDS = 60  # what a start finishes or undoes goes on beside it


def check_sound(world, seconds=None):
    """`subuid check --all`, as soon as it finds nothing."""
    last = []

    def sound():
        last[:] = [run("/usr/bin/subuid", "check", "--all", check=False)]
        return last[0].returncode == 0

    demand(within(seconds or SOUND_SECONDS, sound), "check:", last[0].stdout.strip()[-600:], last[0].stderr.strip()[-300:])


def names_in(directory):
    return set(os.listdir(directory)) if os.path.isdir(directory) else set()


def disk_agrees(world, facts):
    """Homes, views and links of the accounts, and none besides; nothing is in the making."""
    accounts = {(key[1], key[2]) for key in facts if key[0] == "account"}
    on_disk = {(owner, label) for owner in names_in(HOMES) if not owner.startswith(".") for label in names_in(HOMES / owner)}
    demand(on_disk == accounts, "homes without a row:", sorted(on_disk - accounts), "rows without a home:",
           sorted(accounts - on_disk))
    for owner, label in accounts:
        for part in ("home", "view"):
            demand((HOMES / owner / label / part).is_dir(), f"{owner}+{label} has no {part}")
        uid = facts["account", owner, label][0]
        demand(os.stat(HOMES / owner / label).st_gid == uid, f"the directory of {owner}+{label} is not its uid's")
    owners = {owner for owner, _ in accounts} | {path.name for path in Path("/home").iterdir()}
    links = {(owner, label) for owner in owners for label in names_in(f"/home/{owner}/subuid")}
    demand(links == accounts, "links without a row:", sorted(links - accounts), "rows without a link:", sorted(accounts - links))
    making = names_in(HOMES / ".making") - {"probe", "probe.view"}  # the daemon's own, made once
    demand(making == set(), "left in .making:", making)


def leftovers_away(facts):
    """What nobody's row speaks of goes, so that it is found once."""
    places = [Path("/home").glob("*/subuid/*"), HOMES.glob("[!.]*/*"), HOMES.glob(".making/*")]
    for path in [path for place in places for path in place]:
        owner = path.parts[2] if path.parts[1] == "home" else path.parts[3]
        if ("account", owner, path.name) not in facts:
            run("umount", "--recursive", path / "view", check=False)
            run("rm", "-rf", path)
    for path in HOMES.glob(".removed/*"):
        if not path.name.isdigit() or ("ended", int(path.name)) not in facts:
            run("rm", "-rf", path)
    for path in HOMES.glob("[!.]*"):
        if not any(key[:2] == ("account", path.name) for key in facts):
            run("rm", "-rf", path)


def set_aside(facts):
    """What lies in .removed belongs to tombstones."""
    for name in names_in(HOMES / ".removed"):
        demand(name.isdigit() and ("ended", int(name)) in facts, f".removed/{name} is nobody's")


def lookups_agree(world, facts):
    """The NSS module and libsubid, in this process as in any that runs on."""
    pieces = {}
    for key, value in facts.items():
        if key[0] == "account":
            name = f"{key[1]}+{key[2]}"
            demand(world.nss.by_name(name) == (world.nss.SUCCESS, value[0]), f"{name} is looked up as", world.nss.by_name(name))
            demand(world.nss.by_uid(value[0])[1] == name, f"uid {value[0]} is looked up as", world.nss.by_uid(value[0]))
        elif key[0] == "range":
            holder = f"{value[0]}+{value[1]}" if value[1] else value[0]
            pieces.setdefault(holder, []).append((key[1], value[2]))
        elif key[0] == "ended" and value[0] == 1:
            demand(world.nss.by_uid(key[1]) == (world.nss.NOTFOUND, None), f"uid {key[1]} of {value} is still looked up")
    for holder, blocks in pieces.items():
        for first, count in blocks:
            demand(world.subid.has(holder, first, count) is True, f"{holder} does not hold {first}+{count}")


def stale_lock(path):
    """shadow's tools pass over one whose process has ended; over an empty one nobody does, ever."""
    text = Path(path).read_bytes().rstrip(b"\0\n")
    return path.endswith(".lock") and text.isdigit() and not Path(f"/proc/{int(text)}").exists()


def files_agree(world, facts):
    """With publish = files or both: a line for each range, and none of what is not there."""
    if world.publish == "plugin":
        return
    ranges = {(f"{value[0]}+{value[1]}" if value[1] else value[0], key[1], value[2])
              for key, value in facts.items() if key[0] == "range" and key[1] >= RANGES_FROM}
    for name in ("subuid", "subgid"):
        lines = [line.split(":") for line in Path(f"/etc/{name}").read_text().splitlines() if line.count(":") == 2]
        ours = {(who, int(first), int(count)) for who, first, count in lines if int(first) >= RANGES_FROM}
        demand(ours == ranges, f"in /etc/{name}, and nobody's:", sorted(ours - ranges), "not there:", sorted(ranges - ours))
    left = [name for name in names_in("/etc") if re.match(r"sub[ug]id\.(lock|subuidd)", name) and not stale_lock(f"/etc/{name}")]
    demand(not left, "left in /etc:", [(name, Path(f"/etc/{name}").read_bytes()[:80]) for name in left])


def keys_agree(world, facts):
    """sshd's question, for some of the keys: admitted, or not while the account is locked."""
    accounts = {value[0]: (f"{key[1]}+{key[2]}", value[1]) for key, value in facts.items() if key[0] == "account"}
    for key in [key for key in facts if key[0] == "key" and key[2] in world.fingerprints][:KEYS_ASKED]:
        name, locked = accounts[key[1]]
        told = run("/usr/libexec/subuidd/authorized-keys", name, *world.fingerprints[key[2]], user="subuidd-keys", check=False)
        demand(told.returncode == 0 and told.stdout.startswith("" if locked else "restrict") and (not locked or not told.stdout),
               f"the key of {name} (locked: {locked}) is answered with", told.stdout, told.stderr)


def next_change(world, owner, label="next"):
    """An account more, and away again. Its uid was nobody's before."""
    reply = call("Add", {"owner": owner, "label": label, "range": 65536})
    demand(done(reply), "the next add is answered with", reply)
    account = reply["parameters"]["account"]
    demand(account["uid"] not in world.held, f"uid {account['uid']} was", world.held.get(account["uid"]))
    demand(account["state"] == "active" and reply["parameters"]["created"], "the next add is not whole:", reply)
    facts = world.facts()
    lookups_agree(world, {key: value for key, value in facts.items() if key[:3] == ("account", owner, label)})
    reply = call("Remove", {"owner": owner, "label": label, "purge": True})
    demand(done(reply), "the next remove is answered with", reply)


def settled(world, seconds=None):
    """The facts, once no account is on its way in or out: `check` passes over what is under way, and a start finishes that
    beside its service."""
    last = []

    def ended():
        facts = world.facts()
        last[:] = [facts, {key: value[-1] for key, value in facts.items() if key[0] == "account" and value[-1] != "active"}]
        return not last[1]

    demand(within(seconds or SOUND_SECONDS, ended), "does not come to its end:", last[1])
    return last[0]


def everything(world, seconds=None):
    """The facts, once all of it holds."""
    check_sound(world, seconds)
    facts = settled(world, seconds)
    world.note_ids(facts)
    disk_agrees(world, facts)
    set_aside(facts)
    lookups_agree(world, facts)
    keys_agree(world, facts)
    files_agree(world, facts)
    return facts


def judge(before, after, parts, acknowledged):
    """parts: [(scope, holds)] or [(scope, holds, absent)]; scope(key) names the facts that a part of the change may touch,
    holds(facts) says that it is made whole. Acknowledged: every part is. Else each is made whole, or everything in its scope
    is as it was (or absent(facts) holds); its ids may have become tombstones."""
    for scope, holds, *absent in parts:
        if holds(after):
            continue
        demand(not acknowledged, "acknowledged, but not so:", {key: after.get(key) for key in after if scope(key)})
        if absent:
            demand(absent[0](after), "half-made:", {key: after[key] for key in after if scope(key)})
            continue
        for key in before.keys() | after.keys():
            if scope(key) and key[0] != "ended":
                demand(before.get(key) == after.get(key), "half-made:", key, before.get(key), "->", after.get(key))
    for key in before.keys() | after.keys():
        if key[0] == "ended" and key in after:
            continue
        if not any(part[0](key) for part in parts):
            demand(before.get(key) == after.get(key), "changed, and not meant:", key, before.get(key), "->", after.get(key))
