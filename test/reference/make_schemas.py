"""Writes schemas.jsonl: 500 random JSON schemas that have values, each with a prompt, and 100 that must be refused.

A line is {"schema", "prompt", "tokens"}, or {"schema", "prompt", "refused", "place"}: a regular expression that the
error's message matches, and the place in the schema, as a JSON pointer, that it names.  The schemas are made so that
values exist by the definition of JSON Schema alone; nothing here asks an implementation.

python3 make_schemas.py        # needs no package; the same file every time
"""
import json
import os
import random

NAMES = ["a", "name", "x y", "é", "日本", 'q"uote', "back\\slash", "tab\t", "id", "value", "next", "0", "", "😀", "naïve/slash~"]
PATTERNS = ["^a+$", "b", "[a-z]{2,4}", r"^\d{3}-\d{4}$", "(foo|bar)+", r'^[^"\\]{1,5}$', "x.?y", "^(a|b|cd)*$", r"\s\w", r"[\d_]",
            "é+$", "^.{0,3}$", "[^a-c]$", r"^[\w.]+@[a-z]+\.com$", "^$", r"\\", '"', r"^\u0041[\x42-\x44]$", "^(?:ab)?c{2,}$",
            r"\S\D\W", "^[一-龥]{1,3}$", "^a|b$", "^😀?!$", "^(x{2}y?){1,3}$"]
