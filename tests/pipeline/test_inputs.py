"""Inputs: every way to name files gives the same sorted, unique sources, and what names nothing is an error."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import inputs
from pipeline.inputs import expand
from pipeline.storage import Store
from transforms.errors import ConfigError

STORE = Store()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "archive"
    for name in ("a/1.dcm", "a/2", "b/c/3.dcm", "b/[x].dcm", "4.DCM", "note.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))
    return root


def names(archive: Path, *inputs: str, output: str | None = None) -> list[str]:
    uris = [source.uri for source in expand(inputs, STORE, output)]
    assert uris == sorted(set(uris))
    return [uri.removeprefix(f"{archive}/") for uri in uris]


def test_folder(archive: Path) -> None:
    assert names(archive, str(archive)) == ["4.DCM", "a/1.dcm", "a/2", "b/[x].dcm", "b/c/3.dcm", "note.txt"]
    assert names(archive, f"file://{archive}/") == names(archive, str(archive))
    assert [source.size for source in expand([str(archive / "a")], STORE)] == [7, 3]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.dcm", None),
        ("*", ["4.DCM", "note.txt"]),
        ("*/*.dcm", ["a/1.dcm", "b/[x].dcm"]),
        ("**/*.dcm", ["a/1.dcm", "b/[x].dcm", "b/c/3.dcm"]),
        ("**", ["4.DCM", "a/1.dcm", "a/2", "b/[x].dcm", "b/c/3.dcm", "note.txt"]),
        ("a/?", ["a/2"]),
        ("[!ab]*", ["4.DCM", "note.txt"]),
        ("b/[x].dcm", ["b/[x].dcm"]),
        ("nothing/*", None),
    ],
)
def test_globs(archive: Path, pattern: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(ConfigError, match="names no file"):
            names(archive, f"{archive}/{pattern}")
    else:
        assert names(archive, f"{archive}/{pattern}") == expected


def test_globs_find_names_that_are_not_utf8(archive: Path) -> None:
    folder = os.fsencode(archive) + b"/M\xfcller"
    Path(os.fsdecode(folder)).mkdir()
    Path(os.fsdecode(folder + b"/bild-\xe4.dcm")).write_bytes(b"x")
    everything = names(archive, str(archive))
    assert len(everything) == 7
    assert names(archive, f"{archive}/**") == everything
    assert names(archive, f"{archive}/*/*.dcm", f"{archive}/**/3.dcm", f"{archive}/4*", f"{archive}/[an]*/*", f"{archive}/n*") == everything
    assert names(archive, os.fsdecode(folder + b"/bild-?.dcm")) == everything[-1:]


def test_overlapping_inputs_give_each_file_once(archive: Path) -> None:
    assert names(archive, str(archive / "a"), str(archive), f"{archive}/**/*.dcm", f"file://{archive}/a/2") == names(archive, str(archive))


def test_lists_and_manifests(archive: Path, tmp_path: Path) -> None:
    one, two = archive / "a" / "2", archive / "a" / "1.dcm"
    listing = tmp_path / "list.txt"
    listing.write_text(f"# comment\n{one}\n\n{two}\n{one}\n")
    csv = tmp_path / "m.csv"
    csv.write_text(f"url,size,other\n{one},3,x\n{two},,y\n")
    parquet = tmp_path / "m.parquet"
    pq.write_table(pa.table({"uri": [str(one), str(two)], "size": pa.array([3, None], pa.int64())}), parquet)
    for name in (f"@{listing}", str(csv), str(parquet)):
        assert names(archive, name) == ["a/1.dcm", "a/2"]
    for name in (str(csv), str(parquet)):
        assert [source.size for source in expand([name], STORE)] == [None, 3]


def test_a_size_that_no_file_has_is_not_believed(tmp_path: Path) -> None:
    table = pa.table({"uri": ["/data/a", "/data/b", "/data/c"], "size": [0, -5, 7]})
    pq.write_table(table, tmp_path / "sizes.parquet")
    (tmp_path / "sizes.csv").write_text("uri,size\n/data/a,0\n/data/b,-5\n/data/c,7\n")
    for name in ("sizes.parquet", "sizes.csv"):
        assert [source.size for source in inputs.expand([str(tmp_path / name)], STORE)] == [None, None, 7]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b'uri\n/a\n"' + b"x" * 200_000, "is no CSV behind line 2"), (b"uri\n/a\ns3://bucket/M\xfcller\n", "another encoding than UTF-8")],
    ids=["an open quote", "Latin-1"],
)
def test_a_manifest_that_cannot_be_read_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=said) as raised:
        list(inputs.expand([str(tmp_path / "list.csv")], STORE))
    assert "ller" not in str(raised.value)


def test_a_manifest_without_the_column_says_which(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,size\n/a,1\n")
    pq.write_table(pa.table({"path": ["/a"]}), tmp_path / "m.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"not parquet")
    for name, said in (("m.csv", "found path, size"), ("m.parquet", "found path"), ("bad.parquet", "no Parquet file")):
        with pytest.raises(ConfigError, match=said):
            list(expand([str(tmp_path / name)], STORE))


@pytest.mark.parametrize("name", ["missing", "missing/*.dcm", "@missing.txt", "memory://nothing/here"])
def test_what_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    full = name if "://" in name else f"@{tmp_path}/{name[1:]}" if name.startswith("@") else f"{tmp_path}/{name}"
    with pytest.raises(ConfigError) as raised:
        list(expand([full], STORE))
    assert full.lstrip("@") in str(raised.value)


def test_empty_inputs(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text("# nothing\n")
    for given_inputs in ([], [str(tmp_path / "empty")], [f"@{tmp_path}/list.txt"]):
        with pytest.raises(ConfigError):
            list(expand(given_inputs, STORE))


def test_a_run_does_not_eat_what_it_wrote(archive: Path) -> None:
    for output in (str(archive), str(archive / "out"), f"file://{archive}/out/"):
        with pytest.raises(ConfigError, match="inside the input"):
            list(expand([str(archive)], STORE, output))
    with pytest.raises(ConfigError, match="inside the output"):
        list(expand([f"{archive}/**"], STORE, str(archive / "a")))
    assert names(archive, f"{archive}/*/*.dcm", output=str(archive / "out"))
    assert names(archive, str(archive), output=f"{archive}-out")


def test_a_link_to_the_input_is_the_input(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(archive)
    for name, output in (
        (archive, tmp_path / "link" / "out"),
        (tmp_path / "link", archive / "out"),
        (tmp_path / "link" / "a", archive / "a"),
    ):
        with pytest.raises(ConfigError, match="lies inside the input"):
            names(archive, str(name), output=str(output))
    assert names(archive, str(archive / "a"), output=str(tmp_path / "link" / "b" / "out"))


def test_objects(archive: Path) -> None:
    for name in ("in/x/1", "in/y/2", "in/1"):
        STORE.write_atomic(f"memory://objects/{name}", b"x")
    found = [source.uri for source in expand(["memory://objects/in", "memory://objects/in/**/2"], STORE)]
    assert found == [f"memory://objects/in/{name}" for name in ("1", "x/1", "y/2")]


@pytest.mark.parametrize("name", ["list.txt", "m.csv", "m.parquet"])
@pytest.mark.parametrize("place", ["disk", "memory"])
def test_long_lists_are_sorted_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str) -> None:
    monkeypatch.setattr(inputs, "RUN", 7)
    monkeypatch.setattr(inputs, "READ_BYTES", 64)
    uris = [f"gs://b/{number * 37 % 50:02}\u2028ü" for number in range(60)]
    root = str(tmp_path) if place == "disk" else f"memory://lists/{tmp_path.name}"
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"uri": uris, "size": range(60)}), sink)
    texts = {"list.txt": "\r\n".join(uris), "m.csv": "\ufeffuri,size\n" + "\n".join(f'"{uri}",{size}' for size, uri in enumerate(uris))}
    STORE.write_atomic(f"{root}/{name}", texts[name].encode() if name in texts else sink.getvalue().to_pybytes())
    found = list(inputs.expand([("@" if name == "list.txt" else "") + f"{root}/{name}"], STORE))
    assert [source.uri for source in found] == sorted(set(uris))
    if name != "list.txt":
        assert all(uris[source.size or 0] == source.uri for source in found)


@given(st.lists(st.lists(st.text("abc./-[", min_size=1, max_size=4), min_size=1, max_size=6), min_size=1, max_size=4))
def test_any_mix_of_lists_is_sorted_and_unique(tmp_path_factory: pytest.TempPathFactory, lists: list[list[str]]) -> None:
    folder = tmp_path_factory.mktemp("lists")
    for number, entries in enumerate(lists):
        (folder / f"{number}.txt").write_text("\n".join(f"gs://b/{entry}" for entry in entries))
    found = [source.uri for source in expand([f"@{folder}/{number}.txt" for number in range(len(lists))], STORE)]
    assert found == sorted({f"gs://b/{entry}" for entries in lists for entry in entries})
