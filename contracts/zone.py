"""Whose clock a day and a month are read from."""

from __future__ import annotations

from datetime import timedelta, timezone

CHINA = timezone(timedelta(hours=8))
"""The clock of shops, their customers, WeChat and both SMS providers. There is no summer time."""
