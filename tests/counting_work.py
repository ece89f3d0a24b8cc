"""Work that writes down what it did, takes its time, fails or dies: what executors must cope with."""

import os
import signal
import time
from pathlib import Path

from hml import GridError
from hml.core.work import Work


class Counting(Work):
    """Squares of numbers. One line a trial in a file of `folder` a number: the process that did it. `moods` say what
    happens over which numbers."""

    title = "count"

    def __init__(self, folder, seconds=0.0, moods=None):
        self.folder, self.seconds, self.moods = Path(folder), seconds, moods or {}

    def do(self, number, alive):
        with (self.folder / str(number)).open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(self.seconds)
        match self.moods.get(str(number)):
            case "torn":
                raise GridError(f"{number}: the file is torn")
            case "away":
                raise OSError("the disk is away")
            case "away once" if len(self.trials(number)) == 1:
                raise OSError("the disk is away")
            case "deadly":
                os.kill(os.getpid(), signal.SIGKILL)
            case "buggy":
                raise ZeroDivisionError("a mistake")
        return number**2

    def trials(self, number):
        """The processes that tried it."""
        file = self.folder / str(number)
        return file.read_text().split() if file.exists() else []

    def name(self, number):
        return f"number {number}"

    def setting(self):
        return {"folder": str(self.folder), "seconds": self.seconds, "moods": self.moods}

    @classmethod
    def there(cls, setting):
        return cls(**setting)
