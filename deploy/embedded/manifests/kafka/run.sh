#!/bin/bash
# Fill in what differs between brokers, format an empty disk, become the broker.
set -euo pipefail
config=/tmp/server.properties
data=/var/lib/kafka/data-0/kafka-log
sed -e "s|@ID@|${HOSTNAME##*-}|g" -e "s|@HOST@|$HOSTNAME.lab-kafka-brokers.kafka.svc.cluster.local|g" \
  -e "s|@POD_IP@|$POD_IP|g" /etc/lab-kafka/server.properties >"$config"
if [ ! -f "$data/meta.properties" ]; then
  java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx128m -cp '/opt/kafka/libs/*' \
    kafka.tools.StorageTool format --ignore-formatted --cluster-id ZW9zbGFiLWVtYmVkZGVkLQ --config "$config"
fi
# Java caches names for 30 s, and a restarted broker has a new address: without the two ttl properties a rolling
# restart stalls partitions for up to 25 s.
# Optimizing takes a minute of both cores after each start, and a killed broker starts while the others and the load
# take them: without it three at once served after 12 s instead of 23 (their classes were not archived yet), and then did
# half as much.
jit=(-XX:TieredStopAtLevel=1)
[ "$JIT" = quick ] || jit=()
# In the order in which the image's classes were archived: otherwise they are all loaded from the jars again.
LC_ALL=C
classpath=$(printf '%s:' /opt/kafka/libs/*.jar)
classpath=${classpath%:}
exec java "${jit[@]}" -XX:SharedArchiveFile=/opt/kafka/classes.jsa \
  -Xms768m -Xmx768m -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:MaxDirectMemorySize=256m \
  -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
  -Dsun.net.inetaddr.ttl=1 -Dsun.net.inetaddr.negative.ttl=1 \
  -Dlog4j2.configurationFile=/opt/kafka/config/log4j2.xml -Dkafka.logs.dir=/tmp \
  -cp "$classpath" kafka.Kafka "$config"
