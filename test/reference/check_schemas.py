"""Validates what was generated: lines {"id", "schema", "output"} on standard input, output being a text.

Prints a line for each that is no JSON or does not validate, then how many do.  Needs jsonschema (python3-jsonschema).
Beyond jsonschema, whose patterns are Python's, patterns are tried without Python's looseness: $ is the very end,
classes are of ASCII; and formats that jsonschema leaves to other packages are checked here.
"""
import datetime
import json
import re
import sys

import jsonschema

formats = jsonschema.FormatChecker(["date", "ipv4", "email"])


@formats.checks("date-time", raises=ValueError)
def is_date_time(value):
    if isinstance(value, str):
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value, re.ASCII):
            return False
        datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return True


@formats.checks("time", raises=ValueError)
def is_time(value):
    return not isinstance(value, str) or is_date_time("2000-01-01T" + value)


@formats.checks("uuid")
def is_uuid(value):
    return not isinstance(value, str) or re.fullmatch("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value) is not None


def pattern(validator, wanted, instance, schema):
    if validator.is_type(instance, "string"):
        exact = re.sub(r"(?<!\\)\$", r"\\Z", wanted)
        if not (re.search(wanted, instance) and re.search(exact, instance, re.ASCII)):
            yield jsonschema.ValidationError("%r does not match %r" % (instance, wanted))


def reject_constant(name):
    raise ValueError(name + " is no JSON")


def main():
    validators = {}
    valid = 0
    for line in sys.stdin.buffer:
        case = json.loads(line)
        key = json.dumps(case["schema"], sort_keys=True)
        if key not in validators:
            base = jsonschema.validators.validator_for(case["schema"], jsonschema.Draft202012Validator)
            base.check_schema(case["schema"])
            strict = jsonschema.validators.extend(base, {"pattern": pattern})
            validators[key] = strict(case["schema"], format_checker=formats)
        try:
            validators[key].validate(json.loads(case["output"], parse_constant=reject_constant))
            valid += 1
        except (ValueError, jsonschema.ValidationError) as error:
            print("%s: %r: %s" % (case["id"], case["output"], str(error).split("\n")[0]))
    print("%d valid" % valid)


if __name__ == "__main__":
    main()
