"""Real ansible-runner on local connections: the playbooks here only say, look and wait."""

from __future__ import annotations

import gc
import os
import socket
import stat
import time
from pathlib import Path

import pytest

from grader.adapters import ansible
from grader.adapters.ansible import AnsibleRunner
from grader.adapters.roster import inventory_text
from grader.errors import HostError, UsageError
from grader.model.provision import Play, PlayEnd, PlayEvent, TaskEnd
from grader.model.roster import RosterHost

pytest.importorskip("ansible_runner", reason="ansible-runner is not installed")

LOCAL = "{ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}"


class Heard:
    """What the events said."""

    def __init__(self) -> None:
        self.events: list[PlayEvent] = []

    def __call__(self, event: PlayEvent) -> None:
        self.events.append(event)

    def ends(self, host: str) -> list[tuple[str, str]]:
        return [(e.task, e.status) for e in self.events if isinstance(e, TaskEnd) and e.host == host and not e.item]

    def message(self, host: str) -> str:
        return next(e.message for e in self.events if isinstance(e, TaskEnd) and e.host == host and e.message)


def write(folder: Path, hosts: str, tasks: str) -> Play:
    """Make an inventory and a playbook; `hosts` are lines of YAML below `hosts:`."""
    (folder / "hosts.yml").write_text(f"student:\n  vars: {LOCAL}\n  hosts:\n{hosts}", encoding="utf-8")
    text = f"- hosts: student\n  gather_facts: false\n  tasks:\n{tasks}"
    (folder / "play.yml").write_text(text, encoding="utf-8")
    names = tuple(line.split(":")[0].strip() for line in hosts.splitlines())
    return Play(
        playbook=folder / "play.yml", inventories=(folder / "hosts.yml",), hosts=names, folder=folder / "private"
    )


def run(play: Play) -> tuple[PlayEnd, Heard]:
    heard = Heard()
    return AnsibleRunner().play(play, heard, lambda: False), heard


def test_a_host_that_cannot_be_reached_or_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # Bound and not listening: nobody else answers there.
        port = closed.getsockname()[1]
        gone = f"    gone: {{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: {port}}}\n"
        play = write(
            tmp_path,
            f"    good: {{}}\n    bad: {{}}\n{gone}",
            "    - {name: Say, ansible.builtin.command: 'true', changed_when: true}\n"
            "    - name: Look\n      ansible.builtin.assert:\n"
            "        {that: inventory_hostname != 'bad', fail_msg: 'host-disk: found 1; expected 2'}\n",
        )
        end, heard = run(play)
    assert heard.ends("good") == [("Say", "changed"), ("Look", "ok")]
    assert heard.ends("bad") == [("Say", "changed"), ("Look", "failed")]
    assert heard.ends("gone") == [("Say", "unreachable")]
    assert heard.message("bad") == "host-disk: found 1; expected 2"
    assert "Connection refused" in heard.message("gone")
    assert {t.host: (t.failed, t.unreachable) for t in end.totals} == {"good": (0, 0), "bad": (1, 0), "gone": (0, 1)}


def test_what_is_secret_is_neither_told_nor_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "opensesame")
    task = "    - {name: Hide, ansible.builtin.command: 'false {{ word }}', no_log: true}\n"
    _, heard = run(write(tmp_path, "    one: {word: opensesame}\n", task))
    assert heard.message("one") == "failed; why is kept secret (`no_log`)"
    private = tmp_path / "private"
    assert stat.S_IMODE((private / "artifacts").stat().st_mode) == 0o700
    kept = [file for file in private.rglob("*") if file.is_file()]
    assert kept
    assert [file for file in kept if b"opensesame" in file.read_bytes()] == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the runner closes no file then
def test_a_second_interrupt_leaves_no_environment_behind(tmp_path: Path) -> None:
    """The runner notes the whole of it beside the events."""

    def second() -> bool:
        raise KeyboardInterrupt

    play = write(tmp_path, "    one: {}\n", "    - {name: Wait, ansible.builtin.command: sleep 5}\n")
    with pytest.raises(KeyboardInterrupt):
        AnsibleRunner().play(play, Heard(), second)
    gc.collect()
    assert list((tmp_path / "private/artifacts").iterdir())
    assert not list(tmp_path.rglob("command"))