FREE_PATTERNS = ["b", "[a-z]{2,4}", "(foo|bar)+", "^(a|b|cd)*$", "[^a-c]$", "é+$"]  # have values of 6 to 12 characters
FORMATS = ["date", "time", "date-time", "uuid", "ipv4", "email", "hostname"]
TYPES = ["string", "integer", "number", "boolean", "null", "array", "object"]
INTEGERS = [0, 1, -1, 3, 7, 10, 42, 99, 100, 101, 999, 1000, 123456, -5, -10, -99, -1000, -1001]
NUMBERS = [0, 1, -1, 5, 10, -7, 0.5, -0.25, 99, 100, 1000, 12345, -99999, 1.25, 3.14159, -2.5, 0.001, 7e-3]
WORDS = "the weather is sunny in Zürich 東京 today ; name : \" { [ 42 \\ JSON, please → answer é 😀 — colour\n of\ta list".split(" ")
LEAVES = ["string", "integer", "number", "boolean", "null", "enum", "const", "pattern", "format", "any"]
INNER = LEAVES + ["object"] * 4 + ["array"] * 2 + ["tuple", "map", "anyOf", "oneOf", "allOf", "ref", "types", "merge"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.draft7 = False

    def maybe(self, probability):
        return self.random.random() < probability

    def choice(self, items):
        return self.random.choice(items)

    def schema(self, depth):
        kind = self.choice(INNER if depth > 0 else LEAVES)
        made = getattr(self, "make_" + kind)(depth - 1)
        if isinstance(made, dict) and self.maybe(0.1):
            made[self.choice(["title", "description", "$comment"])] = "what one reads"
        if isinstance(made, dict) and self.maybe(0.05):
            made[self.choice(["default", "examples"])] = [1]
        return made

    def make_string(self, depth):
        made = {"type": "string"}
        if self.maybe(0.5):
            made["minLength"] = self.random.randint(0, 4)
        if self.maybe(0.6):
            made["maxLength"] = self.random.randint(4, 12)
        return made

    def make_pattern(self, depth):
        if self.maybe(0.3):
            return {"type": "string", "pattern": self.choice(FREE_PATTERNS), "minLength": self.random.randint(0, 6),
                    "maxLength": self.random.randint(6, 12)}
        return {"type": "string", "pattern": self.choice(PATTERNS)}

    def make_format(self, depth):
        return {"type": "string", "format": self.choice(FORMATS)}

    def bounds(self, made, choose):
        low, high = sorted([choose(), choose()])
        if high - low < 1.5:
            high = low + 2
        if self.maybe(0.6):
            made[self.choice(["minimum", "exclusiveMinimum"])] = low
        if self.maybe(0.6):
            made[self.choice(["maximum", "exclusiveMaximum"])] = high
        return made

    def make_integer(self, depth):
        return self.bounds({"type": "integer"}, lambda: self.choice(INTEGERS if self.maybe(0.8) else NUMBERS))

    def make_number(self, depth):
        return self.bounds({"type": "number"}, lambda: self.choice(NUMBERS))

    def make_boolean(self, depth):
        return {"type": "boolean"}

    def make_null(self, depth):
        return {"type": "null"}

    def make_enum(self, depth):
        values = [self.choice([self.choice(NAMES), self.choice(INTEGERS), self.choice(NUMBERS), None, True, [1, "a"], {"k": [None]}])
                  for _ in range(self.random.randint(1, 4))]
        return {"enum": values}

    def make_const(self, depth):
        return {"const": self.choice([self.choice(NAMES), self.choice(INTEGERS), None, False, ["é\n\u0001"], {"a": 1.5}])}

    def make_any(self, depth):
        return self.choice([True, {}, {"description": "any"}])

    def make_object(self, depth):
        names = self.random.sample(NAMES, self.random.randint(0, 5))
        made = {"type": "object", "properties": {name: self.schema(depth) for name in names}}
        made["required"] = [name for name in names if self.maybe(0.5)]
        if self.maybe(0.3):
            made["additionalProperties"] = self.choice([False, True, {"type": "integer"}])
        if self.maybe(0.15):
            made["minProperties"] = self.random.randint(0, len(names))
        if self.maybe(0.15):
            made["maxProperties"] = self.random.randint(max(len(made["required"]), made.get("minProperties", 0)), 6)
        elif made.get("additionalProperties") is not False and self.maybe(0.1):
            made["required"].append("extra")
        return made

    def make_map(self, depth):
        made = {"type": "object"}
        if self.maybe(0.6):
            made["additionalProperties"] = self.schema(depth)
        if self.maybe(0.3):
            made["maxProperties"] = self.random.randint(1, 3)
        if self.maybe(0.3):
            made["minProperties"] = self.random.randint(0, 1)
        return made

    def make_array(self, depth):
        made = {"type": "array"}
        if self.maybe(0.8):
            made["items"] = self.schema(depth)
        if self.maybe(0.4):
            made["minItems"] = self.random.randint(0, 3)
        if self.maybe(0.6):
            made["maxItems"] = self.random.randint(3, 5)
        return made

    def make_tuple(self, depth):
        first, further = ("items", "additionalItems") if self.draft7 else ("prefixItems", "items")
        made = {"type": "array", first: [self.schema(depth) for _ in range(self.random.randint(1, 3))]}
        least = self.random.randint(0, 3) if self.maybe(0.4) else 0
        if least > 0:
            made["minItems"] = least
        if self.maybe(0.5):
            made[further] = False if least <= len(made[first]) and self.maybe(0.5) else {"type": "integer"}
        if self.maybe(0.3):
            made["maxItems"] = self.random.randint(3, 5)
        return made

    def make_anyOf(self, depth):
        made = {"anyOf": [self.schema(depth) for _ in range(self.random.randint(1, 3))]}
        if self.maybe(0.3):
            made["type"] = self.choice(["string", "object", "integer", ["string", "array", "number"]])
            made["anyOf"].append({"type": made["type"]})
        return made

    def make_oneOf(self, depth):
        return {"oneOf": [{"type": "string", "maxLength": 5}, {"type": "integer"},
                          {"type": "object", "properties": {"k": {"const": "a"}, "v": self.schema(depth)}, "required": ["k", "v"]},
                          {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]}]}

    def make_allOf(self, depth):
        return {"allOf": [{"type": "object", "properties": {"p": self.schema(depth)}, "required": ["p"]},
                          {"properties": {"q": self.schema(depth), "p": True}, "required": ["q"]}]}

    def make_merge(self, depth):
        low = self.choice(INTEGERS)
        return {"type": "integer", "allOf": [{"minimum": low}, {"maximum": low + 500}],
                "anyOf": [{"minimum": low + 100}, {"maximum": low + 10}, {"type": "number"}]}

    def make_types(self, depth):
        made = {"type": self.random.sample(TYPES, self.random.randint(1, 4))}
        if self.maybe(0.4):
            made["maxLength"] = 3
        if self.maybe(0.4):
            made["minimum"] = self.choice(INTEGERS)
        return made

    def make_ref(self, depth):
        return {"$ref": "#/%s/%s" % ("definitions" if self.draft7 else "$defs", self.choice(["d1", "d2"]))}

    def whole(self):
        self.draft7 = self.maybe(0.2)
        made = self.schema(3)
        made = made if isinstance(made, dict) else {}
        made["definitions" if self.draft7 else "$defs"] = {
            "d1": self.schema(0),
            "d2": {"type": "object", "properties": {"v": self.schema(0), "next": self.make_ref_to_itself()},
                   "required": self.choice([["v"], []])}}
        made["$schema"] = "http://json-schema.org/draft-07/schema#" if self.draft7 else "https://json-schema.org/draft/2020-12/schema"
        return made

    def make_ref_to_itself(self):
        return {"$ref": "#/%s/d2" % ("definitions" if self.draft7 else "$defs")}

    def prompt(self):
        return " ".join(self.choice(WORDS) for _ in range(self.random.randint(1, 12)))

    def refused(self):
        bad, message = self.choice(BAD)
        place = "#"
        for _ in range(self.random.randint(0, 3)):
            key = self.choice(["a", "é", "x y"])
            bad, step = self.choice([({"type": "object", "properties": {"b": {"type": "null"}, key: bad}, "required": [key]},
                                      "/properties/" + key),
                                     ({"type": "array", "items": bad}, "/items"),
                                     ({"type": "object", "additionalProperties": bad}, "/additionalProperties"),
                                     ({"prefixItems": [True, bad]}, "/prefixItems/1"),
                                     ({"anyOf": [{"type": "null"}, bad]}, "/anyOf/1")])
            place = "#" + step + place[1:]
        return bad, place, message


