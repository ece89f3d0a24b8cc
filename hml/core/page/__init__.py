"""`report.html`: a run on one page that needs nothing but itself."""

from __future__ import annotations

from hml.core.page.render import page

__all__ = ["page"]
