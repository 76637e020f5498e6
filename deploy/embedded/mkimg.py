#!/usr/bin/env python3
"""Write one OCI image archive to stdout.

    mkimg.py --name NAME [options] LAYER_DIR...

A layer directory holds layer.tar (uncompressed) and layer.sha256 (its digest, so that a large layer is not hashed
again for every image that uses it). A layer given with --omit is described but not written: the reader must have it.
"""

import argparse
import hashlib
import io
import json
import os
import sys
import tarfile

DEFAULT_ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]


class Layer:
    """An uncompressed layer: its digest is also its diff id."""

    media_type = "application/vnd.oci.image.layer.v1.tar"

    def __init__(self, directory):
        self.path = os.path.join(directory, "layer.tar")
        self.size = os.path.getsize(self.path)
        with open(os.path.join(directory, "layer.sha256"), encoding="ascii") as digest:
            self.digest = digest.read().strip()

    def write(self, archive):
        with open(self.path, "rb") as data:
            add(archive, "blobs/sha256/" + self.digest, self.size, data)


class Document:
    """A JSON blob. Keys are sorted so that the same image always has the same digest."""

    def __init__(self, media_type, content):
        self.media_type = media_type
        self.data = json.dumps(content, sort_keys=True).encode()
        self.size = len(self.data)
        self.digest = hashlib.sha256(self.data).hexdigest()

    def write(self, archive):
        add(archive, "blobs/sha256/" + self.digest, self.size, io.BytesIO(self.data))


def descriptor(blob):
    return {"mediaType": blob.media_type, "digest": "sha256:" + blob.digest, "size": blob.size}


def add(archive, name, size, data):
    entry = tarfile.TarInfo(name)
    entry.size = size
    archive.addfile(entry, data)


def config_of(options, layers):
    config = {"Env": DEFAULT_ENV + options.env, "User": options.user, "WorkingDir": "/"}
    if options.entrypoint:
        config["Entrypoint"] = options.entrypoint
    else:
        config["Cmd"] = ["/bin/bash"]
    return Document("application/vnd.oci.image.config.v1+json", {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + layer.digest for layer in layers]},
    })


def manifest_of(config, layers):
    media_type = "application/vnd.oci.image.manifest.v1+json"
    return Document(media_type, {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(config),
        "layers": [descriptor(layer) for layer in layers],
    })


def index_of(names, manifest):
    entries = [dict(descriptor(manifest), annotations={"io.containerd.image.name": name}) for name in names]
    return {"schemaVersion": 2, "manifests": entries}


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", action="append", required=True, help="may be given again for further names")
    parser.add_argument("--user", default="0:0")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--entrypoint", action="append")
    parser.add_argument("--omit", action="append", default=[], metavar="DIGEST")
    parser.add_argument("layers", nargs="+", metavar="LAYER_DIR")
    return parser.parse_args(arguments)


def main():
    options = parse(sys.argv[1:])
    layers = [Layer(directory) for directory in options.layers]
    config = config_of(options, layers)
    manifest = manifest_of(config, layers)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for name, content in ("oci-layout", {"imageLayoutVersion": "1.0.0"}), ("index.json", index_of(options.name, manifest)):
            data = json.dumps(content).encode()
            add(archive, name, len(data), io.BytesIO(data))
        for blob in layers + [config, manifest]:
            if blob.digest not in options.omit:
                blob.write(archive)


if __name__ == "__main__":
    main()
