# SPDX-License-Identifier: ISC
"""Manual pages, help texts and completion say what there is."""

import ctypes
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, run

PAGES = ["subuid.1", "subuidd.8", "subuidd.conf.5", "subuid-rrsync.1", "pam_subuid.8", "libnss_subuid.8"]


def installed(page):
    return Path("/usr/share/man") / f"man{page[-1]}" / page


@pytest.mark.parametrize("page", sorted({path.name.removesuffix(".in") for path in (ROOT / "man").iterdir()} | set(PAGES)))
def test_every_page_is_there_and_sound(host, page):
    result = run("mandoc", "-Tlint", "-Wwarning", installed(page), check=False)
    assert result.returncode == 0, result.stdout
    text = run("mandoc", "-Tutf8", installed(page)).stdout
    assert len(text.splitlines()) > 40
    assert "@" not in re.findall(r"^\.\\\" (.)", installed(page).read_text(), re.M), "nothing of the template is left"


def commands(host):
    text = host.subuid("help").stdout
    return sorted(set(re.findall(r"^  +([a-z][a-z-]*)(?: |$)", text, re.M)) - {"subuid"})


def test_every_command_has_help_a_place_in_the_manual_and_in_completion(host):
    names = commands(host)
    assert {"add", "list", "show", "lock", "unlock", "remove", "key", "limit", "setup", "doctor", "check", "audit"} <= set(names)
    manual = run("mandoc", "-Tascii", installed("subuid.1")).stdout
    manual = re.sub(".\b", "", manual)
    for name in names:
        own = host.subuid("help", name).stdout
        assert f"subuid {name}" in own, name
        assert host.subuid(name, "--help").stdout == own
        part = "".join(re.findall(rf"^     {name}\b(?:.*\n)(?:(?!     \w).*\n)*", manual, re.M))
        options = set(re.findall(r"^  (?:-[a-z], )?(--[a-z-]+)", own, re.M)) - {"--json"}
        assert options <= set(re.findall(r"--[a-z-]+", part.replace("[-n n]", "[--number n]"))), (name, options)


def test_an_unknown_option_is_reported_with_the_command_that_it_was_given(host):
    three = ("add", "list", "remove")
    words = {"key": ("add", "list", "change", "rotate", "remove"), "range": three, "manage-key": three, "passwd": three,
             "state": ("save", "verify", "load")}
    for name in [f"{name} {word}".strip() for name in commands(host) for word in words.get(name, [""])]:
        said = host.subuid(*name.split(), "--bogus", check=False).stderr
        assert said.startswith(f"subuid: {name} --bogus: unknown option") and f"`subuid help {name}`" in said
        assert host.subuid("help", *name.split()).stdout == host.subuid(*name.split(), "--help").stdout


def test_completion_completes(host, tmp_path):
    owner = host.new_user()
    host.subuid("add", "finding", user=owner)
    tmp_path.chmod(0o755)
    (tmp_path / "web1.pub").touch()
    (tmp_path / "web1").touch()
    script = """
source /usr/share/bash-completion/completions/subuid
COMP_WORDS=(subuid %s); COMP_CWORD=%d; COMP_LINE="subuid %s"; COMP_POINT=${#COMP_LINE}
function=$(complete -p subuid | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function subuid "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%%s\\n' "${COMPREPLY[@]}"
"""

    def complete(*words):
        text = script % (" ".join(f"'{word}'" for word in words), len(words), " ".join(words))
        return subprocess.run(["runuser", "-u", owner, "--", "bash", "-c", text], capture_output=True, text=True,
                              check=True).stdout.split()

    assert "lock" in complete("lo")
    assert any(word.startswith("--ro") for word in complete("add", "x", "--ro"))
    assert complete("show", "fin") == ["finding"] == complete("key", "add", "fin") == complete("status", "x", "y", "fin")
    assert complete("show", "finding", "") == [], "it takes one"
    assert complete("key", "") == ["add", "list", "change", "rotate", "remove"]
    assert complete("help", "range", "") == ["add", "list", "remove"]
    assert set(complete("")) == set(commands(host)) | {"help"}
    assert complete("set", "finding", "--view", "") == ["theirs", "owner", "default"]
    assert complete("idmap", "--format", "p") == ["podman"] and "sftp" in complete("add", "x", "--role", "")
    assert complete("--socket", "/x", "lo") == ["lock", "log"] and complete("log", "-n", "") == []
    assert complete("key", "add", "finding", f"{tmp_path}/w") == [f"{tmp_path}/web1.pub"]
    assert owner in complete("list", "--owner", owner[:3])
    for words in [(name,) for name in commands(host)] + [("key", "add"), ("state", "load"), ("range", "list")]:
        own = host.subuid("help", *words).stdout
        offered = set(complete(*words, "--")) - {"--json"}
        named = set(re.findall(r"^  (?:-[a-z], )?(--[a-z-]+)", own, re.M)) - {"--json"}
        assert offered - {"--help"} == named if len(words) == 1 and words[0] not in {"key", "range", "state", "manage-key", "passwd"} else \
            offered - {"--help"} <= named, words


