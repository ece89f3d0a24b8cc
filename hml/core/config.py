"""The config of a run: one YAML, one class. Slots are looked up in the registry; see `Slot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from hml.core.components import BuildContext, Component, ComponentConfig
from hml.core.edits import put, read_edit, read_yaml
from hml.core.errors import ConfigError, PluginError
from hml.core.paths import UserPath
from hml.core.registry import Registry, installed
from hml.core.selection import Selection

# --- slots -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chosen:
    """A component and its validated config: what a slot of the config turns into."""

    component: Component
    config: Any

    @property
    def name(self) -> str:
        return self.component.name

    def trait(self, name: str, default: Any = False) -> Any:
        return self.component.traits.get(name, default)

    def build(self, context: BuildContext) -> Any:
        return self.component.build(self.config, context)

    def to_data(self) -> dict[str, Any]:
        """`{name: …, fields}`, ready for YAML and JSON."""
        return {"name": self.name, **self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class Slot:
    """Annotation of a config field that names a component: `Annotated[Chosen, Slot("grids", "synthetic")]`.

    In YAML: a bare name, or `{name: …, fields}`; without a name the slot's default component is meant.
    """

    family: str
    default: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._resolve, serialization=core_schema.plain_serializer_function_ser_schema(Chosen.to_data)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        options: list[dict[str, Any]] = []
        for component in (entry.component for entry in installed().family(self.family)):
            fields = handler.resolve_ref_schema(handler(component.config.__pydantic_core_schema__))
            properties = {"name": {"const": component.name}, **fields.get("properties", {})}
            name = {"const": component.name, "description": component.summary}
            options += [name, {**fields, "properties": properties}]
        return {"anyOf": options}

    def _resolve(self, value: Any, info: ValidationInfo) -> Chosen:
        if isinstance(value, Chosen):
            return value
        fields = {"name": value} if isinstance(value, str) else value
        if not isinstance(fields, Mapping):
            text = f"expected a name or {{name: ..., fields}}, got {value!r}"
            raise PydanticCustomError("slot", "{text}", {"text": text})
        fields = dict(fields)
        name = fields.pop("name", self.default)
        if not isinstance(name, str):
            raise PydanticCustomError("slot", "say which one: name: ...")
        registry: Registry = (info.context or {}).get("registry") or installed()
        try:
            component = registry.get(self.family, name)
        except PluginError as error:
            raise PydanticCustomError("plugin", "{text}", {"text": str(error)}) from None
        return Chosen(component, component.config.model_validate(fields, context=info.context))


GridSlot = Annotated[Chosen, Slot("grids", "synthetic")]
ProfileSlot = Annotated[Chosen, Slot("profiles", "pseudo_voigt")]
InterpolatorSlot = Annotated[Chosen, Slot("interpolators", "cubic")]
OptimizerSlot = Annotated[Chosen, Slot("optimizers", "gp")]
SamplerSlot = Annotated[Chosen, Slot("samplers", "emcee")]
ReaderSlot = Annotated[Chosen, Slot("readers")]
GridSlots = Annotated[
    Annotated[Literal["auto"], Tag("(auto)")] | Annotated[tuple[GridSlot, ...], Tag("(list)")],
    Discriminator(lambda value: "(auto)" if isinstance(value, str) else "(list)"),  # brackets: not shown in messages
]
PreprocessorSlot = Annotated[Chosen, Slot("preprocessors")]
"""Type of one preprocessor in a config: `preprocess: tuple[PreprocessorSlot, ...] = default_steps("continuum")`."""


def default_slot(name: str, description: str) -> Any:
    """A slot's default: resolved like anything a user writes."""
    return Field(default=name, validate_default=True, description=description)


def default_steps(*steps: Any) -> Any:
    """The default list of preprocessors."""
    return Field(
        default=steps, validate_default=True, description="preprocessors in order; each a name or {name: …, fields}"
    )


