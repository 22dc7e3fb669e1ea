"""The HTTP API v1: units, states and machines as JSON, read from the mirror, written to the registry."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from etcdv2.model import EtcdError, Unavailable
from fleet import api_json
from fleet.cluster import INACTIVE, STATES
from fleet.follow import Follower
from fleet.heart import Heart
from fleet.http import Request, Response, error
from fleet.names import problem, split
from fleet.pages import page
from fleet.registry import Registry
from fleet.requirements import contradiction, read
from fleet.unitfile import Option, UnitFile, UnitFileError, parse

_UNREGISTERED = "fleet server unable to communicate with etcd"
Work = Callable[[Request], Awaitable[Response]]


class Api:
    """Answers requests while the heart beats; 503 to everything else."""

    def __init__(self, registry: Registry, follower: Follower, heart: Heart, page_size: int) -> None:
        self._registry = registry
        self._follower = follower
        self._heart = heart
        self._page = max(1, page_size)

    async def handle(self, request: Request) -> Response:
        """Answer one request. A request that is ours but cannot be carried out has an answer too."""
        if not self._heart.alive.is_set():
            return error(503, _UNREGISTERED)
        path = request.path
        if path[:2] == ("fleet", "v1"):
            path = path[2:]
        elif path[:1] == ("v1-alpha",):
            path = path[1:]
        else:
            return error(405, "")
        try:
            return await self._route(request, path)
        except (Unavailable, EtcdError) as problem_:
            return error(500, str(problem_))

    async def _route(self, request: Request, path: tuple[str, ...]) -> Response:
        method, collection = request.method, path[0] if path else ""
        if collection in ("units", "state", "machines") and len(path) == 1:
            if method == "GET":
                return self._list(collection, request)
            if method == "PATCH" and collection == "machines":
                return await self._patch_machines(request)
            return error(405, "only HTTP GET supported against this resource")
        if collection == "units" and len(path) == 2:
            if method == "GET":
                return self._one(api_json.unit(self._follower.mirror.cluster(), path[1]))
            if method == "PUT":
                return await self._put_unit(request, path[1])
            if method == "DELETE":
                return await self._delete_unit(path[1])
            return error(405, "only HTTP GET, PUT and DELETE supported against this resource")
        if collection == "state" and len(path) == 2 and method == "GET":
            found = api_json.states(self._follower.mirror.cluster(), "", path[1])
            return self._one(found[0] if found else None)
        if path == ("discovery",) and method == "GET":
            return Response(200, api_json.DISCOVERY)
        if path == ("metrics",) and method == "GET":
            return Response(200, api_json.metrics(self._follower.mirror.cluster()))
        return error(405, "")

    @staticmethod
    def _one(found: dict[str, Any] | None) -> Response:
        return error(404, "unit does not exist") if found is None else Response(200, found)

    def _list(self, collection: str, request: Request) -> Response:
        cluster = self._follower.mirror.cluster()
        if collection == "units":
            rows = api_json.units(cluster)
        elif collection == "machines":
            rows = api_json.machines(cluster)
        else:
            rows = api_json.states(
                cluster, request.query.get("machineID", ""), request.query.get("unitName", "")
            )
        try:
            part, following = page(collection, rows, request.query.get("nextPageToken", ""), self._page)
        except ValueError:
            return error(400, "invalid value for nextPageToken")
        document: dict[str, Any] = {}
        if part:
            document["states" if collection == "state" else collection] = part
        if following:
            document["nextPageToken"] = following
        return Response(200, document)

    async def _put_unit(self, request: Request, name: str) -> Response:
        body = _json_body(request)
        if isinstance(body, Response):
            return body
        given = body.get("name") or name
        if given != name:
            return error(400, f'name in URL "{name}" differs from unit name in request body "{given}"')
        complaint = problem(name)
        if complaint:
            return error(400, complaint)
        desired = str(body.get("desiredState") or "")
        if desired and desired not in STATES:
            return error(400, f'invalid desiredState "{desired}"')
        existing = self._follower.mirror.cluster().units.get(name)
        file: UnitFile | None = None
        if body.get("options"):
            try:
                file = _unit_file(body["options"])
            except (UnitFileError, TypeError, KeyError) as mistake:
                return error(400, str(mistake))
            complaint = contradiction(read(name, file))
            if complaint:
                return error(400, complaint)
        elif existing is None:
            return error(409, "unit does not exist and options field empty")
        new = file is not None and (existing is None or existing.file != file)
        if not new and not desired:
            return error(409, "must provide DesiredState to update existing unit")
        if desired not in ("", INACTIVE) and split(name).is_template:
            return error(400, f'cannot activate template "{name}"')
        if new and file is not None:
            known = self._follower.mirror.has_content(file.hash)
            index = await self._registry.put_unit(name, file, desired or INACTIVE, content=not known)
        else:
            index = await self._registry.set_desired(name, desired)
        await self._follower.reached(index)
        return Response(201 if new else 204)

    async def _delete_unit(self, name: str) -> Response:
        if name not in self._follower.mirror.cluster().units:
            return error(404, "unit does not exist")
        index = await self._registry.destroy(name)
        if index is None:
            return error(404, "unit does not exist")
        await self._follower.reached(index)
        return Response(204)

    async def _patch_machines(self, request: Request) -> Response:
        body = _json_body(request, list)
        if isinstance(body, Response):
            return body
        changes = []
        for each in body:
            change = _metadata_change(each)
            if isinstance(change, str):
                return error(400, change)
            changes.append(change)
        for machine, key, value in changes:
            await self._follower.reached(await self._registry.set_metadata(machine, key, value))
        return Response(204)


def _json_body(request: Request, kind: type = dict) -> Any:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return error(415, "Content-Type must be application/json")
    try:
        body = json.loads(request.body)
    except ValueError as mistake:
        return error(400, f"unable to decode body: {mistake}")
    if not isinstance(body, kind):
        return error(400, f"unable to decode body: a JSON {'object' if kind is dict else 'array'} is needed")
    return body


def _unit_file(options: Any) -> UnitFile:
    if not isinstance(options, list) or not all(isinstance(each, dict) for each in options):
        raise UnitFileError("options must be an array of objects")
    file = UnitFile(
        Option(str(each.get("section", "")), str(each.get("name", "")), str(each.get("value", "")))
        for each in options
    )
    if any(not each.section or not each.name for each in file.options):
        raise UnitFileError("an option needs a section and a name")
    if parse(file.text) != file:
        raise UnitFileError("the options make no unit file: a name or a value holds a line end of its own")
    return file


def _metadata_change(each: Any) -> tuple[str, str, str] | str:
    """Machine, key and value of one JSON patch, or what is wrong. The value may be wrapped or plain."""
    if not isinstance(each, dict) or each.get("op") not in ("add", "remove", "replace"):
        return "invalid op: expect add, remove or replace"
    parts = str(each.get("path", "")).split("/")
    if len(parts) != 4 or parts[0] or parts[2] != "metadata" or not parts[1] or not parts[3]:
        return "invalid path: expect /<machine ID>/metadata/<key>"
    if each["op"] == "remove":
        return parts[1], parts[3], ""
    value = each.get("value")
    if isinstance(value, dict):
        value = value.get("value")
    if not isinstance(value, str) or not value:
        return f"invalid value: cannot {each['op']} an empty value"
    return parts[1], parts[3], value
