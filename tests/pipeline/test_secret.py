"""The secret: referred to, resolved where it is needed, never shown."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.secret import ENVIRONMENT_VARIABLE, SecretRef, find, resolve
from transforms.errors import ConfigError

VALUE = "correct horse battery staple"


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    path.write_text(VALUE + "\n")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, VALUE)
    for ref in (find(str(path), False), find(f"file://{path}", False), find(None, False), find(f"env://{ENVIRONMENT_VARIABLE}", False)):
        assert resolve(pickle.loads(pickle.dumps(ref))) == VALUE.encode()
        assert "horse" not in repr(ref) + str(ref) + pickle.dumps(ref).decode("latin-1")


def test_a_relative_path_means_the_same_on_every_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find("secret", False).where == str(tmp_path / "secret")


def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    short = tmp_path / "short"
    short.write_text("tiny")
    cases = [
        (lambda: find(None, False), "openssl rand -hex 32"),
        (lambda: find("x", True), "exclude each other"),
        (lambda: resolve(find(str(tmp_path / "none"), False)), "cannot be read"),
        (lambda: resolve(find(str(short), False)), "4 bytes; at least 16"),
        (lambda: resolve(find("tiny0123456789abcdef", False)), "expected its path, never the secret"),
        (lambda: resolve(SecretRef("env", "NO_SUCH_VARIABLE")), "not set on this worker"),
        (lambda: find("https://example.com/secret", False), "another scheme"),
    ]
    for call, said in cases:
        with pytest.raises(ConfigError, match=said) as raised:
            call()
        assert "tiny" not in str(raised.value)


def test_ephemeral_secrets_differ_are_private_and_go() -> None:
    program = (
        "import os\nfrom pipeline.secret import *\nr = find(None, True)\n"
        "print(r.where, oct(os.stat(r.where).st_mode & 0o777), len(resolve(r)))"
    )
    results = [run(program).split() for _ in range(2)]
    assert results[0][0] != results[1][0]
    for where, mode, length in results:
        assert (mode, length) == ("0o600", "64")
        assert not Path(where).exists()


def test_a_forked_worker_leaves_the_ephemeral_secret_in_place() -> None:
    program = (
        "import os\nfrom pipeline.secret import *\nr = find(None, True)\n"
        "pid = os.fork()\nif pid == 0:\n    resolve(r)\n    raise SystemExit\nos.waitpid(pid, 0)\nprint(len(resolve(r)))"
    )
    assert run(program).strip() == "64"


@pytest.mark.parametrize(
    ("uri", "module"), [("gcp-secret://projects/p/secrets/s", "google.cloud.secretmanager"), ("aws-secret://name", "boto3")]
)
def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch, uri: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    if module.startswith("google"):
        import google.cloud

        monkeypatch.delattr(google.cloud, "secretmanager", raising=False)
    with pytest.raises(ConfigError, match="pip install"):
        resolve(SecretRef.parse(uri))
