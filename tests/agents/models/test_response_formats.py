"""Forms of answers that endpoints refuse: from a schema to JSON, to the form in words alone."""

from pathlib import Path
from typing import Any

import pytest

from metasynth.agents.models.adaptation.adaptation import Adaptations
from metasynth.agents.models.openai.chat import openai_chat
from tests.bends.bend import Bend
from tests.bends.requests import FORMS
from tests.openai_server import OpenAIServer

SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
FORM: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "mood", "schema": SCHEMA, "strict": True},
}
NOT_STRICT = {"type": "json_schema", "json_schema": {"name": "mood", "schema": SCHEMA}}
LEFT = ({"type": "json_object"}, {"type": "json_object"}, None, NOT_STRICT)


@pytest.mark.parametrize(("bend", "left"), list(zip(FORMS, LEFT, strict=True)), ids=str)
def test_a_form_that_is_refused_is_asked_for_otherwise_and_never_again_so(
    bend: Bend, left: dict[str, Any] | None, tmp_path: Path
) -> None:
    path = tmp_path / "adaptations.json"
    with OpenAIServer(lambda _: '{"mood": "calm"}', bends=[bend]) as server:
        for refusals in (range(1, 3), range(1)):  # then in another process, as it were
            begun = len(server.requests)
            chat = openai_chat("m", base_url=server.base_url, max_tries=2)
            chat.adapt_with(Adaptations(path, tell=lambda _: None))
            assert chat.invoke("How is it?", response_format=FORM).text == '{"mood": "calm"}'
            sent = server.requests[begun:]
            assert sum(bend.refuse(body) is not None for body in sent) in refusals
            assert sent[-1].get("response_format") == left
            in_words = "fits this schema" in str(sent[-1]["messages"])
            assert in_words == (left != NOT_STRICT)
