#!/bin/bash
# Test the embedded cluster on this machine: it is stopped, killed and started several times, and left running.
# Topic and keys that the test makes are its own; data of others is kept.
set -uo pipefail

# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib.sh"
LAB=$EMBEDDED_DIR/lab
TOPIC=selftest-$$
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

fail() {
  printf 'FAIL %s\n' "$*" >&2
  [ ! -s "$WORK/out" ] || tail -n 15 "$WORK/out" >&2
  exit 1
}
check() { # what command...
  local what=$1 begin=${EPOCHREALTIME/[.,]/}
  shift
  "$@" >"$WORK/out" 2>&1 || fail "$what"
  printf 'ok   %6ss  %s\n' "$(elapsed "$begin")" "$what"
}
refuses() { # text command...: it must fail and say the text
  local text=$1
  shift
  ! "$@" >"$WORK/refusal" 2>&1 && grep -qF "$text" "$WORK/refusal" && grep -q 'fix: ' "$WORK/refusal"
}

in_broker() { kc exec -n kafka -i "lab-broker-$1" -- "${@:2}"; }
in_redis() { kc exec -n kafka lab-redis-0 -- redis-cli "$@"; }
pod_ip() { kc get pod -n kafka "$1" -o 'jsonpath={.status.podIP}'; }
image() { kc get pod -n kafka lab-broker-0 -o 'jsonpath={.spec.containers[0].image}'; }
# Who runs, and how often it was restarted: equal before and after means that nothing was touched.
pods() { kc get pods -n kafka -o 'jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{"\n"}{end}'; }

# Only the check itself: as a whole `up` stops earlier, at the lab that runs.
foreign_state() {
  mkdir -p "$WORK/foreign" && touch "$WORK/foreign/letter" || return 1
  # shellcheck disable=SC2016  # expanded by the new shell
  EOSLAB_STATE=$WORK/foreign bash -c '. "$0/lib.sh" && . "$0/preflight.sh" && claim_state' "$EMBEDDED_DIR"
}

# --- the cluster serves ---------------------------------------------------------------------------------------

daemons() { local name; for name in $DAEMONS; do echo "$name $(pid_of "$name")"; done; }

up_changes_nothing() {
  local before
  before=$(pods; daemons)
  # A daemon that the second `up` upset would end a moment after it.
  "$LAB" up && sleep 2 && [ "$(pods; daemons)" = "$before" ]
}

create_topic() {
  in_broker 0 java -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' org.apache.kafka.tools.TopicCommand \
    --bootstrap-server lab-kafka-bootstrap:9092 --create --topic "$TOPIC" --partitions 3 --replication-factor 3
}
delete_topic() {
  in_broker 0 java -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' org.apache.kafka.tools.TopicCommand \
    --bootstrap-server lab-kafka-bootstrap:9092 --delete --topic "$TOPIC"
}

classes_are_archived() { in_broker 0 grep -q /opt/kafka/classes.jsa "/proc/$(in_broker 0 pgrep -x java)/maps"; }

topic_with_records() { create_topic && produce_inside; }
produce_inside() { seq 1 1000 | in_broker 1 kcat -P -b lab-kafka-bootstrap:9092 -t "$TOPIC" -X acks=all; }

all_records() { # bootstrap address: the records 1..1000, each exactly once
  in_broker 2 timeout 30 kcat -C -q -e -o beginning -b "$1" -t "$TOPIC" | sort -n | cmp - <(seq 1 1000)
}

# A container without a network namespace of its own sees what a process on the host sees.
consume_from_host() {
  ctr_k8s run --rm --net-host "$(image)" "selftest-$$" \
    timeout 30 kcat -C -q -e -o beginning -b "$(pod_ip lab-broker-1):9094" -t "$TOPIC" | sort -n | cmp - <(seq 1 1000)
}

names_resolve() {
  in_broker 0 getent hosts lab-kafka-bootstrap lab-redis.kafka.svc kubernetes.default.svc &&
    ! in_broker 0 timeout 2 getent hosts example.org
}

metrics_answer() {
  local broker
  for broker in 0 1 2; do
    curl -sf "http://$(pod_ip "lab-broker-$broker"):9404/metrics" | contains '^kafka_server_replicamanager_leadercount' || return 1
  done
}

port_forward() {
  local forward answer
  kc port-forward -n kafka svc/lab-redis 16379:6379 &
  forward=$!
  wait_for 10 'the forwarded port' bash -c 'exec 3<>/dev/tcp/127.0.0.1/16379' || return 1
  answer=$(exec 3<>/dev/tcp/127.0.0.1/16379 && printf 'PING\r\n' >&3 && timeout 2 head -n 1 <&3)
  kill $forward
  [ "$answer" = $'+PONG\r' ]
}

