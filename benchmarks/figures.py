"""From what was measured to the nine figures, with their targets, and to the reference beside its published costs."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

Row = dict[str, Any]

NAMES = ("clone", "reconstruct", "gradient", "lookup", "batch", "window", "stored", "complete", "gp")
PAPER_BYTES = 13.2e9  # of the paper's pickled interpolators
MB = 1e6
UNITS = {"s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")), "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))}

PUBLISHED = {"epoch_wide": 15.3, "epoch_narrow": 2.2, "render": 0.85, "interpolator": 66e-6}
"""Seconds with blase's own code on two cores of another machine; `epoch_wide` is at 6000 pixels, the others at 1000."""
PUBLISHED_MEMORY = {"epoch_wide": 7.3e9, "epoch_narrow": 1.6e9}
PUBLISHED_LINES, WIDTHS = 7696, {"epoch_wide": 6000, "epoch_narrow": 1000, "render": 1000}
NEAR, ALONE = 0.25, 0.9  # of the published cost; of a core


def figure(
    value: float, reference: float, ratio: float, unit: str, goals: Mapping[str, bool], note: str, **more: Any
) -> Row:
    """One figure; it is met if all its goals are."""
    row = {"value": value, "reference": reference, "ratio": ratio, "unit": unit}
    return {**row, "target": "; ".join(goals), "met": all(goals.values()), "goals": dict(goals), "note": note, **more}


def amount(value: float | None, unit: str) -> str:
    """A number with the unit that suits it."""
    if value is None:
        return "–"
    factor, name = next((u for u in UNITS[unit] if abs(value) >= u[0]), UNITS[unit][-1])
    return f"{value / factor:.3g} {name}"


def clone(runs: list[Row], wide: Row | None, narrow: Row) -> Row:
    """Seconds of hml's clone; of the paper's with narrow windows; how many times faster."""
    own, seconds = runs[0], median(run["seconds"] for run in runs)
    reference, memory = narrow["seconds"] * 100 / narrow["epochs"], own["memory_above"]
    ratio_wide = None if wide is None else 100 * wide["epoch"] / seconds
    equal = next((at for at, rms in own["descent"] if rms <= narrow["rms"]), None)
    goals = {
        "≥ 90 × (1000 pixels)": reference / seconds >= 90,
        "≥ 600 × (6000 pixels)": ratio_wide is not None and ratio_wide >= 600,
        "rms ≤ paper's": own["rms"] <= narrow["rms"],
        "≤ 300 MB": memory is not None and memory <= 300 * MB,
    }
    more = {f"{key}_{name}": row[name] for key, row in (("hml", own), ("paper", narrow)) for name in
            ("rms", "lines", "cpu", "memory_before", "memory_above")}
    note = (f"rms {own['rms']:.2e} (nothing cut: {own['rms_uncut']:.2e}), paper {narrow['rms']:.2e} (as good after "
            f"{amount(equal, 's')}); {own['lines']:,} lines; {amount(memory, 'B')} above "
            f"{amount(own['memory_before'], 'B')}, paper {amount(narrow['memory_above'], 'B')}")
    return figure(seconds, reference, reference / seconds, "s", goals, note, ratio_6000=ratio_wide, **more,
                  hml_rms_uncut=own["rms_uncut"], hml_steps=own["steps"], hml_as_good_after=equal,
                  runs=[run["seconds"] for run in runs])


def reconstruct(speeds: Row, paper: Row, accuracy: Row) -> Row:
    """Seconds from labels to a native spectrum; of the paper's look-ups and rendering; how many times faster."""
    value, reference = speeds["all"]["single"], paper["lookup"] + paper["render"]
    note = (f"{paper['lines']:,} lines; one thread {amount(speeds['one']['single'], 's')}; what is cut: rms "
            f"{accuracy['cut']['rms']:.1e}; paper: look-up {amount(paper['lookup'], 's')}, rendering "
            f"{amount(paper['render'], 's')}")
    return figure(value, reference, reference / value, "s", {"≥ 700 ×": reference / value >= 700}, note,
                  one_thread=speeds["one"]["single"], paper_lookup=paper["lookup"], paper_render=paper["render"],
                  lines=paper["lines"], rms_cut=accuracy["cut"]["rms"], rms_stored=accuracy["stored"]["rms"])


