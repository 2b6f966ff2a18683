"""A row of a part in words."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def sentence(plain: str, row: Row) -> str:  # noqa: PLR0911 - one branch a part
    match plain:
        case "accept-each":
            return f"{row['seconds']:.1f} s, {row['seconds'] / row['accepted'] * 1e3:.1f} ms a request"
        case "plan":
            told = f"{row['seconds']:.1f} s, {row['infeasible']:,} of {row['devices']:,} infeasible"
            return f"{told}; telemetry waited {row['wait_s'] * 1e3:.0f} ms at the longest"
        case "accept-bulk" | "accept-bulk-joining":
            placed = "" if row["placed_s"] is None else f"; all placed after {row['placed_s']:.1f} s"
            return f"{row['seconds']:.1f} s, {row['seconds'] / row['accepted'] * 1e6:.0f} us a device{placed}"
        case "rollout":
            return f"{row['first_s']:.2f} s, {row['placed_s']:.1f} s, {row['last_s']:.1f} s"
        case "turn":
            turns, figures = (
                f"{row['count']:,} turns",
                [row[f"{each}_s"] * 1e3 for each in ("p50", "p99", "p999", "max")],
            )
            told = ", ".join(f"{value:.2f}" for value in figures)
            return f"{told} ms (p50, p99, p99.9, longest of {turns}); {row['incidents_open']:,} incidents open"
        case "ordinary":
            waits = ", ".join(f"{row['wait'][f'{each}_s']:.2f}" for each in ("p50", "p99", "max"))
            told = f"{row['closed_hz']:,.0f} windows/s closed, {row['windows_hz']:,.0f} acknowledged after {waits} s"
            told += f" (p50, p99, longest); {row['largest']} in one message at most, {row['again']:,} sent again"
            cores = ", ".join(f"{row.get(f'{each}_cores', 0.0):.2f}" for each in ("server", "broker", "generator"))
            return f"{told}; {row['left']:,} left, {row['missing']:,} not found; cores {cores}"
        case "reconnect":
            told = f"connected after {row['connected_s']:.1f} s, all windows acknowledged after {row['kept_s']:.1f} s"
            told += f", all run what they were told to after {row['succeeded_s']:.1f} s"
            return f"{told}; {row['again']:,} sent again, {row['missing']:,} not found"
        case "month":
            hz = ", ".join(f"{row[f'{each}_hz']:,.0f}" for each in ("without", "beside", "going"))
            told = f"{row['rows']:,} windows; {hz} windows/s (without, beside them, while {row['parts_gone']} parts go)"
            pages = ", ".join(f"{row['page'][f'{each}_s'] * 1e3:.0f}" for each in ("p50", "p99", "max"))
            return f"{told}; a page in {pages} ms (p50, p99, longest); started in {row['start_s']:.1f} s"
        case _:
            held = ", ".join(f"{row[each] / 1e6:,.0f}" for each in ("rolled_out_bytes", "peak_bytes", "started_bytes"))
            return f"{held} MB (rolled out, under telemetry, started anew); started in {row['start_s']:.1f} s"