def _band(value: Any) -> tuple[float, float]:
    try:
        low, high = (float(x) for x in value)
    except (TypeError, ValueError):
        raise ValueError(f"expected [low, high] in Å, got {value!r}") from None
    if not 0 < low < high < float("inf"):
        raise ValueError(f"expected [low, high] in Å with low below high, got [{low:g}, {high:g}]")
    return low, high


Band = Annotated[tuple[float, float], BeforeValidator(_band)]
"""A stretch of wavelengths, vacuum Å: `[low, high]`."""


class GridConfig(ComponentConfig):
    """Base of every grid's config: what is common to all grids."""

    preprocess: tuple[PreprocessorSlot, ...] = default_steps("blackbody", "continuum")
    wavelength: Band | None = Field(None, description="band to use, vacuum Å [low, high]; null is the grid's default")


FASTEST = 30_000.0  # km/s; a tenth of the speed of light is no star's
FASTEST_ROTATION = 1000.0  # km/s
SHOWN = 20  # mistakes that are told at once

# --- sections --------------------------------------------------------------------------------------------------


class FindConfig(ComponentConfig):
    """How lines are found in a preprocessed spectrum."""

    prominence: float = Field(0.005, gt=0, description="least prominence of a minimum, in normalised flux")
    distance: int = Field(4, ge=1, description="least distance between two minima, pixels")
    edge: float = Field(0.0, ge=0, description="lines closer than this to the ends of the band are dropped, Å")


class CloneConfig(ComponentConfig):
    """How the lines of one node are fitted."""

    composition: Literal["opacity", "product", "sum"] = Field(
        "opacity", description="how lines combine: exp(-Σ), Π(1 - a·V) as in the paper, or 1 - Σ"
    )
    solver: Literal["auto", "gauss_newton", "adam"] = Field(
        "auto",
        description="gauss_newton: a small matrix a line, on the CPU, for profiles with compiled loops; adam: any "
        "profile, any device; auto: the former where it can be had",
    )
    steps: int = Field(100, ge=1, description="steps (epochs) at most, of each fit")
    rounds: int = Field(
        3, ge=0, description="how often the lines that show in the residual of a fit are added and all fitted again"
    )
    hidden: float = Field(0.002, gt=0, description="least opacity by which such a line must stand out of a residual")
    continuum: float | None = Field(
        25.0, gt=0, description="knots of a pseudo-continuum that is fitted with the lines, Å apart; null: none"
    )
    stop: float = Field(
        0.01, ge=0, description="a fit ends when ten steps lower the loss by less than this part of it; 0: never before"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="length of steps; null: the solver's own, 1 for gauss_newton and 0.1 for adam (amsgrad)"
    )
    schedule: Literal["cosine", "constant"] | None = Field(
        None, description="how the length of steps changes; null: the solver's own, constant for gauss_newton"
    )
    centres: Literal["bounded", "free"] = Field(
        "bounded", description="bounded: in units of the line's width, one width at most; free: in Å, as in the paper"
    )
    radial_velocity: bool = Field(False, description="one more free parameter per node, as in the paper")
    window: int | None = Field(None, ge=3, description="pixels in all around each centre; null: per line, by tolerance")
    tolerance: float = Field(1e-7, gt=0, lt=0.1, description="a line's wing is cut where it falls below this")
    edge: float = Field(0.0, ge=0, description="pixels closer than this to the ends of the band are not fitted, Å")
    from_blase: UserPath | None = Field(
        None,
        description="folder of blase's own clones (T5800G4.5Z-0.5.pt), taken instead of a fit; needs composition "
        "product, profile {name: pseudo_voigt, widths: separate} and associate.method paper",
    )


class AssociateConfig(ComponentConfig):
    """How lines of different nodes become one track."""

    method: Literal["tracks", "paper"] = Field(
        "tracks",
        description="tracks: where the lines of all nodes pile up, fitted at every node; paper: identical centres "
        "before the fit",
    )
    rounds: int = Field(
        7,
        ge=1,
        description="how often every node is fitted with all tracks, from what its neighbours agree on and with the "
        "tracks that residuals of the last round show (tracks)",
    )
    steps: int = Field(30, ge=1, description="steps, at most, of each of these fits (tracks)")


