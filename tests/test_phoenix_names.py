"""PHOENIX file names: examples from the public server, and a round trip over all axes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hml.plugins.phoenix.names import ALPHA, FEH, LOGG, TEFF, Labels, file_path, parse_name, scan

labels_of_the_library = st.builds(
    Labels, st.sampled_from(TEFF), st.sampled_from(LOGG), st.sampled_from(FEH), st.sampled_from(ALPHA)
)


def test_the_axes_are_those_of_the_library():
    assert len(TEFF) == 73 and TEFF[0] == 2300 and TEFF[-1] == 12000 and 7100 not in TEFF
    assert len(LOGG) == 13 and len(FEH) == 9 and len(ALPHA) == 8


@pytest.mark.parametrize(
    ("labels", "path"),
    [
        ((5800, 4.5, -0.5), "Z-0.5/lte05800-4.50-0.5.PHOENIX-ACES-AGSS-COND-2011-HiRes.fits"),
        ((5800, 4.5, 0.0), "Z-0.0/lte05800-4.50-0.0.PHOENIX-ACES-AGSS-COND-2011-HiRes.fits"),
        ((12000, 6.0, 0.5), "Z+0.5/lte12000-6.00+0.5.PHOENIX-ACES-AGSS-COND-2011-HiRes.fits"),
        (
            (4000, 0.0, -0.5, 0.2),
            "Z-0.5.Alpha=+0.20/lte04000-0.00-0.5.Alpha=+0.20.PHOENIX-ACES-AGSS-COND-2011-HiRes.fits",
        ),
        (
            (4000, 0.5, 0.0, -0.2),
            "Z-0.0.Alpha=-0.20/lte04000-0.50-0.0.Alpha=-0.20.PHOENIX-ACES-AGSS-COND-2011-HiRes.fits",
        ),
    ],
)
def test_paths_are_those_of_the_server(labels, path):
    assert file_path(Labels(*labels)) == "PHOENIX-ACES-AGSS-COND-2011/" + path
    assert parse_name(path.split("/")[1]) == Labels(*labels)


@given(labels_of_the_library)
def test_names_round_trip(labels):
    assert parse_name(file_path(labels).rsplit("/", 1)[1]) == labels


@given(labels_of_the_library, labels_of_the_library)
def test_different_labels_have_different_names(one, other):
    assert (file_path(one) == file_path(other)) == (one == other)


@pytest.mark.parametrize(
    "name",
    [
        "lte5800-4.50-0.0.PHOENIX-ACES-AGSS-COND-2011-HiRes.fits",
        "lte05800-4.50-0.0.PHOENIX-ACES-AGSS-COND-2011-HiRes.fits.part",
        "lte05800-4.50-0.0.Alpha=0.20.PHOENIX-ACES-AGSS-COND-2011-HiRes.fits",
        "WAVE_PHOENIX-ACES-AGSS-COND-2011.fits",
        "lte05800-4.50-0.0a+0.0.BT-Settl.spec.7.xz",
        "",
    ],
)
def test_foreign_names_are_none(name):
    assert parse_name(name) is None


def test_scan_lists_only_files_that_lie_where_they_belong(tmp_path):
    good, wrong = Labels(5800, 4.5, -0.5), Labels(5900, 4.5, 0.0)
    for folder, labels in (("Z-0.5", good), ("Z-0.5", wrong), ("elsewhere", good)):
        path = tmp_path / folder / file_path(labels).rsplit("/", 1)[1]
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "Z-0.5" / "notes.txt").touch()
    assert [labels for labels, _ in scan(tmp_path)] == [good]
