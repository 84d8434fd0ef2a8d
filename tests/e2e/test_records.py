# SPDX-License-Identifier: ISC
"""Each row of the tables of records reaches every place: option, interface, store, show, export, import."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# A value as a person writes it, as the interface has it, and what `subuid show` says. A row of facts_record that is not here
# fails the test.
FACTS = {
    "expires": ("2031-12-31", "2031-12-31", "2031-12-31"),
    "quota": ("3G", 3 << 30, "3G"),
    "files": ("20K", 20000, "20000"),
    "view": ("owner", "owner", "owner: "),
    "alarm": ("26h", 26 * 3600, "26h"),
    "comment": ("the shop", "the shop", "the shop"),
    "contact": ("ops@example.org", "ops@example.org", "ops@example.org"),
    "factors": ("both", "both", "both"),
    "services": ("yes", "yes", "yes"),
    "processes": ("60", 60, "60"),
    "memory": ("512M", 512 << 20, "512M"),
    "openFiles": ("200", 200, "200"),
    "fileSize": ("2G", 2 << 30, "2G"),
    "cpuWeight": ("40", 40, "40"),
    "ioWeight": ("30", 30, "30"),
    "sessions": ("7", 7, "7"),
    "logins": ("90", 90, "90"),
    "bandwidth": ("3M", 3 << 20, "3M"),
}


def option(name):
    return re.sub(r"[A-Z]", lambda letter: "-" + letter.group().lower(), name)


def facts_of_the_source():
    table = (ROOT / "account/records.c").read_text().split("facts_fields[] = {")[1].split("\n};")[0]
    bounds = re.findall(r"^\s+BOUND_(?:N|SIZE)\(type, BOUND_\w+, \"(\w+)\"|^#define \w+\(type\) BOUND_N\(type, BOUND_\w+, \"(\w+)\"",
                        (ROOT / "account/records.c").read_text(), re.M)
    return re.findall(r"^\t\[FACT_\w+\] = \{ \"(\w+)\"", table, re.M) + [one or other for one, other in bounds]


def said(account):
    return {name: account.get(name) for name in FACTS}


def test_every_fact_goes_all_the_way(host, tmp_path):
    assert sorted(facts_of_the_source()) == sorted(FACTS)
    owner = host.new_user()
    words = [word for name, (text, _, _) in FACTS.items() for word in (f"--{option(name)}", text)]
    wanted = {name: value for name, (_, value, _) in FACTS.items()}
    host.subuid("add", "web1", *words, "--owner", owner)  # by root, who may say everything
    assert said(host.subuid_json("show", "web1", user=owner)["account"]) == wanted
    assert host.subuid("add", "web1", *words, "--owner", owner).returncode == 0, "an equal one is there"
    host.subuid("add", "web2", user=owner)
    host.subuid("set", f"{owner}+web2", *words)
    assert said(host.subuid_json("show", "web2", user=owner)["account"]) == wanted
    shown = host.subuid("show", "web1", user=owner).stdout
    for name, (_, _, text) in FACTS.items():
        assert re.search(rf"^{option(name)} +{re.escape(text)}", shown, re.M), (name, shown)
    help_text = host.subuid("help", "set").stdout
    assert all(f"  --{option(name)} " in help_text for name in FACTS)

    rows = [json.loads(line) for line in host.subuid("export").stdout.splitlines()]
    row = next(row for row in rows if row["kind"] == "account" and (row["owner"], row["label"]) == (owner, "web1"))
    assert {name: row[name] for name in FACTS} == wanted
    del row["uid"]
    file = tmp_path / "rows"
    file.write_text(json.dumps({**row, "label": "web3"}) + "\n")
    host.subuid("import", file)
    assert said(host.subuid_json("show", f"{owner}+web3")["account"]) == wanted
    csv = tmp_path / "rows.csv"
    csv.write_text("owner,label," + ",".join(FACTS) + f"\n{owner},web4," + ",".join(text for text, _, _ in FACTS.values()) + "\n")
    host.subuid("import", csv)
    assert said(host.subuid_json("show", f"{owner}+web4")["account"]) == wanted

    for name, (text, _, _) in FACTS.items():  # one that differs is not the same account
        other = {"expires": "2032-01-01", "view": "theirs", "comment": "x", "contact": "x@y", "factors": "any", "services": "no"}.get(name, "5" + text[-1])
        assert host.subuid("add", "web1", f"--{option(name)}", other, user=owner, check=False).returncode == 4, name
    assert host.subuid("check").returncode == 0


def test_what_keys_and_ranges_have_is_shown(host, tmp_path):
    owner = host.new_user()
    public = f"{host.new_key(tmp_path)}.pub"
    host.subuid("add", "web1", "--key", public, "--role", "borg,forward", "--forward", "localhost:5900", "--storage-quota",
                "100G", user=owner)
    for words in (("key", "list", "web1"), ("show", "web1")):
        text = host.subuid(*words, user=owner).stdout
        assert "localhost:5900" in text and "100G" in text, text
    host.subuid("range", "add", "65536", user=owner)
    assert "ADOPTED" in host.subuid("range", "list", user=owner).stdout