def test_every_setting_of_the_shipped_file_is_in_the_manual(host):
    shipped = Path("/usr/lib/subuidd.conf").read_text()
    manual = (ROOT / "man/subuidd.conf.5").read_text()
    keys = re.findall(r"^#? ?([a-z_]+) *=", shipped, re.M)
    assert len(keys) > 8
    for key in keys:
        assert key in manual, key


def settings_of_the_source():
    """(group, key) -> (least, most) of a number, else None; and -> the default of a number."""
    source = (ROOT / "subuidd/base/settings.c").read_text()
    headers = "".join(path.read_text() for room in ("account", "index", "home", "subuidd/base") for path in (ROOT / room).glob("*.h"))
    known = {"UINT8_MAX": "255"} | dict(re.findall(r"#define (\w+) (\d+)u?\b", headers))
    rows = re.findall(r'\{ \{ "(\w+)", "(\w+)" \},\s+(setting_\w+),\s+(?:IN\((\w+)\)|0, 0),\s+(\w+),\s+(\w+) \}', source)
    defaults = dict(re.findall(r"^\t\t\.(\w+) = (\w+),", source.split("void settings_default")[1], re.M))

    def number(text):
        return int(known.get(text, text))

    return {(group, key): (number(least), number(last), number(defaults.get(member, "0")))
            if take == "setting_number" else None for group, key, take, member, least, last in rows}


def values_of(text, pattern, group_pattern):
    """(group, key) -> what a text says of it."""
    parts = re.split(group_pattern, text, flags=re.M)
    return {(group, match[1]): match[2].strip() for group, part in zip(parts[1::2], parts[2::2])
            for match in re.finditer(pattern, part, re.M | re.S)}


def test_the_manual_and_the_shipped_file_give_bounds_and_defaults_of_every_setting():
    settings = settings_of_the_source()
    page = (ROOT / "man/subuidd.conf.5").read_text().split(".Sh FILES")[0]
    manual = values_of(page, r"^\.It Cm (\w+) No = (.*?)(?=^\.It Cm \w+ No =|\Z)", r"^\.Sh \[(\w+)\].*\n")
    shipped = values_of((ROOT / "subuidd/subuidd.conf").read_text(), r"^#(\w+) = *([^\n]*)", r"^\[(\w+)\]\n")
    assert len(settings) > 20 and settings.keys() == manual.keys() == shipped.keys()
    for name, bounds in settings.items():
        said = re.sub(r"^\.(?:Cm|Ql|Pa) (\S.*) \.$", r"\1.", manual[name], flags=re.M)
        default = re.search(r"Default:\s+(\S.*?)(?:\.?$|, or )", said, re.M)
        assert (default[1] if default else "") == shipped[name] and (default or "Empty, the default" in said), name
        if bounds is None:
            continue
        least, most, value = bounds
        assert shipped[name] == str(value), name
        assert re.search(rf"\b{most}\b", said) and (least == 0 or re.search(rf"\b{least}\b", said)), (name, bounds)


def interface(text):
    """(kind, name) -> the members of a type or of an error, of a call, and of its reply."""
    text = " ".join(re.sub(r"#.*", "", text).split())
    found = re.findall(r"\b(type|method|error) (\w+) ?\(([^()]*)\)(?: -> \(([^()]*)\))?", text)
    return {(kind, name): tuple({member.strip() for member in list.split(",")} - {""} for list in lists)
            for kind, name, *lists in found}


def changes_of_the_interface(old, new):
    """What a peer that was written for the old text would stumble over in the new one."""
    for name, lists in old.items():
        for was, now in zip(lists, new.get(name, [set(), set()])):
            yield from (f"{name}: {member} is gone, or another" for member in was - now
                        if name[1] != "NewKey" or member.replace(": ", ": ?") not in now)  # given as before, it is taken as before
        yield from (f"{name}: {member} has to be given" for member in new.get(name, [set()])[0] - lists[0]
                    if ": ?" not in member and (name[0] == "method" or name[1] in {"NewKey", "ImportRow", "OldRun"}))
        if name not in new:
            yield f"{name} is gone"