BAD = [({keyword: value}, 'keyword "%s" is not supported' % keyword.replace("$", r"\$")) for keyword, value in
       [("not", {"type": "null"}), ("if", True), ("multipleOf", 3), ("contains", {"type": "null"}), ("patternProperties", {"^a": True}),
        ("propertyNames", {"maxLength": 3}), ("dependentRequired", {"a": ["b"]}), ("unevaluatedProperties", False),
        ("$dynamicRef", "#a")]]
BAD += [({"type": "array", "uniqueItems": True}, 'keyword "uniqueItems" is not supported'),
        ({"pattern": "(?=a)b"}, r'pattern "\(\?=a\)b": .* at character'), ({"pattern": r"(a)\1"}, r"pattern .* at character"),
        ({"pattern": "a^b"}, "only at its beginning and end"), ({"pattern": "[b-a]"}, "pattern .* at character"),
        ({"pattern": "(a"}, "pattern .* at character"), ({"pattern": "a{3,2}"}, "pattern .* at character"),
        ({"pattern": 3}, '"pattern" must be a string'),
        ({"minLength": -1}, '"minLength" must be an integer'), ({"maxItems": 1.5}, '"maxItems" must be an integer'),
        ({"minLength": 5, "maxLength": 2}, "minLength of 5 is more than maxLength of 2"),
        ({"minItems": 3, "maxItems": 2}, "minItems of 3 is more than maxItems of 2"),
        ({"minProperties": 2, "maxProperties": 1}, "minProperties of 2 is more than maxProperties of 1"),
        ({"minimum": "3"}, '"minimum" must be a number'), ({"type": "integer", "minimum": 4, "maximum": 3}, "no number"),
        ({"type": "number", "exclusiveMinimum": 4, "maximum": 4}, "no number"),
        ({"type": "text"}, '"type" must be'), ({"type": 3}, '"type" must be'), ({"enum": 3}, '"enum" must be an array'),
        ({"anyOf": []}, '"anyOf" must be an array'), ({"allOf": 3}, '"allOf" must be an array'),
        ({"required": "a"}, '"required" must be an array of strings'), ({"properties": []}, '"properties" must be an object'),
        ({"$ref": "#/$defs/none"}, r'"\$ref" names "#/\$defs/none", which is not there'),
        ({"$ref": "http://example.com/schema"}, r'"\$ref" must be a place in this schema'), (3, "a schema must be an object")]


def main():
    maker = Maker(7)
    lines = []
    while len(lines) < 500:
        schema = maker.whole()
        if len(json.dumps(schema)) < 1500:
            lines.append({"schema": schema, "prompt": maker.prompt(), "tokens": maker.choice([160, 240, 320, 400])})
    for _ in range(100):
        schema, place, message = maker.refused()
        lines.append({"schema": schema, "prompt": maker.prompt(), "refused": message, "place": place})
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schemas.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=maker.maybe(0.3)) + "\n")


if __name__ == "__main__":
    main()
