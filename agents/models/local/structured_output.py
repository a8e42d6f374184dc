"""What callers ask of a chat model in OpenAI's words: which tool, which form of answer."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import (
    JsonOutputKeyToolsParser,
    PydanticToolsParser,
)
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from metasynth.errors import RequestError

Method = Literal["function_calling", "json_schema", "json_mode"]


def as_tool_choice(value: Any) -> str:
    """`auto`, `any`, `none` or a tool's name, from the forms that LangChain and OpenAI allow."""
    if value is None or value == "auto" or value is False:
        return "auto"
    if value is True or value in ("any", "required"):
        return "any"
    if isinstance(value, Mapping):
        return str(value["function"]["name"] if "function" in value else value["name"])
    return str(value)


def requested_schema(response_format: Any) -> dict[str, Any] | None:
    """The JSON schema that `response_format` asks for; None where any text may come.

    Raises:
        RequestError: It is in none of OpenAI's forms.
    """
    if response_format is None or response_format == {"type": "text"}:
        return None
    if isinstance(response_format, type):
        return convert_to_json_schema(response_format)
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    if kind == "json_object":
        return {"type": "object"}
    if kind == "json_schema" and "schema" in response_format.get("json_schema", {}):
        return dict(response_format["json_schema"]["schema"])
    raise RequestError(
        f"unknown response_format {response_format!r}",
        hint='{"type": "json_schema", "json_schema": {"name": ..., "schema": {...}}}',
        code="unknown_format",
    )


def structured_output(
    model: BaseChatModel, schema: Any, *, method: Method, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """`model`, made to answer in the form of `schema`.

    Args:
        model: A chat model that takes tools and `response_format`.
        schema: A pydantic class, a TypedDict, a JSON schema or an OpenAI tool; with `json_mode` it
            may be None.
        method: By a tool call, by a JSON schema, or any JSON object.
        include_raw: Whether to give the message and a parsing error along with what was parsed.
    """
    pydantic_class = schema if isinstance(schema, type) and is_basemodel_subclass(schema) else None
    marked = {"kwargs": {"method": method}, "schema": schema}
    parser: Runnable[Any, Any]
    if method == "function_calling":
        name = convert_to_openai_tool(schema)["function"]["name"]
        asked: Runnable[LanguageModelInput, Any] = model.bind_tools(
            [schema], tool_choice=name, ls_structured_output_format=marked
        )
        parser = (
            PydanticToolsParser(tools=[pydantic_class], first_tool_only=True)
            if pydantic_class
            else JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
        )
    else:
        asked = model.bind(
            response_format=_response_format(schema, method), ls_structured_output_format=marked
        )
        parser = (
            PydanticOutputParser(pydantic_object=pydantic_class)
            if pydantic_class
            else JsonOutputParser()
        )
    if not include_raw:
        return asked | parser
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=asked) | parsed.with_fallbacks([unparsed], exception_key="parsing_error")


def _response_format(schema: Any, method: Method) -> dict[str, Any]:
    if method == "json_mode" and schema is None:
        return {"type": "json_object"}
    described = convert_to_json_schema(schema)
    name = described.get("title", "answer")
    return {"type": "json_schema", "json_schema": {"name": name, "schema": described}}
