"""A W&B server in memory, over real HTTP: what wandb 0.31 asks of one, and the ways in which one fails.

Faithful where a client can lose data: the rows of a file stream go where their offset says (a second upload at offset 0
writes over the first), a run that is resumed is told how many rows there are and which was the last, files are kept as
they were uploaded.
"""

import base64
import gzip
import itertools
import json
import os
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote

import pytest
import yaml

ENTITY = "team"
API_KEY = "0123456789" * 4

#: What the server does with requests: answers them, closes the connection, answers with 503 or 401, never answers.
Mode = Literal["serve", "refuse", "unavailable", "unauthorized", "hang"]

_OPERATION = re.compile(r"\b(?:query|mutation)\s+(\w+)")
_PROJECT = {"id": "project", "name": "", "entity": {"id": "entity", "name": ENTITY}}


@dataclass
class Run:
    """What the server knows of one run."""

    name: str
    project: str
    sweep: str | None = None
    group: str | None = None
    shown_as: str | None = None
    point: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    state: str = "pending"
    exit_code: int | None = None
    starts: int = 0
    preempting: bool = False
    stop: Literal["agent", "filestream"] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration without W&B's own wrapping."""
        return {key: entry["value"] for key, entry in self.config.items() if key != "_wandb"}

    @property
    def history(self) -> list[dict[str, Any]]:
        """Its rows, as logged."""
        return [json.loads(line) for line in self.lines.get("wandb-history.jsonl", [])]

    @property
    def summary(self) -> dict[str, Any]:
        """The values of its summary."""
        found: dict[str, Any] = json.loads((self.lines.get("wandb-summary.json") or ["{}"])[-1])
        return found

    def rounds(self, name: str) -> list[int]:
        """The rounds whose rows have a value, in the order of the rows."""
        return [row["trainer/global_step"] for row in self.history if name in row]

    def write(self, chunks: dict[str, Any]) -> None:
        """Puts the lines of a file stream where their offsets say."""
        for name, chunk in chunks.items():
            lines, offset = self.lines.setdefault(name, []), int(chunk.get("offset", 0))
            assert offset <= len(lines), f"{name}: rows from {offset} on, and there are {len(lines)}"
            lines[offset : offset + len(chunk["content"])] = chunk["content"]


@dataclass
class Sweep:
    """A grid, handed out point by point."""

    name: str
    project: str
    config: str
    points: list[dict[str, Any]]
    runs: list[str] = field(default_factory=list)
    state: str = "RUNNING"


@dataclass
class Artifact:
    """One version of an artifact."""

    name: str
    type: str
    digest: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    aliases: set[str] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)
    committed: bool = False


