"""Measures eoslab against its rivals on the embedded brokers and prints figures and ratios.

Rounds alternate between eoslab and its rival, so that what else the machine does hits both; a ratio is the median of the
ratios of the rounds.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import time

from measure import Failed, Pod, last_json, run

RELEASE = "target/release"
PARTITIONS = 12
MESSAGE_BYTES = 256
LINGER_MS = 5
BATCH_BYTES = 65536
COMPRESSION = "lz4"
LEDGER_ACCOUNTS = 10_000_000
TARGETS = {
    "generate, events/s and core": (10e6, "at least"),
    "produce rate, eoslab / Java": (1.0, "at least"),
    "produce CPU an event, eoslab / Java": (0.6, "at most"),
    "count rate, exactly-once / at-least-once": (0.9, "at least"),
    "Redis bytes an account, 1 M": (12, "at most"),
    "Redis bytes an account, 10 M": (12, "at most"),
    "ledger, events/s on one Redis core": (1.5e6, "at least"),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Kafka:
    """The embedded brokers, and Kafka's own tools."""

    def __init__(self, java, class_path):
        self.tool = [java, "-XX:TieredStopAtLevel=1", "-cp", class_path]
        self.perf = [java, "-Xmx512m", "-cp", class_path, "org.apache.kafka.tools.ProducerPerformance"]
        address = ["kubectl", "-n", "kafka", "get", "pod", "lab-broker-0", "-o", "jsonpath={.status.podIP}"]
        self.bootstrap = run(address)[0] + ":9094"

    def topics(self, *arguments):
        command = [*self.tool, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap]
        run([*command, *arguments], stderr=subprocess.DEVNULL)

    def create(self, topic):
        shape = ["--partitions", str(PARTITIONS), "--replication-factor", "3", "--config", "min.insync.replicas=2"]
        self.topics("--create", "--topic", topic, *shape)

    def delete(self, topic):
        self.topics("--delete", "--topic", topic, "--if-exists")


def produce_eoslab(kafka, topic, events):
    """Rate and CPU of the sending alone: building the streams comes before the schedule."""
    pod = Pod([
        f"{RELEASE}/loadgen", "--bootstrap-servers", kafka.bootstrap, "--topic", topic,
        "--partitions", str(PARTITIONS), "--message-size", str(MESSAGE_BYTES), "--rate", "max", "--events", str(events),
        "--acks", "all", "--linger-ms", str(LINGER_MS), "--batch-size", str(BATCH_BYTES),
        "--compression", COMPRESSION, "--slot", "0", "--producers", "1",
    ])  # fmt: skip
    try:
        first, began = pod.wait_for("sending", lambda r: r["sent"] > 0)
        last, ended = pod.wait_for("done", lambda r: r["state"] == "Done")
    finally:
        pod.stop()
    sent = last["sent"] - first["sent"]
    return sent / (ended - began), (last["usage"]["cpuUs"] - first["usage"]["cpuUs"]) / sent


def produce_java(kafka, topic, events):
    """The Java tool's own rate; its CPU is that of the whole process, less what one that sends next to nothing takes."""
    def command(count):
        return [
            *kafka.perf, "--topic", topic, "--num-records", str(count), "--record-size", str(MESSAGE_BYTES),
            "--throughput", "-1", "--bootstrap-server", kafka.bootstrap, "--command-property", "acks=all",
            f"linger.ms={LINGER_MS}", f"batch.size={BATCH_BYTES}", f"compression.type={COMPRESSION}",
        ]  # fmt: skip

    _, _, idle_cpu_s = run(command(1), stderr=subprocess.DEVNULL)
    output, _, cpu_s = run(command(events), stderr=subprocess.DEVNULL)
    rates = re.findall(r"records sent, ([\d.]+) records/sec", output)
    if not rates:
        raise Failed(f"the Java tool printed no rate: {output[-300:]}")
    return float(rates[-1]), (cpu_s - idle_cpu_s) * 1e6 / events


def count_rate(kafka, topic, events, mode, redis_url):
    """Events a second that one consumer takes from the topic; a new group and a new ledger each time."""
    run_id = f"bench-{mode}-{time.monotonic_ns()}"
    common = [
        "--bootstrap-servers", kafka.bootstrap, "--topic", topic, "--partitions", str(PARTITIONS),
        "--message-size", str(MESSAGE_BYTES), "--group-id", run_id,
    ]  # fmt: skip
    if mode == "none":
        output, _, _ = run([f"{RELEASE}/examples/noop_consumer", *common])
    else:
        output, _, _ = run([
            f"{RELEASE}/counter", "run", *common, "--run-id", run_id, "--redis-url", redis_url, "--mode", mode,
            "--slot", "0", "--listen", "127.0.0.1:0", "--log", "warn", "--exit-at-end",
        ])  # fmt: skip
        delete_ledger(run_id)
    result = last_json(output)[-1]
    if result["events"] != events:
        raise Failed(f"{mode}: {result['events']} of {events} events were read")
    return result["events_per_second"]