# Only the brokers of what it scrapes are here.
brokers_are_scraped() {
  local ip
  ip=$(kc get service prometheus -n monitoring -o 'jsonpath={.spec.clusterIP}') &&
    curl -sf -G "http://$ip:9090/api/v1/query" --data-urlencode 'query=sum(up{job="kafka"})' | contains '"3"'
}
monitoring() {
  "$LAB" up --monitoring && wait_for 30 'three scraped brokers' brokers_are_scraped &&
    kc delete namespace monitoring --timeout=60s
}

logs_answer() { kc logs -n kafka lab-broker-0 | contains 'Kafka Server started'; }

# --- faults and protection ------------------------------------------------------------------------------------

kafka_ready() { # once; every broker has to see all three, and no partition may lack a replica
  local broker missing
  kc rollout status -n kafka statefulset/lab-broker --timeout=120s || return 1
  for broker in 0 1 2; do
    missing=$(in_broker "$broker" timeout 5 kcat -b localhost:9092 -L -t "$TOPIC" | grep -c 'isrs: [0-9],[0-9],[0-9]')
    [ "$missing" = 3 ] || return 1
  done
}

delete_brokers_in_turn() {
  local broker
  for broker in 0 1 2; do
    kc delete pod -n kafka "lab-broker-$broker" || return 1
    wait_for 90 "all replicas after the deletion of broker $broker" kafka_ready || return 1
  done
  all_records lab-kafka-bootstrap:9092
}

signal_java() { # broker signal
  in_broker "$1" bash -c "for p in /proc/[0-9]*; do [[ \$(readlink \$p/exe) = */java ]] && kill -$2 \${p#/proc/}; done"
}
# shellcheck disable=SC2016  # expanded in the pod
java_state() { in_broker "$1" bash -c 'for p in /proc/[0-9]*; do [[ $(readlink $p/exe) = */java ]] && grep State: $p/status; done'; }

stop_and_continue() {
  signal_java 0 STOP && java_state 0 | contains 'T (stopped)' && signal_java 0 CONT && java_state 0 | contains -v 'T (stopped)'
}
restarts() { kc get pod -n kafka "$1" -o 'jsonpath={.status.containerStatuses[0].restartCount}'; }
restarted_since() { [ "$(restarts "$1")" -gt "$2" ]; }
kill_java() {
  local before
  before=$(restarts lab-broker-2)
  signal_java 2 KILL
  wait_for 30 'the restart' restarted_since lab-broker-2 "$before" && wait_for 90 'all replicas' kafka_ready
}

redis_keeps_data() {
  in_redis set "$TOPIC" kept && kc delete pod -n kafka lab-redis-0 &&
    wait_for 60 Redis redis_has_value kept
}
redis_has_value() { [ "$(in_redis get "$TOPIC")" = "$1" ]; }

redis_survives_kill() {
  local before
  before=$(restarts lab-redis-0)
  in_redis set "$TOPIC" again && sleep 1.1 || return 1
  # shellcheck disable=SC2016  # expanded in the pod
  kc exec -n kafka lab-redis-0 -- bash -c 'kill -KILL $(pidof redis-server)'
  wait_for 30 'the restart' restarted_since lab-redis-0 "$before" || return 1
  wait_for 30 Redis redis_has_value again
}

evict() {
  printf '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"%s","namespace":"kafka"}}' "$1" |
    kc create --raw "/api/v1/namespaces/kafka/pods/$1/eviction" -f -
}
budget_holds() {
  evict lab-broker-0 && ! evict lab-broker-1 2>"$WORK/evict" && grep -q 'disruption budget' "$WORK/evict" &&
    wait_for 90 'all replicas' kafka_ready
}
privileged_is_refused() {
  ! kc run root -n kafka --image="$(image)" --overrides='{"spec":{"hostNetwork":true}}' 2>"$WORK/psa" && grep -q PodSecurity "$WORK/psa"
}