class GeneratorConfig(ComponentConfig):
    """How spectra are made from line parameters, or the file of a generator that is used as it is."""

    path: UserPath | None = Field(
        None,
        description="file of a generator, such as `hml grid pack` writes; what it was made with (grid, find, profile, "
        "clone, associate, hold_out, interpolator and the rest of this section) then takes the place of what is here",
    )
    window: int | None = Field(None, ge=3, description="pixels in all around each centre; null: per line, by tolerance")
    tolerance: float = Field(1e-7, gt=0, lt=0.1, description="a line's wing is cut where it falls below this")
    lines: bool = Field(
        True,
        description="false: no lines, for grids too coarse to have any; the residual is all there is, see "
        "[coarse grids](grids.md#coarse-grids)",
    )
    residual: float | None = Field(
        None,
        ge=0,
        le=1,
        description="bytes of what is kept of the spectra besides lines, over those of all nodes' pixels; 0: none; "
        "null: 0.1, without lines 1",
    )
    error: int = Field(
        16,
        ge=0,
        le=255,
        description="patterns that are kept of the generator's own error, judged by nodes that are left out",
    )
    bad_nodes: Literal["keep", "exclude"] = Field(
        "keep", description="nodes that do not fit their neighbours, see `hml grid check`: exclude makes holes of them"
    )
    holes: Literal["fill", "refuse"] = Field(
        "fill",
        description="where the grid lacks nodes that the interpolator needs: make them up from those around, or stop",
    )

    @property
    def kept(self) -> float:
        """The part that `residual` means."""
        return (0.1 if self.lines else 1.0) if self.residual is None else self.residual


