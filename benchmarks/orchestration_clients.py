"""The bare clients of `benchmarks.orchestration`, each in a process of its own.

    python -m benchmarks.orchestration_clients aiohttp|sdk|langgraph URL RECORDS IN_FLIGHT

One call a record, so many in flight: by aiohttp, by the openai SDK, or by nothing (`langgraph`: a
compiled graph of five empty nodes, which is the floor of any graph).
"""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

MESSAGES = [{"role": "user", "content": "Write a document of at most 90 words about finance."}]
NODES = 5
Call = Callable[[], Awaitable[object]]


class _State(TypedDict):
    text: str


async def _carry_out(call: Call, records: int, in_flight: int) -> None:
    left = iter(range(records))

    async def chain() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(chain() for _ in range(in_flight)))


async def by_aiohttp(url: str, records: int, in_flight: int) -> None:
    """A POST and a parse."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call() -> Any:
            body = {"model": "m", "messages": MESSAGES}
            async with session.post(f"{url}/chat/completions", json=body) as response:
                return (await response.json())["choices"][0]["message"]["content"]

        await _carry_out(call, records, in_flight)


async def by_sdk(url: str, records: int, in_flight: int) -> None:
    """The SDK with its own defaults."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=url, api_key="none") as client:

        async def call() -> Any:
            messages: Any = MESSAGES
            answer = await client.chat.completions.create(model="m", messages=messages)
            return answer.choices[0].message.content

        await _carry_out(call, records, in_flight)


async def by_langgraph(url: str, records: int, in_flight: int) -> None:  # noqa: ARG001
    """Empty nodes, no call."""
    from langgraph.graph import StateGraph

    async def node(state: _State) -> _State:
        return {"text": state["text"]}

    graph = StateGraph(_State)
    names = [f"node-{number}" for number in range(NODES)]
    for name in names:
        graph.add_node(name, node)
    graph.add_edge("__start__", names[0])
    for before, after in itertools.pairwise(names):
        graph.add_edge(before, after)
    compiled = graph.compile()
    await _carry_out(lambda: compiled.ainvoke({"text": "a"}), records, in_flight)


CLIENTS = {"aiohttp": by_aiohttp, "sdk": by_sdk, "langgraph": by_langgraph}


if __name__ == "__main__":
    _, kind, address, count, width = sys.argv
    asyncio.run(CLIENTS[kind](address, int(count), int(width)))
