#!/usr/bin/env bash
# Beam's job server for a Spark 3.5 cluster: job-server.sh JARS SPARK_MASTER_URL [PORT]
# JARS is the folder that pom.xml fills. Needs Java 17 and Spark 3.5 (SPARK_HOME, or the PySpark 3.5 of the python3 on PATH).
set -euo pipefail
jars=$1 master=$2 port=${3:-8099}
home=${SPARK_HOME:-$(python3 -c 'import pyspark; print(pyspark.__path__[0])')}
compgen -G "$home/jars/spark-core_2.12-3.5.*.jar" >/dev/null || { echo "job-server: $home is not Spark 3.5" >&2; exit 2; }
# What Spark ships wins, but for guava and protobuf, whose versions in Spark are too old for Beam.
classpath=
for jar in "$jars"/*.jar; do
  name=$(basename "$jar" | sed -E 's/-[0-9][^/]*\.jar$//')
  case $name in
    guava | failureaccess | protobuf*) ;;
    *) if compgen -G "$home/jars/$name-[0-9]*.jar" >/dev/null; then continue; fi ;;
  esac
  classpath+=$jar:
done
opens=()
for package in lang lang.invoke lang.reflect io net nio util util.concurrent util.concurrent.atomic; do
  opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED")
done
for package in sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar; do
  opens+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
exec java "${opens[@]}" ${JOB_SERVER_JAVA_OPTIONS:-} -cp "$classpath$home/jars/*" org.apache.beam.runners.spark.SparkJobServerDriver \
  --job-host=127.0.0.1 --job-port="$port" --artifact-port=0 --expansion-port=0 --spark-master-url="$master"
