"""Makes NAME.out of every NAME.test in this folder with Jinja2 itself, set up as transformers sets it up for
chat templates. Not part of the test run: `python3 tests/chat/expected.py`, then look at the difference."""
import datetime
import glob
import json
import os
import shlex

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(form):
    return datetime.datetime(2024, 7, 26, 12, 0).strftime(form)


def render(template, case):
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    values = {"tools": None, "documents": None, "add_generation_prompt": False}
    values.update(case.get("variables", {}))
    values.update({k: v for k, v in case.items() if k != "variables"})
    return env.from_string(template).render(**values)


def main():
    os.chdir(os.path.join(os.path.dirname(__file__), "..", ".."))
    for test in sorted(glob.glob("tests/chat/*.test")):
        text = ""
        for line in open(test):
            words = shlex.split(line)
            if words[:2] != ["RUN:", "%b/tests/render_chat"] or len(words) != 4:
                continue
            if words[2].startswith("builtin:"):
                continue
            text += render(open(words[2]).read(), json.load(open(words[3])))
        if text:
            with open(test[:-5] + ".out", "w", newline="") as out:
                out.write(text)


main()