def delete_ledger(run_id):
    """Left where they are, the ledgers of some benches fill the Redis."""
    keys = f"redis-cli --scan --pattern 'eoslab:{{{run_id}/*' | xargs -r -n 50 redis-cli unlink"
    run(["kubectl", "-n", "kafka", "exec", "lab-redis-0", "--", "bash", "-c", keys])


def measure_produce(kafka, events, rounds, rows):
    """The first round only warms the brokers; then who goes first alternates, as they still get faster."""
    producers = {"eoslab": produce_eoslab, "Java": produce_java}
    results = {name: [] for name in producers}
    for turn in range(rounds + 1):
        for name in list(producers)[:: 1 if turn % 2 else -1]:
            topic = f"bench-{name.lower()}-{os.getpid()}-{turn}"
            kafka.create(topic)
            try:
                rate, cpu_us = producers[name](kafka, topic, events)
            finally:
                kafka.delete(topic)
            say(f"produce, {name}, {f'round {turn}' if turn else 'to warm up'}: {rate:,.0f} events/s, {cpu_us:.2f} us of CPU an event")
            if turn:
                results[name].append((rate, cpu_us))
    for name, values in results.items():
        rows.append((f"produce, {name}, events/s", statistics.median(v[0] for v in values)))
        rows.append((f"produce, {name}, CPU us an event", statistics.median(v[1] for v in values)))
    pairs = list(zip(results["eoslab"], results["Java"]))
    rows.append(("produce rate, eoslab / Java", statistics.median(a[0] / b[0] for a, b in pairs)))
    rows.append(("produce CPU an event, eoslab / Java", statistics.median(a[1] / b[1] for a, b in pairs)))


def measure_count(kafka, events, rounds, redis_url, rows):
    topic = f"bench-count-{os.getpid()}"
    kafka.create(topic)
    modes = ("none", "at-least-once", "exactly-once")
    rates = {mode: [] for mode in modes}
    try:
        produce_eoslab(kafka, topic, events)
        for turn in range(rounds):
            for mode in modes:
                rates[mode].append(count_rate(kafka, topic, events, mode, redis_url))
                say(f"count, {mode}, round {turn + 1}: {rates[mode][-1]:,.0f} events/s")
    finally:
        kafka.delete(topic)
    for mode in modes:
        rows.append((f"count, {mode}, events/s", statistics.median(rates[mode])))

    def ratio(a, b):
        return statistics.median(x / y for x, y in zip(rates[a], rates[b]))

    rows.append(("count rate, exactly-once / at-least-once", ratio("exactly-once", "at-least-once")))
    rows.append(("count rate, exactly-once / no-op consumer", ratio("exactly-once", "none")))


def measure_ledger(rows, rounds):
    speeds = []
    for turn in range(rounds):
        # Memory is the same each time.
        accounts = [] if turn == 0 else ["--accounts", str(LEDGER_ACCOUNTS)]
        output, _, _ = run([f"{RELEASE}/examples/ledger_bench", *accounts])
        for line in last_json(output):
            if "events_per_second" in line:
                speeds.append(line["events_per_second"])
                say(f"ledger, round {turn + 1}: {speeds[-1]:,.0f} events/s and core")
            elif turn == 0:
                millions = line["accounts"] // 1_000_000
                rows.append((f"Redis bytes an account, {millions} M", line["bytes_per_account"]))
    rows.append(("ledger, events/s on one Redis core", statistics.median(speeds)))


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def verdict(name, value):
    if name not in TARGETS:
        return ""
    target, kind = TARGETS[name]
    reached = value >= target if kind == "at least" else value <= target
    return f"{kind} {number(target)}: {'reached' if reached else 'not reached'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--java", required=True, help="Java runtime of Kafka's tools")
    parser.add_argument("--class-path", required=True, help="jars of Kafka's tools")
    parser.add_argument("--events", type=int, default=2_000_000, help="events of a round (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each pair (default %(default)s)")
    options = parser.parse_args()
    kafka = Kafka(options.java, options.class_path)
    redis_ip = run(["kubectl", "-n", "kafka", "get", "pod", "lab-redis-0", "-o", "jsonpath={.status.podIP}"])[0]
    rows = []
    say("generate")
    output, _, _ = run([f"{RELEASE}/examples/generate", "5", str(MESSAGE_BYTES)])
    rows.append(("generate, events/s and core", last_json(output)[-1]["events_per_second"]))
    measure_produce(kafka, options.events, options.rounds, rows)
    measure_count(kafka, options.events, options.rounds, f"redis://{redis_ip}:6379", rows)
    measure_ledger(rows, options.rounds)
    print(f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}; three Kafka brokers and all clients on it")
    print(f"{options.events:,} events of {MESSAGE_BYTES} B, {PARTITIONS} partitions, RF 3, acks=all, linger {LINGER_MS} ms,"
          f" batch {BATCH_BYTES} B, {COMPRESSION}; median of {options.rounds} rounds\n")  # fmt: skip
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {number(value):>12}  {verdict(name, value)}".rstrip())


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"bench: {failure}")