def gradient(speeds: Row) -> Row:
    """Seconds of a spectrum with its gradient to the labels; without; their ratio."""
    both, one = speeds["all"], speeds["one"]
    ratio = both["gradient"] / both["single"]
    note = f"one thread {amount(one['gradient'], 's')} to {amount(one['single'], 's')}"
    return figure(both["gradient"], both["single"], ratio, "s", {"≤ 4 × the forward pass": ratio <= 4}, note,
                  ratio_one_thread=one["gradient"] / one["single"])


def lookup(speeds: Row, paper: Row) -> Row:
    """Seconds of the look-up of all lines; of the paper's interpolators; how many times faster."""
    value, note = speeds["all"]["lookup"], f"one thread {amount(speeds['one']['lookup'], 's')}"
    return figure(value, paper["lookup"], paper["lookup"] / value, "s", {"≤ 3 ms": value <= 3e-3}, note,
                  one_thread=speeds["one"]["lookup"], interpolator=paper["interpolator"])


def batch(speeds: Row) -> Row:
    """Seconds a spectrum in a batch; singly; how many times faster in the batch."""
    rate = {key: speeds[key]["single"] / speeds[key]["batch"] for key in ("all", "one")}
    goals = {"≥ 1 × on all cores": rate["all"] >= 1, "≥ 1.3 × on one thread": rate["one"] >= 1.3}
    note = f"{speeds['batch']} at once; one thread {amount(speeds['one']['batch'], 's')} a spectrum"
    return figure(speeds["all"]["batch"], speeds["all"]["single"], rate["all"], "s", goals, note, size=speeds["batch"],
                  ratio_one_thread=rate["one"], one_thread=speeds["one"]["batch"])


def window(speeds: Row) -> Row:
    """Seconds of a spectrum in a tenth of the band (the median tenth); of the whole; their ratio."""
    found = speeds["windows"]
    ratio = found["part"] / found["whole"]
    note = f"a window is made in {amount(found['cut_out'], 's')}, once"
    return figure(found["part"], found["whole"], ratio, "s", {"≤ 1/5": ratio <= 0.2}, note,
                  ratio_worst=found["worst"] / found["whole"], cut_out=found["cut_out"])


def stored(kept: Row, built: Row, accuracy: Row) -> Row:
    """Bytes of a generator; of the paper's; how many times smaller."""
    size, rms = kept["bytes"], accuracy["stored"]["rms"]
    goals = {"≤ 100 MB": size <= 100 * MB, "opened in ≤ 0.3 s": kept["open_seconds"] <= 0.3, "rms ≤ 1e-4": rms <= 1e-4}
    note = (f"{built['nodes']:,} nodes, {built['tracks']:,} tracks, {built['lines_a_node']:,.0f} lines a node, from "
            f"{built['clone']}; opened in {amount(kept['open_seconds'], 's')}; {amount(kept['memory_used'], 'B')} of "
            f"memory after a spectrum; rms of storage and rendering {rms:.1e}")
    return figure(size, PAPER_BYTES, PAPER_BYTES / size, "B", goals, note, rms=rms,
                  bytes_a_line=size / (built["nodes"] * built["lines_a_node"]), **kept, **built)


