# SPDX-License-Identifier: MIT
"""Reads the JSON files that Google Benchmark writes, for all that reports on them."""

import json


class BadInput(Exception):
    """The results cannot be reported on; the message says why, in one line."""


def load(path):
    """Answers what a result file says; raises BadInput for one that is cut off or foreign."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{path} is not JSON, or is cut off: {error}") from error
    if not (isinstance(data, dict) and isinstance(data.get("context"), dict)
            and isinstance(data.get("benchmarks"), list)):
        raise BadInput(f"{path} is not Google Benchmark's JSON: no 'context' or no 'benchmarks'")
    return data
