#!/usr/bin/env python3
"""Writes table.json: what CPython's re.match says about each pattern and name.

Run it from this folder, `python3 make_table.py > table.json`, and check in what it prints.
"""

import json
import re
import sys
import warnings

warnings.simplefilter("ignore")  # FutureWarning about [[ and && is the very point of some rows

NAMES = ["svc-backup", "my-svc", "Headless-ci", "headless-ci", "jdoe", "a-b", "aab", "abab", "a&b", "x_y@z.com", "bot", "A1"]

PATTERNS = [
    r"^Headless-(.*)", r"Headless-", r"(?i)headless-", r"svc|bot$", r"^svc|bot$", r"(svc|bot)$",
    r"^(?!Headless-)", r"(?=.*-ci$)", r".*(?<=-)ci", r".*(?<!Headless-)ci", r"(?P<first>a)(?P=first)b", r"(a)\1b", r"(ab)\1$",
    r"\w+\Z", r"\w+$", r"[\w-]+\Z", r"\A[a-z]+-", r"\d", r"\D\d", r"[^\W\d_]+\Z", r"\w+@\w+\.com", r"\S+", r"\s",
    r"[a-z&&b]+\Z", r"[a&b]+\Z", r"[[a]+b", r"a[^-]b", r"[-a]+b", r"[a\-b]+\Z", r"[]a]+b", r"[a-c-]+\Z", r"[\d\w]+-",
    r"a++b", r"a?+b", r"a*+ab", r"(?>a+)b", r"(?>a+)ab", r"a{1,2}b", r"a{,2}b", r"a{2}", r"a{b|jdoe", r"a{,}b",
    r"(?x) svc  # the prefix", r"(?x)[a b]+\Z", r"(?x)a\ b|j d o e", r"(?a)\w+\Z", r"(?s).+\Z", r"(?m)^a", r"(?im)^A-",
    r"(?i:H)eadless", r"(?-i:h)eadless", r"(?i)a(?-i:B)", r"(?#note)jdoe", r"(a)?b|(?(1)x|jdoe)", r"(?P<q>a)?(?(q)a|j)",
    r"\x6adoe", r"\u006adoe", r"\U0000006adoe", r"\152doe", r"jd\157e", r"\101", r"\-|a\-b", r"a\&b", r"x\_y", r"\<|j", r"\>|b",
    r"(?:svc|my)-", r"(?:a|b)+?b\Z", r"(a|b)*\Z", r".{4}\Z", r".{3,5}?\Z", r"^$", r"$", r"^", r"\b\w", r"\Bx|a", r"a\b",
    r"(?=a)(?!ab)a", r"((a)|(b))+\3", r"[a-zA-Z]{4,}", r"[^a-z]", r"(?u)\w", r"\w{1,64}\Z", r"[.]|[@]|[a]", r"[\^a]+b", r"[a^]+b",
    r"(.)(.)\1\2\Z", r"(?<!x)jdoe", r"x?(?<=x)_", r"[\x61-\x63]+\Z", r"[\x2d]|a[\x2d]b", r"(?:a|ab){2}+", r"(?:a|ab){2,3}+",
    r"(?:a|ab){1,2}+b", r"(?i:a|ab){2}+", r"(?:a|ab)++b", r"(?:a|ab)*+b", r"\.|x.y", r"a|", r"|x", r"()\1jdoe",
]

ODD = [
    (r"(?:a|ab){2}+", "aba"), (r"(?:a|ab){2}+", "aa"), (r"(?i)ı", "i"), (r"(?i)İ", "I"), (r"(?i)i", "I"), (r"(?i)x", "X"),
    (r"\w", "é"), (r"\w+\Z", "étude"), (r"(?a)\w", "é"), (r"\d", "٣"), (r"(?a)\d", "٣"), (r"(?i)É", "étude"),
    (r"[^\W]", "ñ"), (r"\w", "_"), (r"\w", "-"), (r"\w", "²"), (r"\d", "²"), (r"[é-ü]", "ö"), (r".", "日本"), (r"\W", "日"),
    (r"[[:alpha:]]", "a]"), (r"[[:alpha:]]", ":]x"), (r"[a||b]", "|"), (r"[a~~b]", "~"), (r"[~~]", "~"),
    (r"[!--]", "-"), (r"[+--]", ","), (r"\07", "\x07"), (r"\0", "\x00"), (r"\s", "\x1c"), (r"\S", "\x1c"), (r"[\S]", "\x1d"),
    (r"[^\s]", "\x1f"), (r"\t", "\t"), (r"[\b]", "\x08"), (r"\a", "\x07"), (r"(?x)\#a", "#a"), (r"(?x)[#]a", "#a"), (r"\ a", " a"),
]


def row(pattern, name):
    return {"pattern": pattern, "name": name, "matches": re.match(pattern, name) is not None}


def main():
    rows = []
    for pattern in PATTERNS:
        try:
            re.compile(pattern)
        except re.error as error:
            sys.exit(f"{pattern}: {error}")
        rows += [row(pattern, name) for name in NAMES]
    rows += [row(pattern, name) for pattern, name in ODD]
    print(f'{{"python": "{sys.version.split()[0]}", "rows": [')
    print(",\n".join(json.dumps(r, ensure_ascii=True) for r in rows))
    print("]}")


main()
