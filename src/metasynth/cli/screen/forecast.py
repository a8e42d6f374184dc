"""What the whole run will take, from what a trial of it took."""

from metasynth.compose.preview import Preview

from .terminal import tell


def print_forecast(preview: Preview) -> None:
    """A line a quantity, or why there is no forecast."""
    forecast = preview.forecast
    if forecast is None:
        tell("no record was accepted, so there is no forecast; rejected for:")
        for name, count in preview.reasons.items():
            tell(f"  {name} {count}")
    else:
        done = len(preview.records)
        tell(f"forecast for {forecast.wanted}, from {done} record{'s' if done > 1 else ''}:")
        tell(f"  calls    {forecast.calls:,.0f}")
        tell(f"  tokens   {forecast.tokens_in:,.0f} in, {forecast.tokens_out:,.0f} out")
        tell(f"  minutes  {forecast.minutes:,.1f} with {forecast.chains} chains that never wait")
        price = "no prices given" if forecast.usd is None else f"${forecast.usd:,.2f}"
        tell(f"  price    {price}")
    for line in preview.stages:
        tell(f"  {line}")
