"""What the CloudWatch agent says of its own work: how much of a file it has sent."""

from __future__ import annotations

from pathlib import Path

STATE_DIRECTORY = Path("/opt/aws/amazon-cloudwatch-agent/logs/state")


def sent_bytes(path: Path, *, state_directory: Path = STATE_DIRECTORY) -> int:
    """How much of a followed file has arrived in CloudWatch; 0 while the agent does not know the file.

    Source   amazon-cloudwatch-agent, logfile.go (escapeFilePath) and internal/state/range.go: the offset, the
             path, and from 2025 on the ranges that were sent
    """
    name = str(path).replace("/", "_").replace(" ", "_").replace(":", "_")
    try:
        lines = (state_directory / name).read_text().splitlines()
    except OSError:
        return 0
    if len(lines) >= 3:
        # More than one range: something before the largest offset has not arrived yet.
        start, _, end = lines[2].partition(",")[0].partition("-")
        return int(end) if start == "0" and end.isdigit() else 0
    return int(lines[0]) if lines and lines[0].isdigit() else 0
