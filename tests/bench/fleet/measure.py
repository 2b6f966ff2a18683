"""One measurement in a process of its own, which is also the generator, by whichever revision's code is here.

`python -m tests.bench.fleet.measure FOLDER ROW LIMIT_S CASE` with a case as JSON: writes its row to the file ROW.
`$HEDGEROW_BENCH_DATABASE` is for the cases that say `postgres`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.bench.fleet.accept import accept_bulk, accept_each
from tests.bench.fleet.disk import durability
from tests.bench.fleet.ingest import by_broker, by_controller, by_script
from tests.bench.fleet.lab import Lab, model_in
from tests.bench.fleet.limits import TimeIsUp, Until
from tests.bench.fleet.memory import memory
from tests.bench.fleet.month import month
from tests.bench.fleet.ordinary import ordinary
from tests.bench.fleet.plan import plan
from tests.bench.fleet.reconnect import reconnect
from tests.bench.fleet.rollout import rollout
from tests.bench.fleet.turn import turn

Row = dict[str, Any]


def measured(lab: Lab, model: Path, case: Row) -> Row:  # noqa: PLR0911, PLR0912 - one line a case
    count = case["devices"]
    match case["what"]:
        case "accept":
            return accept_each(lab, count)
        case "plan":
            return plan(lab, model, count)
        case "accept-bulk":
            return accept_bulk(lab, model, count, case["selector"])
        case "rollout":
            return rollout(lab, model, count)
        case "turn":
            return turn(lab, model, count, case["turns"])
        case "ordinary":
            return ordinary(lab, model, count, case["seconds"])
        case "reconnect":
            return reconnect(lab, model, count, case["away_s"])
        case "month":
            return month(lab, model, count, case["seconds"])
        case "memory":
            return memory(lab, model, count, case["seconds"])
        case "controller":
            return by_controller(lab, model, count, case["batch"], case["rows"], case["seconds"])
        case "script":
            return by_script(lab, count, case["batch"], case["rows"], case["seconds"])
        case "broker":
            return by_broker(lab, count, case["batch"], case["seconds"])
        case what:
            raise ValueError(f"nothing measures {what!r}")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is ended too
    folder, record, limit_s, case = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), json.loads(sys.argv[4])
    until, database = Until(limit_s), os.environ["HEDGEROW_BENCH_DATABASE"] if case.get("postgres") else None
    model = model_in(folder.parents[1] / "model")
    lab = Lab(folder, until, database)
    try:
        row = measured(lab, model, case)
    except TimeIsUp as up:
        row = {"cut": str(up)}
    finally:
        lab.close()
    record.write_text(json.dumps(row | {"durability": durability(lab.url)}))


if __name__ == "__main__":
    main()
