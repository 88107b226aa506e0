"""What a report says, as JSON.  Pure."""

from __future__ import annotations

import json

from grader.model.lab import Lab
from grader.model.report import ReportReading
from grader.render.escape import json_document


def claims_json(reading: ReportReading, lab: Lab, lab_digest: str, report_name: str, version: str) -> bytes:
    """Return the object that `grader claims --json` prints: `lab`, `report`, `claims[]`."""
    data = {
        "schema": "grader/claims/1",
        "lab": {"id": lab.id, "version": lab.version, "sha256": lab_digest},
        "grader": {"version": version},
        "report": {
            "name": report_name,
            "sha256": reading.sha256,
            "bytes": reading.size,
            "encoding": reading.encoding,
            "own_words": reading.own_words,
            "table_line": reading.table.line if reading.table else None,
            "notes": list(reading.notes),
            "pictures": [picture.model_dump(mode="json") for picture in reading.pictures],
            "rejected": [rejected.model_dump(mode="json") for rejected in reading.rejected],
        },
        "claims": [claim.model_dump(mode="json") for claim in reading.claims],
    }
    return json_document(json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