def test_a_wrong_become_password_is_one_message_for_that_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for sudo that asks as sudo does: sudo itself asks root for no password."""
    sudo = tmp_path / "sudo"
    sudo.write_text(
        '#!/bin/sh\nprompt=; while [ "$1" != -u ]; do case $1 in -p) prompt=$2; shift;; esac; shift; done; shift 2\n'
        'printf "%s" "$prompt" >&2; read -r given\n'
        '[ "$given" = right ] || { echo "Sorry, try again." >&2; printf "%s" "$prompt" >&2; read -r given; exit 1; }\n'
        'exec "$@"\n',
        encoding="utf-8",
    )
    sudo.chmod(0o755)
    become = f"ansible_become: true, ansible_become_exe: {sudo}"
    words = {"good": "right", "bad": "wrong"}
    hosts = "".join(f"    {host}: {{{become}, ansible_become_password: {word}}}\n" for host, word in words.items())
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "1")  # else root, who runs this, becomes nobody
    _, heard = run(write(tmp_path, hosts, "    - {name: Say, ansible.builtin.command: 'true'}\n"))
    assert heard.ends("good") == [("Say", "changed")]
    assert heard.ends("bad")[0][1] in ("failed", "unreachable")
    assert heard.message("bad").startswith("become-password: found a wrong one")


def test_a_loop_that_failed_is_told_by_its_items(tmp_path: Path) -> None:
    """What the task itself says of a loop is that items failed."""
    task = (
        "    - name: Look\n      ansible.builtin.assert: {that: item > 1, fail_msg: 'found {{ item }}; expected 2'}\n"
        "      loop: [2, 1, 0]\n"
    )
    _, heard = run(write(tmp_path, "    one: {}\n", task))
    (whole,) = [e for e in heard.events if isinstance(e, TaskEnd) and not e.item]
    assert whole.message == "found 1; expected 2\nfound 0; expected 2"


def test_check_mode_tells_what_each_task_would_change_and_hides_what_is_secret(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("version 1\n", encoding="utf-8")
    tasks = (
        f"    - {{name: Write, ansible.builtin.copy: {{content: version 2, dest: {tmp_path}/old, mode: preserve}}}}\n"
        "    - name: Make\n      ansible.builtin.file: {path: '{{ item }}', state: directory, mode: '0755'}\n"
        f"      loop: [{tmp_path}/one, {tmp_path}/two]\n"
        f"    - {{name: Hide, ansible.builtin.copy: {{content: sesame, dest: {tmp_path}/s, mode: '0600'}},"
        " no_log: true}\n"
    )
    _, heard = run(write(tmp_path, "    here: {}\n", tasks).model_copy(update={"check": True}))
    ends = {e.task: e for e in heard.events if isinstance(e, TaskEnd) and not e.item}
    assert {task: end.status for task, end in ends.items()} == {
        "Write": "changed", "Make": "changed", "Hide": "ok",  # what is hidden is hidden whole
    }  # fmt: skip
    assert {"-version 1", "+version 2"} <= set(ends["Write"].diff.splitlines())
    assert f"{tmp_path}/one" in ends["Make"].diff
    assert f"{tmp_path}/two" in ends["Make"].diff
    assert ends["Hide"].diff == ""
    assert not (tmp_path / "one").exists()


def test_a_folder_that_was_there_keeps_its_mode_and_gives_no_settings(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o755)
    (tmp_path / "private/env").mkdir()
    (tmp_path / "private/env/cmdline").write_text("--list-hosts", encoding="utf-8")
    _, heard = run(write(tmp_path, "    one: {}\n", "    - {name: Say, ansible.builtin.command: 'true'}\n"))
    assert heard.ends("one") == [("Say", "changed")]
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o755


def test_a_disk_that_fills_up_ends_the_run_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play = write(tmp_path, "    one: {}\n", "    - {name: Wait, ansible.builtin.command: sleep 60}\n")
    monkeypatch.setattr(ansible, "_LEAST_FREE", 1 << 60)
    end, _ = run(play)
    assert (end.outcome, "is full" in end.error) == ("broken", True)
    monkeypatch.setattr(ansible, "_ROOM", 1 << 60)
    with pytest.raises(HostError, match="bytes are free"):
        run(play)


def test_hosts_are_named_as_they_are(tmp_path: Path) -> None:
    """An address of IPv6 has the characters of a pattern."""
    play = write(
        tmp_path, '    "::1": {}\n    "2001:db8::1": {}\n', "    - {name: Say, ansible.builtin.command: 'true'}\n"
    )
    _, heard = run(play.model_copy(update={"hosts": ("::1", "2001:db8::1")}))
    assert heard.ends("::1") == heard.ends("2001:db8::1") == [("Say", "changed")]


def test_a_host_that_no_play_is_for_ends_well_and_is_not_counted(tmp_path: Path) -> None:
    play = write(tmp_path, "    one: {}\n", "    - {name: Say, ansible.builtin.command: 'true'}\n")
    other = play.playbook.read_text(encoding="utf-8").replace("hosts: student", "hosts: grading")
    play.playbook.write_text(other, encoding="utf-8")
    assert run(play)[0] == PlayEnd(outcome="done")


def test_a_host_without_its_python_is_told_by_that(tmp_path: Path) -> None:
    """Facts are gathered by modules inside a module; what the outer one says names no cause."""
    _, heard = run(
        write(
            tmp_path,
            "    one: {ansible_python_interpreter: /usr/bin/python9}\n",
            "    - {name: Look, ansible.builtin.gather_facts: }\n",
        )
    )
    assert "'/usr/bin/python9' was not found" in heard.message("one")


def test_variables_from_a_file_win_over_those_of_the_inventory(tmp_path: Path) -> None:
    file = tmp_path / "variables of a run.json"
    file.write_text('{"word": "run", "words": ["a b", "c"]}', encoding="utf-8")
    task = "    - name: Look\n      ansible.builtin.assert:\n        that: word == 'run' and words == ['a b', 'c']\n"
    play = write(tmp_path, "    one: {word: mine}\n", task).model_copy(update={"variables": file})
    _, heard = run(play)
    assert heard.ends("one") == [("Look", "ok")]


def test_an_inventory_that_cannot_be_read_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("student: [\n", encoding="utf-8")
    with pytest.raises(UsageError) as broken:
        AnsibleRunner().inventory([tmp_path])
    assert "hosts.yml" in str(broken.value)
    with pytest.raises(UsageError, match="no such inventory"):
        AnsibleRunner().inventory([tmp_path / "nowhere"])


def test_a_group_holds_the_hosts_of_its_children_and_a_roster_is_no_inventory(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        "student:\n  hosts: {a: {}}\ngrading:\n  hosts: {b: {}}\nf25:\n  children: {student: {}, grading: {}}\n",
        encoding="utf-8",
    )
    (tmp_path / "roster.csv").write_text("name,host\n", encoding="utf-8")
    inventory = AnsibleRunner().inventory([tmp_path])
    assert inventory.hosts == ("a", "b")
    assert inventory.groups["f25"] == ("a", "b")


def test_a_playbook_that_cannot_begin_says_why(tmp_path: Path) -> None:
    play = write(tmp_path, "    one: {}\n", "    - {no_such_module_here: {}}\n")
    end, heard = run(play)
    assert (end.outcome, heard.events) == ("broken", [])
    assert "no_such_module_here" in end.error


def test_a_run_that_is_stopped_ends_soon_and_takes_its_task_along(tmp_path: Path) -> None:
    mark = f"31415{os.getpid()}"
    play = write(tmp_path, "    one: {}\n", f"    - {{name: Wait, ansible.builtin.command: sleep {mark}}}\n")
    heard = Heard()

    def sleeping() -> bool:
        return any(
            f"sleep\0{mark}".encode() in _command_line(process) for process in Path("/proc").glob("[0-9]*/cmdline")
        )

    end = AnsibleRunner().play(play, heard, sleeping)
    assert end.outcome == "interrupted"
    deadline = time.monotonic() + 20
    while sleeping() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not sleeping()


def _command_line(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_a_host_whose_key_is_not_known_is_told_with_what_to_do() -> None:
    said = "Failed to connect to the host via ssh: Host key verification failed."
    event = {"event": "runner_on_unreachable", "event_data": {"host": "a", "task": "T", "res": {"msg": said}}}
    heard = Heard()
    ansible._Listener(heard, lambda: False, Path()).hear(event)
    assert heard.message("a").startswith(said)
    assert "`ssh`" in heard.message("a")


def test_no_cell_of_a_roster_is_a_template(tmp_path: Path) -> None:
    """Even one that the allow-list would have refused."""
    trap = "{{ lookup('ansible.builtin.pipe', 'echo expanded') }}"
    row = RosterHost.model_construct(line=2, name=trap, host="one", edition="f25", group="student", port=22, user="")
    (tmp_path / "roster.yml").write_text(inventory_text((row,)), encoding="utf-8")
    task = "    - name: Look\n      ansible.builtin.assert: {that: lab_roster_name is search('echo')}\n"
    play = write(tmp_path, "    one: {}\n", task)
    _, heard = run(play.model_copy(update={"inventories": (*play.inventories, tmp_path / "roster.yml")}))
    assert heard.ends("one") == [("Look", "ok")]