class WandbServer:
    """The server; what it holds may be read, and its mode set, at any time.

    Args:
        port: Where it listens, on 127.0.0.1; a free one if 0.
    """

    def __init__(self, port: int = 0) -> None:
        self.mode: Mode = "serve"
        self.runs: dict[str, Run] = {}
        self.sweeps: dict[str, Sweep] = {}
        self.agents: dict[str, str] = {}
        self.artifacts: list[Artifact] = []
        self.operations: list[str] = []
        self.faults: list[str] = []  # what it could not answer: a test's own mistake, or this file's
        self.changed = threading.Condition()
        self._plans: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
        self.port = port
        self._http: ThreadingHTTPServer | None = None
        self.live()

    # -- Life -------------------------------------------------------------------------------------------------------

    def live(self) -> None:
        """Listens, again on the port of before."""
        self.set_mode("serve")
        if self._http is not None:
            return
        server = self

        class Handler(_Handler):
            owner = server

        self._http = _Listener(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def die(self) -> None:
        """Goes away in the middle of everything: nobody listens on its port."""
        if self._http is not None:
            self.set_mode("refuse")  # whoever is connected still
            self._http.shutdown()
            self._http.server_close()
            self._http.drop_connections()
            self._http = None

    def set_mode(self, mode: Mode) -> None:
        """Behaves in another way from now on; those who were kept waiting lose their connection."""
        with self.changed:
            self.mode = mode
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], Any], seconds: float = 300.0) -> None:
        """Waits until something is true of what the server holds."""
        with self.changed:
            assert self.changed.wait_for(condition, seconds), (
                f"not within {seconds} s; the server knows {self.runs.keys()} and was asked {self.operations[-20:]}"
            )

    def when(self, condition: Callable[[], Any], action: Callable[[], Any]) -> None:
        """Does something, once, as soon as something is true of what the server holds."""
        self._plans.append((condition, action))

    def _note(self) -> None:
        """Something has changed; called with the lock."""
        self.changed.notify_all()
        due = [plan for plan in self._plans if plan[0]()]
        self._plans = [plan for plan in self._plans if plan not in due]
        for _, action in due:
            threading.Thread(target=action, daemon=True).start()  # it may end the very request that is served

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def environ(self, home: Path) -> dict[str, str]:
        """The environment of a client that finds this server, and leaves everything outside of a folder alone.

        Args:
            home: The folder; made.
        """
        home.mkdir(parents=True, exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        return {
            **inherited,
            "HOME": str(home),
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": API_KEY,
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_CACHE_DIR": str(home / "cache"),
            "WANDB_CONFIG_DIR": str(home / "config"),
            "WANDB_DATA_DIR": str(home / "data"),
        }

    # -- GraphQL ----------------------------------------------------------------------------------------------------

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """What a GraphQL request is answered."""
        found = _OPERATION.search(query)
        name = found.group(1) if found else "?"
        with self.changed:
            self.operations.append(name)
            handler = _OPERATIONS.get(name)
            if handler is None:
                self.faults.append(f"unknown operation {name}: {query}")
                return {"data": None, "errors": [{"message": f"unknown operation {name}"}]}
            answered: dict[str, Any] = {"data": handler(self, variables)}
            self._note()
            return answered

    def _viewer(self, _given: dict[str, Any]) -> dict[str, Any]:
        user = {"id": "user", "entity": ENTITY, "username": "user", "email": "", "admin": False, "flags": "{}"}
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        return {"viewer": {**user, "name": "user", "teams": teams, "apiKeys": {"edges": []}, "deletedAt": None}}

    def _server_features(self, _given: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def _server_info(self, _given: dict[str, Any]) -> dict[str, Any]:
        latest = {"outOfDate": False, "latestVersionString": "0.80.0", "versionOnThisInstanceString": "0.80.0"}
        return {"serverInfo": {"cliVersionInfo": {"max_cli_version": "0.99.0"}, "latestLocalVersionInfo": latest}}

    def _organization(self, _given: dict[str, Any]) -> dict[str, Any]:
        return {"entity": {"organization": {"coreWeaveOrganizationId": None}}}

    def _upsert_bucket(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given.get("name") or uuid.uuid4().hex[:8]
        new = name not in self.runs or self.runs[name].state == "pending"
        run = self.runs.setdefault(name, Run(name, given.get("project") or "uncategorized"))
        run.project = given.get("project") or run.project
        run.group = given.get("groupName") or run.group
        run.shown_as = given.get("displayName") or run.shown_as
        run.config.update(json.loads(given.get("config") or "{}"))
        run.sweep = given.get("sweep") or run.sweep
        if given.get("summaryMetrics"):
            run.lines["wandb-summary.json"] = [given["summaryMetrics"]]
        if run.state != "running":
            run.state, run.starts = "running", run.starts + 1
        return {"upsertBucket": {"bucket": self._bucket(run), "inserted": new}}

    def _bucket(self, run: Run) -> dict[str, Any]:
        named = {"id": _id("Run", run.name), "name": run.name, "displayName": run.name, "description": None}
        project = {**_PROJECT, "name": run.project}
        counts = {"historyLineCount": len(run.history), "sweepName": run.sweep}
        return {**named, **counts, "config": json.dumps(run.config), "project": project}

    def _run_resume_status(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(given["name"])
        bucket = None if run is None or run.state == "pending" else self._resume_status(run)
        return {"model": {**_PROJECT, "name": given.get("project"), "bucket": bucket}}

    def _resume_status(self, run: Run) -> dict[str, Any]:
        def tail(name: str) -> str:
            return json.dumps(run.lines.get(name, [])[-1:])

        return {
            **self._bucket(run),
            "summaryMetrics": json.dumps(run.summary),
            "wandbConfig": json.dumps({"t": 1}),
            "logLineCount": len(run.lines.get("output.log", [])),
            "eventsLineCount": len(run.lines.get("wandb-events.jsonl", [])),
            "historyTail": tail("wandb-history.jsonl"),
            "eventsTail": tail("wandb-events.jsonl"),
            "tags": [],
        }

    def _run_stopped_status(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(given["runId"])
        return {"project": {"run": {"stopped": run is not None and run.stop == "filestream"}}}

    def _create_run_files(self, given: dict[str, Any]) -> dict[str, Any]:
        run = given["run"]
        files = [
            {"name": name, "uploadUrl": f"{self.url}/upload/{run}/{quote(name, safe='')}"} for name in given["files"]
        ]
        return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": files}}

    # -- Sweeps -----------------------------------------------------------------------------------------------------

    def _upsert_sweep(self, given: dict[str, Any]) -> dict[str, Any]:
        for sweep in self.sweeps.values():
            if given.get("state") and _id("Sweep", sweep.name) == given.get("id"):
                sweep.state = given["state"]
                return {"upsertSweep": {"sweep": {"name": sweep.name}}}
        config = yaml.safe_load(given["config"])
        parameters = {key: entry.get("values") or [entry["value"]] for key, entry in config["parameters"].items()}
        points = [dict(zip(parameters, point, strict=True)) for point in itertools.product(*parameters.values())]
        sweep = Sweep(uuid.uuid4().hex[:8], given.get("projectName") or "uncategorized", given["config"], points)
        self.sweeps[sweep.name] = sweep
        node = {"name": sweep.name, "project": {**_PROJECT, "name": sweep.project}}
        return {"upsertSweep": {"sweep": node, "configValidationWarnings": []}}

    def _sweep_with_runs(self, given: dict[str, Any]) -> dict[str, Any]:
        sweep = self.sweeps[given["sweep"]]
        absent = ("description", "createdAt", "heartbeatAt", "updatedAt", "bestLoss", "controller", "scheduler")
        node = {
            **dict.fromkeys(absent),
            "id": _id("Sweep", sweep.name),
            "name": sweep.name,
            "method": "grid",
            "state": sweep.state,
            "config": sweep.config,
            "earlyStopJobRunning": False,
            "runs": {"edges": []},
        }
        return {"project": {"sweep": node}}

    def _create_agent(self, given: dict[str, Any]) -> dict[str, Any]:
        agent = _id("Agent", uuid.uuid4().hex[:6])
        self.agents[agent] = given["sweep"]
        return {"createAgent": {"agent": {"id": agent}}}

    def _heartbeat(self, given: dict[str, Any]) -> dict[str, Any]:
        sweep = self.sweeps[self.agents[given["id"]]]
        running = [name for name, alive in json.loads(given.get("runState") or "{}").items() if alive]
        stopping = [name for name in running if name in self.runs and self.runs[name].stop == "agent"]
        if stopping:
            commands = [{"type": "stop", "run_id": name} for name in stopping]
        elif running:
            commands = []
        elif preempted := [name for name in sweep.runs if self.runs[name].state == "preempted"]:
            run = self.runs[preempted[0]]
            run.state, run.preempting = "running", False
            commands = [self._trial(sweep, run)]
        elif sweep.points and sweep.state == "RUNNING":
            commands = [self._next_trial(sweep)]
        else:
            sweep.state = "FINISHED"
            commands = [{"type": "exit"}]
        return {"agentHeartbeat": {"agent": {"id": given["id"]}, "commands": json.dumps(commands)}}

    def _next_trial(self, sweep: Sweep) -> dict[str, Any]:
        point, name = sweep.points.pop(0), uuid.uuid4().hex[:8]
        sweep.runs.append(name)
        self.runs[name] = Run(name, sweep.project, sweep=sweep.name, point=point)
        return self._trial(sweep, self.runs[name])

    def _trial(self, sweep: Sweep, run: Run) -> dict[str, Any]:
        """What an agent is told to run; one that was preempted comes before all new ones."""
        program = yaml.safe_load(sweep.config).get("program")
        arguments = {key: {"value": value} for key, value in run.point.items()}
        return {"type": "run", "run_id": run.name, "program": program, "args": arguments, "logs": []}

    # -- Artifacts --------------------------------------------------------------------------------------------------

    def _artifact_type(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["name"].rpartition(":")[0] or given["name"]
        kinds = [artifact.type for artifact in self.artifacts if artifact.name == name]
        return {"project": {"artifact": {"artifactType": {"name": kinds[0]}} if kinds else None}}

    def _create_artifact(self, given: dict[str, Any]) -> dict[str, Any]:
        asked = given["input"]
        versions = [artifact for artifact in self.artifacts if artifact.name == asked["artifactCollectionName"]]
        known = [artifact for artifact in versions if artifact.digest == asked["digest"]]
        aliases = {entry["alias"] for entry in asked.get("aliases") or []}
        if not known:
            known = [Artifact(asked["artifactCollectionName"], asked["artifactTypeName"], asked["digest"])]
            self.artifacts += known
        for artifact in versions:
            artifact.aliases -= aliases  # each belongs to one version
        known[0].aliases |= aliases
        latest = {"id": versions[-1].id} if versions else None
        state = "COMMITTED" if known[0].committed else "PENDING"
        node = {"id": known[0].id, "state": state, "artifactSequence": {"latestArtifact": latest}}
        return {"createArtifact": {"artifact": node}}

    def _create_artifact_manifest(self, given: dict[str, Any]) -> dict[str, Any]:
        manifest = {"id": f"manifest-{given['artifactID']}", "file": self._upload(given["artifactID"], given["name"])}
        return {"createArtifactManifest": {"artifactManifest": manifest}}

    def _update_artifact_manifest(self, given: dict[str, Any]) -> dict[str, Any]:
        owner = given["artifactManifestID"].removeprefix("manifest-")
        manifest = {"id": given["artifactManifestID"], "file": self._upload(owner, "wandb_manifest.json")}
        return {"updateArtifactManifest": {"artifactManifest": manifest}}

    def _create_artifact_files(self, given: dict[str, Any]) -> dict[str, Any]:
        asked = given["input"]["artifactFiles"]
        nodes = [
            {"name": file["name"], "displayName": file["name"], **self._upload(file["artifactID"], file["name"])}
            for file in asked
        ]
        absent = dict.fromkeys(("uploadMultipartUrls", "artifact", "storagePath"))
        edges = [{"node": {**absent, **node, "artifact": {"id": asked[0]["artifactID"]}}} for node in nodes]
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _upload(self, artifact: str, name: str) -> dict[str, Any]:
        url = f"{self.url}/artifact/{quote(artifact, safe='')}/{quote(name, safe='')}"
        return {"uploadUrl": url, "uploadHeaders": [], "id": f"{artifact}/{name}", "name": name, "displayName": name}

    def _commit_artifact(self, given: dict[str, Any]) -> dict[str, Any]:
        [artifact] = [artifact for artifact in self.artifacts if artifact.id == given["artifactID"]]
        artifact.committed = True
        return {"commitArtifact": {"artifact": {"id": artifact.id, "digest": artifact.digest}}}

    # -- Everything else --------------------------------------------------------------------------------------------

    def stream(self, run: str, content: dict[str, Any]) -> dict[str, Any]:
        """Takes a part of a run's file stream, and answers it."""
        with self.changed:
            found = self.runs[run]
            found.write(content.get("files") or {})
            found.preempting |= bool(content.get("preempting"))
            if content.get("complete"):
                found.exit_code = content.get("exitcode")
                found.state = "finished" if found.exit_code == 0 else "preempted" if found.preempting else "failed"
            self._note()
            return {"exitcode": None, "limits": {}, "stopped": found.stop == "filestream"}

    def put(self, path: str, content: bytes) -> None:
        """Keeps an uploaded file."""
        with self.changed:
            _, kind, owner, name = path.split("/", 3)
            if kind == "upload":
                self.runs[owner].files[unquote(name)] = content
            else:
                [artifact] = [artifact for artifact in self.artifacts if artifact.id == unquote(owner)]
                artifact.files[unquote(name)] = content
            self._note()


#: The operations of GraphQL by name.
_OPERATIONS: dict[str, Callable[[WandbServer, dict[str, Any]], dict[str, Any]]] = {
    "Viewer": WandbServer._viewer,
    "ServerFeaturesQuery": WandbServer._server_features,
    "ServerInfo": WandbServer._server_info,
    "OrganizationCoreWeaveOrganizationID": WandbServer._organization,
    "UpsertBucket": WandbServer._upsert_bucket,
    "RunResumeStatus": WandbServer._run_resume_status,
    "RunStoppedStatus": WandbServer._run_stopped_status,
    "CreateRunFiles": WandbServer._create_run_files,
    "UpsertSweep": WandbServer._upsert_sweep,
    "SweepWithRuns": WandbServer._sweep_with_runs,
    "CreateAgent": WandbServer._create_agent,
    "Heartbeat": WandbServer._heartbeat,
    "ArtifactType": WandbServer._artifact_type,
    "CreateArtifact": WandbServer._create_artifact,
    "CreateArtifactManifest": WandbServer._create_artifact_manifest,
    "UpdateArtifactManifest": WandbServer._update_artifact_manifest,
    "CreateArtifactFiles": WandbServer._create_artifact_files,
    "CommitArtifact": WandbServer._commit_artifact,
}


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        """Ends those that clients keep open."""
        for connection in list(self._open):
            with suppress(OSError):  # it has ended meanwhile
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed, and connections that are dropped, are what tests are about."""


class _Handler(BaseHTTPRequestHandler):
    owner: WandbServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 -- the name in http.server
        """Says nothing."""

    def do_POST(self) -> None:
        content = self._content()
        if not self._serves():
            return
        stream = re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path)
        try:
            if stream:
                self._reply(self.owner.stream(stream.group(1), json.loads(content)))
            else:
                asked = json.loads(content)
                self._reply(self.owner.answer(asked["query"], asked.get("variables") or {}))
        except Exception as error:
            self.owner.faults.append(f"{self.path}: {error!r}")
            raise

    def do_PUT(self) -> None:
        content = self._content()
        if self._serves():
            self.owner.put(self.path, content)
            self._reply({})

    def do_GET(self) -> None:
        if self._serves():
            self._reply({})

    def _content(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    def _serves(self) -> bool:
        """Whether the request is answered as it should be; else it has been dealt with as the mode says."""
        mode = self.owner.mode
        if mode == "hang":
            with self.owner.changed:
                self.owner.changed.wait_for(lambda: self.owner.mode != "hang")
        if mode in ("hang", "refuse"):
            self.close_connection = True
        elif mode != "serve":
            self._reply({"errors": [{"message": mode}]}, 503 if mode == "unavailable" else 401)
        return mode == "serve"

    def _reply(self, content: dict[str, Any], code: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _id(kind: str, name: str) -> str:
    """An id as GraphQL servers have them."""
    return base64.b64encode(f"{kind}:{name}".encode()).decode()


@contextmanager
def wandb_server() -> Iterator[WandbServer]:
    """A server for the time of a test, which must not have asked what it cannot answer."""
    server = WandbServer()
    try:
        yield server
    finally:
        server.set_mode("refuse")
        server.die()
    assert server.faults == []


@pytest.fixture(scope="module")
def server() -> Iterator[WandbServer]:
    """One for all tests of a module."""
    with wandb_server() as server:
        yield server
