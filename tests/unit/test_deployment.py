"""What is in deploy/ fits the server: its settings, paths, ports, limits and the way it stops."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
from configparser import ConfigParser
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.docs.fences import ROOT
from tests.unit.deployed import (
    GRACE_S,
    IMAGE,
    MEMORY_BYTES,
    PROJECT,
    VERSION,
    Instruction,
    fill_in,
    read_bytes,
    read_environment,
    read_example,
    read_instructions,
    read_seconds,
)
from xray.cli.main import build_command_parser, find_command, load_command
from xray.server.auth import OPEN_PATHS
from xray.server.serving import BackgroundServer, check_exposure
from xray.server.settings import ServerSettings, describe_settings, read_settings
from xray.settings import VARIABLES
from xray.wire.limits import DEFAULT_LIMITS

DEPLOY = ROOT / "deploy"
FILES = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file()]
COMPOSE_FILES = sorted(DEPLOY.glob("compose*.yaml"))
MANIFESTS = sorted(DEPLOY.glob("kubernetes/**/*.yaml"))
PAGE = ROOT / "docs" / "deployment.md"
UID = "10001"
PORT = 8000


@cache
def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


SERVICES = [
    pytest.param(path, service, id=f"{path.name}: {service}")
    for path in COMPOSE_FILES
    for service in load(path)["services"]
]
SERVERS = [param for param in SERVICES if load(param.values[0])["services"]["xray"] is
           load(param.values[0])["services"][param.values[1]]]  # fmt: skip


@pytest.mark.parametrize("path", [*FILES, PAGE], ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    named = set(re.findall(r"\bXRAY_[A-Z_]+", path.read_text("utf-8")))
    known = {setting.env for setting in describe_settings()}
    if path == PAGE:
        known |= {*VARIABLES.values(), "XRAY_CONFIG"}
    assert named <= known


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".yaml"])
def test_no_key_is_given_twice(path: Path) -> None:
    # What a loader takes the last of, an engine may refuse.
    def check(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), keys
            for _, value in node.value:
                check(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                check(value)

    for document in yaml.compose_all(path.read_text("utf-8"), yaml.SafeLoader):
        check(document)


# The image


DOCKERFILE = read_instructions(DEPLOY / "Dockerfile")
FINAL = DOCKERFILE[max(i for i, line in enumerate(DOCKERFILE) if line.word == "FROM") :]


def of_final(word: str) -> list[str]:
    return [line.rest for line in FINAL if line.word == word]


def test_every_stage_starts_from_a_version() -> None:
    (version,) = (line.rest for line in DOCKERFILE if line == Instruction("ARG", line.rest))
    assert re.fullmatch(r"PYTHON=3\.\d+\.\d+-slim-\w+", version)
    stages = [line.rest.split()[0] for line in DOCKERFILE if line.word == "FROM"]
    assert stages == ["python:${PYTHON}"] * 2


def test_the_image_runs_as_nobody_special() -> None:
    assert of_final("USER") == [f"{UID}:{UID}"]
    (made,) = of_final("RUN")
    assert f"--uid {UID}" in made
    assert f"--gid {UID}" in made
    # What comes after USER is run, and nothing is installed into what runs.
    assert "install " not in made.replace("install -d", "")


def test_the_image_starts_a_server_that_others_reach_by_its_port() -> None:
    (entry,), (command,) = of_final("ENTRYPOINT"), of_final("CMD")
    words = [*json.loads(entry), *json.loads(command)]
    options = parse(words)
    given = {name: getattr(options, name) for name in ("host", "port", "store")}
    settings = read_settings({"XRAY_API_KEY": "key", **image_environment()}, **given)
    assert (settings.host, settings.port) == ("0.0.0.0", PORT)
    assert of_final("EXPOSE") == [str(PORT)]
    check_exposure(settings)


def test_records_are_kept_in_the_volume() -> None:
    (volume,) = of_final("VOLUME")
    assert image_environment()["XRAY_STORE"].startswith(f"sqlite:///{volume}/")
    assert of_final("WORKDIR") == [volume]


def test_the_health_check_tells_a_server_from_none() -> None:
    (check,) = of_final("HEALTHCHECK")
    _, _, probe = check.partition("CMD ")
    words = json.loads(probe)
    assert str(PORT) in words[-1]

    def asks(port: int) -> int:
        program = [sys.executable, *words[1:-1], words[-1].replace(str(PORT), str(port))]
        return subprocess.run(program, capture_output=True, check=False).returncode

    with BackgroundServer(ServerSettings(store="memory:", port=0)) as server:
        assert asks(server.port) == 0
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert asks(bound.getsockname()[1]) != 0


def test_the_image_installs_what_is_locked_with_extras_that_exist() -> None:
    extras = PROJECT.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    syncs = [line.rest for line in DOCKERFILE if "uv sync" in line.rest]
    assert len(syncs) == 2
    for sync in syncs:
        assert "--frozen" in sync
        named = re.findall(r"--extra (\w+)", sync)
        assert named == ["server", "postgres"]
        assert all(re.search(rf"^{extra} = ", extras, re.MULTILINE) for extra in named)


def test_the_builder_is_given_what_it_copies_and_no_more() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        name
        for line in DOCKERFILE
        if line.word == "COPY" and not line.rest.startswith("--from")
        for name in line.rest.split()[:-1]
    }
    assert "*" in ignored
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)


def image_environment() -> dict[str, str]:
    (line,) = of_final("ENV")
    return dict(word.split("=", 1) for word in shlex.split(line))


# Compose


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.name)
def test_a_compose_file_asks_for_what_the_example_names(path: Path) -> None:
    asked = set(re.findall(r"\$\{(\w+)", path.read_text("utf-8")))
    assert asked <= read_example(DEPLOY / ".env.example").keys()


def test_everything_in_the_example_is_asked_for() -> None:
    texts = "".join(path.read_text("utf-8") for path in COMPOSE_FILES)
    for name in read_example(DEPLOY / ".env.example"):
        assert f"${{{name}" in texts


@pytest.mark.parametrize(("path", "service"), SERVERS)
def test_a_compose_file_starts_no_server_without_a_key(path: Path, service: str) -> None:
    given = read_example(DEPLOY / ".env.example")
    with pytest.raises(KeyError):
        fill_in(load(path)["services"][service]["environment"], given)


@pytest.mark.parametrize(("path", "service"), SERVERS)
def test_the_server_takes_the_environment_it_is_given(path: Path, service: str) -> None:
    given = read_example(DEPLOY / ".env.example")
    given |= {"XRAY_API_KEY": "0a" * 32, "POSTGRES_PASSWORD": "0b" * 32, "SITE_NAME": "x.test"}
    environment = image_environment() | fill_in(
        load(path)["services"][service]["environment"], given
    )
    settings = read_settings(environment, host="0.0.0.0")
    check_exposure(settings)
    assert settings.api_key == given["XRAY_API_KEY"]
    assert settings.allowed_hosts == ("x.test",)
    assert settings.store.startswith("postgresql:" if "postgres" in path.name else "sqlite:")


@pytest.mark.parametrize(("path", "service"), SERVICES)
def test_images_are_pinned(path: Path, service: str) -> None:
    name, _, tag = load(path)["services"][service]["image"].partition(":")
    assert re.match(r"\d+\.\d+", tag)
    if name == IMAGE:
        assert tag == VERSION
        built = load(path)["services"][service]["build"]
        context = (path.parent / built["context"]).resolve()
        assert context == ROOT
        assert (context / built["dockerfile"]).is_file()


@pytest.mark.parametrize(("path", "service"), SERVICES)
def test_every_service_is_bounded_and_comes_back(path: Path, service: str) -> None:
    described = load(path)["services"][service]
    assert described["restart"] == "unless-stopped"
    assert "no-new-privileges:true" in described["security_opt"]
    assert read_bytes(described["deploy"]["resources"]["limits"]["memory"])
    assert not {"privileged", "network_mode", "pid"} & described.keys()


@pytest.mark.parametrize(("path", "service"), SERVERS)
def test_a_server_in_a_container_writes_nowhere_but_to_its_volume(path: Path, service: str) -> None:
    described = load(path)["services"][service]
    assert described["read_only"] is True
    assert described["cap_drop"] == ["ALL"]
    assert "cap_add" not in described
    limits = described["deploy"]["resources"]["limits"]
    assert read_bytes(limits["memory"]) >= MEMORY_BYTES
    assert read_seconds(described["stop_grace_period"]) >= GRACE_S


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.name)
def test_only_a_proxy_with_tls_is_reached_from_elsewhere(path: Path) -> None:
    for name, described in load(path)["services"].items():
        for port in described.get("ports", ()):
            assert port.startswith("127.0.0.1:") or (name, port) == ("proxy", "443:443")


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.name)
def test_what_a_service_uses_is_there(path: Path) -> None:
    document = load(path)
    for described in document["services"].values():
        for volume in described.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (path.parent / source).is_file()
            else:
                assert source in document["volumes"]
        assert set(described.get("networks", ())) <= set(document.get("networks", ()))
        assert set(described.get("depends_on", ())) <= document["services"].keys()


def test_one_server_writes_a_file_and_several_share_a_database() -> None:
    def replicas(name: str) -> int:
        return load(DEPLOY / name)["services"]["xray"]["deploy"].get("replicas", 1)

    assert replicas("compose.yaml") == 1
    assert replicas("compose.postgres.yaml") > 1


def test_the_proxy_asks_servers_by_the_name_and_port_they_have() -> None:
    text = (DEPLOY / "Caddyfile").read_text("utf-8")
    assert re.findall(r"name (\w+)\n\s+port (\d+)", text) == [("xray", str(PORT))]
    proxy = load(DEPLOY / "compose.postgres.yaml")["services"]["proxy"]
    *_, address = proxy["healthcheck"]["test"]
    check = urlsplit(address)
    assert f"http://:{check.port} {{" in text
    assert check.path in OPEN_PATHS


# Kubernetes


def manifest(kind: str) -> Any:
    (found,) = (load(path) for path in MANIFESTS if load(path)["kind"] == kind)
    return found


def test_what_is_applied_is_every_manifest_but_the_examples() -> None:
    folder = DEPLOY / "kubernetes"
    listed = load(folder / "kustomization.yaml")["resources"]
    assert sorted(listed) == sorted(
        path.name for path in folder.glob("*.yaml") if path.name != "kustomization.yaml"
    )


def test_manifests_name_no_namespace() -> None:
    assert not [path for path in MANIFESTS if "namespace" in load(path).get("metadata", {})]


def test_selectors_select_the_servers() -> None:
    deployment = manifest("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service")["spec"]["selector"] == labels
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    for spread in pod()["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"] == labels


def test_servers_may_be_disturbed_one_at_a_time() -> None:
    allowed = manifest("PodDisruptionBudget")["spec"]["maxUnavailable"]
    assert 0 < allowed < manifest("Deployment")["spec"]["replicas"]


def test_a_pod_may_do_as_little_as_it_can() -> None:
    assert pod()["automountServiceAccountToken"] is False
    context = pod()["securityContext"]
    assert context["runAsNonRoot"] is True
    assert str(context["runAsUser"]) == str(context["runAsGroup"]) == UID
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    own = container()["securityContext"]
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}


def test_probes_ask_what_is_answered_without_a_key() -> None:
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert ports == {"http": PORT}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container()[probe]["httpGet"]
        assert asked["path"] in OPEN_PATHS
        assert asked["port"] in ports
    (service,) = manifest("Service")["spec"]["ports"]
    assert service["targetPort"] in ports
    (rule,) = manifest("NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for port in rule["ports"]] == [PORT]


def test_a_pod_has_the_time_and_the_memory_that_the_server_takes() -> None:
    *_, pause = container()["lifecycle"]["preStop"]["exec"]["command"]
    assert pod()["terminationGracePeriodSeconds"] >= int(pause) + GRACE_S
    resources = container()["resources"]
    assert read_bytes(resources["limits"]["memory"]) >= MEMORY_BYTES
    assert read_bytes(resources["requests"]["memory"]) >= 128 << 20


def test_a_pod_runs_the_image_with_an_environment_the_server_takes() -> None:
    name, _, tag = container()["image"].partition(":")
    assert (name, tag) == (IMAGE, VERSION)
    (image,) = load(DEPLOY / "kubernetes" / "kustomization.yaml")["images"]
    assert image == {"name": IMAGE, "newTag": VERSION}
    named = {next(iter(source.values()))["name"] for source in container()["envFrom"]}
    sources = [manifest("ConfigMap"), manifest("Secret")]
    assert named == {source["metadata"]["name"] for source in sources}
    environment = sources[0]["data"] | sources[1]["stringData"]
    settings = read_settings(environment, host="0.0.0.0")
    check_exposure(settings)
    assert settings.store.startswith("postgresql:")
    (rule,) = manifest("Ingress")["spec"]["rules"]
    assert rule["host"] in settings.allowed_hosts


def pod() -> Any:
    return manifest("Deployment")["spec"]["template"]["spec"]


def container() -> Any:
    (only,) = pod()["containers"]
    return only


# The unit, and what proxies must let through


def test_the_unit_starts_a_server_that_may_write_where_its_records_are() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((DEPLOY / "xray.service").read_text("utf-8"))
    service = unit["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert parse([Path(program).name, *arguments])
    settings = read_settings(read_environment(service["Environment"]))
    assert settings.store == f"sqlite:////var/lib/{service['StateDirectory']}/xray.db"
    check_exposure(settings)
    assert float(service["TimeoutStopSec"]) >= GRACE_S
    assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert read_bytes(service["MemoryMax"]) >= MEMORY_BYTES


def test_proxies_let_the_largest_body_through() -> None:
    annotations = manifest("Ingress")["metadata"]["annotations"]
    (size,) = (text for name, text in annotations.items() if name.endswith("/proxy-body-size"))
    (shown,) = re.findall(r"client_max_body_size (\w+);", PAGE.read_text("utf-8"))
    for text in (size, shown):
        # So that the server itself says what is too large, and why.
        assert read_bytes(text) > DEFAULT_LIMITS.max_body_bytes


def parse(words: list[str]) -> Any:
    assert words[0] == "xray"
    command = find_command(words[1])
    assert command is not None
    return build_command_parser(command, load_command(command)).parse_args(words[2:])