binaries_run() {
  local name
  mkdir -p "$WORK/bin"
  # shellcheck disable=SC2016  # expanded by that script
  printf '#!/bin/bash\necho "this is %s as $(id -u)"\n' "$TOPIC" >"$WORK/bin/loadgen"
  chmod +x "$WORK/bin/loadgen"
  name=$("$LAB" load-eoslab "$WORK/bin") || return 1
  kc run "$TOPIC" -n kafka --image="$name" --restart=Never --image-pull-policy=Never --overrides='{"spec":{"securityContext":
    {"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"c","image":"'"$name"'",
    "command":["loadgen"],"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}' || return 1
  kc wait -n kafka pod/"$TOPIC" --for=jsonpath='{.status.phase}'=Succeeded --timeout=30s || return 1
  [ "$(kc logs -n kafka "$TOPIC")" = "this is $TOPIC as 65532" ] && kc delete pod -n kafka "$TOPIC" --wait=false
}

# --- stop and start -------------------------------------------------------------------------------------------

down_is_clean() { "$LAB" down && "$LAB" leftovers; }

data_survived() { all_records lab-kafka-bootstrap:9092 && redis_has_value again && in_redis del "$TOPIC"; }

port_is_refused() {
  local holder result
  python3 -c 'import socket, time; s = socket.create_server(("0.0.0.0", 6443)); print(flush=True); time.sleep(60)' >"$WORK/holder" &
  holder=$!
  wait_for 5 'the port to be held' test -s "$WORK/holder"
  refuses 'needs 10.244.0.1:6443' "$LAB" up
  result=$?
  kill $holder
  return $result
}

# Kill `up` with everything in its process group as soon as it prints the given step, then a moment later.
kill_up_at() { # step seconds
  local up
  : >"$WORK/up"
  setsid "$LAB" up >"$WORK/up" 2>&1 &
  up=$!
  wait_for 120 "the step '$1'" grep -qF "$1 ..." "$WORK/up" || return 1
  sleep "$2"
  kill -KILL -- "-$up" || return 1
  wait "$up" 2>/dev/null
  ! grep -q '\] up: ' "$WORK/up"
}
# Another state directory, so that nobody's data is deleted: from nothing, through two kills, to nothing again.
from_nothing_and_purge() (
  export EOSLAB_STATE=$STATE-selftest-$$
  kill_up_at certificates 0.5 && kill_up_at 'import images' 1 && "$LAB" up --no-kafka &&
    "$LAB" status && ! "$LAB" leftovers && "$LAB" down --purge && [ ! -e "$EOSLAB_STATE" ]
)

up_after_kill_at() { kill_up_at "$1" "$2" && "$LAB" up; }

# A build that has to happen again, from Go's cache: only the last step is repeated.
# A directory with something in it and without a mark is taken for somebody else's.
build_leaves_state_alone() {
  EOSLAB_STATE=$WORK/unused "$LAB" build && [ -z "$(ls -A "$WORK/unused")" ]
}

up_after_killed_build() {
  local built
  built=$(dirname "$(readlink "$BIN/helm")")
  mv "$built" "$WORK/helm" || return 1
  kill_up_at 'compile helm' 0.5 || return 1
  [ ! -d "$built" ] && "$LAB" up && [ -x "$built/helm" ]
}

main() {
  check 'up' "$LAB" up
  check 'up again changes nothing' up_changes_nothing
  check 'build touches nothing but the cache' build_leaves_state_alone
  check 'another state directory is refused' refuses 'another lab is running' env EOSLAB_STATE="$WORK/other" "$LAB" up
  check 'a directory with other contents is refused' refuses 'holds something else' foreign_state
  check 'an ordinary user is refused' refuses 'needs root' setpriv --reuid 65534 --clear-groups "$LAB" up
  check 'brokers use the archive of their classes' classes_are_archived
  check 'topic created, records produced in a pod' topic_with_records
  check 'records consumed in a pod' all_records lab-kafka-bootstrap:9092
  check 'records consumed from the host' consume_from_host
  check 'names resolve, and none outside' names_resolve
  check 'broker metrics' metrics_answer
  check 'Prometheus' monitoring
  check 'port-forward' port_forward
  check 'logs' logs_answer
  check 'own binaries run in a pod' binaries_run
  check 'a privileged pod is refused' privileged_is_refused
  check 'java stops and continues' stop_and_continue
  check 'java killed: the broker comes back' kill_java
  check 'the second eviction is refused' budget_holds
  check 'records survive the deletion of each broker' delete_brokers_in_turn
  check 'Redis keeps data when its pod is deleted' redis_keeps_data
  check 'Redis keeps data when it is killed' redis_survives_kill
  check 'down leaves nothing' down_is_clean
  check 'down again' down_is_clean
  check 'a taken port is refused' port_is_refused
  check 'from nothing: SIGKILL twice, up without Kafka, purge' from_nothing_and_purge
  check 'up after SIGKILL while compiling' up_after_killed_build
  check 'records survived' all_records lab-kafka-bootstrap:9092
  check 'down leaves nothing' down_is_clean
  check 'up after SIGKILL while the API server starts' up_after_kill_at 'start the API server' 0.3
  check 'down leaves nothing' down_is_clean
  check 'SIGKILL while the pods start' kill_up_at 'wait for Kafka and Redis' 1
  check 'down after that leaves nothing' down_is_clean
  check 'up' "$LAB" up
  check 'records and Redis data survived' data_survived
  check 'topic deleted' delete_topic
  say 'all passed; the cluster is up'
}

main
