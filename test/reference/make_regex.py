"""Writes regex.json: what Oniguruma, inside of tokenizers 0.15.2, makes of patterns written and drawn at random.

{"texts": [...],
 "properties": {"\\\\p{L}": "crc32 in hexadecimal"},        of a byte per character, 1 where the pattern matches it
 "cases": [{"pattern": "...", "matches": [[begin, end, ...], ...] or null}]}

matches has the stretches that Split with "Isolated" cuts each text into, in characters; null: the pattern is refused.
Properties are asked of every one of CHARACTERS between two U+0002.
"""
import json
import random
import zlib
from pathlib import Path

from tokenizers import Regex, pre_tokenizers

from compare_tokenizers import REGEXES

TEXTS = ["", "aab abab ba", "Hello, World! I'm HERE; it's 12:30.", "  two  spaces\n\nlines\r\nend ", "caf\u00e9 cafe\u0301 Stra\u00dfe STRASSE \ufb01n \ufb05",
         "\u4eca\u5929 \u5929\u6c14 2024\u5e743\u6708 \u30ab\u30bf\u30ab\u30ca", "\U0001F600\U0001F468\u200d\U0001F469 \u0661\u0662 \u00bd\u00b2", "x1y22z333_-_- \t\x0b\x85\u2028",
         "aaaaaaaaaaaaaaaa", "SS ss \u017fs \u1e9e \u212aK k \u0130i\u0131I", "bcbcab\nabc\nacb", "]-^[a]b&&c{2}"]

WRITTEN = REGEXES + [
    "a", "", "a|b", "a|ab", "ab|a", "(?:a|b)*", "a*?", "a+?", "a??", "a*+a", "a++b", "a?+a", "a{2}", "a{2,}", "a{,2}", "a{1,3}?", "a{3,1}", "a{2}?", "a{2}+",
    "{", "a{", "a{1", "a{,}", "x{2", "^", "$", "^a", "b$", r"\Ax?", r"b\z", r"\Z", r"\Ga", r"\bH", r"\B.", r"\w+\b", "(?m:.)+", "(?m:a.b)", ".+", r"[\s\S]", r"\N+", r"\O+",
    "(?i)ss", "(?i)\u00df", "(?i)stra\u00dfe", "(?i)\ufb01", "(?i)fi", "(?i)st", "(?i)k", "(?i)i", "(?i)[a-c]+", "(?i)[^a-c]+", "(?i)\u0130", "a(?i)b|c", "(?i:a)b",
    "(?-i:a)B", "(?i)H(?-i)e", "(?x) a b # comment\n | c", "(?#comment)a", "(?<=a)b", "(?<!a)b", "(?<=a|bc)b", "(?<=a+)b", "a(?=b)", "a(?!b)", "(?=ab)a", "(?<=^|\\s)\\S",
    "(?>a+)b", "(?>a|ab)b", "(a)(b)\\2\\1", "(a|b)\\1", "(?<x>a)\\k<x>", "(a)?b\\1", "\\1(a)", "(?:(a)|b)*\\1", "((a)|(b))+\\2", "[]a]", "[^]a]", "[a-]", "[-a]", "[a\\-z]", "[a-c-e]",
    "[\\]]", "[[a]b]", "[^[a]b]", "[a&&b]", "[a-z&&[^aeiou]]+", "[a-z&&b-d&&[^c]]", "[[:alpha:]]+", "[[:^alpha:]]+", "[[:digit:][:space:]]", "[:alpha:]", "[\\w&&[^\\d]]+", "[\\d\\s]", "[^\\d\\s]+",
    "[\\x41-\\x{5a}]", "\\x61", "\\x{4eca}", "\\u5929", "\\141", "\\t", "\\n", "[\\n\\t]", "\\e", "[\\b]", "\\.", "\\/", "\\-", "\\Q.*\\E", "\\R", "\\h+", "\\H+", "\\p{^L}+", "\\P{L}+", "\\p{Lu}", "\\p{Letter}",
    "\\p{Han}+", "\\p{Katakana}", "\\p{InBasicLatin}", "\\p{Emoji}", "\\p{Alphabetic}+", "(?:a*)*", "(?:a*)+b", "(?:a|b*)*", "(?:a??)*", "(?:)*", "(?:a?){3}", "(?:ab|a)(?:b|)", "(?:a|b)*?b", "(?:ab?)+?b",
    "(a", "a)", "[a", "[", "*a", "a|*", "+", "?", "(?", "(?<a", "(?P<a>b)", "[z-a]", "[]", "[^]", "\\p{Nonesuch}", "\\p{L", "\\", "a{1,100001}", "[a-\\d]", "(?z)a", "(?s).", "\\2(a)",
    "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+", "[^\\S\\n]+", "\\s{2,}|\\t", "[\\p{L}\\p{N}_]+(?:['\u2019][\\p{L}]+)*", "https?://\\S+|\\w+|[^\\w\\s]", "(?<=\\d)(?=(?:\\d{3})+(?!\\d))",
]
PROPERTIES = [r"\w", r"\W", r"[\w]", r"\d", r"\s", r"\h", r"\N", r"\b."] + ["[[:%s:]]" % n for n in (
    "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit").split()] + [r"\p{%s}" % n for n in (
        "L Lu Ll Lt Lm Lo LC M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cn Co Any Assigned Latin Greek Cyrillic "
        "Armenian Hebrew Arabic Devanagari Thai Georgian Hangul Ethiopic Cherokee Hiragana Katakana Bopomofo Han Common Inherited Unknown "
        "Alphabetic Lowercase Uppercase White_Space Ideographic Emoji Emoji_Presentation Extended_Pictographic Dash Diacritic Cased ID_Start "
        "ID_Continue XID_Start XID_Continue Default_Ignorable_Code_Point Math Hex_Digit Variation_Selector Word Alnum Punct InHiragana").split()]


