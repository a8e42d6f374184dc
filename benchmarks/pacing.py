"""Refusals and seconds for 300 calls to a server that allows 50 requests a second.

    python -m benchmarks.pacing [--calls 300] [--rate 50]

Ours against LangChain's `ChatOpenAI` with the OpenAI SDK's own retries (raised to 50, since with
its two most calls fail): same machine, same run, 50 ms latency, everything sent at once. The
server is the one of the tests: a token bucket that answers 429 with Retry-After.
"""

import argparse
import asyncio
import time
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from metasynth.agents.models.openai.chat import OpenAIChat
from tests.openai_server import OpenAIServer, RateLimit

NO_KEY = SecretStr("none")
SERVERS: list[tuple[float, Any]] = [
    (5, "fraction"),
    (25, "fraction"),
    (50, "fraction"),
    (5, "seconds"),
    (50, "seconds"),
    (25, "nothing"),
]


def plain(base_url: str) -> BaseChatModel:
    """The SDK's retries alone."""
    return ChatOpenAI(model="test-model", base_url=base_url, api_key=NO_KEY, max_retries=50)


def paced(base_url: str) -> BaseChatModel:
    """Ours."""
    return OpenAIChat(model="test-model", base_url=base_url, api_key=NO_KEY)


async def all_at_once(model: BaseChatModel, calls: int) -> int:
    """How many calls were answered."""
    waiting = (model.ainvoke(f"call {number}") for number in range(calls))
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    return sum(not isinstance(answer, BaseException) for answer in answers)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--rate", type=float, default=50.0)
    options = parser.parse_args()
    print("burst  Retry-After  model  answered  refusals  seconds")
    for burst, says in SERVERS:
        for name, build in (("paced", paced), ("plain", plain)):
            rate = RateLimit(options.rate, burst, says=says)
            with OpenAIServer(latency_s=0.05, rate=rate) as server:
                started = time.perf_counter()
                answered = asyncio.run(all_at_once(build(server.base_url), options.calls))
                seconds = time.perf_counter() - started
                row = f"{burst:5g}  {says:11}  {name}  {answered:8}  {server.refusals:8}"
                print(f"{row}  {seconds:7.1f}", flush=True)


if __name__ == "__main__":
    main()