class MaskConfig(ComponentConfig):
    """Pixels that are not used."""

    file: UserPath | None = Field(None, description="table of wavelength (vacuum Å) and value, rising in wavelength")
    above: float | None = Field(
        None, description="pixels where the file's value is above this are left out; of a mask of 0 and 1: 0.5"
    )
    below: float | None = Field(
        None, description="pixels where the file's value is below this, as the transmission of the atmosphere"
    )
    drop: tuple[Band, ...] = Field((), description="stretches left out, vacuum Å: [[low, high], …]")
    keep: tuple[Band, ...] = Field((), description="stretches outside of which everything is left out")
    frame: Literal["observed", "barycentric", "rest"] = Field("observed", description="whose wavelengths these are")
    rv: float = Field(
        0.0, gt=-FASTEST, lt=FASTEST, description="km/s of the star about the barycentre, for frame rest"
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> MaskConfig:
        if (self.file is not None) + bool(self.drop) + bool(self.keep) != 1:
            raise ValueError("expected one of file, drop and keep")
        if self.file is None and (self.above is not None or self.below is not None):
            raise ValueError("above and below are limits to the values of a file; name it with file")
        if self.rv and self.frame != "rest":
            raise ValueError("rv is of no use without frame: rest")
        return self


class BlazeConfig(ComponentConfig):
    """A star without lines, or a lamp, seen by the same spectrograph."""

    path: UserPath = Field(description="file of the standard")
    reader: ReaderSlot | None = Field(None, description="null: as for the star")
    hydrogen: bool = Field(True, description="lines of hydrogen are left out of it, as of an A0V star; false: a lamp")
    degree: int | None = Field(
        None, ge=0, le=15, description="of each order's Chebyshev envelope; null: chosen by cross-validation"
    )


class RezeroConfig(ComponentConfig):
    """Wavelengths set right by lines of the air."""

    file: UserPath = Field(description="template of the atmosphere: wavelength (vacuum Å) and transmission")
    limit: float = Field(10.0, ge=1, le=1000, description="how far the zero point may be off, km/s")


class BarycentricConfig(ComponentConfig):
    """The correction, and what a file may lack for it."""

    correct: bool | None = Field(
        None, description="null: where the reader knows the observatory, or something is given here; true: or stop"
    )
    velocity: float | None = Field(
        None, gt=-FASTEST, lt=FASTEST, description="km/s to add to measured velocities, instead of all below"
    )
    ra: float | None = Field(None, ge=0, le=360, description="degrees (ICRS, at the time of the exposure)")
    dec: float | None = Field(None, ge=-90, le=90, description="degrees")
    time: float | str | None = Field(None, description="UTC of the exposure's middle: 2018-10-03T01:49:05, or a JD")
    site: tuple[float, float, float] | None = Field(None, description="telescope: [degrees east, degrees north, m]")

    @property
    def given(self) -> bool:
        """Whether anything is said."""
        return any(value is not None for name, value in self if name != "correct")


class SpectrumConfig(ComponentConfig):
    """The observed spectrum. Without a path a truth is drawn from the grid, see `truth`."""

    path: UserPath | Annotated[tuple[UserPath, ...], Field(min_length=1)] | None = Field(
        None, description="file to measure, or a list of exposures of one star, measured together"
    )
    reader: ReaderSlot | None = Field(None, description="null: the first reader that knows the file")
    preprocess: tuple[PreprocessorSlot, ...] = default_steps()
    wavelength: Band | None = Field(
        None, description="part to use, vacuum Å [low, high]; barycentric where the correction is applied"
    )
    bad_pixels: Literal["refuse", "mask"] = Field(
        "refuse", description="what to do with non-finite flux or useless errors: stop, or leave those pixels out"
    )
    masks: dict[str, MaskConfig] = Field(
        default={},
        description="pixels left out, by names of your own: {sky: {file: lines.txt}, water: {drop: [[9300, 9700]]}}; "
        "see [masks](observations.md#masks)",
    )
    least: float = Field(
        0.0, ge=0, lt=1, description="orders with less than this part of their pixels left are dropped, with a note"
    )
    blaze: BlazeConfig | None = Field(
        None, description="{path: standard.fits}: the smooth upper envelope of its orders is divided out; null: nothing"
    )
    rezero: RezeroConfig | None = Field(
        None, description="{file: transmission.csv}: zero point of wavelengths from lines of the air; null: as it is"
    )
    barycentric: BarycentricConfig = Field(
        BarycentricConfig(), description="from the observatory's frame to the barycentre of the solar system"
    )

    @model_validator(mode="after")
    def _each_its_time(self) -> SpectrumConfig:
        if len(self.paths) > 1 and (self.barycentric.time or self.barycentric.velocity) is not None:
            raise ValueError("barycentric.time and velocity are those of one exposure, and path names several")
        return self

    @property
    def paths(self) -> tuple[Path, ...]:
        """The exposures; none where a truth is measured."""
        return (self.path,) if isinstance(self.path, Path) else self.path or ()


class TruthConfig(ComponentConfig):
    """What a run without a spectrum measures: a spectrum of known labels."""

    labels: dict[str, float] | None = Field(None, description="its labels; null: drawn by seed, off the nodes")
    snr: float | None = Field(100.0, gt=0, description="signal to noise per pixel; null: no noise")
    rv: float = Field(0.0, gt=-FASTEST, lt=FASTEST, description="radial velocity, km/s")
    resolving_power: float | None = Field(None, gt=0, description="λ/Δλ it is convolved to; null: that of the grid")
    vsini: float = Field(0.0, ge=0, le=FASTEST_ROTATION, description="projected rotation, km/s")
    limb_darkening: float = Field(0.6, ge=0, le=1, description="linear, of the disc that rotates")
    macroturbulence: float = Field(0.0, ge=0, le=FASTEST_ROTATION, description="radial-tangential, km/s")
    preprocess: bool = Field(
        False, description="normalise it like the grid's nodes, knowing its labels (the paper's way; no star allows it)"
    )


class Normal(ComponentConfig):
    """A normal distribution."""

    mean: float = Field(allow_inf_nan=False)
    sigma: float = Field(gt=0, allow_inf_nan=False)


class ObjectiveConfig(ComponentConfig):
    """What is minimised: the distance between generator and data."""

    metric: Literal["chi2", "rms"] = Field(
        "chi2", description="mean squared residual over the errors, or root mean square residual as in the paper"
    )
    continuum_degree: Annotated[int, Field(ge=0, le=15)] | Literal["auto"] | None = Field(
        "auto",
        description="free Chebyshev continuum per order, solved in closed form; auto: of the degree that foretells "
        "pixels best that are left out, chosen per order from the data, and again once a model is found; null: none",
    )
    resolving_power: Selection | None = Field(
        None, description="λ/Δλ of the data: a number (fixed), [low, high] (free); null: not applied"
    )
    resolving_power_factors: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None = Field(
        None, min_length=1, description="the resolving power of each order over `resolving_power`; null: all the same"
    )
    rv: Selection | None = Field(
        None, description="radial velocity, km/s: a number (fixed), [low, high] (free); null: not applied"
    )
    vsini: Selection | None = Field(
        None, description="projected rotation, km/s: a number (fixed), [low, high] (free); null: not applied"
    )
    limb_darkening: float = Field(0.6, ge=0, le=1, description="linear, of the disc that rotates")
    macroturbulence: Selection | None = Field(
        None, description="radial-tangential, km/s: a number (fixed), [low, high] (free); null: not applied"
    )
    pixel_integration: bool = Field(
        True,
        description="broadened spectra are averaged over each pixel; false where `resolving_power` was measured with "
        "the pixels and thus holds them already",
    )
    model_error: bool = Field(
        True,
        description="the generator's own error, as kept with it, counts beside the data's: once labels are found, they "
        "are found again with what the generator may miss there as errors that pixels share",
    )
    noise: Literal["given", "inflate", "free"] = Field(
        "inflate",
        description="the scale of the data's errors: as given; larger where residuals are; or as residuals have it",
    )
    outliers: Literal["none", "clip", "student_t"] = Field(
        "none",
        description="clip: pixels that miss by more than `clip` errors are left out and labels found again; student_t: "
        "all pixels count, with the wings of Student's t of 4 degrees of freedom",
    )
    clip: float = Field(5.0, gt=1, description="errors, for outliers: clip")
    priors: dict[str, Normal] = Field(
        default={}, description="parameter → {mean, sigma} of a normal prior; all others are uniform in their range"
    )
    nan_as_one: bool = Field(False, description="a NaN of the generator counts as continuum, as in the paper")

    @field_validator("resolving_power")
    @classmethod
    def _resolves(cls, wish: Selection | None) -> Selection | None:
        if wish is not None and not 0 < wish.bounds[0] <= wish.bounds[1] < float("inf"):
            raise ValueError("expected a positive number, or [low, high] with low above zero")
        return wish

    @field_validator("vsini", "macroturbulence")
    @classmethod
    def _is_speed(cls, wish: Selection | None) -> Selection | None:
        if wish is not None and not 0 <= wish.bounds[0] <= wish.bounds[1] <= FASTEST_ROTATION:
            raise ValueError(f"expected km/s from 0 to {FASTEST_ROTATION:g}: a number, or [low, high]")
        return wish

    @field_validator("rv")
    @classmethod
    def _slow(cls, wish: Selection | None) -> Selection | None:
        if wish is not None and not -FASTEST < wish.bounds[0] <= wish.bounds[1] < FASTEST:
            raise ValueError(f"expected km/s between -{FASTEST:,.0f} and {FASTEST:,.0f}")
        return wish


class LocalConfig(ComponentConfig):
    """Processes of this machine."""

    name: Literal["local"] = Field("local", description="processes of this machine")
    retries: int = Field(2, ge=0, description="more trials of a task whose process died, or that met what may pass")


class DaskConfig(ComponentConfig):
    """A Dask cluster (needs the extra `hml[dask]`)."""

    name: Literal["dask"] = Field("dask", description="a Dask cluster, on this machine or another")
    address: str | None = Field(
        None, description="of the scheduler, such as tcp://10.0.0.1:8786; null: a cluster of `runtime.workers` "
        "processes is started on this machine"
    )
    retries: int = Field(2, ge=0, description="more trials of a task that met what may pass")
    patience: float = Field(300.0, gt=0, description="s, how long a scheduler may be away before the run ends")


def _with_name(value: Any) -> Any:
    """Fields without a name are of the default."""
    return {"name": "local", **value} if isinstance(value, Mapping) else value


ExecutorSlot = Annotated[
    LocalConfig | DaskConfig,
    Field(discriminator="name"),
    BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else _with_name(value)),
]