def atom(draw, depth):
    kind = draw.random()
    if kind < 0.35:
        return draw.choice("aabbcAB1 .^$-_\u00e9\u5929\u00df") if draw.random() < 0.8 else draw.choice([r"\n", r"\.", r"\t", r"\x61"])
    if kind < 0.5:
        return draw.choice([r"\w", r"\W", r"\d", r"\s", r"\S", r"\p{L}", r"\p{Lu}", r"\P{N}", r"\b", r"\B", r"\A", r"\z", ".", r"\h", r"\R"])
    if kind < 0.7:
        items = "".join(draw.choice(["a", "b", "a-c", "A-Z", r"\d", r"\s", r"\p{L}", "[^b]", "\u00e9", " ", r"\-", "_", "[[:upper:]]", "1-3"])
                        for _ in range(draw.randint(1, 4)))
        if draw.random() < 0.1:
            items += "&&" + draw.choice(["[^a]", "a-m", r"\w"])
        return "[" + ("^" if draw.random() < 0.3 else "") + items + "]"
    if depth > 2:
        return draw.choice("abc")
    inner = choice_of(draw, depth + 1)
    return draw.choice(["(?:%s)", "(?:%s)", "(?:%s)", "(%s)", "(?>%s)", "(?=%s)", "(?!%s)", "(?i:%s)", "(?m:%s)"]) % inner


def quantifier(draw):
    return draw.choice([""] * 12 + ["*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{1,2}", "{,2}", "{2,}", "{1,3}?", "{0,1}"])


def sequence_of(draw, depth):
    result = "".join(atom(draw, depth) + quantifier(draw) for _ in range(draw.randint(1, 4)))
    if draw.random() < 0.08:
        result = draw.choice(["(?<=%s)", "(?<!%s)"]) % draw.choice(["a", "a|b", "ab|c", r"\s", r"\w{2}", "[ab]c?", "^", ""]) + result
    return result


def choice_of(draw, depth=0):
    return "|".join(sequence_of(draw, depth) for _ in range(draw.choice([1, 1, 2, 3])))


def matches(pattern):
    try:
        splitter = pre_tokenizers.Split(Regex(pattern), "isolated")
        return [[n for _, span in splitter.pre_tokenize_str(text) for n in span] for text in TEXTS]
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


# The planes that have characters, and a bit of the private ones.
CHARACTERS = [*range(0xD800), *range(0xE000, 0x32400), *range(0xE0000, 0xE0200), *range(0x10FF00, 0x110000)]


def characters(pattern):
    splitter = pre_tokenizers.Split(Regex(pattern), "removed")
    every = bytes(all(not begin <= 1 < end for _, (begin, end) in splitter.pre_tokenize_str("\x02%s\x02" % chr(c))) for c in CHARACTERS)
    return "%08x" % zlib.crc32(every)


def main():
    draw = random.Random(5)
    patterns = list(dict.fromkeys(WRITTEN + [choice_of(draw) for _ in range(700)]))
    cases = [{"pattern": p, "matches": matches(p)} for p in patterns]
    result = {"texts": TEXTS, "properties": {p: characters(p) for p in PROPERTIES}, "cases": cases}
    (Path(__file__).resolve().parent / "regex.json").write_text(json.dumps(result, separators=(",", ":")).replace('{"pattern"', '\n{"pattern"') + "\n")


if __name__ == "__main__":
    main()
