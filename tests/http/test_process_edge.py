"""Rules of the program at its edge: secrets and certificates that change, ports and stores taken."""

import json
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import trustme

from tests.processes import TOKEN, Process, configuration, until

SCRIPTED = {"providers": {"scripted": {"api": "scripted"}}}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Process]:
    with Process(tmp_path, configuration()) as process:
        yield process


def status(process: Process, token: str, verify: ssl.SSLContext | bool = True) -> int:
    scheme = "http" if verify is True else "https"
    with httpx2.Client(trust_env=False, verify=verify) as client:
        return client.get(
            f"{scheme}://localhost:{process.port}/v1/models",
            headers={"authorization": f"Bearer {token}"},
        ).status_code


def hang_up(process: Process) -> None:
    before = len(process.logged("configuration.reloaded"))
    process.send(signal.SIGHUP)
    until(lambda: len(process.logged("configuration.reloaded")) > before or None, "the reload")


def test_a_new_secret_counts_at_the_next_hangup_and_nothing_is_interrupted(
    running: Process,
) -> None:
    assert status(running, TOKEN) == 200
    text = configuration(gateway={"auth": {"token": "another-secret"}, "port": 1})
    (running.folder / "greenroom.json5").write_text(text)
    assert status(running, "another-secret") == 401
    hang_up(running)
    assert status(running, "another-secret") == 200
    assert status(running, TOKEN) == 401
    assert running.logged("configuration.reloaded")[-1]["needs_restart"] == []
    (running.folder / "greenroom.json5").write_text("{ nonsense")
    running.send(signal.SIGHUP)
    until(lambda: running.logged("configuration.unusable") or None, "the refusal")
    assert status(running, "another-secret") == 200
    running.end()
    assert "another-secret" not in running.errors + running.printed


def test_a_secret_in_a_file_counts_as_soon_as_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    text = configuration(gateway={"auth": {"tokenFile": "token"}})
    with Process(tmp_path, text) as running:
        assert status(running, "one") == 200
        (tmp_path / "next").write_text("two\n")
        os.replace(tmp_path / "next", tmp_path / "token")
        assert status(running, "two") == 200
        assert status(running, "one") == 401
        running.end()


def test_who_guesses_too_often_is_locked_out_of_everything(tmp_path: Path) -> None:
    auth = {"mode": "token", "token": TOKEN, "rateLimit": {"exemptLoopback": False}}
    with Process(tmp_path, configuration(gateway={"auth": auth})) as running:
        for _ in range(10):
            assert status(running, "wrong") == 401
        with httpx2.Client(trust_env=False) as client:
            url = f"http://localhost:{running.port}/v1/chat/completions"
            answer = client.post(url, json={}, headers={"authorization": f"Bearer {TOKEN}"})
            assert answer.status_code == 429
            assert answer.json()["error"]["type"] == "rate_limited"
            assert 290 < int(answer.headers["retry-after"]) <= 300
            assert client.get(f"http://localhost:{running.port}/health").status_code == 200
        running.end()
        assert "wrong" not in running.errors


def issue(folder: Path) -> ssl.SSLContext:
    """Write a certificate, and return what trusts it."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())


TLS = {"tls": {"enabled": True, "certPath": "certificate.pem", "keyPath": "key.pem"}}


def test_tls_is_spoken_and_its_certificate_follows_a_hangup(tmp_path: Path) -> None:
    first = issue(tmp_path)
    auth = {"auth": {"mode": "token", "token": TOKEN}}
    with Process(tmp_path, configuration(gateway={**auth, **TLS})) as running:
        assert f"https://127.0.0.1:{running.port}/v1" in running.printed
        assert status(running, TOKEN, first) == 200
        second = issue(tmp_path)
        hang_up(running)
        assert status(running, TOKEN, second) == 200
        with pytest.raises(httpx2.ConnectError):
            status(running, TOKEN, first)
        running.end()


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_without_its_certificate_a_gateway_does_not_start(
    tmp_path: Path, content: str | None
) -> None:
    issue(tmp_path)
    (tmp_path / "key.pem").unlink()
    if content is not None:
        (tmp_path / "key.pem").write_text(content)
    with Process(tmp_path, configuration(gateway=TLS)) as refused:
        assert refused.wait() == 2
        assert refused.errors.count("\n") == 1
        assert refused.errors.startswith("greenroom: no certificate in ")


def test_a_port_that_is_taken_is_shared_by_nobody_who_was_not_told_to(running: Process) -> None:
    port = running.port
    with Process(running.folder / "other", configuration(), port=port) as second:
        assert second.wait() == 2
        assert "Address already in use" in second.errors
    assert status(running, TOKEN) == 200


def test_a_store_that_is_taken_is_waited_for_and_no_longer_than_told(running: Process) -> None:
    port = running.port
    begun = Process(running.folder, None, "--wait-for-store", "0.5", port=port)
    with begun as second:
        second.wait_for_print(r"^Another gateway has .*store\.db; waits up to 0\.5 s for its end$")
        assert second.wait() == 2
        assert "store.db is in use by another Greenroom" in second.errors
    assert status(running, TOKEN) == 200


def test_there_is_no_waiting_for_a_store_in_memory(tmp_path: Path) -> None:
    with Process(tmp_path, None, "--wait-for-store", "1") as refused:
        assert refused.wait() == 2
        assert refused.errors == (
            "greenroom: there is no store to wait for; name one with --store\n"
        )


def test_a_page_that_has_pointed_its_name_here_gets_nothing(running: Process) -> None:
    with httpx2.Client(trust_env=False) as client:
        url = f"http://127.0.0.1:{running.port}/health"
        answer = client.get(url, headers={"host": f"evil.example:{running.port}"})
        assert answer.status_code == 421
        assert answer.json()["error"]["code"] == "unknown_host"
        assert client.get(url).json() == {"ok": True, "status": "live"}
    (line,) = [line for line in running.logged("http.request") if line["status"] == 421]
    assert line["error"] == "unknown_host"
    assert json.dumps(line)


def test_a_program_is_code_and_what_it_leaves_open_changes_at_a_hangup(tmp_path: Path) -> None:
    text = 'from greenroom.actors.app import Agent\nagent = Agent("dealer")\nprint("it runs")\n'
    (tmp_path / "app.py").write_text(text, encoding="utf-8")

    def with_default(model: str) -> str:
        return configuration(agents={"defaults": {"model": f"scripted/{model}"}}, models=SCRIPTED)

    def model_of_dealer(process: Process) -> str:
        with httpx2.Client(trust_env=False) as client:
            answer = client.post(
                f"http://localhost:{process.port}/v1/chat/completions",
                json={"model": "agent:dealer", "messages": [{"role": "user", "content": "x"}]},
                headers={"authorization": f"Bearer {TOKEN}"},
            )
        return answer.raise_for_status().headers["x-greenroom-model"]

    with Process(tmp_path, with_default("one"), "app.py") as running:
        assert model_of_dealer(running) == "scripted/one"
        (tmp_path / "greenroom.json5").write_text(with_default("two"), encoding="utf-8")
        (tmp_path / "app.py").write_text("nonsense", encoding="utf-8")
        hang_up(running)
        assert model_of_dealer(running) == "scripted/two"
        running.end()
        assert running.printed.count("it runs") == 1