class RuntimeConfig(ComponentConfig):
    """How the work is done."""

    device: str = Field("auto", description="auto (a GPU where there is one), cpu, cuda, cuda:1")
    seed: int = Field(0, ge=0, description="of everything random")
    workers: int | None = Field(None, ge=1, description="nodes cloned side by side on this machine; null: one a core")
    executor: ExecutorSlot = Field(
        LocalConfig(), description="where nodes are cloned and checked and spectra of a batch measured: a name, or "
        "{name: …, fields}"
    )


class RunConfig(ComponentConfig):
    """Everything that decides a result."""

    grid: GridSlot = default_slot("synthetic", "grid of model spectra, with its selection and preprocessing")
    grids: GridSlots = Field(
        (),
        description="several grids to be tried and ranked instead of `grid`, each a name or {name: …, fields}; auto: "
        "all that are installed, apply to the spectrum and need not be fetched",
    )
    find: FindConfig = FindConfig()
    profile: ProfileSlot = default_slot("pseudo_voigt", "shape of a line")
    clone: CloneConfig = CloneConfig()
    associate: AssociateConfig = AssociateConfig()
    hold_out: dict[str, Selection | Literal["alternate"]] = Field(
        default={},
        description="nodes kept out of the generator, per label: [low, high], {nodes: […]} or alternate (every second)",
    )
    interpolator: InterpolatorSlot = default_slot("cubic", "how line parameters are carried between nodes")
    generator: GeneratorConfig = GeneratorConfig()
    spectrum: SpectrumConfig = Field(default={}, validate_default=True)
    truth: TruthConfig = TruthConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    box: dict[str, Selection] = Field(
        default={}, description="search box per label: [low, high] or {around: x, half_width: y}; else the whole grid"
    )
    optimizer: OptimizerSlot = default_slot("gp", "how the minimum is searched")
    sampler: SamplerSlot | None = Field(
        None, description="how the posterior is drawn from, after the search; null: errors from the curvature alone"
    )
    runtime: RuntimeConfig = RuntimeConfig()


