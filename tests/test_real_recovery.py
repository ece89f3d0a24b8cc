"""Real PHOENIX spectra that no generator has seen, with velocity, rotation and noise added, through the whole chain."""

import pytest

from hml import load_config, run

FIELDS = {
    "grid.name": "starfish_hdf5", "grid.orders": ["m098"], "grid.teff": [3700, 4500],
    "hold_out": {"teff": {"nodes": [3900.0, 4300.0]}}, "truth.snr": 100.0,
    "objective.rv": [-150, 150], "objective.vsini": [0, 60], "optimizer": {"name": "lm"},
}  # fmt: skip
STARS = ((3900.0, 37.2, 4.0), (4300.0, -61.5, 12.0), (4300.0, 84.0, 25.0))  # K, km/s, km/s
NEAR = {"teff": 60.0, "logg": 0.15, "feh": 0.1, "rv": 0.5, "vsini": 1.0}  # a good half of a step of the grid, or less


@pytest.mark.slow
@pytest.mark.real
def test_nodes_left_out_of_the_h_band_grid_are_recovered(real_data, tmp_path):
    for number, (teff, rv, vsini) in enumerate(STARS):
        truth = {"teff": teff, "logg": 3.5, "feh": 0.0}
        fields = {**FIELDS, "grid.path": str(real_data / "phoenix/hband"), "truth.labels": truth, "truth.rv": rv,
                  "truth.vsini": vsini, "runtime.seed": number}  # fmt: skip
        result = run(load_config(fields=fields), output=tmp_path / f"{number}")
        for name, value in {**truth, "rv": rv, "vsini": vsini}.items():
            off, error = result[name].value - value, result[name].error
            print(f"{teff:g} K, {name} {value:g}: off by {off:+.4g} ± {error:.3g}")
            assert error is not None and abs(off) < min(NEAR[name], 4 * error), name
