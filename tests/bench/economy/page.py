"""The page of the benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.bench.economy.targets import interval, skipped_wrongly, unserved

Row = dict[str, Any]


def page(results: Row, known: Mapping[str, Row]) -> str:
    host = results["host"]
    lines = [
        "# Prunes that pay, measured",
        "",
        f"Written by `{results['repeat']}` on {results['date']}: {host['cores']} cores, {host['machine']}, Python "
        f"{host['python']}. A thousand devices with random caps on RAM, storage and latency, the residual network, one",
        "rollout through a real controller; prunes in real processes, of one thread each as by default. "
        "The devices are simulated, and their time is moved on by what each job takes. Chosen on one half of the "
        f"gate, judged on the other; sampled with the seed {results['seed']}.",
        "",
        "| target | aimed for | measured | reached |",
        "|---|---|---|---|",
        *(
            f"| {each['name']} | {each['target']} | {each['measured']} | {'yes' if each['reached'] else '**no**'} |"
            for each in results["targets"]
        ),
        "",
        *_played(known),
        *_predictions(known),
        *_regret(known),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _played(known: Mapping[str, Row]) -> Iterator[str]:
    rules = {"now": "today's rule", "before": "0.1's rule"}
    yield "| | " + " | ".join(rules[each] for each in rules if each in known) + " |"
    yield "|---|" + "---|" * sum(each in known for each in rules)
    rows = {
        "prunes asked for": lambda each: each["asked"],
        "of them refused": lambda each: each["refused_prunes"],
        "wishes still queued at the end": lambda each: each["queued_at_the_end"],
        "artifacts at the end": lambda each: len(each["artifacts"]),
        "devices with something to run": lambda each: sum(row["sha256"] is not None for row in each["devices"]),
        "devices that an artifact fits and that have none": unserved,
        "seconds until as many had something as at the end": _until_served,
        "seconds until the last had its best": lambda each: (
            f"{each['history'][-1]['seconds']:.0f}" + (" (stopped)" if each["history"][-1]["waiting"] else "")
        ),
        "seconds of jobs": lambda each: f"{each['job_seconds']:.0f}",
    }
    for name, tell in rows.items():
        yield f"| {name} | " + " | ".join(str(tell(known[each])) for each in rules if each in known) + " |"
    yield ""


def _until_served(played: Row) -> str:
    most = played["history"][-1]["placed"]
    return f"{next(each['seconds'] for each in played['history'] if each['placed'] >= most):.0f}"


def _predictions(known: Mapping[str, Row]) -> Iterator[str]:
    """The coverage of what was predicted before each prune, told apart by why it was made."""
    came_out = [each for each in known.get("now", {}).get("predictions", ()) if each["won"] is not None]
    for name, audit in (("that paid by the prediction", False), ("made all the same", True)):
        rows = [each for each in came_out if each["audit"] is audit]
        inside = sum(each["won"] <= each["high"] for each in rows)
        few = " (too few to tell)" if len(rows) < 10 else ""
        yield f"Predictions (modelled) of prunes {name}: {inside} of {len(rows)} won at most the upper 90 % limit{few}."
    yield ""


def _regret(known: Mapping[str, Row]) -> Iterator[str]:
    for part, name in (("bespoke", "Sampled devices"), ("skipped", "Sampled devices whose prune was skipped")):
        if part not in known:
            continue
        rows = known[part]["rows"]
        mean, half = interval([each["regret"] for each in rows if "regret" in each])
        yield f"{name}: mean regret {mean * 100:.2f} ± {half * 100:.2f} points."
        yield ""
        yield "| caps | epochs | served | bespoke | regret, points |"
        yield "|---|---|---|---|---|"
        for each in rows:
            regret = f"{each['regret'] * 100:+.2f}" if "regret" in each else "refused"
            yield f"| {each['caps']} | {each['epochs']:g} | {each['served']:.2%} | {each['bespoke']:.2%} | {regret} |"
        yield ""
    if "skipped" in known:
        part = known["skipped"]
        wrongly, of = skipped_wrongly(part), len(part["rows"])
        yield f"Skipped wrongly (a prune is shown to be better, at 95 %): {wrongly} of {of}."