# --- from files and options ------------------------------------------------------------------------------------


def load_config(
    path: Path | None = None,
    *,
    slots: Mapping[str, str] | None = None,
    fields: Mapping[str, Any] | None = None,
    sets: Sequence[str] = (),
    registry: Registry | None = None,
) -> RunConfig:
    """The config of a YAML file (or the defaults), with `slots` replaced whole (`{"grid": "phoenix"}`), then `fields`
    set (`{"runtime.seed": 1}`), then edited by `sets` (`"grid.teff=[3000,4000]"`). ConfigError names file, field and
    what was expected."""
    raw = read_yaml(path) if path else {}
    for slot, name in (slots or {}).items():
        raw[slot] = {"name": name}
    for where, value in (fields or {}).items():
        put(raw, where, value)
    for item in sets:
        put(raw, *read_edit(item))
    return parse_config(raw, source=str(path) if path else "config", registry=registry)


def parse_config(raw: Mapping[str, Any], *, source: str = "config", registry: Registry | None = None) -> RunConfig:
    """The config from plain data."""
    try:
        return RunConfig.model_validate(raw, context={"registry": registry or installed()})
    except ValidationError as error:
        problems = dict.fromkeys(
            f"{_place(e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        )
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ConfigError(f"{source}: " + "; ".join(list(problems)[:SHOWN]) + more) from None


def _place(where: tuple[str | int, ...]) -> str:
    """A field's place as users write it, without the names of pydantic's own steps."""
    names = (str(part) for part in where if not str(part).endswith(("]", ")")))
    return ".".join(name if name.isprintable() else repr(name)[1:-1] for name in names) or "top level"


def dump_config(config: RunConfig) -> str:
    """YAML that `load_config` reads back to an equal config."""
    import yaml

    return str(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
