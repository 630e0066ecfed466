#!/bin/sh
# For cron: writes the metrics for the node exporter's textfile collector, and prints (so that cron
# mails) what was found only when it differs from the last time.
#
#   */5 * * * *  reviewops  REVIEWOPS_PROFILE=prod /usr/local/lib/reviewops/health-cron.sh
#
# METRICS: the collector's directory; default /var/lib/node_exporter/textfile_collector.
# STATE: where the last state is remembered; default /var/lib/reviewops.
set -u
metrics=${METRICS:-/var/lib/node_exporter/textfile_collector}
state=${STATE:-/var/lib/reviewops}

# Renamed into place: the collector never sees half a file.
reviewops health --no-wake --quiet --no-input --format prometheus > "$metrics/.reviewops.$$"
status=$?
if [ -s "$metrics/.reviewops.$$" ]; then
  mv "$metrics/.reviewops.$$" "$metrics/reviewops.prom"
else
  rm -f "$metrics/.reviewops.$$"
fi

last=$(cat "$state/health-status" 2>/dev/null || echo 0)
if [ "$status" != "$last" ]; then
  echo "$status" > "$state/health-status"
  reviewops health --no-wake --quiet --no-input --no-color
fi
exit 0
