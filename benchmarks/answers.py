"""What cleaning and checking an answer costs, beside parsing the JSON that it came in.

    python -m benchmarks.answers

Prints microseconds of processor time a call and the ratio to `json.loads` of the body. A call's own
share must stay under 100 microseconds.
"""

import json
import time
from collections.abc import Callable
from functools import partial

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from metasynth.agents.conductor.tools import tool_schemas
from metasynth.agents.models.answers.cleaning import clean_answer
from metasynth.agents.models.answers.completion import mend_completion
from metasynth.usage import settle_usage

_TEXT = "The tide came in at noon, and nobody on the quay was there to see it. " * 50
_USAGE = UsageMetadata(input_tokens=900, output_tokens=800, total_tokens=1700)
_ARGUMENTS = {"expert": "editor", "instruction": "Write it anew. " * 20, "attach": ["draft-1"]}
_CALL = {"name": "consult", "arguments": _ARGUMENTS}
_ROUNDS = 2000


def microseconds(work: Callable[[], object]) -> float:
    """Of processor time, the best of five series."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(_ROUNDS):
            work()
        best = min(best, time.process_time() - start)
    return best / _ROUNDS * 1e6


def main() -> None:
    """Measure and print."""
    tools = tool_schemas()
    answers = {
        "document of 700 words": AIMessage(_TEXT),
        "document with thinking": AIMessage(f"<think>\n{_TEXT}\n</think>\n\n{_TEXT}"),
        "native call": AIMessage(
            "", tool_calls=[{"name": "consult", "args": _ARGUMENTS, "id": "1", "type": "tool_call"}]
        ),
        "call as text": AIMessage(f"<tool_call>{json.dumps(_CALL)}</tool_call>"),
    }
    for name, message in answers.items():
        message.usage_metadata = _USAGE
        calls = [
            {
                "id": "1",
                "type": "function",
                "function": {**_CALL, "arguments": json.dumps(call["args"])},
            }
            for call in message.tool_calls
        ]
        body = {
            "choices": [{"message": {"content": message.text, "tool_calls": calls}}],
            "usage": {"prompt_tokens": 900, "completion_tokens": 800},
        }
        text = json.dumps(body)
        offered = tools if "call" in name else None

        def checked(
            message: AIMessage = message, offered: object = offered, body: object = body
        ) -> None:
            mend_completion(body)
            settle_usage(message, prompt=900)
            clean_answer(message, tools=offered)  # type: ignore[arg-type]

        own, parsing = microseconds(checked), microseconds(partial(json.loads, text))
        print(f"{name:24} {own:7.1f} µs  parsing {parsing:6.1f} µs  ratio {own / parsing:5.2f}")


if __name__ == "__main__":
    main()
