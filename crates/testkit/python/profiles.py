"""Python's configparser, with which the AWS CLI reads its files, judges what `muster configure` makes of them:
`profiles.py MUSTER FOLDER SEED COUNT`."""

import configparser
import os
import random
import subprocess
import sys

muster, folder, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
path = os.path.join(folder, "credentials")
KEYS = {"aws_access_key_id": "AKIAEXAMPLEAAAAAAAA1", "aws_secret_access_key": "EXAMPLE/new+"}
draw = random.Random(seed)


def parse(text):
    parser = configparser.RawConfigParser(default_section=None)
    parser.read_string(text)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def line():
    name = draw.choice(["a", "b", "p-nomfa", "c d", "e"])
    key = draw.choice(["aws_access_key_id", "AWS_Secret_Access_Key", "aws_session_token", "region", "s3", "x"])
    return draw.choice([
        f"[{name}]", f"[{name}] # mine", f"{key} = {draw.choice(['v', '', 'a=b', 'v # mine', 'é'])}", f"{key}=v", f"{key} : v",
        "    nested = 1", "  # indented", "; comment", "", "",
    ])


def run():
    environment = {"HOME": folder, "AWS_SHARED_CREDENTIALS_FILE": path, "PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true"}
    typed = "\n".join([KEYS["aws_access_key_id"], KEYS["aws_secret_access_key"], ""])
    return subprocess.run([muster, "configure", "--profile", "p", "--offline", "--yes"], input=typed, capture_output=True, text=True, env=environment)


judged = refused = 0
while judged < count:
    ending = draw.choice(["\n", "\r\n"])
    text = ending.join(line() for _ in range(draw.randrange(0, 14))) + draw.choice(["", ending])
    try:
        before = parse(text)
    except configparser.Error:
        continue
    with open(path, "w", newline="") as file:
        file.write(text)
    ran = run()
    with open(path, newline="") as file:
        after_text = file.read()
    if ran.returncode != 0:
        refused += 1
        assert after_text == text, f"refused, and changed:\n{text!r}\n{after_text!r}"
        assert ran.returncode == 1, f"{ran.returncode}: {ran.stderr}\n{text!r}"
        continue
    judged += 1
    after = parse(after_text)
    wanted = {section: dict(values) for section, values in before.items()}
    own = wanted.setdefault("p-nomfa", {})
    own.pop("aws_session_token", None)
    own.update(KEYS)
    assert after == wanted, f"{text!r}\n{after_text!r}\n{after}\n{wanted}"
    comments = [l.strip() for l in text.splitlines() if l.strip().startswith(("#", ";"))]
    rest = iter(l.strip() for l in after_text.splitlines())
    assert all(any(l == comment for l in rest) for comment in comments), f"a comment is lost\n{text!r}\n{after_text!r}"
print(judged, "files judged,", refused, "refused")
assert refused < judged
