"""Processes as things to measure: time, CPU, and the reports that eoslab's pods publish."""

import json
import os
import socket
import subprocess
import time
import urllib.request


class Failed(Exception):
    """A measured program did not do what it was to do."""


def run(command, **options):
    """Runs a command to its end; returns (standard output, wall seconds, CPU seconds)."""
    before = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise Failed(f"{' '.join(command[:3])} ... ended with status {status}: {output[-500:]}")
    return output, time.monotonic() - before, usage.ru_utime + usage.ru_stime


def last_json(output):
    """The JSON lines of an output."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Pod:
    """A load pod's program run on this host, read through GET /report."""

    def __init__(self, command):
        self.port = free_port()
        self.process = subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{self.port}", "--log", "warn"]
        )

    def report(self):
        url = f"http://127.0.0.1:{self.port}/report"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)

    def wait_for(self, what, wanted, limit_s=600):
        """Polls the report until `wanted(report)`; returns it with the time at which it was read."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise Failed(f"{what}: the program ended with {self.process.returncode}")
            try:
                report = self.report()
            except OSError:
                report = None  # Not listening yet.
            if report is not None and wanted(report):
                return report, time.monotonic()
            time.sleep(0.02)
        raise Failed(f"{what}: not seen within {limit_s} s")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)