def test_the_interface_that_is_made_from_the_tables_keeps_what_peers_rely_on(host):
    old = interface((ROOT / "tests/e2e/interface-0.1.0.varlink").read_text())
    text = Path("/usr/share/subuidd/io.subuidd.Accounts.varlink").read_text()
    assert len(old) == 46 and list(changes_of_the_interface(old, interface(text))) == []
    assert "@" not in text and not re.search(r"^  \w+,?$", text, re.M), "nothing of the template is left"
    for wrong in (text.replace("label: string", "label: int"), text.replace("alarm: ?int", "alert: ?int"),
                  text.replace("method Get(", "method Get(x: int, "), text.replace("error Busy", "error Idle")):
        assert list(changes_of_the_interface(old, interface(wrong))) != []


def landlock_lacks(tmp_path):
    """ABI -> the words of `subuid doctor` for what a kernel of it lacks, up to the first that lacks nothing."""
    library = tmp_path / "landlock.so"
    run("cc", "-shared", "-fPIC", "-D_GNU_SOURCE", f"-I{ROOT}", "-o", library, ROOT / "confine/landlock.c")
    missing = ctypes.CDLL(library).landlock_missing
    missing.restype = ctypes.c_char_p
    lacks = {}
    while not lacks or lacks[len(lacks)]:
        lacks[len(lacks) + 1] = set(filter(None, re.split("[,;] ", missing(len(lacks) + 1).decode())))
    return lacks


def test_the_table_of_old_kernels_says_what_the_code_lacks(tmp_path):
    """A row names what the next ABI brings: all that its kernels lack and those of the next row do not."""
    lacks = landlock_lacks(tmp_path)
    section = (ROOT / "SECURITY.md").read_text().split("### What an old kernel lacks")[1].split("\n#")[0]
    rows = re.findall(r"^\| ([\d, ]+) \| [\d., ]+ \| (.+?) \| .+ \|$", section, re.M)
    abis = [[int(abi) for abi in row.split(",")] for row, _ in rows]
    assert sum(abis, []) == list(lacks)[:-1], "a row for each ABI that lacks something, and for no other"
    assert all(lacks[abi] >= lacks[abi + 1] for abi in list(lacks)[:-1]), "what a kernel lacks, older ones lack, too"
    for row, (_, named) in zip(abis, rows):
        assert all(lacks[abi] == lacks[row[0]] for abi in row), row
        assert set(named.split(", ")) == lacks[row[-1]] - lacks[row[-1] + 1], row
    assert f"from ABI {len(lacks)} " in section


def test_every_test_that_the_invariants_name_is_there():
    text = (ROOT / "docs/invariants.md").read_text()
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", text, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 25))
    assert all("::" in tests or tests == "not built" for _, tests in rows)
    named = re.findall(r"`((?:test|vm)_\w+\.(?:c|py))::(\w+)`", text)
    assert len(named) > 40 and len(re.findall(r"::", text)) == len(named)
    for file, name in named:
        place, function = ("unit", f"static void {name}(") if file.endswith(".c") else ("e2e", f"def {name}(")
        assert function in (ROOT / "tests" / place / file).read_text(), f"{file}::{name}"


def test_every_child_of_the_broker_is_in_the_list_of_the_invariants():
    """By its file, or that of who has it start the child for them."""
    text = (ROOT / "docs/invariants.md").read_text().split("## 16")[1]
    starts = r"\b(child_start|child_start_beside|fork)\("
    files = [path for room in ("subuidd", "home") for path in sorted((ROOT / room).rglob("*.c"))
             if re.search(starts, path.read_text()) and path.name not in ("child.c", "main.c")]  # main: before it serves
    listed = set(re.findall(r"`((?:\w+/)*\w+\.c)`", text))
    missing = [str(path) for path in files if not any(str(path).endswith("/" + name) for name in listed)]
    assert len(files) > 15 and missing == [], missing


def test_the_invariants_name_every_test_that_is_named_after_one():
    text = (ROOT / "docs/invariants.md").read_text()
    named = re.findall(r"def (test_invariant_\w+)", (ROOT / "tests/e2e/test_invariants.py").read_text())
    assert len(named) > 15 and [name for name in named if name not in text] == []


def test_every_folder_at_the_top_has_a_row_in_the_table_of_rooms():
    rows = re.findall(r"^\| ((?:`\w+/`(?:, )?)+) \| \S", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    named = [name for row in rows for name in re.findall(r"`(\w+)/`", row)]
    tracked = run("git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files").stdout.split("\n")
    assert sorted(named) == sorted({path.split("/")[0] for path in tracked if "/" in path and not path.startswith(".")})
