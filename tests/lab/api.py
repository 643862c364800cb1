# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of the daemon's API, and its description to hold answers against.

    api = Api(portreeve)
    api.get("/v1/status").json["well"]
    api.post("/v1/apply", config, name="x.yaml", confirm=5)
"""

import http.client
import json
import pathlib
import socket
import urllib.parse
from dataclasses import dataclass

import jsonschema
import yaml

from gateway import Portreeve
from topology import Site
from traffic import serve

DESCRIPTION = pathlib.Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    def __init__(self, portreeve):
        self.path = portreeve.run_dir + "/api.sock"

    def raw(self, timeout=10):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(self.path)
        return sock

    def ask(self, method, path, body=None, headers=None, timeout=30, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        connection = _Connection(self.path, timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def get(self, path, headers=None, **query):
        return self.ask("GET", path, None, headers, **query)

    def post(self, path, body="", **query):
        return self.ask("POST", path, body.encode(), **query)

    def status(self):
        return self.get("/v1/status").json


def description():
    with open(DESCRIPTION, encoding="utf-8") as file:
        return yaml.safe_load(file)


def _plain(node):
    """OpenAPI 3.0's `nullable` in JSON Schema's own words."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _plain(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") is True else made


def _resolved(whole, node):
    return whole["components"]["responses"][node["$ref"].rpartition("/")[2]] \
        if "$ref" in node else node


def check(method, path, answer):
    """Fails unless the answer is one that the description has."""
    whole = description()
    responses = whole["paths"][path][method.lower()]["responses"]
    response = _resolved(whole, responses.get(str(answer.status)) or responses["default"])
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind in response["content"], (path, kind)
    if kind == "application/json":
        schema = _plain(response["content"][kind]["schema"])
        jsonschema.validate(answer.json, {**schema, "components": _plain(whole["components"])})


def site_with_api(lab, **ports):
    """The article's network, a backend that serves @ports, and whom to ask about the gateway."""
    made = Site(lab)
    serve(made.backend, **ports)
    made.portreeve = Portreeve(made.gw)
    made.api = Api(made.portreeve)
    return made
