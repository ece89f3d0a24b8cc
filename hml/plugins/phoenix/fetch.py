"""Gets what is missing: several connections, one list of servers, every file checked before it takes its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from pathlib import Path
from threading import Event

import httpx

from hml import GridError, Progress, alone
from hml.plugins.phoenix import PhoenixConfig
from hml.plugins.phoenix.files import Survey, add_holes, band_of, pixel_range, survey, wide
from hml.plugins.phoenix.fits_file import BLOCK, PIXEL_LIMIT, read_wavelengths
from hml.plugins.phoenix.job import Job, publish, size_of
from hml.plugins.phoenix.names import WAVE, Labels, file_path
from hml.plugins.phoenix.part import Part
from hml.plugins.phoenix.sums import Sums
from hml.plugins.phoenix.threads import side_by_side
from hml.plugins.phoenix.transfer import AbsentError, TransferError, UnreachableError, Web

WAVE_BYTES = 12_556_800


class Outcome(Enum):
    """What became of one file."""

    GOT = auto()
    HOLE = auto()  # a server that has the library lacks it, and no other failed with it
    FAILED = auto()


@dataclass
class Meter:
    """Turns positions in a file into steps forward; going back to repeat something is no step."""

    tell: Callable[[float], None]
    position: int = 0

    def reach(self, position: int) -> None:
        if position > self.position:
            self.tell(position - self.position)
            self.position = position


@dataclass
class Fetch:
    """One call of `fetch`: what the servers have shown so far."""

    config: PhoenixConfig
    cache: Path
    sums: Sums
    web: Web
    dead: dict[str, str] = field(default_factory=dict)  # base URL → why
    proven: set[str] = field(default_factory=set)  # base URLs that have shown a file of the library
    holes: list[Labels] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def anywhere(self, name: str, get: Callable[[str], None]) -> Outcome:
        """`get(url)` at one server after the other. Failures are kept; GridError if no server can be reached."""
        hole, lacking, reasons = False, list[str](), list[str]()
        for base in self._alive():
            try:
                self.web.persist(partial(get, base + name))
                self.proven.add(base)
                return Outcome.GOT
            except AbsentError as error:
                lacking.append(f"{base}: {error}")
                hole = hole or base in self.proven  # a wrong address answers 404 to everything
            except UnreachableError as error:
                self.dead[base] = str(error)
            except (TransferError, GridError) as error:
                reasons.append(f"{base}: {error}")
        if not reasons and not lacking:
            raise GridError(self._unreachable())
        if hole and not reasons:
            return Outcome.HOLE
        self.failures.append(f"{name} ({'; '.join(reasons + lacking)})")
        return Outcome.FAILED

    def _alive(self) -> list[str]:
        return [base for base in self.config.base_urls if base not in self.dead]

    def _unreachable(self) -> str:
        tried = "; ".join(f"{base}: {why}" for base, why in self.dead.items()) or "grid.base_urls is empty"
        return (f"phoenix: no server can be reached ({tried}); check the network, set grid.base_urls, read a folder "
                "with --set grid.path=…, or use --grid synthetic")

    def wavelengths(self, progress: Progress) -> None:
        """Fetch the wavelength file."""
        part = Part(self.cache / WAVE)
        with progress("fetching phoenix wavelengths", total=WAVE_BYTES, unit="B") as advance:
            meter = Meter(advance)

            def get(url: str) -> None:
                self.web.whole(url, part, 8 * PIXEL_LIMIT, meter.reach)
                publish(part, self.sums, lambda: read_wavelengths(part.path, WAVE))

            outcome = self.anywhere(WAVE, get)
        if outcome is not Outcome.GOT:
            raise GridError(f"phoenix: not fetched: {'; '.join(self.failures)}; is grid.base_urls right?")

    def ranges_work(self) -> bool:
        """Whether the first server that has the library sends parts of files; it decides how many bytes will come."""
        for base in self._alive():
            try:
                answer = self.web.persist(partial(self._sends_part, base + WAVE))
                self.proven.add(base)
                return answer
            except UnreachableError as error:
                self.dead[base] = str(error)
            except TransferError:
                continue
        return True

    def _sends_part(self, url: str) -> bool:
        with self.web.get(url, 0, BLOCK) as response:
            return response.status_code == 206

    def spectrum(self, job: Job, whole: bool) -> None:
        """Fetch one spectrum, or learn that it does not exist."""
        self.web.check()
        if self.anywhere(file_path(job.labels), job.whole if whole else job.band) is Outcome.HOLE:
            self.holes.append(job.labels)


def fetch(config: PhoenixConfig, cache: Path, progress: Progress) -> None:
    """Get the wanted files that are not in the cache, once no other process does. What was got stays, whatever happens;
    GridError says what is lacking."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with alone(cache / "fetch.lock", str(cache)), _client(config) as client:
            web = Web(client, config.retries, Event())
            _fetch(Fetch(config, cache, Sums.of(cache), web), survey(config, cache), progress)
    except OSError as error:
        raise GridError(f"{error.filename or cache}: cannot be written ({error.strerror or error}); set HML_HOME to "
                        "another place or make room") from None


def _fetch(run: Fetch, found: Survey, progress: Progress) -> None:
    config, cache = run.config, run.cache
    if found.wave is None:
        run.wavelengths(progress)
    if not found.absent:
        return
    wave = read_wavelengths(cache / WAVE)
    first, stop = pixel_range(wave, wide(band_of(config)))
    whole = not run.ranges_work() or config.whole_files
    each = size_of(stop - first, len(wave), whole)

    def work(labels: Labels, tell: Callable[[float], None]) -> None:
        meter = Meter(tell)
        run.spectrum(Job(labels, band_of(config), wave, cache, run.sums, run.web, meter.reach), whole)
        meter.reach(each)  # sizes are known to a block or two, holes not at all: the bar must end at its end

    try:
        with progress("fetching phoenix", total=each * len(found.absent), unit="B") as advance:
            side_by_side(found.absent, work, config.connections, run.web.stop, advance)
    finally:
        add_holes(cache, run.holes, config.base_urls)
    if run.failures:
        more = f" and {len(run.failures) - 3} more" if len(run.failures) > 3 else ""
        raise GridError(f"phoenix: {len(run.failures)} of {len(found.absent)} files could not be fetched: "
                        f"{', '.join(run.failures[:3])}{more}; the others are kept, try again")


def _client(config: PhoenixConfig) -> httpx.Client:
    limits = httpx.Limits(max_connections=config.connections, max_keepalive_connections=config.connections)
    timeout = httpx.Timeout(config.timeout, connect=min(config.timeout, 10.0), pool=None)
    return httpx.Client(limits=limits, timeout=timeout, follow_redirects=True, headers={"User-Agent": "hml"})
