"""What can go wrong through no fault of the program: one clear line each (what, where, what to do)."""


class HmlError(Exception):
    """A mistake or a state of the world that the user can mend. The command line prints it as one line."""


class ConfigError(HmlError):
    """A config file or option says something that cannot be meant."""


class PluginError(HmlError):
    """A plugin is unknown, broken, or offered by two distributions."""


class GridError(HmlError):
    """A grid's files are missing, damaged or not what they claim to be."""


class LabelError(HmlError):
    """Labels outside the grid's domain; nothing is extrapolated silently."""


class SpectrumError(HmlError):
    """A spectrum that cannot be used as it is."""


class LineListError(HmlError):
    """A list of known lines that cannot be used as it is."""


class ArtefactError(HmlError):
    """A stored clone, line table, manifold or run that cannot be read or written."""