def complete(speeds: Row, kept: Row, made: Row, lines: Row) -> Row:
    """Seconds from labels to a native spectrum by all that hml makes by default; by the lines of the other figures
    alone; their ratio."""
    value, reference, one = speeds["all"]["single"], lines["all"]["single"], speeds["one"]
    gradient = speeds["all"]["gradient"] / value
    note = (f"{made['tracks']:,} tracks, pseudo-continuum, {made['patterns']:,} patterns of residual; one thread "
            f"{amount(one['single'], 's')}; with the gradient {gradient:.2f} times as long; stored "
            f"{amount(kept['bytes'], 'B')}, opened in {amount(kept['open_seconds'], 's')}; "
            f"{amount(kept['memory_used'], 'B')} of memory after a spectrum")
    return figure(value, reference, value / reference, "s", {}, note, ratio_gradient=gradient,
                  one_thread=one["single"], **kept, **made)


def gp(found: Row) -> Row:
    """Seconds that `gp` itself takes; scikit-optimize's `gp_minimize`; how many times faster."""
    value, reference = found["hml"]["wall_s"], found["plain"]["wall_s"]
    note = (f"{found['evaluations']} evaluations; of all cores {amount(found['hml']['cpu_s'], 's')}, scikit-optimize "
            f"{amount(found['plain']['cpu_s'], 's')}")
    return figure(value, reference, reference / value, "s", {"≤ 3 s": value <= 3}, note,
                  evaluations=found["evaluations"], hml_cpu=found["hml"]["cpu_s"], plain_cpu=found["plain"]["cpu_s"])


# --- the reference beside its published costs ------------------------------------------------------------------


def beside_published(wide: Row | None, narrow: Row | None, paper: Row | None, machine: Row) -> list[Row]:
    """What the recipe costs here beside what blase's own code cost where it was published: for as many line-pixels, and
    scaled to this machine by the scipy look-up (`unit`, s), which ran on both; it is timed in the same process, before
    and after, so that the scale holds for the moment too."""
    measured = (("epoch_wide", wide, "epoch"), ("epoch_narrow", narrow, "epoch"), ("render", paper, "render"))
    rows = [_beside(name, found, key, machine) for name, found, key in measured if found is not None]
    if paper is not None:
        unit, published = paper["interpolator"], PUBLISHED["interpolator"]
        rows.append({"what": "one scipy look-up", "here": unit, "published": published, "ratio": unit / published,
                     "scale": unit / published, "ratio_scaled": 1.0, "remark": "sets the machine's scale"})
    return rows


def _beside(name: str, found: Row, key: str, machine: Row) -> Row:
    work = found["lines"] * found["window"] / (PUBLISHED_LINES * WIDTHS[name])
    published, scale = PUBLISHED[name] * work, found["unit"] / PUBLISHED["interpolator"]
    ratio, memory = found[key] / published, found.get("memory_above")
    memory_there = PUBLISHED_MEMORY.get(name, 0) * work
    return {
        "what": f"{key}, {found['window']} pixels, {found['lines']:,} lines", "here": found[key],
        "published": published, "ratio": ratio, "scale": scale, "ratio_scaled": ratio / scale, "core": found["core"],
        "memory": memory, "memory_ratio": memory / memory_there if memory and memory_there else None,
        "remark": f"{_verdict(ratio, scale)}{_reason(ratio / scale, found['core'], machine)}",
    }


def _verdict(ratio: float, scale: float) -> str:
    if abs(ratio / scale - 1) <= NEAR:
        return f"within 25 % of the published cost times the machine's scale of {scale:.2f}"
    return f"{ratio / scale - 1:+.0%} against the published cost times the machine's scale of {scale:.2f}"


def _reason(off: float, core: float, machine: Row) -> str:
    """Why a cost does not land within 25 %, if so. `core`: the share of a core that one thread had meanwhile."""
    if abs(off - 1) <= NEAR:
        return ""
    if core < ALONE:
        return f": a thread had {core:.0%} of a core meanwhile, others had the rest, and clocks do not scale alike"
    return (f": the look-up that sets the scale is bound by Python and scipy {machine['scipy']}, this by memory and by "
            f"what torch {machine['torch']} does on one core only (sparse sums and their gradient)")
