#!/usr/bin/env python3
"""Compares the brokers' configuration on Strimzi with that of the embedded ones, and with what Strimzi would drop.

usage: broker_config.py OBJECTS.json SERVER.PROPERTIES STRIMZI-API.jar

Strimzi sets some properties itself and drops them from spec.kafka.config without refusing them: the lists are constants
of one of its classes, and are read from there.
"""

import json
import re
import struct
import sys
import zipfile

CLASS = "io/strimzi/api/kafka/model/kafka/KafkaClusterSpec.class"


def texts(data):
    """Every text in the constant pool of a Java class."""
    (count,) = struct.unpack_from(">H", data, 8)
    sizes = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
    at, index = 10, 1
    while index < count:
        tag = data[at]
        if tag == 1:
            (length,) = struct.unpack_from(">H", data, at + 1)
            yield data[at + 3 : at + 3 + length].decode("utf-8", "replace")
            at += 3 + length
        else:
            at += 1 + sizes[tag]
            index += tag in (5, 6)
        index += 1


def strimzis_own(jar):
    """The prefixes that Strimzi drops, and the exceptions."""
    lists = [text.split(", ") for text in texts(zipfile.ZipFile(jar).read(CLASS)) if text.count(", ") > 5]
    forbidden = [prefixes for prefixes in lists if "process.roles" in prefixes]
    exceptions = [prefixes for prefixes in lists if "ssl.cipher.suites" in prefixes]
    if len(forbidden) != 1 or len(exceptions) != 1:
        sys.exit(f"{CLASS} no longer holds its lists as expected")
    return tuple(forbidden[0]), tuple(exceptions[0])


def properties(path):
    lines = (line.strip() for line in open(path, encoding="utf-8"))
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def main():
    objects, embedded_path, jar = sys.argv[1:]
    items = json.load(open(objects, encoding="utf-8"))
    items = items.get("items", [items])
    (kafka,) = [item["spec"]["kafka"] for item in items if item["kind"] == "Kafka"]
    (pool,) = [item["spec"] for item in items if item["kind"] == "KafkaNodePool"]
    text = lambda value: str(value).lower() if isinstance(value, bool) else str(value)
    config = {key: text(value) for key, value in kafka["config"].items()}
    forbidden, exceptions = strimzis_own(jar)
    own = lambda key: key.startswith(forbidden) and not key.startswith(exceptions)

    wrong = [f"Strimzi drops {key}" for key in config if own(key)]
    embedded = properties(embedded_path)
    # What Strimzi sets by other fields: the quorum, and the metrics reporter.
    elsewhere = re.compile(r"controller\.quorum\.voters|metric\.reporters|kafka\.metrics\.reporters")
    shared = {key: value for key, value in embedded.items() if not own(key) and not elsewhere.fullmatch(key)}
    for key in sorted(shared.keys() | config.keys()):
        if shared.get(key) != config.get(key):
            wrong.append(f"{key} is {config.get(key)} on Strimzi and {shared.get(key)} on the embedded brokers")
    allowed = ",".join(kafka["metricsConfig"]["values"]["allowList"])
    if allowed != embedded["prometheus.metrics.reporter.allowlist"]:
        wrong.append("the metrics that are exported differ")
    if pool["replicas"] != embedded["controller.quorum.voters"].count("@"):
        wrong.append("the number of nodes differs")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"Strimzi: {len(config)} broker properties as on the embedded brokers, none dropped")


main()
