import dagster as dg, sys
from pipelines.failures import what_failed
with dg.DagsterInstance.get() as i:
    for r in i.get_runs(limit=int(sys.argv[1])):
        if r.status.name=="FAILURE":
            print(r.run_id[:8], what_failed([e.dagster_event for e in i.all_logs(r.run_id) if e.dagster_event]))
