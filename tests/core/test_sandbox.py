"""Templates end: whatever a person writes is a text or an error of one line, soon."""

import json

import pytest
from jinja2 import TemplateError

from metasynth.agents.roles.reading import RoleText
from metasynth.errors import ConfigError
from metasynth.sandbox import fill, parsed, render_template
from metasynth.softsrv.baselines.task_templates import parse_templates

ENDLESS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}",
    "{{ 'a' * 10**9 }}",
    "{{ 'a' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ 'a'.ljust(1000000000) }}",
    "{{ 'a' | center(1000000000) }}",
    "{{ 'a' | indent(1000000000, true) }}",
    "{{ '\\n' * 100000 | indent(100000) }}",
    "{{ ('aaaaaaaaaa' * 1000) | replace('a', 'b' * 100000) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ lipsum(1000000) }}",
    "{% set n = namespace(t='aa') %}{% for a in range(99) %}{% set n.t = n.t ~ n.t %}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
    "{{ " + "9" * 6000 + " }}",
    "{% if 1 %}" * 500 + "{% endif %}" * 500,
    "{{ 1" + " + 1" * 50_000 + " }}",
    "a" * 1_000_001,
]


@pytest.mark.parametrize("source", ENDLESS, ids=lambda source: source[:40])
def test_a_template_that_does_not_end_is_an_error(source: str) -> None:
    with pytest.raises(ConfigError) as told:
        render_template(source, {})
    assert "\n" not in told.value.message
    role = RoleText(
        f"name: critic\ntitle: Critic\ndescription: d\ninstructions: {json.dumps(source)}\n"
    )
    assert role.problems
    with pytest.raises(ConfigError):
        parse_templates(f"name: t\nsingle: {json.dumps(source)}\n", where="t.yaml")


def test_ordinary_templates_are_filled() -> None:
    source = (
        "{% for each in texts %}{{ loop.index }}. {{ each | trim | indent(2) }}\n{% endfor %}"
        "{{ texts | join(', ') }} {{ '%5.1f' | format(2) }} {{ '{:>4}'.format(1) }} {{ 2 ** 3 }} "
        "{{ 'ab' * 3 }} {{ range(3) | list }} {{ 7 % 4 }}"
    )
    text = fill(source, {"texts": ["x" * 500_000, "two"]})
    assert text.endswith("two   2.0    1 8 ababab [0, 1, 2] 3")
    with pytest.raises(TemplateError):
        parsed("{{ a")
