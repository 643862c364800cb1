#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the JSON Schema and portreeve.yaml(5) equal to the parser's own table of keys.

usage: test_schema.py PRINT_KEYS TOP
"""

import pathlib
import re
import subprocess
import sys
import unittest

import jsonschema
import yaml

# How each type of the parser's table is written in the schema.
TYPES = {
    "mapping": "object",
    "string": "#/$defs/string",
    "integer": "#/$defs/integer",
    "boolean": "#/$defs/boolean",
    "address or list": "#/$defs/addresses",
    "gateway or list": "#/$defs/gateways",
    "listener or list": "#/$defs/listeners",
    "uplink or list": "#/$defs/places",
    "target": "#/$defs/target",
    "backend or list": "#/$defs/backends",
    "balance": "#/$defs/balance",
    "when-down": "#/$defs/when-down",
    "all-down": "#/$defs/all-down",
    "uplink check or list": "#/$defs/uplink_checks",
    "map check or list": "#/$defs/map_checks",
    "ping or list": "#/$defs/pings",
    "endpoint or list": "#/$defs/endpoints",
    "url or list": "#/$defs/urls",
    "server or list": "#/$defs/servers",
    "port": "#/$defs/port",
    "path": "#/$defs/path",
    "status": "#/$defs/status",
    "duration": "#/$defs/duration",
    "command": "#/$defs/command",
    "metrics": "#/$defs/metrics",
    "fastpath": "#/$defs/fastpath",
    "return": "#/$defs/return",
    "prefix or list": "#/$defs/prefixes",
}
# Files of tests/unit/config/errors whose mistakes a schema can see.
REJECTED = ["root-is-a-list", "no-uplinks", "uplinks-empty", "unknown-keys", "missing-keys", "wrong-types",
            "wrong-types-gateway", "names", "interface-names", "listeners", "returns", "snat-too-many",
            "rules-zero", "tables-zero", "mark-zero", "yaml-bare-v6-in-brackets", "backends", "checks-uplink",
            "checks-map", "gateway-daemon", "gateway-daemon-more", "fastpath", "fastpath-empty"]

program, top = sys.argv[1], pathlib.Path(sys.argv[2])
lines = [line.split("\t") for line in
         subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()]
KEYS = {path: (kind, required == "required") for what, path, kind, required in
        (line for line in lines if line[0] == "key")}
LIMITS = {line[1]: int(line[2]) for line in lines if line[0] == "limit"}
SCHEMA = yaml.safe_load((top / "share/portreeve.schema.json").read_text())
PAGE = (top / "man/portreeve.yaml.5").read_text()


class Yaml12(yaml.SafeLoader):
    """PyYAML reads YAML 1.1, where the key `on` is the boolean true; portreeve reads YAML 1.2."""


Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|True|TRUE|false|False|FALSE)$"),
                             list("tTfF"))


def load(path):
    return yaml.load(path.read_text(), Yaml12)


def definition(node):
    """The node with what it refers to."""
    if "$ref" in node:
        return {**SCHEMA["$defs"][node["$ref"].removeprefix("#/$defs/")], **node}
    return node


def walk(node, path=""):
    """(path, schema node, required) of all keys below."""
    full = definition(node)
    for name, child in full.get("properties", {}).items():
        yield path + name, child, name in full.get("required", [])
        yield from walk(child, f"{path}{name}.")
    each = full.get("additionalProperties")
    if isinstance(each, dict):
        yield f"{path}*", each, False
        yield from walk(each, f"{path}*.")
    for choice in full.get("anyOf", []):
        yield from walk(choice, path)
    if full.get("type") == "array":
        yield from walk(full["items"], path)


def schema_type(node):
    kind = definition(node).get("type")
    if kind == "object" or kind == ["object", "null"]:
        return "object"
    return node.get("$ref")


def closed(node):
    """Every mapping of the schema says what it may hold."""
    if isinstance(node, dict):
        if "properties" in node and node.get("additionalProperties") is not False:
            yield node
        for child in node.values():
            yield from closed(child)
    elif isinstance(node, list):
        for child in node:
            yield from closed(child)


class Schema(unittest.TestCase):
    def test_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_same_keys(self):
        # (An entry of a list has the keys that it has alone.)
        found = {path: (node, required) for path, node, required in walk(SCHEMA)}
        self.assertEqual(sorted(found), sorted(KEYS))
        for path, (kind, required) in KEYS.items():
            with self.subTest(path):
                self.assertEqual(schema_type(found[path][0]), TYPES[kind])
                self.assertEqual(found[path][1], required)
                self.assertTrue(definition(found[path][0]).get("description"))

    def test_no_other_keys(self):
        self.assertEqual(list(closed(SCHEMA)), [])

    def test_limits(self):
        defs = SCHEMA["$defs"]
        self.assertEqual(SCHEMA["properties"]["maps"]["maxProperties"], LIMITS["maps"])
        self.assertIn(f"{{1,{LIMITS['name']}}}", defs["name"]["pattern"])
        self.assertEqual(defs["addresses"]["anyOf"][1]["maxItems"], LIMITS["address"])
        self.assertEqual(defs["prefixes"]["anyOf"][1]["maxItems"], LIMITS["from"])
        self.assertEqual(defs["backends"]["anyOf"][1]["maxItems"], LIMITS["backends"])
        self.assertEqual(defs["backend"]["anyOf"][1]["properties"]["weight"]["maximum"], LIMITS["weight"])
        for who in ("uplink", "map"):
            self.assertEqual(defs[f"{who}_checks"]["anyOf"][1]["maxItems"], LIMITS["checks"])
        for what in ("pings", "endpoints", "urls", "servers"):
            self.assertEqual(defs[what]["anyOf"][1]["maxItems"], LIMITS["targets"])
        self.assertEqual(defs["command"]["anyOf"][1]["maxItems"], LIMITS["hook"])
        self.assertEqual(defs["fastpath"]["anyOf"][1]["maxProperties"], LIMITS["fastpath"])
        flows = SCHEMA["properties"]["gateway"]["properties"]["fastpath-flows"]
        self.assertEqual((flows["maximum"], flows["default"]),
                         (LIMITS["fastpath-flows"], LIMITS["fastpath-flows-default"]))
        self.assertEqual(defs["return"]["anyOf"][1]["properties"]["snat"]["maxItems"], LIMITS["snat"])

    def test_takes_the_examples(self):
        files = sorted([*(top / "examples").glob("*.yaml"), *(top / "examples/cookbook").glob("*.yaml")])
        self.assertTrue(files)
        for path in files:
            with self.subTest(path.name):
                jsonschema.Draft202012Validator(SCHEMA).validate(load(path))

    def test_rejects_mistakes(self):
        for name in REJECTED:
            with self.subTest(name):
                config = load(top / f"tests/unit/config/errors/{name}.yaml")
                self.assertFalse(jsonschema.Draft202012Validator(SCHEMA).is_valid(config))


class Page(unittest.TestCase):
    def documented(self):
        """Full paths of the keys that have an item on the page, by its subsections."""
        path = ""
        for line in PAGE.splitlines():
            if line.startswith(".Ss "):
                path = line.removeprefix(".Ss ").strip()
                yield path
            elif line.startswith(".Sh "):
                path = ""
            elif line.startswith(".It Ic ") and path:
                yield f"{path}.{line.removeprefix('.It Ic ').split()[0]}"

    def test_same_keys(self):
        self.assertEqual(sorted(self.documented()), sorted(KEYS))

    def test_limits(self):
        for name, value in LIMITS.items():
            with self.subTest(name):
                self.assertIn(f"{value:,}" if value > 9999 else str(value), PAGE)

    def test_examples_load(self):
        """The examples of the page are configs, too."""
        blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", PAGE, re.MULTILINE | re.DOTALL)
        whole = [b.replace("\\&", "") for b in blocks if b.startswith("uplinks:")]
        self.assertGreaterEqual(len(whole), 2)
        for text in whole:
            jsonschema.Draft202012Validator(SCHEMA).validate(yaml.load(text, Yaml12))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
