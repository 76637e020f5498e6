# shellcheck shell=bash
# Three brokers and Redis as pods, on volumes that outlive them.

# A fixed volume for a fixed claim: no provisioner to run, and after a restart every pod has its own data again.
volume() { # claim in namespace kafka
  local dir=$STATE/volumes/$1
  # Kubernetes does not change the owner of a hostPath volume.
  mkdir -p "$dir" && chown 1000:1000 "$dir" || return 1
  cat <<V
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: $1}
spec:
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: ""
  claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, namespace: kafka, name: $1}
  hostPath: {path: $dir, type: Directory}
V
}

apply_kafka() {
  local manifests=$EMBEDDED_DIR/manifests
  local claim image hash
  image=$(lab_image)
  # A changed configuration changes the brokers' pods, so that applying it restarts them.
  hash=$(key_of @"$manifests/kafka/server.properties" @"$manifests/kafka/run.sh")
  {
    cat "$manifests/namespace.yaml"
    for claim in data-0-lab-broker-{0,1,2} data-lab-redis-0; do volume "$claim" || return 1; done
    echo ---
    kc create configmap lab-kafka -n kafka --from-file="$manifests/kafka" --dry-run=client -o yaml
    echo ---
    LAB_IMAGE=$image CONFIG_HASH=$hash render "$manifests/kafka.yaml"
    echo ---
    LAB_IMAGE=$image render "$manifests/redis.yaml"
  } | kc apply --server-side --force-conflicts --field-manager=eoslab-embedded -f - >/dev/null
}

# Asked through the pods themselves: right after a start, the API server still remembers them as they were before.
broker_serves() { # number
  [ "$(kc exec -n kafka "lab-broker-$1" -- timeout 5 kcat -b localhost:9094 -L | grep -c '^  broker ')" = 3 ]
}
redis_serves() { [ "$(kc exec -n kafka lab-redis-0 -- redis-cli ping)" = PONG ]; }

# Not `rollout status`: that also sits out the brokers' minReadySeconds.
rolled_out() { # stateful set, replicas
  local generation observed updated ready
  read -r generation observed updated ready < <(kc get statefulset "$1" -n kafka -o \
    'jsonpath={.metadata.generation} {.status.observedGeneration} {.status.updatedReplicas} {.status.readyReplicas}')
  [ "$generation $updated $ready" = "$observed $2 $2" ]
}

wait_kafka() {
  local broker
  for broker in 0 1 2; do wait_for 180 "broker $broker" broker_serves "$broker" || return 1; done
  wait_for 120 Redis redis_serves || return 1
  wait_for 180 'pods of the present configuration' rolled_out lab-broker 3 && wait_for 60 'the pod of Redis' rolled_out lab-redis 1
}
