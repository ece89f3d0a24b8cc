"""`hml spectrum info`: what is understood of an observed spectrum, before anything is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hml.cli.options import ConfigFile, Json, Sets, make_config

app = typer.Typer(help="Observed spectra: what was understood of a file.", no_args_is_help=True)


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="File of the observed spectrum.")],
    config: ConfigFile = None,
    sets: Sets = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="PNG file to draw it to.")] = None,
    json: Json = False,
) -> None:
    """Reader, orders, wavelengths, frame, noise and masks of a file, as a run with this config would use it."""
    from hml.cli.show import print_json
    from hml.core.components import BuildContext
    from hml.core.exposures import read_exposures
    from hml.core.understood import describe

    (exposure,) = read_exposures(make_config(config, sets=sets, spectrum=[file]), BuildContext())
    facts = describe(exposure)
    if plot is not None:
        from hml.core.figures import observed
        from hml.core.store import write_bytes

        write_bytes(plot, observed(exposure))
    if json:
        print_json(facts)
        return
    _show(facts)
    if plot is not None:
        print(f"{plot} written")


def _show(facts: dict[str, Any]) -> None:
    from hml.cli.show import say, show_facts, table

    show_facts("spectrum", _summary(facts), False)
    rows = [_row(order) for order in facts["order"]]
    table("Orders", ["order", "vacuum Å", "pixels", "used", "S/N", "noise / photons", "masked"], rows, (0, 2, 3, 4, 5))
    for note in facts["notes"]:
        say(f"note: {note}")


def _summary(facts: dict[str, Any]) -> dict[str, str]:
    low, high = facts["wavelength"]
    velocity, stated, photons = (facts[name] for name in ("barycentric_velocity", "stated_velocity", "photon_noise"))
    shift = "not applied" if velocity is None else f"{velocity:+.3f} km/s applied"
    return {
        "file": facts["file"],
        "reader": facts["reader"],
        **({"object": facts["object"]} if facts["object"] else {}),
        "orders": f"{facts['orders_used']} of {facts['orders']} used",
        "pixels": f"{facts['pixels_used']:,} of {facts['pixels']:,} used",
        "wavelength": f"{low:.2f} to {high:.2f} Å (vacuum), measured in {facts['medium']}",
        "frame": facts["frame"],
        "barycentric correction": shift + (f" (header: {stated:+.3f})" if stated is not None else ""),
        **_zero(facts["zero_point"]),
        "flux unit": facts["unit"] or "none",
        "noise": {None: "no errors", "errors": "errors", "variances": "variances, of which roots are taken"}[
            facts["uncertainty"]
        ]
        + (f"; variance is {photons:.2f} times that of photons" if photons is not None else ""),
        **({"sky fibre": f"subtracted {facts['sky_subtracted']:g} times"} if facts["sky_subtracted"] else {}),
        "masked": ", ".join(f"{cause} {count:,}" for cause, count in facts["masked"].items()) or "nothing",
    }


def _zero(zero: dict[str, Any] | None) -> dict[str, str]:
    if zero is None:
        return {}
    text = (f"{zero['velocity']:+.3f} ± {zero['error']:.3f} km/s at {zero['centre']:.0f} Å, {zero['slope']:+.3f} km/s "
            f"over 1000 Å, removed: lines of the air in {zero['orders']} orders")  # fmt: skip
    return {"zero point": text}


def _row(order: dict[str, Any]) -> list[str]:
    number, snr, photons = order["number"], order["snr"], order["photon_noise"]
    return [
        "–" if number is None else str(number),
        "{:.1f}–{:.1f}".format(*order["wavelength"]),
        f"{order['pixels']:,}",
        f"{order['used']:,}",
        "–" if snr is None else f"{snr:.0f}",
        "–" if photons is None else f"{photons:.2f}",
        ", ".join(f"{cause} {count:,}" for cause, count in order["masked"].items()),
    ]
