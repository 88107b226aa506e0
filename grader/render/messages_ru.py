"""Russian wordings, by message code; what follows a number is worded so that any number may stand there."""

from __future__ import annotations

RU: dict[str, str] = {
    "verdict.missing": "в отчёте нет значения",
}
